#include "note.h"

#include "base64.h"

#include <string.h>

#define TIME_SIZE 8

/* An em dash, U+2014, and a space. */
static const char line_start[] = "\xE2\x80\x94 ";

/* C2SP tlog-cosignature, Ed25519 signed message: what stands before the time and the text. */
static const char cosigned_start[] = "cosignature/v1\ntime ";

#define COSIGNED_MAX (sizeof(cosigned_start) + LINE_NUMBER_DIGITS_MAX + 1 + NOTE_COSIGNED_TEXT_MAX)

static NoteStatus
parse_signature(TextSpan line, NoteSignature *signature)
{
	uint8_t start[6];
	const char *space;
	size_t decoded_length;

	if (!line_skip(&line, line_start) || line.length == 0)
		return NOTE_MALFORMED_SIGNATURE;
	space = memchr(line.text, ' ', line.length);
	if (space == NULL)
		return NOTE_MALFORMED_SIGNATURE;
	signature->name = (TextSpan){line.text, (size_t) (space - line.text)};
	signature->base64 = (TextSpan){space + 1, line.length - signature->name.length - 1};
	if (note_check_name(signature->name) != NOTE_OK ||
		!base64_check(signature->base64.text, signature->base64.length, &decoded_length) ||
		decoded_length <= NOTE_KEY_ID_SIZE)
		return NOTE_MALFORMED_SIGNATURE;
	if (!base64_decode(signature->base64.text, 8, start, decoded_length < 6 ? decoded_length : 6))
		return NOTE_MALFORMED_SIGNATURE;
	memcpy(signature->key_id, start, NOTE_KEY_ID_SIZE);
	return NOTE_OK;
}

/* The last empty line parts text and signatures: a text may have empty lines itself. */
static NoteStatus
split_note(TextSpan bytes, TextSpan *text, TextSpan *lines)
{
	for (size_t i = bytes.length; i-- > 1;)
		if (bytes.text[i] == '\n' && bytes.text[i - 1] == '\n')
		{
			*text = (TextSpan){bytes.text, i};
			*lines = (TextSpan){bytes.text + i + 1, bytes.length - i - 1};
			return lines->length == 0 ? NOTE_NO_SIGNATURES : NOTE_OK;
		}
	return NOTE_NO_SIGNATURES;
}

NoteStatus
note_parse(const char *bytes, size_t length, Note *note)
{
	TextSpan all = {bytes, length};
	TextSpan lines;
	TextSpan line;
	NoteStatus status = length > NOTE_SIZE_MAX ? NOTE_TOO_LONG : note_check_characters(all);

	note->count = 0;
	if (status == NOTE_OK)
		status = split_note(all, &note->text, &lines);
	while (status == NOTE_OK && lines.length > 0)
	{
		if (!line_next(&lines, &line))
			status = NOTE_MALFORMED_SIGNATURE;
		else if (note->count == NOTE_SIGNATURES_MAX)
			status = NOTE_TOO_MANY_SIGNATURES;
		else
			status = parse_signature(line, &note->signatures[note->count++]);
	}
	return status;
}

static bool
made_by(const NoteSignature *signature, const NoteKey *key)
{
	return signature->name.length == key->name_length &&
		   memcmp(signature->name.text, key->name, key->name_length) == 0 &&
		   memcmp(signature->key_id, key->id, NOTE_KEY_ID_SIZE) == 0;
}

static NoteStatus
cosigned_message(uint64_t time_seconds, TextSpan text, char out[COSIGNED_MAX], size_t *length)
{
	char *end = out + sizeof(cosigned_start) - 1;

	if (time_seconds > INT64_MAX)
		return NOTE_INVALID_TIME;
	if (text.length > NOTE_COSIGNED_TEXT_MAX)
		return NOTE_TOO_LONG;
	memcpy(out, cosigned_start, sizeof(cosigned_start) - 1);
	end += line_write_number(time_seconds, end);
	*end++ = '\n';
	memcpy(end, text.text, text.length);
	*length = (size_t) (end - out) + text.length;
	return NOTE_OK;
}

/* The line's name and key id are the key's. */
static NoteStatus
verify_signature(TextSpan text, const NoteSignature *signature, const NoteKey *key, uint64_t *time_seconds)
{
	uint8_t decoded[NOTE_KEY_ID_SIZE + TIME_SIZE + SIGNATURE_SIZE];
	size_t time_size = key->type == NOTE_COSIGNATURE ? TIME_SIZE : 0;
	const uint8_t *time = decoded + NOTE_KEY_ID_SIZE;
	char message[COSIGNED_MAX];
	NoteStatus status;

	*time_seconds = 0;
	if (!base64_decode(signature->base64.text, signature->base64.length, decoded,
					   NOTE_KEY_ID_SIZE + time_size + SIGNATURE_SIZE))
		return NOTE_SIGNATURE_REFUSED;
	if (key->type == NOTE_COSIGNATURE)
	{
		for (size_t i = 0; i < TIME_SIZE; i++)
			*time_seconds = *time_seconds << 8 | time[i];
		status = cosigned_message(*time_seconds, text, message, &text.length);
		if (status != NOTE_OK)
			return status;
		text.text = message;
	}
	return note_status_from_signature(
		signature_verify(key->public_key, text.text, text.length, time + time_size));
}

NoteStatus
note_verify(const Note *note, const NoteKey *keys, size_t key_count, NoteVerdict *verdicts)
{
	bool known = false;

	for (size_t k = 0; k < key_count; k++)
		verdicts[k] = (NoteVerdict){false, 0};
	for (size_t i = 0; i < note->count; i++)
		for (size_t k = 0; k < key_count; k++)
		{
			uint64_t time_seconds;
			NoteStatus status;

			if (!made_by(&note->signatures[i], &keys[k]))
				continue;
			status = verify_signature(note->text, &note->signatures[i], &keys[k], &time_seconds);
			if (status != NOTE_OK)
				return status;
			known = verdicts[k].verified = true;
			if (time_seconds > verdicts[k].time_seconds)
				verdicts[k].time_seconds = time_seconds;
		}
	return known ? NOTE_OK : NOTE_UNKNOWN_KEYS;
}

static NoteStatus
check_signing(const NoteKey *key, NoteKeyType type, const uint8_t seed[SIGNATURE_SEED_SIZE], TextSpan text)
{
	uint8_t public_key[SIGNATURE_KEY_SIZE];
	NoteStatus status;

	if (key->type != type)
		return NOTE_KEY_TYPE;
	if (text.length == 0 || text.text[text.length - 1] != '\n')
		return NOTE_INVALID_TEXT;
	/* Room for an empty line and every signature line that a note of ours may get. */
	if (text.length > NOTE_SIZE_MAX - 1 - NOTE_SIGNATURES_MAX * NOTE_LINE_MAX)
		return NOTE_TOO_LONG;
	status = note_check_characters(text);
	if (status == NOTE_OK)
		status = note_status_from_signature(signature_public_key(seed, public_key));
	if (status == NOTE_OK && memcmp(public_key, key->public_key, SIGNATURE_KEY_SIZE) != 0)
		status = NOTE_OTHER_SEED;
	return status;
}

static size_t
write_line(const NoteKey *key, const uint8_t *signature, size_t signature_size, char line[NOTE_LINE_MAX])
{
	uint8_t decoded[NOTE_KEY_ID_SIZE + TIME_SIZE + SIGNATURE_SIZE];
	char *end = line + sizeof(line_start) - 1;

	memcpy(decoded, key->id, NOTE_KEY_ID_SIZE);
	memcpy(decoded + NOTE_KEY_ID_SIZE, signature, signature_size);
	memcpy(line, line_start, sizeof(line_start) - 1);
	memcpy(end, key->name, key->name_length);
	end += key->name_length;
	*end++ = ' ';
	end += base64_encode(decoded, NOTE_KEY_ID_SIZE + signature_size, end);
	*end++ = '\n';
	return (size_t) (end - line);
}

NoteStatus
note_sign(const NoteKey *key, const uint8_t seed[SIGNATURE_SEED_SIZE], TextSpan text,
		  char line[NOTE_LINE_MAX], size_t *line_length)
{
	uint8_t signature[SIGNATURE_SIZE];
	NoteStatus status = check_signing(key, NOTE_ED25519, seed, text);

	if (status == NOTE_OK)
		status = note_status_from_signature(signature_sign(seed, text.text, text.length, signature));
	if (status == NOTE_OK)
		*line_length = write_line(key, signature, sizeof(signature), line);
	return status;
}

NoteStatus
note_cosign(const NoteKey *key, const uint8_t seed[SIGNATURE_SEED_SIZE], uint64_t time_seconds, TextSpan text,
			char line[NOTE_LINE_MAX], size_t *line_length)
{
	uint8_t signature[TIME_SIZE + SIGNATURE_SIZE];
	char message[COSIGNED_MAX];
	size_t length;
	NoteStatus status = check_signing(key, NOTE_COSIGNATURE, seed, text);

	for (size_t i = 0; i < TIME_SIZE; i++)
		signature[i] = (uint8_t) (time_seconds >> (56 - 8 * i));
	if (status == NOTE_OK)
		status = cosigned_message(time_seconds, text, message, &length);
	if (status == NOTE_OK)
		status = note_status_from_signature(signature_sign(seed, message, length, signature + TIME_SIZE));
	if (status == NOTE_OK)
		*line_length = write_line(key, signature, sizeof(signature), line);
	return status;
}
