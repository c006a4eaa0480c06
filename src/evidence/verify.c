/*
 * verify.c: billing.verify_log(), which computes every leaf again.
 *
 * Each seal is checked from the frontier of the one before, which is itself checked against that one's root: what
 * does not hold in one seal is told once, and does not spread to the later ones.
 */
#include "postgres.h"
#include "fmgr.h"

#include "access/xlog.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/guc.h"

#include "embedded.h"
#include "evidence/evidence.h"
#include "invoicing/invoicing.h"

/* Seals of so few rows are walked by kept plans: to plan for each took two thirds of the time where they are many. */
#define SMALL_SEAL 10000

typedef struct Verification
{
	ReturnSetInfo *result;
	EvidenceWindow window;
	EvidenceLog *log;
	uint64 wrong_blocks; /* of this seal */
	int64 first_wrong;
} Verification;

/* What a checkpoint says; texts are palloc'd, note and vkey may be NULL. */
typedef struct StoredCheckpoint
{
	int64 tree_size;
	bytea *root_hash;
	Datum frontier;
	char *body;
	char *note;
	char *vkey;
} StoredCheckpoint;

static void
report(Verification *verification, const char *problem)
{
	Datum values[] = {Int64GetDatum(verification->window.seal_no), CStringGetTextDatum(problem)};
	bool nulls[lengthof(values)] = {false, false};

	tuplestore_putvalues(verification->result->setResult, verification->result->setDesc, values, nulls);
}

static bool
verify_row(void *state, const EvidenceRow *row)
{
	evidence_log_append(((Verification *) state)->log, row);
	return true;
}

/* Counts what differs; the first one is told with the seal. */
static void
count_wrong(Verification *verification, const char *sql, const Oid *types, const Datum *values, int count)
{
	bool isnull;
	int64 first;

	billing_spi_run(sql, count, types, values, NULL);
	first = DatumGetInt64(billing_spi_value(0, 2, &isnull));
	if (isnull)
		return;
	if (verification->wrong_blocks == 0 || first < verification->first_wrong)
		verification->first_wrong = first;
	verification->wrong_blocks += (uint64) DatumGetInt64(billing_spi_value(0, 1, &isnull));
}

static void
verify_pause(void *state)
{
	static const Oid block_types[] = {INT8ARRAYOID, INT8ARRAYOID, TEXTARRAYOID, XID8ARRAYOID, TEXTARRAYOID};
	static const Oid hash_types[] = {INT4ARRAYOID, INT8ARRAYOID, BYTEAARRAYOID};
	Verification *verification = state;
	EvidenceBatch batch = evidence_log_take(verification->log);

	if (batch.blocks > 0)
		count_wrong(verification,
					"SELECT count(*), min(n.b) FROM unnest($1, $2, $3, $4, $5) AS n (b, s, k, x, f)"
					"  LEFT JOIN ONLY billing.log_blocks t ON t.block_no = n.b"
					" WHERE (t.seal_no, t.kind, t.first_xid, t.first_key) IS DISTINCT FROM (n.s, n.k, n.x, "
					"n.f::text[])",
					block_types, batch.block, lengthof(block_types));
	if (batch.hashes > 0)
		count_wrong(
			verification,
			"SELECT count(*), min(n.node << (n.level - 8)) FROM unnest($1, $2, $3) AS n (level, node, hash)"
			"  LEFT JOIN ONLY billing.log_hashes t ON t.level = n.level AND t.node = n.node"
			" WHERE t.hash IS DISTINCT FROM n.hash",
			hash_types, batch.hash, lengthof(hash_types));
}

static void
verify_segment(Verification *verification, const EvidenceKind *kind, uint64 first, uint64 leaves)
{
	static const Oid types[] = {INT8OID, TEXTOID};
	static SPIPlanPtr plan;
	Datum values[] = {Int64GetDatum(verification->window.seal_no), CStringGetTextDatum(kind->name)};
	int64 stored_first = (int64) first;
	int64 stored_leaves = 0;
	bool isnull;

	if (billing_spi_run_kept(
			&plan,
			"SELECT first_leaf, leaves FROM ONLY billing.log_segments WHERE seal_no = $1 AND kind = $2",
			lengthof(types), types, values, NULL) == 1)
	{
		stored_first = DatumGetInt64(billing_spi_value(0, 1, &isnull));
		stored_leaves = DatumGetInt64(billing_spi_value(0, 2, &isnull));
	}
	if (stored_leaves != (int64) leaves || stored_first != (int64) first)
		report(verification,
			   psprintf(UINT64_FORMAT " rows of kind \"%s\" from leaf " UINT64_FORMAT ", and " INT64_FORMAT
									  " from leaf " INT64_FORMAT " were sealed",
						leaves, kind->name, first, stored_leaves, stored_first));
}

static bool
read_checkpoint(int64 seal_no, StoredCheckpoint *stored)
{
	static const Oid types[] = {INT8OID};
	static SPIPlanPtr plan;
	Datum value = Int64GetDatum(seal_no);
	bool isnull;

	if (billing_spi_run_kept(&plan,
							 "SELECT c.tree_size, c.root_hash, c.frontier, c.body, n.note, k.vkey"
							 "  FROM ONLY billing.checkpoints c"
							 "  LEFT JOIN ONLY billing.checkpoint_notes n USING (seal_no)"
							 "  LEFT JOIN ONLY billing.signing_keys k USING (key_no) WHERE c.seal_no = $1",
							 1, types, &value, NULL) != 1)
		return false;
	stored->tree_size = DatumGetInt64(billing_spi_value(0, 1, &isnull));
	stored->root_hash = DatumGetByteaPP(billing_spi_value(0, 2, &isnull));
	stored->frontier = billing_spi_value(0, 3, &isnull);
	stored->body = billing_spi_text(0, 4);
	stored->note = billing_spi_text(0, 5);
	stored->vkey = billing_spi_text(0, 6);
	return true;
}

static bool
is_root(const MerkleFrontier *frontier, const StoredCheckpoint *stored)
{
	uint8_t root[DIGEST_SIZE];

	billing_check_merkle(merkle_root(billing_digest_context(), frontier, root));
	return frontier->size == (uint64) stored->tree_size &&
		   VARSIZE_ANY_EXHDR(stored->root_hash) == DIGEST_SIZE &&
		   memcmp(root, VARDATA_ANY(stored->root_hash), DIGEST_SIZE) == 0;
}

/* The checkpoint by itself: frontier, body and note say the same. */
static void
verify_checkpoint(Verification *verification, const StoredCheckpoint *stored)
{
	MerkleFrontier frontier;
	Checkpoint body;
	const char *problem;

	evidence_read_frontier(stored->frontier, &frontier);
	if (!is_root(&frontier, stored))
		report(verification, "the checkpoint's frontier has another root");
	if (checkpoint_parse(stored->body, strlen(stored->body), &body) != CHECKPOINT_OK ||
		body.size != (uint64) stored->tree_size ||
		memcmp(body.root, VARDATA_ANY(stored->root_hash), DIGEST_SIZE) != 0)
		report(verification, "the checkpoint's body has another size or root");
	if (stored->note == NULL)
		return;
	problem = stored->vkey == NULL ? "its key is not registered"
								   : evidence_note_problem(stored->note, stored->vkey, stored->body);
	if (problem != NULL)
		report(verification, psprintf("the checkpoint's note does not hold: %s", problem));
}

static void
verify_seal(Verification *verification, int64 seal_no)
{
	EvidenceVisitor visitor = {verify_row, verify_pause, verification};
	static const EvidencePosition begin;
	StoredCheckpoint stored;
	bool is_small;

	verification->window.seal_no = seal_no;
	if (!read_checkpoint(seal_no, &stored))
	{
		report(verification, "the checkpoint is missing");
		return;
	}
	verify_checkpoint(verification, &stored);
	verification->window = evidence_window(seal_no, seal_no);
	is_small = stored.tree_size - (int64) verification->window.frontier.size <= SMALL_SEAL;
	verification->log = evidence_log_create(&verification->window.frontier);
	verification->wrong_blocks = 0;
	for (const EvidenceKind *kind = evidence_kinds; kind->name != NULL; kind++)
	{
		uint64 first = evidence_log_size(verification->log);

		evidence_walk(&verification->window, kind, is_small ? &begin : NULL, &visitor);
		verify_segment(verification, kind, first, evidence_log_size(verification->log) - first);
	}
	evidence_log_end(verification->log);
	verify_pause(verification);
	if (verification->wrong_blocks > 0)
		report(verification,
			   psprintf(UINT64_FORMAT
						" stored hashes or positions differ from the rows, the first in leaves " INT64_FORMAT
						" to " INT64_FORMAT,
						verification->wrong_blocks, verification->first_wrong << MERKLE_BLOCK_LEVEL,
						((verification->first_wrong + 1) << MERKLE_BLOCK_LEVEL) - 1));
	if (!is_root(evidence_log_frontier(verification->log), &stored))
		report(verification, "the rows have another root than was sealed");
}

/*
 * Rows that no seal will show: the walks go by an index, and a row may have been kept out of it; and one under an id
 * that is never given out is never sealed.
 */
static void
verify_count(Verification *verification, const EvidenceKind *kind, int64 last, Datum snapshot)
{
	static const Oid types[] = {INT8OID, PG_SNAPSHOTOID, TEXTOID};
	Datum values[] = {Int64GetDatum(last), snapshot,
					  CStringGetTextDatum(psprintf(UINT64_FORMAT, GetSystemIdentifier()))};
	char *sql = billing_sql_fill(SQL_EVIDENCE_COUNT_ROWS, "@kind@", kind->name);
	int64 seen;
	int64 sealed;
	int64 unreached;
	bool isnull;

	billing_spi_run(billing_sql_fill(sql, "@table@", evidence_kind_table(kind)), lengthof(types), types,
					values, last == 0 ? " n " : NULL);
	seen = DatumGetInt64(billing_spi_value(0, 1, &isnull));
	sealed = DatumGetInt64(billing_spi_value(0, 2, &isnull));
	unreached = DatumGetInt64(billing_spi_value(0, 3, &isnull));
	/* Fewer than were sealed are told of with their seal. */
	if (seen > sealed || unreached > 0)
		report(verification,
			   psprintf("rows of kind \"%s\" are in no seal, or found by no index: " INT64_FORMAT
						" of " INT64_FORMAT ", and " INT64_FORMAT " under a transaction id to come",
						kind->name, Max(seen - sealed, 0), seen, unreached));
}

/* The tables themselves are read, whatever their indexes say. */
static void
verify_counts(Verification *verification, int64 last)
{
	static const char *const paths[] = {"enable_indexscan", "enable_indexonlyscan", "enable_bitmapscan"};
	static const Oid types[] = {INT8OID};
	Datum value = Int64GetDatum(last);
	Datum snapshot = (Datum) 0;
	int level = NewGUCNestLevel();
	bool isnull;

	if (last > 0)
	{
		billing_spi_run("SELECT c.snapshot FROM ONLY billing.checkpoints c WHERE c.seal_no = $1", 1, types,
						&value, NULL);
		snapshot = datumCopy(billing_spi_value(0, 1, &isnull), false, -1);
	}
	for (int i = 0; i < lengthof(paths); i++)
		(void) set_config_option(paths[i], "off", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0,
								 false);
	(void) set_config_option("enable_seqscan", "on", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0,
							 false);
	verification->window.seal_no = last;
	for (const EvidenceKind *kind = evidence_kinds; kind->name != NULL; kind++)
		verify_count(verification, kind, last, snapshot);
	AtEOXact_GUC(true, level);
}

/* Each key is put in force by the one before. */
static void
verify_keys(Verification *verification)
{
	uint64 count =
		billing_spi_exec("SELECT k.vkey, k.previous_note, lag(k.vkey) OVER (ORDER BY k.key_no), k.key_no"
						 "  FROM ONLY billing.signing_keys k ORDER BY k.key_no");
	SPITupleTable *table = SPI_tuptable;

	verification->window.seal_no = 0;
	for (uint64 i = 1; i < count; i++)
	{
		char *vkey = SPI_getvalue(table->vals[i], table->tupdesc, 1);
		char *note = SPI_getvalue(table->vals[i], table->tupdesc, 2);
		char *before = SPI_getvalue(table->vals[i], table->tupdesc, 3);
		const char *problem =
			evidence_note_problem(note, before, psprintf("billing/v1/signing_key\n%s\n", vkey));

		if (problem != NULL)
			report(verification,
				   psprintf("signing key \"%s\" is not signed by the one before: %s", vkey, problem));
	}
}

/* By the library's own statement: functions in the database may have been replaced. Needs SPI. */
static Datum
schema_fingerprint(void)
{
	Datum fingerprint;
	bool isnull;

	billing_spi_exec(
		psprintf("SELECT sha256(convert_to(string_agg(s.line, E'\\n' ORDER BY s.line COLLATE \"C\"), 'UTF8'))"
				 "  FROM (%s) AS s (line)",
				 SQL_EVIDENCE_SCHEMA_OBJECTS));
	fingerprint = billing_spi_value(0, 1, &isnull);
	return PointerGetDatum(DatumGetByteaPCopy(fingerprint));
}

BILLING_FUNCTION(billing_schema_fingerprint)
{
	Datum fingerprint;

	billing_spi_connect();
	fingerprint = SPI_datumTransfer(schema_fingerprint(), false, -1);
	billing_spi_finish();
	return fingerprint;
}

static void
verify_contents(Verification *verification)
{
	static const Oid types[] = {BYTEAOID};
	Datum fingerprint = schema_fingerprint();
	char *sql =
		billing_sql_fill(SQL_EVIDENCE_VERIFY_CONTENTS, "@invoice_canon@", SQL_INVOICING_INVOICE_CANON);

	sql = billing_sql_fill(sql, "@line_canon@", SQL_INVOICING_LINE_CANON);
	billing_spi_return(verification->result,
					   billing_sql_fill(sql, "@usage_part_canon@", SQL_METERING_USAGE_PART_CANON), 1, types,
					   &fingerprint, NULL);
}

BILLING_FUNCTION(billing_verify_log)
{
	Verification verification = {.result = (ReturnSetInfo *) fcinfo->resultinfo};
	int64 last;
	bool isnull;

	InitMaterializedSRF(fcinfo, 0);
	billing_spi_connect();
	billing_spi_exec("SELECT coalesce(max(seal_no), 0) FROM ONLY billing.checkpoints");
	last = DatumGetInt64(billing_spi_value(0, 1, &isnull));
	/* Each in a connection of its own, which frees what it took: there may be millions. */
	for (int64 seal_no = 1; seal_no <= last; seal_no++)
	{
		billing_spi_connect();
		verify_seal(&verification, seal_no);
		billing_spi_finish();
	}
	verify_counts(&verification, last);
	verify_keys(&verification);
	verify_contents(&verification);
	billing_spi_finish();
	PG_RETURN_NULL();
}
