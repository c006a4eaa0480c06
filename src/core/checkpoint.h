#ifndef BILLING_CORE_CHECKPOINT_H
#define BILLING_CORE_CHECKPOINT_H

#include "digest.h"
#include "note.h"

/*
 * The text of a checkpoint (C2SP tlog-checkpoint): three lines with the origin, the size in decimal and the root hash
 * in base64. There are no extension lines, which nobody could audit. An origin obeys the rules for a key's name.
 */
#define CHECKPOINT_ROOT_LENGTH 44
#define CHECKPOINT_TEXT_MAX (NOTE_NAME_MAX + 1 + LINE_NUMBER_DIGITS_MAX + 1 + CHECKPOINT_ROOT_LENGTH + 1)

typedef enum
{
	CHECKPOINT_OK = 0,
	CHECKPOINT_LINES,  /* not three lines, each ending in a line feed */
	CHECKPOINT_ORIGIN, /* no name, or not the expected one */
	CHECKPOINT_SIZE,   /* not a decimal of at most 2^63 - 1 without leading zeros */
	CHECKPOINT_ROOT,   /* not a hash in base64, or without leaves not that of the empty tree */
	CHECKPOINT_NOTE	   /* the signed note does not hold, for the reason in a NoteStatus */
} CheckpointStatus;

typedef struct Checkpoint
{
	size_t origin_length;
	char origin[NOTE_NAME_MAX + 1]; /* ends in a zero byte */
	uint64_t size;
	uint8_t root[DIGEST_SIZE];
} Checkpoint;

/* In words, for a message: lower case, no full stop. */
extern const char *checkpoint_status_text(CheckpointStatus status);

/* Exactly one text for a checkpoint; refused when parsing it would be. */
extern CheckpointStatus checkpoint_format(const Checkpoint *checkpoint, char out[CHECKPOINT_TEXT_MAX],
										  size_t *length);
extern CheckpointStatus checkpoint_parse(const char *text, size_t length, Checkpoint *checkpoint);

/*
 * A signed checkpoint, trusted: keys[0] is the log's, of type NOTE_ED25519, and must have signed; the other keys are
 * witnesses, whose verdicts are the caller's to count. origin NULL takes any, for a caller who compares it then.
 * Nothing of a checkpoint counts unless this is CHECKPOINT_OK; note_status has the reason for CHECKPOINT_NOTE.
 */
extern CheckpointStatus checkpoint_open(const char *note, size_t length, const char *origin,
										const NoteKey *keys, size_t key_count, Checkpoint *checkpoint,
										NoteVerdict *verdicts, NoteStatus *note_status);

#endif
