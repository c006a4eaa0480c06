/*
 * libFuzzer: the same bytes as a key file, as a token, and as claims that a key has signed. No input forges a token; keys
 * that are read are of the lengths promised; claims that are accepted are the same after they were issued and read again.
 */
#include "token_tools.h"

#include <stdlib.h>

#define NOW 1795000000

extern int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(bool holds)
{
	if (!holds)
		abort();
}

static void
check_keys(const char *text, size_t length)
{
	TokenKeys keys;
	size_t line;

	if (token_keys_parse(text, length, &keys, &line) != TOKEN_KEYS_OK)
		return;
	require(keys.count > 0 && keys.count <= TOKEN_KEYS_MAX);
	for (size_t i = 0; i < keys.count; i++)
	{
		const TokenKey *key = &keys.keys[i];

		require(key->id[0] != '\0' && strlen(key->id) <= TOKEN_KEY_ID_MAX);
		require(key->secret_length >= TOKEN_SECRET_MIN && key->secret_length <= TOKEN_SECRET_MAX);
		require(token_key_find(&keys, (TextSpan){key->id, strlen(key->id)}) == key);
	}
}

static void
check_again(const TokenKeys *keys, const TokenClaims *claims)
{
	char token[TOKEN_LENGTH_MAX];
	size_t length;
	TokenClaims again;
	TokenStatus status = token_issue(&keys->keys[0], claims, (TextSpan){"db", 2}, token, &length);

	require(claims->tenant[0] != '\0' && claims->expires > NOW && claims->expires <= NOW + TOKEN_SECONDS_MAX);
	if (status == TOKEN_TOO_LARGE)
		return;
	require(status == TOKEN_OK);
	require(token_verify((TextSpan){token, length}, keys, NOW, (TextSpan){"db", 2}, &again) == TOKEN_OK);
	require(strcmp(again.tenant, claims->tenant) == 0 && again.role == claims->role);
	require(again.expires == claims->expires && again.has_subject == claims->has_subject);
	require(!claims->has_subject || strcmp(again.subject, claims->subject) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static TokenKeys keys;
	char token[TOOL_TOKEN_MAX];
	TokenClaims claims;
	size_t line;

	if (keys.count == 0)
		require(token_keys_parse(EXAMPLE_KEYS, strlen(EXAMPLE_KEYS), &keys, &line) == TOKEN_KEYS_OK);
	check_keys((const char *) data, size);
	require(token_verify((TextSpan){(const char *) data, size}, &keys, NOW, (TextSpan){"db", 2}, &claims) !=
			TOKEN_OK);
	if (size > TOKEN_LENGTH_MAX)
		return 0;
	size = tool_sign(&keys.keys[0], HS256_HEADER, (const char *) data, size, token);
	if (token_verify((TextSpan){token, size}, &keys, NOW, (TextSpan){"db", 2}, &claims) == TOKEN_OK)
		check_again(&keys, &claims);
	return 0;
}
