#include "verify/witness.h"

#include "verify/log.h"
#include "verify/store.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

/* One call of the witness: what it was given and what it kept before. */
typedef struct Witness
{
	Input note;
	Checkpoint given;
	bool has_kept;
	Checkpoint kept;
	MerkleProof proof;
	Store store;
} Witness;

static bool
open_note(Witness *witness, const char *key_text, Verdict *verdict)
{
	NoteKey key;

	return input_read_key(key_text, &key, verdict) &&
		   input_read_stream(stdin, "standard input", &witness->note, verdict) &&
		   log_open_note((TextSpan){witness->note.bytes, witness->note.length}, &key, 1, "checkpoint",
						 &witness->given, verdict);
}

/* What is kept was verified when it came; its key may have been replaced since. */
static bool
read_kept(Witness *witness, Verdict *verdict)
{
	Input input;
	Note note;
	bool done;

	if (!store_read(&witness->store, &input, &witness->has_kept, verdict))
		return false;
	if (!witness->has_kept)
		return true;
	done = note_parse(input.bytes, input.length, &note) == NOTE_OK &&
		   checkpoint_parse(note.text.text, note.text.length, &witness->kept) == CHECKPOINT_OK &&
		   strcmp(witness->kept.origin, witness->given.origin) == 0;
	free(input.bytes);
	return done || verdict_unreadable(verdict, "kept", "\"%s\" holds no checkpoint of origin \"%s\"",
									  witness->store.path, witness->given.origin);
}

static bool
check_sizes(Witness *witness, Verdict *verdict)
{
	const Checkpoint *kept = &witness->kept;
	const Checkpoint *given = &witness->given;

	if (!witness->has_kept)
		return true;
	if (given->size < kept->size)
		return verdict_refute(verdict, "checkpoint", "the log has %llu leaves and had %llu before",
							  (unsigned long long) given->size, (unsigned long long) kept->size);
	if (given->size > kept->size || memcmp(given->root, kept->root, DIGEST_SIZE) == 0)
		return true;
	if (!store_write(&witness->store, ".fork", witness->note.bytes, witness->note.length, verdict))
		return false;
	return verdict_refute(verdict, "checkpoint",
						  "another root for the same %llu leaves; both notes are in \"%s\"",
						  (unsigned long long) given->size, witness->store.directory);
}

/* A first checkpoint is trusted as it is: it continues the empty log. */
static bool
check_consistency(Witness *witness, Verdict *verdict)
{
	const Checkpoint *kept = &witness->kept;
	const Checkpoint *given = &witness->given;
	DigestContext *digest;
	MerkleStatus status;

	if (digest_create(&digest) != DIGEST_OK)
		return verdict_machine(verdict, "no SHA-256");
	status = merkle_verify_consistency(digest, kept->size, witness->has_kept ? kept->root : merkle_empty_root,
									   given->size, given->root, &witness->proof);
	digest_free(digest);
	if (status == MERKLE_OK)
		return true;
	if (status == MERKLE_NO_MEMORY || status == MERKLE_FAILED)
		return verdict_machine(verdict, merkle_status_text(status));
	return verdict_refute(verdict, "proof", "%llu leaves are not shown to continue the %llu of before: %s",
						  (unsigned long long) given->size, (unsigned long long) kept->size,
						  merkle_status_text(status));
}

static bool
make_cosignature(const WitnessOptions *options, TextSpan text, char line[NOTE_LINE_MAX], size_t *length,
				 Verdict *verdict)
{
	uint8_t seed[SIGNATURE_SEED_SIZE];
	uint8_t public_key[SIGNATURE_KEY_SIZE];
	TextSpan name = {options->name, strlen(options->name)};
	NoteKey key;
	NoteStatus status;

	if (!input_read_seed(options->seed_path, seed, verdict))
		return false;
	status = note_status_from_signature(signature_public_key(seed, public_key));
	if (status == NOTE_OK)
		status = note_key_make(NOTE_COSIGNATURE, name, public_key, &key);
	if (status == NOTE_OK)
		status = note_cosign(&key, seed, (uint64_t) time(NULL), text, line, length);
	return status == NOTE_OK ||
		   verdict_unreadable(verdict, NULL, "could not cosign: %s", note_status_text(status));
}

/* Kept before it is said: a crash between the two must not leave a cosignature that the witness forgot. */
static bool
keep_and_tell(Witness *witness, const WitnessOptions *options, Verdict *verdict)
{
	char line[NOTE_LINE_MAX];
	size_t length = 0;
	Note note;

	if (note_parse(witness->note.bytes, witness->note.length, &note) != NOTE_OK)
		return verdict_unreadable(verdict, "checkpoint", "not a signed note");
	if (options->seed_path != NULL && !make_cosignature(options, note.text, line, &length, verdict))
		return false;
	/* The file's time is that of the checkpoint's first coming. */
	if ((!witness->has_kept || witness->given.size > witness->kept.size) &&
		!store_write(&witness->store, "", witness->note.bytes, witness->note.length, verdict))
		return false;
	if (options->seed_path == NULL)
		printf("kept: %s, %llu leaves\n", witness->given.origin, (unsigned long long) witness->given.size);
	else
		fwrite(line, 1, length, stdout);
	return (fflush(stdout) == 0 && !ferror(stdout)) ||
		   verdict_unreadable(verdict, NULL, "could not write to the standard output");
}

bool
witness_run(const WitnessOptions *options, Verdict *verdict)
{
	Witness witness = {.note = {NULL, 0}};
	bool done;

	done = open_note(&witness, options->key, verdict) &&
		   (options->proof_path == NULL || log_read_proof(options->proof_path, &witness.proof, verdict)) &&
		   store_open(&witness.store, options->directory, witness.given.origin, true, verdict);
	if (done)
	{
		done = read_kept(&witness, verdict) && check_sizes(&witness, verdict) &&
			   check_consistency(&witness, verdict) && keep_and_tell(&witness, options, verdict);
		store_close(&witness.store);
	}
	free(witness.note.bytes);
	return done;
}

static bool
check_age(const Witness *witness, const WitnessAge *age, Verdict *verdict)
{
	const char *origin = witness->given.origin;
	int64_t kept_at;
	long long seconds;

	if (!witness->has_kept)
		return verdict_stale(verdict, "%s: no checkpoint was kept yet", origin);
	if (!store_time(&witness->store, &kept_at, verdict))
		return false;
	seconds = (long long) (age->now - kept_at);
	if (seconds > age->most)
		return verdict_stale(verdict, "%s: no new checkpoint for %lld seconds, and %lld are allowed", origin,
							 seconds, (long long) age->most);
	/* Else a clock that was put back would put off the alarm. */
	if (seconds < -age->most)
		return verdict_stale(verdict, "%s: the checkpoint was kept %lld seconds after now", origin, -seconds);
	printf("fresh: %s, %llu leaves, %lld seconds ago\n", origin, (unsigned long long) witness->kept.size,
		   seconds);
	return true;
}

bool
witness_check_age(const WitnessAge *age, Verdict *verdict)
{
	Witness witness = {.note = {NULL, 0}};
	NoteKey key;
	bool done;

	if (!input_read_key(age->key, &key, verdict))
		return false;
	if (key.name_length >= sizeof(witness.given.origin))
		return verdict_unreadable(verdict, NULL, "the name of the key is too long");
	memcpy(witness.given.origin, key.name, key.name_length + 1);
	if (!store_open(&witness.store, age->directory, witness.given.origin, false, verdict))
		return false;
	done = read_kept(&witness, verdict) && check_age(&witness, age, verdict);
	store_close(&witness.store);
	return done;
}
