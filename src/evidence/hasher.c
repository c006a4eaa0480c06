/*
 * hasher.c: hashing rows into the tree, half of what a seal costs.
 *
 * A seal of many rows has a process beside it that hashes, while this one reads the next rows: it gets canonical bytes
 * through a queue and appends their leaves to a frontier in shared memory. It reads no table and decides nothing, and
 * without it (no free worker process, or not yet there) the rows are hashed here, to the same tree.
 */
#include "postgres.h"
#include "fmgr.h"

#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "storage/dsm.h"
#include "storage/proc.h"
#include "storage/shm_mq.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "evidence/evidence.h"

/* Fewer rows are hashed before a process has started. */
#define ROWS_BEFORE_WORKER 4096

/* Of canonical bytes on their way: some 4,000 rows. */
#define ROWS_QUEUE_SIZE ((Size) 1 << 20)
#define REPLY_QUEUE_SIZE ((Size) 1024)

/* In place of a row: no row has so few bytes. */
#define SETTLE_MESSAGE_SIZE 1

struct EvidenceHasher
{
	EvidenceGrowth growth; /* as settled last */
	uint64 underway;	   /* rows sent since */
	uint64 rows;		   /* of both, since it was created */
	DigestContext *digest;
	MemoryContext memory;
	ResourceOwner owner;
	dsm_segment *segment; /* NULL without a process */
	EvidenceGrowth *shared;
	shm_mq_handle *to_worker; /* NULL until rows are sent */
	shm_mq_handle *from_worker;
	BackgroundWorkerHandle *worker;
};

static void
add_row(EvidenceGrowth *growth, DigestContext *digest, const void *bytes, size_t length)
{
	uint8_t leaf[DIGEST_SIZE];
	const uint8_t *hash;

	billing_check_merkle(merkle_leaf_hash(digest, bytes, length, leaf));
	billing_check_merkle(merkle_append(digest, &growth->frontier, leaf));
	for (unsigned level = MERKLE_BLOCK_LEVEL; level <= 2 * MERKLE_BLOCK_LEVEL; level += MERKLE_BLOCK_LEVEL)
	{
		EvidenceHash *stored = &growth->hashes[growth->count];

		if ((hash = merkle_completed(&growth->frontier, level)) == NULL)
			return;
		if (growth->count++ == EVIDENCE_HASHES_MAX)
			elog(ERROR, "hashes of the log were not taken in time");
		stored->level = (int32) level;
		stored->node = (int64) (growth->frontier.size >> level) - 1;
		memcpy(stored->hash, hash, DIGEST_SIZE);
	}
}

/* ---- The process. ---- */

static shm_mq *
rows_queue(dsm_segment *segment)
{
	return (shm_mq *) ((char *) dsm_segment_address(segment) + MAXALIGN(sizeof(EvidenceGrowth)));
}

static shm_mq *
reply_queue(dsm_segment *segment)
{
	return (shm_mq *) ((char *) rows_queue(segment) + ROWS_QUEUE_SIZE);
}

/* Until the other side detaches, having all it wants or having failed. */
static void
serve(EvidenceGrowth *growth, shm_mq_handle *rows, shm_mq_handle *reply)
{
	DigestContext *digest = billing_digest_context();
	Size length;
	void *bytes;

	while (shm_mq_receive(rows, &length, &bytes, false) == SHM_MQ_SUCCESS)
	{
		if (length > SETTLE_MESSAGE_SIZE)
			add_row(growth, digest, bytes, length);
		else if (shm_mq_send(reply, length, bytes, false, true) != SHM_MQ_SUCCESS)
			return;
	}
}

BILLING_WORKER(billing_hasher_main)
{
	dsm_segment *segment;
	shm_mq_handle *reply;

	BackgroundWorkerUnblockSignals();
	CurrentResourceOwner = ResourceOwnerCreate(NULL, "billing hasher");
	segment = dsm_attach(DatumGetUInt32(main_arg));
	if (segment == NULL)
		return;
	shm_mq_set_sender(reply_queue(segment), MyProc);
	reply = shm_mq_attach(reply_queue(segment), segment, NULL);
	shm_mq_set_receiver(rows_queue(segment), MyProc);
	serve(dsm_segment_address(segment), shm_mq_attach(rows_queue(segment), segment, NULL), reply);
	dsm_detach(segment);
}

/* ---- Who asks it. ---- */

EvidenceHasher *
evidence_hasher_create(const MerkleFrontier *frontier)
{
	EvidenceHasher *hasher = palloc0(sizeof(EvidenceHasher));

	hasher->growth.frontier = *frontier;
	hasher->digest = billing_digest_context();
	hasher->memory = CurrentMemoryContext;
	hasher->owner = CurrentResourceOwner;
	return hasher;
}

static void
register_worker(EvidenceHasher *hasher)
{
	BackgroundWorker worker = {.bgw_flags = BGWORKER_SHMEM_ACCESS,
							   .bgw_start_time = BgWorkerStart_ConsistentState,
							   .bgw_restart_time = BGW_NEVER_RESTART,
							   .bgw_library_name = "billing",
							   .bgw_function_name = "billing_hasher_main",
							   .bgw_type = "billing hasher",
							   .bgw_notify_pid = MyProcPid,
							   .bgw_main_arg = UInt32GetDatum(dsm_segment_handle(hasher->segment))};

	snprintf(worker.bgw_name, BGW_MAXLEN, "billing hasher of PID %d", MyProcPid);
	if (!RegisterDynamicBackgroundWorker(&worker, &hasher->worker))
	{
		dsm_detach(hasher->segment);
		hasher->segment = NULL;
	}
}

/* In the owner and memory of who created it, for rows come from within a portal that has its own. */
static void
start_worker(EvidenceHasher *hasher)
{
	ResourceOwner owner = CurrentResourceOwner;
	MemoryContext memory = MemoryContextSwitchTo(hasher->memory);

	CurrentResourceOwner = hasher->owner;
	hasher->segment = dsm_create(MAXALIGN(sizeof(EvidenceGrowth)) + ROWS_QUEUE_SIZE + REPLY_QUEUE_SIZE,
								 DSM_CREATE_NULL_IF_MAXSEGMENTS);
	if (hasher->segment != NULL)
	{
		hasher->shared = dsm_segment_address(hasher->segment);
		shm_mq_set_sender(shm_mq_create(rows_queue(hasher->segment), ROWS_QUEUE_SIZE), MyProc);
		shm_mq_set_receiver(shm_mq_create(reply_queue(hasher->segment), REPLY_QUEUE_SIZE), MyProc);
		register_worker(hasher);
	}
	CurrentResourceOwner = owner;
	MemoryContextSwitchTo(memory);
}

/* Once it is there the tree so far is its to go on with: it looks at it when the first row comes. */
static void
hand_over(EvidenceHasher *hasher)
{
	MemoryContext memory = MemoryContextSwitchTo(hasher->memory);

	*hasher->shared = hasher->growth;
	hasher->to_worker = shm_mq_attach(rows_queue(hasher->segment), hasher->segment, hasher->worker);
	hasher->from_worker = shm_mq_attach(reply_queue(hasher->segment), hasher->segment, hasher->worker);
	MemoryContextSwitchTo(memory);
	elog(DEBUG1, "from leaf " UINT64_FORMAT " on, another process hashes", hasher->growth.frontier.size);
}

static void
require_worker(shm_mq_result result)
{
	if (result != SHM_MQ_SUCCESS)
		ereport(ERROR, errcode(ERRCODE_ADMIN_SHUTDOWN),
				errmsg("the process that hashes rows of the log has ended"),
				errhint("Nothing was changed; call it again. The server's log tells why it ended."));
}

void
evidence_hasher_add(EvidenceHasher *hasher, const void *bytes, size_t length)
{
	hasher->rows++;
	if (hasher->to_worker != NULL)
	{
		require_worker(shm_mq_send(hasher->to_worker, length, bytes, false, false));
		hasher->underway++;
		return;
	}
	add_row(&hasher->growth, hasher->digest, bytes, length);
	if (hasher->rows == ROWS_BEFORE_WORKER && max_parallel_maintenance_workers > 0)
		start_worker(hasher);
	else if (hasher->segment != NULL && shm_mq_get_receiver(rows_queue(hasher->segment)) != NULL)
		hand_over(hasher);
}

uint64
evidence_hasher_size(const EvidenceHasher *hasher)
{
	return hasher->growth.frontier.size + hasher->underway;
}

EvidenceGrowth *
evidence_hasher_settle(EvidenceHasher *hasher)
{
	static const char message[SETTLE_MESSAGE_SIZE] = {0};
	Size length;
	void *bytes;

	if (hasher->underway > 0)
	{
		require_worker(shm_mq_send(hasher->to_worker, sizeof(message), message, false, true));
		require_worker(shm_mq_receive(hasher->from_worker, &length, &bytes, false));
		hasher->growth = *hasher->shared;
		hasher->shared->count = 0;
		hasher->underway = 0;
	}
	return &hasher->growth;
}

void
evidence_hasher_end(EvidenceHasher *hasher)
{
	if (hasher->segment != NULL)
		dsm_detach(hasher->segment);
	hasher->segment = NULL;
}
