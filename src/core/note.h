#ifndef BILLING_CORE_NOTE_H
#define BILLING_CORE_NOTE_H

#include "note_key.h"

/*
 * Signed notes (C2SP signed-note): a text that ends in a line feed, an empty line, and signature lines
 *
 *     em dash, space, name of the key, space, base64(id of the key || signature), line feed
 *
 * Who only reads a note knows nothing: its text counts once note_verify found a known key.
 */
#define NOTE_SIZE_MAX 131072
#define NOTE_SIGNATURES_MAX 16

/* The longest text that is cosigned; a checkpoint's is far below. */
#define NOTE_COSIGNED_TEXT_MAX 1024

/* The longest signature line, with its line feed: that of a cosignature. */
#define NOTE_LINE_MAX (4 + NOTE_NAME_MAX + 1 + 104 + 1)

/* The name and base64 of one signature line, in the bytes that were parsed. */
typedef struct NoteSignature
{
	TextSpan name;
	TextSpan base64;
	uint8_t key_id[NOTE_KEY_ID_SIZE];
} NoteSignature;

typedef struct Note
{
	TextSpan text; /* with its last line feed, without the empty line after it */
	size_t count;
	NoteSignature signatures[NOTE_SIGNATURES_MAX];
} Note;

/* What note_verify found for a key; for a cosignature, its latest time in seconds since 1970. */
typedef struct NoteVerdict
{
	bool verified;
	uint64_t time_seconds;
} NoteVerdict;

/* Keeps pointers into bytes. Refuses every deviation from the format, in lines of unknown keys too. */
extern NoteStatus note_parse(const char *bytes, size_t length, Note *note);

/*
 * Checks every line whose name and id are those of one of the keys, and passes over the others. NOTE_OK when at least
 * one verifies and none fails; verdicts has an entry for each key, and counts only then.
 */
extern NoteStatus note_verify(const Note *note, const NoteKey *keys, size_t key_count, NoteVerdict *verdicts);

/*
 * The signature line of a text. The note is the text, a line feed, and such lines. The first takes a NOTE_ED25519 key,
 * the second a NOTE_COSIGNATURE key and a time in seconds since 1970.
 */
extern NoteStatus note_sign(const NoteKey *key, const uint8_t seed[SIGNATURE_SEED_SIZE], TextSpan text,
							char line[NOTE_LINE_MAX], size_t *line_length);
extern NoteStatus note_cosign(const NoteKey *key, const uint8_t seed[SIGNATURE_SEED_SIZE],
							  uint64_t time_seconds, TextSpan text, char line[NOTE_LINE_MAX],
							  size_t *line_length);

#endif
