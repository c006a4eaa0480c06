/*
 * recheck.c: billing.bundle_problem(), the offline verifier's checks of a stored bundle, within the server.
 *
 * The same code as billing-verify runs over the same bytes, with the key that is registered here; and the bundle must be
 * that of the invoice, under the checkpoint it was made under.
 */
#include "postgres.h"
#include "fmgr.h"

#include "utils/builtins.h"
#include "utils/uuid.h"

#include "server/server.h"
#include "verify/check.h"

/* What a stored bundle is expected to be. */
typedef struct Expectation
{
	const text *tenant_id;
	const pg_uuid_t *invoice_id;
	const text *note;
	NoteKey key;
} Expectation;

static bool
is_column(const Row *row, int column, const void *bytes, size_t length)
{
	return row->columns[column].length == length && memcmp(row->columns[column].bytes, bytes, length) == 0;
}

static bool
check_identity(const DocumentBundle *element, const Expectation *expected, Verdict *verdict)
{
	const Row *invoice = &element->bundle.invoice.row;
	TextSpan note = element->bundle.checkpoint;

	if (!is_column(invoice, INVOICE_TENANT_ID, VARDATA_ANY(expected->tenant_id),
				   VARSIZE_ANY_EXHDR(expected->tenant_id)) ||
		!is_column(invoice, INVOICE_INVOICE_ID, expected->invoice_id->data, UUID_LEN))
		return verdict_refute(verdict, "invoice", "another invoice than the bundle is kept for");
	return (note.length == VARSIZE_ANY_EXHDR(expected->note) &&
			memcmp(note.text, VARDATA_ANY(expected->note), note.length) == 0) ||
		   verdict_refute(verdict, "checkpoint", "another checkpoint than the bundle was made under");
}

static void
check_document(Document *document, const Expectation *expected, DigestContext *digest, Verdict *verdict)
{
	DocumentBundle *element = document->bundles;

	if (document->is_month)
		verdict_refute(verdict, "format", "a month's document is not an invoice's bundle");
	else if (check_identity(element, expected, verdict) &&
			 check_bundle_log(element, &expected->key, digest, verdict))
		check_bundle_invoice(element, digest, verdict);
}

/* The verifier allocates on its own, so nothing here may raise before it has freed. */
static void
check_bytes(const text *bundle, const Expectation *expected, Verdict *verdict)
{
	DigestContext *digest = NULL;
	Document document = {.json = NULL};

	if (digest_create(&digest) != DIGEST_OK)
		verdict_machine(verdict, "no SHA-256");
	else if (document_read(VARDATA_ANY(bundle), VARSIZE_ANY_EXHDR(bundle), &document, verdict))
		check_document(&document, expected, digest, verdict);
	document_free(&document);
	digest_free(digest);
}

BILLING_FUNCTION(billing_bundle_problem)
{
	const text *bundle = PG_GETARG_TEXT_PP(0);
	const text *vkey = PG_GETARG_TEXT_PP(4);
	Expectation expected = {PG_GETARG_TEXT_PP(1), PG_GETARG_UUID_P(2), PG_GETARG_TEXT_PP(3)};
	Verdict verdict = {.outcome = VERDICT_VALID};

	if (note_key_parse(VARDATA_ANY(vkey), VARSIZE_ANY_EXHDR(vkey), &expected.key) != NOTE_OK)
		verdict_unreadable(&verdict, "vkey", "not a verifier key");
	else
		check_bytes(bundle, &expected, &verdict);
	if (verdict.is_machine)
		ereport(ERROR, errcode(ERRCODE_OUT_OF_MEMORY),
				errmsg("bundle could not be checked: %s", verdict.text));
	if (verdict.outcome == VERDICT_VALID)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(
		psprintf("%s%s%s", verdict.where, verdict.where[0] == '\0' ? "" : ": ", verdict.text)));
}
