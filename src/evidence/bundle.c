/*
 * bundle.c: billing.evidence(), the document that shows how an invoice came about (doc/bundle.md).
 *
 * It is made under the first signed checkpoint that has the invoice's finalization, stored, and given out as it is from
 * then on.
 */
#include "postgres.h"
#include "fmgr.h"

#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"
#include "utils/memutils.h"
#include "utils/xid8.h"

#include "core/base64.h"
#include "embedded.h"
#include "evidence/evidence.h"
#include "server/fault.h"

typedef struct Bundle
{
	InvoiceKey invoice;
	int64 seal_no;
	EvidenceTree *tree;
	StringInfoData text;
} Bundle;

/* A line's keys in the log, and what it draws on. */
typedef struct BundleLine
{
	bytea *canon;
	Datum rated_key;
	Datum entry_key; /* 0 for none */
	Datum plan_key;
	bool is_counted;
	int64 window_no;
	Datum first_day;
	Datum last_day;
} BundleLine;

static const Oid invoice_types[] = {DATEOID, TEXTOID, UUIDOID};

static void
put_base64(StringInfo text, const void *bytes, size_t length)
{
	enlargeStringInfo(text, (int) BASE64_LENGTH(length) + 2);
	appendStringInfoChar(text, '"');
	text->len += (int) base64_encode(bytes, length, text->data + text->len);
	appendStringInfoChar(text, '"');
}

static void
put_bytes(StringInfo text, const bytea *bytes)
{
	put_base64(text, VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes));
}

static void
put_hashes(StringInfo text, const MerkleProof *proof)
{
	appendStringInfoChar(text, '[');
	for (size_t i = 0; i < proof->count; i++)
	{
		if (i > 0)
			appendStringInfoChar(text, ',');
		put_base64(text, proof->nodes[i], DIGEST_SIZE);
	}
	appendStringInfoChar(text, ']');
}

static void
put_member(StringInfo text, const char *name, const char *value)
{
	appendStringInfo(text, ",\"%s\":", name);
	escape_json(text, value);
}

/* A leaf with its proof; null for key 0. */
static void
put_leaf(Bundle *bundle, const char *kind, Datum key)
{
	MerkleProof proof;
	bytea *canon;
	uint64 index;

	if (key == (Datum) 0)
	{
		appendStringInfoString(&bundle->text, "null");
		return;
	}
	index = evidence_find(bundle->tree, evidence_kind(kind), key, &canon);
	evidence_prove_inclusion(bundle->tree, index, &proof);
	appendStringInfoString(&bundle->text, "{\"canon\":");
	put_bytes(&bundle->text, canon);
	appendStringInfo(&bundle->text, ",\"index\":\"" UINT64_FORMAT "\",\"proof\":", index);
	put_hashes(&bundle->text, &proof);
	appendStringInfoChar(&bundle->text, '}');
}

static void
fill_invoice_values(const Bundle *bundle, Datum *values)
{
	values[0] = DateADTGetDatum(bundle->invoice.invoice_date);
	values[1] = bundle->invoice.tenant_id;
	values[2] = bundle->invoice.invoice_id;
}

static Datum
result_array(uint64 row, int column)
{
	bool isnull;
	Datum value = billing_spi_value(row, column, &isnull);

	return isnull ? (Datum) 0 : PointerGetDatum(DatumGetArrayTypePCopy(value));
}

static BundleLine *
read_lines(const Bundle *bundle, int *count)
{
	Datum values[3];
	BundleLine *lines;
	bool isnull;

	fill_invoice_values(bundle, values);
	*count = (int) billing_spi_run(
		billing_sql_fill(SQL_EVIDENCE_BUNDLE_LINES, "@line_canon@", SQL_INVOICING_LINE_CANON),
		lengthof(values), invoice_types, values, NULL);
	lines = palloc0(*count * sizeof(BundleLine));
	for (int i = 0; i < *count; i++)
	{
		lines[i].canon = DatumGetByteaPCopy(billing_spi_value(i, 1, &isnull));
		lines[i].rated_key = result_array(i, 2);
		lines[i].entry_key = result_array(i, 3);
		lines[i].plan_key = result_array(i, 4);
		lines[i].window_no = DatumGetInt64(billing_spi_value(i, 5, &isnull));
		lines[i].is_counted = !isnull;
		lines[i].first_day = billing_spi_value(i, 6, &isnull);
		lines[i].last_day = billing_spi_value(i, 7, &isnull);
	}
	return lines;
}

static void
put_invoice(Bundle *bundle, bytea *canon, Datum event_key, Datum entry_key, const BundleLine *lines,
			int count)
{
	StringInfo text = &bundle->text;

	appendStringInfoString(text, ",\"invoice\":{\"canon\":");
	put_bytes(text, canon);
	appendStringInfoString(text, ",\"entry\":");
	put_leaf(bundle, "ledger_entry", entry_key);
	appendStringInfoString(text, ",\"event\":");
	put_leaf(bundle, "invoice_event", event_key);
	appendStringInfoString(text, ",\"lines\":[");
	for (int i = 0; i < count; i++)
	{
		if (i > 0)
			appendStringInfoChar(text, ',');
		put_bytes(text, lines[i].canon);
	}
	appendStringInfoString(text, "]},\"lines\":[");
	for (int i = 0; i < count; i++)
	{
		appendStringInfo(text, "%s{\"entry\":", i > 0 ? "," : "");
		put_leaf(bundle, "ledger_entry", lines[i].entry_key);
		appendStringInfoString(text, ",\"rated\":");
		put_leaf(bundle, "rated_line", lines[i].rated_key);
		appendStringInfoChar(text, '}');
	}
	appendStringInfoChar(text, ']');
}

/* Plan versions that lines name, each once: read in their order. */
static void
put_plans(Bundle *bundle)
{
	Datum values[3];
	uint64 count;
	Datum *keys;
	char **terms;

	fill_invoice_values(bundle, values);
	count = billing_spi_run(
		"SELECT ARRAY[p.plan_id, p.version::text], billing.plan_document(p.plan_id, p.version)"
		"  FROM (SELECT DISTINCT l.plan_id, l.version FROM billing.invoice_lines l"
		"         WHERE l.invoice_date = $1 AND l.tenant_id = $2 AND l.invoice_id = $3) AS p"
		" ORDER BY p.plan_id, p.version",
		lengthof(values), invoice_types, values, NULL);
	keys = palloc(count * sizeof(Datum));
	terms = palloc(count * sizeof(char *));
	for (uint64 i = 0; i < count; i++)
	{
		keys[i] = result_array(i, 1);
		terms[i] = billing_spi_text(i, 2);
	}
	appendStringInfoString(&bundle->text, ",\"plans\":[");
	for (uint64 i = 0; i < count; i++)
	{
		appendStringInfo(&bundle->text, "%s{\"terms\":%s,\"leaf\":", i > 0 ? "," : "", terms[i]);
		put_leaf(bundle, "plan_version", keys[i]);
		appendStringInfoChar(&bundle->text, '}');
	}
	appendStringInfoChar(&bundle->text, ']');
}

static void
put_counts(StringInfo text, Datum canons)
{
	Datum *elements;
	int count;

	deconstruct_array(DatumGetArrayTypeP(canons), BYTEAOID, -1, false, TYPALIGN_INT, &elements, NULL, &count);
	appendStringInfoString(text, ",\"counts\":[");
	for (int i = 0; i < count; i++)
	{
		if (i > 0)
			appendStringInfoChar(text, ',');
		put_bytes(text, DatumGetByteaPP(elements[i]));
	}
	appendStringInfoChar(text, ']');
}

/* Why the windows between two sequences do not come out: retention dropped counts of them, or something is wrong. */
static void
refuse_windows(const Datum *values, const char *otherwise)
{
	static const Oid types[] = {TEXTOID, INT8OID, INT8OID};
	Datum span[] = {values[0], values[3], values[4]};

	if (billing_spi_run("SELECT FROM billing.usage_window_parts p"
						"  JOIN billing.count_sync_checkpoint_events e USING (tenant_id, window_no)"
						"  JOIN billing.partitioned_tables t ON t.table_name = 'usage_window_counts'"
						" WHERE p.tenant_id = $1 AND e.sequence BETWEEN $2 AND $3"
						"   AND p.month < t.dropped_before LIMIT 1",
						lengthof(types), types, span, NULL) > 0)
		ereport(
			ERROR, errcode(ERRCODE_BILLING_RETENTION),
			errmsg("daily counts that the invoice draws on are dropped"),
			errdetail("Retention did, when every invoice of theirs had its bundle; this one came later."));
	ereport(ERROR, errcode(ERRCODE_BILLING_INTERNAL), errmsg("%s", otherwise),
			errhint("SELECT * FROM billing.replay_count_sync() tells what does not hold."));
}

/* values: tenant, first and last day, first and last sequence, as bundle_windows.sql takes them. */
static void
put_window_rows(Bundle *bundle, const Datum *values)
{
	static const Oid types[] = {TEXTOID, DATEOID, DATEOID, INT8OID, INT8OID};
	uint64 count = billing_spi_run(psprintf("%s%s", SQL_METERING_USAGE_WINDOWS, SQL_EVIDENCE_BUNDLE_WINDOWS),
								   lengthof(types), types, values, NULL);
	SPITupleTable *table = SPI_tuptable;
	bool isnull;

	if (count != (uint64) (DatumGetInt64(values[4]) - DatumGetInt64(values[3]) + 1))
		refuse_windows(values, "usage of a count window is missing");
	for (uint64 i = 0; i < count; i++)
	{
		Datum key = SPI_getbinval(table->vals[i], table->tupdesc, 1, &isnull);

		if (!DatumGetBool(SPI_getbinval(table->vals[i], table->tupdesc, 3, &isnull)))
			refuse_windows(values, "counts of a window are not what they were");
		appendStringInfo(&bundle->text, "%s{\"leaf\":", i > 0 ? "," : "");
		put_leaf(bundle, "usage_window", key);
		put_counts(&bundle->text, SPI_getbinval(table->vals[i], table->tupdesc, 2, &isnull));
		appendStringInfoChar(&bundle->text, '}');
	}
}

static void
put_windows(Bundle *bundle, const BundleLine *lines, int count)
{
	static const Oid types[] = {TEXTOID, INT8OID, DATEARRAYOID, DATEARRAYOID};
	Datum *first = palloc((count + 1) * sizeof(Datum));
	Datum *last = palloc((count + 1) * sizeof(Datum));
	int64 window_no = 0;
	int counted = 0;
	Datum values[5];
	bool isnull;

	for (int i = 0; i < count; i++)
	{
		if (!lines[i].is_counted)
			continue;
		first[counted] = lines[i].first_day;
		last[counted++] = lines[i].last_day;
		window_no = Max(window_no, lines[i].window_no);
	}
	appendStringInfoString(&bundle->text, ",\"windows\":[");
	values[0] = bundle->invoice.tenant_id;
	values[1] = Int64GetDatum(window_no);
	values[2] = PointerGetDatum(construct_array(first, counted, DATEOID, 4, true, TYPALIGN_INT));
	values[3] = PointerGetDatum(construct_array(last, counted, DATEOID, 4, true, TYPALIGN_INT));
	if (counted > 0 && billing_spi_run(SQL_EVIDENCE_BUNDLE_SPAN, lengthof(types), types, values, NULL) == 1)
	{
		values[1] = billing_spi_value(0, 3, &isnull);
		values[2] = billing_spi_value(0, 4, &isnull);
		values[3] = Int64GetDatum(DatumGetInt64(billing_spi_value(0, 1, &isnull)));
		values[4] = Int64GetDatum(DatumGetInt64(billing_spi_value(0, 2, &isnull)));
		put_window_rows(bundle, values);
	}
	appendStringInfoChar(&bundle->text, ']');
}

/* The checkpoint and its key; then what ties it to the tenant's bundle before. */
static void
put_checkpoints(Bundle *bundle)
{
	static const Oid types[] = {TEXTOID, INT8OID};
	Datum values[] = {bundle->invoice.tenant_id, Int64GetDatum(bundle->seal_no)};
	StringInfo text = &bundle->text;
	MerkleProof proof;
	bool isnull;

	billing_spi_run(
		"SELECT n.note, k.vkey FROM billing.checkpoint_notes n JOIN billing.signing_keys k USING (key_no)"
		" WHERE n.seal_no = $2 AND $1 IS NOT NULL",
		lengthof(types), types, values, NULL);
	put_member(text, "checkpoint", billing_spi_text(0, 1));
	put_member(text, "vkey", billing_spi_text(0, 2));
	appendStringInfoString(text, ",\"consistency\":");
	if (billing_spi_run(
			"SELECT c.tree_size, n.note, k.vkey FROM billing.evidence_bundles b"
			"  JOIN billing.checkpoints c USING (seal_no) JOIN billing.checkpoint_notes n USING (seal_no)"
			"  JOIN billing.signing_keys k USING (key_no)"
			" WHERE b.tenant_id = $1 AND b.seal_no < $2"
			"   AND split_part(c.body, E'\\n', 1) = (SELECT split_part(t.body, E'\\n', 1) FROM "
			"billing.checkpoints t WHERE t.seal_no = $2)"
			" ORDER BY b.seal_no DESC LIMIT 1",
			lengthof(types), types, values, NULL) == 0)
	{
		appendStringInfoString(text, "null");
		return;
	}
	appendStringInfoString(text, "{\"checkpoint\":");
	escape_json(text, billing_spi_text(0, 2));
	put_member(text, "vkey", billing_spi_text(0, 3));
	evidence_prove_consistency(bundle->tree, (uint64) DatumGetInt64(billing_spi_value(0, 1, &isnull)),
							   &proof);
	appendStringInfoString(text, ",\"proof\":");
	put_hashes(text, &proof);
	appendStringInfoChar(text, '}');
}

/* The first signed checkpoint that sees a transaction; raises MB454. */
static int64
covering_seal(Datum log_xid, const char *reference)
{
	static const Oid types[] = {XID8OID};
	bool isnull;

	if (billing_spi_run(
			"SELECT n.seal_no FROM billing.checkpoint_notes n JOIN billing.checkpoints c USING (seal_no)"
			" WHERE pg_visible_in_snapshot($1, c.snapshot) ORDER BY n.seal_no LIMIT 1",
			1, types, &log_xid, NULL) == 0)
		ereport(ERROR, errcode(ERRCODE_BILLING_NOT_SEALED),
				errmsg("invoice \"%s\" is not sealed yet", reference),
				errdetail("No signed checkpoint has its finalization."),
				errhint("SELECT * FROM billing.seal() makes the next checkpoint, signed when "
						"billing.signing_key_file is set."));
	return DatumGetInt64(billing_spi_value(0, 1, &isnull));
}

/* The RFC 8785 form, palloc'd. */
static char *
canonical_text(const char *text)
{
	size_t length;
	Datum document = DirectFunctionCall1(jsonb_in, CStringGetDatum(text));

	return billing_canonical_json(DatumGetJsonbP(document), &length);
}

static char *
make_bundle(Bundle *bundle, const char *reference)
{
	Datum values[3];
	BundleLine *lines;
	int count;
	bool isnull;
	bytea *canon;
	Datum event_key;
	Datum entry_key;
	Datum log_xid;

	fill_invoice_values(bundle, values);
	if (billing_spi_run(
			billing_sql_fill(SQL_EVIDENCE_BUNDLE_INVOICE, "@invoice_canon@", SQL_INVOICING_INVOICE_CANON),
			lengthof(values), invoice_types, values, NULL) != 1)
		ereport(ERROR, errcode(ERRCODE_BILLING_INTERNAL),
				errmsg("invoice \"%s\" has no event of its finalization", reference));
	canon = DatumGetByteaPCopy(billing_spi_value(0, 1, &isnull));
	event_key = result_array(0, 2);
	log_xid = billing_spi_value(0, 3, &isnull);
	entry_key = result_array(0, 4);
	bundle->seal_no = covering_seal(log_xid, reference);
	bundle->tree = evidence_tree_open(bundle->seal_no);
	initStringInfo(&bundle->text);
	appendStringInfoString(&bundle->text, "{\"format\":\"billing-bundle/v1\"");
	lines = read_lines(bundle, &count);
	put_checkpoints(bundle);
	put_invoice(bundle, canon, event_key, entry_key, lines, count);
	put_plans(bundle);
	put_windows(bundle, lines, count);
	appendStringInfoChar(&bundle->text, '}');
	return canonical_text(bundle->text.data);
}

/* The bundle given out before, or NULL. */
static char *
stored_bundle(const InvoiceKey *invoice)
{
	static const Oid types[] = {TEXTOID, UUIDOID};
	Datum values[] = {invoice->tenant_id, invoice->invoice_id};

	billing_spi_run("SELECT bundle FROM billing.evidence_bundles WHERE tenant_id = $1 AND invoice_id = $2",
					lengthof(types), types, values, NULL);
	return billing_spi_text(0, 1);
}

static void
store_bundle(const Bundle *bundle, const char *text)
{
	static const Oid types[] = {TEXTOID, UUIDOID, INT8OID, TEXTOID};
	Datum values[] = {bundle->invoice.tenant_id, bundle->invoice.invoice_id, Int64GetDatum(bundle->seal_no),
					  CStringGetTextDatum(text)};

	FAULT_POINT("a bundle is stored");
	billing_spi_run("INSERT INTO billing.evidence_bundles (tenant_id, invoice_id, seal_no, bundle) VALUES "
					"($1, $2, $3, $4)"
					" ON CONFLICT DO NOTHING",
					lengthof(types), types, values, NULL);
}

char *
evidence_bundle(const InvoiceKey *invoice, const char *reference)
{
	Bundle bundle = {.invoice = *invoice};
	char *document;

	if (strcmp(invoice->status, "draft") == 0)
		ereport(ERROR, errcode(ERRCODE_BILLING_WRONG_STATE),
				errmsg("invoice \"%s\" is a draft and has no evidence", reference),
				errhint("SELECT billing.finalize_invoice('%s');", reference));
	document = stored_bundle(invoice);
	if (document != NULL)
		return document;
	store_bundle(&bundle, make_bundle(&bundle, reference));
	return stored_bundle(invoice);
}

BILLING_FUNCTION(billing_evidence)
{
	InvoiceKey invoice;
	char *document;

	billing_spi_connect();
	invoice = invoice_find_argument(fcinfo, 0, 1);
	document = evidence_bundle(&invoice, text_to_cstring(PG_GETARG_TEXT_PP(0)));
	document = strcpy(SPI_palloc(strlen(document) + 1), document);
	billing_spi_finish();
	PG_RETURN_TEXT_P(cstring_to_text(document));
}
