#include "checkpoint.h"

#include "base64.h"
#include "merkle.h"

#include <string.h>

const char *
checkpoint_status_text(CheckpointStatus status)
{
	static const char *const texts[] = {
		[CHECKPOINT_OK] = "no error",
		[CHECKPOINT_LINES] = "the checkpoint is not three lines",
		[CHECKPOINT_ORIGIN] = "the origin is not a name or not the expected one",
		[CHECKPOINT_SIZE] = "the size is not a decimal number in range",
		[CHECKPOINT_ROOT] = "the root is not a hash or not that of an empty tree",
		[CHECKPOINT_NOTE] = "the signed note does not hold",
	};

	return texts[status];
}

static bool
root_is_possible(const Checkpoint *checkpoint)
{
	return checkpoint->size != 0 || memcmp(checkpoint->root, merkle_empty_root, DIGEST_SIZE) == 0;
}

CheckpointStatus
checkpoint_format(const Checkpoint *checkpoint, char out[CHECKPOINT_TEXT_MAX], size_t *length)
{
	TextSpan origin = {checkpoint->origin, checkpoint->origin_length};
	char *end = out;

	if (note_check_name(origin) != NOTE_OK)
		return CHECKPOINT_ORIGIN;
	if (checkpoint->size > MERKLE_SIZE_MAX)
		return CHECKPOINT_SIZE;
	if (!root_is_possible(checkpoint))
		return CHECKPOINT_ROOT;
	memcpy(end, origin.text, origin.length);
	end += origin.length;
	*end++ = '\n';
	end += line_write_number(checkpoint->size, end);
	*end++ = '\n';
	end += base64_encode(checkpoint->root, DIGEST_SIZE, end);
	*end++ = '\n';
	*length = (size_t) (end - out);
	return CHECKPOINT_OK;
}

CheckpointStatus
checkpoint_parse(const char *text, size_t length, Checkpoint *checkpoint)
{
	TextSpan rest = {text, length};
	TextSpan origin;
	TextSpan size;
	TextSpan root;
	Checkpoint read = {0};

	if (!line_next(&rest, &origin) || !line_next(&rest, &size) || !line_next(&rest, &root) ||
		rest.length != 0)
		return CHECKPOINT_LINES;
	if (note_check_name(origin) != NOTE_OK)
		return CHECKPOINT_ORIGIN;
	if (!line_number(size, &read.size))
		return CHECKPOINT_SIZE;
	if (!base64_decode(root.text, root.length, read.root, DIGEST_SIZE) || !root_is_possible(&read))
		return CHECKPOINT_ROOT;
	memcpy(read.origin, origin.text, origin.length);
	read.origin_length = origin.length;
	*checkpoint = read;
	return CHECKPOINT_OK;
}

CheckpointStatus
checkpoint_open(const char *note, size_t length, const char *origin, const NoteKey *keys, size_t key_count,
				Checkpoint *checkpoint, NoteVerdict *verdicts, NoteStatus *note_status)
{
	Note parsed;
	Checkpoint read;
	CheckpointStatus status;

	*note_status = note_parse(note, length, &parsed);
	if (*note_status == NOTE_OK && (key_count == 0 || keys[0].type != NOTE_ED25519))
		*note_status = NOTE_KEY_TYPE;
	if (*note_status == NOTE_OK)
		*note_status = note_verify(&parsed, keys, key_count, verdicts);
	if (*note_status == NOTE_OK && !verdicts[0].verified)
		*note_status = NOTE_UNKNOWN_KEYS;
	if (*note_status != NOTE_OK)
		return CHECKPOINT_NOTE;
	status = checkpoint_parse(parsed.text.text, parsed.text.length, &read);
	if (status != CHECKPOINT_OK)
		return status;
	if (origin != NULL && strcmp(origin, read.origin) != 0)
		return CHECKPOINT_ORIGIN;
	*checkpoint = read;
	return CHECKPOINT_OK;
}
