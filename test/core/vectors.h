/*
 * Published test vectors, which come in the directory DATA, and random numbers whose seed is printed (SEED repeats a
 * run).
 */
#ifndef BILLING_TEST_VECTORS_H
#define BILLING_TEST_VECTORS_H

#include "json.h"

#include <stdlib.h>
#include <time.h>

#include "test.h"

/* NULL, and a word about it, when DATA is not set. Free with json_free. */
static inline JsonDocument *
vectors_read(const char *name)
{
	static char file[65536];
	const char *data = getenv("DATA");
	char path[4096];
	JsonDocument *document = NULL;
	FILE *stream;
	size_t length;

	if (data == NULL || data[0] == '\0')
	{
		printf("SKIPPED: %s, because DATA is not set\n", name);
		return NULL;
	}
	snprintf(path, sizeof(path), "%s/oracles/%s", data, name);
	stream = fopen(path, "rb");
	CHECK(stream != NULL);
	if (stream == NULL)
		return NULL;
	length = fread(file, 1, sizeof(file), stream);
	fclose(stream);
	CHECK_INT(json_parse(file, length, &document, NULL), JSON_OK);
	return document;
}

/* The bytes of a text in hex; returns how many. */
static inline size_t
vectors_hex(const char *text, uint8_t *out)
{
	size_t length = strlen(text) / 2;

	for (size_t i = 0; i < length; i++)
	{
		unsigned byte = 0;

		CHECK_INT(sscanf(text + 2 * i, "%2x", &byte), 1);
		out[i] = (uint8_t) byte;
	}
	return length;
}

static inline uint64_t
vectors_seed(void)
{
	const char *given = getenv("SEED");
	uint64_t seed = given != NULL ? strtoull(given, NULL, 10) : (uint64_t) time(NULL);

	printf("seed %" PRIu64 "\n", seed);
	return seed * 2 + 1;
}

/* xorshift64 (Marsaglia 2003); the state is never zero. */
static inline uint64_t
vectors_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

#endif
