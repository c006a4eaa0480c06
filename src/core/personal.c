#include "personal.h"

#include "json.h"
#include "utf8.h"

#include <string.h>

#define EMAIL_MAX 254 /* RFC 5321 4.5.3.1.3, without its angle brackets */
#define LOCAL_PART_MAX 64
#define PHONE_MAX 32
#define PHONE_DIGITS_MIN 5
#define PHONE_DIGITS_MAX 20
#define VALUE_MAX 8192
#define TEXT_MAX 200
#define POSTAL_CODE_MAX 20
#define TAX_NUMBER_MAX 40
#define LINES_MAX 6
#define TAX_NUMBERS_MAX 10

struct PersonalField
{
	const char *name;
	PersonalPurpose purpose;
	int is_json;
	const char *form;
	PersonalStatus (*check)(const JsonNode *value);
};

/* A text for people: something to see in it, no control characters, at most longest bytes. */
static PersonalStatus
check_text(const JsonNode *value, size_t longest)
{
	PersonalStatus status = PERSONAL_BLANK;
	size_t at = 0;

	if (value == NULL || value->type != JSON_STRING)
		return PERSONAL_JSON;
	if (value->length > longest)
		return PERSONAL_TOO_LONG;
	while (at < value->length)
	{
		uint32_t point;
		size_t step = utf8_decode(value->text + at, value->length - at, &point);

		if (step == 0 || point < 0x20 || (point >= 0x7F && point < 0xA0))
			return PERSONAL_CHARACTER;
		if (!utf8_is_space(point))
			status = PERSONAL_OK;
		at += step;
	}
	return status;
}

static PersonalStatus
check_optional_text(const JsonNode *value, size_t longest)
{
	return value == NULL ? PERSONAL_OK : check_text(value, longest);
}

/* ISO 3166-1 alpha-2. */
static PersonalStatus
check_country(const JsonNode *value)
{
	if (value == NULL || value->type != JSON_STRING)
		return PERSONAL_JSON;
	return value->length == 2 && value->text[0] >= 'A' && value->text[0] <= 'Z' && value->text[1] >= 'A' &&
				   value->text[1] <= 'Z'
			   ? PERSONAL_OK
			   : PERSONAL_COUNTRY;
}

static PersonalStatus
check_email(const JsonNode *value)
{
	PersonalStatus status = check_text(value, EMAIL_MAX);
	size_t domain = 0; /* where it begins; 0 as long as there is no at sign */

	if (status != PERSONAL_OK)
		return status;
	for (size_t i = 0; i < value->length; i++)
	{
		if (strchr(" <>,;", value->text[i]) != NULL)
			return PERSONAL_SHAPE;
		if (value->text[i] == '@')
			domain = i + 1;
	}
	if (domain < 2 || domain > LOCAL_PART_MAX + 1 || domain == value->length)
		return PERSONAL_SHAPE;
	/* No label of the domain is empty. */
	for (size_t i = domain; i < value->length; i++)
		if (value->text[i] == '.' && (i == domain || i + 1 == value->length || value->text[i + 1] == '.'))
			return PERSONAL_SHAPE;
	return PERSONAL_OK;
}

static PersonalStatus
check_phone(const JsonNode *value)
{
	PersonalStatus status = check_text(value, PHONE_MAX);
	size_t digits = 0;

	if (status != PERSONAL_OK)
		return status;
	for (size_t i = 0; i < value->length; i++)
	{
		if (value->text[i] >= '0' && value->text[i] <= '9')
			digits++;
		else if (strchr("+-./() ", value->text[i]) == NULL)
			return PERSONAL_CHARACTER;
	}
	return digits >= PHONE_DIGITS_MIN && digits <= PHONE_DIGITS_MAX ? PERSONAL_OK : PERSONAL_SHAPE;
}

/* Whether an object has no members but these; names ends with NULL. */
static int
has_only(const JsonNode *object, const char *const *names)
{
	for (const JsonNode *member = object->first; member != NULL; member = member->next)
	{
		const char *const *name = names;

		while (*name != NULL && strcmp(*name, member->key) != 0)
			name++;
		if (*name == NULL || strlen(*name) != member->key_length)
			return 0;
	}
	return 1;
}

static PersonalStatus
check_address(const JsonNode *value)
{
	static const char *const names[] = {"lines", "city", "postal_code", "region", "country", NULL};
	const JsonNode *lines = json_member(value, "lines");
	PersonalStatus status = PERSONAL_OK;

	if (value->type != JSON_OBJECT || !has_only(value, names) || lines == NULL || lines->type != JSON_ARRAY)
		return PERSONAL_JSON;
	if (lines->count == 0)
		return PERSONAL_BLANK;
	if (lines->count > LINES_MAX)
		return PERSONAL_TOO_LONG;
	for (const JsonNode *line = lines->first; line != NULL && status == PERSONAL_OK; line = line->next)
		status = check_text(line, TEXT_MAX);
	if (status == PERSONAL_OK)
		status = check_text(json_member(value, "city"), TEXT_MAX);
	if (status == PERSONAL_OK)
		status = check_optional_text(json_member(value, "postal_code"), POSTAL_CODE_MAX);
	if (status == PERSONAL_OK)
		status = check_optional_text(json_member(value, "region"), TEXT_MAX);
	return status == PERSONAL_OK ? check_country(json_member(value, "country")) : status;
}

static PersonalStatus
check_tax_number(const JsonNode *value)
{
	static const char *const names[] = {"country", "number", NULL};
	const JsonNode *number = json_member(value, "number");
	PersonalStatus status;

	if (value->type != JSON_OBJECT || !has_only(value, names))
		return PERSONAL_JSON;
	status = check_country(json_member(value, "country"));
	if (status == PERSONAL_OK)
		status = check_text(number, TAX_NUMBER_MAX);
	for (size_t i = 0; status == PERSONAL_OK && i < number->length; i++)
	{
		char c = number->text[i];

		if (!((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || strchr("-./ &", c) != NULL))
			status = PERSONAL_CHARACTER;
	}
	return status;
}

static PersonalStatus
check_tax_numbers(const JsonNode *value)
{
	PersonalStatus status = PERSONAL_OK;

	if (value->type != JSON_ARRAY)
		return PERSONAL_JSON;
	if (value->count == 0)
		return PERSONAL_BLANK;
	if (value->count > TAX_NUMBERS_MAX)
		return PERSONAL_TOO_LONG;
	for (const JsonNode *number = value->first; number != NULL && status == PERSONAL_OK;
		 number = number->next)
		status = check_tax_number(number);
	return status;
}

static const PersonalField fields[] = {
	{"address", PERSONAL_INVOICE, 1,
	 "An address is a JSON object: lines (1 to 6 texts), city, postal_code and region where there are, "
	 "country (ISO 3166-1, two capital letters).",
	 check_address},
	{"email", PERSONAL_CONTACT, 0, "An e-mail address is local@domain, of at most 254 bytes.", check_email},
	{"phone", PERSONAL_CONTACT, 0, "A phone number is 5 to 20 digits, which + - . / ( ) and spaces may part.",
	 check_phone},
	{"tax_numbers", PERSONAL_INVOICE, 1,
	 "Tax numbers are a JSON array of 1 to 10 objects: country (ISO 3166-1, two capital letters) and number "
	 "(A-Z, 0-9, - . / & and spaces).",
	 check_tax_numbers},
};

const PersonalField *
personal_field(const char *name)
{
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (strcmp(fields[i].name, name) == 0)
			return &fields[i];
	return NULL;
}

const char *
personal_field_name(const PersonalField *field)
{
	return field->name;
}

PersonalPurpose
personal_field_purpose(const PersonalField *field)
{
	return field->purpose;
}

const char *
personal_field_form(const PersonalField *field)
{
	return field->form;
}

const char *
personal_purpose_name(PersonalPurpose purpose)
{
	return purpose == PERSONAL_CONTACT ? "contact" : "invoice";
}

PersonalStatus
personal_value(const PersonalField *field, const char *value, size_t length, char **out, size_t *out_length)
{
	JsonNode text = {.type = JSON_STRING, .text = value, .length = length};
	const JsonNode *root = &text;
	JsonDocument *document = NULL;
	PersonalStatus status;

	*out = NULL;
	if (length > VALUE_MAX)
		return PERSONAL_TOO_LONG;
	if (field->is_json)
	{
		JsonStatus parsed = json_parse(value, length, &document, NULL);

		if (parsed != JSON_OK)
			return parsed == JSON_NO_MEMORY ? PERSONAL_NO_MEMORY : PERSONAL_JSON;
		root = json_root(document);
	}
	status = field->check(root);
	if (status == PERSONAL_OK && json_canonical(root, out, out_length) != JSON_OK)
		status = PERSONAL_NO_MEMORY;
	json_free(document);
	return status;
}

const char *
personal_status_text(PersonalStatus status)
{
	switch (status)
	{
		case PERSONAL_OK:
			return "fine";
		case PERSONAL_BLANK:
			return "there is nothing in it";
		case PERSONAL_TOO_LONG:
			return "it is too long";
		case PERSONAL_CHARACTER:
			return "it has a character that does not belong there";
		case PERSONAL_SHAPE:
			return "it cannot be one";
		case PERSONAL_JSON:
			return "it is not JSON of the field's form";
		case PERSONAL_COUNTRY:
			return "the country is not two capital letters";
		case PERSONAL_NO_MEMORY:
			return "out of memory";
	}
	return "unknown";
}
