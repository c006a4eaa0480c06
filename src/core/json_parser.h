#ifndef BILLING_CORE_JSON_PARSER_H
#define BILLING_CORE_JSON_PARSER_H

/* What json.c and json_string.c share while a text is read; nobody else includes this. */

#include "json.h"

#include <stdbool.h>

/*
 * strings_end is where the next decoded byte goes. The strings buffer has one byte more than the source, which is
 * enough for every decoded string with its terminator: decoding never lengthens, the terminator takes the place of
 * a quote, and a number's terminator that of the byte after it.
 */
typedef struct JsonParser
{
	const char *text;
	size_t length;
	size_t position;
	size_t error_offset;
	unsigned depth;
	char *strings_end;
	JsonDocument *document;
} JsonParser;

static inline JsonStatus
json_fail(JsonParser *parser, JsonStatus status, size_t offset)
{
	parser->error_offset = offset;
	return status;
}

/* The byte at the position, or -1 at the end: which no comparison with a byte matches. */
static inline int
json_peek(const JsonParser *parser)
{
	if (parser->position >= parser->length)
		return -1;
	return (unsigned char) parser->text[parser->position];
}

static inline bool
json_is_digit(int byte)
{
	return byte >= '0' && byte <= '9';
}

/* Reads a string whose opening quote is at the position; *text gets its decoded bytes with a terminator. */
extern JsonStatus json_parse_string(JsonParser *parser, const char **text, size_t *length);

#endif
