#include "merkle.h"

#include <string.h>

/* RFC 6962 2.1: what separates leaves from nodes. */
#define LEAF_PREFIX 0
#define NODE_PREFIX 1

/* Most leaves are shorter. To hash the prefix by itself costs a tenth of a leaf. */
#define LEAF_IN_ONE_PIECE 512

const uint8_t merkle_empty_root[DIGEST_SIZE] = {
	0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24,
	0x27, 0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55};

const char *
merkle_status_text(MerkleStatus status)
{
	static const char *const texts[] = {
		[MERKLE_OK] = "no error",
		[MERKLE_FULL] = "the tree has no room for so many leaves",
		[MERKLE_UNALIGNED] = "no subtree of that level begins at the end of the tree",
		[MERKLE_ENCODING] = "the bytes are not those of a frontier",
		[MERKLE_OUT_OF_TREE] = "the index or size lies outside the tree",
		[MERKLE_MISSING] = "a hash that the proof needs is missing",
		[MERKLE_LENGTH] = "the proof has too many or too few hashes",
		[MERKLE_REFUSED] = "the proof does not lead to the root",
		[MERKLE_NO_MEMORY] = "out of memory",
		[MERKLE_FAILED] = "the crypto library failed",
	};

	return texts[status];
}

static MerkleStatus
status_from_digest(DigestStatus status)
{
	if (status == DIGEST_OK)
		return MERKLE_OK;
	return status == DIGEST_NO_MEMORY ? MERKLE_NO_MEMORY : MERKLE_FAILED;
}

/* Of a leaf that is longer than most. */
static DigestStatus
long_leaf_hash(DigestContext *context, const void *data, size_t length, uint8_t out[DIGEST_SIZE])
{
	static const uint8_t prefix[] = {LEAF_PREFIX};
	DigestStatus status = digest_reset(context);

	if (status == DIGEST_OK)
		status = digest_update(context, prefix, sizeof(prefix));
	if (status == DIGEST_OK)
		status = digest_update(context, data, length);
	return status == DIGEST_OK ? digest_final(context, out) : status;
}

MerkleStatus
merkle_leaf_hash(DigestContext *context, const void *data, size_t length, uint8_t out[DIGEST_SIZE])
{
	uint8_t input[LEAF_IN_ONE_PIECE];

	if (length >= sizeof(input))
		return status_from_digest(long_leaf_hash(context, data, length, out));
	input[0] = LEAF_PREFIX;
	memcpy(input + 1, data, length);
	return status_from_digest(digest_bytes(context, input, length + 1, out));
}

MerkleStatus
merkle_node_hash(DigestContext *context, const uint8_t left[DIGEST_SIZE], const uint8_t right[DIGEST_SIZE],
				 uint8_t out[DIGEST_SIZE])
{
	uint8_t input[1 + 2 * DIGEST_SIZE];

	input[0] = NODE_PREFIX;
	memcpy(input + 1, left, DIGEST_SIZE);
	memcpy(input + 1 + DIGEST_SIZE, right, DIGEST_SIZE);
	return status_from_digest(digest_bytes(context, input, sizeof(input), out));
}

MerkleStatus
merkle_append(DigestContext *context, MerkleFrontier *frontier, const uint8_t leaf[DIGEST_SIZE])
{
	return merkle_append_subtree(context, frontier, 0, leaf);
}

MerkleStatus
merkle_append_subtree(DigestContext *context, MerkleFrontier *frontier, unsigned level,
					  const uint8_t hash[DIGEST_SIZE])
{
	uint8_t completed[MERKLE_LEVELS + 1][DIGEST_SIZE];
	unsigned top = level;

	if (level >= MERKLE_LEVELS || frontier->size > MERKLE_SIZE_MAX - (UINT64_C(1) << level))
		return MERKLE_FULL;
	if ((frontier->size & ((UINT64_C(1) << level) - 1)) != 0)
		return MERKLE_UNALIGNED;
	memcpy(completed[top], hash, DIGEST_SIZE);
	for (; (frontier->size >> top & 1) != 0; top++)
	{
		MerkleStatus status =
			merkle_node_hash(context, frontier->hashes[top], completed[top], completed[top + 1]);

		if (status != MERKLE_OK)
			return status;
	}
	memcpy(frontier->hashes[level], completed[level], (top - level + 1) * DIGEST_SIZE);
	frontier->size += UINT64_C(1) << level;
	return MERKLE_OK;
}

const uint8_t *
merkle_completed(const MerkleFrontier *frontier, unsigned level)
{
	if (level >= MERKLE_LEVELS || frontier->size == 0 || (frontier->size & ((UINT64_C(1) << level) - 1)) != 0)
		return NULL;
	return frontier->hashes[level];
}

MerkleStatus
merkle_root(DigestContext *context, const MerkleFrontier *frontier, uint8_t out[DIGEST_SIZE])
{
	uint8_t root[DIGEST_SIZE];
	bool found = false;

	for (unsigned level = 0; level < MERKLE_LEVELS; level++)
	{
		MerkleStatus status = MERKLE_OK;

		if ((frontier->size >> level & 1) == 0)
			continue;
		if (found)
			status = merkle_node_hash(context, frontier->hashes[level], root, root);
		else
			memcpy(root, frontier->hashes[level], DIGEST_SIZE);
		if (status != MERKLE_OK)
			return status;
		found = true;
	}
	memcpy(out, found ? root : merkle_empty_root, DIGEST_SIZE);
	return MERKLE_OK;
}

size_t
merkle_frontier_write(const MerkleFrontier *frontier, uint8_t out[MERKLE_FRONTIER_BYTES_MAX])
{
	size_t length = 8;

	for (int i = 0; i < 8; i++)
		out[i] = (uint8_t) (frontier->size >> (56 - 8 * i));
	for (unsigned level = MERKLE_LEVELS; level-- > 0;)
		if ((frontier->size >> level & 1) != 0)
		{
			memcpy(out + length, frontier->hashes[level], DIGEST_SIZE);
			length += DIGEST_SIZE;
		}
	return length;
}

MerkleStatus
merkle_frontier_read(const uint8_t *bytes, size_t length, MerkleFrontier *frontier)
{
	MerkleFrontier read = {0};
	size_t used = 8;

	if (length < used)
		return MERKLE_ENCODING;
	for (int i = 0; i < 8; i++)
		read.size = read.size << 8 | bytes[i];
	if (read.size > MERKLE_SIZE_MAX)
		return MERKLE_ENCODING;
	for (unsigned level = MERKLE_LEVELS; level-- > 0;)
	{
		if ((read.size >> level & 1) == 0)
			continue;
		if (length - used < DIGEST_SIZE)
			return MERKLE_ENCODING;
		memcpy(read.hashes[level], bytes + used, DIGEST_SIZE);
		used += DIGEST_SIZE;
	}
	if (used != length)
		return MERKLE_ENCODING;
	*frontier = read;
	return MERKLE_OK;
}
