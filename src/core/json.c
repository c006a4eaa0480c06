#include "json_parser.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* A node and where it began (for a member: the opening quote of its key), so that a repeated key can be located. */
typedef struct JsonCell
{
	JsonNode node;
	size_t offset;
} JsonCell;

#define CHUNK_CELLS_FIRST 16
#define CHUNK_CELLS_MAX 4096

/* Objects up to this size are checked for repeated keys pair by pair, without allocating. */
#define PAIRWISE_MEMBERS_MAX 12

typedef struct JsonChunk
{
	struct JsonChunk *next;
	size_t used;
	size_t capacity;
	JsonCell cells[];
} JsonChunk;

struct JsonDocument
{
	JsonNode *root;
	JsonChunk *chunks;
	char *strings;
};

static JsonStatus parse_value(JsonParser *parser, JsonCell *cell);

static JsonStatus
fail_here(JsonParser *parser)
{
	return json_fail(parser, json_peek(parser) < 0 ? JSON_UNEXPECTED_END : JSON_UNEXPECTED_BYTE,
					 parser->position);
}

static void
skip_space(JsonParser *parser)
{
	for (;;)
	{
		int byte = json_peek(parser);

		if (byte != ' ' && byte != '\t' && byte != '\n' && byte != '\r')
			return;
		parser->position++;
	}
}

static JsonCell *
new_cell(JsonParser *parser)
{
	JsonChunk *chunk = parser->document->chunks;
	JsonCell *cell;

	if (chunk == NULL || chunk->used == chunk->capacity)
	{
		size_t capacity = chunk == NULL ? CHUNK_CELLS_FIRST : chunk->capacity * 2;
		JsonChunk *grown;

		if (capacity > CHUNK_CELLS_MAX)
			capacity = CHUNK_CELLS_MAX;
		grown = malloc(sizeof(JsonChunk) + capacity * sizeof(JsonCell));
		if (grown == NULL)
			return NULL;
		grown->next = chunk;
		grown->used = 0;
		grown->capacity = capacity;
		parser->document->chunks = chunk = grown;
	}
	cell = &chunk->cells[chunk->used++];
	memset(cell, 0, sizeof(*cell));
	cell->offset = parser->position;
	return cell;
}

static JsonStatus
parse_digits(JsonParser *parser)
{
	if (!json_is_digit(json_peek(parser)))
		return json_fail(parser, json_peek(parser) < 0 ? JSON_UNEXPECTED_END : JSON_INVALID_NUMBER,
						 parser->position);
	while (json_is_digit(json_peek(parser)))
		parser->position++;
	return JSON_OK;
}

static JsonStatus
parse_number(JsonParser *parser, JsonNode *node)
{
	size_t start = parser->position;
	size_t integer;
	JsonStatus status;

	if (json_peek(parser) == '-')
		parser->position++;
	integer = parser->position;
	status = parse_digits(parser);
	if (status == JSON_OK && parser->text[integer] == '0' && parser->position > integer + 1)
		return json_fail(parser, JSON_LEADING_ZERO, integer);
	if (status == JSON_OK && json_peek(parser) == '.')
	{
		parser->position++;
		status = parse_digits(parser);
	}
	if (status == JSON_OK && (json_peek(parser) == 'e' || json_peek(parser) == 'E'))
	{
		parser->position++;
		if (json_peek(parser) == '+' || json_peek(parser) == '-')
			parser->position++;
		status = parse_digits(parser);
	}
	if (status != JSON_OK)
		return status;
	node->type = JSON_NUMBER;
	node->text = parser->strings_end;
	node->length = parser->position - start;
	memcpy(parser->strings_end, parser->text + start, node->length);
	parser->strings_end += node->length;
	*parser->strings_end++ = '\0';
	return JSON_OK;
}

static JsonStatus
parse_literal(JsonParser *parser, JsonNode *node, const char *word, JsonType type)
{
	for (; *word != '\0'; word++, parser->position++)
		if (json_peek(parser) != *word)
			return fail_here(parser);
	node->type = type;
	return JSON_OK;
}

static bool
same_key(const JsonNode *a, const JsonNode *b)
{
	return a->key_length == b->key_length && memcmp(a->key, b->key, a->key_length) == 0;
}

static int
compare_cells(const void *a, const void *b)
{
	const JsonCell *x = *(JsonCell *const *) a;
	const JsonCell *y = *(JsonCell *const *) b;
	int order = json_key_compare(x->node.key, x->node.key_length, y->node.key, y->node.key_length);

	if (order != 0)
		return order;
	return x->offset < y->offset ? -1 : 1;
}

/* Sorts the members to find the first repeated key, in n log n however many keys a hostile text has. */
static JsonStatus
check_many_keys(JsonParser *parser, const JsonNode *object)
{
	const JsonCell **cells = malloc(object->count * sizeof(*cells));
	size_t count = 0;
	size_t repeated = SIZE_MAX;

	if (cells == NULL)
		return json_fail(parser, JSON_NO_MEMORY, parser->position);
	for (const JsonNode *member = object->first; member != NULL; member = member->next)
		cells[count++] = (const JsonCell *) member;
	qsort(cells, count, sizeof(*cells), compare_cells);
	for (size_t i = 1; i < count; i++)
		if (same_key(&cells[i - 1]->node, &cells[i]->node) && cells[i]->offset < repeated)
			repeated = cells[i]->offset;
	free(cells);
	if (repeated != SIZE_MAX)
		return json_fail(parser, JSON_DUPLICATE_KEY, repeated);
	return JSON_OK;
}

static JsonStatus
check_keys(JsonParser *parser, const JsonNode *object)
{
	if (object->count > PAIRWISE_MEMBERS_MAX)
		return check_many_keys(parser, object);
	for (const JsonNode *later = object->first; later != NULL; later = later->next)
		for (const JsonNode *earlier = object->first; earlier != later; earlier = earlier->next)
			if (same_key(earlier, later))
				return json_fail(parser, JSON_DUPLICATE_KEY, ((const JsonCell *) later)->offset);
	return JSON_OK;
}

static JsonStatus
parse_key(JsonParser *parser, JsonNode *member)
{
	JsonStatus status;

	if (json_peek(parser) != '"')
		return fail_here(parser);
	status = json_parse_string(parser, &member->key, &member->key_length);
	if (status != JSON_OK)
		return status;
	skip_space(parser);
	if (json_peek(parser) != ':')
		return fail_here(parser);
	parser->position++;
	skip_space(parser);
	return JSON_OK;
}

/* Reads the children of an array or object up to its closing bracket; the position is on the opening one. */
static JsonStatus
parse_children(JsonParser *parser, JsonNode *parent, int close)
{
	JsonNode **link = &parent->first;

	parser->position++;
	skip_space(parser);
	while (parent->count > 0 || json_peek(parser) != close)
	{
		JsonCell *cell = new_cell(parser);
		JsonStatus status;

		if (cell == NULL)
			return json_fail(parser, JSON_NO_MEMORY, parser->position);
		status = parent->type == JSON_OBJECT ? parse_key(parser, &cell->node) : JSON_OK;
		if (status == JSON_OK)
			status = parse_value(parser, cell);
		if (status != JSON_OK)
			return status;
		*link = &cell->node;
		link = &cell->node.next;
		parent->count++;
		skip_space(parser);
		if (json_peek(parser) == close)
			break;
		if (json_peek(parser) != ',')
			return fail_here(parser);
		parser->position++;
		skip_space(parser);
	}
	parser->position++;
	return JSON_OK;
}

static JsonStatus
parse_container(JsonParser *parser, JsonNode *node, JsonType type, int close)
{
	JsonStatus status;

	if (parser->depth >= JSON_DEPTH_MAX)
		return json_fail(parser, JSON_TOO_DEEP, parser->position);
	parser->depth++;
	node->type = type;
	status = parse_children(parser, node, close);
	parser->depth--;
	if (status == JSON_OK && type == JSON_OBJECT)
		status = check_keys(parser, node);
	return status;
}

static JsonStatus
parse_value(JsonParser *parser, JsonCell *cell)
{
	JsonNode *node = &cell->node;

	switch (json_peek(parser))
	{
		case '{':
			return parse_container(parser, node, JSON_OBJECT, '}');
		case '[':
			return parse_container(parser, node, JSON_ARRAY, ']');
		case '"':
			node->type = JSON_STRING;
			return json_parse_string(parser, &node->text, &node->length);
		case 't':
			return parse_literal(parser, node, "true", JSON_TRUE);
		case 'f':
			return parse_literal(parser, node, "false", JSON_FALSE);
		case 'n':
			return parse_literal(parser, node, "null", JSON_NULL);
		default:
			if (json_peek(parser) == '-' || json_is_digit(json_peek(parser)))
				return parse_number(parser, node);
			return fail_here(parser);
	}
}

static JsonStatus
parse_document(JsonParser *parser)
{
	JsonDocument *document = parser->document;
	JsonCell *cell;
	JsonStatus status;

	document->strings = malloc(parser->length + 1);
	cell = document->strings == NULL ? NULL : new_cell(parser);
	if (cell == NULL)
		return json_fail(parser, JSON_NO_MEMORY, 0);
	parser->strings_end = document->strings;
	document->root = &cell->node;
	skip_space(parser);
	status = parse_value(parser, cell);
	if (status != JSON_OK)
		return status;
	skip_space(parser);
	if (parser->position < parser->length)
		return json_fail(parser, JSON_TRAILING_BYTES, parser->position);
	return JSON_OK;
}

JsonStatus
json_parse(const char *text, size_t length, JsonDocument **document, size_t *error_offset)
{
	JsonParser parser = {.text = text, .length = length};
	JsonStatus status = JSON_NO_MEMORY;

	*document = NULL;
	parser.document = calloc(1, sizeof(JsonDocument));
	if (parser.document != NULL)
		status = parse_document(&parser);
	if (status == JSON_OK)
		*document = parser.document;
	else
		json_free(parser.document);
	if (error_offset != NULL)
		*error_offset = status == JSON_OK ? 0 : parser.error_offset;
	return status;
}

const JsonNode *
json_root(const JsonDocument *document)
{
	return document->root;
}

void
json_free(JsonDocument *document)
{
	JsonChunk *chunk;

	if (document == NULL)
		return;
	chunk = document->chunks;
	while (chunk != NULL)
	{
		JsonChunk *next = chunk->next;

		free(chunk);
		chunk = next;
	}
	free(document->strings);
	free(document);
}

const JsonNode *
json_member(const JsonNode *object, const char *key)
{
	size_t length = strlen(key);

	if (object == NULL || object->type != JSON_OBJECT)
		return NULL;
	for (const JsonNode *member = object->first; member != NULL; member = member->next)
		if (member->key_length == length && memcmp(member->key, key, length) == 0)
			return member;
	return NULL;
}
