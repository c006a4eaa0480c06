/*
 * columns.c: fingerprints and derived ids of columns of several types.
 *
 * What billing.fingerprint() and billing.derive_id() say of the same columns written as texts, without the cast and the
 * array that each row would need: half the cost of rating was those.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/numeric.h"
#include "utils/uuid.h"

#include "core/ids.h"
#include "server/hash.h"
#include "server/server.h"

#define EPOCH_DAYS (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE)

#define COLUMNS_MAX 24
#define UUID_TEXT_SIZE 36
#define ROOM_SIZE (2 * DIGEST_SIZE + 1)

/* The columns of a call as parts. Short texts that had to be written stand in room. */
typedef struct ColumnParts
{
	int count;
	DigestPart parts[COLUMNS_MAX];
	char room[COLUMNS_MAX][ROOM_SIZE];
} ColumnParts;

static void
uuid_text(const pg_uuid_t *uuid, char *out)
{
	char digits[2 * UUID_LEN];
	int from = 0;

	hex_encode((const char *) uuid->data, UUID_LEN, digits);
	for (int i = 0; i < UUID_TEXT_SIZE; i++)
		out[i] = i == 8 || i == 13 || i == 18 || i == 23 ? '-' : digits[from++];
}

static DigestPart
hex_part(const bytea *value, char *room)
{
	Size length = VARSIZE_ANY_EXHDR(value);
	char *digits = 2 * length < ROOM_SIZE ? room : palloc(2 * length);

	hex_encode(VARDATA_ANY(value), length, digits);
	return (DigestPart){digits, 2 * length};
}

static DigestPart
column_part(Oid type, Datum value, char *room)
{
	char *number;

	switch (type)
	{
		case TEXTOID:
		{
			text *characters = DatumGetTextPP(value);

			return (DigestPart){VARDATA_ANY(characters), VARSIZE_ANY_EXHDR(characters)};
		}
		case INT4OID:
			return (DigestPart){room, pg_ltoa(DatumGetInt32(value), room)};
		case INT8OID:
			return (DigestPart){room, pg_lltoa(DatumGetInt64(value), room)};
		case DATEOID:
			return (DigestPart){room, pg_lltoa((int64) DatumGetDateADT(value) + EPOCH_DAYS, room)};
		case UUIDOID:
			uuid_text(DatumGetUUIDP(value), room);
			return (DigestPart){room, UUID_TEXT_SIZE};
		case BYTEAOID:
			return hex_part(DatumGetByteaPP(value), room);
		case NUMERICOID:
			number = DatumGetCString(DirectFunctionCall1(numeric_out, value));
			return (DigestPart){number, strlen(number)};
		default:
			ereport(ERROR, errcode(ERRCODE_BILLING_INVALID_ARGUMENT),
					errmsg("a column of type %s has no fingerprint", format_type_be(type)));
	}
}

/* The types of the arguments, found once for a call site. */
static const Oid *
column_types(FunctionCallInfo fcinfo)
{
	Oid *types = fcinfo->flinfo->fn_extra;

	if (types != NULL)
		return types;
	if (get_fn_expr_variadic(fcinfo->flinfo) || PG_NARGS() > COLUMNS_MAX)
		ereport(ERROR, errcode(ERRCODE_BILLING_INVALID_ARGUMENT),
				errmsg("a fingerprint needs a list of 1 to %d columns", COLUMNS_MAX));
	types = MemoryContextAlloc(fcinfo->flinfo->fn_mcxt, sizeof(Oid) * PG_NARGS());
	for (int i = 0; i < PG_NARGS(); i++)
		types[i] = get_fn_expr_argtype(fcinfo->flinfo, i);
	fcinfo->flinfo->fn_extra = types;
	return types;
}

static void
read_columns(FunctionCallInfo fcinfo, int first, ColumnParts *columns)
{
	const Oid *types = column_types(fcinfo);

	columns->count = PG_NARGS() - first;
	for (int i = 0; i < columns->count; i++)
		columns->parts[i] = PG_ARGISNULL(first + i) ? (DigestPart){NULL, 0}
													: column_part(types[first + i], PG_GETARG_DATUM(first + i), columns->room[i]);
}

static bytea *
fingerprint_columns(FunctionCallInfo fcinfo)
{
	ColumnParts columns;
	uint8_t hash[DIGEST_SIZE];

	read_columns(fcinfo, 0, &columns);
	billing_check_digest(digest_parts(billing_digest_context(), columns.parts, columns.count, hash));
	return billing_hash_bytea(hash);
}

BILLING_FUNCTION(billing_fingerprint_columns)
{
	PG_RETURN_BYTEA_P(fingerprint_columns(fcinfo));
}

static pg_uuid_t *
derive_id_from(FunctionCallInfo fcinfo)
{
	ColumnParts columns;
	char *kind = text_to_cstring(PG_GETARG_TEXT_PP(0));
	pg_uuid_t *uuid = palloc(sizeof(pg_uuid_t));

	read_columns(fcinfo, 1, &columns);
	billing_check_digest(uuid_derive(billing_digest_context(), kind, columns.parts, columns.count, uuid->data));
	pfree(kind);
	return uuid;
}

BILLING_FUNCTION(billing_derive_id_from)
{
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	PG_RETURN_UUID_P(derive_id_from(fcinfo));
}
