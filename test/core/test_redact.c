#include "redact.h"

#include "test.h"

static const struct
{
	const char *text;
	const char *want; /* NULL: as it is */
} tokens[] = {
	{"", NULL},
	{"eyJ", NULL},
	{"eyJhbGciOiJIUzI1NiJ9", NULL},
	{"eyJhbGciOiJIUzI1NiJ9.eyJ0ZW5hbnQiOiJhIn0", NULL},
	{"eyJhbGciOiJIUzI1NiJ9.eyJ0ZW5hbnQiOiJhIn0 .c2ln", NULL},
	{"eyJ.a.b", "*******"},
	{"eyJ..", "*****"},
	{"SET billing.token = 'eyJh-_Y.eyJ0.c2ln'; x", "SET billing.token = '*****************'; x"},
	{"eyJeyJ.a.b.c eyJ.d.e", "**********.c *******"},
	{"eyJ eyJ.a.b", "eyJ *******"},
	{"xeyJ.a.b=", "x*******="},
};

static void
test_tokens(void)
{
	char text[128];

	for (size_t i = 0; i < sizeof(tokens) / sizeof(tokens[0]); i++)
	{
		strcpy(text, tokens[i].text);
		CHECK_INT(redact_has_token(text), tokens[i].want != NULL);
		CHECK_INT(redact_tokens(text), tokens[i].want != NULL);
		CHECK_STR(text, tokens[i].want != NULL ? tokens[i].want : tokens[i].text);
	}
}

static const struct
{
	const char *text;
	RedactLevel level;
	bool has_literal;
} statements[] = {
	{"", REDACT_NOTHING, false},
	{"SELECT 1", REDACT_NOTHING, false},
	{"SELECT billing.set_personal_data($1, $2, $3, $4)", REDACT_ARGUMENTS, false},
	{"SELECT billing.SET_Personal_Data ('a')", REDACT_ARGUMENTS, true},
	{"select billing.\"set_personal_data\"($$a$$)", REDACT_ARGUMENTS, true},
	{"set_personal_data", REDACT_ARGUMENTS, false},
	{"set_personal_data_x('a')", REDACT_NOTHING, true},
	{"SELECT billing.personal_data('a')", REDACT_RESULTS, true},
	{"SELECT billing.personal_data($1), billing.set_personal_data($2)", REDACT_ARGUMENTS, false},
	{"SELECT billing.erase_subject($1, $tag$a$tag$)", REDACT_ARGUMENTS, true},
	{"SELECT billing.issue_token('a')", REDACT_ARGUMENTS, true},
	{"SET billing.token = 'x'", REDACT_ARGUMENTS, true},
	{"SET billing.token TO x", REDACT_ARGUMENTS, false},
	{"ALTER SYSTEM SET billing.token_key_file = 'x'", REDACT_NOTHING, true},
	{"SELECT $", REDACT_NOTHING, true},
};

static void
test_statements(void)
{
	for (size_t i = 0; i < sizeof(statements) / sizeof(statements[0]); i++)
	{
		CHECK_INT(redact_level(statements[i].text), statements[i].level);
		CHECK_INT(redact_has_literal(statements[i].text), statements[i].has_literal);
	}
}

static void
test_overwriting(void)
{
	static const char *const quoted[][2] = {
		{"nothing", "nothing"}, {"a \"b\" c", "a \"*\" c"},			{"a \"b\" c \"d\" e", "a \"*******\" e"},
		{"a \"b", "a **"},		{"a \"bcdefghijk", "a [withheld]"},
	};
	char text[64];

	for (size_t i = 0; i < sizeof(quoted) / sizeof(quoted[0]); i++)
	{
		strcpy(text, quoted[i][0]);
		redact_quoted(text);
		CHECK_STR(text, quoted[i][1]);
	}
	strcpy(text, "123456789");
	redact_all(text);
	CHECK_STR(text, "*********");
	strcpy(text, "1234567890");
	redact_all(text);
	CHECK_STR(text, "[withheld]");
	strcpy(text, "a long text that is to be withheld");
	redact_all(text);
	CHECK_STR(text, "[withheld]");
	text[0] = '\0';
	redact_all(text);
	CHECK_STR(text, "");
}

static void
test_executed(void)
{
	char name[8];
	const char *rest = redact_executed("BEGIN; EXECUTE  Store_It('x'); execute \"Odd\"", name, sizeof(name));

	CHECK_STR(name, "store_i");
	CHECK_STR(rest, "('x'); execute \"Odd\"");
	rest = redact_executed(rest, name, sizeof(name));
	CHECK_STR(name, "Odd");
	CHECK_STR(rest, "\"");
	CHECK(redact_executed(rest, name, sizeof(name)) == NULL);
	CHECK(redact_executed("SELECT executed, my_execute FROM t", name, sizeof(name)) == NULL);
	CHECK_STR(redact_executed("EXECUTE", name, sizeof(name)), "");
	CHECK_STR(name, "");
	CHECK_STR(redact_executed("execute \"open", name, sizeof(name)), "");
	CHECK_STR(name, "open");
}

int
main(void)
{
	test_tokens();
	test_statements();
	test_overwriting();
	test_executed();
	TEST_MAIN_END();
}
