#include "note_key.h"

#include "base64.h"
#include "digest.h"
#include "utf8.h"

#include <string.h>

const char *
note_status_text(NoteStatus status)
{
	static const char *const texts[] = {
		[NOTE_OK] = "no error",
		[NOTE_TOO_LONG] = "the note is too long",
		[NOTE_INVALID_UTF8] = "the text is not valid UTF-8",
		[NOTE_CONTROL_CHARACTER] = "the text has a control character",
		[NOTE_NO_SIGNATURES] = "the note has no signatures",
		[NOTE_MALFORMED_SIGNATURE] = "a signature line is malformed",
		[NOTE_TOO_MANY_SIGNATURES] = "the note has too many signatures",
		[NOTE_INVALID_TEXT] = "the text does not end in a line feed",
		[NOTE_INVALID_NAME] = "the name is not that of a key",
		[NOTE_INVALID_KEY] = "the verifier key is malformed",
		[NOTE_KEY_TYPE] = "the key is of another kind",
		[NOTE_KEY_ID] = "the key id does not belong to the key",
		[NOTE_WEAK_KEY] = "the public key is weak",
		[NOTE_OTHER_SEED] = "the private key does not belong to the public key",
		[NOTE_INVALID_TIME] = "the time of a cosignature is out of range",
		[NOTE_UNKNOWN_KEYS] = "no known key signed the note",
		[NOTE_SIGNATURE_REFUSED] = "a signature does not verify",
		[NOTE_NO_MEMORY] = "out of memory",
		[NOTE_FAILED] = "the crypto library failed",
		[NOTE_UNDECIDED] = "the crypto library could not verify a signature",
	};

	return texts[status];
}

NoteStatus
note_status_from_signature(SignatureStatus status)
{
	static const NoteStatus statuses[] = {
		[SIGNATURE_OK] = NOTE_OK,
		[SIGNATURE_REFUSED] = NOTE_SIGNATURE_REFUSED,
		[SIGNATURE_WEAK_KEY] = NOTE_WEAK_KEY,
		[SIGNATURE_NO_MEMORY] = NOTE_NO_MEMORY,
		[SIGNATURE_FAILED] = NOTE_FAILED,
		[SIGNATURE_UNDECIDED] = NOTE_UNDECIDED,
	};

	return statuses[status];
}

NoteStatus
note_check_characters(TextSpan text)
{
	for (size_t i = 0; i < text.length;)
	{
		uint32_t point;
		size_t length = utf8_decode(text.text + i, text.length - i, &point);

		if (length == 0)
			return NOTE_INVALID_UTF8;
		if (point < 0x20 && point != '\n')
			return NOTE_CONTROL_CHARACTER;
		i += length;
	}
	return NOTE_OK;
}

NoteStatus
note_check_name(TextSpan name)
{
	if (name.length == 0 || name.length > NOTE_NAME_MAX)
		return NOTE_INVALID_NAME;
	for (size_t i = 0; i < name.length;)
	{
		uint32_t point;
		size_t length = utf8_decode(name.text + i, name.length - i, &point);

		if (length == 0 || point < 0x20 || point == '+' || utf8_is_space(point))
			return NOTE_INVALID_NAME;
		i += length;
	}
	return NOTE_OK;
}

NoteStatus
note_key_make(NoteKeyType type, TextSpan name, const uint8_t public_key[SIGNATURE_KEY_SIZE], NoteKey *key)
{
	uint8_t input[NOTE_NAME_MAX + 2 + SIGNATURE_KEY_SIZE];
	uint8_t hash[DIGEST_SIZE];
	NoteStatus status = note_check_name(name);
	DigestStatus hashed;

	if (status == NOTE_OK && type != NOTE_ED25519 && type != NOTE_COSIGNATURE)
		status = NOTE_KEY_TYPE;
	if (status == NOTE_OK)
		status = note_status_from_signature(signature_check_key(public_key));
	if (status != NOTE_OK)
		return status;
	memcpy(input, name.text, name.length);
	input[name.length] = '\n';
	input[name.length + 1] = (uint8_t) type;
	memcpy(input + name.length + 2, public_key, SIGNATURE_KEY_SIZE);
	hashed = digest_sha256(input, name.length + 2 + SIGNATURE_KEY_SIZE, hash);
	if (hashed != DIGEST_OK)
		return hashed == DIGEST_NO_MEMORY ? NOTE_NO_MEMORY : NOTE_FAILED;
	memset(key, 0, sizeof(*key));
	key->type = type;
	key->name_length = name.length;
	memcpy(key->name, name.text, name.length);
	memcpy(key->id, hash, NOTE_KEY_ID_SIZE);
	memcpy(key->public_key, public_key, SIGNATURE_KEY_SIZE);
	return NOTE_OK;
}

static void
write_hex(const uint8_t id[NOTE_KEY_ID_SIZE], char out[2 * NOTE_KEY_ID_SIZE])
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < NOTE_KEY_ID_SIZE; i++)
	{
		out[2 * i] = digits[id[i] >> 4];
		out[2 * i + 1] = digits[id[i] & 15];
	}
}

/* The part before the next plus, or all the rest when there is none; rest is what follows the plus. */
static TextSpan
take_part(TextSpan *rest)
{
	const char *plus = rest->length == 0 ? NULL : memchr(rest->text, '+', rest->length);
	TextSpan part = *rest;

	if (plus != NULL)
		part.length = (size_t) (plus - rest->text);
	rest->text += part.length + (plus != NULL);
	rest->length -= part.length + (plus != NULL);
	return part;
}

NoteStatus
note_key_parse(const char *text, size_t length, NoteKey *key)
{
	TextSpan rest = {text, length};
	TextSpan name = take_part(&rest);
	TextSpan id = take_part(&rest);
	uint8_t material[1 + SIGNATURE_KEY_SIZE];
	char want[2 * NOTE_KEY_ID_SIZE];
	size_t material_length;
	NoteKey made;
	NoteStatus status;

	if (note_check_name(name) != NOTE_OK || id.length != sizeof(want) ||
		!base64_check(rest.text, rest.length, &material_length) || material_length == 0)
		return NOTE_INVALID_KEY;
	if (material_length != sizeof(material))
		return NOTE_KEY_TYPE;
	if (!base64_decode(rest.text, rest.length, material, sizeof(material)))
		return NOTE_INVALID_KEY;
	status = note_key_make((NoteKeyType) material[0], name, material + 1, &made);
	if (status != NOTE_OK)
		return status;
	write_hex(made.id, want);
	if (memcmp(id.text, want, sizeof(want)) != 0)
		return NOTE_KEY_ID;
	*key = made;
	return NOTE_OK;
}

size_t
note_key_format(const NoteKey *key, char out[NOTE_KEY_TEXT_MAX])
{
	uint8_t material[1 + SIGNATURE_KEY_SIZE];
	char *end = out + key->name_length;

	material[0] = (uint8_t) key->type;
	memcpy(material + 1, key->public_key, SIGNATURE_KEY_SIZE);
	memcpy(out, key->name, key->name_length);
	*end++ = '+';
	write_hex(key->id, end);
	end += 2 * NOTE_KEY_ID_SIZE;
	*end++ = '+';
	end += base64_encode(material, sizeof(material), end);
	return (size_t) (end - out);
}
