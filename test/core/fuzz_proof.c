/*
 * libFuzzer: a proof as text that is accepted is what formatting gives, and verifies for no tree but those where its
 * own hashes lead to the root, which nobody chose; a frontier that is accepted is what writing gives; a range is put on
 * a tree whole, or refused.
 */
#include "checkpoint.h"
#include "merkle_range.h"
#include "tlog_proof.h"

#include <stdlib.h>
#include <string.h>

extern int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(bool holds)
{
	if (!holds)
		abort();
}

static void
check_frontier(const uint8_t *data, size_t size)
{
	MerkleFrontier frontier;
	uint8_t bytes[MERKLE_FRONTIER_BYTES_MAX];

	if (merkle_frontier_read(data, size, &frontier) != MERKLE_OK)
		return;
	require(merkle_frontier_write(&frontier, bytes) == size);
	require(memcmp(bytes, data, size) == 0);
}

/* A range's bytes go onto a tree, or are refused; what went on has as many leaves as its levels say. */
static void
check_range(const uint8_t *data, size_t size)
{
	static DigestContext *context;
	MerkleFrontier frontier = {0};
	MerkleStatus status;
	uint64_t leaves = 0;

	if (context == NULL)
		require(digest_create(&context) == DIGEST_OK);
	status = merkle_append_range(context, &frontier, data, size);
	require(status == MERKLE_OK || status == MERKLE_ENCODING || status == MERKLE_UNALIGNED ||
			status == MERKLE_FULL);
	for (size_t i = 0; status == MERKLE_OK && i < size; i += MERKLE_RANGE_NODE_BYTES)
		leaves += UINT64_C(1) << data[i];
	require(status != MERKLE_OK || (leaves > 0 && frontier.size == leaves));
}

/* Against the size and root that the checkpoint states, without asking who signed it. */
static void
check_path(const TlogProof *proof)
{
	static DigestContext *context;
	Note note;
	Checkpoint checkpoint;
	MerkleStatus status;

	require(note_parse(proof->checkpoint.text, proof->checkpoint.length, &note) == NOTE_OK);
	if (checkpoint_parse(note.text.text, note.text.length, &checkpoint) != CHECKPOINT_OK)
		return;
	if (context == NULL)
		require(digest_create(&context) == DIGEST_OK);
	status = merkle_verify_inclusion(context, proof->index, checkpoint.size, merkle_empty_root, &proof->path,
									 checkpoint.root);
	/* The leaf itself is the root of a tree of one. */
	require(status == MERKLE_REFUSED || status == MERKLE_LENGTH || status == MERKLE_OUT_OF_TREE ||
			checkpoint.size == 1);
	status = merkle_verify_consistency(context, proof->index, merkle_empty_root, checkpoint.size,
									   checkpoint.root, &proof->path);
	require(status == MERKLE_REFUSED || status == MERKLE_LENGTH || status == MERKLE_OUT_OF_TREE ||
			proof->index == 0 || proof->index == checkpoint.size);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	TlogProof proof;
	char *again;

	check_frontier(data, size);
	check_range(data, size);
	if (tlog_proof_parse((const char *) data, size, &proof) != TLOG_PROOF_OK)
		return 0;
	again = malloc(tlog_proof_room(&proof));
	require(again != NULL);
	require(tlog_proof_format(&proof, again) == size && memcmp(again, data, size) == 0);
	free(again);
	check_path(&proof);
	return 0;
}
