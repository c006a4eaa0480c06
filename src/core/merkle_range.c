#include "merkle_range.h"

#include <string.h>

/* The level of the subtree that a leaf completes together with the last subtrees of the range. */
static unsigned
completed_level(const MerkleRange *range)
{
	uint64_t end = range->first + range->size + 1;
	unsigned level = 0;

	while (level < range->count && range->levels[range->count - 1 - level] == level &&
		   (end & ((UINT64_C(2) << level) - 1)) == 0)
		level++;
	return level;
}

MerkleStatus
merkle_range_append(DigestContext *context, MerkleRange *range, const uint8_t leaf[DIGEST_SIZE])
{
	uint8_t hash[DIGEST_SIZE];
	unsigned level;

	if (range->first > MERKLE_SIZE_MAX || range->size >= MERKLE_SIZE_MAX - range->first)
		return MERKLE_FULL;
	level = completed_level(range);
	memcpy(hash, leaf, DIGEST_SIZE);
	for (unsigned i = 0; i < level; i++)
	{
		MerkleStatus status = merkle_node_hash(context, range->hashes[range->count - 1 - i], hash, hash);

		if (status != MERKLE_OK)
			return status;
	}
	range->count -= level;
	range->levels[range->count] = (uint8_t) level;
	memcpy(range->hashes[range->count++], hash, DIGEST_SIZE);
	range->size++;
	return MERKLE_OK;
}

size_t
merkle_range_write(const MerkleRange *range, uint8_t out[MERKLE_RANGE_BYTES_MAX])
{
	for (unsigned i = 0; i < range->count; i++)
	{
		out[i * MERKLE_RANGE_NODE_BYTES] = range->levels[i];
		memcpy(out + i * MERKLE_RANGE_NODE_BYTES + 1, range->hashes[i], DIGEST_SIZE);
	}
	return range->count * MERKLE_RANGE_NODE_BYTES;
}

MerkleStatus
merkle_append_range(DigestContext *context, MerkleFrontier *frontier, const uint8_t *bytes, size_t length)
{
	if (length == 0 || length % MERKLE_RANGE_NODE_BYTES != 0 || length > MERKLE_RANGE_BYTES_MAX)
		return MERKLE_ENCODING;
	for (size_t i = 0; i < length; i += MERKLE_RANGE_NODE_BYTES)
	{
		MerkleStatus status = merkle_append_subtree(context, frontier, bytes[i], bytes + i + 1);

		if (status != MERKLE_OK)
			return bytes[i] >= MERKLE_LEVELS ? MERKLE_ENCODING : status;
	}
	return MERKLE_OK;
}
