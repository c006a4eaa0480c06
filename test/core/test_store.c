/*
 * Proofs of large trees from a log that stores every eighth level: no more is asked for than the spans say, what is
 * asked for stays small, and the proofs verify.
 */
#include "merkle_proof.h"
#include "naive_tree.h"
#include "vectors.h"

#define LEAVES 70000

static DigestContext *context;

/* Levels 0, 8 and 16 of LEAVES leaves. */
static uint8_t level_0[LEAVES][DIGEST_SIZE];
static uint8_t level_8[LEAVES >> 8][DIGEST_SIZE];
static uint8_t level_16[LEAVES >> 16][DIGEST_SIZE];
static uint8_t roots[LEAVES + 1][DIGEST_SIZE];

typedef struct Request
{
	const MerkleSpan *spans;
	size_t count;
	uint64_t asked;
} Request;

static bool
stored_hash(void *request, unsigned level, uint64_t index, uint8_t out[DIGEST_SIZE])
{
	Request *of = request;
	bool announced = false;

	for (size_t i = 0; i < of->count; i++)
		announced |= of->spans[i].level == level && index >= of->spans[i].first &&
					 index - of->spans[i].first < of->spans[i].count;
	CHECK(announced);
	of->asked++;
	if (level == 0 && index < LEAVES)
		memcpy(out, level_0[index], DIGEST_SIZE);
	else if (level == 8 && index < LEAVES >> 8)
		memcpy(out, level_8[index], DIGEST_SIZE);
	else if (level == 16 && index < LEAVES >> 16)
		memcpy(out, level_16[index], DIGEST_SIZE);
	else
		return false;
	return true;
}

static void
fill(void)
{
	MerkleFrontier frontier = {0};

	memcpy(roots[0], merkle_empty_root, DIGEST_SIZE);
	for (size_t i = 0; i < LEAVES; i++)
	{
		naive_leaf(context, i, level_0[i]);
		CHECK_INT(merkle_append(context, &frontier, level_0[i]), MERKLE_OK);
		if (merkle_completed(&frontier, 8) != NULL)
			memcpy(level_8[i >> 8], merkle_completed(&frontier, 8), DIGEST_SIZE);
		if (merkle_completed(&frontier, 16) != NULL)
			memcpy(level_16[i >> 16], merkle_completed(&frontier, 16), DIGEST_SIZE);
		CHECK_INT(merkle_root(context, &frontier, roots[i + 1]), MERKLE_OK);
	}
}

/* In order, apart, and as many hashes as the store will be asked for. */
static uint64_t
check_spans(const MerkleSpan *spans, size_t count)
{
	uint64_t total = 0;

	for (size_t i = 0; i < count; i++)
	{
		CHECK(spans[i].count > 0);
		if (i > 0)
			CHECK(spans[i - 1].level < spans[i].level ||
				  spans[i - 1].first + spans[i - 1].count < spans[i].first);
		total += spans[i].count;
	}
	return total;
}

static uint64_t
check_inclusion(uint64_t index, uint64_t size, unsigned highest)
{
	MerkleSpan spans[MERKLE_SPANS_MAX];
	Request request = {spans, 0, 0};
	MerkleStore store = {context, highest, stored_hash, &request};
	MerkleProof proof;

	CHECK_INT(merkle_inclusion_spans(index, size, highest, spans, &request.count), MERKLE_OK);
	CHECK_INT(merkle_prove_inclusion(context, index, size, merkle_store_subtree, &store, &proof), MERKLE_OK);
	CHECK_INT(request.asked, check_spans(spans, request.count));
	CHECK_INT(merkle_verify_inclusion(context, index, size, level_0[index], &proof, roots[size]), MERKLE_OK);
	return request.asked;
}

static uint64_t
check_consistency(uint64_t older, uint64_t newer, unsigned highest)
{
	MerkleSpan spans[MERKLE_SPANS_MAX];
	Request request = {spans, 0, 0};
	MerkleStore store = {context, highest, stored_hash, &request};
	MerkleProof proof;

	CHECK_INT(merkle_consistency_spans(older, newer, highest, spans, &request.count), MERKLE_OK);
	CHECK_INT(merkle_prove_consistency(context, older, newer, merkle_store_subtree, &store, &proof),
			  MERKLE_OK);
	CHECK_INT(request.asked, check_spans(spans, request.count));
	CHECK_INT(merkle_verify_consistency(context, older, roots[older], newer, roots[newer], &proof),
			  MERKLE_OK);
	return request.asked;
}

static void
test_random(uint64_t *state)
{
	for (int i = 0; i < 1000; i++)
	{
		uint64_t size = vectors_random(state) % LEAVES + 1;
		uint64_t index = vectors_random(state) % size;
		unsigned highest = (unsigned) (vectors_random(state) % 3) * 8;

		if (highest == 0)
			size = size % 1000 + 1, index %= size;
		check_consistency(index, size, highest);
		/* At most 255 hashes around the leaf, and as many at the right edge, of each stored level. */
		CHECK(check_inclusion(index, size, highest) <= (highest == 0 ? 1000 : 3 * 2 * 255));
	}
}

/* The spans of one proof in full: leaf 1000 of 2000, in block 3 (768 to 1023); the last block begins at 1792. */
static void
test_spans(void)
{
	static const MerkleSpan want[] = {{0, 768, 232}, {0, 1001, 23}, {0, 1792, 208}, {8, 0, 3}, {8, 4, 3}};
	MerkleSpan spans[MERKLE_SPANS_MAX];
	size_t count;

	CHECK_INT(merkle_inclusion_spans(1000, 2000, 8, spans, &count), MERKLE_OK);
	CHECK_INT(count, sizeof(want) / sizeof(want[0]));
	for (size_t i = 0; i < count && i < sizeof(want) / sizeof(want[0]); i++)
	{
		CHECK_INT(spans[i].level, want[i].level);
		CHECK_INT(spans[i].first, want[i].first);
		CHECK_INT(spans[i].count, want[i].count);
	}
	CHECK_INT(merkle_inclusion_spans(0, 1, 8, spans, &count), MERKLE_OK);
	CHECK_INT(count, 0);
	CHECK_INT(merkle_consistency_spans(256, 512, 8, spans, &count), MERKLE_OK);
	CHECK_INT(count, 1);
	CHECK(spans[0].level == 8 && spans[0].first == 1 && spans[0].count == 1);
}

/* The hash of a subtree in a tree of equal leaves depends on the level only. */
static bool
equal_leaves(void *levels, unsigned level, uint64_t index, uint8_t out[DIGEST_SIZE])
{
	(void) index;
	memcpy(out, (uint8_t *) levels + (size_t) level * DIGEST_SIZE, DIGEST_SIZE);
	return true;
}

/* Up to the largest tree: no shift or index overflows, and the longest proofs fit. */
static void
test_huge(uint64_t *state)
{
	static uint8_t levels[MERKLE_LEVELS][DIGEST_SIZE];
	MerkleFrontier frontier = {0};
	uint8_t root[DIGEST_SIZE];
	uint64_t size = MERKLE_SIZE_MAX;
	MerkleSpan spans[MERKLE_SPANS_MAX];
	size_t count;

	for (unsigned level = 1; level < MERKLE_LEVELS; level++)
		CHECK_INT(merkle_node_hash(context, levels[level - 1], levels[level - 1], levels[level]), MERKLE_OK);
	for (unsigned level = MERKLE_LEVELS; level-- > 0;)
		CHECK_INT(merkle_append_subtree(context, &frontier, level, levels[level]), MERKLE_OK);
	CHECK_INT(merkle_root(context, &frontier, root), MERKLE_OK);
	for (int i = 0; i < 300; i++)
	{
		uint64_t index = i == 0 ? 0 : i == 1 ? size - 1 : i == 2 ? size / 2 : vectors_random(state) % size;
		MerkleFrontier older = {0};
		uint8_t older_root[DIGEST_SIZE];
		MerkleProof proof;

		CHECK_INT(merkle_prove_inclusion(context, index, size, equal_leaves, levels, &proof), MERKLE_OK);
		CHECK_INT(merkle_verify_inclusion(context, index, size, levels[0], &proof, root), MERKLE_OK);
		CHECK_INT(merkle_inclusion_spans(index, size, 56, spans, &count), MERKLE_OK);
		older.size = index;
		memcpy(older.hashes, levels, sizeof(older.hashes));
		CHECK_INT(merkle_root(context, &older, older_root), MERKLE_OK);
		CHECK_INT(merkle_prove_consistency(context, index, size, equal_leaves, levels, &proof), MERKLE_OK);
		CHECK_INT(merkle_verify_consistency(context, index, older_root, size, root, &proof), MERKLE_OK);
	}
}

int
main(void)
{
	uint64_t state = vectors_seed();

	CHECK_INT(digest_create(&context), DIGEST_OK);
	fill();
	test_random(&state);
	test_spans();
	test_huge(&state);
	CHECK(check_inclusion(LEAVES - 1, LEAVES, 16) < 3 * 255);
	CHECK(check_inclusion(0, LEAVES, 16) < 3 * 2 * 255);
	digest_free(context);
	TEST_MAIN_END();
}
