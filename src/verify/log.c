#include "verify/log.h"

#include "core/base64.h"

#include <string.h>

static bool
refute_note(NoteStatus status, const char *where, Verdict *verdict)
{
	const char *text = note_status_text(status);

	if (status == NOTE_NO_MEMORY || status == NOTE_FAILED || status == NOTE_UNDECIDED)
		return verdict_machine(verdict, text);
	if (status == NOTE_UNKNOWN_KEYS || status == NOTE_SIGNATURE_REFUSED || status == NOTE_WEAK_KEY)
		return verdict_refute(verdict, where, "%s", text);
	return verdict_unreadable(verdict, where, "%s", text);
}

bool
log_open_note(TextSpan text, const NoteKey *keys, size_t key_count, const char *where, Checkpoint *checkpoint,
			  Verdict *verdict)
{
	CheckpointStatus status = CHECKPOINT_NOTE;
	NoteStatus note_status = NOTE_UNKNOWN_KEYS;

	for (size_t i = 0; i < key_count && status == CHECKPOINT_NOTE && note_status == NOTE_UNKNOWN_KEYS; i++)
	{
		NoteVerdict signature;

		status = checkpoint_open(text.text, text.length, keys[i].name, &keys[i], 1, checkpoint, &signature,
								 &note_status);
	}
	if (status == CHECKPOINT_OK)
		return true;
	if (status == CHECKPOINT_NOTE)
		return refute_note(note_status, where, verdict);
	return verdict_unreadable(verdict, where, "%s", checkpoint_status_text(status));
}

/* A line of another key would be bound by nothing: whatever stood in it, the bundle would be accepted. */
static bool
check_one_signature(TextSpan text, const char *where, Verdict *verdict)
{
	Note note;
	NoteStatus status = note_parse(text.text, text.length, &note);

	if (status != NOTE_OK)
		return refute_note(status, where, verdict);
	return note.count == 1 ||
		   verdict_refute(verdict, where, "%zu signatures in a note that has one", note.count);
}

static bool
open_bundled(TextSpan note, TextSpan vkey, const char *where, NoteKey *key, Checkpoint *checkpoint,
			 Verdict *verdict)
{
	NoteStatus status = note_key_parse(vkey.text, vkey.length, key);

	if (status != NOTE_OK)
		return verdict_unreadable(verdict, where, "no verifier key: %s", note_status_text(status));
	return check_one_signature(note, where, verdict) &&
		   log_open_note(note, key, 1, where, checkpoint, verdict);
}

static bool
same_key(const NoteKey *left, const NoteKey *right)
{
	return left->type == right->type && strcmp(left->name, right->name) == 0 &&
		   memcmp(left->public_key, right->public_key, SIGNATURE_KEY_SIZE) == 0;
}

static void
path_to_proof(Bytes path, MerkleProof *proof)
{
	proof->count = path.length / DIGEST_SIZE;
	memcpy(proof->nodes, path.bytes, path.length);
}

static bool
check_leaf(const Leaf *leaf, const Checkpoint *checkpoint, DigestContext *digest, Verdict *verdict)
{
	uint8_t hash[DIGEST_SIZE];
	MerkleProof proof;
	MerkleStatus status = merkle_leaf_hash(digest, leaf->row.canon.bytes, leaf->row.canon.length, hash);

	path_to_proof(leaf->path, &proof);
	if (status == MERKLE_OK)
		status =
			merkle_verify_inclusion(digest, leaf->index, checkpoint->size, hash, &proof, checkpoint->root);
	if (status == MERKLE_OK)
		return true;
	if (status == MERKLE_NO_MEMORY || status == MERKLE_FAILED)
		return verdict_machine(verdict, merkle_status_text(status));
	return verdict_refute(verdict, leaf->place.text, "not shown to be leaf %llu of the log: %s",
						  (unsigned long long) leaf->index, merkle_status_text(status));
}

static size_t
add_leaf(const Leaf **leaves, size_t count, const Leaf *leaf, bool is_there)
{
	if (is_there)
		leaves[count++] = leaf;
	return count;
}

/* Fills in leaves, with room for them all, and returns their number. */
static size_t
list_leaves(const Bundle *bundle, const Leaf **leaves)
{
	size_t count = add_leaf(leaves, 0, &bundle->invoice.event, true);

	count = add_leaf(leaves, count, &bundle->invoice.entry, bundle->invoice.has_entry);
	for (size_t i = 0; i < bundle->line_count; i++)
	{
		count = add_leaf(leaves, count, &bundle->lines[i].rated, true);
		count = add_leaf(leaves, count, &bundle->lines[i].entry, bundle->lines[i].has_entry);
	}
	for (size_t i = 0; i < bundle->plan_count; i++)
		count = add_leaf(leaves, count, &bundle->plans[i].leaf, true);
	for (size_t i = 0; i < bundle->window_count; i++)
		count = add_leaf(leaves, count, &bundle->windows[i].leaf, true);
	return count;
}

static int
compare_leaves(const void *a, const void *b)
{
	uint64_t left = (*(const Leaf *const *) a)->index;
	uint64_t right = (*(const Leaf *const *) b)->index;

	return (left > right) - (left < right);
}

static bool
check_leaf_list(const Leaf **leaves, size_t count, const Checkpoint *checkpoint, DigestContext *digest,
				Verdict *verdict)
{
	for (size_t i = 0; i < count; i++)
		if (!check_leaf(leaves[i], checkpoint, digest, verdict))
			return false;
	qsort(leaves, count, sizeof(*leaves), compare_leaves);
	for (size_t i = 1; i < count; i++)
		if (leaves[i]->index == leaves[i - 1]->index)
			return verdict_refute(verdict, leaves[i]->place.text, "the same leaf of the log as %s",
								  leaves[i - 1]->place.text);
	return true;
}

bool
log_check_leaves(const Bundle *bundle, const NoteKey *trusted, DigestContext *digest, LogFacts *facts,
				 Verdict *verdict)
{
	const Leaf **leaves;
	bool done;

	if (!open_bundled(bundle->checkpoint, bundle->vkey, "checkpoint", &facts->key, &facts->checkpoint,
					  verdict))
		return false;
	if (trusted != NULL && !same_key(trusted, &facts->key))
		return verdict_refute(verdict, "vkey", "signed by another key than the one given");
	leaves =
		malloc((2 + 2 * bundle->line_count + bundle->plan_count + bundle->window_count) * sizeof(*leaves));
	if (leaves == NULL)
		return verdict_machine(verdict, "out of memory");
	done = check_leaf_list(leaves, list_leaves(bundle, leaves), &facts->checkpoint, digest, verdict);
	free(leaves);
	return done;
}

static bool
check_growth(const Checkpoint *older, const Checkpoint *newer, const MerkleProof *proof, const char *where,
			 DigestContext *digest, Verdict *verdict)
{
	MerkleStatus status =
		merkle_verify_consistency(digest, older->size, older->root, newer->size, newer->root, proof);

	if (status == MERKLE_OK)
		return true;
	if (status == MERKLE_NO_MEMORY || status == MERKLE_FAILED)
		return verdict_machine(verdict, merkle_status_text(status));
	return verdict_refute(verdict, where, "the log of %llu leaves is not shown to continue that of %llu: %s",
						  (unsigned long long) newer->size, (unsigned long long) older->size,
						  merkle_status_text(status));
}

bool
log_check_consistency(const Bundle *bundle, DigestContext *digest, LogFacts *facts, Verdict *verdict)
{
	MerkleProof proof;

	facts->has_older = bundle->has_consistency;
	if (!bundle->has_consistency)
		return true;
	if (!open_bundled(bundle->consistency.checkpoint, bundle->consistency.vkey, "consistency.checkpoint",
					  &facts->older_key, &facts->older, verdict))
		return false;
	if (strcmp(facts->older.origin, facts->checkpoint.origin) != 0)
		return verdict_refute(verdict, "consistency", "the older checkpoint is that of another log");
	path_to_proof(bundle->consistency.path, &proof);
	return check_growth(&facts->older, &facts->checkpoint, &proof, "consistency", digest, verdict);
}

static bool
same_tree(const Checkpoint *left, const Checkpoint *right)
{
	return left->size == right->size && memcmp(left->root, right->root, DIGEST_SIZE) == 0;
}

bool
log_check_kept(const LogFacts *facts, const Input *kept, const MerkleProof *proof, DigestContext *digest,
			   Verdict *verdict)
{
	NoteKey keys[] = {facts->key, facts->older_key};
	TextSpan text = {kept->bytes, kept->length};
	const Checkpoint *now = &facts->checkpoint;
	Checkpoint then;

	if (!log_open_note(text, keys, facts->has_older ? 2 : 1, "--checkpoint", &then, verdict))
		return false;
	if (strcmp(then.origin, now->origin) != 0)
		return verdict_refute(verdict, "--checkpoint", "the checkpoint is that of another log");
	if (proof != NULL)
		return then.size <= now->size ? check_growth(&then, now, proof, "--proof", digest, verdict)
									  : check_growth(now, &then, proof, "--proof", digest, verdict);
	if (same_tree(&then, now) || (facts->has_older && same_tree(&then, &facts->older)))
		return true;
	if (then.size == now->size || (facts->has_older && then.size == facts->older.size))
		return verdict_refute(verdict, "--checkpoint", "another root for the same %llu leaves",
							  (unsigned long long) then.size);
	return verdict_refute(verdict, "--checkpoint",
						  "nothing shows that the log of %llu leaves and that of %llu are one; "
						  "ask for a consistency proof",
						  (unsigned long long) then.size, (unsigned long long) now->size);
}

static bool
parse_proof(TextSpan rest, MerkleProof *proof)
{
	TextSpan line;

	for (proof->count = 0; rest.length > 0; proof->count++)
		if (proof->count == MERKLE_PROOF_MAX || !line_next(&rest, &line) ||
			!base64_decode(line.text, line.length, proof->nodes[proof->count], DIGEST_SIZE))
			return false;
	return true;
}

bool
log_read_proof(const char *path, MerkleProof *proof, Verdict *verdict)
{
	Input input;
	bool done;

	if (!input_read(path, &input, verdict))
		return false;
	done = parse_proof((TextSpan){input.bytes, input.length}, proof);
	free(input.bytes);
	return done || verdict_unreadable(verdict, "--proof", "not a hash in base64 on each of at most %d lines",
									  MERKLE_PROOF_MAX);
}
