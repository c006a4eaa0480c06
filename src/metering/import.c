/*
 * import.c: billing.import_usage().
 *
 * The source is the caller's: a table, a view with functions in it, a foreign
 * table. So this function runs with the caller's rights and reads it through
 * a cursor with those; only the statement that records, which contains
 * nothing of the caller's but values, runs as the owner of the tables. Rows
 * come in the order of the unique index and are recorded some thousands at a
 * time, as those of record_usage() are; the cursor's snapshot stays.
 */
#include "postgres.h"
#include "fmgr.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "metering/metering.h"
#include "server/card.h"

/* Large enough to plan a statement for, small enough to hold. */
#define IMPORT_BATCH_ROWS 20000

/* Columns of a source, in the order of UsageColumn; `otherwise` is NULL for those it must have. */
static const struct SourceColumn
{
	const char *name;
	const char *otherwise;
} source_columns[USAGE_COLUMNS] = {
	[USAGE_TENANT] = {"tenant_id", NULL},
	[USAGE_METER] = {"meter_id", NULL},
	[USAGE_EVENT] = {"event_id", NULL},
	[USAGE_ACCOUNT] = {"account_id", "NULL::text"},
	[USAGE_OCCURRED_AT] = {"occurred_at", NULL},
	[USAGE_QUANTITY] = {"quantity", "1::numeric"},
	[USAGE_DIMENSIONS] = {"dimensions", "NULL::jsonb"},
	[USAGE_ATTRIBUTION] = {"attribution", "NULL::jsonb"},
	[USAGE_CORRELATION] = {"correlation_id", "NULL::text"},
	[USAGE_CORRECTS] = {"corrects_event_id", "NULL::text"},
};

/* Only types that lose nothing and depend on no setting on the way: no float, no timestamp without zone. */
static bool
type_is_accepted(Oid given, Oid wanted)
{
	switch (wanted)
	{
		case TEXTOID:
			return given == TEXTOID || given == VARCHAROID || given == UUIDOID || given == INT4OID ||
				   given == INT8OID;
		case NUMERICOID:
			return given == NUMERICOID || given == INT2OID || given == INT4OID || given == INT8OID;
		case JSONBOID:
			return given == JSONBOID || given == JSONOID;
		default:
			return given == wanted;
	}
}

/* The select list's expression for a column of the source. */
static char *
column_expression(Oid source, UsageColumn column)
{
	const struct SourceColumn *wanted = &source_columns[column];
	AttrNumber number = get_attnum(source, wanted->name);
	Oid type;

	if (number == InvalidAttrNumber && wanted->otherwise == NULL)
		ereport(ERROR, errcode(ERRCODE_BILLING_INVALID_ARGUMENT),
				errmsg("source \"%s\" has no column \"%s\"", get_rel_name(source), wanted->name));
	if (number == InvalidAttrNumber)
		return pstrdup(wanted->otherwise);
	type = getBaseType(get_atttype(source, number));
	if (!type_is_accepted(type, usage_types[column]))
		ereport(ERROR, errcode(ERRCODE_BILLING_INVALID_ARGUMENT),
				errmsg("column \"%s\" of source \"%s\" has type %s, not %s", wanted->name,
					   get_rel_name(source), format_type_be(type), format_type_be(usage_types[column])),
				errhint("Import from a view that casts it."));
	return psprintf("%s::%s", wanted->name, format_type_be(usage_types[column]));
}

static char *
source_query(Oid source)
{
	const char *name = get_rel_name(source);
	StringInfoData query;

	if (name == NULL)
		ereport(ERROR, errcode(ERRCODE_BILLING_INVALID_ARGUMENT),
				errmsg("there is no relation with oid %u", source));
	initStringInfo(&query);
	appendStringInfoString(&query, "SELECT ");
	for (int column = 0; column < USAGE_COLUMNS; column++)
		appendStringInfo(&query, "%s%s", column > 0 ? ", " : "", column_expression(source, column));
	appendStringInfo(
		&query,
		" FROM %s ORDER BY (occurred_at AT TIME ZONE 'UTC')::date, tenant_id::text COLLATE \"C\","
		" meter_id::text COLLATE \"C\", event_id::text COLLATE \"C\"",
		quote_qualified_identifier(get_namespace_name(get_rel_namespace(source)), name));
	return query.data;
}

static void
refuse_untimed(const char *event_id)
{
	if (event_id != NULL && card_find(event_id, strlen(event_id)) != CARD_NONE)
		billing_refuse_card("event_id", CARD_NUMBER);
	ereport(ERROR, errcode(ERRCODE_BILLING_INVALID_ARGUMENT),
			errmsg("event \"%s\": occurred_at is null", event_id != NULL ? event_id : ""));
}

/* The rows last fetched, as a batch. A time not given would differ on the next import, so it is refused. */
static UsageBatch
fetched_batch(void)
{
	UsageRows *rows = usage_rows_create((int) SPI_processed);

	for (int row = 0; row < rows->count; row++)
		for (int column = 0; column < USAGE_COLUMNS; column++)
		{
			bool isnull;
			Datum value = billing_spi_value(row, column + 1, &isnull);

			if (!isnull)
				usage_rows_set(rows, row, column, value);
			else if (column == USAGE_OCCURRED_AT)
				refuse_untimed(billing_spi_text(row, USAGE_EVENT + 1));
		}
	return usage_rows_to_batch(rows, LABEL_KEY);
}

/* Records as the owner of the tables. An error puts the user back with the transaction. */
static uint64
record_as_owner(const UsageBatch *batch)
{
	Oid caller;
	int context;
	uint64 recorded;

	GetUserIdAndSecContext(&caller, &context);
	SetUserIdAndSecContext(get_role_oid("billing_owner", false), context | SECURITY_LOCAL_USERID_CHANGE);
	recorded = usage_batch_record(batch);
	SetUserIdAndSecContext(caller, context);
	return recorded;
}

static void
import_rows(Portal portal, uint64 *imported, uint64 *already_there)
{
	MemoryContext context =
		AllocSetContextCreate(CurrentMemoryContext, "usage import", ALLOCSET_DEFAULT_SIZES);

	for (;;)
	{
		SPITupleTable *fetched;
		UsageBatch batch;
		uint64 recorded;

		SPI_cursor_fetch(portal, true, IMPORT_BATCH_ROWS);
		if (SPI_processed == 0)
			break;
		fetched = SPI_tuptable;
		MemoryContextSwitchTo(context); /* each SPI call leaves its own behind */
		batch = fetched_batch();
		recorded = record_as_owner(&batch);
		*imported += recorded;
		*already_there += batch.count - recorded;
		SPI_freetuptable(fetched);
		MemoryContextReset(context);
	}
	MemoryContextDelete(context);
}

static void
usage_import(Oid source, uint64 *imported, uint64 *already_there)
{
	Portal portal;

	billing_spi_connect();
	portal = SPI_cursor_open_with_args(NULL, source_query(source), 0, NULL, NULL, NULL, true,
									   CURSOR_OPT_NO_SCROLL);
	import_rows(portal, imported, already_there);
	SPI_cursor_close(portal);
	billing_spi_finish();
}

BILLING_FUNCTION(billing_import_usage)
{
	TupleDesc descriptor;
	uint64 imported = 0;
	uint64 already_there = 0;
	Datum values[2];
	bool nulls[2] = {false, false};

	if (get_call_result_type(fcinfo, NULL, &descriptor) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	usage_import(PG_GETARG_OID(0), &imported, &already_there);
	values[0] = Int64GetDatum(imported);
	values[1] = Int64GetDatum(already_there);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(descriptor), values, nulls)));
}
