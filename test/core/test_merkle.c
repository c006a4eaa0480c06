/* The tree's hashes against RFC 6962's definition, its reference tree, and the frontier's ways to be filled. */
#include "merkle.h"
#include "naive_tree.h"
#include "vectors.h"

static DigestContext *context;

#define CHECK_HASH(got, want) CHECK(memcmp((got), (want), DIGEST_SIZE) == 0)

static void
test_sizes(void)
{
	MerkleFrontier frontier = {0};
	uint8_t root[DIGEST_SIZE];

	for (unsigned size = 0; size <= NAIVE_MAX; size++)
	{
		CHECK_INT(frontier.size, size);
		CHECK_INT(merkle_root(context, &frontier, root), MERKLE_OK);
		CHECK_HASH(root, naive_hashes[0][size]);
		for (unsigned level = 0; level < 10; level++)
		{
			const uint8_t *completed = merkle_completed(&frontier, level);
			unsigned leaves = 1U << level;

			CHECK((completed != NULL) == (size > 0 && size % leaves == 0));
			if (completed != NULL)
				CHECK_HASH(completed, naive_hashes[size - leaves][size]);
		}
		if (size < NAIVE_MAX)
			CHECK_INT(merkle_append(context, &frontier, naive_hashes[size][size + 1]), MERKLE_OK);
	}
	CHECK(merkle_completed(&frontier, MERKLE_LEVELS) == NULL);
	CHECK_HASH(merkle_empty_root, naive_hashes[0][0]);
}

static void
test_subtrees(void)
{
	for (unsigned level = 0; level <= MERKLE_BLOCK_LEVEL; level++)
	{
		MerkleFrontier frontier = {0};
		unsigned leaves = 1U << level;
		uint8_t root[DIGEST_SIZE];

		for (unsigned size = leaves; size <= NAIVE_MAX; size += leaves)
		{
			CHECK_INT(merkle_append_subtree(context, &frontier, level, naive_hashes[size - leaves][size]),
					  MERKLE_OK);
			CHECK_INT(merkle_root(context, &frontier, root), MERKLE_OK);
			CHECK_HASH(root, naive_hashes[0][size]);
		}
	}
}

static void
test_refusals(void)
{
	MerkleFrontier frontier = {0};
	MerkleFrontier before;
	static const uint8_t hash[DIGEST_SIZE];

	CHECK_INT(merkle_append(context, &frontier, hash), MERKLE_OK);
	before = frontier;
	for (unsigned level = 1; level < MERKLE_LEVELS; level++)
		CHECK_INT(merkle_append_subtree(context, &frontier, level, hash), MERKLE_UNALIGNED);
	CHECK_INT(merkle_append_subtree(context, &frontier, MERKLE_LEVELS, hash), MERKLE_FULL);
	CHECK_INT(merkle_append_subtree(context, &frontier, 1000, hash), MERKLE_FULL);
	CHECK(memcmp(&frontier, &before, sizeof(before)) == 0);

	/* 2^62 + 2^61 + ... + 1 leaves are the most. */
	memset(&frontier, 0, sizeof(frontier));
	for (unsigned level = MERKLE_LEVELS; level-- > 0;)
	{
		CHECK_INT(merkle_append_subtree(context, &frontier, level, hash), MERKLE_OK);
	}
	CHECK(frontier.size == MERKLE_SIZE_MAX);
	CHECK_INT(merkle_append(context, &frontier, hash), MERKLE_FULL);
	CHECK(strcmp(merkle_status_text(MERKLE_FULL), merkle_status_text(MERKLE_FAILED)) != 0);
}

static void
test_bytes(void)
{
	MerkleFrontier frontier = {0};
	MerkleFrontier read;
	uint8_t bytes[MERKLE_FRONTIER_BYTES_MAX + 1] = {0};
	uint8_t root[DIGEST_SIZE];

	for (unsigned size = 0; size <= NAIVE_MAX; size++)
	{
		unsigned bits = 0;
		size_t length = merkle_frontier_write(&frontier, bytes);

		for (unsigned rest = size; rest > 0; rest >>= 1)
			bits += rest & 1;
		CHECK_INT(length, 8 + bits * DIGEST_SIZE);
		CHECK_INT(merkle_frontier_read(bytes, length, &read), MERKLE_OK);
		CHECK_INT(read.size, size);
		CHECK_INT(merkle_root(context, &read, root), MERKLE_OK);
		CHECK_HASH(root, naive_hashes[0][size]);
		CHECK_INT(merkle_frontier_read(bytes, length - 1, &read), MERKLE_ENCODING);
		CHECK_INT(merkle_frontier_read(bytes, length + 1, &read), MERKLE_ENCODING);
		if (size == NAIVE_MAX)
			break;
		/* What was read is appended to as if it had never been bytes. */
		frontier = read;
		CHECK_INT(merkle_append(context, &frontier, naive_hashes[size][size + 1]), MERKLE_OK);
	}
	/* Sizes of 2^63 - 1, which is the largest, and of 2^63. */
	memset(bytes, 0xFF, sizeof(bytes));
	bytes[0] = 0x7F;
	CHECK_INT(merkle_frontier_read(bytes, MERKLE_FRONTIER_BYTES_MAX, &read), MERKLE_OK);
	CHECK_INT(merkle_frontier_write(&read, bytes), MERKLE_FRONTIER_BYTES_MAX);
	memset(bytes, 0, sizeof(bytes));
	bytes[0] = 0x80;
	CHECK_INT(merkle_frontier_read(bytes, 8, &read), MERKLE_ENCODING);
	CHECK_INT(merkle_frontier_read(bytes, 8 + DIGEST_SIZE, &read), MERKLE_ENCODING);
}

/* node_hashes_by_level also has the inner nodes, which no root of a size shows. */
static void
test_reference_tree(void)
{
	JsonDocument *document = vectors_read("rfc6962_reference_tree.json");
	MerkleFrontier frontier = {0};
	uint8_t hash[DIGEST_SIZE];
	uint8_t want[DIGEST_SIZE];
	uint8_t data[64];
	const JsonNode *root;
	const JsonNode *level;
	size_t count = 0;

	if (document == NULL)
		return;
	vectors_hex(json_member(json_root(document), "empty_root")->text, want);
	CHECK_HASH(merkle_empty_root, want);
	root = json_member(json_root(document), "root_hash_by_size_1_to_8")->first;
	for (const JsonNode *input = json_member(json_root(document), "leaf_inputs_hex")->first; input != NULL;
		 input = input->next, root = root->next, count++)
	{
		size_t length = vectors_hex(input->text, data);
		unsigned i = 0;

		CHECK_INT(merkle_leaf_hash(context, data, length, hash), MERKLE_OK);
		CHECK_INT(merkle_append(context, &frontier, hash), MERKLE_OK);
		CHECK_INT(merkle_root(context, &frontier, hash), MERKLE_OK);
		vectors_hex(root->text, want);
		CHECK_HASH(hash, want);
		for (level = json_member(json_root(document), "node_hashes_by_level")->first; level != NULL;
			 level = level->next, i++)
		{
			const uint8_t *completed = merkle_completed(&frontier, i);
			const JsonNode *node = level->first;

			if (completed == NULL)
				continue;
			for (size_t skip = (count + 1) >> i; skip > 1; skip--)
				node = node->next;
			vectors_hex(node->text, want);
			CHECK_HASH(completed, want);
		}
	}
	CHECK_INT(count, 8);
	json_free(document);
}

int
main(void)
{
	CHECK_INT(digest_create(&context), DIGEST_OK);
	naive_fill(context);
	test_sizes();
	test_subtrees();
	test_refusals();
	test_bytes();
	test_reference_tree();
	digest_free(context);
	TEST_MAIN_END();
}
