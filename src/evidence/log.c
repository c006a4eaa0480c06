/*
 * log.c: appending rows to the tree, and what is stored of it: a position for each block of 256 leaves, and the hashes
 * of two levels.
 */
#include "postgres.h"
#include "fmgr.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/memutils.h"
#include "utils/xid8.h"

#include "evidence/evidence.h"

/* More than a walk gives between two pauses. */
#define BLOCKS_MAX 300
#define HASHES_MAX 320

struct EvidenceLog
{
	MerkleFrontier frontier;
	DigestContext *digest;
	MemoryContext memory; /* of the gathered values */
	int blocks;
	int hashes;
	Datum block[5][BLOCKS_MAX];
	Datum hash[3][HASHES_MAX];
};

EvidenceLog *
evidence_log_create(const MerkleFrontier *frontier)
{
	EvidenceLog *log = palloc0(sizeof(EvidenceLog));

	log->frontier = *frontier;
	log->digest = billing_digest_context();
	log->memory = AllocSetContextCreate(CurrentMemoryContext, "billing log", ALLOCSET_DEFAULT_SIZES);
	return log;
}

MerkleFrontier *
evidence_log_frontier(EvidenceLog *log)
{
	return &log->frontier;
}

static char *
array_text(Datum array)
{
	return OidOutputFunctionCall(F_ARRAY_OUT, array);
}

static void
gather_block(EvidenceLog *log, const EvidenceRow *row)
{
	MemoryContext old = MemoryContextSwitchTo(log->memory);
	int i = log->blocks++;

	Assert(i < BLOCKS_MAX);
	log->block[0][i] = Int64GetDatum((int64) (log->frontier.size >> MERKLE_BLOCK_LEVEL));
	log->block[1][i] = Int64GetDatum(row->seal_no);
	log->block[2][i] = CStringGetTextDatum(row->kind->name);
	log->block[3][i] = FullTransactionIdGetDatum(FullTransactionIdFromU64(row->log_xid));
	log->block[4][i] = CStringGetTextDatum(array_text(evidence_row_key(row)));
	MemoryContextSwitchTo(old);
}

static void
gather_hash(EvidenceLog *log, unsigned level)
{
	const uint8_t *hash = merkle_completed(&log->frontier, level);
	MemoryContext old;
	int i;

	if (hash == NULL)
		return;
	old = MemoryContextSwitchTo(log->memory);
	i = log->hashes++;
	Assert(i < HASHES_MAX);
	log->hash[0][i] = Int32GetDatum((int32) level);
	log->hash[1][i] = Int64GetDatum((int64) (log->frontier.size >> level) - 1);
	log->hash[2][i] = PointerGetDatum(billing_hash_bytea(hash));
	MemoryContextSwitchTo(old);
}

void
evidence_log_append(EvidenceLog *log, const EvidenceRow *row)
{
	uint8_t leaf[DIGEST_SIZE];

	if ((log->frontier.size & (MERKLE_BLOCK_LEAVES - 1)) == 0)
		gather_block(log, row);
	billing_check_merkle(
		merkle_leaf_hash(log->digest, VARDATA_ANY(row->canon), VARSIZE_ANY_EXHDR(row->canon), leaf));
	billing_check_merkle(merkle_append(log->digest, &log->frontier, leaf));
	if ((log->frontier.size & (MERKLE_BLOCK_LEAVES - 1)) == 0)
	{
		gather_hash(log, MERKLE_BLOCK_LEVEL);
		gather_hash(log, 2 * MERKLE_BLOCK_LEVEL);
	}
}

static Datum
array_of(Datum *values, int count, Oid type, int16 length, bool by_value, char align)
{
	return PointerGetDatum(construct_array(values, count, type, length, by_value, align));
}

EvidenceBatch
evidence_log_take(EvidenceLog *log)
{
	EvidenceBatch batch = {log->blocks, log->hashes, {0}, {0}};

	batch.block[0] = array_of(log->block[0], log->blocks, INT8OID, 8, FLOAT8PASSBYVAL, TYPALIGN_DOUBLE);
	batch.block[1] = array_of(log->block[1], log->blocks, INT8OID, 8, FLOAT8PASSBYVAL, TYPALIGN_DOUBLE);
	batch.block[2] = array_of(log->block[2], log->blocks, TEXTOID, -1, false, TYPALIGN_INT);
	batch.block[3] = array_of(log->block[3], log->blocks, XID8OID, 8, FLOAT8PASSBYVAL, TYPALIGN_DOUBLE);
	batch.block[4] = array_of(log->block[4], log->blocks, TEXTOID, -1, false, TYPALIGN_INT);
	batch.hash[0] = array_of(log->hash[0], log->hashes, INT4OID, 4, true, TYPALIGN_INT);
	batch.hash[1] = array_of(log->hash[1], log->hashes, INT8OID, 8, FLOAT8PASSBYVAL, TYPALIGN_DOUBLE);
	batch.hash[2] = array_of(log->hash[2], log->hashes, BYTEAOID, -1, false, TYPALIGN_INT);
	log->blocks = 0;
	log->hashes = 0;
	MemoryContextReset(log->memory);
	return batch;
}
