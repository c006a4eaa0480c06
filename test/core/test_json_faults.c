/*
 * Every allocation of the JSON reader and writer fails once, the first, the second and so on, until a run needs no
 * more: each must report JSON_NO_MEMORY, leave nothing behind and hand out nothing. The sources are compiled in
 * under other names, with counting allocators.
 */
#include "faults.h"

#define json_parse faulty_json_parse
#define json_parse_string faulty_json_parse_string
#define json_root faulty_json_root
#define json_free faulty_json_free
#define json_member faulty_json_member
#define json_key_compare faulty_json_key_compare
#define json_canonical faulty_json_canonical
#define json_canonical_number faulty_json_canonical_number
#define json_status_text faulty_json_status_text

#include "../../src/core/json.c"
#include "../../src/core/json_string.c"
#include "../../src/core/json_number.c"
#include "../../src/core/json_canonical.c"

#include "test.h"

static JsonStatus
run(const char *text, size_t length, char **out)
{
	JsonDocument *document;
	size_t out_length = 0;
	JsonStatus status = json_parse(text, length, &document, NULL);

	*out = NULL;
	if (status == JSON_OK)
		status = json_canonical(json_root(document), out, &out_length);
	else
		CHECK(document == NULL);
	if (status == JSON_OK)
		CHECK_INT(out_length, strlen(*out));
	json_free(document);
	return status;
}

int
main(void)
{
	char text[4096];
	char *out;
	char *want;
	size_t length = 0;
	long failing = 0;
	JsonStatus status;

	for (int i = 0; i < 100; i++)
		length +=
			(size_t) sprintf(text + length, "%c\"k%d\":[%d,\"v\",{\"n\":1.5}]", i == 0 ? '{' : ',', i, i);
	text[length++] = '}';
	CHECK_INT(run(text, length, &want), JSON_OK);
	do
	{
		faults_begin(failing++, false);
		status = run(text, length, &out);
		CHECK(status == JSON_OK || (status == JSON_NO_MEMORY && out == NULL));
		if (status == JSON_OK)
			CHECK_STR(out, want);
		free(out);
	} while (faults_end());
	CHECK_INT(status, JSON_OK);
	CHECK(failing > 10);
	printf("%ld allocations failed in turn\n", failing - 1);
	free(want);
	TEST_MAIN_END();
}
