#include "json_parser.h"

#include <stdint.h>
#include <string.h>

/* The length of the well-formed UTF-8 sequence at bytes (Unicode table 3-7), or 0. */
static size_t
utf8_sequence(const unsigned char *bytes, size_t available)
{
	unsigned char lead = bytes[0];
	unsigned char low = 0x80;
	unsigned char high = 0xBF;
	size_t length;

	if (lead < 0x80)
		return 1;
	if (lead < 0xC2 || lead > 0xF4)
		return 0;
	length = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
	if (available < length)
		return 0;
	if (lead == 0xE0)
		low = 0xA0;
	else if (lead == 0xED)
		high = 0x9F;
	else if (lead == 0xF0)
		low = 0x90;
	else if (lead == 0xF4)
		high = 0x8F;
	if (bytes[1] < low || bytes[1] > high)
		return 0;
	for (size_t i = 2; i < length; i++)
		if ((bytes[i] & 0xC0) != 0x80)
			return 0;
	return length;
}

static char *
put_code_point(char *out, uint32_t point)
{
	if (point < 0x80)
		*out++ = (char) point;
	else if (point < 0x800)
	{
		*out++ = (char) (0xC0 | point >> 6);
		*out++ = (char) (0x80 | (point & 0x3F));
	}
	else if (point < 0x10000)
	{
		*out++ = (char) (0xE0 | point >> 12);
		*out++ = (char) (0x80 | (point >> 6 & 0x3F));
		*out++ = (char) (0x80 | (point & 0x3F));
	}
	else
	{
		*out++ = (char) (0xF0 | point >> 18);
		*out++ = (char) (0x80 | (point >> 12 & 0x3F));
		*out++ = (char) (0x80 | (point >> 6 & 0x3F));
		*out++ = (char) (0x80 | (point & 0x3F));
	}
	return out;
}

/* Reads the four hexadecimal digits of \uXXXX; the position stands on the first of them. */
static JsonStatus
parse_hex4(JsonParser *parser, size_t escape_offset, uint32_t *unit)
{
	*unit = 0;
	for (int i = 0; i < 4; i++, parser->position++)
	{
		int byte = json_peek(parser);
		uint32_t digit;

		if (byte < 0)
			return json_fail(parser, JSON_UNEXPECTED_END, parser->position);
		if (json_is_digit(byte))
			digit = (uint32_t) (byte - '0');
		else if (byte >= 'a' && byte <= 'f')
			digit = (uint32_t) (byte - 'a' + 10);
		else if (byte >= 'A' && byte <= 'F')
			digit = (uint32_t) (byte - 'A' + 10);
		else
			return json_fail(parser, JSON_INVALID_ESCAPE, escape_offset);
		*unit = *unit << 4 | digit;
	}
	return JSON_OK;
}

/* Reads what follows "\u": one code unit, or a surrogate pair written as two escapes. */
static JsonStatus
parse_unicode_escape(JsonParser *parser, size_t escape_offset)
{
	uint32_t high;
	uint32_t low;
	JsonStatus status = parse_hex4(parser, escape_offset, &high);

	if (status != JSON_OK)
		return status;
	if (high >= 0xDC00 && high <= 0xDFFF)
		return json_fail(parser, JSON_LONE_SURROGATE, escape_offset);
	if (high >= 0xD800 && high <= 0xDBFF)
	{
		size_t second_offset = parser->position;

		if (parser->length - parser->position < 2 || memcmp(parser->text + parser->position, "\\u", 2) != 0)
			return json_fail(parser, JSON_LONE_SURROGATE, escape_offset);
		parser->position += 2;
		status = parse_hex4(parser, second_offset, &low);
		if (status != JSON_OK)
			return status;
		if (low < 0xDC00 || low > 0xDFFF)
			return json_fail(parser, JSON_LONE_SURROGATE, escape_offset);
		high = 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00);
	}
	parser->strings_end = put_code_point(parser->strings_end, high);
	return JSON_OK;
}

static JsonStatus
parse_escape(JsonParser *parser)
{
	static const char names[] = "\"\\/bfnrt";
	static const char values[] = "\"\\/\b\f\n\r\t";
	size_t escape_offset = parser->position++;
	int byte = json_peek(parser);
	const char *found;

	if (byte < 0)
		return json_fail(parser, JSON_UNEXPECTED_END, parser->position);
	parser->position++;
	if (byte == 'u')
		return parse_unicode_escape(parser, escape_offset);
	found = byte == 0 ? NULL : strchr(names, byte);
	if (found == NULL)
		return json_fail(parser, JSON_INVALID_ESCAPE, escape_offset);
	*parser->strings_end++ = values[found - names];
	return JSON_OK;
}

JsonStatus
json_parse_string(JsonParser *parser, const char **text, size_t *length)
{
	char *start = parser->strings_end;

	parser->position++;
	for (;;)
	{
		const unsigned char *bytes = (const unsigned char *) parser->text + parser->position;
		int byte = json_peek(parser);
		size_t sequence;
		JsonStatus status;

		if (byte < 0)
			return json_fail(parser, JSON_UNEXPECTED_END, parser->position);
		if (byte == '"')
			break;
		if (byte < 0x20)
			return json_fail(parser, JSON_CONTROL_CHARACTER, parser->position);
		if (byte == '\\')
		{
			status = parse_escape(parser);
			if (status != JSON_OK)
				return status;
			continue;
		}
		sequence = utf8_sequence(bytes, parser->length - parser->position);
		if (sequence == 0)
			return json_fail(parser, JSON_INVALID_UTF8, parser->position);
		memcpy(parser->strings_end, bytes, sequence);
		parser->strings_end += sequence;
		parser->position += sequence;
	}
	parser->position++;
	*text = start;
	*length = (size_t) (parser->strings_end - start);
	*parser->strings_end++ = '\0';
	return JSON_OK;
}
