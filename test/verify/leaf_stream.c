/*
 * Hashes rows with src/core as they come on the standard input, for a comparison with another implementation:
 *
 *     row KIND
 *     integer NUMBER TYPE VALUE
 *     bytes NUMBER TYPE HEX
 *     end
 *
 * and prints one hash in hex for each row.
 */
#include "leaf.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_MAX_LENGTH 65536

static void
require(int holds, const char *line)
{
	if (holds)
		return;
	fprintf(stderr, "cannot take: %s", line);
	exit(1);
}

static void
add_bytes(DigestContext *digest, unsigned number, unsigned type, const char *hex)
{
	static uint8_t bytes[LINE_MAX_LENGTH / 2];
	size_t length = strspn(hex, "0123456789abcdef") / 2;

	for (size_t i = 0; i < length; i++)
	{
		unsigned byte;

		require(sscanf(hex + 2 * i, "%2x", &byte) == 1, hex);
		bytes[i] = (uint8_t) byte;
	}
	require(leaf_column(digest, (uint16_t) number, (LeafType) type, bytes, length) == DIGEST_OK, hex);
}

static void
print_hash(DigestContext *digest)
{
	uint8_t hash[DIGEST_SIZE];

	require(leaf_end(digest, hash) == DIGEST_OK, "end\n");
	for (size_t i = 0; i < DIGEST_SIZE; i++)
		printf("%02x", hash[i]);
	putchar('\n');
}

static void
take_line(DigestContext *digest, char *line)
{
	unsigned number;
	unsigned type;
	int64_t value;
	int start = 0;

	if (strncmp(line, "row ", 4) == 0)
	{
		line[strcspn(line, "\n")] = '\0';
		require(leaf_begin(digest, line + 4) == DIGEST_OK, line);
	}
	else if (sscanf(line, "integer %u %u %" SCNd64, &number, &type, &value) == 3)
		require(leaf_integer(digest, (uint16_t) number, (LeafType) type, value) == DIGEST_OK, line);
	else if (sscanf(line, "bytes %u %u %n", &number, &type, &start) == 2 && start > 0)
		add_bytes(digest, number, type, line + start);
	else
	{
		require(strcmp(line, "end\n") == 0, line);
		print_hash(digest);
	}
}

int
main(void)
{
	static char line[LINE_MAX_LENGTH];
	DigestContext *digest;

	require(digest_create(&digest) == DIGEST_OK, "start\n");
	while (fgets(line, sizeof(line), stdin) != NULL)
		take_line(digest, line);
	digest_free(digest);
	return ferror(stdin) || fflush(stdout) != 0;
}
