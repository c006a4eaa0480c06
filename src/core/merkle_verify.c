#include "merkle_proof.h"

#include <string.h>

/*
 * The way from a subtree up to the root, as RFC 9162 2.1.3.2 and 2.1.4.2 walk it: fn is the subtree's index on its
 * level, sn the index of the last one there.
 */
typedef struct Climb
{
	uint64_t fn;
	uint64_t sn;
} Climb;

/* Whether the next hash of the proof is a left sibling; moves up to the level where it is joined. */
static bool
climb_is_left(Climb *climb)
{
	bool left = (climb->fn & 1) != 0 || climb->fn == climb->sn;

	while (left && (climb->fn & 1) == 0 && climb->fn != 0)
	{
		climb->fn >>= 1;
		climb->sn >>= 1;
	}
	climb->fn >>= 1;
	climb->sn >>= 1;
	return left;
}

static bool
same_hash(const uint8_t left[DIGEST_SIZE], const uint8_t right[DIGEST_SIZE])
{
	return memcmp(left, right, DIGEST_SIZE) == 0;
}

MerkleStatus
merkle_verify_inclusion(DigestContext *digest, uint64_t index, uint64_t size, const uint8_t leaf[DIGEST_SIZE],
						const MerkleProof *proof, const uint8_t root[DIGEST_SIZE])
{
	Climb climb = {index, size - 1};
	uint8_t hash[DIGEST_SIZE];

	if (size > MERKLE_SIZE_MAX || index >= size)
		return MERKLE_OUT_OF_TREE;
	if (proof->count > MERKLE_PROOF_MAX)
		return MERKLE_LENGTH;
	memcpy(hash, leaf, DIGEST_SIZE);
	for (size_t i = 0; i < proof->count; i++)
	{
		MerkleStatus status;

		if (climb.sn == 0)
			return MERKLE_LENGTH;
		if (climb_is_left(&climb))
			status = merkle_node_hash(digest, proof->nodes[i], hash, hash);
		else
			status = merkle_node_hash(digest, hash, proof->nodes[i], hash);
		if (status != MERKLE_OK)
			return status;
	}
	if (climb.sn != 0)
		return MERKLE_LENGTH;
	return same_hash(hash, root) ? MERKLE_OK : MERKLE_REFUSED;
}

/*
 * Both roots at once from the subtree at the older tree's end: whatever stands left of it is in both trees, whatever
 * stands right of it in the newer one only.
 */
static MerkleStatus
climb_both(DigestContext *digest, Climb climb, const MerkleProof *proof, size_t first,
		   uint8_t older[DIGEST_SIZE], uint8_t newer[DIGEST_SIZE])
{
	for (size_t i = first; i < proof->count; i++)
	{
		const uint8_t *node = proof->nodes[i];
		MerkleStatus status = MERKLE_OK;

		if (climb.sn == 0)
			return MERKLE_LENGTH;
		if (climb_is_left(&climb))
		{
			status = merkle_node_hash(digest, node, older, older);
			if (status == MERKLE_OK)
				status = merkle_node_hash(digest, node, newer, newer);
		}
		else
			status = merkle_node_hash(digest, newer, node, newer);
		if (status != MERKLE_OK)
			return status;
	}
	return climb.sn == 0 ? MERKLE_OK : MERKLE_LENGTH;
}

MerkleStatus
merkle_verify_consistency(DigestContext *digest, uint64_t older, const uint8_t older_root[DIGEST_SIZE],
						  uint64_t newer, const uint8_t newer_root[DIGEST_SIZE], const MerkleProof *proof)
{
	Climb climb = {older - 1, newer - 1};
	bool older_is_subtree = (older & (older - 1)) == 0;
	uint8_t older_hash[DIGEST_SIZE];
	uint8_t newer_hash[DIGEST_SIZE];
	MerkleStatus status;

	if (newer > MERKLE_SIZE_MAX || older > newer)
		return MERKLE_OUT_OF_TREE;
	if (newer == 0 && !same_hash(newer_root, merkle_empty_root))
		return MERKLE_REFUSED;
	if (older == 0 || older == newer)
	{
		if (proof->count != 0)
			return MERKLE_LENGTH;
		return same_hash(older_root, older == newer ? newer_root : merkle_empty_root) ? MERKLE_OK
																					  : MERKLE_REFUSED;
	}
	if (proof->count == 0 || proof->count > MERKLE_PROOF_MAX)
		return MERKLE_LENGTH;
	for (; (climb.fn & 1) != 0; climb.fn >>= 1)
		climb.sn >>= 1;
	memcpy(older_hash, older_is_subtree ? older_root : proof->nodes[0], DIGEST_SIZE);
	memcpy(newer_hash, older_hash, DIGEST_SIZE);
	status = climb_both(digest, climb, proof, older_is_subtree ? 0 : 1, older_hash, newer_hash);
	if (status != MERKLE_OK)
		return status;
	return same_hash(older_hash, older_root) && same_hash(newer_hash, newer_root) ? MERKLE_OK
																				  : MERKLE_REFUSED;
}
