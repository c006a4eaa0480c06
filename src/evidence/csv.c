/*
 * csv.c: billing.evidence_csv(), the lines of a bundle for people.
 */
#include "postgres.h"
#include "fmgr.h"
#include "funcapi.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/tuplestore.h"

#include "embedded.h"
#include "evidence/evidence.h"

static const char header[] =
	"number,line,plan,version,charge,period_start,period_end,share_days,share_of_days,"
	"quantity,rated,billed_before,amount,currency,correction";

static void
put_record(ReturnSetInfo *result, Datum record)
{
	bool isnull = false;

	tuplestore_putvalues(result->setResult, result->setDesc, &record, &isnull);
}

/* Raises MB500 when the tables no longer say what the bundle does. */
static void
put_lines(ReturnSetInfo *result, const InvoiceKey *invoice, const char *bundle, const char *reference)
{
	static const Oid types[] = {DATEOID, TEXTOID, UUIDOID, TEXTOID};
	Datum values[] = {DateADTGetDatum(invoice->invoice_date), invoice->tenant_id, invoice->invoice_id,
					  CStringGetTextDatum(bundle)};
	const char *statement =
		billing_sql_fill(SQL_EVIDENCE_CSV_LINES, "@invoice_canon@", SQL_INVOICING_INVOICE_CANON);
	uint64 count = billing_spi_run(billing_sql_fill(statement, "@line_canon@", SQL_INVOICING_LINE_CANON),
								   lengthof(types), types, values, NULL);
	bool isnull;

	for (uint64 i = 0; i < count; i++)
	{
		if (!DatumGetBool(billing_spi_value(i, 2, &isnull)))
			ereport(ERROR, errcode(ERRCODE_BILLING_INTERNAL),
					errmsg("lines of invoice \"%s\" are not what its evidence says", reference),
					errhint("SELECT * FROM billing.verify_log() tells what does not hold."));
		put_record(result, billing_spi_value(i, 1, &isnull));
	}
}

BILLING_FUNCTION(billing_evidence_csv)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	InvoiceKey invoice;
	const char *reference;

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	billing_spi_connect();
	invoice = invoice_find_argument(fcinfo, 0, 1);
	reference = text_to_cstring(PG_GETARG_TEXT_PP(0));
	put_record(result, CStringGetTextDatum(header));
	put_lines(result, &invoice, evidence_bundle(&invoice, reference), reference);
	billing_spi_finish();
	PG_RETURN_NULL();
}
