#include "personal.h"

#include <stdlib.h>

#include "vectors.h"

static const struct
{
	const char *field;
	const char *value;
	PersonalStatus status;
	const char *canonical; /* NULL: the value as a JSON string */
} values[] = {
	{"email", "a@b", PERSONAL_OK, NULL},
	{"email", "ada.lovelace+bills@example.org", PERSONAL_OK, NULL},
	{"email", "\"odd@local\"@example.org", PERSONAL_OK, "\"\\\"odd@local\\\"@example.org\""},
	{"email", "käthe@münchen.example", PERSONAL_OK, NULL},
	{"email", "", PERSONAL_BLANK, NULL},
	{"email", " \xC2\xA0", PERSONAL_BLANK, NULL},
	{"email", "ada", PERSONAL_SHAPE, NULL},
	{"email", "@example.org", PERSONAL_SHAPE, NULL},
	{"email", "ada@", PERSONAL_SHAPE, NULL},
	{"email", "ada@.example", PERSONAL_SHAPE, NULL},
	{"email", "ada@example.", PERSONAL_SHAPE, NULL},
	{"email", "ada@a..b", PERSONAL_SHAPE, NULL},
	{"email", "ada @example.org", PERSONAL_SHAPE, NULL},
	{"email", "Ada <ada@example.org>", PERSONAL_SHAPE, NULL},
	{"email", "a@b,c@d", PERSONAL_SHAPE, NULL},
	{"email", "a@b\n", PERSONAL_CHARACTER, NULL},
	{"email", "a@b\xC2\x85", PERSONAL_CHARACTER, NULL},
	{"email", "a@b\xC0\x80", PERSONAL_CHARACTER, NULL},
	{"phone", "+49 (0)89 / 123-456.78", PERSONAL_OK, NULL},
	{"phone", "110", PERSONAL_SHAPE, NULL},
	{"phone", "123456789012345678901", PERSONAL_SHAPE, NULL},
	{"phone", "+49 89 x12345", PERSONAL_CHARACTER, NULL},
	{"phone", "+49 89 1234567890123456789012345678", PERSONAL_TOO_LONG, NULL},
	{"address", "{\"lines\":[\"1 Main St\"],\"city\":\"York\",\"country\":\"GB\"}", PERSONAL_OK,
	 "{\"city\":\"York\",\"country\":\"GB\",\"lines\":[\"1 Main St\"]}"},
	{"address",
	 " { \"country\" : \"DE\", \"city\":\"K\\u00f6ln\", \"postal_code\":\"50667\", \"region\":\"NRW\", "
	 "\"lines\":[\"A\",\"B\"] }",
	 PERSONAL_OK,
	 "{\"city\":\"Köln\",\"country\":\"DE\",\"lines\":[\"A\",\"B\"],\"postal_code\":\"50667\",\"region\":"
	 "\"NRW\"}"},
	{"address", "1 Main St", PERSONAL_JSON, NULL},
	{"address", "[]", PERSONAL_JSON, NULL},
	{"address", "\"x\"", PERSONAL_JSON, NULL},
	{"address", "{}", PERSONAL_JSON, NULL},
	{"address", "{\"lines\":\"x\",\"city\":\"York\",\"country\":\"GB\"}", PERSONAL_JSON, NULL},
	{"address", "{\"lines\":[1],\"city\":\"York\",\"country\":\"GB\"}", PERSONAL_JSON, NULL},
	{"address", "{\"lines\":[],\"city\":\"York\",\"country\":\"GB\"}", PERSONAL_BLANK, NULL},
	{"address", "{\"lines\":[\" \"],\"city\":\"York\",\"country\":\"GB\"}", PERSONAL_BLANK, NULL},
	{"address",
	 "{\"lines\":[\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\"],\"city\":\"York\",\"country\":\"GB\"}",
	 PERSONAL_TOO_LONG, NULL},
	{"address", "{\"lines\":[\"a\\u0000b\"],\"city\":\"York\",\"country\":\"GB\"}", PERSONAL_CHARACTER, NULL},
	{"address", "{\"lines\":[\"a\"],\"country\":\"GB\"}", PERSONAL_JSON, NULL},
	{"address", "{\"lines\":[\"a\"],\"city\":\"York\"}", PERSONAL_JSON, NULL},
	{"address", "{\"lines\":[\"a\"],\"city\":\"York\",\"country\":\"gb\"}", PERSONAL_COUNTRY, NULL},
	{"address", "{\"lines\":[\"a\"],\"city\":\"York\",\"country\":\"GBR\"}", PERSONAL_COUNTRY, NULL},
	{"address", "{\"lines\":[\"a\"],\"city\":\"York\",\"country\":\"GB\",\"card\":\"x\"}", PERSONAL_JSON,
	 NULL},
	{"address", "{\"lines\":[\"a\"],\"city\":\"York\",\"country\":\"GB\",\"city\\u0000\":\"x\"}",
	 PERSONAL_JSON, NULL},
	{"address", "{\"lines\":[\"a\"],\"city\":\"York\",\"country\":\"GB\",\"city\":\"x\"}", PERSONAL_JSON,
	 NULL},
	{"address", "{\"lines\":[\"a\"],\"city\":\"York\",\"country\":\"GB\",\"postal_code\":7}", PERSONAL_JSON,
	 NULL},
	{"tax_numbers", "[{\"number\":\"DE 123456789\",\"country\":\"DE\"}]", PERSONAL_OK,
	 "[{\"country\":\"DE\",\"number\":\"DE 123456789\"}]"},
	{"tax_numbers", "[]", PERSONAL_BLANK, NULL},
	{"tax_numbers", "{}", PERSONAL_JSON, NULL},
	{"tax_numbers", "[\"DE123456789\"]", PERSONAL_JSON, NULL},
	{"tax_numbers", "[{\"country\":\"DE\"}]", PERSONAL_JSON, NULL},
	{"tax_numbers", "[{\"country\":\"DE\",\"number\":\"de123\"}]", PERSONAL_CHARACTER, NULL},
	{"tax_numbers", "[{\"country\":\"1E\",\"number\":\"DE123\"}]", PERSONAL_COUNTRY, NULL},
	{"tax_numbers", "[{\"country\":\"DE\",\"number\":\"DE123\",\"x\":1}]", PERSONAL_JSON, NULL},
};

static void
test_values(void)
{
	char quoted[512];

	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
	{
		const PersonalField *field = personal_field(values[i].field);
		size_t length = 0;
		char *out;

		CHECK_STR(personal_field_name(field), values[i].field);
		CHECK_INT(personal_value(field, values[i].value, strlen(values[i].value), &out, &length),
				  values[i].status);
		CHECK((out == NULL) == (values[i].status != PERSONAL_OK));
		if (out != NULL)
		{
			snprintf(quoted, sizeof(quoted), "\"%s\"", values[i].value);
			CHECK_STR(out, values[i].canonical != NULL ? values[i].canonical : quoted);
			CHECK_INT(length, strlen(out));
		}
		free(out);
	}
	CHECK(personal_field("name") == NULL);
	CHECK(personal_field("") == NULL);
}

static void
test_limits(void)
{
	static char text[10000];
	size_t length;
	char *out;

	memset(text, 'x', sizeof(text));
	text[64] = '@';
	CHECK_INT(personal_value(personal_field("email"), text, 254, &out, &length), PERSONAL_OK);
	free(out);
	CHECK_INT(personal_value(personal_field("email"), text, 255, &out, &length), PERSONAL_TOO_LONG);
	text[64] = 'x';
	text[65] = '@';
	CHECK_INT(personal_value(personal_field("email"), text, 254, &out, &length), PERSONAL_SHAPE);
	CHECK_INT(personal_value(personal_field("address"), text, sizeof(text), &out, &length),
			  PERSONAL_TOO_LONG);
	CHECK(out == NULL);
	/* A zero byte ends no text. */
	CHECK_INT(personal_value(personal_field("email"), "a@b\0c", 5, &out, &length), PERSONAL_CHARACTER);
}

/* Every status has a phrase of its own; purposes are what erasure goes by. */
static void
test_words(void)
{
	for (int i = 0; i <= PERSONAL_NO_MEMORY; i++)
		for (int j = 0; j < i; j++)
			CHECK(strcmp(personal_status_text(i), personal_status_text(j)) != 0);
	CHECK_STR(personal_status_text(PERSONAL_NO_MEMORY + 1), "unknown");
	CHECK_STR(personal_purpose_name(personal_field_purpose(personal_field("email"))), "contact");
	CHECK_STR(personal_purpose_name(personal_field_purpose(personal_field("phone"))), "contact");
	CHECK_STR(personal_purpose_name(personal_field_purpose(personal_field("address"))), "invoice");
	CHECK_STR(personal_purpose_name(personal_field_purpose(personal_field("tax_numbers"))), "invoice");
	CHECK(strlen(personal_field_form(personal_field("email"))) > 20);
}

int
main(void)
{
	test_values();
	test_limits();
	test_words();
	TEST_MAIN_END();
}
