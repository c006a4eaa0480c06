#include "xaes.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdbool.h>

#include "vectors.h"
#include "vectors_wycheproof.h"

#define ROOM 1024

static void
check_hex(const uint8_t *got, size_t length, const char *want)
{
	char hex[2 * ROOM + 1] = "";

	for (size_t i = 0; i < length; i++)
		snprintf(hex + 2 * i, 3, "%02x", got[i]);
	CHECK_STR(hex, want);
}

static XaesBytes
text_bytes(const char *text)
{
	return (XaesBytes){text, strlen(text)};
}

/* C2SP XAES-256-GCM, "Test vectors": the first bit of the block that CMAC's subkey comes from is 0, then 1. */
static const struct
{
	uint8_t key_byte;
	const char *derived;
	const char *bound;
	const char *sealed;
} xaes_vectors[] = {
	{0x01, "c8612c9ed53fe43e8e005b828a1631a0bbcb6ab2f46514ec4f439fcfd0fa969b", "",
	 "ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271"},
	{0x03, "e9c621d4cdd9b11b00a6427ad7e559aeedd66b3857646677748f8ca796cb3fd8", "c2sp.org/XAES-256-GCM",
	 "986ec1832593df5443a179437fd083bf3fdb41abd740a21f71eb769d"},
};

static void
test_published(void)
{
	const uint8_t *nonce = (const uint8_t *) "ABCDEFGHIJKLMNOPQRSTUVWX";
	uint8_t key[XAES_KEY_SIZE];
	uint8_t derived[XAES_KEY_SIZE];
	uint8_t sealed[ROOM];
	uint8_t opened[ROOM];

	for (size_t i = 0; i < sizeof(xaes_vectors) / sizeof(xaes_vectors[0]); i++)
	{
		XaesBytes bound = text_bytes(xaes_vectors[i].bound);

		memset(key, xaes_vectors[i].key_byte, sizeof(key));
		CHECK_INT(xaes_derive(key, nonce, derived), XAES_OK);
		check_hex(derived, sizeof(derived), xaes_vectors[i].derived);
		CHECK_INT(xaes_seal(key, nonce, bound, text_bytes("XAES-256-GCM"), sealed), XAES_OK);
		check_hex(sealed, 12 + XAES_TAG_SIZE, xaes_vectors[i].sealed);
		CHECK_INT(xaes_open(key, nonce, bound, (XaesBytes){sealed, 12 + XAES_TAG_SIZE}, opened), XAES_OK);
		CHECK(memcmp(opened, "XAES-256-GCM", 12) == 0);
	}
}

/* SHAKE-128 of nothing: a stream of numbers. OpenSSL 3.0 gives it only from its beginning, so all is drawn at once. */
typedef struct Stream
{
	uint8_t *bytes;
	size_t position;
} Stream;

static const uint8_t *
draw(Stream *stream, size_t count)
{
	const uint8_t *drawn = stream->bytes + stream->position;

	stream->position += count;
	return drawn;
}

static XaesBytes
draw_opaque(Stream *stream)
{
	size_t length = *draw(stream, 1);

	return (XaesBytes){draw(stream, length), length};
}

static void
accumulate(EVP_MD_CTX *hash, Stream *stream)
{
	const uint8_t *key = draw(stream, XAES_KEY_SIZE);
	const uint8_t *nonce = draw(stream, XAES_NONCE_SIZE);
	XaesBytes text = draw_opaque(stream);
	XaesBytes bound = draw_opaque(stream);
	uint8_t sealed[ROOM];
	uint8_t opened[ROOM];

	if (xaes_seal(key, nonce, bound, text, sealed) != XAES_OK ||
		xaes_open(key, nonce, bound, (XaesBytes){sealed, text.length + XAES_TAG_SIZE}, opened) != XAES_OK ||
		(text.length > 0 && memcmp(opened, text.bytes, text.length) != 0))
		CHECK(!"a text that was sealed is opened");
	EVP_DigestUpdate(hash, sealed, text.length + XAES_TAG_SIZE);
}

/* C2SP XAES-256-GCM, "Accumulated randomized tests". */
static void
test_accumulated(void)
{
	enum
	{
		ITERATIONS = 10000,
		STREAM_LENGTH = ITERATIONS * (XAES_KEY_SIZE + XAES_NONCE_SIZE + 2 * 256)
	};
	Stream stream = {malloc(STREAM_LENGTH), 0};
	EVP_MD_CTX *hash = EVP_MD_CTX_new();
	uint8_t out[32];

	CHECK_INT(EVP_DigestInit_ex2(hash, EVP_shake128(), NULL), 1);
	CHECK_INT(EVP_DigestFinalXOF(hash, stream.bytes, STREAM_LENGTH), 1);
	check_hex(stream.bytes, 16, "7f9c2ba4e88f827d616045507605853e");
	CHECK_INT(EVP_DigestInit_ex2(hash, EVP_shake128(), NULL), 1);
	for (int i = 0; i < ITERATIONS; i++)
		accumulate(hash, &stream);
	CHECK_INT(EVP_DigestFinalXOF(hash, out, sizeof(out)), 1);
	check_hex(out, sizeof(out), "e6b9edf2df6cec60c8cbd864e2211b597fb69a529160cd040d56c0c210081939");
	EVP_MD_CTX_free(hash);
	free(stream.bytes);
}

static bool
is_zero(const uint8_t *bytes, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (bytes[i] != 0)
			return false;
	return true;
}

static void
test_gcm(void)
{
	for (size_t i = 0; i < sizeof(aes_gcm_vectors) / sizeof(aes_gcm_vectors[0]); i++)
	{
		uint8_t key[XAES_KEY_SIZE];
		uint8_t nonce[XAES_GCM_NONCE_SIZE];
		uint8_t bound[ROOM];
		uint8_t text[ROOM];
		uint8_t want[ROOM];
		uint8_t got[ROOM];
		XaesBytes bound_bytes = {bound, vectors_hex(aes_gcm_vectors[i].bound, bound)};
		XaesBytes text_parts = {text, vectors_hex(aes_gcm_vectors[i].text, text)};
		size_t length = vectors_hex(aes_gcm_vectors[i].sealed, want);

		CHECK_INT(vectors_hex(aes_gcm_vectors[i].key, key), sizeof(key));
		CHECK_INT(vectors_hex(aes_gcm_vectors[i].nonce, nonce), sizeof(nonce));
		CHECK_INT(vectors_hex(aes_gcm_vectors[i].tag, want + length), XAES_TAG_SIZE);
		CHECK_INT(length, text_parts.length);
		CHECK_INT(xaes_gcm_seal(key, nonce, bound_bytes, text_parts, got), XAES_OK);
		CHECK((memcmp(got, want, length + XAES_TAG_SIZE) == 0) == aes_gcm_vectors[i].is_valid);
		memset(got, 0xAA, sizeof(got));
		CHECK_INT(xaes_gcm_open(key, nonce, bound_bytes, (XaesBytes){want, length + XAES_TAG_SIZE}, got),
				  aes_gcm_vectors[i].is_valid ? XAES_OK : XAES_REFUSED);
		CHECK(aes_gcm_vectors[i].is_valid ? memcmp(got, text, length) == 0 : is_zero(got, length));
		CHECK_INT(got[length], 0xAA);
	}
}

/* Tokens are signed with the library's own: this is that it does what is said of it. */
static void
test_hmac(void)
{
	for (size_t i = 0; i < sizeof(hmac_sha256_vectors) / sizeof(hmac_sha256_vectors[0]); i++)
	{
		uint8_t key[ROOM];
		uint8_t text[ROOM];
		uint8_t want[ROOM];
		uint8_t got[32];
		unsigned length = 0;
		size_t key_length = vectors_hex(hmac_sha256_vectors[i].key, key);
		size_t text_length = vectors_hex(hmac_sha256_vectors[i].text, text);

		CHECK_INT(vectors_hex(hmac_sha256_vectors[i].tag, want), sizeof(got));
		CHECK(HMAC(EVP_sha256(), key, (int) key_length, text, text_length, got, &length) != NULL);
		CHECK_INT(length, sizeof(got));
		CHECK((memcmp(got, want, sizeof(got)) == 0) == hmac_sha256_vectors[i].is_valid);
	}
}

/* Whatever bit of whatever part is changed, nothing is opened. */
static void
test_changed(void)
{
	uint8_t key[XAES_KEY_SIZE] = {1};
	uint8_t nonce[XAES_NONCE_SIZE] = {2};
	char bound[] = "where it stands";
	char text[] = "a text of more than one block, which is nobody's";
	uint8_t sealed[sizeof(text) + XAES_TAG_SIZE];
	uint8_t opened[sizeof(text)];
	struct
	{
		void *bytes;
		size_t length;
	} parts[] = {
		{key, sizeof(key)}, {nonce, sizeof(nonce)}, {bound, sizeof(bound)}, {sealed, sizeof(sealed)}};
	XaesBytes sealed_bytes = {sealed, sizeof(sealed)};
	XaesBytes bound_bytes = {bound, sizeof(bound)};

	CHECK_INT(xaes_seal(key, nonce, bound_bytes, (XaesBytes){text, sizeof(text)}, sealed), XAES_OK);
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		for (size_t bit = 0; bit < 8 * parts[i].length; bit++)
		{
			uint8_t *byte = (uint8_t *) parts[i].bytes + bit / 8;

			*byte ^= (uint8_t) (1 << bit % 8);
			CHECK_INT(xaes_open(key, nonce, bound_bytes, sealed_bytes, opened), XAES_REFUSED);
			CHECK(is_zero(opened, sizeof(opened)));
			*byte ^= (uint8_t) (1 << bit % 8);
		}
	for (size_t length = 0; length < sizeof(sealed); length++)
		CHECK_INT(xaes_open(key, nonce, bound_bytes, (XaesBytes){sealed, length}, opened), XAES_REFUSED);
	CHECK_INT(xaes_open(key, nonce, (XaesBytes){NULL, 0}, sealed_bytes, opened), XAES_REFUSED);
	CHECK_INT(xaes_open(key, nonce, bound_bytes, sealed_bytes, opened), XAES_OK);
	CHECK_STR((const char *) opened, text);
}

static void
test_lengths(void)
{
	static const uint8_t key[XAES_KEY_SIZE];
	static const uint8_t nonce[XAES_NONCE_SIZE];
	const XaesBytes none = {NULL, 0};
	const XaesBytes too_long = {"", (size_t) XAES_LENGTH_MAX + 1};
	uint8_t sealed[XAES_TAG_SIZE];

	CHECK_INT(xaes_seal(key, nonce, none, none, sealed), XAES_OK);
	CHECK_INT(xaes_open(key, nonce, none, (XaesBytes){sealed, sizeof(sealed)}, NULL), XAES_OK);
	sealed[0] ^= 1;
	CHECK_INT(xaes_open(key, nonce, none, (XaesBytes){sealed, sizeof(sealed)}, NULL), XAES_REFUSED);
	CHECK_INT(xaes_seal(key, nonce, none, too_long, sealed), XAES_TOO_LONG);
	CHECK_INT(xaes_seal(key, nonce, too_long, none, sealed), XAES_TOO_LONG);
	CHECK_INT(xaes_open(key, nonce, too_long, (XaesBytes){sealed, sizeof(sealed)}, NULL), XAES_TOO_LONG);
}

int
main(void)
{
	test_published();
	test_accumulated();
	test_gcm();
	test_hmac();
	test_changed();
	test_lengths();
	TEST_MAIN_END();
}
