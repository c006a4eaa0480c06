/* Tokens as a second implementation makes them: what the header and the claims say, and then the signature, as given. */
#ifndef BILLING_TOKEN_TOOLS_H
#define BILLING_TOKEN_TOOLS_H

#include "base64.h"
#include "token.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

#define TOOL_TOKEN_MAX 8192

#define HS256_HEADER "{\"alg\":\"HS256\",\"kid\":\"h\"}"
#define EDDSA_HEADER "{\"alg\":\"EdDSA\",\"kid\":\"e\"}"

/* RFC 7515 A.1; RFC 8037 A.1, the private key followed by the public one. */
#define EXAMPLE_SECRET                                                                                       \
	"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ+EstJQLr/T+1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow=="
#define EXAMPLE_PAIR                                                                                         \
	"nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2DXWpgBgrEKt9VL/tPJZAc6DuFy89qmIyWvAhpo9wdRGg=="
#define EXAMPLE_PUBLIC "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
#define EXAMPLE_KEYS                                                                                         \
	"# two\nh HS256 " EXAMPLE_SECRET "\n\ne EdDSA " EXAMPLE_PAIR "\np EdDSA " EXAMPLE_PUBLIC "\n"

static inline size_t
tool_append(char *out, size_t length, const void *bytes, size_t count)
{
	return length + base64url_encode(bytes, count, out + length);
}

/* Ends in a zero byte. The key's own algorithm signs, whatever the header says. */
static inline size_t
tool_sign(const TokenKey *key, const char *header, const char *payload, size_t payload_length, char *out)
{
	uint8_t signature[EVP_MAX_MD_SIZE > SIGNATURE_SIZE ? EVP_MAX_MD_SIZE : SIGNATURE_SIZE];
	unsigned size = SIGNATURE_SIZE;
	size_t length = tool_append(out, 0, header, strlen(header));

	out[length++] = '.';
	length = tool_append(out, length, payload, payload_length);
	if (key->algorithm == TOKEN_EDDSA)
		signature_sign(key->secret, out, length, signature);
	else
		HMAC(EVP_sha256(), key->secret, (int) key->secret_length, (const unsigned char *) out, length,
			 signature, &size);
	out[length++] = '.';
	length = tool_append(out, length, signature, size);
	out[length] = '\0';
	return length;
}

#endif
