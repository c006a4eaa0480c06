/*
 * hasher.c: hashing rows into the tree, half of what a seal costs.
 *
 * A seal of many rows has a process beside it that hashes, while this one reads the next rows: it gets canonical bytes
 * through a queue and appends their leaves to a frontier in shared memory. It reads no table and decides nothing, and
 * without it (no free worker process, or not yet there) the rows are hashed here, to the same tree; as are those that it
 * has no time for.
 */
#include "postgres.h"
#include "fmgr.h"

#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "storage/dsm.h"
#include "storage/proc.h"
#include "storage/shm_mq.h"
#include "tcop/tcopprot.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "evidence/evidence.h"

/* Fewer rows are hashed before a process has started. */
#define ROWS_BEFORE_WORKER 4096

/* Of rows on their way: some 4,000. */
#define ROWS_QUEUE_SIZE ((Size) 1 << 20)

/*
 * Holds a reply, the one before it and the quarter of a queue that a receiver may leave unacknowledged: the worker never waits
 * here for one who waits for it to take rows.
 */
#define REPLY_QUEUE_SIZE (4 * MAXALIGN(sizeof(EvidenceGrowth)))

/* Rows are sent together: each its length, then its bytes; or HASHED, then the hash of its leaf. */
#define MESSAGE_SIZE 32768
#define HASHED PG_UINT32_MAX

/* Between two looks whether a full queue has room again. */
#define ROWS_PER_LOOK 64

/* A message of this one byte asks for a reply. */
#define ASKING_SIZE 1

struct EvidenceHasher
{
	EvidenceGrowth growth; /* without rows sent since the last reply received */
	uint64 size;		   /* of the tree with all rows */
	uint64 rows;		   /* added here */
	bool asked;			   /* a reply is to come */
	DigestContext *digest;
	MemoryContext memory;
	ResourceOwner owner;
	dsm_segment *segment;	  /* NULL without a process */
	shm_mq_handle *to_worker; /* NULL until rows are sent */
	shm_mq_handle *from_worker;
	BackgroundWorkerHandle *worker;
	StringInfoData messages[2]; /* one is filled, the other may be on its way */
	int filled;
	bool behind;   /* the process is: the queue has no room for all of the other */
	uint64 hashed; /* here, because it was behind */
};

static void
add_leaf(EvidenceGrowth *growth, DigestContext *digest, const uint8_t leaf[DIGEST_SIZE])
{
	const uint8_t *hash;

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

static void
add_row(EvidenceGrowth *growth, DigestContext *digest, const void *bytes, size_t length)
{
	uint8_t leaf[DIGEST_SIZE];

	billing_check_merkle(merkle_leaf_hash(digest, bytes, length, leaf));
	add_leaf(growth, digest, leaf);
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

static void
add_rows(EvidenceGrowth *growth, DigestContext *digest, const char *message, Size size)
{
	for (const char *end = message + size; message < end;)
	{
		uint32 length;

		memcpy(&length, message, sizeof(length));
		message += sizeof(length);
		if (length == HASHED)
			add_leaf(growth, digest, (const uint8_t *) message);
		else
			add_row(growth, digest, message, length);
		message += length == HASHED ? DIGEST_SIZE : length;
	}
}

/* Until the other side detaches, having all it wants or having failed. */
static void
serve(EvidenceGrowth *growth, shm_mq_handle *rows, shm_mq_handle *reply)
{
	DigestContext *digest = billing_digest_context();
	Size size;
	void *message;

	while (shm_mq_receive(rows, &size, &message, false) == SHM_MQ_SUCCESS)
	{
		CHECK_FOR_INTERRUPTS();
		if (size > ASKING_SIZE)
			add_rows(growth, digest, message, size);
		else if (shm_mq_send(reply, sizeof(*growth), growth, false, true) == SHM_MQ_SUCCESS)
			growth->count = 0;
		else
			return;
	}
}

BILLING_WORKER(billing_hasher_main)
{
	dsm_segment *segment;
	shm_mq_handle *reply;

	pqsignal(SIGTERM, die);
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
	hasher->size = frontier->size;
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
		shm_mq_set_sender(shm_mq_create(rows_queue(hasher->segment), ROWS_QUEUE_SIZE), MyProc);
		shm_mq_set_receiver(shm_mq_create(reply_queue(hasher->segment), REPLY_QUEUE_SIZE), MyProc);
		register_worker(hasher);
	}
	CurrentResourceOwner = owner;
	MemoryContextSwitchTo(memory);
}

/* Once it is there the tree so far is its to go on with: it looks at it when the first rows come. */
static void
hand_over(EvidenceHasher *hasher)
{
	MemoryContext memory = MemoryContextSwitchTo(hasher->memory);
	EvidenceGrowth *growth = dsm_segment_address(hasher->segment);

	*growth = hasher->growth;
	growth->count = 0;
	hasher->to_worker = shm_mq_attach(rows_queue(hasher->segment), hasher->segment, hasher->worker);
	hasher->from_worker = shm_mq_attach(reply_queue(hasher->segment), hasher->segment, hasher->worker);
	for (int i = 0; i < lengthof(hasher->messages); i++)
		initStringInfo(&hasher->messages[i]);
	MemoryContextSwitchTo(memory);
	elog(DEBUG1, "from leaf " UINT64_FORMAT " on, another process hashes", hasher->size);
}

static void
require_worker(shm_mq_result result)
{
	if (result != SHM_MQ_SUCCESS)
		ereport(ERROR, errcode(ERRCODE_ADMIN_SHUTDOWN),
				errmsg("the process that hashes rows of the log has ended"),
				errhint("Nothing was changed; call it again. The server's log tells why it ended."));
}

/* Sends a message, or what is left of it; without waiting, it may be left again. */
static void
send_message(EvidenceHasher *hasher, const StringInfoData *message, bool nowait)
{
	shm_mq_result result = shm_mq_send(hasher->to_worker, message->len, message->data, nowait, false);

	hasher->behind = result == SHM_MQ_WOULD_BLOCK;
	if (!hasher->behind)
		require_worker(result);
}

/* What is left of the message before the gathered one. */
static void
send_rest(EvidenceHasher *hasher, bool nowait)
{
	if (hasher->behind)
		send_message(hasher, &hasher->messages[!hasher->filled], nowait);
}

static void
send_rows(EvidenceHasher *hasher)
{
	send_rest(hasher, false);
	if (hasher->messages[hasher->filled].len == 0)
		return;
	send_message(hasher, &hasher->messages[hasher->filled], true);
	hasher->filled = !hasher->filled;
	resetStringInfo(&hasher->messages[hasher->filled]);
}

/* As long as the process is behind, rows are hashed here, so that neither of the two waits for the other. */
static void
gather_row(EvidenceHasher *hasher, const void *canon, uint32 length)
{
	StringInfo message = &hasher->messages[hasher->filled];
	uint32 head = length;
	uint8_t leaf[DIGEST_SIZE];

	if (hasher->size % ROWS_PER_LOOK == 0)
		send_rest(hasher, true);
	if (hasher->behind)
	{
		billing_check_merkle(merkle_leaf_hash(hasher->digest, canon, length, leaf));
		hasher->hashed++;
		head = HASHED;
		canon = leaf;
		length = sizeof(leaf);
	}
	enlargeStringInfo(message, (int) (sizeof(head) + length));
	memcpy(message->data + message->len, &head, sizeof(head));
	memcpy(message->data + message->len + sizeof(head), canon, length);
	message->len += sizeof(head) + length;
	if (message->len > MESSAGE_SIZE)
		send_rows(hasher);
}

void
evidence_hasher_add(EvidenceHasher *hasher, const void *canon, uint32 length)
{
	hasher->size++;
	if (hasher->to_worker != NULL)
	{
		gather_row(hasher, canon, length);
		return;
	}
	add_row(&hasher->growth, hasher->digest, canon, length);
	if (++hasher->rows == ROWS_BEFORE_WORKER && max_parallel_maintenance_workers > 0)
		start_worker(hasher);
	else if (hasher->segment != NULL && shm_mq_get_receiver(rows_queue(hasher->segment)) != NULL)
		hand_over(hasher);
}

uint64
evidence_hasher_size(const EvidenceHasher *hasher)
{
	return hasher->size;
}

static void
ask(EvidenceHasher *hasher)
{
	static const char question[ASKING_SIZE] = {0};

	send_rows(hasher);
	send_rest(hasher, false);
	require_worker(shm_mq_send(hasher->to_worker, sizeof(question), question, false, true));
	hasher->asked = true;
}

/* What was completed up to when it was asked, after what is not taken yet. */
static void
receive_reply(EvidenceHasher *hasher)
{
	EvidenceGrowth *growth = &hasher->growth;
	EvidenceGrowth reply;
	Size size;
	void *bytes;

	require_worker(shm_mq_receive(hasher->from_worker, &size, &bytes, false));
	memcpy(&reply, bytes, sizeof(reply));
	if (growth->count + reply.count > EVIDENCE_HASHES_MAX)
		elog(ERROR, "hashes of the log were not taken in time");
	memcpy(&growth->hashes[growth->count], reply.hashes, reply.count * sizeof(EvidenceHash));
	growth->count += reply.count;
	growth->frontier = reply.frontier;
	hasher->asked = false;
}

EvidenceGrowth *
evidence_hasher_growth(EvidenceHasher *hasher)
{
	if (hasher->asked)
		receive_reply(hasher);
	if (hasher->to_worker != NULL)
		ask(hasher);
	return &hasher->growth;
}

void
evidence_hasher_end(EvidenceHasher *hasher)
{
	if (hasher->to_worker != NULL)
	{
		(void) evidence_hasher_growth(hasher);
		receive_reply(hasher);
		hasher->to_worker = NULL;
		elog(DEBUG1, UINT64_FORMAT " rows were hashed beside the other process", hasher->hashed);
	}
	if (hasher->segment != NULL)
		dsm_detach(hasher->segment);
	hasher->segment = NULL;
}
