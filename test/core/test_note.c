/* Signed notes: C2SP's examples, what is refused and with which status, and signing. */
#include "base64.h"
#include "note.h"
#include "test.h"

/* C2SP signed-note, Verifier keys, Example. */
#define EXAMPLE_KEY "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
#define EXAMPLE_SIGNATURE                                                                                    \
	"Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM="
#define DASH "\xE2\x80\x94 "
#define EXAMPLE_LINE DASH "example.com/foo " EXAMPLE_SIGNATURE "\n"
#define EXAMPLE_TEXT "This is an example message.\n"

/* C2SP signed-note: a text with an empty line in it, by a key that is not given. */
#define POEM_NOTE                                                                                            \
	"Ognuno sta solo sul cuor della terra\ntrafitto da un raggio di sole:\n\n\xC3\xA8 subito sera.\n\n" DASH \
	"quasimodo.example/salvatore "                                                                           \
	"NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=\n"

static const uint8_t seed_1[SIGNATURE_SEED_SIZE] = {1};
static const uint8_t seed_2[SIGNATURE_SEED_SIZE] = {2};

static TextSpan
span(const char *text)
{
	return (TextSpan){text, strlen(text)};
}

static NoteKey
key_of(const uint8_t *seed, NoteKeyType type, const char *name)
{
	uint8_t public_key[SIGNATURE_KEY_SIZE];
	NoteKey key;

	CHECK_INT(signature_public_key(seed, public_key), SIGNATURE_OK);
	CHECK_INT(note_key_make(type, span(name), public_key, &key), NOTE_OK);
	return key;
}

static NoteStatus
open_note(const char *text, const NoteKey *keys, size_t key_count, NoteVerdict *verdicts)
{
	Note note;
	NoteStatus status = note_parse(text, strlen(text), &note);

	return status == NOTE_OK ? note_verify(&note, keys, key_count, verdicts) : status;
}

static void
test_examples(void)
{
	NoteKey key;
	NoteVerdict verdict;
	Note note;
	char text[NOTE_KEY_TEXT_MAX + 1] = {0};

	CHECK_INT(note_key_parse(EXAMPLE_KEY, strlen(EXAMPLE_KEY), &key), NOTE_OK);
	CHECK_STR(key.name, "example.com/foo");
	CHECK_INT(note_key_format(&key, text), strlen(EXAMPLE_KEY));
	CHECK_STR(text, EXAMPLE_KEY);
	CHECK_INT(open_note(EXAMPLE_TEXT "\n" EXAMPLE_LINE, &key, 1, &verdict), NOTE_OK);
	CHECK(verdict.verified && verdict.time_seconds == 0);
	CHECK_INT(open_note("this is an example message.\n\n" EXAMPLE_LINE, &key, 1, &verdict),
			  NOTE_SIGNATURE_REFUSED);
	CHECK_INT(open_note(POEM_NOTE, &key, 1, &verdict), NOTE_UNKNOWN_KEYS);
	CHECK(!verdict.verified);
	CHECK_INT(open_note(POEM_NOTE, NULL, 0, NULL), NOTE_UNKNOWN_KEYS);
	CHECK_INT(note_parse(POEM_NOTE, strlen(POEM_NOTE), &note), NOTE_OK);
	CHECK_INT(note.count, 1);
	CHECK_INT(note.text.length, strstr(POEM_NOTE, "sera.") - POEM_NOTE + 6);
	CHECK(memcmp(note.signatures[0].key_id, "\x36\x7b\xa0\x4b", NOTE_KEY_ID_SIZE) == 0);
}

/* Each has the example's valid line, or one like it, so that nothing else is wrong with it. */
static const struct
{
	const char *note;
	NoteStatus want;
} refused[] = {
	{"", NOTE_NO_SIGNATURES},
	{"\n", NOTE_NO_SIGNATURES},
	{"\n\n", NOTE_NO_SIGNATURES},
	{EXAMPLE_TEXT, NOTE_NO_SIGNATURES},
	{EXAMPLE_TEXT "\n", NOTE_NO_SIGNATURES},
	{EXAMPLE_TEXT EXAMPLE_LINE, NOTE_NO_SIGNATURES},
	{EXAMPLE_TEXT "\n" EXAMPLE_LINE "\n", NOTE_NO_SIGNATURES},
	{EXAMPLE_TEXT "\n" EXAMPLE_LINE "\n\n", NOTE_NO_SIGNATURES},
	{EXAMPLE_TEXT "\n" EXAMPLE_LINE " ", NOTE_MALFORMED_SIGNATURE},
	{EXAMPLE_TEXT "\n" EXAMPLE_LINE "x\n", NOTE_MALFORMED_SIGNATURE},
	{EXAMPLE_TEXT "\n " EXAMPLE_LINE, NOTE_MALFORMED_SIGNATURE},
	{EXAMPLE_TEXT "\n" DASH "example.com/foo " EXAMPLE_SIGNATURE, NOTE_MALFORMED_SIGNATURE},
	{EXAMPLE_TEXT "\n" DASH "example.com/foo " EXAMPLE_SIGNATURE " \n", NOTE_MALFORMED_SIGNATURE},
	{EXAMPLE_TEXT "\n" DASH "example.com/foo  " EXAMPLE_SIGNATURE "\n", NOTE_MALFORMED_SIGNATURE},
	{EXAMPLE_TEXT "\n" DASH " example.com/foo " EXAMPLE_SIGNATURE "\n", NOTE_MALFORMED_SIGNATURE},
	{EXAMPLE_TEXT "\n- example.com/foo " EXAMPLE_SIGNATURE "\n", NOTE_MALFORMED_SIGNATURE},
	{EXAMPLE_TEXT "\n\xE2\x80\x93 example.com/foo " EXAMPLE_SIGNATURE "\n", NOTE_MALFORMED_SIGNATURE},
	{EXAMPLE_TEXT "\n\xE2\x80\x94 \n", NOTE_MALFORMED_SIGNATURE},
	{EXAMPLE_TEXT "\n\xE2\x80\x94\n", NOTE_MALFORMED_SIGNATURE},
	{EXAMPLE_TEXT "\n" DASH "example.com/foo\n", NOTE_MALFORMED_SIGNATURE},
	{EXAMPLE_TEXT "\n" DASH "example.com/foo \n", NOTE_MALFORMED_SIGNATURE},
	{EXAMPLE_TEXT "\n" DASH "a+b " EXAMPLE_SIGNATURE "\n", NOTE_MALFORMED_SIGNATURE},
	{EXAMPLE_TEXT "\n" DASH "a\xC2\xA0"
				  "b " EXAMPLE_SIGNATURE "\n",
	 NOTE_MALFORMED_SIGNATURE},
	/* Four bytes are an id and no signature; in unknown lines too. */
	{EXAMPLE_TEXT "\n" EXAMPLE_LINE DASH "x AAAAAA==\n", NOTE_MALFORMED_SIGNATURE},
	{EXAMPLE_TEXT "\n" EXAMPLE_LINE DASH "x AAAAAAB=\n", NOTE_MALFORMED_SIGNATURE},
	{EXAMPLE_TEXT "\n" EXAMPLE_LINE DASH "x AAAAAAA\n", NOTE_MALFORMED_SIGNATURE},
	{"\xFF" EXAMPLE_TEXT "\n" EXAMPLE_LINE, NOTE_INVALID_UTF8},
	{"\xC0\x80" EXAMPLE_TEXT "\n" EXAMPLE_LINE, NOTE_INVALID_UTF8},
	{EXAMPLE_TEXT "\n" EXAMPLE_LINE "\xE2\x80", NOTE_INVALID_UTF8},
	{"a\tb\n\n" EXAMPLE_LINE, NOTE_CONTROL_CHARACTER},
	{"a\r\n\n" EXAMPLE_LINE, NOTE_CONTROL_CHARACTER},
	{"a\x01\n\n" EXAMPLE_LINE, NOTE_CONTROL_CHARACTER},
	{"a\x1F\n\n" EXAMPLE_LINE, NOTE_CONTROL_CHARACTER},
	{"a\n\n" DASH "example.com/foo " EXAMPLE_SIGNATURE "\r\n", NOTE_CONTROL_CHARACTER},
	/* The known key's line with the signature shortened, and with one byte more. */
	{EXAMPLE_TEXT "\n" DASH "example.com/foo Uw2QOgA=\n", NOTE_SIGNATURE_REFUSED},
	{EXAMPLE_TEXT "\n" EXAMPLE_LINE DASH "example.com/foo Uw2QOgA=\n", NOTE_SIGNATURE_REFUSED},
	/* The name with another id, and the id with another name. */
	{EXAMPLE_TEXT "\n" DASH "example.com/foo AAAAAAA=\n", NOTE_UNKNOWN_KEYS},
	{EXAMPLE_TEXT "\n" DASH "example.com/fox " EXAMPLE_SIGNATURE "\n", NOTE_UNKNOWN_KEYS},
	/* Lines of unknown keys are passed over. */
	{EXAMPLE_TEXT "\n" DASH "x AAAAAAA=\n" EXAMPLE_LINE DASH "example.com/foo AAAAAAA=\n", NOTE_OK},
	{EXAMPLE_TEXT "\n" EXAMPLE_LINE EXAMPLE_LINE, NOTE_OK},
};

static void
test_refusals(void)
{
	NoteKey key;
	NoteVerdict verdict;
	Note note;

	CHECK_INT(note_key_parse(EXAMPLE_KEY, strlen(EXAMPLE_KEY), &key), NOTE_OK);
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
	{
		NoteStatus status = open_note(refused[i].note, &key, 1, &verdict);

		if (status != refused[i].want)
			printf("note %zu: %s\n", i, note_status_text(status));
		CHECK_INT(status, refused[i].want);
	}
	CHECK_INT(note_parse("a\0\n\n" EXAMPLE_LINE, 4 + strlen(EXAMPLE_LINE), &note), NOTE_CONTROL_CHARACTER);
}

static void
test_limits(void)
{
	static char text[NOTE_SIZE_MAX + 2];
	size_t line_length = strlen(EXAMPLE_LINE);
	size_t length = strlen(EXAMPLE_TEXT "\n");
	Note note;

	strcpy(text, EXAMPLE_TEXT "\n");
	for (int i = 1; i <= NOTE_SIGNATURES_MAX + 1; i++)
	{
		memcpy(text + length, EXAMPLE_LINE, line_length + 1);
		length += line_length;
		CHECK_INT(note_parse(text, length, &note),
				  i <= NOTE_SIGNATURES_MAX ? NOTE_OK : NOTE_TOO_MANY_SIGNATURES);
	}
	memset(text, 'a', sizeof(text));
	strcpy(text + NOTE_SIZE_MAX - line_length - 2, "\n\n" EXAMPLE_LINE);
	CHECK_INT(note_parse(text, NOTE_SIZE_MAX, &note), NOTE_OK);
	text[0] = 'b';
	strcpy(text + NOTE_SIZE_MAX - line_length - 1, "\n\n" EXAMPLE_LINE);
	CHECK_INT(note_parse(text, NOTE_SIZE_MAX + 1, &note), NOTE_TOO_LONG);
}

static const struct
{
	const char *text;
	NoteStatus want;
} keys[] = {
	{"", NOTE_INVALID_KEY},
	{"+", NOTE_INVALID_KEY},
	{"++", NOTE_INVALID_KEY},
	{"example.com/foo", NOTE_INVALID_KEY},
	{"example.com/foo+530d903a", NOTE_INVALID_KEY},
	{"example.com/foo+530d903a+", NOTE_INVALID_KEY},
	{"+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k", NOTE_INVALID_KEY},
	{"a b+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k", NOTE_INVALID_KEY},
	{EXAMPLE_KEY "\n", NOTE_INVALID_KEY},
	{EXAMPLE_KEY "=", NOTE_INVALID_KEY},
	{"example.com/foo+530D903A+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k", NOTE_KEY_ID},
	{"example.com/foo+530d903b+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k", NOTE_KEY_ID},
	{"example.com/fox+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k", NOTE_KEY_ID},
	{"example.com/foo+530d903+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k", NOTE_INVALID_KEY},
	{"example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3Q==", NOTE_KEY_TYPE},
	{"example.com/foo+530d903a+AukyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k", NOTE_KEY_TYPE},
	{"example.com/foo+530d903a+BOkyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k", NOTE_KEY_ID},
	{"example.com/foo+530d903a+AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", NOTE_WEAK_KEY},
};

static void
test_keys(void)
{
	static const char *const names[] = {"",		" ",		 "a b",	 "a+b",			 "a\nb",
										"a\tb", "a\x7F\x01", "\xFF", "a\xE3\x80\x80"};
	char long_name[NOTE_NAME_MAX + 2];
	NoteKey key = key_of(seed_1, NOTE_COSIGNATURE, "witness.example");
	NoteKey again;
	char text[NOTE_KEY_TEXT_MAX];
	size_t length = note_key_format(&key, text);

	CHECK_INT(note_key_parse(text, length, &again), NOTE_OK);
	CHECK(again.type == NOTE_COSIGNATURE && memcmp(&again, &key, sizeof(key)) == 0);
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		CHECK_INT(note_key_parse(keys[i].text, strlen(keys[i].text), &again), keys[i].want);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		CHECK_INT(note_key_make(NOTE_ED25519, span(names[i]), key.public_key, &again), NOTE_INVALID_NAME);
	memset(long_name, 'n', sizeof(long_name));
	long_name[NOTE_NAME_MAX + 1] = '\0';
	CHECK_INT(note_key_make(NOTE_ED25519, span(long_name), key.public_key, &again), NOTE_INVALID_NAME);
	long_name[NOTE_NAME_MAX] = '\0';
	CHECK_INT(note_key_make(NOTE_ED25519, span(long_name), key.public_key, &again), NOTE_OK);
	CHECK_INT(note_key_format(&again, text), NOTE_KEY_TEXT_MAX);
	CHECK_INT(note_key_make((NoteKeyType) 2, span("a"), key.public_key, &again), NOTE_KEY_TYPE);
	CHECK_INT(note_key_make((NoteKeyType) 0x104, span("a"), key.public_key, &again), NOTE_KEY_TYPE);
}

static void
test_sign(void)
{
	static char text[NOTE_SIZE_MAX];
	NoteKey key = key_of(seed_1, NOTE_ED25519, "log.example");
	NoteKey other = key_of(seed_2, NOTE_ED25519, "log.example");
	NoteVerdict verdicts[2];
	NoteKey both[2];
	char line[NOTE_LINE_MAX];
	char note[2048];
	size_t length = 0;

	both[0] = other;
	both[1] = key;
	CHECK_INT(note_sign(&key, seed_1, span("a\n\nb\n"), line, &length), NOTE_OK);
	snprintf(note, sizeof(note), "a\n\nb\n\n%.*s", (int) length, line);
	CHECK_INT(open_note(note, both, 2, verdicts), NOTE_OK);
	CHECK(!verdicts[0].verified && verdicts[1].verified);
	CHECK_INT(open_note(note, &other, 1, verdicts), NOTE_UNKNOWN_KEYS);
	CHECK_INT(note_sign(&key, seed_2, span("a\n"), line, &length), NOTE_OTHER_SEED);
	CHECK_INT(note_sign(&key, seed_1, span(""), line, &length), NOTE_INVALID_TEXT);
	CHECK_INT(note_sign(&key, seed_1, span("a"), line, &length), NOTE_INVALID_TEXT);
	CHECK_INT(note_sign(&key, seed_1, span("a\t\n"), line, &length), NOTE_CONTROL_CHARACTER);
	CHECK_INT(note_sign(&key, seed_1, span("\xFF\n"), line, &length), NOTE_INVALID_UTF8);
	CHECK_INT(note_cosign(&key, seed_1, 1, span("a\n"), line, &length), NOTE_KEY_TYPE);
	memset(text, '\n', sizeof(text));
	CHECK_INT(note_sign(&key, seed_1, (TextSpan){text, sizeof(text)}, line, &length), NOTE_TOO_LONG);
}

/* C2SP tlog-cosignature, Format and Ed25519 signed message: what is signed, and the time in the example's line. */
static void
test_cosign_message(void)
{
	static const char example[] = "jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/"
								  "zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==";
	static const char body[] =
		"example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";
	NoteKey key = key_of(seed_1, NOTE_COSIGNATURE, "witness.example.com/w1");
	uint8_t decoded[NOTE_KEY_ID_SIZE + 8 + SIGNATURE_SIZE];
	char line[NOTE_LINE_MAX];
	char message[512];
	size_t length = 0;
	size_t start = strlen(DASH "witness.example.com/w1 ");

	CHECK_INT(note_cosign(&key, seed_1, 1679315147, span(body), line, &length), NOTE_OK);
	CHECK_INT(length, start + strlen(example) + 1);
	CHECK(memcmp(line, DASH "witness.example.com/w1 ", start) == 0 && line[length - 1] == '\n');
	/* The time stands in characters 8 to 15 of the base64 but shares the first with the id, the last with R. */
	CHECK(memcmp(line + start + 6, example + 6, 9) == 0);
	CHECK(base64_decode(line + start, length - start - 1, decoded, sizeof(decoded)));
	snprintf(message, sizeof(message), "cosignature/v1\ntime 1679315147\n%s", body);
	CHECK_INT(signature_verify(key.public_key, message, strlen(message), decoded + 12), SIGNATURE_OK);
}

static void
test_cosign(void)
{
	static char long_text[NOTE_COSIGNED_TEXT_MAX + 1];
	NoteKey both[2] = {key_of(seed_1, NOTE_ED25519, "log"), key_of(seed_2, NOTE_COSIGNATURE, "witness")};
	NoteVerdict verdicts[2];
	char log_line[NOTE_LINE_MAX];
	char lines[3][NOTE_LINE_MAX + 1] = {{0}};
	char note[2048];
	size_t length;

	CHECK_INT(note_sign(&both[0], seed_1, span("a\n"), log_line, &length), NOTE_OK);
	for (uint64_t i = 0; i < 3; i++)
		CHECK_INT(note_cosign(&both[1], seed_2, i == 1 ? INT64_MAX : i, span("a\n"), lines[i], &length),
				  NOTE_OK);
	snprintf(note, sizeof(note), "a\n\n%s%s%s", lines[0], lines[1], lines[2]);
	CHECK_INT(open_note(note, both, 2, verdicts), NOTE_OK);
	CHECK(!verdicts[0].verified && verdicts[1].verified);
	CHECK(verdicts[1].time_seconds == INT64_MAX);
	note[0] = 'b';
	CHECK_INT(open_note(note, both, 2, verdicts), NOTE_SIGNATURE_REFUSED);
	/* A cosignature's time is signed: bit 0 of its last byte lies in the line's sixteenth character. */
	lines[2][strlen(DASH "witness ") + 15] ^= 1;
	snprintf(note, sizeof(note), "a\n\n%s", lines[2]);
	CHECK_INT(open_note(note, both, 2, verdicts), NOTE_SIGNATURE_REFUSED);
	CHECK_INT(note_cosign(&both[1], seed_2, (uint64_t) INT64_MAX + 1, span("a\n"), lines[0], &length),
			  NOTE_INVALID_TIME);
	CHECK_INT(note_sign(&both[1], seed_2, span("a\n"), lines[0], &length), NOTE_KEY_TYPE);
	memset(long_text, 'a', sizeof(long_text));
	long_text[sizeof(long_text) - 1] = '\n';
	CHECK_INT(note_cosign(&both[1], seed_2, 1, (TextSpan){long_text, sizeof(long_text)}, lines[0], &length),
			  NOTE_TOO_LONG);
	CHECK_INT(
		note_cosign(&both[1], seed_2, 1, (TextSpan){long_text + 1, sizeof(long_text) - 1}, lines[0], &length),
		NOTE_OK);
}

/* A witness's line with a time past 2^63 - 1 is refused for that, before its signature is looked at. */
static void
test_late_time(void)
{
	NoteKey key = key_of(seed_2, NOTE_COSIGNATURE, "witness");
	uint8_t decoded[NOTE_KEY_ID_SIZE + 8 + SIGNATURE_SIZE] = {0};
	char base64[BASE64_LENGTH(sizeof(decoded)) + 1] = {0};
	char note[256];
	NoteVerdict verdict;

	memcpy(decoded, key.id, NOTE_KEY_ID_SIZE);
	decoded[NOTE_KEY_ID_SIZE] = 0x80;
	base64_encode(decoded, sizeof(decoded), base64);
	snprintf(note, sizeof(note), "a\n\n" DASH "witness %s\n", base64);
	CHECK_INT(open_note(note, &key, 1, &verdict), NOTE_INVALID_TIME);
}

int
main(void)
{
	test_examples();
	test_refusals();
	test_limits();
	test_keys();
	test_sign();
	test_cosign_message();
	test_cosign();
	test_late_time();
	TEST_MAIN_END();
}
