/*
 * hash.c: fingerprints and canonical JSON.
 *
 * Every encoding here is a function of the stored values alone: no DateStyle, TimeZone, locale or client_encoding
 * changes a byte of it.
 */
#include "postgres.h"

#include "access/tupmacs.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "core/json.h"
#include "server/hash.h"
#include "server/server.h"

#include <stdlib.h>

/* Fingerprints of up to this many parts need no allocation for the list. */
#define PARTS_ON_STACK 16

void
billing_check_digest(DigestStatus status)
{
	switch (status)
	{
		case DIGEST_OK:
			return;
		case DIGEST_NO_MEMORY:
			ereport(ERROR, errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory"));
			break;
		case DIGEST_TOO_LONG:
			ereport(ERROR, errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg("value is too long to be hashed"));
			break;
		case DIGEST_FAILED:
			ereport(ERROR, errcode(ERRCODE_BILLING_INTERNAL), errmsg("could not compute a SHA-256 hash"));
			break;
	}
}

DigestContext *
billing_digest_context(void)
{
	static DigestContext *context = NULL;

	if (context == NULL)
		billing_check_digest(digest_create(&context));
	return context;
}

bytea *
billing_hash_bytea(const uint8_t hash[DIGEST_SIZE])
{
	bytea *result = palloc(VARHDRSZ + DIGEST_SIZE);

	SET_VARSIZE(result, VARHDRSZ + DIGEST_SIZE);
	memcpy(VARDATA(result), hash, DIGEST_SIZE);
	return result;
}

static bytea *
hash_parts(const DigestPart *parts, size_t count)
{
	uint8_t hash[DIGEST_SIZE];

	billing_check_digest(digest_parts(billing_digest_context(), parts, count, hash));
	return billing_hash_bytea(hash);
}

DigestPart *
billing_text_parts(ArrayType *array, DigestPart *fixed, int room, int *count)
{
	DigestPart *parts = fixed;
	const bits8 *present = ARR_NULLBITMAP(array);
	char *cursor = ARR_DATA_PTR(array);

	if (ARR_NDIM(array) > 1)
		ereport(ERROR, errcode(ERRCODE_BILLING_INVALID_ARGUMENT),
				errmsg("array of parts has %d dimensions", ARR_NDIM(array)),
				errhint("Pass the parts as a list or as an array of one dimension."));
	*count = ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));
	if (*count > room)
		parts = palloc(*count * sizeof(DigestPart));
	for (int i = 0; i < *count; i++)
	{
		if (present != NULL && (present[i / 8] & (1 << (i % 8))) == 0)
		{
			parts[i] = (DigestPart){NULL, 0};
			continue;
		}
		parts[i] = (DigestPart){VARDATA_ANY(cursor), VARSIZE_ANY_EXHDR(cursor)};
		cursor = att_addlength_pointer(cursor, -1, cursor);
		cursor = (char *) att_align_nominal(cursor, TYPALIGN_INT);
	}
	return parts;
}

static bytea *
fingerprint_array(ArrayType *array)
{
	DigestPart fixed[PARTS_ON_STACK];
	int count;
	DigestPart *parts = billing_text_parts(array, fixed, PARTS_ON_STACK, &count);

	return hash_parts(parts, count);
}

BILLING_FUNCTION(billing_fingerprint)
{
	PG_RETURN_BYTEA_P(fingerprint_array(PG_GETARG_ARRAYTYPE_P(0)));
}

static _Noreturn void
report_json_status(JsonStatus status)
{
	switch (status)
	{
		case JSON_NUMBER_RANGE:
			ereport(ERROR, errcode(ERRCODE_BILLING_INVALID_ARGUMENT),
					errmsg("JSON document has a number beyond the range of a double"),
					errdetail("Canonical JSON (RFC 8785) writes numbers as IEEE 754 doubles."),
					errhint("Write the number as a string."));
			break;
		case JSON_TOO_DEEP:
			ereport(ERROR, errcode(ERRCODE_BILLING_INVALID_ARGUMENT),
					errmsg("JSON document is nested more than %d levels deep", JSON_DEPTH_MAX));
			break;
		case JSON_NO_MEMORY:
			ereport(ERROR, errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory"));
			break;
		default:
			ereport(ERROR, errcode(ERRCODE_BILLING_INTERNAL),
					errmsg("JSON document could not be read back: %s", json_status_text(status)));
			break;
	}
}

/* Moves malloc'ed bytes into the current memory context, losing neither when there is no room. */
static char *
take_bytes(char *bytes, size_t length)
{
	char *copy = NULL;

	if (AllocSizeIsValid(length + VARHDRSZ + 1))
		copy = palloc_extended(length + 1, MCXT_ALLOC_NO_OOM);
	if (copy != NULL)
		memcpy(copy, bytes, length + 1);
	free(bytes);
	if (copy == NULL)
		report_json_status(JSON_NO_MEMORY);
	return copy;
}

char *
billing_canonical_json(Jsonb *document, size_t *length)
{
	JsonDocument *tree;
	char *text;
	char *canonical = NULL;
	JsonStatus status;

	if (JB_ROOT_IS_OBJECT(document) && JB_ROOT_COUNT(document) == 0)
	{
		*length = 2;
		return pstrdup("{}");
	}
	text = JsonbToCString(NULL, &document->root, VARSIZE(document));
	status = json_parse(text, strlen(text), &tree, NULL);
	if (status == JSON_OK)
		status = json_canonical(json_root(tree), &canonical, length);
	json_free(tree);
	pfree(text);
	if (status != JSON_OK)
		report_json_status(status);
	return take_bytes(canonical, *length);
}

BILLING_FUNCTION(billing_canonical_json_text)
{
	size_t length;
	char *canonical = billing_canonical_json(PG_GETARG_JSONB_P(0), &length);

	PG_RETURN_TEXT_P(cstring_to_text_with_len(canonical, (int) length));
}

static bytea *
json_hash(Jsonb *document)
{
	uint8_t hash[DIGEST_SIZE];
	size_t length;
	char *canonical = billing_canonical_json(document, &length);

	billing_check_digest(digest_bytes(billing_digest_context(), canonical, length, hash));
	return billing_hash_bytea(hash);
}

BILLING_FUNCTION(billing_json_hash)
{
	PG_RETURN_BYTEA_P(json_hash(PG_GETARG_JSONB_P(0)));
}
