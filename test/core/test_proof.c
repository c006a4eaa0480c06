/*
 * Inclusion and consistency proofs: equal to those of RFC 6962's recursive definition for every size up to 300, and
 * nothing but the right proof verifies.
 */
#include "merkle_proof.h"
#include "naive_tree.h"
#include "vectors.h"

static DigestContext *context;

/* Also counts, and fails when asked for anything but a complete subtree of the tree. */
static unsigned asked;

static bool
naive_subtree(void *size, unsigned level, uint64_t index, uint8_t out[DIGEST_SIZE])
{
	uint64_t first = index << level;
	uint64_t end = (index + 1) << level;

	asked++;
	CHECK(end <= *(unsigned *) size);
	memcpy(out, naive_hashes[first][end], DIGEST_SIZE);
	return true;
}

static void
prove_consistency(unsigned older, unsigned newer, MerkleProof *proof)
{
	CHECK_INT(merkle_prove_consistency(context, older, newer, naive_subtree, &newer, proof), MERKLE_OK);
}

static void
prove_inclusion(unsigned index, unsigned size, MerkleProof *proof)
{
	CHECK_INT(merkle_prove_inclusion(context, index, size, naive_subtree, &size, proof), MERKLE_OK);
}

static MerkleStatus
verify_consistency(unsigned older, unsigned newer, const MerkleProof *proof)
{
	return merkle_verify_consistency(context, older, naive_hashes[0][older], newer, naive_hashes[0][newer],
									 proof);
}

static MerkleStatus
verify_inclusion(unsigned index, unsigned size, const MerkleProof *proof)
{
	return merkle_verify_inclusion(context, index, size, naive_hashes[index][index + 1], proof,
								   naive_hashes[0][size]);
}

static void
test_all_inclusion(void)
{
	for (unsigned size = 1; size <= NAIVE_MAX; size++)
		for (unsigned index = 0; index < size; index++)
		{
			MerkleProof proof;
			MerkleProof want = {0};

			asked = 0;
			prove_inclusion(index, size, &proof);
			CHECK(asked <= 18);
			naive_path(index, 0, size, &want);
			CHECK(same_proof(&proof, &want));
			CHECK_INT(verify_inclusion(index, size, &proof), MERKLE_OK);
			CHECK_INT(merkle_verify_inclusion(context, index, size, naive_hashes[index][index + 1], &proof,
											  naive_hashes[0][size - 1]),
					  MERKLE_REFUSED);
		}
}

static void
test_all_consistency(void)
{
	for (unsigned newer = 0; newer <= NAIVE_MAX; newer++)
		for (unsigned older = 0; older <= newer; older++)
		{
			MerkleProof proof;
			MerkleProof want = {0};

			prove_consistency(older, newer, &proof);
			if (older > 0)
				naive_subproof(older, 0, newer, true, &want);
			CHECK(same_proof(&proof, &want));
			CHECK_INT(verify_consistency(older, newer, &proof), MERKLE_OK);
			/* Another older root, and another newer one (the empty tree says nothing about it). */
			CHECK_INT(merkle_verify_consistency(context, older,
												naive_hashes[0][older + 1 - 2 * (older == NAIVE_MAX)], newer,
												naive_hashes[0][newer], &proof),
					  MERKLE_REFUSED);
			if (older > 0)
				CHECK_INT(merkle_verify_consistency(context, older, naive_hashes[0][older], newer,
													naive_hashes[0][newer - 1], &proof),
						  MERKLE_REFUSED);
		}
}

/* Sizes with one bit, all bits, and some, on both sides of a block. */
static const unsigned sizes[] = {1, 2, 3, 4, 5, 7, 8, 13, 64, 100, 127, 128, 129, 255, 256, 257, 300};

#define SIZES (sizeof(sizes) / sizeof(sizes[0]))

typedef MerkleStatus (*VerifyFunction)(unsigned a, unsigned b, const MerkleProof *proof);

/* Each bit of each hash flipped; the last or first hash missing; one more at either end; two exchanged. */
static unsigned
check_mutants(VerifyFunction verify, unsigned a, unsigned b, const MerkleProof *proof)
{
	MerkleProof mutant = *proof;
	unsigned count = 0;

	for (size_t bit = 0; bit < proof->count * DIGEST_SIZE * 8; bit++, count++)
	{
		uint8_t *byte = &mutant.nodes[bit / (DIGEST_SIZE * 8)][bit / 8 % DIGEST_SIZE];

		*byte ^= (uint8_t) (1 << bit % 8);
		CHECK_INT(verify(a, b, &mutant), MERKLE_REFUSED);
		*byte ^= (uint8_t) (1 << bit % 8);
	}
	for (size_t i = 0; i + 1 < proof->count; i++, count++)
	{
		memcpy(mutant.nodes[i], proof->nodes[i + 1], DIGEST_SIZE);
		memcpy(mutant.nodes[i + 1], proof->nodes[i], DIGEST_SIZE);
		CHECK_INT(verify(a, b, &mutant), MERKLE_REFUSED);
		mutant = *proof;
	}
	for (mutant.count = 0; mutant.count <= MERKLE_PROOF_MAX + 1; mutant.count++, count++)
		if (mutant.count != proof->count)
			CHECK_INT(verify(a, b, &mutant), MERKLE_LENGTH);
	mutant.count = proof->count + 1;
	memcpy(mutant.nodes[0], naive_hashes[0][1], DIGEST_SIZE);
	memcpy(mutant.nodes[1], proof->nodes[0], proof->count * DIGEST_SIZE);
	CHECK_INT(verify(a, b, &mutant), MERKLE_LENGTH);
	return count;
}

static void
test_mutants(void)
{
	unsigned count = 0;

	for (size_t i = 0; i < SIZES; i++)
		for (unsigned a = 0; a < sizes[i]; a += a < 3 || a + 3 > sizes[i] ? 1 : sizes[i] / 7 + 1)
		{
			MerkleProof proof = {0};

			prove_inclusion(a, sizes[i], &proof);
			count += check_mutants(verify_inclusion, a, sizes[i], &proof);
			prove_consistency(a + 1, sizes[i], &proof);
			count += check_mutants(verify_consistency, a + 1, sizes[i], &proof);
		}
	printf("%u mutants refused\n", count);
}

/* A proof holds for its own index and sizes only. */
static void
test_other_numbers(void)
{
	for (size_t i = 0; i < SIZES; i++)
	{
		unsigned size = sizes[i];
		MerkleProof proof;

		prove_inclusion(size / 2, size, &proof);
		for (unsigned index = 0; index < size; index++)
			if (index != size / 2)
				CHECK(verify_inclusion(index, size, &proof) != MERKLE_OK);
		for (unsigned index = 0; index < size; index++)
			CHECK((merkle_verify_inclusion(context, index, size, naive_hashes[size / 2][size / 2 + 1], &proof,
										   naive_hashes[0][size]) == MERKLE_OK) == (index == size / 2));
		prove_consistency(size / 2, size, &proof);
		for (unsigned older = 1; older < size; older++)
			if (older != size / 2)
				CHECK(verify_consistency(older, size, &proof) != MERKLE_OK);
	}
}

static bool
nothing_stored(void *nothing, unsigned level, uint64_t index, uint8_t out[DIGEST_SIZE])
{
	(void) nothing;
	(void) level;
	(void) index;
	(void) out;
	return false;
}

static void
test_refusals(void)
{
	static const uint64_t outside[][2] = {
		{0, 0}, {1, 1}, {2, 1}, {UINT64_MAX, 1}, {0, MERKLE_SIZE_MAX + 1}, {0, UINT64_MAX}};
	MerkleProof proof = {0};
	MerkleSpan spans[MERKLE_SPANS_MAX];
	size_t count;

	for (size_t i = 0; i < sizeof(outside) / sizeof(outside[0]); i++)
	{
		uint64_t a = outside[i][0];
		uint64_t b = outside[i][1];

		CHECK_INT(merkle_prove_inclusion(context, a, b, nothing_stored, NULL, &proof), MERKLE_OUT_OF_TREE);
		CHECK_INT(merkle_inclusion_spans(a, b, 8, spans, &count), MERKLE_OUT_OF_TREE);
		CHECK_INT(merkle_verify_inclusion(context, a, b, merkle_empty_root, &proof, merkle_empty_root),
				  MERKLE_OUT_OF_TREE);
		if (i < 2)
			continue;
		CHECK_INT(merkle_prove_consistency(context, a, b, nothing_stored, NULL, &proof), MERKLE_OUT_OF_TREE);
		CHECK_INT(merkle_consistency_spans(a, b, 8, spans, &count), MERKLE_OUT_OF_TREE);
		CHECK_INT(merkle_verify_consistency(context, a, merkle_empty_root, b, merkle_empty_root, &proof),
				  MERKLE_OUT_OF_TREE);
	}
	CHECK_INT(merkle_prove_inclusion(context, 0, 2, nothing_stored, NULL, &proof), MERKLE_MISSING);
	CHECK_INT(merkle_prove_consistency(context, 1, 2, nothing_stored, NULL, &proof), MERKLE_MISSING);
	/* Two sizes of zero have the root of the empty tree, not any root. */
	CHECK_INT(merkle_verify_consistency(context, 0, naive_hashes[0][1], 0, naive_hashes[0][1], &proof),
			  MERKLE_REFUSED);
}

int
main(void)
{
	CHECK_INT(digest_create(&context), DIGEST_OK);
	naive_fill(context);
	test_all_inclusion();
	test_all_consistency();
	test_mutants();
	test_other_numbers();
	test_refusals();
	digest_free(context);
	TEST_MAIN_END();
}
