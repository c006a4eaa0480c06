/*
 * invoice.c: one invoice: finalize, void, show, preview.
 */
#include "postgres.h"
#include "fmgr.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "access/access.h"
#include "embedded.h"
#include "audit/audit.h"
#include "invoicing/invoicing.h"
#include "ledger/ledger.h"
#include "server/card.h"
#include "server/fault.h"

static const char *const FIND_INVOICE =
	"SELECT i.tenant_id, i.invoice_id, i.invoice_date, i.status FROM billing.invoices i WHERE %s%s";

/* Numbers are series-year-number; only an id has the length and the first dash of a UUID. */
static bool
is_uuid(Datum reference)
{
	char *string = TextDatumGetCString(reference);

	return strlen(string) == 36 && strspn(string, "0123456789abcdefABCDEF") == 8;
}

/* Finds an invoice by number, or by id; refuses none (MB446) and several (MB400). Needs SPI. */
static InvoiceKey
find_invoice(Datum reference, const Datum *tenant)
{
	static SPIPlanPtr plans[2][2];
	static const Oid types[] = {TEXTOID, TEXTOID};
	Datum values[] = {reference, tenant ? *tenant : (Datum) 0};
	bool by_id = is_uuid(reference);
	char *sql = psprintf(FIND_INVOICE, by_id ? "i.invoice_id = $1::uuid" : "i.number = $1",
						 tenant ? " AND i.tenant_id = $2" : "");
	uint64 found =
		billing_spi_run_kept(&plans[by_id][tenant != NULL], sql, tenant ? 2 : 1, types, values, NULL);
	InvoiceKey key;
	bool isnull;

	if (found == 0)
		ereport(ERROR, errcode(ERRCODE_BILLING_UNKNOWN_INVOICE),
				errmsg("there is no invoice \"%s\"", TextDatumGetCString(reference)),
				errhint("Give its number, or the invoice_id of a draft."));
	if (found > 1)
		ereport(ERROR, errcode(ERRCODE_BILLING_INVALID_ARGUMENT),
				errmsg("%d invoices have the number \"%s\"", (int) found, TextDatumGetCString(reference)),
				errdetail("Numbers are unique per legal entity only."),
				errhint("Name the tenant, or give the invoice_id."));
	key.tenant_id = billing_spi_value(0, 1, &isnull);
	key.invoice_id = billing_spi_value(0, 2, &isnull);
	key.invoice_date = DatumGetDateADT(billing_spi_value(0, 3, &isnull));
	key.status = billing_spi_text(0, 4);
	return key;
}

InvoiceKey
invoice_find_argument(FunctionCallInfo fcinfo, int reference, int tenant)
{
	const text *scope = billing_tenant_scope(PG_ARGISNULL(tenant) ? NULL : PG_GETARG_TEXT_PP(tenant));
	Datum tenant_id = PointerGetDatum(scope);

	billing_refuse_card_arguments(fcinfo);
	if (PG_ARGISNULL(reference))
		ereport(ERROR, errcode(ERRCODE_BILLING_INVALID_ARGUMENT), errmsg("the invoice is null"));
	return find_invoice(PG_GETARG_DATUM(reference), scope == NULL ? NULL : &tenant_id);
}

/* As invoice_find_argument(), with its tenant locked: what is read before the lock may have changed when it is there. */
static InvoiceKey
find_and_lock(FunctionCallInfo fcinfo, int reference, int tenant)
{
	InvoiceKey key = invoice_find_argument(fcinfo, reference, tenant);

	billing_lock_tenants(key.tenant_id, key.tenant_id);
	return invoice_find_argument(fcinfo, reference, tenant);
}

static void
require_status(const InvoiceKey *key, const char *status, const char *verb, Datum reference)
{
	if (strcmp(key->status, status) != 0)
		ereport(
			ERROR, errcode(ERRCODE_BILLING_WRONG_STATE),
			errmsg("invoice \"%s\" is %s and cannot be %s", TextDatumGetCString(reference), key->status,
				   verb),
			errdetail(
				"An invoice goes from draft to finalized, and from there to paid, void or uncollectible."));
}

/* An account's drafts are finalized by date: numbers follow it, and runs take what is due before a finalized one as billed. */
static void
require_no_earlier_draft(const InvoiceKey *key, Datum reference)
{
	static const Oid types[] = {DATEOID, TEXTOID, UUIDOID};
	Datum values[] = {DateADTGetDatum(key->invoice_date), key->tenant_id, key->invoice_id};

	if (billing_spi_run("SELECT d.invoice_date::text FROM billing.invoices i"
						"  JOIN billing.invoices d USING (tenant_id, account_id, currency)"
						" WHERE i.invoice_date = $1 AND i.tenant_id = $2 AND i.invoice_id = $3"
						"   AND d.status = 'draft' AND d.invoice_date < $1 ORDER BY d.invoice_date LIMIT 1",
						lengthof(types), types, values, NULL) > 0)
		ereport(ERROR, errcode(ERRCODE_BILLING_WRONG_STATE),
				errmsg("invoice \"%s\" cannot be finalized before the draft of %s",
					   TextDatumGetCString(reference), billing_spi_text(0, 1)),
				errhint("Finalize an account's drafts in the order of their dates."));
}

/* A copy that outlives SPI_finish(). */
static char *
keep_string(const char *string)
{
	char *kept = SPI_palloc(strlen(string) + 1);

	return strcpy(kept, string);
}

/* Writes the audit log. reason: 0 is none. */
static void
audit_invoice(const InvoiceKey *key, Datum reason)
{
	Oid types[] = {TEXTOID, UUIDOID, TEXTOID};
	Datum values[] = {key->tenant_id, key->invoice_id, reason};

	billing_spi_run(
		"SELECT billing.audit_call('invoices', jsonb_build_object('tenant_id', $1, 'invoice_id', $2), $1,"
		" CASE WHEN $3 IS NOT NULL THEN jsonb_build_object('reason', $3) END)",
		lengthof(types), types, values, reason == (Datum) 0 ? "  n" : NULL);
}

/* Finalizing again is a no-op: returns the number there is. */
BILLING_FUNCTION(billing_finalize_invoice)
{
	AuditEntry entry;
	InvoiceKey key;
	TenantRange range;
	char *number;

	audit_enter(&entry, fcinfo);
	billing_spi_connect();
	key = find_and_lock(fcinfo, 0, 1);
	range.first = range.last = key.tenant_id;
	if (strcmp(key.status, "finalized") != 0)
	{
		require_status(&key, "draft", "finalized", PG_GETARG_DATUM(0));
		require_no_earlier_draft(&key, PG_GETARG_DATUM(0));
		invoicing_finalize(key.invoice_date, range, &key.invoice_id);
		audit_invoice(&key, (Datum) 0);
	}
	billing_spi_run(
		"SELECT number FROM billing.invoices WHERE invoice_date = $1 AND tenant_id = $2 AND invoice_id = $3",
		3, (Oid[]){DATEOID, TEXTOID, UUIDOID},
		(Datum[]){DateADTGetDatum(key.invoice_date), key.tenant_id, key.invoice_id}, NULL);
	number = keep_string(billing_spi_text(0, 1));
	billing_spi_finish();
	audit_leave(&entry);
	PG_RETURN_TEXT_P(cstring_to_text(number));
}

static bool
is_blank(Datum reason)
{
	char *string = TextDatumGetCString(reason);

	return string[strspn(string, " \t\r\n")] == '\0';
}

static void
void_invoice(const InvoiceKey *key, Datum reason)
{
	Oid entry_types[] = {TEXTOID, UUIDOID, DATEOID, TEXTOID};
	Datum entry_values[] = {key->tenant_id, key->invoice_id,
							DateADTGetDatum(billing_utc_day(GetCurrentTransactionStartTimestamp())), reason};
	Oid types[] = {DATEOID, TEXTOID, UUIDOID, TEXTOID, TIMESTAMPTZOID};
	Datum values[] = {DateADTGetDatum(key->invoice_date), key->tenant_id, key->invoice_id, reason,
					  TimestampTzGetDatum(GetCurrentTimestamp())};

	billing_require_partition("ledger_entries", DatumGetDateADT(entry_values[2]));
	billing_spi_run(ledger_insert(SQL_INVOICING_VOID_ENTRIES), lengthof(entry_types), entry_types,
					entry_values, NULL);
	FAULT_POINT("an invoice is void");
	billing_spi_run(SQL_INVOICING_VOID, lengthof(types), types, values, NULL);
}

BILLING_FUNCTION(billing_void_invoice)
{
	AuditEntry entry;
	InvoiceKey key;

	if (PG_ARGISNULL(1) || is_blank(PG_GETARG_DATUM(1)))
		ereport(ERROR, errcode(ERRCODE_BILLING_INVALID_ARGUMENT),
				errmsg("voiding an invoice needs a reason"));
	audit_enter(&entry, fcinfo);
	billing_spi_connect();
	key = find_and_lock(fcinfo, 0, 2);
	require_status(&key, "finalized", "voided", PG_GETARG_DATUM(0));
	void_invoice(&key, PG_GETARG_DATUM(1));
	audit_invoice(&key, PG_GETARG_DATUM(1));
	billing_spi_finish();
	audit_leave(&entry);
	PG_RETURN_VOID();
}

/* The document's text, palloc'd by SPI. */
static char *
invoice_document(Datum tenant_id, Datum invoice_id, Datum invoice_date)
{
	static SPIPlanPtr plan;
	static const Oid types[] = {TEXTOID, UUIDOID, DATEOID};
	Datum values[] = {tenant_id, invoice_id, invoice_date};

	billing_spi_run_kept(&plan, SQL_INVOICING_INVOICE_DOCUMENT, lengthof(types), types, values, NULL);
	return billing_spi_text(0, 1);
}

BILLING_FUNCTION(billing_invoice_document)
{
	InvoiceKey key;
	char *document;

	billing_spi_connect();
	key = invoice_find_argument(fcinfo, 0, 1);
	document =
		keep_string(invoice_document(key.tenant_id, key.invoice_id, DateADTGetDatum(key.invoice_date)));
	billing_spi_finish();
	PG_RETURN_DATUM(DirectFunctionCall1(jsonb_in, CStringGetDatum(document)));
}

/* Documents of a tenant's drafts as a JSON array, in `context`. */
static char *
draft_documents(Datum tenant, MemoryContext context)
{
	StringInfoData documents;
	uint64 drafts = billing_spi_run("SELECT i.invoice_id, i.invoice_date FROM billing.invoices i WHERE "
									"i.tenant_id = $1 AND i.status = 'draft'"
									" ORDER BY i.invoice_date, i.account_id, i.currency",
									1, (Oid[]){TEXTOID}, &tenant, NULL);
	SPITupleTable *table = SPI_tuptable;
	MemoryContext old = MemoryContextSwitchTo(context);

	initStringInfo(&documents);
	MemoryContextSwitchTo(old);
	appendStringInfoChar(&documents, '[');
	for (uint64 row = 0; row < drafts; row++)
	{
		bool isnull;
		Datum invoice_id = SPI_getbinval(table->vals[row], table->tupdesc, 1, &isnull);
		Datum invoice_date = SPI_getbinval(table->vals[row], table->tupdesc, 2, &isnull);

		appendStringInfo(&documents, "%s%s", row > 0 ? ", " : "",
						 invoice_document(tenant, invoice_id, invoice_date));
	}
	appendStringInfoChar(&documents, ']');
	return documents.data;
}

/*
 * Runs the real generator in a subtransaction, keeps the documents it made,
 * and rolls it back: a preview cannot differ from what the run will do.
 */
static char *
preview_in_subtransaction(Datum tenant, DateADT due_by, Datum replay_id)
{
	MemoryContext caller = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	TenantRange range = {tenant, tenant};
	char *volatile documents = NULL;
	ErrorData *volatile error = NULL;

	BeginInternalSubTransaction("billing_preview");
	PG_TRY();
	{
		SPI_connect();
		invoicing_run_batch(due_by, range, replay_id, false);
		documents = draft_documents(tenant, caller);
		SPI_finish();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(caller);
		error = CopyErrorData();
		FlushErrorState();
	}
	PG_END_TRY();
	RollbackAndReleaseCurrentSubTransaction();
	MemoryContextSwitchTo(caller);
	CurrentResourceOwner = owner;
	/* Only now: who catches it ends a subtransaction of its own, and would have ended this one. */
	if (error != NULL)
		ReThrowError(error);
	return documents;
}

BILLING_FUNCTION(billing_preview_invoices)
{
	pg_uuid_t no_run = {{0}};
	char *documents;

	billing_require_installed();
	billing_require_tenant(PG_GETARG_TEXT_PP(0), false);
	documents = preview_in_subtransaction(PG_GETARG_DATUM(0), PG_GETARG_DATEADT(1), UUIDPGetDatum(&no_run));
	PG_RETURN_DATUM(DirectFunctionCall1(jsonb_in, CStringGetDatum(documents)));
}
