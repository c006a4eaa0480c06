/*
 * block.c: the leaves of a block, computed again from its rows.
 *
 * Where seals are small, a block is made of hundreds of segments. The first and the last of them may go beyond it, and are
 * walked each by itself; those between are in it as a whole, and their seals follow each other: windows next to each other are
 * one, so that their rows come kind by kind.
 */
#include "postgres.h"
#include "fmgr.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/fmgrprotos.h"
#include "utils/xid8.h"

#include "evidence/evidence.h"

/* What stands in the block of the rows of a kind in a seal. */
typedef struct Segment
{
	int64 seal_no;
	const EvidenceKind *kind;
	uint64 next; /* leaf of the next row */
	uint64 end;
} Segment;

typedef struct LogBlock
{
	uint64 first_leaf;
	uint64 end; /* of its leaves in the tree */
	uint8_t (*leaves)[DIGEST_SIZE];
	int count;
	Segment segments[MERKLE_BLOCK_LEAVES]; /* in the order of the log: no more than there are leaves */
	Datum *snapshots;					   /* of the seals from that of the second segment on */
} LogBlock;

/* The row with which a block begins. */
typedef struct Place
{
	int64 seal_no;
	EvidencePosition position;
} Place;

static const EvidencePosition begin;

static Place
block_place(uint64 number)
{
	static const Oid types[] = {INT8OID};
	static SPIPlanPtr plan;
	Datum value = Int64GetDatum((int64) number);
	Place place;
	bool isnull;

	if (billing_spi_run_kept(
			&plan, "SELECT seal_no, first_xid, first_key FROM billing.log_blocks WHERE block_no = $1", 1,
			types, &value, NULL) == 0)
		ereport(ERROR, errcode(ERRCODE_BILLING_INTERNAL),
				errmsg("block " UINT64_FORMAT " of the log is missing", number),
				errhint("SELECT * FROM billing.verify_log() tells what else does not hold."));
	place.seal_no = DatumGetInt64(billing_spi_value(0, 1, &isnull));
	place.position.log_xid =
		U64FromFullTransactionId(DatumGetFullTransactionId(billing_spi_value(0, 2, &isnull)));
	place.position.key = datumCopy(billing_spi_value(0, 3, &isnull), false, -1);
	return place;
}

/* A seal has a segment at least, so those of a block are in so many seals from its first on. */
static void
read_segments(LogBlock *block, int64 first_seal, int64 last_seal)
{
	static const Oid types[] = {INT8OID, INT8OID, INT8OID, INT8OID};
	static SPIPlanPtr plan;
	Datum values[] = {Int64GetDatum(first_seal),
					  Int64GetDatum(Min(last_seal, first_seal + MERKLE_BLOCK_LEAVES)),
					  Int64GetDatum((int64) block->first_leaf), Int64GetDatum((int64) block->end)};

	block->count = (int) billing_spi_run_kept(
		&plan,
		"SELECT seal_no, kind, greatest(first_leaf, $3), least(first_leaf + leaves, $4) FROM "
		"billing.log_segments"
		" WHERE seal_no BETWEEN $1 AND $2 AND first_leaf < $4 AND first_leaf + leaves > $3"
		" ORDER BY first_leaf LIMIT 256",
		lengthof(types), types, values, NULL);
	for (int i = 0; i < block->count; i++)
	{
		bool isnull;

		block->segments[i] =
			(Segment){DatumGetInt64(billing_spi_value(i, 1, &isnull)), evidence_kind(billing_spi_text(i, 2)),
					  (uint64) DatumGetInt64(billing_spi_value(i, 3, &isnull)),
					  (uint64) DatumGetInt64(billing_spi_value(i, 4, &isnull))};
	}
}

/* A row more than was sealed has no leaf; one less leaves that of another kind or seal where it is. */
static void
put_leaf(LogBlock *block, Segment *segment, const EvidenceRow *row)
{
	if (segment->next < segment->end)
		billing_check_merkle(merkle_leaf_hash(billing_digest_context(), VARDATA_ANY(row->canon),
											  VARSIZE_ANY_EXHDR(row->canon),
											  block->leaves[segment->next++ - block->first_leaf]));
}

typedef struct SegmentVisit
{
	LogBlock *block;
	Segment *segment;
} SegmentVisit;

static bool
visit_row(void *state, const EvidenceRow *row)
{
	SegmentVisit *visit = state;

	put_leaf(visit->block, visit->segment, row);
	return visit->segment->next < visit->segment->end;
}

static void
read_segment(LogBlock *block, Segment *segment, const EvidencePosition *position)
{
	SegmentVisit visit = {block, segment};
	EvidenceVisitor visitor = {visit_row, NULL, &visit};
	EvidenceWindow window = evidence_window(segment->seal_no, segment->seal_no);

	evidence_walk(&window, segment->kind, position, &visitor);
}

/* ---- those between the first and the last ---- */

static void
read_snapshots(LogBlock *block, int64 first_seal, int64 last_seal)
{
	static const Oid types[] = {INT8OID, INT8OID};
	static SPIPlanPtr plan;
	Datum values[] = {Int64GetDatum(first_seal), Int64GetDatum(last_seal)};
	uint64 count = billing_spi_run_kept(
		&plan, "SELECT snapshot FROM billing.checkpoints WHERE seal_no BETWEEN $1 AND $2 ORDER BY seal_no",
		lengthof(types), types, values, NULL);

	if (count != (uint64) (last_seal - first_seal + 1))
		ereport(ERROR, errcode(ERRCODE_BILLING_INTERNAL),
				errmsg("checkpoints from " INT64_FORMAT " to " INT64_FORMAT " are not all there", first_seal,
					   last_seal),
				errhint("SELECT * FROM billing.verify_log() tells what else does not hold."));
	block->snapshots = palloc(count * sizeof(Datum));
	for (uint64 i = 0; i < count; i++)
	{
		bool isnull;

		block->snapshots[i] = billing_spi_value(i, 1, &isnull);
	}
}

static bool
is_seen(const LogBlock *block, int64 seal_no, uint64 log_xid)
{
	return DatumGetBool(DirectFunctionCall2(pg_visible_in_snapshot,
											FullTransactionIdGetDatum(FullTransactionIdFromU64(log_xid)),
											block->snapshots[seal_no - block->segments[1].seal_no]));
}

/* The row's segment is the first of its kind whose seal saw it: what one snapshot sees, later ones see. */
static bool
visit_row_between(void *state, const EvidenceRow *row)
{
	LogBlock *block = state;

	for (int i = 1; i < block->count - 1; i++)
		if (block->segments[i].kind == row->kind && is_seen(block, block->segments[i].seal_no, row->log_xid))
		{
			put_leaf(block, &block->segments[i], row);
			break;
		}
	return true;
}

static void
read_kind_between(LogBlock *block, const EvidenceKind *kind)
{
	EvidenceVisitor visitor = {visit_row_between, NULL, block};
	EvidenceWindow window;
	int64 first = 0;
	int64 last = 0;

	for (int i = 1; i < block->count - 1; i++)
		if (block->segments[i].kind == kind)
		{
			last = block->segments[i].seal_no;
			first = first == 0 ? last : first;
		}
	if (first == 0)
		return;
	window = evidence_window(first, last);
	evidence_walk(&window, kind, &begin, &visitor);
}

static void
read_between(LogBlock *block)
{
	if (block->count <= 2)
		return;
	read_snapshots(block, block->segments[1].seal_no, block->segments[block->count - 2].seal_no);
	for (const EvidenceKind *kind = evidence_kinds; kind->name != NULL; kind++)
		read_kind_between(block, kind);
}

int
evidence_block_leaves(uint64 number, int64 last_seal, uint64 size,
					  uint8_t leaves[MERKLE_BLOCK_LEAVES][DIGEST_SIZE])
{
	uint64 first_leaf = number << MERKLE_BLOCK_LEVEL;
	LogBlock block = {
		.first_leaf = first_leaf, .end = Min(first_leaf + MERKLE_BLOCK_LEAVES, size), .leaves = leaves};
	Place place = block_place(number);

	memset(leaves, 0, MERKLE_BLOCK_LEAVES * DIGEST_SIZE);
	read_segments(&block, place.seal_no, last_seal);
	if (block.count > 0)
		read_segment(&block, &block.segments[0], &place.position);
	if (block.count > 1)
		read_segment(&block, &block.segments[block.count - 1], &begin);
	read_between(&block);
	return (int) (block.end - first_leaf);
}
