/*
 * libFuzzer: the same bytes as a signed note, a verifier key and a checkpoint's text. A key and a checkpoint that are
 * accepted are what formatting gives; the parts of a note lie within it and put together are the note again; no input
 * forges a signature of the key, whose example note is in the corpus.
 */
#include "base64.h"
#include "checkpoint.h"

#include <stdlib.h>
#include <string.h>

#define EXAMPLE_KEY "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
#define EXAMPLE_TEXT "This is an example message.\n"

extern int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(bool holds)
{
	if (!holds)
		abort();
}

static void
check_span(TextSpan span, const char **at, const char *end)
{
	require(span.text == *at && span.length <= (size_t) (end - *at));
	*at += span.length;
}

static void
check_note(const char *text, size_t length)
{
	Note note;
	NoteKey key;
	NoteVerdict verdict;
	const char *at = text;

	if (note_parse(text, length, &note) != NOTE_OK)
		return;
	require(note.count > 0 && note.count <= NOTE_SIGNATURES_MAX);
	check_span(note.text, &at, text + length);
	require(note.text.length > 0 && at[-1] == '\n' && *at++ == '\n');
	for (size_t i = 0; i < note.count; i++)
	{
		at += strlen("\xE2\x80\x94 ");
		check_span(note.signatures[i].name, &at, text + length);
		require(*at++ == ' ');
		check_span(note.signatures[i].base64, &at, text + length);
		require(*at++ == '\n');
	}
	require(at == text + length);
	require(note_key_parse(EXAMPLE_KEY, strlen(EXAMPLE_KEY), &key) == NOTE_OK);
	if (note_verify(&note, &key, 1, &verdict) == NOTE_OK)
		require(note.text.length == strlen(EXAMPLE_TEXT) &&
				memcmp(note.text.text, EXAMPLE_TEXT, note.text.length) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *) data;
	NoteKey key;
	Checkpoint checkpoint;
	char key_text[NOTE_KEY_TEXT_MAX];
	char checkpoint_text[CHECKPOINT_TEXT_MAX];
	size_t length;

	check_note(text, size);
	if (note_key_parse(text, size, &key) == NOTE_OK)
		require(note_key_format(&key, key_text) == size && memcmp(key_text, text, size) == 0);
	if (checkpoint_parse(text, size, &checkpoint) == CHECKPOINT_OK)
	{
		require(checkpoint_format(&checkpoint, checkpoint_text, &length) == CHECKPOINT_OK);
		require(length == size && memcmp(checkpoint_text, text, size) == 0);
	}
	return 0;
}
