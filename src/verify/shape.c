#include "verify/shape.h"

#include "core/base64.h"

#include <stdio.h>
#include <string.h>

typedef struct ShapeBlock
{
	struct ShapeBlock *next;
	max_align_t start[];
} ShapeBlock;

void *
shape_allocate(ShapeArena *arena, size_t length)
{
	ShapeBlock *block = length > SIZE_MAX / 2 ? NULL : calloc(1, sizeof(ShapeBlock) + length + 1);

	if (block == NULL)
		return NULL;
	block->next = arena->blocks;
	arena->blocks = block;
	return block->start;
}

void
shape_free(ShapeArena *arena)
{
	while (arena->blocks != NULL)
	{
		ShapeBlock *next = arena->blocks->next;

		free(arena->blocks);
		arena->blocks = next;
	}
}

ShapePlace
shape_member(const ShapePlace *parent, const char *name)
{
	ShapePlace place;

	snprintf(place.text, sizeof(place.text), "%.90s%s%.30s", parent->text, parent->text[0] == '\0' ? "" : ".",
			 name);
	return place;
}

ShapePlace
shape_element(const ShapePlace *parent, const char *name, size_t index)
{
	ShapePlace place;

	snprintf(place.text, sizeof(place.text), "%.70s%s%.30s[%zu]", parent->text,
			 parent->text[0] == '\0' ? "" : ".", name, index);
	return place;
}

static bool
read_base64(const JsonNode *node, const ShapePlace *place, Bytes *out, ShapeArena *arena, Verdict *verdict)
{
	size_t length;
	uint8_t *bytes;

	if (!base64_check(node->text, node->length, &length))
		return verdict_unreadable(verdict, place->text, "not canonical base64");
	bytes = shape_allocate(arena, length);
	if (bytes == NULL)
		return verdict_machine(verdict, "out of memory");
	if (!base64_decode(node->text, node->length, bytes, length))
		return verdict_unreadable(verdict, place->text, "not canonical base64");
	*out = (Bytes){bytes, length};
	return true;
}

static bool
read_string(const JsonNode *node, const ShapePlace *place, ShapeType type, void *out, ShapeArena *arena,
			Verdict *verdict)
{
	if (node->type != JSON_STRING)
		return verdict_unreadable(verdict, place->text, "not a string");
	if (type == SHAPE_BASE64)
		return read_base64(node, place, out, arena, verdict);
	if (type == SHAPE_HASH)
		return base64_decode(node->text, node->length, out, DIGEST_SIZE) ||
			   verdict_unreadable(verdict, place->text, "not a hash of %d bytes in canonical base64",
								  DIGEST_SIZE);
	if (type == SHAPE_INDEX)
		return (line_number((TextSpan){node->text, node->length}, out) && *(uint64_t *) out < INT64_MAX) ||
			   verdict_unreadable(verdict, place->text, "not an index: a decimal without leading zeros");
	if (memchr(node->text, '\0', node->length) != NULL)
		return verdict_unreadable(verdict, place->text, "a zero byte in a text");
	*(TextSpan *) out = (TextSpan){node->text, node->length};
	return true;
}

bool
shape_read_value(const JsonNode *node, const ShapePlace *place, ShapeType type, void *out, ShapeArena *arena,
				 Verdict *verdict)
{
	switch (type)
	{
		case SHAPE_ARRAY:
			*(const JsonNode **) out = node;
			return node->type == JSON_ARRAY || verdict_unreadable(verdict, place->text, "not an array");
		case SHAPE_OBJECT:
			*(const JsonNode **) out = node;
			return node->type == JSON_OBJECT || verdict_unreadable(verdict, place->text, "not an object");
		case SHAPE_MAYBE:
			*(const JsonNode **) out = node->type == JSON_NULL ? NULL : node;
			return node->type == JSON_NULL || node->type == JSON_OBJECT ||
				   verdict_unreadable(verdict, place->text, "neither null nor an object");
		case SHAPE_TRUTH:
			*(bool *) out = node->type == JSON_TRUE;
			return node->type == JSON_TRUE || node->type == JSON_FALSE ||
				   verdict_unreadable(verdict, place->text, "neither true nor false");
		case SHAPE_ANY:
			*(const JsonNode **) out = node;
			return true;
		default:
			return read_string(node, place, type, out, arena, verdict);
	}
}

static bool
check_known(const JsonNode *node, const ShapePlace *place, const ShapeField *fields, size_t count,
			Verdict *verdict)
{
	for (const JsonNode *member = node->first; member != NULL; member = member->next)
	{
		size_t i = 0;

		while (i < count && (strlen(fields[i].name) != member->key_length ||
							 memcmp(fields[i].name, member->key, member->key_length) != 0))
			i++;
		if (i == count)
			return verdict_unreadable(verdict, place->text, "unknown member \"%s\"", member->key);
	}
	return true;
}

bool
shape_read(const JsonNode *node, const ShapePlace *place, const ShapeField *fields, size_t count, void *out,
		   ShapeArena *arena, Verdict *verdict)
{
	if (node->type != JSON_OBJECT)
		return verdict_unreadable(verdict, place->text, "not an object");
	for (size_t i = 0; i < count; i++)
	{
		const JsonNode *member = json_member(node, fields[i].name);
		ShapePlace inner = shape_member(place, fields[i].name);

		if (member == NULL)
			return verdict_unreadable(verdict, place->text, "no member \"%s\"", fields[i].name);
		if (!shape_read_value(member, &inner, fields[i].type, (char *) out + fields[i].offset, arena,
							  verdict))
			return false;
	}
	return check_known(node, place, fields, count, verdict);
}

bool
shape_parse(const char *bytes, size_t length, const ShapePlace *place, JsonDocument **document,
			Verdict *verdict)
{
	size_t offset;
	size_t canonical_length;
	char *canonical;
	JsonStatus status = json_parse(bytes, length, document, &offset);
	bool same;

	if (status == JSON_NO_MEMORY)
		return verdict_machine(verdict, "out of memory");
	if (status != JSON_OK)
		return verdict_unreadable(verdict, place->text, "not JSON: %s at byte %zu", json_status_text(status),
								  offset);
	status = json_canonical(json_root(*document), &canonical, &canonical_length);
	same = status == JSON_OK && canonical_length == length && memcmp(canonical, bytes, length) == 0;
	if (status == JSON_OK)
		free(canonical);
	if (same)
		return true;
	json_free(*document);
	*document = NULL;
	if (status == JSON_NO_MEMORY)
		return verdict_machine(verdict, "out of memory");
	return verdict_unreadable(verdict, place->text, "JSON that is not in canonical form (RFC 8785)");
}
