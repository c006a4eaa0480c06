/*
 * seal.c: billing.seal().
 *
 * Appends the rows that became visible since the last seal to the log, and makes a checkpoint of it. What makes the
 * window right is as in count sync: first in its own READ COMMITTED transaction, under the stage's lock, committed
 * synchronously.
 */
#include "postgres.h"
#include "fmgr.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/pg_lsn.h"
#include "utils/timestamp.h"

#include "embedded.h"
#include "audit/audit.h"
#include "evidence/evidence.h"
#include "server/fault.h"

typedef struct Seal
{
	EvidenceWindow window;
	EvidenceLog *log;
	bool is_worth_it; /* there is more in it than the checkpoint before */
} Seal;

static void
write_batch(EvidenceLog *log)
{
	static const Oid block_types[] = {INT8ARRAYOID, INT8ARRAYOID, TEXTARRAYOID, XID8ARRAYOID, TEXTARRAYOID};
	static const Oid hash_types[] = {INT4ARRAYOID, INT8ARRAYOID, BYTEAARRAYOID};
	EvidenceBatch batch = evidence_log_take(log);

	if (batch.blocks > 0)
		billing_spi_run("INSERT INTO billing.log_blocks (block_no, seal_no, kind, first_xid, first_key)"
						" SELECT b, s, k, x, f::text[] FROM unnest($1, $2, $3, $4, $5) AS u (b, s, k, x, f)",
						lengthof(block_types), block_types, batch.block, NULL);
	FAULT_POINT("hashes of the log are written");
	if (batch.hashes > 0)
		billing_spi_run("INSERT INTO billing.log_hashes (level, node, hash) SELECT * FROM unnest($1, $2, $3)",
						lengthof(hash_types), hash_types, batch.hash, NULL);
}

static bool
is_checkpoint(const EvidenceKind *kind)
{
	return kind[1].name == NULL;
}

static bool
seal_row(void *state, const EvidenceRow *row)
{
	Seal *seal = state;

	if (!is_checkpoint(row->kind))
		seal->is_worth_it = true;
	evidence_log_append(seal->log, row);
	return true;
}

static void
seal_pause(void *state)
{
	Seal *seal = state;

	if (seal->is_worth_it)
		write_batch(seal->log);
}

static void
write_segment(const Seal *seal, const EvidenceKind *kind, uint64 first, uint64 leaves)
{
	static const Oid types[] = {INT8OID, TEXTOID, INT8OID, INT8OID};
	Datum values[] = {Int64GetDatum(seal->window.seal_no), CStringGetTextDatum(kind->name),
					  Int64GetDatum((int64) first), Int64GetDatum((int64) leaves)};

	billing_spi_run(
		"INSERT INTO billing.log_segments (seal_no, kind, first_leaf, leaves) VALUES ($1, $2, $3, $4)",
		lengthof(types), types, values, NULL);
}

/* When there was nothing but the checkpoint before, which comes last, nothing was written. */
static void
append_rows(Seal *seal)
{
	EvidenceVisitor visitor = {seal_row, seal_pause, seal};

	for (const EvidenceKind *kind = evidence_kinds; kind->name != NULL; kind++)
	{
		uint64 first = evidence_log_size(seal->log);
		uint64 leaves;

		evidence_walk(&seal->window, kind, NULL, &visitor);
		leaves = evidence_log_size(seal->log) - first;
		if (leaves > 0 && seal->is_worth_it)
			write_segment(seal, kind, first, leaves);
	}
	evidence_log_end(seal->log);
	seal_pause(seal);
}

/* The body that is signed; raises MB456 when the origin cannot stand in it. */
static char *
checkpoint_body(const char *origin, const MerkleFrontier *frontier, uint8_t root[DIGEST_SIZE])
{
	Checkpoint checkpoint = {.origin_length = strlen(origin), .size = frontier->size};
	char text[CHECKPOINT_TEXT_MAX];
	size_t length;
	CheckpointStatus status;

	billing_check_merkle(merkle_root(billing_digest_context(), frontier, root));
	strlcpy(checkpoint.origin, origin, sizeof(checkpoint.origin));
	memcpy(checkpoint.root, root, DIGEST_SIZE);
	status = checkpoint_format(&checkpoint, text, &length);
	if (status != CHECKPOINT_OK)
		ereport(ERROR, errcode(ERRCODE_BILLING_SIGNING_KEY),
				errmsg("checkpoint of \"%s\" cannot be written: %s", origin, checkpoint_status_text(status)),
				errhint("The setting billing.log_origin names the operator, without spaces and plus signs."));
	return pnstrdup(text, length);
}

static Datum
frontier_bytes(const MerkleFrontier *frontier)
{
	uint8_t bytes[MERKLE_FRONTIER_BYTES_MAX];
	size_t length = merkle_frontier_write(frontier, bytes);
	bytea *result = palloc(VARHDRSZ + length);

	SET_VARSIZE(result, VARHDRSZ + length);
	memcpy(VARDATA(result), bytes, length);
	return PointerGetDatum(result);
}

static void
write_checkpoint(const Seal *seal, int incarnation)
{
	static const Oid types[] = {INT8OID,  INT4OID, PG_SNAPSHOTOID, INT8OID,		  BYTEAOID,
								BYTEAOID, TEXTOID, LSNOID,		   TIMESTAMPTZOID};
	const MerkleFrontier *frontier = evidence_log_frontier(seal->log);
	char *origin = evidence_origin(incarnation);
	uint8_t root[DIGEST_SIZE];
	char *body = checkpoint_body(origin, frontier, root);
	Datum values[] = {Int64GetDatum(seal->window.seal_no),
					  Int32GetDatum(incarnation),
					  seal->window.snapshot,
					  Int64GetDatum((int64) frontier->size),
					  PointerGetDatum(billing_hash_bytea(root)),
					  frontier_bytes(frontier),
					  CStringGetTextDatum(body),
					  LSNGetDatum(GetXLogInsertRecPtr()),
					  TimestampTzGetDatum(GetCurrentTimestamp())};

	billing_spi_run("INSERT INTO billing.checkpoints (seal_no, incarnation, snapshot, tree_size, root_hash, "
					"frontier, body,"
					" lsn, sealed_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
					lengthof(types), types, values, NULL);
	FAULT_POINT("a checkpoint is signed");
	evidence_sign(seal->window.seal_no, origin, body);
}

/* The edge of the next window, and the incarnation it is in. */
static Datum
next_edge(int *incarnation)
{
	bool isnull;

	if (billing_spi_exec("SELECT billing.window_edge(), billing.current_incarnation()") != 1)
		elog(ERROR, "no edge of a seal");
	*incarnation = DatumGetInt32(billing_spi_value(0, 2, &isnull));
	return datumCopy(billing_spi_value(0, 1, &isnull), false, -1);
}

static void
log_seal(bool heartbeat)
{
	Seal seal = {.is_worth_it = heartbeat};
	int incarnation;
	Datum snapshot;

	billing_require_window_transaction("the log cannot be sealed", "billing.seal()");
	billing_spi_connect();
	billing_lock_stage("seal");
	ForceSyncCommit();
	snapshot = next_edge(&incarnation);
	seal.window = evidence_next_window(snapshot);
	FAULT_POINT("the log is sealed");
	seal.log = evidence_log_create(&seal.window.frontier);
	append_rows(&seal);
	FAULT_POINT("a checkpoint is written");
	if (seal.is_worth_it)
		write_checkpoint(&seal, incarnation);
	billing_spi_finish();
}

/* The last checkpoint as this transaction sees it. */
static HeapTuple
last_checkpoint(TupleDesc descriptor)
{
	Datum values[5];
	bool nulls[lengthof(values)];

	SPI_connect();
	if (billing_spi_exec(
			"SELECT c.seal_no, c.tree_size, c.root_hash, c.sealed_at, n.note FROM billing.checkpoints c"
			"  LEFT JOIN billing.checkpoint_notes n USING (seal_no) ORDER BY c.seal_no DESC LIMIT 1") != 1)
		elog(ERROR, "there is no checkpoint");
	for (int i = 0; i < lengthof(values); i++)
	{
		Form_pg_attribute column = TupleDescAttr(SPI_tuptable->tupdesc, i);

		values[i] = billing_spi_value(0, i + 1, &nulls[i]);
		if (!nulls[i])
			values[i] = SPI_datumTransfer(values[i], column->attbyval, column->attlen);
	}
	SPI_finish();
	return heap_form_tuple(descriptor, values, nulls);
}

BILLING_FUNCTION(billing_seal)
{
	AuditEntry entry;
	TupleDesc descriptor;

	if (get_call_result_type(fcinfo, NULL, &descriptor) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	audit_enter(&entry, fcinfo);
	log_seal(!PG_ARGISNULL(0) && PG_GETARG_BOOL(0));
	audit_leave(&entry);
	PG_RETURN_DATUM(HeapTupleGetDatum(last_checkpoint(BlessTupleDesc(descriptor))));
}
