/*
 * month.c: billing.evidence_month(), the bundles of a tenant's month as one document (doc/bundle.md).
 */
#include "postgres.h"
#include "fmgr.h"

#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/json.h"

#include "access/access.h"
#include "embedded.h"
#include "evidence/evidence.h"
#include "server/card.h"

typedef struct Month
{
	Datum tenant_id;
	Datum first_day;
	const char *name; /* 2026-10 */
} Month;

static const Oid month_types[] = {TEXTOID, DATEOID, UUIDARRAYOID};

/* Raises MB400 and MB417. */
static Month
month_argument(FunctionCallInfo fcinfo)
{
	static const Oid types[] = {TEXTOID, DATEOID};
	Datum values[] = {PG_ARGISNULL(0) ? (Datum) 0 : PG_GETARG_DATUM(0), PG_GETARG_DATUM(1)};
	const char nulls[] = {PG_ARGISNULL(0) ? 'n' : ' ', PG_ARGISNULL(1) ? 'n' : ' ', '\0'};
	Month month = {.tenant_id = values[0]};
	bool isnull;

	billing_spi_run("SELECT billing.check_text('tenant', $1), billing.check_day('month', $2)",
					lengthof(types), types, values, nulls);
	billing_spi_run("SELECT date_trunc('month', $2::timestamp)::date, to_char($2, 'YYYY-MM')"
					" WHERE $1 IS NOT NULL",
					lengthof(types), types, values, NULL);
	month.first_day = billing_spi_value(0, 1, &isnull);
	month.name = billing_spi_text(0, 2);
	return month;
}

/* The invoices of the month, uuid[]; raises MB446 and MB421. */
static Datum
month_invoices(const Month *month)
{
	Datum values[] = {month->tenant_id, month->first_day};
	const char *tenant = TextDatumGetCString(month->tenant_id);
	const char *draft;
	bool has_none;
	bool no_note;
	Datum invoices;
	bool is_over;

	billing_spi_run(SQL_EVIDENCE_MONTH_INVOICES, lengthof(values), month_types, values, NULL);
	invoices = billing_spi_value(0, 1, &has_none);
	draft = billing_spi_text(0, 2);
	is_over = DatumGetBool(billing_spi_value(0, 3, &no_note)) || no_note;
	if (draft != NULL)
		ereport(ERROR, errcode(ERRCODE_BILLING_WRONG_STATE),
				errmsg("tenant \"%s\" has a draft of %s", tenant, draft),
				errhint("A month's evidence is made when all its invoices are finalized."));
	if (has_none)
		ereport(ERROR, errcode(ERRCODE_BILLING_UNKNOWN_INVOICE),
				errmsg("tenant \"%s\" has no invoice of %s", tenant, month->name));
	/* Without any signed checkpoint the first bundle is refused, and says more. */
	if (!is_over)
		ereport(ERROR, errcode(ERRCODE_BILLING_WRONG_STATE),
				errmsg("month %s is not over at the last checkpoint", month->name),
				errhint("After its last day, SELECT * FROM billing.seal() makes the next checkpoint."));
	return PointerGetDatum(DatumGetArrayTypePCopy(invoices));
}

/* Makes the bundles that are not there. */
static void
make_bundles(const Month *month, Datum invoices)
{
	Datum values[] = {month->tenant_id, month->first_day, invoices};
	uint64 count =
		billing_spi_run("SELECT i.invoice_date, i.invoice_id, i.status, i.number FROM billing.invoices i"
						" WHERE i.tenant_id = $1 AND i.invoice_date >= $2 AND i.invoice_date < ($2 + "
						"interval '1 month')::date"
						"   AND i.invoice_id = ANY ($3) ORDER BY i.number",
						lengthof(values), month_types, values, NULL);
	SPITupleTable *table = SPI_tuptable;
	bool isnull;

	for (uint64 i = 0; i < count; i++)
	{
		HeapTuple row = table->vals[i];
		InvoiceKey invoice = {
			.tenant_id = month->tenant_id,
			.invoice_date = DatumGetDateADT(SPI_getbinval(row, table->tupdesc, 1, &isnull)),
			.invoice_id = SPI_getbinval(row, table->tupdesc, 2, &isnull),
			.status = SPI_getvalue(row, table->tupdesc, 3),
		};

		pfree(evidence_bundle(&invoice, SPI_getvalue(row, table->tupdesc, 4)));
	}
}

static void
freeze_month(const Month *month)
{
	Datum values[] = {month->tenant_id, month->first_day, month_invoices(month)};

	make_bundles(month, values[2]);
	billing_spi_run("INSERT INTO billing.evidence_months (tenant_id, month, invoice_ids) VALUES ($1, $2, $3)"
					" ON CONFLICT DO NOTHING",
					lengthof(values), month_types, values, NULL);
}

/* The document, in SPI's upper context; NULL when the month was not asked for before. */
static text *
stored_month(const Month *month)
{
	Datum values[] = {month->tenant_id, month->first_day};
	uint64 count =
		billing_spi_run("SELECT b.bundle FROM billing.evidence_months m"
						" CROSS JOIN unnest(m.invoice_ids) WITH ORDINALITY AS u (invoice_id, place)"
						"  JOIN billing.evidence_bundles b"
						"    ON b.tenant_id = m.tenant_id AND b.invoice_id = u.invoice_id"
						" WHERE m.tenant_id = $1 AND m.month = $2 ORDER BY u.place",
						lengthof(values), month_types, values, NULL);
	StringInfoData document;
	text *result;

	if (count == 0)
		return NULL;
	/* Members in the order of RFC 8785 3.2.3; the bundles are canonical as they are. */
	initStringInfo(&document);
	appendStringInfoString(&document, "{\"bundles\":[");
	for (uint64 i = 0; i < count; i++)
	{
		char *bundle = billing_spi_text(i, 1);

		appendStringInfo(&document, "%s%s", i > 0 ? "," : "", bundle);
		pfree(bundle);
	}
	appendStringInfo(&document,
					 "],\"format\":\"billing-month/v1\",\"month\":\"%s\",\"tenant\":", month->name);
	escape_json(&document, TextDatumGetCString(month->tenant_id));
	appendStringInfoChar(&document, '}');
	result = SPI_palloc(VARHDRSZ + document.len);
	SET_VARSIZE(result, VARHDRSZ + document.len);
	memcpy(VARDATA(result), document.data, document.len);
	return result;
}

BILLING_FUNCTION(billing_evidence_month)
{
	Month month;
	text *document;

	billing_refuse_card_arguments(fcinfo);
	billing_spi_connect();
	billing_require_tenant(PG_ARGISNULL(0) ? NULL : PG_GETARG_TEXT_PP(0), false);
	month = month_argument(fcinfo);
	document = stored_month(&month);
	if (document == NULL)
	{
		freeze_month(&month);
		document = stored_month(&month);
	}
	billing_spi_finish();
	PG_RETURN_TEXT_P(document);
}
