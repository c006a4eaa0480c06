#include "key_ring.h"

#include "base64.h"

#include <openssl/crypto.h>
#include <string.h>

/* Not ctype: what a letter is depends on the locale. */
static bool
is_id_character(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
		   c == '-' || c == '_';
}

static KeyRingStatus
parse_line(const char *line, size_t length, KeyRing *ring)
{
	size_t id_length = 0;

	while (id_length < length && is_id_character(line[id_length]))
		id_length++;
	if (id_length == 0 || id_length > KEY_RING_ID_MAX || id_length == length || line[id_length] != ' ')
		return KEY_RING_MALFORMED;
	if (ring->count == KEY_RING_KEYS_MAX)
		return KEY_RING_TOO_MANY;
	memcpy(ring->keys[ring->count].id, line, id_length);
	ring->keys[ring->count].id[id_length] = '\0';
	if (!base64_decode(line + id_length + 1, length - id_length - 1, ring->keys[ring->count].key,
					   XAES_KEY_SIZE))
		return KEY_RING_MALFORMED;
	if (key_ring_find(ring, ring->keys[ring->count].id) != NULL)
		return KEY_RING_REPEATED;
	ring->count++;
	return KEY_RING_OK;
}

KeyRingStatus
key_ring_parse(const char *text, size_t length, KeyRing *ring)
{
	KeyRingStatus status = KEY_RING_OK;
	size_t at = 0;

	memset(ring, 0, sizeof(*ring));
	while (at < length && status == KEY_RING_OK)
	{
		const char *end = memchr(text + at, '\n', length - at);
		size_t line_length = end != NULL ? (size_t) (end - (text + at)) : length - at;

		status = parse_line(text + at, line_length, ring);
		at += line_length + 1;
	}
	if (status == KEY_RING_OK && ring->count == 0)
		status = KEY_RING_EMPTY;
	if (status != KEY_RING_OK)
		key_ring_forget(ring);
	return status;
}

const uint8_t *
key_ring_find(const KeyRing *ring, const char *id)
{
	for (size_t i = 0; i < ring->count; i++)
		if (strcmp(ring->keys[i].id, id) == 0)
			return ring->keys[i].key;
	return NULL;
}

void
key_ring_forget(KeyRing *ring)
{
	OPENSSL_cleanse(ring, sizeof(*ring));
}

const char *
key_ring_status_text(KeyRingStatus status)
{
	switch (status)
	{
		case KEY_RING_OK:
			return "fine";
		case KEY_RING_EMPTY:
			return "it holds no key";
		case KEY_RING_TOO_MANY:
			return "it holds more than 16 keys";
		case KEY_RING_MALFORMED:
			return "a line is not an id, a space and 32 bytes in base 64";
		case KEY_RING_REPEATED:
			return "an id stands twice";
	}
	return "unknown";
}
