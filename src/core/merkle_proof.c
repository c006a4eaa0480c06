#include "merkle_proof.h"

#include <stdlib.h>
#include <string.h>

/* A path has a subtree for each level at most, and one incomplete sibling made of as many again. */
#define SUBTREES_MAX MERKLE_SPANS_MAX

typedef struct Subtree
{
	unsigned level;
	uint64_t index;
} Subtree;

/* A proof before its hashes are known: each node is made of the next parts subtrees, from left to right. */
typedef struct Plan
{
	size_t node_count;
	size_t subtree_count;
	size_t parts[MERKLE_PROOF_MAX];
	Subtree subtrees[SUBTREES_MAX];
} Plan;

static unsigned
trailing_zeros(uint64_t value)
{
	unsigned count = 0;

	for (; (value & 1) == 0; value >>= 1)
		count++;
	return count;
}

/*
 * Adds the node over the leaves from index * 2^level on, up to the size where that comes first: an incomplete subtree
 * is complete ones of falling levels, joined from the right (RFC 6962 2.1).
 */
static void
plan_node(Plan *plan, unsigned level, uint64_t index, uint64_t size)
{
	uint64_t start = index << level;
	uint64_t end = (index + 1) << level;
	size_t *parts = &plan->parts[plan->node_count++];

	if (end > size)
		end = size;
	*parts = 0;
	for (unsigned below = level + 1; below-- > 0 && start < end;)
	{
		if (end - start < UINT64_C(1) << below)
			continue;
		plan->subtrees[plan->subtree_count++] = (Subtree){below, start >> below};
		*parts += 1;
		start += UINT64_C(1) << below;
	}
}

/* The siblings on the way from a complete subtree to the root of the tree of that size. */
static void
plan_path(Plan *plan, unsigned level, uint64_t index, uint64_t size)
{
	for (; (size - 1) >> level != 0; level++, index >>= 1)
	{
		uint64_t sibling = index ^ 1;

		if (sibling <= (size - 1) >> level)
			plan_node(plan, level, sibling, size);
	}
}

static MerkleStatus
plan_inclusion(Plan *plan, uint64_t index, uint64_t size)
{
	plan->node_count = plan->subtree_count = 0;
	if (size > MERKLE_SIZE_MAX || index >= size)
		return MERKLE_OUT_OF_TREE;
	plan_path(plan, 0, index, size);
	return MERKLE_OK;
}

/* The largest complete subtree at the older tree's end belongs to both trees: it, unless it is the older tree itself
 * and so known, and its path in the newer tree (RFC 6962 2.1.2). */
static MerkleStatus
plan_consistency(Plan *plan, uint64_t older, uint64_t newer)
{
	unsigned level;
	uint64_t index;

	plan->node_count = plan->subtree_count = 0;
	if (newer > MERKLE_SIZE_MAX || older > newer)
		return MERKLE_OUT_OF_TREE;
	if (older == 0 || older == newer)
		return MERKLE_OK;
	level = trailing_zeros(older);
	index = (older - 1) >> level;
	if (index != 0)
		plan_node(plan, level, index, newer);
	plan_path(plan, level, index, newer);
	return MERKLE_OK;
}

static MerkleStatus
carry_out(const Plan *plan, DigestContext *digest, MerkleSubtreeHash subtree_hash, void *context,
		  MerkleProof *proof)
{
	const Subtree *subtree = plan->subtrees;

	for (size_t i = 0; i < plan->node_count; i++)
	{
		const Subtree *first = subtree;

		subtree += plan->parts[i];
		for (const Subtree *part = subtree; part-- > first;)
		{
			uint8_t hash[DIGEST_SIZE];
			MerkleStatus status = MERKLE_OK;

			if (!subtree_hash(context, part->level, part->index, hash))
				return MERKLE_MISSING;
			if (part + 1 == subtree)
				memcpy(proof->nodes[i], hash, DIGEST_SIZE);
			else
				status = merkle_node_hash(digest, hash, proof->nodes[i], proof->nodes[i]);
			if (status != MERKLE_OK)
				return status;
		}
	}
	proof->count = plan->node_count;
	return MERKLE_OK;
}

MerkleStatus
merkle_prove_inclusion(DigestContext *digest, uint64_t index, uint64_t size, MerkleSubtreeHash subtree_hash,
					   void *context, MerkleProof *proof)
{
	Plan plan;
	MerkleStatus status = plan_inclusion(&plan, index, size);

	return status == MERKLE_OK ? carry_out(&plan, digest, subtree_hash, context, proof) : status;
}

MerkleStatus
merkle_prove_consistency(DigestContext *digest, uint64_t older, uint64_t newer,
						 MerkleSubtreeHash subtree_hash, void *context, MerkleProof *proof)
{
	Plan plan;
	MerkleStatus status = plan_consistency(&plan, older, newer);

	return status == MERKLE_OK ? carry_out(&plan, digest, subtree_hash, context, proof) : status;
}

bool
merkle_store_subtree(void *store, unsigned level, uint64_t index, uint8_t out[DIGEST_SIZE])
{
	const MerkleStore *from = store;
	unsigned below = level - level % MERKLE_BLOCK_LEVEL;
	MerkleFrontier frontier;

	if (below > from->highest)
		below = from->highest;
	if (below == level)
		return from->stored(from->context, level, index, out);
	frontier.size = 0;
	for (uint64_t i = 0; i < UINT64_C(1) << (level - below); i++)
	{
		uint8_t hash[DIGEST_SIZE];

		if (!from->stored(from->context, below, (index << (level - below)) + i, hash))
			return false;
		if (merkle_append(from->digest, &frontier, hash) != MERKLE_OK)
			return false;
	}
	memcpy(out, frontier.hashes[level - below], DIGEST_SIZE);
	return true;
}

static int
compare_spans(const void *left, const void *right)
{
	const MerkleSpan *a = left;
	const MerkleSpan *b = right;

	if (a->level != b->level)
		return a->level < b->level ? -1 : 1;
	return a->first < b->first ? -1 : a->first > b->first;
}

/* The subtrees of a plan never overlap, so neither do their spans. */
static void
spans_of_plan(const Plan *plan, unsigned highest, MerkleSpan spans[MERKLE_SPANS_MAX], size_t *count)
{
	size_t kept = 0;

	for (size_t i = 0; i < plan->subtree_count; i++)
	{
		Subtree subtree = plan->subtrees[i];
		unsigned below = subtree.level - subtree.level % MERKLE_BLOCK_LEVEL;

		if (below > highest)
			below = highest;
		spans[i].level = below;
		spans[i].first = subtree.index << (subtree.level - below);
		spans[i].count = UINT64_C(1) << (subtree.level - below);
	}
	qsort(spans, plan->subtree_count, sizeof(*spans), compare_spans);
	for (size_t i = 0; i < plan->subtree_count; i++)
	{
		MerkleSpan *last = kept > 0 ? &spans[kept - 1] : NULL;

		if (last != NULL && last->level == spans[i].level && last->first + last->count == spans[i].first)
			last->count += spans[i].count;
		else
			spans[kept++] = spans[i];
	}
	*count = kept;
}

MerkleStatus
merkle_inclusion_spans(uint64_t index, uint64_t size, unsigned highest, MerkleSpan spans[MERKLE_SPANS_MAX],
					   size_t *count)
{
	Plan plan;
	MerkleStatus status = plan_inclusion(&plan, index, size);

	if (status == MERKLE_OK)
		spans_of_plan(&plan, highest, spans, count);
	return status;
}

MerkleStatus
merkle_consistency_spans(uint64_t older, uint64_t newer, unsigned highest, MerkleSpan spans[MERKLE_SPANS_MAX],
						 size_t *count)
{
	Plan plan;
	MerkleStatus status = plan_consistency(&plan, older, newer);

	if (status == MERKLE_OK)
		spans_of_plan(&plan, highest, spans, count);
	return status;
}
