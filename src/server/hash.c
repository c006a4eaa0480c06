/*
 * hash.c: fingerprints, canonical JSON, and the hashes that evidence is made of.
 *
 * Every encoding here is a function of the stored values alone: no DateStyle, TimeZone, locale or client_encoding
 * changes a byte of it.
 */
#include "postgres.h"

#include "access/tupmacs.h"
#include "datatype/timestamp.h"
#include "common/int.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

#include "core/json.h"
#include "core/leaf.h"
#include "server/hash.h"
#include "server/server.h"

#include <stdlib.h>

/* Fingerprints of up to this many parts need no allocation for the list. */
#define PARTS_ON_STACK 16

/* Microseconds from 1970-01-01 to PostgreSQL's epoch, 2000-01-01. */
#define EPOCH_SHIFT ((POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY)

typedef struct DigestAggregate
{
	DigestContext *digest;
	MemoryContextCallback callback;
} DigestAggregate;

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

static void
pg_attribute_noreturn() report_json_status(JsonStatus status)
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
	DigestContext *context = billing_digest_context();

	billing_check_digest(digest_reset(context));
	billing_check_digest(digest_update(context, canonical, length));
	billing_check_digest(digest_final(context, hash));
	return billing_hash_bytea(hash);
}

BILLING_FUNCTION(billing_json_hash)
{
	PG_RETURN_BYTEA_P(json_hash(PG_GETARG_JSONB_P(0)));
}

static void
free_aggregate(void *argument)
{
	digest_free(((DigestAggregate *) argument)->digest);
}

/* The context lives outside PostgreSQL's memory, so the aggregate's memory context frees it when it goes. */
static DigestAggregate *
new_aggregate(MemoryContext memory)
{
	DigestAggregate *aggregate = MemoryContextAllocZero(memory, sizeof(DigestAggregate));

	aggregate->callback.func = free_aggregate;
	aggregate->callback.arg = aggregate;
	MemoryContextRegisterResetCallback(memory, &aggregate->callback);
	billing_check_digest(digest_create(&aggregate->digest));
	return aggregate;
}

BILLING_FUNCTION(billing_digest_agg_step)
{
	MemoryContext memory;
	DigestAggregate *aggregate = PG_ARGISNULL(0) ? NULL : (DigestAggregate *) PG_GETARG_POINTER(0);
	bytea *value = PG_ARGISNULL(1) ? NULL : PG_GETARG_BYTEA_PP(1);

	if (!AggCheckCallContext(fcinfo, &memory))
		elog(ERROR, "billing_digest_agg_step called outside an aggregate");
	if (aggregate == NULL)
		aggregate = new_aggregate(memory);
	if (value != NULL)
		billing_check_digest(digest_update_part(aggregate->digest,
												(DigestPart){VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value)}));
	PG_RETURN_POINTER(aggregate);
}

BILLING_FUNCTION(billing_digest_agg_final)
{
	uint8_t hash[DIGEST_SIZE];

	if (PG_ARGISNULL(0))
		PG_RETURN_BYTEA_P(hash_parts(NULL, 0));
	billing_check_digest(digest_final(((DigestAggregate *) PG_GETARG_POINTER(0))->digest, hash));
	PG_RETURN_BYTEA_P(billing_hash_bytea(hash));
}

/* Microseconds since 1970-01-01 00:00 UTC. */
static int64
unix_microseconds(TimestampTz instant)
{
	int64 microseconds;

	if (TIMESTAMP_NOT_FINITE(instant) || pg_add_s64_overflow(instant, EPOCH_SHIFT, &microseconds))
		ereport(ERROR, errcode(ERRCODE_BILLING_INVALID_ARGUMENT),
				errmsg("time of usage is out of range: %s",
					   DatumGetCString(DirectFunctionCall1(timestamptz_out, TimestampTzGetDatum(instant)))));
	return microseconds;
}

/* Plain decimal text without an exponent and without zeros at the end of a fraction. */
static char *
canonical_decimal(Numeric value)
{
	if (numeric_is_nan(value) || numeric_is_inf(value))
		ereport(ERROR, errcode(ERRCODE_BILLING_INVALID_QUANTITY),
				errmsg("quantity is not a finite number: %s", numeric_normalize(value)));
	return numeric_normalize(value);
}

static void
add_text(DigestContext *context, uint16_t number, text *value)
{
	billing_check_digest(
		leaf_column(context, number, LEAF_TEXT, VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value)));
}

/* Canonical JSON comes first: between begin and end the context serves the leaf alone. */
static bytea *
usage_leaf(FunctionCallInfo fcinfo)
{
	DigestContext *context = billing_digest_context();
	uint8_t hash[DIGEST_SIZE];
	size_t json_length = 0;
	int64 instant = PG_ARGISNULL(3) ? 0 : unix_microseconds(PG_GETARG_TIMESTAMPTZ(3));
	char *decimal = PG_ARGISNULL(4) ? NULL : canonical_decimal(PG_GETARG_NUMERIC(4));
	char *json = PG_ARGISNULL(5) ? NULL : billing_canonical_json(PG_GETARG_JSONB_P(5), &json_length);

	billing_check_digest(leaf_begin(context, "usage"));
	for (int i = 0; i < 3; i++)
		if (!PG_ARGISNULL(i))
			add_text(context, i + 1, PG_GETARG_TEXT_PP(i));
	if (!PG_ARGISNULL(3))
		billing_check_digest(leaf_integer(context, 4, LEAF_TIME, instant));
	if (decimal != NULL)
		billing_check_digest(leaf_column(context, 5, LEAF_DECIMAL, decimal, strlen(decimal)));
	if (json != NULL)
		billing_check_digest(leaf_column(context, 6, LEAF_JSON, json, json_length));
	if (!PG_ARGISNULL(6))
		add_text(context, 7, PG_GETARG_TEXT_PP(6));
	billing_check_digest(leaf_end(context, hash));
	return billing_hash_bytea(hash);
}

BILLING_FUNCTION(billing_usage_leaf)
{
	PG_RETURN_BYTEA_P(usage_leaf(fcinfo));
}
