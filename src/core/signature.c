#include "signature.h"

#include <openssl/evp.h>
#include <string.h>

/* An empty message has bytes too, for the library does not take a null pointer. */
static const unsigned char *
message_bytes(const void *message, size_t length)
{
	static const unsigned char nothing[1];

	return length == 0 ? nothing : message;
}

SignatureStatus
signature_public_key(const uint8_t seed[SIGNATURE_SEED_SIZE], uint8_t out[SIGNATURE_KEY_SIZE])
{
	EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, SIGNATURE_SEED_SIZE);
	size_t length = SIGNATURE_KEY_SIZE;
	SignatureStatus status = SIGNATURE_FAILED;

	if (key != NULL && EVP_PKEY_get_raw_public_key(key, out, &length) == 1 && length == SIGNATURE_KEY_SIZE)
		status = SIGNATURE_OK;
	EVP_PKEY_free(key);
	return status;
}

SignatureStatus
signature_sign(const uint8_t seed[SIGNATURE_SEED_SIZE], const void *message, size_t length,
			   uint8_t out[SIGNATURE_SIZE])
{
	EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, SIGNATURE_SEED_SIZE);
	EVP_MD_CTX *state = EVP_MD_CTX_new();
	size_t out_length = SIGNATURE_SIZE;
	SignatureStatus status = SIGNATURE_FAILED;

	if (state == NULL)
		status = SIGNATURE_NO_MEMORY;
	else if (key != NULL && EVP_DigestSignInit(state, NULL, NULL, NULL, key) == 1 &&
			 EVP_DigestSign(state, out, &out_length, message_bytes(message, length), length) == 1 &&
			 out_length == SIGNATURE_SIZE)
		status = SIGNATURE_OK;
	EVP_MD_CTX_free(state);
	EVP_PKEY_free(key);
	return status;
}

/* Little-endian y without the sign of x: is it at least the prime 2^255 - 19? */
static int
is_reduced(const uint8_t y[SIGNATURE_KEY_SIZE])
{
	if (y[31] != 0x7F)
		return 1;
	for (int i = 30; i > 0; i--)
		if (y[i] != 0xFF)
			return 1;
	return y[0] < 0xED;
}

SignatureStatus
signature_check_key(const uint8_t key[SIGNATURE_KEY_SIZE])
{
	/* The y of the points whose order divides 8: 1 (order 1), -1 (2), 0 (4), and the two of order 8. */
	static const uint8_t small_order[][SIGNATURE_KEY_SIZE] = {
		{0x01},
		{0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
		 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
		{0x00},
		{0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0,
		 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05},
		{0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f,
		 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a},
	};
	uint8_t y[SIGNATURE_KEY_SIZE];

	memcpy(y, key, sizeof(y));
	y[31] &= 0x7F;
	if (!is_reduced(y))
		return SIGNATURE_WEAK_KEY;
	for (size_t i = 0; i < sizeof(small_order) / sizeof(small_order[0]); i++)
		if (memcmp(y, small_order[i], sizeof(y)) == 0)
			return SIGNATURE_WEAK_KEY;
	return SIGNATURE_OK;
}

static SignatureStatus
verify_once(const uint8_t key[SIGNATURE_KEY_SIZE], const void *message, size_t length,
			const uint8_t signature[SIGNATURE_SIZE])
{
	EVP_PKEY *public_key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, key, SIGNATURE_KEY_SIZE);
	EVP_MD_CTX *state = EVP_MD_CTX_new();
	SignatureStatus status = SIGNATURE_FAILED;

	if (state == NULL)
		status = SIGNATURE_NO_MEMORY;
	else if (public_key != NULL && EVP_DigestVerifyInit(state, NULL, NULL, NULL, public_key) == 1)
	{
		int result =
			EVP_DigestVerify(state, signature, SIGNATURE_SIZE, message_bytes(message, length), length);

		status = result == 1 ? SIGNATURE_OK : result == 0 ? SIGNATURE_REFUSED : SIGNATURE_FAILED;
	}
	EVP_MD_CTX_free(state);
	EVP_PKEY_free(public_key);
	return status;
}

/* RFC 8032 7.1, test 1: the signature of the empty message. */
static SignatureStatus
verify_known(void)
{
	static const uint8_t key[SIGNATURE_KEY_SIZE] = {
		0xd7, 0x5a, 0x98, 0x01, 0x82, 0xb1, 0x0a, 0xb7, 0xd5, 0x4b, 0xfe, 0xd3, 0xc9, 0x64, 0x07, 0x3a,
		0x0e, 0xe1, 0x72, 0xf3, 0xda, 0xa6, 0x23, 0x25, 0xaf, 0x02, 0x1a, 0x68, 0xf7, 0x07, 0x51, 0x1a};
	static const uint8_t signature[SIGNATURE_SIZE] = {
		0xe5, 0x56, 0x43, 0x00, 0xc3, 0x60, 0xac, 0x72, 0x90, 0x86, 0xe2, 0xcc, 0x80, 0x6e, 0x82, 0x8a,
		0x84, 0x87, 0x7f, 0x1e, 0xb8, 0xe5, 0xd9, 0x74, 0xd8, 0x73, 0xe0, 0x65, 0x22, 0x49, 0x01, 0x55,
		0x5f, 0xb8, 0x82, 0x15, 0x90, 0xa3, 0x3b, 0xac, 0xc6, 0x1e, 0x39, 0x70, 0x1c, 0xf9, 0xb4, 0x6b,
		0xd2, 0x5b, 0xf5, 0xf0, 0x59, 0x5b, 0xbe, 0x24, 0x65, 0x51, 0x41, 0x43, 0x8e, 0x7a, 0x10, 0x0b};

	return verify_once(key, NULL, 0, signature);
}

SignatureStatus
signature_verify(const uint8_t key[SIGNATURE_KEY_SIZE], const void *message, size_t length,
				 const uint8_t signature[SIGNATURE_SIZE])
{
	SignatureStatus status = signature_check_key(key);

	if (status == SIGNATURE_OK)
		status = verify_once(key, message, length, signature);
	/* Twice, for what failed by the way may have passed. */
	if (status == SIGNATURE_REFUSED)
		status = verify_once(key, message, length, signature);
	if (status == SIGNATURE_REFUSED && verify_known() != SIGNATURE_OK)
		status = SIGNATURE_UNDECIDED;
	return status;
}
