/*
 * close.c: billing.close_balances().
 *
 * A window of balances is over the entries visible in its snapshot, told apart
 * by the transaction id they carry, as in count sync; so it is taken first in a
 * READ COMMITTED transaction of its own, under the stage's lock. The commit may
 * be asynchronous: a window that is lost in a crash is missed by nobody, for
 * the entries are there and balances do not change by being closed.
 */
#include "postgres.h"
#include "fmgr.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "utils/timestamp.h"

#include "embedded.h"
#include "ledger/ledger.h"

/* The first are the result columns of close_edges.sql; all are the parameters of close_balances.sql. */
enum CloseParameter
{
	CLOSE_WINDOW,
	CLOSE_SNAPSHOT,
	CLOSE_SINCE,
	CLOSE_INCARNATION,
	CLOSE_COMPLETE,
	CLOSE_ANEW,
	CLOSE_MIN_ENTRIES,
	CLOSE_TIME,
	CLOSE_PARAMETERS
};

static const Oid close_types[CLOSE_PARAMETERS] = {INT8OID, PG_SNAPSHOTOID, PG_SNAPSHOTOID, INT4OID,
												  BOOLOID, BOOLOID,		   INT4OID,		   TIMESTAMPTZOID};

static void
read_edges(Datum *values, char *nulls)
{
	if (billing_spi_run(SQL_LEDGER_CLOSE_EDGES, 2, close_types + CLOSE_COMPLETE, values + CLOSE_COMPLETE,
						NULL) != 1)
		elog(ERROR, "no edges of a window of balances");
	for (int i = CLOSE_WINDOW; i <= CLOSE_INCARNATION; i++)
	{
		bool isnull;

		values[i] = billing_spi_value(0, i + 1, &isnull);
		nulls[i] = isnull ? 'n' : ' ';
	}
}

/* Returns the number of accounts closed; sets the window, the last one when there were none. */
static int64
close_window(int32 min_entries, bool anew, int64 *window_no)
{
	Datum values[CLOSE_PARAMETERS];
	char nulls[CLOSE_PARAMETERS];
	bool isnull;
	int64 accounts = 0;

	memset(nulls, ' ', sizeof(nulls));
	billing_require_window_transaction("balances cannot be closed", "billing.close_balances()");
	billing_spi_connect();
	billing_lock_stage("close_balances");
	values[CLOSE_COMPLETE] = BoolGetDatum(anew || min_entries == 1);
	values[CLOSE_ANEW] = BoolGetDatum(anew);
	read_edges(values, nulls);
	values[CLOSE_MIN_ENTRIES] = Int32GetDatum(anew ? 1 : min_entries);
	values[CLOSE_TIME] = TimestampTzGetDatum(GetCurrentTimestamp());
	*window_no = DatumGetInt64(values[CLOSE_WINDOW]);
	if (billing_spi_run(SQL_LEDGER_CLOSE_BALANCES, CLOSE_PARAMETERS, close_types, values, nulls) == 0)
		(*window_no)--;
	else
		accounts = DatumGetInt64(billing_spi_value(0, 1, &isnull));
	billing_spi_finish();
	return accounts;
}

BILLING_FUNCTION(billing_close_balances)
{
	TupleDesc descriptor;
	int64 window_no;
	int64 accounts;
	Datum values[2];
	bool nulls[2] = {false, false};

	if (get_call_result_type(fcinfo, NULL, &descriptor) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_GETARG_INT32(0) < 1)
		ereport(ERROR, errcode(ERRCODE_BILLING_INVALID_ARGUMENT),
				errmsg("min_entries is a positive number and anew is true or false"));
	accounts = close_window(PG_GETARG_INT32(0), PG_GETARG_BOOL(1), &window_no);
	values[0] = Int64GetDatum(window_no);
	values[1] = Int64GetDatum(accounts);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(descriptor), values, nulls)));
}
