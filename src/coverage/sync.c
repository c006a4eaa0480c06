/*
 * sync.c: billing.sync_coverage(), and what derives the state of days with it.
 *
 * A window is the difference of two snapshots, as in count sync, and kept
 * right by the same three things: first in its own READ COMMITTED transaction,
 * under the stage's lock, committed synchronously.
 */
#include "postgres.h"
#include "fmgr.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"

#include "coverage/coverage.h"
#include "embedded.h"
#include "server/fault.h"

/* Up to so many new rows their devices are looked up one by one; above, and when days pass, tables are joined as wholes. */
#define PROBES_MAX 5000

/* Result columns of sync_edges.sql, which are the first parameters of sync_affected.sql and sync.sql. */
enum SyncParameter
{
	SYNC_WINDOW,
	SYNC_SNAPSHOT,
	SYNC_FROM_XID,
	SYNC_TO_XID,
	SYNC_WAITING,
	SYNC_INCARNATION,
	SYNC_LAST_THROUGH,
	SYNC_THROUGH,
	SYNC_TIME,
	SYNC_PARAMETERS
};

static const Oid sync_types[SYNC_PARAMETERS] = {INT8OID, PG_SNAPSHOTOID, XID8OID, XID8OID,		 XID8ARRAYOID,
												INT4OID, DATEOID,		 DATEOID, TIMESTAMPTZOID};

typedef struct CoverageWindow
{
	int64 window_no;
	DateADT through;
	int64 days_changed;
	int64 usage_rows;
} CoverageWindow;

const char *
coverage_statement(const char *head, const char *tail, bool probe)
{
	const char *statement = psprintf("%s%s%s", head, SQL_COVERAGE_DERIVE, tail);

	while (strstr(statement, "@fence@") != NULL)
		statement = billing_sql_fill(statement, "@fence@", probe ? "OFFSET 0" : "");
	return statement;
}

void
coverage_require_near(DateADT day)
{
	DateADT today = billing_utc_day(GetCurrentTransactionStartTimestamp());

	if (DATE_NOT_FINITE(day))
		ereport(ERROR, errcode(ERRCODE_BILLING_INVALID_PERIOD), errmsg("an infinite date is not a day"));
	if (day > today + COVERAGE_YEARS_AHEAD * 366)
		ereport(ERROR, errcode(ERRCODE_BILLING_INVALID_PERIOD),
				errmsg("day %s is too far ahead to derive coverage",
					   DatumGetCString(DirectFunctionCall1(date_out, DateADTGetDatum(day)))),
				errhint("Days up to %d years from today can be derived.", COVERAGE_YEARS_AHEAD));
}

static void
read_edges(DateADT through, Datum *values, char *nulls)
{
	Oid types[] = {DATEOID};
	Datum day[] = {DateADTGetDatum(through)};

	if (billing_spi_run(SQL_COVERAGE_SYNC_EDGES, 1, types, day, NULL) != 1)
		elog(ERROR, "no edges of a window of coverage");
	for (int i = SYNC_WINDOW; i <= SYNC_THROUGH; i++)
	{
		bool isnull;

		values[i] = billing_spi_value(0, i + 1, &isnull);
		nulls[i] = isnull ? 'n' : ' ';
		if (isnull && i != SYNC_LAST_THROUGH)
			elog(ERROR, "edge %d of a window of coverage is null", i);
	}
}

static int64
result_int64(int column)
{
	bool isnull;
	Datum value = billing_spi_value(0, column, &isnull);

	return isnull ? 0 : DatumGetInt64(value);
}

/* How many rows are new, counted up to one more than are looked up one by one, of each table. */
static int64
count_new(const Datum *values)
{
	Oid types[] = {PG_SNAPSHOTOID, XID8OID, XID8OID, XID8ARRAYOID, INT8OID};
	Datum parameters[] = {values[SYNC_SNAPSHOT], values[SYNC_FROM_XID], values[SYNC_TO_XID],
						  values[SYNC_WAITING], Int64GetDatum(PROBES_MAX + 1)};

	billing_spi_run(SQL_COVERAGE_SYNC_NEW, lengthof(types), types, parameters, NULL);
	return result_int64(1);
}

/* Columns of sync.sql's result: days_changed, keys, usage_rows, whether the meter sums. */
static void
check_usage(void)
{
	bool isnull;
	bool sums = DatumGetBool(billing_spi_value(0, 4, &isnull));

	if (result_int64(2) == 0)
		return;
	if (isnull)
		ereport(ERROR, errcode(ERRCODE_BILLING_UNKNOWN_METER), errmsg("unknown meter \"covered_devices\""),
				errdetail("Covered devices are counted by it."),
				errhint("Run: SELECT billing.create_meter('covered_devices', unit => 'device-day', "
						"dimensions => '{plan,device_type}');"));
	if (!sums)
		ereport(ERROR, errcode(ERRCODE_BILLING_WRONG_STATE), errmsg("meter \"covered_devices\" does not sum"),
				errdetail("A count of devices changes by differences, which are added."));
	if (result_int64(3) < result_int64(2))
		ereport(ERROR, errcode(ERRCODE_BILLING_CONFLICT),
				errmsg("%lld of %lld usage events of coverage exist already",
					   (long long) (result_int64(2) - result_int64(3)), (long long) result_int64(2)),
				errdetail("Ids of the form coverage/window/key belong to coverage sync, and something else "
						  "recorded some."));
}

/* Days newly passed are those of every device, but have no states yet: states are looked up for what is new. */
static const char *
window_statement(bool few_are_new, bool days_passed)
{
	return coverage_statement(SQL_COVERAGE_SYNC_AFFECTED,
							  billing_sql_fill(SQL_COVERAGE_SYNC, "@before@", few_are_new ? "OFFSET 0" : ""),
							  few_are_new && !days_passed);
}

static void
take_window(CoverageWindow *window, Datum *values, const char *nulls)
{
	bool passed =
		nulls[SYNC_LAST_THROUGH] == 'n' || DatumGetDateADT(values[SYNC_LAST_THROUGH]) < window->through;
	int64 rows_new = count_new(values);

	if (rows_new == 0 && !passed)
	{
		window->window_no--; /* nothing new: the window before is still the last */
		return;
	}
	values[SYNC_TIME] = TimestampTzGetDatum(GetCurrentTimestamp());
	billing_spi_run(window_statement(rows_new <= PROBES_MAX, passed), SYNC_PARAMETERS, sync_types, values,
					nulls);
	check_usage();
	FAULT_POINT("a window of coverage is answered");
	window->days_changed = result_int64(1);
	window->usage_rows = result_int64(3);
}

static CoverageWindow
coverage_sync(DateADT through)
{
	Datum values[SYNC_PARAMETERS];
	char nulls[SYNC_PARAMETERS];
	CoverageWindow window = {0};

	billing_require_window_transaction("coverage cannot be synced", "billing.sync_coverage()");
	billing_spi_connect();
	billing_lock_stage("coverage_sync");
	ForceSyncCommit();
	memset(nulls, ' ', sizeof(nulls));
	read_edges(through, values, nulls);
	window.window_no = DatumGetInt64(values[SYNC_WINDOW]);
	window.through = DatumGetDateADT(values[SYNC_THROUGH]);
	take_window(&window, values, nulls);
	billing_spi_finish();
	return window;
}

BILLING_FUNCTION(billing_sync_coverage)
{
	DateADT through =
		PG_ARGISNULL(0) ? billing_utc_day(GetCurrentTransactionStartTimestamp()) - 1 : PG_GETARG_DATEADT(0);
	TupleDesc descriptor;
	CoverageWindow window;
	Datum values[4];
	bool nulls[4] = {false};

	if (get_call_result_type(fcinfo, NULL, &descriptor) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	coverage_require_near(through);
	window = coverage_sync(through);
	values[0] = Int64GetDatum(window.window_no);
	values[1] = DateADTGetDatum(window.through);
	values[2] = Int64GetDatum(window.days_changed);
	values[3] = Int64GetDatum(window.usage_rows);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(descriptor), values, nulls)));
}
