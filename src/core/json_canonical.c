#include "json.h"

#include <stdlib.h>
#include <string.h>

typedef struct JsonWriter
{
	char *bytes;
	size_t length;
	size_t capacity;
} JsonWriter;

static JsonStatus write_value(JsonWriter *writer, const JsonNode *node);

int
json_key_compare(const char *a, size_t a_length, const char *b, size_t b_length)
{
	size_t common = a_length < b_length ? a_length : b_length;

	for (size_t i = 0; i < common; i++)
	{
		unsigned char x = (unsigned char) a[i];
		unsigned char y = (unsigned char) b[i];

		if (x == y)
			continue;
		/*
		 * UTF-8 and UTF-16 order differ in one place: code points from U+10000 (lead byte from 0xF0) are
		 * surrogates in UTF-16, and so come before U+E000 to U+FFFF (lead bytes 0xEE and 0xEF).
		 */
		if (x >= 0xEE && y >= 0xEE && (x >= 0xF0) != (y >= 0xF0))
			return x >= 0xF0 ? -1 : 1;
		return x < y ? -1 : 1;
	}
	return a_length == b_length ? 0 : a_length < b_length ? -1 : 1;
}

/* Keeps one byte of room after the content for the terminator. */
static JsonStatus
put(JsonWriter *writer, const char *bytes, size_t length)
{
	if (writer->bytes == NULL || writer->capacity - writer->length <= length)
	{
		size_t capacity = writer->capacity + length + writer->capacity / 2 + 64;
		char *grown = capacity < writer->capacity ? NULL : realloc(writer->bytes, capacity);

		if (grown == NULL)
			return JSON_NO_MEMORY;
		writer->bytes = grown;
		writer->capacity = capacity;
	}
	memcpy(writer->bytes + writer->length, bytes, length);
	writer->length += length;
	return JSON_OK;
}

static JsonStatus
put_character(JsonWriter *writer, char character)
{
	return put(writer, &character, 1);
}

/* RFC 8785 3.2.2.2: the two-character escapes where JSON has one, \u00xx for other control characters. */
static JsonStatus
put_escaped(JsonWriter *writer, unsigned char byte)
{
	static const char hex[] = "0123456789abcdef";
	static const char values[] = "\"\\\b\f\n\r\t";
	static const char names[] = "\"\\bfnrt";
	const char *found = byte == 0 ? NULL : strchr(values, byte);
	char escape[6] = {'\\', 'u', '0', '0', hex[byte >> 4], hex[byte & 15]};

	if (found == NULL)
		return put(writer, escape, sizeof(escape));
	escape[1] = names[found - values];
	return put(writer, escape, 2);
}

static JsonStatus
write_string(JsonWriter *writer, const char *text, size_t length)
{
	JsonStatus status = put_character(writer, '"');
	size_t start = 0;

	for (size_t i = 0; i < length && status == JSON_OK; i++)
	{
		unsigned char byte = (unsigned char) text[i];

		if (byte >= 0x20 && byte != '"' && byte != '\\')
			continue;
		status = put(writer, text + start, i - start);
		if (status == JSON_OK)
			status = put_escaped(writer, byte);
		start = i + 1;
	}
	if (status == JSON_OK)
		status = put(writer, text + start, length - start);
	return status == JSON_OK ? put_character(writer, '"') : status;
}

static JsonStatus
write_number(JsonWriter *writer, const JsonNode *node)
{
	char text[JSON_NUMBER_TEXT_MAX];
	size_t length;
	JsonStatus status = json_canonical_number(node->text, node->length, text, &length);

	return status == JSON_OK ? put(writer, text, length) : status;
}

static JsonStatus
write_array(JsonWriter *writer, const JsonNode *array)
{
	JsonStatus status = put_character(writer, '[');

	for (const JsonNode *item = array->first; item != NULL && status == JSON_OK; item = item->next)
	{
		if (item != array->first)
			status = put_character(writer, ',');
		if (status == JSON_OK)
			status = write_value(writer, item);
	}
	return status == JSON_OK ? put_character(writer, ']') : status;
}

static int
compare_members(const void *a, const void *b)
{
	const JsonNode *x = *(const JsonNode *const *) a;
	const JsonNode *y = *(const JsonNode *const *) b;

	return json_key_compare(x->key, x->key_length, y->key, y->key_length);
}

static JsonStatus
write_members(JsonWriter *writer, const JsonNode **members, size_t count)
{
	JsonStatus status = put_character(writer, '{');

	for (size_t i = 0; i < count && status == JSON_OK; i++)
	{
		if (i > 0)
			status = put_character(writer, ',');
		if (status == JSON_OK)
			status = write_string(writer, members[i]->key, members[i]->key_length);
		if (status == JSON_OK)
			status = put_character(writer, ':');
		if (status == JSON_OK)
			status = write_value(writer, members[i]);
	}
	return status == JSON_OK ? put_character(writer, '}') : status;
}

static JsonStatus
write_object(JsonWriter *writer, const JsonNode *object)
{
	const JsonNode **members;
	size_t count = 0;
	JsonStatus status;

	if (object->count == 0)
		return put(writer, "{}", 2);
	members = malloc(object->count * sizeof(*members));
	if (members == NULL)
		return JSON_NO_MEMORY;
	for (const JsonNode *member = object->first; member != NULL; member = member->next)
		members[count++] = member;
	qsort(members, count, sizeof(*members), compare_members);
	status = write_members(writer, members, count);
	free(members);
	return status;
}

static JsonStatus
write_value(JsonWriter *writer, const JsonNode *node)
{
	switch (node->type)
	{
		case JSON_NULL:
			return put(writer, "null", 4);
		case JSON_FALSE:
			return put(writer, "false", 5);
		case JSON_TRUE:
			return put(writer, "true", 4);
		case JSON_NUMBER:
			return write_number(writer, node);
		case JSON_STRING:
			return write_string(writer, node->text, node->length);
		case JSON_ARRAY:
			return write_array(writer, node);
		case JSON_OBJECT:
			return write_object(writer, node);
	}
	return JSON_UNEXPECTED_BYTE;
}

JsonStatus
json_canonical(const JsonNode *node, char **out, size_t *out_length)
{
	JsonWriter writer = {0};
	JsonStatus status = write_value(&writer, node);

	*out = NULL;
	*out_length = 0;
	if (status != JSON_OK)
	{
		free(writer.bytes);
		return status;
	}
	writer.bytes[writer.length] = '\0';
	*out = writer.bytes;
	*out_length = writer.length;
	return JSON_OK;
}

const char *
json_status_text(JsonStatus status)
{
	static const char *const texts[] = {
		[JSON_OK] = "valid",
		[JSON_UNEXPECTED_END] = "unexpected end",
		[JSON_UNEXPECTED_BYTE] = "unexpected character",
		[JSON_TRAILING_BYTES] = "text after the value",
		[JSON_INVALID_NUMBER] = "invalid number",
		[JSON_LEADING_ZERO] = "number with a leading zero",
		[JSON_CONTROL_CHARACTER] = "unescaped control character",
		[JSON_INVALID_ESCAPE] = "invalid escape",
		[JSON_LONE_SURROGATE] = "lone surrogate",
		[JSON_INVALID_UTF8] = "invalid UTF-8",
		[JSON_DUPLICATE_KEY] = "duplicate key",
		[JSON_TOO_DEEP] = "nesting too deep",
		[JSON_NUMBER_RANGE] = "number beyond the range of a double",
		[JSON_NO_MEMORY] = "out of memory",
	};

	if ((size_t) status >= sizeof(texts) / sizeof(texts[0]))
		return "unknown status";
	return texts[status];
}
