#ifndef BILLING_CORE_MERKLE_H
#define BILLING_CORE_MERKLE_H

#include "digest.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The Merkle tree of RFC 6962 2.1: a leaf is SHA-256(0x00 || data), a node SHA-256(0x01 || left || right), the empty
 * tree SHA-256(""). A subtree (level, index) is complete: it stands over the 2^level leaves from index * 2^level on;
 * a leaf is a subtree of level 0. Sizes and indexes fit a bigint.
 */
#define MERKLE_SIZE_MAX ((uint64_t) INT64_MAX)
#define MERKLE_LEVELS 63

/* A log stores the subtrees of this level: one hash for 256 leaves. */
#define MERKLE_BLOCK_LEVEL 8
#define MERKLE_BLOCK_LEAVES (UINT64_C(1) << MERKLE_BLOCK_LEVEL)

typedef enum
{
	MERKLE_OK = 0,
	MERKLE_FULL,		/* more than MERKLE_SIZE_MAX leaves */
	MERKLE_UNALIGNED,	/* a subtree appended where none of its level begins */
	MERKLE_ENCODING,	/* not the bytes of a frontier */
	MERKLE_OUT_OF_TREE, /* an index at or past the size, a size past the newer or the largest one */
	MERKLE_MISSING,		/* a hash which the proof needs could not be had */
	MERKLE_LENGTH,		/* a proof with hashes too many or too few */
	MERKLE_REFUSED,		/* a proof that does not lead to the root */
	MERKLE_NO_MEMORY,
	MERKLE_FAILED /* the crypto library refused */
} MerkleStatus;

/* The root of the tree without leaves. */
extern const uint8_t merkle_empty_root[DIGEST_SIZE];

/* In words, for a message: lower case, no full stop. */
extern const char *merkle_status_text(MerkleStatus status);

/* out may be one of the inputs. */
extern MerkleStatus merkle_leaf_hash(DigestContext *context, const void *data, size_t length,
									 uint8_t out[DIGEST_SIZE]);
extern MerkleStatus merkle_node_hash(DigestContext *context, const uint8_t left[DIGEST_SIZE],
									 const uint8_t right[DIGEST_SIZE], uint8_t out[DIGEST_SIZE]);

/*
 * What of a tree is enough to append to it and to know its root: for each bit of the size the complete subtree of
 * that level, the largest leftmost. An entry of hashes whose bit is clear is not part of the tree. All zeros is the
 * tree without leaves. Appending costs two hashes a leaf on average, and a failure leaves the frontier as it was.
 */
typedef struct MerkleFrontier
{
	uint64_t size;
	uint8_t hashes[MERKLE_LEVELS][DIGEST_SIZE];
} MerkleFrontier;

extern MerkleStatus merkle_append(DigestContext *context, MerkleFrontier *frontier,
								  const uint8_t leaf[DIGEST_SIZE]);

/* Appends 2^level leaves by the hash of their subtree; the size must be a multiple of 2^level. */
extern MerkleStatus merkle_append_subtree(DigestContext *context, MerkleFrontier *frontier, unsigned level,
										  const uint8_t hash[DIGEST_SIZE]);

/*
 * The subtree of a level that the last append completed, so that a log can store its blocks as it goes; NULL when it
 * completed none. Asked directly after an append, and not for a level below the one appended.
 */
extern const uint8_t *merkle_completed(const MerkleFrontier *frontier, unsigned level);

extern MerkleStatus merkle_root(DigestContext *context, const MerkleFrontier *frontier,
								uint8_t out[DIGEST_SIZE]);

/*
 * A frontier as bytes: the size in 8 bytes, most significant first, then the hashes of the bits that are set, the
 * highest first. Reading takes exactly what writing gives.
 */
#define MERKLE_FRONTIER_BYTES_MAX (8 + MERKLE_LEVELS * DIGEST_SIZE)

extern size_t merkle_frontier_write(const MerkleFrontier *frontier, uint8_t out[MERKLE_FRONTIER_BYTES_MAX]);
extern MerkleStatus merkle_frontier_read(const uint8_t *bytes, size_t length, MerkleFrontier *frontier);

#endif
