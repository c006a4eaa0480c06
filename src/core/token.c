#include "token.h"

#include "base64.h"
#include "json.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>

#define MAC_SIZE 32

/* What base64url stands for, when it is at most as long as a token. */
#define DECODED_MAX (TOKEN_LENGTH_MAX / 4 * 3 + 2)

static const char *const algorithm_names[] = {[TOKEN_HS256] = "HS256", [TOKEN_EDDSA] = "EdDSA"};
static const char *const role_names[] = {[TOKEN_ROLE_APP] = "app", [TOKEN_ROLE_TENANT] = "tenant"};

const char *
token_status_text(TokenStatus status)
{
	static const char *const texts[] = {
		[TOKEN_OK] = "no error",
		[TOKEN_MALFORMED] = "it is malformed",
		[TOKEN_UNKNOWN_KEY] = "no key has its key id",
		[TOKEN_OTHER_ALGORITHM] = "its algorithm is not that of its key",
		[TOKEN_BAD_SIGNATURE] = "its signature does not hold",
		[TOKEN_EXPIRED] = "it has expired",
		[TOKEN_TOO_LONG_VALID] = "it expires more than 300 seconds from now",
		[TOKEN_OTHER_AUDIENCE] = "it is for another database",
		[TOKEN_TOO_LARGE] = "it would have more than 4096 bytes",
		[TOKEN_CANNOT_SIGN] = "the key only verifies",
		[TOKEN_NO_MEMORY] = "out of memory",
		[TOKEN_FAILED] = "the crypto library failed",
	};

	return texts[status];
}

static bool
is_text(const JsonNode *node, const char *text)
{
	return node != NULL && node->type == JSON_STRING && node->length == strlen(text) &&
		   memcmp(node->text, text, node->length) == 0;
}

/* The document of one part of the token, an object; give it to json_free. */
static TokenStatus
parse_part(TextSpan part, JsonDocument **document)
{
	uint8_t bytes[DECODED_MAX];
	size_t length;
	JsonStatus status;

	*document = NULL;
	if (!base64url_decode(part.text, part.length, bytes, &length))
		return TOKEN_MALFORMED;
	status = json_parse((const char *) bytes, length, document, NULL);
	if (status == JSON_OK && json_root(*document)->type == JSON_OBJECT)
		return TOKEN_OK;
	json_free(*document);
	*document = NULL;
	return status == JSON_NO_MEMORY ? TOKEN_NO_MEMORY : TOKEN_MALFORMED;
}

/* Cuts off what is before the next point, and the point. */
static bool
next_part(TextSpan *rest, TextSpan *part)
{
	const char *point = rest->length > 0 ? memchr(rest->text, '.', rest->length) : NULL;

	if (point == NULL)
		return false;
	*part = (TextSpan){rest->text, (size_t) (point - rest->text)};
	rest->length -= part->length + 1;
	rest->text = point + 1;
	return true;
}

static TokenStatus
key_of_header(const JsonNode *header, const TokenKeys *keys, const TokenKey **key)
{
	const JsonNode *algorithm = json_member(header, "alg");
	const JsonNode *id = json_member(header, "kid");
	const JsonNode *type = json_member(header, "typ");

	if (algorithm == NULL || algorithm->type != JSON_STRING || id == NULL || id->type != JSON_STRING)
		return TOKEN_MALFORMED;
	if (header->count != (type == NULL ? 2 : 3) || (type != NULL && !is_text(type, "JWT")))
		return TOKEN_MALFORMED;
	*key = token_key_find(keys, (TextSpan){id->text, id->length});
	if (*key == NULL)
		return TOKEN_UNKNOWN_KEY;
	return is_text(algorithm, algorithm_names[(*key)->algorithm]) ? TOKEN_OK : TOKEN_OTHER_ALGORITHM;
}

static TokenStatus
find_key(TextSpan part, const TokenKeys *keys, const TokenKey **key)
{
	JsonDocument *document;
	TokenStatus status = parse_part(part, &document);

	if (status == TOKEN_OK)
		status = key_of_header(json_root(document), keys, key);
	json_free(document);
	return status;
}

static TokenStatus
make_mac(const TokenKey *key, TextSpan input, uint8_t mac[MAC_SIZE])
{
	unsigned length = MAC_SIZE;

	if (HMAC(EVP_sha256(), key->secret, (int) key->secret_length, (const unsigned char *) input.text,
			 input.length, mac, &length) == NULL)
		return TOKEN_FAILED;
	return TOKEN_OK;
}

static TokenStatus
status_from_signature(SignatureStatus status)
{
	static const TokenStatus statuses[] = {
		[SIGNATURE_OK] = TOKEN_OK,
		[SIGNATURE_REFUSED] = TOKEN_BAD_SIGNATURE,
		[SIGNATURE_WEAK_KEY] = TOKEN_BAD_SIGNATURE,
		[SIGNATURE_NO_MEMORY] = TOKEN_NO_MEMORY,
		[SIGNATURE_FAILED] = TOKEN_FAILED,
	};

	return statuses[status];
}

TokenStatus
token_check_signature(const TokenKey *key, TextSpan input, TextSpan signature)
{
	uint8_t given[SIGNATURE_SIZE + 2];
	uint8_t mac[MAC_SIZE];
	size_t size = key->algorithm == TOKEN_HS256 ? MAC_SIZE : SIGNATURE_SIZE;
	size_t length;
	TokenStatus status;

	if (signature.length != BASE64URL_LENGTH(size) ||
		!base64url_decode(signature.text, signature.length, given, &length))
		return TOKEN_MALFORMED;
	if (key->algorithm == TOKEN_EDDSA)
		return status_from_signature(signature_verify(key->public_key, input.text, input.length, given));
	status = make_mac(key, input, mac);
	if (status == TOKEN_OK && CRYPTO_memcmp(mac, given, MAC_SIZE) != 0)
		status = TOKEN_BAD_SIGNATURE;
	OPENSSL_cleanse(mac, sizeof(mac));
	return status;
}

/* A text claim of 1 to TOKEN_TEXT_MAX bytes, none of them zero. */
static bool
read_text(const JsonNode *node, char out[TOKEN_TEXT_MAX + 1])
{
	if (node == NULL || node->type != JSON_STRING || node->length == 0 || node->length > TOKEN_TEXT_MAX ||
		memchr(node->text, '\0', node->length) != NULL)
		return false;
	memcpy(out, node->text, node->length);
	out[node->length] = '\0';
	return true;
}

static TokenStatus
read_claims(const JsonNode *root, int64_t now, TextSpan audience, TokenClaims *claims)
{
	const JsonNode *role = json_member(root, "role");
	const JsonNode *expires = json_member(root, "exp");
	const JsonNode *subject = json_member(root, "sub");
	const JsonNode *for_whom = json_member(root, "aud");
	uint64_t seconds;

	if (!read_text(json_member(root, "tenant"), claims->tenant))
		return TOKEN_MALFORMED;
	if (!is_text(role, role_names[TOKEN_ROLE_APP]) && !is_text(role, role_names[TOKEN_ROLE_TENANT]))
		return TOKEN_MALFORMED;
	claims->role = role->text[0] == 'a' ? TOKEN_ROLE_APP : TOKEN_ROLE_TENANT;
	if (expires == NULL || expires->type != JSON_NUMBER ||
		!line_number((TextSpan){expires->text, expires->length}, &seconds))
		return TOKEN_MALFORMED;
	claims->expires = (int64_t) seconds;
	claims->has_subject = subject != NULL;
	if (claims->has_subject && !read_text(subject, claims->subject))
		return TOKEN_MALFORMED;
	if (for_whom != NULL && for_whom->type != JSON_STRING)
		return TOKEN_MALFORMED;
	if (claims->expires <= now)
		return TOKEN_EXPIRED;
	if (claims->expires - now > TOKEN_SECONDS_MAX)
		return TOKEN_TOO_LONG_VALID;
	if (for_whom != NULL && (for_whom->length == 0 || for_whom->length != audience.length ||
							 memcmp(for_whom->text, audience.text, audience.length) != 0))
		return TOKEN_OTHER_AUDIENCE;
	return TOKEN_OK;
}

TokenStatus
token_verify(TextSpan token, const TokenKeys *keys, int64_t now, TextSpan audience, TokenClaims *claims)
{
	TextSpan signature = token;
	TextSpan header;
	TextSpan payload;
	JsonDocument *document;
	const TokenKey *key;
	TokenStatus status;

	if (token.length > TOKEN_LENGTH_MAX || !next_part(&signature, &header) ||
		!next_part(&signature, &payload))
		return TOKEN_MALFORMED;
	status = find_key(header, keys, &key);
	if (status == TOKEN_OK)
		status =
			token_check_signature(key, (TextSpan){token.text, header.length + 1 + payload.length}, signature);
	if (status == TOKEN_OK)
		status = parse_part(payload, &document);
	if (status != TOKEN_OK)
		return status;
	status = read_claims(json_root(document), now, audience, claims);
	json_free(document);
	return status;
}

/* ---- issuing ---- */

/* A member in front of the others; the canonical form sorts them. */
static void
add_member(JsonNode *object, JsonNode *member, JsonType type, const char *key, TextSpan text)
{
	*member = (JsonNode){.type = type, .key = key, .key_length = strlen(key), .text = text.text};
	member->length = text.length;
	member->next = object->first;
	object->first = member;
	object->count++;
}

static TextSpan
span(const char *text)
{
	return (TextSpan){text, strlen(text)};
}

/* Appends an object in canonical form and base64url. */
static TokenStatus
append_part(const JsonNode *object, char *out, size_t *length)
{
	char *text;
	size_t text_length;
	JsonStatus status = json_canonical(object, &text, &text_length);
	bool fits;

	if (status != JSON_OK)
		return status == JSON_NO_MEMORY ? TOKEN_NO_MEMORY : TOKEN_FAILED;
	fits = text_length <= TOKEN_LENGTH_MAX && *length + BASE64URL_LENGTH(text_length) <= TOKEN_LENGTH_MAX;
	if (fits)
		*length += base64url_encode((const uint8_t *) text, text_length, out + *length);
	free(text);
	return fits ? TOKEN_OK : TOKEN_TOO_LARGE;
}

static TokenStatus
append_header(const TokenKey *key, char *out, size_t *length)
{
	JsonNode header = {.type = JSON_OBJECT};
	JsonNode members[3];

	add_member(&header, &members[0], JSON_STRING, "alg", span(algorithm_names[key->algorithm]));
	add_member(&header, &members[1], JSON_STRING, "kid", span(key->id));
	add_member(&header, &members[2], JSON_STRING, "typ", span("JWT"));
	return append_part(&header, out, length);
}

static TokenStatus
append_payload(const TokenClaims *claims, TextSpan audience, char *out, size_t *length)
{
	JsonNode payload = {.type = JSON_OBJECT};
	JsonNode members[5];
	char seconds[LINE_NUMBER_DIGITS_MAX];
	size_t digits = line_write_number((uint64_t) claims->expires, seconds);

	add_member(&payload, &members[0], JSON_STRING, "tenant", span(claims->tenant));
	add_member(&payload, &members[1], JSON_STRING, "role", span(role_names[claims->role]));
	add_member(&payload, &members[2], JSON_NUMBER, "exp", (TextSpan){seconds, digits});
	if (claims->has_subject)
		add_member(&payload, &members[3], JSON_STRING, "sub", span(claims->subject));
	if (audience.text != NULL)
		add_member(&payload, &members[4], JSON_STRING, "aud", audience);
	return append_part(&payload, out, length);
}

static TokenStatus
append_signature(const TokenKey *key, char *out, size_t *length)
{
	uint8_t signature[SIGNATURE_SIZE];
	size_t size = key->algorithm == TOKEN_HS256 ? MAC_SIZE : SIGNATURE_SIZE;
	TokenStatus status;

	if (*length + 1 + BASE64URL_LENGTH(size) > TOKEN_LENGTH_MAX)
		return TOKEN_TOO_LARGE;
	if (key->algorithm == TOKEN_HS256)
		status = make_mac(key, (TextSpan){out, *length}, signature);
	else
		status = status_from_signature(signature_sign(key->secret, out, *length, signature));
	if (status != TOKEN_OK)
		return status;
	out[(*length)++] = '.';
	*length += base64url_encode(signature, size, out + *length);
	return TOKEN_OK;
}

TokenStatus
token_issue(const TokenKey *key, const TokenClaims *claims, TextSpan audience, char *out, size_t *length)
{
	TokenStatus status;

	*length = 0;
	if (!key->can_sign)
		return TOKEN_CANNOT_SIGN;
	status = append_header(key, out, length);
	if (status == TOKEN_OK && *length < TOKEN_LENGTH_MAX)
		out[(*length)++] = '.';
	if (status == TOKEN_OK)
		status = append_payload(claims, audience, out, length);
	if (status == TOKEN_OK)
		status = append_signature(key, out, length);
	return status;
}
