/*
 * sync.c: billing.sync_counts().
 *
 * A window is the difference of two snapshots: the rows visible in this one
 * and not in the one before. Rows are told apart by the transaction id they
 * carry, so a row belongs to exactly one window however late its transaction
 * commits. Three things keep that true:
 *  - the transaction begins with this call, in READ COMMITTED: its snapshot is
 *    then newer than the lock, and it has written no rows that its own
 *    snapshot would take for committed;
 *  - the stage lock comes first, so windows follow one another;
 *  - the commit is synchronous whatever the session says: a window that was
 *    seen and then lost in a crash would be taken again, other rows in it.
 */
#include "postgres.h"
#include "fmgr.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/guc.h"
#include "utils/timestamp.h"

#include "embedded.h"
#include "metering/counter.h"
#include "server/fault.h"

/* Only one sync runs at a time: the rows of its window may have as much memory as so many sorts. */
#define MEMORY_FACTOR 4

/* Result columns of sync_edges.sql, which are the first parameters of sync_large.sql and sync_write.sql. */
enum SyncParameter
{
	SYNC_WINDOW,
	SYNC_SNAPSHOT,
	SYNC_FROM_XID,
	SYNC_TO_XID,
	SYNC_WAITING,
	SYNC_INCARNATION,
	SYNC_TIME,
	SYNC_PARAMETERS
};

static const Oid sync_types[SYNC_PARAMETERS] = {INT8OID,	  PG_SNAPSHOTOID, XID8OID,		 XID8OID,
												XID8ARRAYOID, INT4OID,		  TIMESTAMPTZOID};

typedef struct CountWindow
{
	int64 window_no;
	int64 rows_counted;
	int64 rows_set_aside;
} CountWindow;

static void
read_edges(Datum *values)
{
	if (billing_spi_exec(SQL_METERING_SYNC_EDGES) != 1)
		elog(ERROR, "no edges of a count window");
	for (int i = SYNC_WINDOW; i <= SYNC_INCARNATION; i++)
	{
		bool isnull;

		values[i] = billing_spi_value(0, i + 1, &isnull);
		if (isnull)
			elog(ERROR, "edge %d of a count window is null", i);
	}
}

static int64
result_int64(int column)
{
	bool isnull;
	Datum value = billing_spi_value(0, column, &isnull);

	return isnull ? 0 : DatumGetInt64(value);
}

/*
 * Estimates of rows just written are too low, and a nested loop over a million
 * rows that were thought to be one never ends.
 */
static uint64
sync_large(const Datum *values)
{
	int level = NewGUCNestLevel();
	uint64 rows;

	(void) set_config_option("enable_nestloop", "off", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0,
							 false);
	(void) set_config_option("enable_mergejoin", "off", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0,
							 false);
	rows = billing_spi_run(psprintf("%s%s", SQL_METERING_SYNC_LARGE, SQL_METERING_SYNC_WRITE),
						   SYNC_PARAMETERS, sync_types, values, NULL);
	AtEOXact_GUC(true, level);
	return rows;
}

/* Counts the window in memory, or has it sorted on disk where it does not fit. False when there is nothing new. */
static bool
take_window(const Datum *values)
{
	UsageCounter *counter = usage_counter_create(work_mem * (Size) 1024 * MEMORY_FACTOR);

	billing_spi_receive(SQL_METERING_SYNC_ROWS, SYNC_WAITING - SYNC_SNAPSHOT + 1, &sync_types[SYNC_SNAPSHOT],
						&values[SYNC_SNAPSHOT], NULL, usage_counter_receiver(counter));
	if (counter->is_full)
	{
		elog(DEBUG1, "count window is counted by SQL");
		usage_counter_free(counter);
		return sync_large(values) > 0;
	}
	if (counter->rows == 0)
		return false;
	usage_counter_write(counter);
	return billing_spi_run(psprintf("WITH %s", SQL_METERING_SYNC_WRITE), SYNC_PARAMETERS, sync_types, values,
						   NULL) > 0;
}

static CountWindow
counts_sync(void)
{
	Datum values[SYNC_PARAMETERS];
	CountWindow window = {0};

	billing_require_window_transaction("counts cannot be synced", "billing.sync_counts()");
	billing_spi_connect();
	billing_lock_stage("count_sync");
	ForceSyncCommit();
	read_edges(values);
	values[SYNC_TIME] = TimestampTzGetDatum(GetCurrentTimestamp());
	window.window_no = DatumGetInt64(values[SYNC_WINDOW]);
	FAULT_POINT("a count window is taken");
	if (!take_window(values))
		window.window_no--; /* nothing new: the window before is still the last */
	else
	{
		window.rows_counted = result_int64(1);
		window.rows_set_aside = result_int64(2);
	}
	billing_spi_finish();
	return window;
}

BILLING_FUNCTION(billing_sync_counts)
{
	TupleDesc descriptor;
	CountWindow window;
	Datum values[3];
	bool nulls[3] = {false, false, false};

	if (get_call_result_type(fcinfo, NULL, &descriptor) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	window = counts_sync();
	values[0] = Int64GetDatum(window.window_no);
	values[1] = Int64GetDatum(window.rows_counted);
	values[2] = Int64GetDatum(window.rows_set_aside);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(descriptor), values, nulls)));
}
