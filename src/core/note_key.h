#ifndef BILLING_CORE_NOTE_KEY_H
#define BILLING_CORE_NOTE_KEY_H

#include "lines.h"
#include "signature.h"

/* The keys of signed notes (C2SP signed-note, Verifier keys), of the two kinds that are used here. */
#define NOTE_NAME_MAX 255
#define NOTE_KEY_ID_SIZE 4

typedef enum
{
	NOTE_ED25519 = 0x01,	/* signs the text */
	NOTE_COSIGNATURE = 0x04 /* signs a time and the text of a checkpoint (C2SP tlog-cosignature) */
} NoteKeyType;

typedef enum
{
	NOTE_OK = 0,
	NOTE_TOO_LONG,
	NOTE_INVALID_UTF8,
	NOTE_CONTROL_CHARACTER,	  /* a byte below 0x20 other than a line feed */
	NOTE_NO_SIGNATURES,		  /* no empty line with signature lines after it */
	NOTE_MALFORMED_SIGNATURE, /* a line there that is no signature line */
	NOTE_TOO_MANY_SIGNATURES,
	NOTE_INVALID_TEXT,		/* does not end in a line feed */
	NOTE_INVALID_NAME,		/* empty, too long, with a space or a plus */
	NOTE_INVALID_KEY,		/* not the text of a verifier key */
	NOTE_KEY_TYPE,			/* of a kind that is not known, or that does not do this */
	NOTE_KEY_ID,			/* the id in a verifier key is not that of its name and key */
	NOTE_WEAK_KEY,			/* as SIGNATURE_WEAK_KEY */
	NOTE_OTHER_SEED,		/* the private key belongs to another public key */
	NOTE_INVALID_TIME,		/* past 2^63 - 1 */
	NOTE_UNKNOWN_KEYS,		/* signed by none of the known keys */
	NOTE_SIGNATURE_REFUSED, /* a line in the name of a known key that the key did not sign */
	NOTE_NO_MEMORY,
	NOTE_FAILED,   /* the crypto library refused */
	NOTE_UNDECIDED /* as SIGNATURE_UNDECIDED */
} NoteStatus;

typedef struct NoteKey
{
	NoteKeyType type;
	size_t name_length;
	char name[NOTE_NAME_MAX + 1]; /* ends in a zero byte */
	uint8_t id[NOTE_KEY_ID_SIZE];
	uint8_t public_key[SIGNATURE_KEY_SIZE];
} NoteKey;

/* The text of a verifier key without a zero byte: name, id in hex, and type and public key in base64. */
#define NOTE_KEY_TEXT_MAX (NOTE_NAME_MAX + 1 + 2 * NOTE_KEY_ID_SIZE + 1 + 44)

/* In words, for a message: lower case, no full stop. */
extern const char *note_status_text(NoteStatus status);

/* The status of the signature calls as one of these. */
extern NoteStatus note_status_from_signature(SignatureStatus status);

/* NOTE_OK for well-formed UTF-8 without control characters other than line feeds. */
extern NoteStatus note_check_characters(TextSpan text);

/* NOTE_OK for a name of 1 to NOTE_NAME_MAX bytes of UTF-8 without Unicode spaces, plus and control characters. */
extern NoteStatus note_check_name(TextSpan name);

/* Fills in a key with its id: the first bytes of SHA-256(name || 0x0A || type || public key). */
extern NoteStatus note_key_make(NoteKeyType type, TextSpan name, const uint8_t public_key[SIGNATURE_KEY_SIZE],
								NoteKey *key);

extern NoteStatus note_key_parse(const char *text, size_t length, NoteKey *key);

/* Returns the number of characters. */
extern size_t note_key_format(const NoteKey *key, char out[NOTE_KEY_TEXT_MAX]);

#endif
