#ifndef BILLING_CORE_TOKEN_H
#define BILLING_CORE_TOKEN_H

#include "lines.h"
#include "signature.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Who asks: a JSON Web Token (RFC 7519) in the compact form of a JSON Web Signature (RFC 7515), read strictly. The
 * header has alg and kid, and typ "JWT" if it has more; the key that kid names decides the algorithm (RFC 8725 3.1), and
 * there is no algorithm but HS256 and EdDSA (RFC 8037, Ed25519). What the token claims is read only once its signature
 * holds:
 *
 *     tenant  text, 1 to 800 bytes            role  "app" or "tenant"
 *     exp     whole seconds since 1970, in the next 300
 *     sub     who, text like tenant; may be left out
 *     aud     the database it is for, text; may be left out
 *
 * Other claims are not looked at.
 */
#define TOKEN_LENGTH_MAX 4096
#define TOKEN_TEXT_MAX 800
#define TOKEN_SECONDS_MAX 300

#define TOKEN_KEYS_MAX 16
#define TOKEN_KEY_ID_MAX 64
#define TOKEN_SECRET_MIN 32
#define TOKEN_SECRET_MAX 128

typedef enum
{
	TOKEN_OK = 0,
	TOKEN_MALFORMED,	   /* not of the form above */
	TOKEN_UNKNOWN_KEY,	   /* no key has this id */
	TOKEN_OTHER_ALGORITHM, /* the header names another algorithm than its key's */
	TOKEN_BAD_SIGNATURE,
	TOKEN_EXPIRED,
	TOKEN_TOO_LONG_VALID, /* for more than TOKEN_SECONDS_MAX from now */
	TOKEN_OTHER_AUDIENCE, /* it is for another database */
	TOKEN_TOO_LARGE,	  /* to be issued */
	TOKEN_CANNOT_SIGN,	  /* the key is a public one */
	TOKEN_NO_MEMORY,
	TOKEN_FAILED /* the crypto library refused */
} TokenStatus;

typedef enum
{
	TOKEN_KEYS_OK = 0,
	TOKEN_KEYS_LINE,	 /* a line is not "kid alg base64" */
	TOKEN_KEYS_ID,		 /* an id is not 1 to 64 of A-Z a-z 0-9 . _ - */
	TOKEN_KEYS_REPEATED, /* an id stands twice */
	TOKEN_KEYS_ALGORITHM,
	TOKEN_KEYS_BASE64,
	TOKEN_KEYS_LENGTH, /* an HS256 key has not 32 to 128 bytes, an EdDSA key not 32 or 64 */
	TOKEN_KEYS_WEAK, /* an Ed25519 public key under which signatures can be made up, or not the private key's */
	TOKEN_KEYS_COUNT /* none, or more than TOKEN_KEYS_MAX */
} TokenKeysStatus;

typedef enum
{
	TOKEN_HS256,
	TOKEN_EDDSA
} TokenAlgorithm;

typedef enum
{
	TOKEN_ROLE_APP,	  /* may call what changes something */
	TOKEN_ROLE_TENANT /* reads */
} TokenRole;

typedef struct TokenKey
{
	char id[TOKEN_KEY_ID_MAX + 1];
	TokenAlgorithm algorithm;
	bool can_sign;
	size_t secret_length;
	uint8_t secret[TOKEN_SECRET_MAX]; /* HS256: the key; EdDSA: the seed, if can_sign */
	uint8_t public_key[SIGNATURE_KEY_SIZE];
} TokenKey;

typedef struct TokenKeys
{
	size_t count;
	TokenKey keys[TOKEN_KEYS_MAX];
} TokenKeys;

/* Texts end in a zero byte and hold no other one. */
typedef struct TokenClaims
{
	TokenRole role;
	int64_t expires; /* seconds since 1970; from then on it is expired */
	char tenant[TOKEN_TEXT_MAX + 1];
	bool has_subject;
	char subject[TOKEN_TEXT_MAX + 1];
} TokenClaims;

/*
 * Lines "kid alg base64(key)", with one space between and a line feed after each; empty ones and those that begin with #
 * do not count. alg is HS256; or EdDSA, with a public key of 32 bytes, which verifies only, or the private key followed
 * by its public one. *line is the number of the line at fault, from 1. On failure nothing of a key is left in *keys; on
 * success it is the caller's to overwrite.
 */
extern TokenKeysStatus token_keys_parse(const char *text, size_t length, TokenKeys *keys, size_t *line);

/* The key of that id (zero-terminated), or NULL. */
extern const TokenKey *token_key_find(const TokenKeys *keys, TextSpan id);

/* now: seconds since 1970. audience: what aud must be where there is one. *claims is undefined unless TOKEN_OK. */
extern TokenStatus token_verify(TextSpan token, const TokenKeys *keys, int64_t now, TextSpan audience,
								TokenClaims *claims);

/* Whether signature, in base64url, is the key's over input; without regard to what input says. */
extern TokenStatus token_check_signature(const TokenKey *key, TextSpan input, TextSpan signature);

/*
 * The token that a key signs, into out, which has room for TOKEN_LENGTH_MAX bytes and gets no zero byte. audience: its
 * aud, none when the text is NULL.
 */
extern TokenStatus token_issue(const TokenKey *key, const TokenClaims *claims, TextSpan audience, char *out,
							   size_t *length);

/* Short English phrases, lower case. Never NULL, and never with anything of a token or key. */
extern const char *token_status_text(TokenStatus status);
extern const char *token_keys_status_text(TokenKeysStatus status);

#endif
