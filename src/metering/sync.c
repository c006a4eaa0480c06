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
#include "utils/timestamp.h"

#include "embedded.h"
#include "metering/metering.h"
#include "server/fault.h"

/* Result columns of sync_edges.sql, which are the first parameters of sync.sql. */
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
	if (billing_spi_run(SQL_METERING_SYNC, SYNC_PARAMETERS, sync_types, values, NULL) == 0)
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
