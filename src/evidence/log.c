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

struct EvidenceLog
{
	EvidenceHasher *hasher;
	MemoryContext memory; /* of the gathered values */
	int blocks;
	Datum block[5][BLOCKS_MAX];
};

EvidenceLog *
evidence_log_create(const MerkleFrontier *frontier)
{
	EvidenceLog *log = palloc0(sizeof(EvidenceLog));

	log->hasher = evidence_hasher_create(frontier);
	log->memory = AllocSetContextCreate(CurrentMemoryContext, "billing log", ALLOCSET_DEFAULT_SIZES);
	return log;
}

uint64
evidence_log_size(const EvidenceLog *log)
{
	return evidence_hasher_size(log->hasher);
}

const MerkleFrontier *
evidence_log_frontier(EvidenceLog *log)
{
	return &evidence_hasher_growth(log->hasher)->frontier;
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
	log->block[0][i] = Int64GetDatum((int64) (evidence_hasher_size(log->hasher) >> MERKLE_BLOCK_LEVEL));
	log->block[1][i] = Int64GetDatum(row->seal_no);
	log->block[2][i] = CStringGetTextDatum(row->kind->name);
	log->block[3][i] = FullTransactionIdGetDatum(FullTransactionIdFromU64(row->log_xid));
	log->block[4][i] = CStringGetTextDatum(array_text(evidence_row_key(row)));
	MemoryContextSwitchTo(old);
}

void
evidence_log_append(EvidenceLog *log, const EvidenceRow *row)
{
	if ((evidence_hasher_size(log->hasher) & (MERKLE_BLOCK_LEAVES - 1)) == 0)
		gather_block(log, row);
	evidence_hasher_add(log->hasher, VARDATA_ANY(row->canon), VARSIZE_ANY_EXHDR(row->canon));
}

static Datum
array_of(Datum *values, int count, Oid type, int16 length, bool by_value, char align)
{
	return PointerGetDatum(construct_array(values, count, type, length, by_value, align));
}

static void
take_hashes(EvidenceGrowth *growth, EvidenceBatch *batch)
{
	Datum values[3][EVIDENCE_HASHES_MAX];

	for (int i = 0; i < growth->count; i++)
	{
		values[0][i] = Int32GetDatum(growth->hashes[i].level);
		values[1][i] = Int64GetDatum(growth->hashes[i].node);
		values[2][i] = PointerGetDatum(billing_hash_bytea(growth->hashes[i].hash));
	}
	batch->hashes = growth->count;
	batch->hash[0] = array_of(values[0], growth->count, INT4OID, 4, true, TYPALIGN_INT);
	batch->hash[1] = array_of(values[1], growth->count, INT8OID, 8, FLOAT8PASSBYVAL, TYPALIGN_DOUBLE);
	batch->hash[2] = array_of(values[2], growth->count, BYTEAOID, -1, false, TYPALIGN_INT);
	growth->count = 0;
}

EvidenceBatch
evidence_log_take(EvidenceLog *log)
{
	EvidenceBatch batch = {.blocks = log->blocks};

	batch.block[0] = array_of(log->block[0], log->blocks, INT8OID, 8, FLOAT8PASSBYVAL, TYPALIGN_DOUBLE);
	batch.block[1] = array_of(log->block[1], log->blocks, INT8OID, 8, FLOAT8PASSBYVAL, TYPALIGN_DOUBLE);
	batch.block[2] = array_of(log->block[2], log->blocks, TEXTOID, -1, false, TYPALIGN_INT);
	batch.block[3] = array_of(log->block[3], log->blocks, XID8OID, 8, FLOAT8PASSBYVAL, TYPALIGN_DOUBLE);
	batch.block[4] = array_of(log->block[4], log->blocks, TEXTOID, -1, false, TYPALIGN_INT);
	take_hashes(evidence_hasher_growth(log->hasher), &batch);
	log->blocks = 0;
	MemoryContextReset(log->memory);
	return batch;
}

void
evidence_log_end(EvidenceLog *log)
{
	evidence_hasher_end(log->hasher);
}
