/*
 * range.c: what is kept of rows that are gone, so that the root over them and the rows beside them can still be
 * computed.
 */
#include "postgres.h"

#include "fmgr.h"

#include "core/merkle_range.h"
#include "server/hash.h"
#include "server/server.h"

/* The hash of a leaf; raises MB400. */
static const uint8_t *
check_leaf(const bytea *leaf)
{
	if (leaf == NULL || VARSIZE_ANY_EXHDR(leaf) != DIGEST_SIZE)
		ereport(ERROR, errcode(ERRCODE_BILLING_INVALID_ARGUMENT),
				errmsg("a leaf's hash has %d bytes", DIGEST_SIZE));
	return (const uint8_t *) VARDATA_ANY(leaf);
}

static MerkleRange *
create_range(MemoryContext memory, bool isnull, int64 first)
{
	MerkleRange *range;

	if (isnull || first < 0)
		ereport(ERROR, errcode(ERRCODE_BILLING_INVALID_ARGUMENT),
				errmsg("a range of leaves begins at a number from 0 on"));
	range = MemoryContextAllocZero(memory, sizeof(MerkleRange));
	range->first = (uint64_t) first;
	return range;
}

/* The state of billing.merkle_range(). */
BILLING_FUNCTION(billing_merkle_range_step)
{
	MemoryContext memory;
	MerkleRange *range = PG_ARGISNULL(0) ? NULL : (MerkleRange *) PG_GETARG_POINTER(0);
	const uint8_t *leaf = check_leaf(PG_ARGISNULL(2) ? NULL : PG_GETARG_BYTEA_PP(2));

	if (!AggCheckCallContext(fcinfo, &memory))
		elog(ERROR, "billing_merkle_range_step called outside an aggregate");
	if (range == NULL)
		range = create_range(memory, PG_ARGISNULL(1), PG_ARGISNULL(1) ? 0 : PG_GETARG_INT64(1));
	billing_check_merkle(merkle_range_append(billing_digest_context(), range, leaf));
	PG_RETURN_POINTER(range);
}

BILLING_FUNCTION(billing_merkle_range_final)
{
	bytea *result;
	size_t length;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	result = palloc(VARHDRSZ + MERKLE_RANGE_BYTES_MAX);
	length = merkle_range_write((MerkleRange *) PG_GETARG_POINTER(0), (uint8_t *) VARDATA(result));
	SET_VARSIZE(result, VARHDRSZ + length);
	PG_RETURN_BYTEA_P(result);
}

/* The state of billing.merkle_join(). */
typedef struct MerkleJoin
{
	MerkleFrontier frontier;
	bool misfit; /* a range came where it does not belong: there is no root */
} MerkleJoin;

static void
join_piece(MerkleJoin *join, const bytea *piece)
{
	const uint8_t *bytes = (const uint8_t *) VARDATA_ANY(piece);
	size_t length = VARSIZE_ANY_EXHDR(piece);
	MerkleStatus status;

	if (join->misfit)
		return;
	status = length == DIGEST_SIZE
				 ? merkle_append(billing_digest_context(), &join->frontier, bytes)
				 : merkle_append_range(billing_digest_context(), &join->frontier, bytes, length);
	join->misfit = status == MERKLE_ENCODING || status == MERKLE_UNALIGNED || status == MERKLE_FULL;
	if (!join->misfit)
		billing_check_merkle(status);
}

BILLING_FUNCTION(billing_merkle_join_step)
{
	MemoryContext memory;
	MerkleJoin *join = PG_ARGISNULL(0) ? NULL : (MerkleJoin *) PG_GETARG_POINTER(0);

	if (!AggCheckCallContext(fcinfo, &memory))
		elog(ERROR, "billing_merkle_join_step called outside an aggregate");
	if (join == NULL)
		join = MemoryContextAllocZero(memory, sizeof(MerkleJoin));
	if (PG_ARGISNULL(1))
		join->misfit = true;
	else
		join_piece(join, PG_GETARG_BYTEA_PP(1));
	PG_RETURN_POINTER(join);
}

BILLING_FUNCTION(billing_merkle_join_final)
{
	const MerkleJoin *join = PG_ARGISNULL(0) ? NULL : (const MerkleJoin *) PG_GETARG_POINTER(0);
	uint8_t root[DIGEST_SIZE];

	if (join == NULL || join->misfit)
		PG_RETURN_NULL();
	billing_check_merkle(merkle_root(billing_digest_context(), &join->frontier, root));
	PG_RETURN_BYTEA_P(billing_hash_bytea(root));
}
