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
#include "server/leaf.h"
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

void
billing_check_merkle(MerkleStatus status)
{
	if (status == MERKLE_OK)
		return;
	if (status == MERKLE_NO_MEMORY)
		ereport(ERROR, errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory"));
	ereport(ERROR, errcode(ERRCODE_BILLING_INTERNAL), errmsg("Merkle tree: %s", merkle_status_text(status)));
}

static pg_noinline void
canon_enlarge(CanonBuffer *out, Size length)
{
	out->room = Max(2 * out->room, length);
	out->data = repalloc(out->data, out->room);
}

/* Makes room for more bytes and returns where they go. */
static inline uint8 *
canon_extend(CanonBuffer *out, Size more)
{
	Size begin = out->length;

	if (unlikely(begin + more > out->room))
		canon_enlarge(out, begin + more);
	out->length = begin + more;
	return out->data + begin;
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

static pg_noinline void
put_toasted(CanonBuffer *out, int number, LeafType type, Datum value)
{
	struct varlena *bytes = PG_DETOAST_DATUM_PACKED(value);

	put_column(out, number, type, VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes));
}

static inline void
put_varlena(CanonBuffer *out, int number, LeafType type, Datum value)
{
	struct varlena *bytes = (struct varlena *) DatumGetPointer(value);

	if (unlikely(VARATT_IS_COMPRESSED(bytes) || VARATT_IS_EXTERNAL(bytes)))
		put_toasted(out, number, type, value);
	else
		put_column(out, number, type, VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes));
}

static inline void
put_day(CanonBuffer *out, int number, DateADT day)
{
	if (unlikely(DATE_NOT_FINITE(day)))
		ereport(ERROR, errcode(ERRCODE_BILLING_INVALID_PERIOD),
				errmsg("an infinite day has no canonical form"));
	put_integer(out, number, LEAF_INTEGER, (int64) day + EPOCH_DAYS);
}

static pg_noinline void
put_json(CanonBuffer *out, int number, Jsonb *document)
{
	size_t length;
	char *canonical = billing_canonical_json(document, &length);

	put_column(out, number, LEAF_JSON, canonical, length);
}

static pg_noinline void
put_decimal(CanonBuffer *out, int number, Numeric value)
{
	char *decimal = canonical_decimal(value);

	put_column(out, number, LEAF_DECIMAL, decimal, strlen(decimal));
}

/* Inline where a row's columns are put: to call it for each was a third of what the row took. */
static pg_attribute_always_inline void
canon_put(CanonBuffer *out, int number, Oid type, Datum value)
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

void
billing_canon_put(CanonBuffer *out, int number, Oid type, Datum value)
{
	canon_put(out, number, type, value);
}

void
billing_canon_begin(CanonBuffer *out, const char *kind, Size length)
{
	*out = (CanonBuffer){palloc(CANON_SIZE), VARHDRSZ, CANON_SIZE};
	memcpy(canon_extend(out, 11), "billing/v1/", 11);
	memcpy(canon_extend(out, length), kind, length);
	*canon_extend(out, 1) = '\n';
}

/* Most usage has shorter canonical bytes. */
#define USAGE_ON_STACK 512

void
billing_usage_leaf_hash(const DigestPart columns[USAGE_LEAF_COLUMNS], uint8_t hash[DIGEST_SIZE])
{
	static const char start[] = "billing/v1/usage\n";
	static const LeafType types[USAGE_LEAF_COLUMNS] = {LEAF_TEXT,	 LEAF_TEXT, LEAF_TEXT, LEAF_TIME,
													   LEAF_DECIMAL, LEAF_JSON, LEAF_TEXT};
	uint8 room[USAGE_ON_STACK];
	CanonBuffer canon = {room, 0, sizeof(room)};
	Size size = sizeof(start) - 1;

	for (int i = 0; i < USAGE_LEAF_COLUMNS; i++)
		if (columns[i].bytes != NULL)
			size += HEAD_SIZE + columns[i].length;
	if (size > sizeof(room))
		canon = (CanonBuffer){palloc(size), 0, size};
	memcpy(canon_extend(&canon, sizeof(start) - 1), start, sizeof(start) - 1);
	for (int i = 0; i < USAGE_LEAF_COLUMNS; i++)
		if (columns[i].bytes != NULL)
			put_column(&canon, i + 1, types[i], columns[i].bytes, columns[i].length);
	billing_check_merkle(merkle_leaf_hash(billing_digest_context(), canon.data, canon.length, hash));
	if (canon.data != room)
		pfree(canon.data);
}

void
billing_usage_leaf_time(TimestampTz instant, uint8 bytes[8])
{
	uint64 ordered = pg_hton64((uint64) unix_microseconds(instant));

	memcpy(bytes, &ordered, sizeof(ordered));
}

/* The argument's text as column `number` of a leaf. */
static void
take_text(FunctionCallInfo fcinfo, DigestPart *columns, int argument)
{
	text *value;

	if (PG_ARGISNULL(argument))
		return;
	value = PG_GETARG_TEXT_PP(argument);
	columns[argument] = (DigestPart){VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value)};
}

static bytea *
usage_leaf(FunctionCallInfo fcinfo)
{
	DigestPart columns[USAGE_LEAF_COLUMNS] = {{NULL, 0}};
	uint8_t hash[DIGEST_SIZE];
	uint8 instant[8];

	for (int i = 0; i < 3; i++)
		take_text(fcinfo, columns, i);
	take_text(fcinfo, columns, 6);
	if (!PG_ARGISNULL(3))
	{
		billing_usage_leaf_time(PG_GETARG_TIMESTAMPTZ(3), instant);
		columns[3] = (DigestPart){instant, sizeof(instant)};
	}
	if (!PG_ARGISNULL(4))
	{
		columns[4].bytes = canonical_decimal(PG_GETARG_NUMERIC(4));
		columns[4].length = strlen(columns[4].bytes);
	}
	if (!PG_ARGISNULL(5))
		columns[5].bytes = billing_canonical_json(PG_GETARG_JSONB_P(5), &columns[5].length);
	billing_usage_leaf_hash(columns, hash);
	return billing_hash_bytea(hash);
}

BILLING_FUNCTION(billing_usage_leaf)
{
	PG_RETURN_BYTEA_P(usage_leaf(fcinfo));
}

/* The types of the arguments, looked up once per call site. */
static const Oid *
argument_types(FunctionCallInfo fcinfo)
{
	Oid *types = fcinfo->flinfo->fn_extra;

	if (types != NULL)
		return types;
	if (get_fn_expr_variadic(fcinfo->flinfo))
		ereport(ERROR, errcode(ERRCODE_BILLING_INVALID_ARGUMENT),
				errmsg("the columns of a leaf are a list, and no array"));
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
	CanonBuffer out;
	text *kind;

	if (PG_ARGISNULL(0))
		ereport(ERROR, errcode(ERRCODE_BILLING_INVALID_ARGUMENT), errmsg("a leaf needs its kind"));
	kind = PG_GETARG_TEXT_PP(0);
	billing_canon_begin(&out, VARDATA_ANY(kind), VARSIZE_ANY_EXHDR(kind));
	for (int i = 1; i < PG_NARGS(); i++)
		if (!PG_ARGISNULL(i))
			canon_put(&out, i, types[i], PG_GETARG_DATUM(i));
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
