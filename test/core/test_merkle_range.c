/* Ranges of leaves that are gone: whatever ranges a tree is cut into, its root is the same. */
#include "merkle_range.h"
#include "naive_tree.h"

static DigestContext *context;

/* The bytes of the range of leaves a to b - 1; their length. */
static size_t
range_bytes(unsigned a, unsigned b, uint8_t out[MERKLE_RANGE_BYTES_MAX])
{
	MerkleRange range = {.first = a};

	for (unsigned i = a; i < b; i++)
		CHECK_INT(merkle_range_append(context, &range, naive_hashes[i][i + 1]), MERKLE_OK);
	CHECK_INT(range.size, b - a);
	return merkle_range_write(&range, out);
}

static void
append_leaves(MerkleFrontier *frontier, unsigned a, unsigned b)
{
	for (unsigned i = a; i < b; i++)
		CHECK_INT(merkle_append(context, frontier, naive_hashes[i][i + 1]), MERKLE_OK);
}

static void
check_root(const MerkleFrontier *frontier, unsigned size)
{
	uint8_t root[DIGEST_SIZE];

	CHECK_INT(frontier->size, size);
	CHECK_INT(merkle_root(context, frontier, root), MERKLE_OK);
	CHECK(memcmp(root, naive_hashes[0][size], DIGEST_SIZE) == 0);
}

/* Leaves, a range, leaves: every cut of small trees, and cuts of a large one. */
static void
test_cuts(void)
{
	uint8_t bytes[MERKLE_RANGE_BYTES_MAX];

	for (unsigned size = 1; size <= NAIVE_MAX; size = size < 24 ? size + 1 : size + 69)
		for (unsigned a = 0; a < size; a += size < 24 ? 1 : 5)
			for (unsigned b = a + 1; b <= size; b += size < 24 ? 1 : 7)
			{
				MerkleFrontier frontier = {0};
				size_t length = range_bytes(a, b, bytes);

				append_leaves(&frontier, 0, a);
				CHECK_INT(merkle_append_range(context, &frontier, bytes, length), MERKLE_OK);
				append_leaves(&frontier, b, size);
				check_root(&frontier, size);
			}
}

/* Range after range, as month after month goes. */
static void
test_ranges_in_a_row(void)
{
	uint8_t bytes[MERKLE_RANGE_BYTES_MAX];

	for (unsigned step = 1; step < 70; step++)
	{
		MerkleFrontier frontier = {0};

		for (unsigned a = 0; a < NAIVE_MAX; a += step)
		{
			unsigned b = a + step < NAIVE_MAX ? a + step : NAIVE_MAX;
			size_t length = range_bytes(a, b, bytes);

			CHECK_INT(merkle_append_range(context, &frontier, bytes, length), MERKLE_OK);
			check_root(&frontier, b);
		}
	}
}

/* A range is as short as can be: of a tree's whole width, what its frontier has. */
static void
test_length(void)
{
	uint8_t bytes[MERKLE_RANGE_BYTES_MAX];

	for (unsigned size = 1; size <= NAIVE_MAX; size++)
		CHECK_INT(range_bytes(0, size, bytes), __builtin_popcount(size) * MERKLE_RANGE_NODE_BYTES);
	CHECK_INT(range_bytes(1, 8, bytes), 3 * MERKLE_RANGE_NODE_BYTES);
	CHECK_INT(range_bytes(5, 5, bytes), 0);
}

static void
test_refusals(void)
{
	uint8_t bytes[MERKLE_RANGE_BYTES_MAX];
	MerkleRange full = {.first = MERKLE_SIZE_MAX};
	MerkleFrontier frontier = {0};
	size_t length = range_bytes(2, 4, bytes);

	CHECK_INT(merkle_range_append(context, &full, naive_hashes[0][1]), MERKLE_FULL);
	CHECK_INT(merkle_append_range(context, &frontier, bytes, 0), MERKLE_ENCODING);
	CHECK_INT(merkle_append_range(context, &frontier, bytes, length - 1), MERKLE_ENCODING);
	append_leaves(&frontier, 0, 1);
	CHECK_INT(merkle_append_range(context, &frontier, bytes, length), MERKLE_UNALIGNED);
	bytes[0] = MERKLE_LEVELS;
	CHECK_INT(merkle_append_range(context, &frontier, bytes, length), MERKLE_ENCODING);
}

int
main(void)
{
	CHECK_INT(digest_create(&context), DIGEST_OK);
	naive_fill(context);
	test_cuts();
	test_ranges_in_a_row();
	test_length();
	test_refusals();
	digest_free(context);
	TEST_MAIN_END();
}
