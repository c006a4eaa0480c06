/*
 * RFC 6962 2.1 as it is written, by recursion over lists of leaves: what the iterative code is compared with. The hash
 * of every list D[a:b] of the first NAIVE_MAX leaves is computed once.
 */
#ifndef BILLING_TEST_NAIVE_TREE_H
#define BILLING_TEST_NAIVE_TREE_H

#include "merkle_proof.h"

#include "test.h"

#define NAIVE_MAX 300

static uint8_t naive_hashes[NAIVE_MAX + 1][NAIVE_MAX + 1][DIGEST_SIZE];

static inline unsigned
naive_split(unsigned count)
{
	unsigned k = 1;

	while (k * 2 < count)
		k *= 2;
	return k;
}

/* Leaf i holds the decimal digits of i. */
static inline void
naive_leaf(DigestContext *context, uint64_t i, uint8_t out[DIGEST_SIZE])
{
	char text[24];
	int length = snprintf(text, sizeof(text), "%" PRIu64, i);

	CHECK_INT(merkle_leaf_hash(context, text, (size_t) length, out), MERKLE_OK);
}

static inline void
naive_fill(DigestContext *context)
{
	for (unsigned a = 0; a < NAIVE_MAX; a++)
		naive_leaf(context, a, naive_hashes[a][a + 1]);
	for (unsigned count = 2; count <= NAIVE_MAX; count++)
		for (unsigned a = 0; a + count <= NAIVE_MAX; a++)
		{
			unsigned k = naive_split(count);
			uint8_t both[1 + 2 * DIGEST_SIZE] = {1};

			memcpy(both + 1, naive_hashes[a][a + k], DIGEST_SIZE);
			memcpy(both + 1 + DIGEST_SIZE, naive_hashes[a + k][a + count], DIGEST_SIZE);
			CHECK_INT(digest_sha256(both, sizeof(both), naive_hashes[a][a + count]), DIGEST_OK);
		}
	for (unsigned a = 0; a <= NAIVE_MAX; a++)
		CHECK_INT(digest_sha256("", 0, naive_hashes[a][a]), DIGEST_OK);
}

static inline void
naive_add(MerkleProof *proof, unsigned a, unsigned b)
{
	memcpy(proof->nodes[proof->count++], naive_hashes[a][b], DIGEST_SIZE);
}

/* PATH(m, D[a:b]) of RFC 6962 2.1.1. */
static inline void
naive_path(unsigned m, unsigned a, unsigned b, MerkleProof *proof)
{
	unsigned k;

	if (b - a <= 1)
		return;
	k = naive_split(b - a);
	if (m < k)
	{
		naive_path(m, a, a + k, proof);
		naive_add(proof, a + k, b);
	}
	else
	{
		naive_path(m - k, a + k, b, proof);
		naive_add(proof, a, a + k);
	}
}

/* SUBPROOF(m, D[a:b], whole) of RFC 6962 2.1.2. */
static inline void
naive_subproof(unsigned m, unsigned a, unsigned b, bool whole, MerkleProof *proof)
{
	unsigned k;

	if (m == b - a)
	{
		if (!whole)
			naive_add(proof, a, b);
		return;
	}
	k = naive_split(b - a);
	if (m <= k)
	{
		naive_subproof(m, a, a + k, whole, proof);
		naive_add(proof, a + k, b);
	}
	else
	{
		naive_subproof(m - k, a + k, b, false, proof);
		naive_add(proof, a, a + k);
	}
}

static inline bool
same_proof(const MerkleProof *left, const MerkleProof *right)
{
	return left->count == right->count && memcmp(left->nodes, right->nodes, left->count * DIGEST_SIZE) == 0;
}

#endif
