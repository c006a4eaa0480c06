/*
 * leaf.c: rows as the leaves of Merkle trees (RFC 6962), and the root over the rows of a query.
 *
 * Every encoding here is a function of the stored values alone: no DateStyle, TimeZone, locale or client_encoding
 * changes a byte of it.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/int.h"
#include "datatype/timestamp.h"
#include "fmgr.h"
#include "port/pg_bswap.h"
#include "utils/builtins.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "core/leaf.h"
#include "server/hash.h"
#include "server/server.h"

/* Microseconds and days from 1970-01-01 to PostgreSQL's epoch, 2000-01-01. */
#define EPOCH_DAYS (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE)
#define EPOCH_SHIFT (EPOCH_DAYS * USECS_PER_DAY)

/* Most rows have shorter canonical bytes. */
#define CANON_SIZE 480

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

void
billing_check_merkle(MerkleStatus status)
{
	if (status == MERKLE_OK)
		return;
	if (status == MERKLE_NO_MEMORY)
		ereport(ERROR, errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory"));
	ereport(ERROR, errcode(ERRCODE_BILLING_INTERNAL), errmsg("Merkle tree: %s", merkle_status_text(status)));
}

/* Canonical bytes as they grow. A million rows are written by these few lines, hence no StringInfo. */
typedef struct CanonBuffer
{
	uint8 *data; /* VARHDRSZ bytes come first */
	Size length;
	Size room;
} CanonBuffer;

/* Makes room for more bytes and returns where they go. */
static inline uint8 *
canon_extend(CanonBuffer *out, Size more)
{
	uint8 *end;

	if (out->length + more > out->room)
	{
		out->room = Max(2 * out->room, out->length + more);
		out->data = repalloc(out->data, out->room);
	}
	end = out->data + out->length;
	out->length += more;
	return end;
}

static inline void
put_head(uint8 *to, int number, LeafType type, uint32 length)
{
	to[0] = (uint8) (number >> 8);
	to[1] = (uint8) number;
	to[2] = (uint8) type;
	length = pg_hton32(length);
	memcpy(to + 3, &length, sizeof(length));
}

#define HEAD_SIZE 7

static inline void
put_column(CanonBuffer *out, int number, LeafType type, const void *bytes, Size length)
{
	uint8 *to = canon_extend(out, HEAD_SIZE + length);

	put_head(to, number, type, (uint32) length);
	memcpy(to + HEAD_SIZE, bytes, length);
}

static inline void
put_integer(CanonBuffer *out, int number, LeafType type, int64 value)
{
	uint64 ordered = pg_hton64((uint64) value);

	put_column(out, number, type, &ordered, sizeof(ordered));
}

static inline void
put_varlena(CanonBuffer *out, int number, LeafType type, Datum value)
{
	struct varlena *bytes = (struct varlena *) DatumGetPointer(value);

	if (VARATT_IS_COMPRESSED(bytes) || VARATT_IS_EXTERNAL(bytes))
		bytes = PG_DETOAST_DATUM_PACKED(value);
	put_column(out, number, type, VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes));
}

static void
put_day(CanonBuffer *out, int number, DateADT day)
{
	if (DATE_NOT_FINITE(day))
		ereport(ERROR, errcode(ERRCODE_BILLING_INVALID_PERIOD),
				errmsg("an infinite day has no canonical form"));
	put_integer(out, number, LEAF_INTEGER, (int64) day + EPOCH_DAYS);
}

static void
put_json(CanonBuffer *out, int number, Jsonb *document)
{
	size_t length;
	char *canonical = billing_canonical_json(document, &length);

	put_column(out, number, LEAF_JSON, canonical, length);
}

static void
put_decimal(CanonBuffer *out, int number, Numeric value)
{
	char *decimal = canonical_decimal(value);

	put_column(out, number, LEAF_DECIMAL, decimal, strlen(decimal));
}

/* One column by its SQL type, as doc/bundle.md says. */
static void
put_value(CanonBuffer *out, int number, Oid type, Datum value)
{
	switch (type)
	{
		case BOOLOID:
			return put_integer(out, number, LEAF_INTEGER, DatumGetBool(value) ? 1 : 0);
		case INT2OID:
			return put_integer(out, number, LEAF_INTEGER, DatumGetInt16(value));
		case INT4OID:
			return put_integer(out, number, LEAF_INTEGER, DatumGetInt32(value));
		case INT8OID:
			return put_integer(out, number, LEAF_INTEGER, DatumGetInt64(value));
		case DATEOID:
			return put_day(out, number, DatumGetDateADT(value));
		case TIMESTAMPTZOID:
			return put_integer(out, number, LEAF_TIME, unix_microseconds(DatumGetTimestampTz(value)));
		case NUMERICOID:
			return put_decimal(out, number, DatumGetNumeric(value));
		case TEXTOID:
			return put_varlena(out, number, LEAF_TEXT, value);
		case JSONBOID:
			return put_json(out, number, DatumGetJsonbP(value));
		case BYTEAOID:
			return put_varlena(out, number, LEAF_BYTES, value);
		case UUIDOID:
			return put_column(out, number, LEAF_BYTES, DatumGetUUIDP(value)->data, UUID_LEN);
		default:
			ereport(ERROR, errcode(ERRCODE_BILLING_INVALID_ARGUMENT),
					errmsg("type %s has no canonical form", format_type_be(type)));
	}
}

/* The types of the arguments, looked up once per call site. */
static const Oid *
argument_types(FunctionCallInfo fcinfo)
{
	Oid *types = fcinfo->flinfo->fn_extra;

	if (types != NULL)
		return types;
	types = MemoryContextAlloc(fcinfo->flinfo->fn_mcxt, PG_NARGS() * sizeof(Oid));
	for (int i = 0; i < PG_NARGS(); i++)
		types[i] = get_fn_expr_argtype(fcinfo->flinfo, i);
	fcinfo->flinfo->fn_extra = types;
	return types;
}

static bytea *
leaf_canon(FunctionCallInfo fcinfo)
{
	const Oid *types = argument_types(fcinfo);
	CanonBuffer out = {NULL, VARHDRSZ, CANON_SIZE};
	text *kind;

	if (PG_ARGISNULL(0) || get_fn_expr_variadic(fcinfo->flinfo))
		ereport(ERROR, errcode(ERRCODE_BILLING_INVALID_ARGUMENT),
				errmsg("a leaf needs its kind, and a list of columns"));
	kind = PG_GETARG_TEXT_PP(0);
	out.data = palloc(CANON_SIZE);
	memcpy(canon_extend(&out, 11), "billing/v1/", 11);
	memcpy(canon_extend(&out, VARSIZE_ANY_EXHDR(kind)), VARDATA_ANY(kind), VARSIZE_ANY_EXHDR(kind));
	*canon_extend(&out, 1) = '\n';
	for (int i = 1; i < PG_NARGS(); i++)
		if (!PG_ARGISNULL(i))
			put_value(&out, i, types[i], PG_GETARG_DATUM(i));
	SET_VARSIZE(out.data, out.length);
	return (bytea *) out.data;
}

BILLING_FUNCTION(billing_leaf_canon)
{
	PG_RETURN_BYTEA_P(leaf_canon(fcinfo));
}

BILLING_FUNCTION(billing_leaf_hash)
{
	bytea *canon = PG_GETARG_BYTEA_PP(0);
	uint8_t hash[DIGEST_SIZE];

	billing_check_merkle(
		merkle_leaf_hash(billing_digest_context(), VARDATA_ANY(canon), VARSIZE_ANY_EXHDR(canon), hash));
	PG_RETURN_BYTEA_P(billing_hash_bytea(hash));
}

/* The state of billing.merkle_agg(). */
BILLING_FUNCTION(billing_merkle_agg_step)
{
	MemoryContext memory;
	MerkleFrontier *frontier = PG_ARGISNULL(0) ? NULL : (MerkleFrontier *) PG_GETARG_POINTER(0);
	bytea *leaf = PG_ARGISNULL(1) ? NULL : PG_GETARG_BYTEA_PP(1);

	if (!AggCheckCallContext(fcinfo, &memory))
		elog(ERROR, "billing_merkle_agg_step called outside an aggregate");
	if (leaf == NULL || VARSIZE_ANY_EXHDR(leaf) != DIGEST_SIZE)
		ereport(ERROR, errcode(ERRCODE_BILLING_INVALID_ARGUMENT),
				errmsg("a leaf's hash has %d bytes", DIGEST_SIZE));
	if (frontier == NULL)
		frontier = MemoryContextAllocZero(memory, sizeof(MerkleFrontier));
	billing_check_merkle(
		merkle_append(billing_digest_context(), frontier, (const uint8_t *) VARDATA_ANY(leaf)));
	PG_RETURN_POINTER(frontier);
}

BILLING_FUNCTION(billing_merkle_agg_final)
{
	uint8_t root[DIGEST_SIZE];

	if (PG_ARGISNULL(0))
		PG_RETURN_BYTEA_P(billing_hash_bytea(merkle_empty_root));
	billing_check_merkle(
		merkle_root(billing_digest_context(), (MerkleFrontier *) PG_GETARG_POINTER(0), root));
	PG_RETURN_BYTEA_P(billing_hash_bytea(root));
}
