/*
 * libFuzzer: the same bytes as a file of keys, as each personal field, and as a message of the log. What is accepted has
 * one canonical form, which is accepted and gives itself; a message is only overwritten, and has no token afterwards.
 */
#include "key_ring.h"
#include "personal.h"
#include "redact.h"

#include <stdlib.h>
#include <string.h>

extern int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(bool holds)
{
	if (!holds)
		abort();
}

static void
check_field(const char *name, bool is_json, const char *text, size_t length)
{
	const PersonalField *field = personal_field(name);
	char *canonical;
	char *again;
	size_t canonical_length;
	size_t again_length;

	if (personal_value(field, text, length, &canonical, &canonical_length) != PERSONAL_OK)
	{
		require(canonical == NULL);
		return;
	}
	require(strlen(canonical) == canonical_length);
	if (is_json)
	{
		require(personal_value(field, canonical, canonical_length, &again, &again_length) == PERSONAL_OK);
		require(again_length == canonical_length && memcmp(again, canonical, again_length) == 0);
		free(again);
	}
	free(canonical);
}

static char *
copy_text(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	memcpy(text, data, size);
	text[size] = '\0';
	return text;
}

static void
check_message(const uint8_t *data, size_t size)
{
	char *text = copy_text(data, size);
	size_t length = strlen(text);
	bool had_token = redact_has_token(text);
	char name[8];

	require(redact_tokens(text) == had_token && !redact_has_token(text) && strlen(text) == length);
	for (const char *at = text; (at = redact_executed(at, name, sizeof(name))) != NULL;)
		require(at <= text + length && strlen(name) < sizeof(name));
	if (redact_level(text) > REDACT_NOTHING)
		require(length >= strlen("issue_token"));
	redact_has_literal(text);
	redact_quoted(text);
	require(strlen(text) <= length);
	redact_all(text);
	require(strlen(text) <= length && strlen(text) <= strlen("[withheld]"));
	free(text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	KeyRing ring;

	if (key_ring_parse((const char *) data, size, &ring) == KEY_RING_OK)
		require(ring.count >= 1 && ring.count <= KEY_RING_KEYS_MAX &&
				key_ring_find(&ring, ring.keys[ring.count - 1].id) == ring.keys[ring.count - 1].key);
	else
		require(ring.count == 0);
	check_field("email", false, (const char *) data, size);
	check_field("phone", false, (const char *) data, size);
	check_field("address", true, (const char *) data, size);
	check_field("tax_numbers", true, (const char *) data, size);
	check_message(data, size);
	return 0;
}
