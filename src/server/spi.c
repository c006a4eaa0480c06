/*
 * spi.c: running set-based SQL from C.
 */
#include "postgres.h"
#include "fmgr.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_type.h"
#include "executor/tstoreReceiver.h"
#include "nodes/params.h"
#include "utils/builtins.h"

#include "server/server.h"

void
billing_spi_connect(void)
{
	billing_require_installed();
	SPI_connect();
}

void
billing_spi_finish(void)
{
	SPI_finish();
}

static void
check_result(int result, const char *sql)
{
	if (result < 0)
		ereport(ERROR, errcode(ERRCODE_BILLING_INTERNAL),
				errmsg("statement failed with %s", SPI_result_code_string(result)),
				sql != NULL ? errdetail("Statement: %s", sql) : 0);
}

uint64
billing_spi_run(const char *sql, int nargs, const Oid *types, const Datum *values, const char *nulls)
{
	check_result(SPI_execute_with_args(sql, nargs, (Oid *) types, (Datum *) values, nulls, false, 0), sql);
	return SPI_processed;
}

/* Makes the plan that is to be kept in *plan, unless it is there. */
static void
keep_plan(SPIPlanPtr *plan, const char *sql, int nargs, const Oid *types, int options)
{
	SPIPlanPtr fresh;

	if (*plan != NULL)
		return;
	fresh = SPI_prepare_cursor(sql, nargs, (Oid *) types, CURSOR_OPT_GENERIC_PLAN | options);
	if (fresh == NULL)
		check_result(SPI_result, sql);
	SPI_keepplan(fresh);
	*plan = fresh;
}

uint64
billing_spi_run_kept(SPIPlanPtr *plan, const char *sql, int nargs, const Oid *types, const Datum *values,
					 const char *nulls)
{
	keep_plan(plan, sql, nargs, types, 0);
	check_result(SPI_execute_plan(*plan, (Datum *) values, nulls, false, 0), sql);
	return SPI_processed;
}

Portal
billing_spi_open_kept(SPIPlanPtr *plan, const char *sql, int nargs, const Oid *types, const Datum *values)
{
	keep_plan(plan, sql, nargs, types, CURSOR_OPT_FAST_PLAN | CURSOR_OPT_NO_SCROLL);
	return SPI_cursor_open(NULL, *plan, (Datum *) values, NULL, false);
}

void
billing_spi_receive(const char *sql, int nargs, const Oid *types, const Datum *values, const char *nulls,
					DestReceiver *receiver)
{
	ParamListInfo parameters = makeParamList(nargs);
	SPIExecuteOptions options = {.params = parameters, .dest = receiver};

	for (int i = 0; i < nargs; i++)
		parameters->params[i] =
			(ParamExternData){values[i], nulls != NULL && nulls[i] == 'n', PARAM_FLAG_CONST, types[i]};
	check_result(SPI_execute_extended(sql, &options), sql);
}

void
billing_spi_return(ReturnSetInfo *set, const char *sql, int nargs, const Oid *types, const Datum *values,
				   const char *nulls)
{
	DestReceiver *receiver = CreateDestReceiver(DestTuplestore);

	SetTuplestoreDestReceiverParams(receiver, set->setResult, CurrentMemoryContext, false, NULL, NULL);
	billing_spi_receive(sql, nargs, types, values, nulls, receiver);
	receiver->rDestroy(receiver);
}

char *
billing_sql_fill(const char *statement, const char *placeholder, const char *sql)
{
	const char *place = strstr(statement, placeholder);

	if (place == NULL)
		elog(ERROR, "statement has no place %s", placeholder);
	return psprintf("%.*s%s%s", (int) (place - statement), statement, sql, place + strlen(placeholder));
}

uint64
billing_spi_exec(const char *sql)
{
	check_result(SPI_execute(sql, false, 0), sql);
	return SPI_processed;
}

Datum
billing_spi_value(uint64 row, int column, bool *isnull)
{
	if (SPI_tuptable == NULL || row >= SPI_tuptable->numvals)
	{
		*isnull = true;
		return (Datum) 0;
	}
	return SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, isnull);
}

char *
billing_spi_text(uint64 row, int column)
{
	if (SPI_tuptable == NULL || row >= SPI_tuptable->numvals)
		return NULL;
	return SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column);
}

void
billing_lock_stage(const char *stage)
{
	Oid types[] = {TEXTOID};
	Datum values[] = {CStringGetTextDatum(stage)};

	/* What the stage reads must be newer than the lock, or it would repeat what the session before it did. */
	if (IsolationUsesXactSnapshot())
		ereport(ERROR, errcode(ERRCODE_BILLING_WRONG_TRANSACTION),
				errmsg("stage \"%s\" runs at isolation level READ COMMITTED only", stage));
	if (billing_spi_run("SELECT FROM billing.stage_locks WHERE stage = $1 FOR UPDATE", 1, types, values,
						NULL) != 1)
		elog(ERROR, "no stage lock \"%s\"", stage);
}

void
billing_require_window_transaction(const char *what, const char *function)
{
	const char *problem = NULL;

	if (RecoveryInProgress())
		problem = "This server is in recovery.";
	else if (XactIsoLevel != XACT_READ_COMMITTED)
		problem = "The isolation level is not READ COMMITTED.";
	else if (TransactionIdIsValid(GetTopTransactionIdIfAny()))
		problem = "The transaction has written already.";
	if (problem != NULL)
		ereport(ERROR, errcode(ERRCODE_BILLING_WRONG_TRANSACTION), errmsg("%s in this transaction", what),
				errdetail("%s", problem),
				errhint("Call %s alone, in a READ COMMITTED transaction of its own.", function));
}
