#include "base64.h"
#include "token.h"

#include <openssl/crypto.h>
#include <string.h>

const char *
token_keys_status_text(TokenKeysStatus status)
{
	static const char *const texts[] = {
		[TOKEN_KEYS_OK] = "no error",
		[TOKEN_KEYS_LINE] = "a line is not of the form \"kid alg base64\"",
		[TOKEN_KEYS_ID] = "a key id is not 1 to 64 of A-Z, a-z, 0-9, point, underscore and hyphen",
		[TOKEN_KEYS_REPEATED] = "a key id stands twice",
		[TOKEN_KEYS_ALGORITHM] = "an algorithm is neither HS256 nor EdDSA",
		[TOKEN_KEYS_BASE64] = "a key is not in base64",
		[TOKEN_KEYS_LENGTH] = "an HS256 key has not 32 to 128 bytes, or an EdDSA key not 32 or 64",
		[TOKEN_KEYS_WEAK] = "an EdDSA public key is weak, or not that of the private key",
		[TOKEN_KEYS_COUNT] = "there are no keys, or more than 16",
	};

	return texts[status];
}

static bool
is_key_id(TextSpan id)
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";

	if (id.length == 0 || id.length > TOKEN_KEY_ID_MAX)
		return false;
	for (size_t i = 0; i < id.length; i++)
		if (memchr(allowed, id.text[i], sizeof(allowed) - 1) == NULL)
			return false;
	return true;
}

const TokenKey *
token_key_find(const TokenKeys *keys, TextSpan id)
{
	for (size_t i = 0; i < keys->count; i++)
		if (strlen(keys->keys[i].id) == id.length && memcmp(keys->keys[i].id, id.text, id.length) == 0)
			return &keys->keys[i];
	return NULL;
}

/* Cuts off what is before the next space, and the space. */
static bool
next_word(TextSpan *rest, TextSpan *word)
{
	const char *space = rest->length > 0 ? memchr(rest->text, ' ', rest->length) : NULL;

	if (space == NULL)
		return false;
	*word = (TextSpan){rest->text, (size_t) (space - rest->text)};
	rest->length -= word->length + 1;
	rest->text = space + 1;
	return true;
}

static TokenKeysStatus
set_eddsa_key(TokenKey *key)
{
	uint8_t public_key[SIGNATURE_KEY_SIZE];

	key->can_sign = key->secret_length == SIGNATURE_SEED_SIZE + SIGNATURE_KEY_SIZE;
	if (!key->can_sign && key->secret_length != SIGNATURE_KEY_SIZE)
		return TOKEN_KEYS_LENGTH;
	memcpy(key->public_key, key->secret + key->secret_length - SIGNATURE_KEY_SIZE, SIGNATURE_KEY_SIZE);
	if (signature_check_key(key->public_key) != SIGNATURE_OK)
		return TOKEN_KEYS_WEAK;
	if (key->can_sign && (signature_public_key(key->secret, public_key) != SIGNATURE_OK ||
						  memcmp(public_key, key->public_key, sizeof(public_key)) != 0))
		return TOKEN_KEYS_WEAK;
	return TOKEN_KEYS_OK;
}

static TokenKeysStatus
set_hs256_key(TokenKey *key)
{
	key->can_sign = true;
	return key->secret_length < TOKEN_SECRET_MIN ? TOKEN_KEYS_LENGTH : TOKEN_KEYS_OK;
}

static TokenKeysStatus
parse_line(TextSpan line, TokenKeys *keys)
{
	TokenKey *key = &keys->keys[keys->count];
	TextSpan id;
	TextSpan algorithm;

	if (!next_word(&line, &id) || !next_word(&line, &algorithm))
		return TOKEN_KEYS_LINE;
	if (!is_key_id(id))
		return TOKEN_KEYS_ID;
	if (token_key_find(keys, id) != NULL)
		return TOKEN_KEYS_REPEATED;
	memcpy(key->id, id.text, id.length);
	if (algorithm.length != 5 ||
		(memcmp(algorithm.text, "HS256", 5) != 0 && memcmp(algorithm.text, "EdDSA", 5) != 0))
		return TOKEN_KEYS_ALGORITHM;
	key->algorithm = algorithm.text[0] == 'H' ? TOKEN_HS256 : TOKEN_EDDSA;
	if (!base64_check(line.text, line.length, &key->secret_length))
		return TOKEN_KEYS_BASE64;
	if (key->secret_length > TOKEN_SECRET_MAX ||
		!base64_decode(line.text, line.length, key->secret, key->secret_length))
		return TOKEN_KEYS_LENGTH;
	return key->algorithm == TOKEN_HS256 ? set_hs256_key(key) : set_eddsa_key(key);
}

static TokenKeysStatus
parse_lines(TextSpan rest, TokenKeys *keys, size_t *line_number)
{
	TextSpan line;

	for (*line_number = 1; rest.length > 0; ++*line_number)
	{
		TokenKeysStatus status;

		if (!line_next(&rest, &line))
			return TOKEN_KEYS_LINE;
		if (line.length == 0 || line.text[0] == '#')
			continue;
		if (keys->count == TOKEN_KEYS_MAX)
			return TOKEN_KEYS_COUNT;
		status = parse_line(line, keys);
		if (status != TOKEN_KEYS_OK)
			return status;
		keys->count++;
	}
	return keys->count > 0 ? TOKEN_KEYS_OK : TOKEN_KEYS_COUNT;
}

TokenKeysStatus
token_keys_parse(const char *text, size_t length, TokenKeys *keys, size_t *line)
{
	TokenKeysStatus status;

	memset(keys, 0, sizeof(*keys));
	status = parse_lines((TextSpan){text, length}, keys, line);
	if (status != TOKEN_KEYS_OK)
		OPENSSL_cleanse(keys, sizeof(*keys));
	return status;
}
