#ifndef BILLING_CORE_MERKLE_PROOF_H
#define BILLING_CORE_MERKLE_PROOF_H

#include "merkle.h"

/*
 * Inclusion and consistency proofs (RFC 6962 2.1.1 and 2.1.2), made from subtree hashes wherever these are kept, and
 * verified as RFC 9162 2.1.3.2 and 2.1.4.2 say.
 *
 * The sizes which those leave open: nothing is included in the tree without leaves; that tree, and a tree of the same
 * size, are consistent with a tree by the proof without hashes, when the older root is that of the empty tree, or the
 * same root.
 */
#define MERKLE_PROOF_MAX 64

typedef struct MerkleProof
{
	size_t count;
	uint8_t nodes[MERKLE_PROOF_MAX][DIGEST_SIZE]; /* from the leaves up */
} MerkleProof;

/* The hash of a complete subtree; false when it cannot be had, and then the proof is MERKLE_MISSING. */
typedef bool (*MerkleSubtreeHash)(void *context, unsigned level, uint64_t index, uint8_t out[DIGEST_SIZE]);

/* Asks only for complete subtrees within the size; at most 126 of them. */
extern MerkleStatus merkle_prove_inclusion(DigestContext *digest, uint64_t index, uint64_t size,
										   MerkleSubtreeHash subtree_hash, void *context, MerkleProof *proof);
extern MerkleStatus merkle_prove_consistency(DigestContext *digest, uint64_t older, uint64_t newer,
											 MerkleSubtreeHash subtree_hash, void *context,
											 MerkleProof *proof);

extern MerkleStatus merkle_verify_inclusion(DigestContext *digest, uint64_t index, uint64_t size,
											const uint8_t leaf[DIGEST_SIZE], const MerkleProof *proof,
											const uint8_t root[DIGEST_SIZE]);
extern MerkleStatus merkle_verify_consistency(DigestContext *digest, uint64_t older,
											  const uint8_t older_root[DIGEST_SIZE], uint64_t newer,
											  const uint8_t newer_root[DIGEST_SIZE],
											  const MerkleProof *proof);

/*
 * For a log that stores the levels 0, 8, 16 and so on up to highest: a subtree of any level, hashed from the stored
 * one below it, at most 256 of them up to level highest + 8. A MerkleSubtreeHash whose context is a MerkleStore.
 */
typedef struct MerkleStore
{
	DigestContext *digest;
	unsigned highest;		  /* a multiple of MERKLE_BLOCK_LEVEL */
	MerkleSubtreeHash stored; /* asked for stored levels only */
	void *context;
} MerkleStore;

extern bool merkle_store_subtree(void *store, unsigned level, uint64_t index, uint8_t out[DIGEST_SIZE]);

/* The subtrees first to first + count - 1 of a level. */
typedef struct MerkleSpan
{
	unsigned level;
	uint64_t first;
	uint64_t count;
} MerkleSpan;

#define MERKLE_SPANS_MAX 128

/*
 * What of such a store a proof asks for, so that it can be fetched at once: spans of stored levels, by level and then
 * by first, none touching another. With highest 8, an inclusion proof needs of the leaves those of its own block
 * (without itself) and of the last block when that is incomplete, and all complete blocks but its own; with a higher
 * one, at most 255 of each level around the leaf and 255 at the right edge.
 */
extern MerkleStatus merkle_inclusion_spans(uint64_t index, uint64_t size, unsigned highest,
										   MerkleSpan spans[MERKLE_SPANS_MAX], size_t *count);
extern MerkleStatus merkle_consistency_spans(uint64_t older, uint64_t newer, unsigned highest,
											 MerkleSpan spans[MERKLE_SPANS_MAX], size_t *count);

#endif
