/*
 * run.c: making and finalizing invoices, a few statements for many tenants.
 *
 * The work is in statements/: wanted.sql says what invoices there should be,
 * remove_stale_drafts.sql and make_invoices.sql bring them there, as drafts or
 * finalized at once, and finalize.sql numbers and posts drafts. All of it runs
 * with the tenants locked, so two runs of one period give one invoice.
 */
#include "postgres.h"
#include "fmgr.h"

#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/datum.h"
#include "utils/timestamp.h"

#include "embedded.h"
#include "audit/audit.h"
#include "invoicing/invoicing.h"
#include "ledger/ledger.h"
#include "server/fault.h"

static Datum
session_user_name(void)
{
	return CStringGetTextDatum(GetUserNameFromId(GetSessionUserId(), false));
}

static int64
result_count(int column)
{
	bool isnull;

	return DatumGetInt64(billing_spi_value(0, column, &isnull));
}

static bool
has_drafts(TenantRange range)
{
	static const Oid types[] = {TEXTOID, TEXTOID};
	Datum values[] = {range.first, range.last};

	return billing_spi_run(
			   "SELECT FROM billing.invoices WHERE status = 'draft' AND tenant_id BETWEEN $1 AND $2"
			   " LIMIT 1",
			   lengthof(types), types, values, NULL) > 0;
}

/* Drafts that lay ahead of the day and were removed: whose they were, and of which days. */
typedef struct RemovedDrafts
{
	bool any;
	Datum columns[4]; /* arrays: tenant, account, currency, invoice date */
} RemovedDrafts;

static RemovedDrafts
remove_stale_drafts(DateADT due_by, TenantRange range)
{
	static const Oid types[] = {DATEOID, TEXTOID, TEXTOID};
	Datum values[] = {DateADTGetDatum(due_by), range.first, range.last};
	const char *wanted = billing_sql_fill(SQL_INVOICING_WANTED, "@removed@", "");
	RemovedDrafts removed = {0};

	billing_spi_run(psprintf("%s%s", wanted, SQL_INVOICING_REMOVE_STALE_DRAFTS), lengthof(types), types,
					values, NULL);
	for (int i = 0; i < lengthof(removed.columns); i++)
	{
		bool isnull;
		Datum column = billing_spi_value(0, i + 1, &isnull);

		removed.any = !isnull;
		if (!isnull)
			removed.columns[i] = datumCopy(column, false, -1);
	}
	return removed;
}

/* Fills in what the statements that finalize have in common. */
static char *
fill_finalizing(const char *sql)
{
	sql = billing_sql_fill(sql, "@numbered@", SQL_INVOICING_NUMBER);
	sql = billing_sql_fill(sql, "@insert@", ledger_insert(SQL_INVOICING_FINALIZE_ENTRIES));
	return billing_sql_fill(sql, "@invoice_canon@", SQL_INVOICING_INVOICE_CANON);
}

static char *
make_statement(bool finalize, const RemovedDrafts *removed)
{
	const char *wanted =
		billing_sql_fill(SQL_INVOICING_WANTED, "@removed@",
						 removed->any ? "UNION ALL SELECT * FROM unnest($8, $9, $10, $11)" : "");
	const char *sql = billing_sql_fill(SQL_INVOICING_MAKE_INVOICES, "@line_canon@", SQL_INVOICING_LINE_CANON);

	if (finalize)
		sql = fill_finalizing(billing_sql_fill(sql, "@events@", SQL_INVOICING_FINALIZED_EVENTS));
	else
	{
		sql = billing_sql_fill(sql, "@numbered@",
							   "numbered AS (SELECT d.*, NULL::text AS new_number FROM drafts d)");
		sql = billing_sql_fill(sql, "@events@", "events AS (SELECT m.* FROM made m)");
	}
	return psprintf("%s%s", wanted, sql);
}

/* Makes what is wanted and not there: as drafts, or finalized. */
static void
make_invoices(DateADT due_by, TenantRange range, Datum replay_id, bool finalize, const RemovedDrafts *removed,
			  BatchResult *result)
{
	static const Oid types[] = {DATEOID,	  TEXTOID,		  TEXTOID,	   UUIDOID,
								TEXTOID,	  TIMESTAMPTZOID, BOOLOID,	   TEXTARRAYOID,
								TEXTARRAYOID, TEXTARRAYOID,	  DATEARRAYOID};
	Datum values[] = {DateADTGetDatum(due_by),
					  range.first,
					  range.last,
					  replay_id,
					  session_user_name(),
					  TimestampTzGetDatum(GetCurrentTimestamp()),
					  BoolGetDatum(finalize),
					  removed->columns[0],
					  removed->columns[1],
					  removed->columns[2],
					  removed->columns[3]};

	billing_spi_run(make_statement(finalize, removed),
					lengthof(types) - (removed->any ? 0 : lengthof(removed->columns)), types, values, NULL);
	result->invoices = result_count(1);
	result->lines = result_count(2);
	if (finalize)
		result->finalized = result->invoices;
}

int64
invoicing_finalize(DateADT due_by, TenantRange range, const Datum *invoice_id)
{
	static const Oid types[] = {DATEOID, TEXTOID, TEXTOID, UUIDOID, TEXTOID, TIMESTAMPTZOID};
	Datum values[] = {DateADTGetDatum(due_by),
					  range.first,
					  range.last,
					  invoice_id ? *invoice_id : (Datum) 0,
					  session_user_name(),
					  TimestampTzGetDatum(GetCurrentTimestamp())};
	const char *nulls = invoice_id ? "      " : "   n  ";
	const char *sql = billing_sql_fill(SQL_INVOICING_FINALIZE, "@line_canon@", SQL_INVOICING_LINE_CANON);

	billing_spi_run(fill_finalizing(sql), lengthof(types), types, values, nulls);
	return result_count(1);
}

BatchResult
invoicing_run_batch(DateADT due_by, TenantRange range, Datum replay_id, bool finalize)
{
	BatchResult result = {0};
	RemovedDrafts removed = {0};
	bool drafted;

	billing_lock_tenants(range.first, range.last);
	result.revisions = rating_rate(due_by, range);
	FAULT_POINT("drafts are remade");
	drafted = has_drafts(range);
	if (drafted)
		removed = remove_stale_drafts(due_by, range);
	FAULT_POINT("invoices are made");
	/* Without drafts there is nothing to number but what is made now, so its rows are written once. */
	make_invoices(due_by, range, replay_id, finalize && !drafted, &removed, &result);
	FAULT_POINT("invoices are finalized");
	if (finalize && drafted)
		result.finalized = invoicing_finalize(due_by, range, NULL);
	return result;
}

static Datum
batch_row(FunctionCallInfo fcinfo, const BatchResult *result)
{
	TupleDesc descriptor;
	Datum values[] = {Int64GetDatum(result->revisions), Int64GetDatum(result->invoices),
					  Int64GetDatum(result->lines), Int64GetDatum(result->finalized)};
	bool nulls[lengthof(values)] = {false};

	if (get_call_result_type(fcinfo, NULL, &descriptor) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "batch result is not a row");
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(descriptor), values, nulls));
}

/* Writes the audit log for invoices finalized by the batch. */
static void
audit_batch(DateADT due_by, const TenantRange *range, int64 finalized)
{
	Oid types[] = {DATEOID, TEXTOID, TEXTOID, INT8OID};
	Datum values[] = {DateADTGetDatum(due_by), range->first, range->last, Int64GetDatum(finalized)};

	if (finalized > 0)
		billing_spi_run(
			"SELECT billing.audit_call('invoices', jsonb_build_object('due_by', $1, 'first_tenant', $2,"
			" 'last_tenant', $3), NULL, jsonb_build_object('finalized', $4))",
			lengthof(types), types, values, NULL);
}

BILLING_FUNCTION(billing_invoice_batch)
{
	AuditEntry entry;
	TenantRange range = {PG_GETARG_DATUM(1), PG_GETARG_DATUM(2)};
	BatchResult result;

	audit_enter(&entry, fcinfo);
	billing_spi_connect();
	result = invoicing_run_batch(PG_GETARG_DATEADT(0), range, PG_GETARG_DATUM(3), PG_GETARG_BOOL(4));
	audit_batch(PG_GETARG_DATEADT(0), &range, result.finalized);
	billing_spi_finish();
	audit_leave(&entry);
	PG_RETURN_DATUM(batch_row(fcinfo, &result));
}

BILLING_FUNCTION(billing_finalize_batch)
{
	AuditEntry entry;
	TenantRange range = {PG_GETARG_DATUM(1), PG_GETARG_DATUM(2)};
	int64 finalized;

	audit_enter(&entry, fcinfo);
	billing_spi_connect();
	billing_lock_tenants(range.first, range.last);
	finalized = invoicing_finalize(PG_GETARG_DATEADT(0), range, NULL);
	audit_batch(PG_GETARG_DATEADT(0), &range, finalized);
	billing_spi_finish();
	audit_leave(&entry);
	PG_RETURN_INT64(finalized);
}
