/*
 * Every allocation and every call of the crypto library behind trees, proofs, keys and notes fails once, the first,
 * the second and so on, until a run needs no more: each must be reported, change nothing that was there before and
 * leave nothing behind. The sources are compiled in under other names, with counting calls.
 */
#include "faults.h"

#define digest_create faulty_digest_create
#define digest_reset faulty_digest_reset
#define digest_update faulty_digest_update
#define digest_update_part faulty_digest_update_part
#define digest_final faulty_digest_final
#define digest_free faulty_digest_free
#define digest_bytes faulty_digest_bytes
#define digest_sha256 faulty_digest_sha256
#define digest_parts faulty_digest_parts
#define merkle_empty_root faulty_merkle_empty_root
#define merkle_status_text faulty_merkle_status_text
#define merkle_leaf_hash faulty_merkle_leaf_hash
#define merkle_node_hash faulty_merkle_node_hash
#define merkle_append faulty_merkle_append
#define merkle_append_subtree faulty_merkle_append_subtree
#define merkle_completed faulty_merkle_completed
#define merkle_root faulty_merkle_root
#define merkle_frontier_write faulty_merkle_frontier_write
#define merkle_frontier_read faulty_merkle_frontier_read
#define merkle_prove_inclusion faulty_merkle_prove_inclusion
#define merkle_prove_consistency faulty_merkle_prove_consistency
#define merkle_store_subtree faulty_merkle_store_subtree
#define merkle_inclusion_spans faulty_merkle_inclusion_spans
#define merkle_consistency_spans faulty_merkle_consistency_spans
#define merkle_verify_inclusion faulty_merkle_verify_inclusion
#define merkle_verify_consistency faulty_merkle_verify_consistency
#define signature_public_key faulty_signature_public_key
#define signature_sign faulty_signature_sign
#define signature_check_key faulty_signature_check_key
#define signature_verify faulty_signature_verify
#define note_status_text faulty_note_status_text
#define note_status_from_signature faulty_note_status_from_signature
#define note_check_characters faulty_note_check_characters
#define note_check_name faulty_note_check_name
#define note_key_make faulty_note_key_make
#define note_key_parse faulty_note_key_parse
#define note_key_format faulty_note_key_format
#define note_parse faulty_note_parse
#define note_verify faulty_note_verify
#define note_sign faulty_note_sign
#define note_cosign faulty_note_cosign

#include "../../src/core/digest.c"
#include "../../src/core/merkle.c"
#include "../../src/core/merkle_proof.c"
#include "../../src/core/merkle_verify.c"
#include "../../src/core/signature.c"
#include "../../src/core/note_key.c"
#include "../../src/core/note.c"

#include "test.h"

#define LEAVES 11

typedef struct Results
{
	uint8_t leaves[LEAVES][DIGEST_SIZE];
	MerkleFrontier frontier;
	uint8_t older_root[DIGEST_SIZE];
	uint8_t root[DIGEST_SIZE];
	MerkleProof inclusion;
	MerkleProof consistency;
	char lines[2][NOTE_LINE_MAX];
} Results;

static bool
stored_leaf(void *results, unsigned level, uint64_t index, uint8_t out[DIGEST_SIZE])
{
	CHECK_INT(level, 0);
	memcpy(out, ((Results *) results)->leaves[index], DIGEST_SIZE);
	return true;
}

static MerkleStatus
append_all(DigestContext *context, Results *results)
{
	MerkleStatus status = MERKLE_OK;

	for (uint8_t i = 0; i < LEAVES && status == MERKLE_OK; i++)
	{
		MerkleFrontier before = results->frontier;

		status = merkle_leaf_hash(context, &i, 1, results->leaves[i]);
		if (status == MERKLE_OK)
			status = merkle_append(context, &results->frontier, results->leaves[i]);
		if (status != MERKLE_OK)
			CHECK(memcmp(&before, &results->frontier, sizeof(before)) == 0);
		if (status == MERKLE_OK && i + 1 == 6)
			status = merkle_root(context, &results->frontier, results->older_root);
	}
	return status == MERKLE_OK ? merkle_root(context, &results->frontier, results->root) : status;
}

static MerkleStatus
run_tree(Results *results)
{
	DigestContext *context;
	DigestStatus created = digest_create(&context);
	MerkleStore store = {context, 0, stored_leaf, results};
	MerkleStatus status;

	if (created != DIGEST_OK)
		return created == DIGEST_NO_MEMORY ? MERKLE_NO_MEMORY : MERKLE_FAILED;
	status = append_all(context, results);
	if (status == MERKLE_OK)
		status =
			merkle_prove_inclusion(context, 2, LEAVES, merkle_store_subtree, &store, &results->inclusion);
	if (status == MERKLE_OK)
		status =
			merkle_prove_consistency(context, 6, LEAVES, merkle_store_subtree, &store, &results->consistency);
	if (status == MERKLE_OK)
		status = merkle_verify_inclusion(context, 2, LEAVES, results->leaves[2], &results->inclusion,
										 results->root);
	if (status == MERKLE_OK)
		status = merkle_verify_consistency(context, 6, results->older_root, LEAVES, results->root,
										   &results->consistency);
	digest_free(context);
	return status;
}

static NoteStatus
run_note(Results *results)
{
	static const uint8_t seed[SIGNATURE_SEED_SIZE] = {1};
	TextSpan text = {"text\n", 5};
	uint8_t public_key[SIGNATURE_KEY_SIZE];
	NoteKey keys[2];
	NoteVerdict verdicts[2];
	Note note;
	char bytes[2 * NOTE_LINE_MAX + 8] = "text\n\n";
	size_t first = 0;
	size_t second = 0;
	NoteStatus status = note_status_from_signature(signature_public_key(seed, public_key));

	if (status == NOTE_OK)
		status = note_key_make(NOTE_ED25519, (TextSpan){"log", 3}, public_key, &keys[0]);
	if (status == NOTE_OK)
		status = note_key_make(NOTE_COSIGNATURE, (TextSpan){"witness", 7}, public_key, &keys[1]);
	if (status == NOTE_OK)
		status = note_sign(&keys[0], seed, text, results->lines[0], &first);
	if (status == NOTE_OK)
		status = note_cosign(&keys[1], seed, 1, text, results->lines[1], &second);
	if (status != NOTE_OK)
		return status;
	memcpy(bytes + 6, results->lines[0], first);
	memcpy(bytes + 6 + first, results->lines[1], second);
	status = note_parse(bytes, 6 + first + second, &note);
	return status == NOTE_OK ? note_verify(&note, keys, 2, verdicts) : status;
}

/* A signature that holds and one that does not: neither is ever taken for the other. */
static void
run_signature(long number, bool last)
{
	static const uint8_t seed[SIGNATURE_SEED_SIZE] = {1};
	uint8_t public_key[SIGNATURE_KEY_SIZE];
	uint8_t signature[SIGNATURE_SIZE];
	SignatureStatus status;

	CHECK_INT(signature_public_key(seed, public_key), SIGNATURE_OK);
	CHECK_INT(signature_sign(seed, "text", 4, signature), SIGNATURE_OK);
	faults_begin(number, last);
	status = signature_verify(public_key, "text", 4, signature);
	CHECK(status != SIGNATURE_REFUSED && status != SIGNATURE_WEAK_KEY);
	CHECK(status != SIGNATURE_OK || !(faults_end() && last));
	faults_begin(number, last);
	status = signature_verify(public_key, "other", 5, signature);
	CHECK(status != SIGNATURE_OK && status != SIGNATURE_WEAK_KEY);
	CHECK(status != SIGNATURE_REFUSED || !(faults_end() && last));
	faults_end();
}

static void
test_out_of_memory(void)
{
	Results results = {0};

	for (long number = 0; number < 20; number++)
	{
		run_signature(number, false);
		run_signature(number, true);
	}
	faults_set_verifying(true);
	CHECK_INT(run_note(&results), NOTE_UNDECIDED);
	faults_set_verifying(false);
	CHECK_INT(run_note(&results), NOTE_OK);
}

int
main(void)
{
	Results want = {0};
	Results got;
	long failing = 0;
	MerkleStatus tree;
	NoteStatus note = NOTE_OK;

	CHECK_INT(run_tree(&want), MERKLE_OK);
	CHECK_INT(run_note(&want), NOTE_OK);
	do
	{
		memset(&got, 0, sizeof(got));
		faults_begin(failing++, false);
		tree = run_tree(&got);
		CHECK(tree == MERKLE_OK || tree == MERKLE_NO_MEMORY || tree == MERKLE_FAILED ||
			  tree == MERKLE_MISSING);
		if (tree == MERKLE_OK)
			note = run_note(&got);
		CHECK(note == NOTE_OK || note == NOTE_NO_MEMORY || note == NOTE_FAILED);
	} while (faults_end());
	CHECK(tree == MERKLE_OK && note == NOTE_OK);
	CHECK(memcmp(&want, &got, sizeof(want)) == 0);
	CHECK(failing > 150);
	printf("%ld calls failed in turn\n", failing - 1);
	test_out_of_memory();
	TEST_MAIN_END();
}
