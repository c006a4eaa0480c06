/*
 * import.c: billing.import_coverage().
 *
 * The source is the caller's, and may have functions in it. So it is read
 * through a cursor with the caller's rights, and only the statement that
 * records, which contains nothing of the caller's but values, runs as the
 * owner of the tables. Rows come by first day and event id, so that a source
 * without an order of its own always gives the same.
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

#include "coverage/coverage.h"

/* Large enough to plan a statement for, small enough to hold. */
#define IMPORT_BATCH_ROWS 20000

/* Only types that lose nothing and depend on no setting on the way. */
static bool
type_is_accepted(Oid given, bool is_date)
{
	return is_date ? given == DATEOID
				   : given == TEXTOID || given == VARCHAROID || given == UUIDOID || given == INT4OID ||
						 given == INT8OID;
}

/* The select list's expression for a field. */
static char *
field_expression(Oid source, const CoverageField *field)
{
	AttrNumber number = get_attnum(source, field->column);
	const char *type = field->is_date ? "date" : "text";

	if (number == InvalidAttrNumber && field->required)
		ereport(ERROR, errcode(ERRCODE_BILLING_INVALID_ARGUMENT),
				errmsg("source \"%s\" has no column \"%s\"", get_rel_name(source), field->column));
	if (number == InvalidAttrNumber)
		return psprintf("NULL::%s", type);
	if (!type_is_accepted(getBaseType(get_atttype(source, number)), field->is_date))
		ereport(ERROR, errcode(ERRCODE_BILLING_INVALID_ARGUMENT),
				errmsg("column \"%s\" of source \"%s\" is no %s", field->column, get_rel_name(source), type),
				errhint("Import from a view that casts it."));
	return psprintf("%s::%s", field->column, type);
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
	for (int i = 0; i < coverage_event_shape.count; i++)
		appendStringInfo(&query, "%s%s", i > 0 ? ", " : "",
						 field_expression(source, &coverage_event_shape.fields[i]));
	appendStringInfo(&query, " FROM %s ORDER BY effective_from, event_id::text COLLATE \"C\"",
					 quote_qualified_identifier(get_namespace_name(get_rel_namespace(source)), name));
	return query.data;
}

static CoverageRows *
fetched_rows(void)
{
	CoverageRows *rows = coverage_rows_create(&coverage_event_shape, (int) SPI_processed);

	for (int row = 0; row < rows->count; row++)
		for (int column = 0; column < rows->shape->count; column++)
		{
			bool isnull;
			Datum value = billing_spi_value(row, column + 1, &isnull);

			if (!isnull)
				coverage_rows_set(rows, row, column, value);
			else if (rows->shape->fields[column].required)
				ereport(
					ERROR, errcode(ERRCODE_BILLING_INVALID_ARGUMENT),
					errmsg("a coverage event of the source has no %s", rows->shape->fields[column].column));
		}
	return rows;
}

/* Records as the owner of the tables. An error puts the user back with the transaction. */
static int64
record_as_owner(const CoverageRows *rows)
{
	Oid caller;
	int context;
	int64 recorded;

	GetUserIdAndSecContext(&caller, &context);
	SetUserIdAndSecContext(get_role_oid("billing_owner", false), context | SECURITY_LOCAL_USERID_CHANGE);
	recorded = coverage_record(rows);
	SetUserIdAndSecContext(caller, context);
	return recorded;
}

static void
import_rows(Portal portal, int64 *imported, int64 *already_there)
{
	MemoryContext context =
		AllocSetContextCreate(CurrentMemoryContext, "coverage import", ALLOCSET_DEFAULT_SIZES);

	for (;;)
	{
		SPITupleTable *fetched;
		CoverageRows *rows;
		int64 recorded;

		SPI_cursor_fetch(portal, true, IMPORT_BATCH_ROWS);
		if (SPI_processed == 0)
			break;
		fetched = SPI_tuptable;
		MemoryContextSwitchTo(context); /* each SPI call leaves its own behind */
		rows = fetched_rows();
		recorded = record_as_owner(rows);
		*imported += recorded;
		*already_there += rows->count - recorded;
		SPI_freetuptable(fetched);
		MemoryContextReset(context);
	}
	MemoryContextDelete(context);
}

BILLING_FUNCTION(billing_import_coverage)
{
	TupleDesc descriptor;
	Portal portal;
	int64 imported = 0;
	int64 already_there = 0;
	Datum values[2];
	bool nulls[2] = {false, false};

	if (get_call_result_type(fcinfo, NULL, &descriptor) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	billing_spi_connect();
	portal = SPI_cursor_open_with_args(NULL, source_query(PG_GETARG_OID(0)), 0, NULL, NULL, NULL, true,
									   CURSOR_OPT_NO_SCROLL);
	import_rows(portal, &imported, &already_there);
	SPI_cursor_close(portal);
	billing_spi_finish();
	values[0] = Int64GetDatum(imported);
	values[1] = Int64GetDatum(already_there);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(descriptor), values, nulls)));
}
