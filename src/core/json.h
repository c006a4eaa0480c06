#ifndef BILLING_CORE_JSON_H
#define BILLING_CORE_JSON_H

#include <stddef.h>

/*
 * Strict JSON (RFC 8259) read into a tree, and that tree written in canonical form (RFC 8785).
 *
 * The reader is stricter than RFC 8259 requires where a hash depends on one meaning: a key may stand once in an
 * object, text is valid UTF-8 without a byte order mark, surrogates come in pairs, and nesting ends at
 * JSON_DEPTH_MAX. Numbers keep their literal text, so a decimal never passes through a double unless the canonical
 * form is asked for.
 */
#define JSON_DEPTH_MAX 64

typedef enum
{
	JSON_OK = 0,
	JSON_UNEXPECTED_END,	/* the text ends inside a value */
	JSON_UNEXPECTED_BYTE,	/* a byte that no value, separator or literal has here */
	JSON_TRAILING_BYTES,	/* something other than white space after the value */
	JSON_INVALID_NUMBER,	/* a sign, point or exponent without digits */
	JSON_LEADING_ZERO,		/* a number such as 01 */
	JSON_CONTROL_CHARACTER, /* an unescaped byte below 0x20 in a string */
	JSON_INVALID_ESCAPE,	/* a backslash followed by anything JSON does not list */
	JSON_LONE_SURROGATE,	/* \ud800 to \udfff not in a pair */
	JSON_INVALID_UTF8,		/* overlong, surrogate, beyond U+10FFFF, or cut short */
	JSON_DUPLICATE_KEY,		/* the second use of a key in one object */
	JSON_TOO_DEEP,			/* more than JSON_DEPTH_MAX arrays and objects around a value */
	JSON_NUMBER_RANGE,		/* canonical form only: beyond the range of an IEEE 754 double */
	JSON_NO_MEMORY
} JsonStatus;

typedef enum
{
	JSON_NULL,
	JSON_FALSE,
	JSON_TRUE,
	JSON_NUMBER,
	JSON_STRING,
	JSON_ARRAY,
	JSON_OBJECT
} JsonType;

/*
 * One value. text is the decoded UTF-8 string, or the literal of a number; key is the decoded name of an object's
 * member, NULL elsewhere. Both end in a zero byte that their length does not count, but may hold zero bytes
 * themselves (from \u0000), so the lengths decide. first is the first child of an array or object, next the
 * following sibling in document order, count the number of children.
 */
typedef struct JsonNode
{
	JsonType type;
	const char *text;
	size_t length;
	const char *key;
	size_t key_length;
	struct JsonNode *first;
	struct JsonNode *next;
	size_t count;
} JsonNode;

/* Owns every node and every byte they point to; independent of the text it was read from. */
typedef struct JsonDocument JsonDocument;

/*
 * Reads one value with optional white space around it. On JSON_OK *document must be given to json_free. Otherwise
 * *document is NULL and *error_offset (when error_offset is not NULL) is the offset of the offending byte: of the
 * backslash of an escape, the first byte of an ill-formed UTF-8 sequence, the opening quote of a repeated key, the
 * bracket that nests too deep, or length when the text ends too early. Allocates with malloc.
 */
extern JsonStatus json_parse(const char *text, size_t length, JsonDocument **document, size_t *error_offset);

extern const JsonNode *json_root(const JsonDocument *document);

/* NULL is allowed. */
extern void json_free(JsonDocument *document);

/* The member of that name (zero-terminated), or NULL: also when the node is NULL or no object. */
extern const JsonNode *json_member(const JsonNode *object, const char *key);

/*
 * Order of two keys by their UTF-16 code units (RFC 8785 3.2.3): negative, zero or positive. Both are valid UTF-8.
 */
extern int json_key_compare(const char *a, size_t a_length, const char *b, size_t b_length);

/*
 * The canonical form (RFC 8785): members sorted by UTF-16 code units, numbers as ECMAScript prints the nearest
 * double, no white space. On JSON_OK *out is malloc'ed, zero-terminated and of *out_length bytes without that
 * terminator; otherwise it is NULL. JSON_NUMBER_RANGE when a number has no finite double.
 */
extern JsonStatus json_canonical(const JsonNode *node, char **out, size_t *out_length);

/*
 * Room for the longest ECMAScript number and its terminator: "-0.00000" with 17 digits takes 25 bytes.
 */
#define JSON_NUMBER_TEXT_MAX 32

/*
 * The canonical text (RFC 8785 3.2.2.3) of a JSON number literal: zero-terminated in out, which has room for
 * JSON_NUMBER_TEXT_MAX bytes; *out_length excludes the terminator. Independent of the locale; no allocation.
 */
extern JsonStatus json_canonical_number(const char *literal, size_t length, char *out, size_t *out_length);

/* A short English phrase for a status, lower case, such as "duplicate key". Never NULL. */
extern const char *json_status_text(JsonStatus status);

#endif
