/* Checkpoints and the text form of inclusion proofs: what they look like, and everything else refused. */
#include "checkpoint.h"
#include "merkle.h"
#include "test.h"
#include "tlog_proof.h"

#define DASH "\xE2\x80\x94 "

/* C2SP tlog-checkpoint and tlog-cosignature: the published example, by keys that are not given. */
#define EXAMPLE_BODY "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
#define EXAMPLE_NOTE                                                                                         \
	EXAMPLE_BODY "\n" DASH "example.com/behind-the-sofa "                                                    \
				 "Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/"                                 \
				 "Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n" DASH "witness.example.com/w1 "                      \
				 "jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/"                                                      \
				 "zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n"

#define ROOT_LINE "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
#define EMPTY_ROOT_LINE "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n"

static const uint8_t log_seed[SIGNATURE_SEED_SIZE] = {1};
static const uint8_t witness_seed[SIGNATURE_SEED_SIZE] = {2};

static const struct
{
	const char *text;
	CheckpointStatus want;
} bodies[] = {
	{EXAMPLE_BODY, CHECKPOINT_OK},
	{"o\n9223372036854775807\n" ROOT_LINE, CHECKPOINT_OK},
	{"o\n0\n" EMPTY_ROOT_LINE, CHECKPOINT_OK},
	{"operator/billing/7420000000000000000/1\n1\n" ROOT_LINE, CHECKPOINT_OK},
	{"", CHECKPOINT_LINES},
	{"o\n", CHECKPOINT_LINES},
	{"o\n1\n", CHECKPOINT_LINES},
	{"o\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=", CHECKPOINT_LINES},
	{EXAMPLE_BODY "extension\n", CHECKPOINT_LINES},
	{EXAMPLE_BODY "\n", CHECKPOINT_LINES},
	{EXAMPLE_BODY "x", CHECKPOINT_LINES},
	{"\n1\n" ROOT_LINE, CHECKPOINT_ORIGIN},
	{"a b\n1\n" ROOT_LINE, CHECKPOINT_ORIGIN},
	{"a+b\n1\n" ROOT_LINE, CHECKPOINT_ORIGIN},
	{"a\r\n1\n" ROOT_LINE, CHECKPOINT_ORIGIN},
	{"\xFF\n1\n" ROOT_LINE, CHECKPOINT_ORIGIN},
	{"o\n\n" ROOT_LINE, CHECKPOINT_SIZE},
	{"o\n01\n" ROOT_LINE, CHECKPOINT_SIZE},
	{"o\n00\n" EMPTY_ROOT_LINE, CHECKPOINT_SIZE},
	{"o\n-1\n" ROOT_LINE, CHECKPOINT_SIZE},
	{"o\n+1\n" ROOT_LINE, CHECKPOINT_SIZE},
	{"o\n 1\n" ROOT_LINE, CHECKPOINT_SIZE},
	{"o\n1 \n" ROOT_LINE, CHECKPOINT_SIZE},
	{"o\n0x1\n" ROOT_LINE, CHECKPOINT_SIZE},
	{"o\n9223372036854775808\n" ROOT_LINE, CHECKPOINT_SIZE},
	{"o\n18446744073709551617\n" ROOT_LINE, CHECKPOINT_SIZE},
	{"o\n0\n" ROOT_LINE, CHECKPOINT_ROOT},
	{"o\n1\n\n", CHECKPOINT_ROOT},
	{"o\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2J=\n", CHECKPOINT_ROOT},
	{"o\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I\n", CHECKPOINT_ROOT},
	{"o\n1\nCsUYapGGPo4dkMgIAUqom_Xajj7h2fB2MPA3j2jxq2I=\n", CHECKPOINT_ROOT},
	{"o\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxqw==\n", CHECKPOINT_ROOT},
	{"o\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I= \n", CHECKPOINT_ROOT},
	{"o\n1\n CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n", CHECKPOINT_ROOT},
};

static void
test_bodies(void)
{
	Checkpoint checkpoint;
	char text[CHECKPOINT_TEXT_MAX];
	size_t length;

	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++)
	{
		size_t want_length = strlen(bodies[i].text);
		CheckpointStatus status = checkpoint_parse(bodies[i].text, want_length, &checkpoint);

		if (status != bodies[i].want)
			printf("body %zu: %s\n", i, checkpoint_status_text(status));
		CHECK_INT(status, bodies[i].want);
		if (status != CHECKPOINT_OK)
			continue;
		CHECK_INT(checkpoint_format(&checkpoint, text, &length), CHECKPOINT_OK);
		CHECK(length == want_length && memcmp(text, bodies[i].text, length) == 0);
	}
	CHECK_INT(checkpoint_parse(EXAMPLE_BODY, strlen(EXAMPLE_BODY), &checkpoint), CHECKPOINT_OK);
	CHECK_STR(checkpoint.origin, "example.com/behind-the-sofa");
	CHECK_INT(checkpoint.size, 20852163);
	checkpoint.size = 0;
	CHECK_INT(checkpoint_format(&checkpoint, text, &length), CHECKPOINT_ROOT);
	checkpoint.size = MERKLE_SIZE_MAX + 1;
	CHECK_INT(checkpoint_format(&checkpoint, text, &length), CHECKPOINT_SIZE);
	checkpoint.origin_length = 0;
	CHECK_INT(checkpoint_format(&checkpoint, text, &length), CHECKPOINT_ORIGIN);
	checkpoint.size = MERKLE_SIZE_MAX;
	checkpoint.origin_length = NOTE_NAME_MAX;
	memset(checkpoint.origin, 'o', NOTE_NAME_MAX);
	CHECK_INT(checkpoint_format(&checkpoint, text, &length), CHECKPOINT_OK);
	CHECK_INT(length, CHECKPOINT_TEXT_MAX);
}

static void
make_keys(NoteKey keys[2])
{
	uint8_t public_key[SIGNATURE_KEY_SIZE];

	CHECK_INT(signature_public_key(log_seed, public_key), SIGNATURE_OK);
	CHECK_INT(note_key_make(NOTE_ED25519, (TextSpan){"o/billing/1/1", 13}, public_key, &keys[0]), NOTE_OK);
	CHECK_INT(signature_public_key(witness_seed, public_key), SIGNATURE_OK);
	CHECK_INT(note_key_make(NOTE_COSIGNATURE, (TextSpan){"witness", 7}, public_key, &keys[1]), NOTE_OK);
}

/* The note over a text, by the log, the witness, or both. */
static size_t
sign(const NoteKey keys[2], const char *body, bool by_log, bool by_witness, char *note)
{
	TextSpan text = {body, strlen(body)};
	size_t length = (size_t) sprintf(note, "%s\n", body);
	size_t line;

	if (by_log)
	{
		CHECK_INT(note_sign(&keys[0], log_seed, text, note + length, &line), NOTE_OK);
		length += line;
	}
	if (by_witness)
	{
		CHECK_INT(note_cosign(&keys[1], witness_seed, 7, text, note + length, &line), NOTE_OK);
		length += line;
	}
	return length;
}

static void
test_open(void)
{
	static const char body[] = "o/billing/1/1\n1\n" ROOT_LINE;
	NoteKey keys[2];
	NoteVerdict verdicts[2];
	Checkpoint checkpoint;
	NoteStatus why;
	char note[2048];
	size_t length;

	make_keys(keys);
	length = sign(keys, body, true, true, note);
	CHECK_INT(checkpoint_open(note, length, "o/billing/1/1", keys, 2, &checkpoint, verdicts, &why),
			  CHECKPOINT_OK);
	CHECK(why == NOTE_OK && checkpoint.size == 1 && verdicts[0].verified && verdicts[1].verified);
	CHECK_INT(verdicts[1].time_seconds, 7);
	CHECK_INT(checkpoint_open(note, length, NULL, keys, 1, &checkpoint, verdicts, &why), CHECKPOINT_OK);
	CHECK_INT(checkpoint_open(note, length, "o/billing/1/2", keys, 2, &checkpoint, verdicts, &why),
			  CHECKPOINT_ORIGIN);
	CHECK_INT(checkpoint_open(note, length, NULL, keys, 0, &checkpoint, verdicts, &why), CHECKPOINT_NOTE);
	CHECK_INT(why, NOTE_KEY_TYPE);
	CHECK_INT(checkpoint_open(note, length, NULL, keys + 1, 1, &checkpoint, verdicts, &why), CHECKPOINT_NOTE);
	CHECK_INT(why, NOTE_KEY_TYPE);
	CHECK_INT(checkpoint_open(note, length - 1, NULL, keys, 2, &checkpoint, verdicts, &why), CHECKPOINT_NOTE);
	CHECK_INT(why, NOTE_MALFORMED_SIGNATURE);
	/* A witness alone does not make a checkpoint. */
	length = sign(keys, body, false, true, note);
	CHECK_INT(checkpoint_open(note, length, NULL, keys, 2, &checkpoint, verdicts, &why), CHECKPOINT_NOTE);
	CHECK_INT(why, NOTE_UNKNOWN_KEYS);
	/* Well signed, but with an extension line. */
	length = sign(keys, "o/billing/1/1\n1\n" ROOT_LINE "extension\n", true, true, note);
	CHECK_INT(checkpoint_open(note, length, NULL, keys, 2, &checkpoint, verdicts, &why), CHECKPOINT_LINES);
}

/* Each bit of a good note flipped: the text and the log's line must be as they were, the witness's counts only so. */
static void
test_one_bit(void)
{
	static const char body[] = "o/billing/1/1\n1\n" ROOT_LINE;
	NoteKey keys[2];
	NoteVerdict verdicts[2];
	Checkpoint checkpoint;
	NoteStatus why;
	char note[2048];
	size_t log_end;
	size_t length;

	make_keys(keys);
	log_end = sign(keys, body, true, false, note);
	length = sign(keys, body, true, true, note);
	for (size_t bit = 0; bit < length * 8; bit++)
	{
		CheckpointStatus status;

		note[bit / 8] ^= (char) (1 << bit % 8);
		status = checkpoint_open(note, length, "o/billing/1/1", keys, 2, &checkpoint, verdicts, &why);
		CHECK(status != CHECKPOINT_OK || (bit / 8 >= log_end && !verdicts[1].verified));
		note[bit / 8] ^= (char) (1 << bit % 8);
	}
}

#define HEADER "c2sp.org/tlog-proof@v1\n"
#define HASH_LINE "gSKyXoYZUgZ6jduWYrkDOARinOMGJveXjgMkBTcdPlQ=\n"
#define NOTE_LINES "\n" EXAMPLE_NOTE

static const struct
{
	const char *text;
	TlogProofStatus want;
} proofs[] = {
	{HEADER "index 0\n" NOTE_LINES, TLOG_PROOF_OK},
	{HEADER "index 73894\n" HASH_LINE HASH_LINE NOTE_LINES, TLOG_PROOF_OK},
	{HEADER "extra YWdl\nindex 9223372036854775806\n" HASH_LINE NOTE_LINES, TLOG_PROOF_OK},
	{"", TLOG_PROOF_HEADER},
	{"c2sp.org/tlog-proof@v1", TLOG_PROOF_HEADER},
	{"c2sp.org/tlog-proof@v2\nindex 0\n" NOTE_LINES, TLOG_PROOF_HEADER},
	{"c2sp.org/tlog-proof@v1 \nindex 0\n" NOTE_LINES, TLOG_PROOF_HEADER},
	{"c2sp.org/tlog-proof@v1\r\nindex 0\n" NOTE_LINES, TLOG_PROOF_HEADER},
	{HEADER "extra \nindex 0\n" NOTE_LINES, TLOG_PROOF_EXTRA},
	{HEADER "extra YWd\nindex 0\n" NOTE_LINES, TLOG_PROOF_EXTRA},
	{HEADER "extra YWdl \nindex 0\n" NOTE_LINES, TLOG_PROOF_EXTRA},
	{HEADER "extra YWdl", TLOG_PROOF_EXTRA},
	{HEADER "extra YWdl\nextra YWdl\nindex 0\n" NOTE_LINES, TLOG_PROOF_INDEX},
	{HEADER "index 0\nextra YWdl\n" NOTE_LINES, TLOG_PROOF_PATH},
	{HEADER, TLOG_PROOF_INDEX},
	{HEADER NOTE_LINES, TLOG_PROOF_INDEX},
	{HEADER "index\n" NOTE_LINES, TLOG_PROOF_INDEX},
	{HEADER "index \n" NOTE_LINES, TLOG_PROOF_INDEX},
	{HEADER "index 01\n" NOTE_LINES, TLOG_PROOF_INDEX},
	{HEADER "index -1\n" NOTE_LINES, TLOG_PROOF_INDEX},
	{HEADER "index  1\n" NOTE_LINES, TLOG_PROOF_INDEX},
	{HEADER "index 9223372036854775807\n" NOTE_LINES, TLOG_PROOF_INDEX},
	{HEADER "index 18446744073709551616\n" NOTE_LINES, TLOG_PROOF_INDEX},
	{HEADER "index 0", TLOG_PROOF_INDEX},
	{HEADER "index 0\n", TLOG_PROOF_PATH},
	{HEADER "index 0\n" HASH_LINE, TLOG_PROOF_PATH},
	{HEADER "index 0\n" HASH_LINE EXAMPLE_NOTE, TLOG_PROOF_PATH},
	{HEADER "index 0\ngSKyXoYZUgZ6jduWYrkDOARinOMGJveXjgMkBTcdPlR=\n" NOTE_LINES, TLOG_PROOF_PATH},
	{HEADER "index 0\ngSKyXoYZUgZ6jduWYrkDOARinOMGJveXjgMkBTcdPg==\n" NOTE_LINES, TLOG_PROOF_PATH},
	{HEADER "index 0\n\n", TLOG_PROOF_CHECKPOINT},
	{HEADER "index 0\n\n" EXAMPLE_BODY, TLOG_PROOF_CHECKPOINT},
	{HEADER "index 0\n" NOTE_LINES "x", TLOG_PROOF_CHECKPOINT},
	{HEADER "index 0\n" NOTE_LINES "\n", TLOG_PROOF_CHECKPOINT},
};

static void
test_proofs(void)
{
	char again[4096];
	TlogProof proof;

	for (size_t i = 0; i < sizeof(proofs) / sizeof(proofs[0]); i++)
	{
		size_t length = strlen(proofs[i].text);
		TlogProofStatus status = tlog_proof_parse(proofs[i].text, length, &proof);

		if (status != proofs[i].want)
			printf("proof %zu: %s\n", i, tlog_proof_status_text(status));
		CHECK_INT(status, proofs[i].want);
		if (status != TLOG_PROOF_OK)
			continue;
		CHECK(tlog_proof_room(&proof) <= sizeof(again));
		CHECK_INT(tlog_proof_format(&proof, again), length);
		CHECK(length <= tlog_proof_room(&proof));
		CHECK(memcmp(again, proofs[i].text, length) == 0);
	}
	CHECK_INT(tlog_proof_parse(proofs[1].text, strlen(proofs[1].text), &proof), TLOG_PROOF_OK);
	CHECK(proof.index == 73894 && proof.path.count == 2 && proof.extra.length == 0);
	CHECK(proof.path.nodes[1][0] == 0x81 && proof.path.nodes[1][DIGEST_SIZE - 1] == 0x54);
	CHECK(proof.checkpoint.length == strlen(EXAMPLE_NOTE) &&
		  memcmp(proof.checkpoint.text, EXAMPLE_NOTE, proof.checkpoint.length) == 0);
}

/* 64 hashes are more than any tree has; the 65th line, and a proof over the size limit, are refused. */
static void
test_proof_limits(void)
{
	static char text[TLOG_PROOF_SIZE_MAX + 1];
	TlogProof proof;
	size_t length = (size_t) sprintf(text, HEADER "index 0\n");

	for (int i = 0; i <= MERKLE_PROOF_MAX; i++)
	{
		length += (size_t) sprintf(text + length, HASH_LINE);
		strcpy(text + length, NOTE_LINES);
		CHECK_INT(tlog_proof_parse(text, length + strlen(NOTE_LINES), &proof),
				  i < MERKLE_PROOF_MAX ? TLOG_PROOF_OK : TLOG_PROOF_PATH);
	}
	CHECK_INT(tlog_proof_parse(text, sizeof(text), &proof), TLOG_PROOF_TOO_LONG);
	memset(text, 'A', sizeof(text));
	memcpy(text, HEADER "extra ", strlen(HEADER "extra "));
	length = strlen(HEADER "extra ") + 87380;
	strcpy(text + length, "\nindex 0\n" NOTE_LINES);
	CHECK_INT(tlog_proof_parse(text, length + strlen("\nindex 0\n" NOTE_LINES), &proof), TLOG_PROOF_OK);
	memcpy(text + length, "AAAA", 4);
	strcpy(text + length + 4, "\nindex 0\n" NOTE_LINES);
	CHECK_INT(tlog_proof_parse(text, length + 4 + strlen("\nindex 0\n" NOTE_LINES), &proof),
			  TLOG_PROOF_EXTRA);
}

int
main(void)
{
	test_bodies();
	test_open();
	test_one_bit();
	test_proofs();
	test_proof_limits();
	TEST_MAIN_END();
}
