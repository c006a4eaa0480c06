#ifndef BILLING_CORE_MERKLE_RANGE_H
#define BILLING_CORE_MERKLE_RANGE_H

#include "merkle.h"

/*
 * What must be kept of the leaves first to first + size - 1 of a tree, so that its root can still be computed when they
 * are gone: the largest complete subtrees that lie within, from left to right, at most two of each level. All zeros but
 * for first is the range without leaves. A failure leaves the range as it was.
 */
#define MERKLE_RANGE_NODES_MAX (2 * MERKLE_LEVELS)

typedef struct MerkleRange
{
	uint64_t first;
	uint64_t size;
	unsigned count;
	uint8_t levels[MERKLE_RANGE_NODES_MAX];
	uint8_t hashes[MERKLE_RANGE_NODES_MAX][DIGEST_SIZE];
} MerkleRange;

extern MerkleStatus merkle_range_append(DigestContext *context, MerkleRange *range,
										const uint8_t leaf[DIGEST_SIZE]);

/* A range as bytes: of each subtree its level in a byte, and its hash. Where it begins is not among them. */
#define MERKLE_RANGE_NODE_BYTES (1 + DIGEST_SIZE)
#define MERKLE_RANGE_BYTES_MAX (MERKLE_RANGE_NODES_MAX * MERKLE_RANGE_NODE_BYTES)

extern size_t merkle_range_write(const MerkleRange *range, uint8_t out[MERKLE_RANGE_BYTES_MAX]);

/*
 * Appends the leaves of a range, by its bytes, to a tree that ends where the range begins. MERKLE_ENCODING for what no
 * range has written, MERKLE_UNALIGNED where it cannot begin; then the frontier is of no use.
 */
extern MerkleStatus merkle_append_range(DigestContext *context, MerkleFrontier *frontier,
										const uint8_t *bytes, size_t length);

#endif
