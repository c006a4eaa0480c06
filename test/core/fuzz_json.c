/*
 * libFuzzer: whatever is accepted has a canonical form (or a number beyond a double), which is accepted again and is
 * its own canonical form. Build with clang -fsanitize=fuzzer,address,undefined.
 */
#include "json.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

extern int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(int holds)
{
	if (!holds)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	JsonDocument *document;
	JsonDocument *again;
	char *first = NULL;
	char *second = NULL;
	size_t first_length;
	size_t second_length;
	size_t offset;
	JsonStatus status = json_parse((const char *) data, size, &document, &offset);

	require(offset <= size);
	if (status != JSON_OK)
	{
		require(document == NULL);
		return 0;
	}
	status = json_canonical(json_root(document), &first, &first_length);
	json_free(document);
	require(status == JSON_OK || status == JSON_NUMBER_RANGE);
	if (status != JSON_OK)
		return 0;
	require(json_parse(first, first_length, &again, &offset) == JSON_OK);
	require(json_canonical(json_root(again), &second, &second_length) == JSON_OK);
	require(first_length == second_length && memcmp(first, second, first_length) == 0);
	json_free(again);
	free(first);
	free(second);
	return 0;
}
