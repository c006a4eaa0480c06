#ifndef BILLING_VERIFY_SHAPE_H
#define BILLING_VERIFY_SHAPE_H

#include "core/digest.h"
#include "core/json.h"
#include "core/lines.h"
#include "verify/verdict.h"

#include <stdint.h>

/*
 * The form of JSON documents: an object has exactly the members of its table, each of its type. The members are put
 * into a struct at an offset.
 */
typedef enum
{
	SHAPE_TEXT,	  /* TextSpan: a string without zero bytes */
	SHAPE_BASE64, /* Bytes, decoded */
	SHAPE_HASH,	  /* uint8_t[DIGEST_SIZE], of a string in base64 */
	SHAPE_INDEX,  /* uint64_t: a string with a decimal below 2^63 - 1 without leading zeros */
	SHAPE_ARRAY,  /* const JsonNode * */
	SHAPE_OBJECT, /* const JsonNode * */
	SHAPE_MAYBE,  /* const JsonNode *: an object, or NULL for null */
	SHAPE_TRUTH,  /* bool */
	SHAPE_ANY	  /* const JsonNode * */
} ShapeType;

typedef struct ShapeField
{
	const char *name;
	ShapeType type;
	size_t offset;
} ShapeField;

typedef struct Bytes
{
	const uint8_t *bytes;
	size_t length;
} Bytes;

/* Owns what was decoded; grows as a list and is freed as a whole. */
typedef struct ShapeArena
{
	struct ShapeBlock *blocks;
} ShapeArena;

extern void *shape_allocate(ShapeArena *arena, size_t length);
extern void shape_free(ShapeArena *arena);

#define SHAPE_WHERE_MAX 128

/* Where in the document an object stands, for messages. */
typedef struct ShapePlace
{
	char text[SHAPE_WHERE_MAX];
} ShapePlace;

/* The place of a member, or of an element of an array member. */
extern ShapePlace shape_member(const ShapePlace *parent, const char *name);
extern ShapePlace shape_element(const ShapePlace *parent, const char *name, size_t index);

extern bool shape_read(const JsonNode *node, const ShapePlace *place, const ShapeField *fields, size_t count,
					   void *out, ShapeArena *arena, Verdict *verdict);

/* One value: of an element of an array, say. */
extern bool shape_read_value(const JsonNode *node, const ShapePlace *place, ShapeType type, void *out,
							 ShapeArena *arena, Verdict *verdict);

/* Whether bytes are a JSON text in canonical form (RFC 8785); gives its document, to be freed. */
extern bool shape_parse(const char *bytes, size_t length, const ShapePlace *place, JsonDocument **document,
						Verdict *verdict);

#endif
