#include "xaes.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>

#define BLOCK_SIZE 16

/* Two blocks at once, so that the library need not be told that they are independent. */
static XaesStatus
derive(EVP_CIPHER_CTX *state, const uint8_t key[XAES_KEY_SIZE], const uint8_t nonce[XAES_NONCE_SIZE],
	   uint8_t out[XAES_KEY_SIZE])
{
	static const uint8_t zero[BLOCK_SIZE];
	uint8_t subkey[BLOCK_SIZE];
	uint8_t blocks[2 * BLOCK_SIZE];
	uint8_t carry = 0;
	int length;

	if (EVP_EncryptInit_ex2(state, EVP_aes_256_ecb(), key, NULL, NULL) != 1 ||
		EVP_CIPHER_CTX_set_padding(state, 0) != 1 ||
		EVP_EncryptUpdate(state, subkey, &length, zero, BLOCK_SIZE) != 1)
		return XAES_FAILED;
	/* CMAC's first subkey: times x in GF(2^128), without a branch on what is secret. */
	for (int i = BLOCK_SIZE - 1; i >= 0; i--)
	{
		uint8_t shifted = (uint8_t) (subkey[i] << 1 | carry);

		carry = subkey[i] >> 7;
		subkey[i] = shifted;
	}
	subkey[BLOCK_SIZE - 1] ^= (uint8_t) (0x87 & -carry);
	for (int i = 0; i < 2; i++)
	{
		uint8_t *block = blocks + i * BLOCK_SIZE;
		const uint8_t prefix[4] = {0, (uint8_t) (i + 1), 'X', 0};

		memcpy(block, prefix, sizeof(prefix));
		memcpy(block + sizeof(prefix), nonce, XAES_GCM_NONCE_SIZE);
		for (int j = 0; j < BLOCK_SIZE; j++)
			block[j] ^= subkey[j];
	}
	OPENSSL_cleanse(subkey, sizeof(subkey));
	return EVP_EncryptUpdate(state, out, &length, blocks, sizeof(blocks)) == 1 ? XAES_OK : XAES_FAILED;
}

XaesStatus
xaes_derive(const uint8_t key[XAES_KEY_SIZE], const uint8_t nonce[XAES_NONCE_SIZE],
			uint8_t out[XAES_KEY_SIZE])
{
	EVP_CIPHER_CTX *state = EVP_CIPHER_CTX_new();
	XaesStatus status = state == NULL ? XAES_NO_MEMORY : derive(state, key, nonce, out);

	EVP_CIPHER_CTX_free(state);
	return status;
}

XaesStatus
xaes_gcm_seal(const uint8_t key[XAES_KEY_SIZE], const uint8_t nonce[XAES_GCM_NONCE_SIZE], XaesBytes bound,
			  XaesBytes text, uint8_t *out)
{
	EVP_CIPHER_CTX *state;
	XaesStatus status = XAES_FAILED;
	int length;

	if (text.length > XAES_LENGTH_MAX || bound.length > XAES_LENGTH_MAX)
		return XAES_TOO_LONG;
	state = EVP_CIPHER_CTX_new();
	if (state == NULL)
		return XAES_NO_MEMORY;
	if (EVP_EncryptInit_ex2(state, EVP_aes_256_gcm(), key, nonce, NULL) == 1 &&
		(bound.length == 0 ||
		 EVP_EncryptUpdate(state, NULL, &length, bound.bytes, (int) bound.length) == 1) &&
		(text.length == 0 || EVP_EncryptUpdate(state, out, &length, text.bytes, (int) text.length) == 1) &&
		EVP_EncryptFinal_ex(state, out + text.length, &length) == 1 &&
		EVP_CIPHER_CTX_ctrl(state, EVP_CTRL_AEAD_GET_TAG, XAES_TAG_SIZE, out + text.length) == 1)
		status = XAES_OK;
	EVP_CIPHER_CTX_free(state);
	return status;
}

static XaesStatus
open_text(EVP_CIPHER_CTX *state, XaesBytes bound, const uint8_t *sealed, size_t text_length, uint8_t *out)
{
	uint8_t tag[XAES_TAG_SIZE];
	uint8_t nothing[1];
	int length;

	memcpy(tag, sealed + text_length, sizeof(tag));
	if ((bound.length > 0 && EVP_DecryptUpdate(state, NULL, &length, bound.bytes, (int) bound.length) != 1) ||
		(text_length > 0 && EVP_DecryptUpdate(state, out, &length, sealed, (int) text_length) != 1) ||
		EVP_CIPHER_CTX_ctrl(state, EVP_CTRL_AEAD_SET_TAG, sizeof(tag), tag) != 1)
		return XAES_FAILED;
	return EVP_DecryptFinal_ex(state, nothing, &length) == 1 ? XAES_OK : XAES_REFUSED;
}

XaesStatus
xaes_gcm_open(const uint8_t key[XAES_KEY_SIZE], const uint8_t nonce[XAES_GCM_NONCE_SIZE], XaesBytes bound,
			  XaesBytes sealed, uint8_t *out)
{
	EVP_CIPHER_CTX *state;
	size_t text_length;
	XaesStatus status = XAES_FAILED;

	if (sealed.length < XAES_TAG_SIZE)
		return XAES_REFUSED;
	text_length = sealed.length - XAES_TAG_SIZE;
	if (text_length > XAES_LENGTH_MAX || bound.length > XAES_LENGTH_MAX)
		return XAES_TOO_LONG;
	state = EVP_CIPHER_CTX_new();
	if (state == NULL)
		status = XAES_NO_MEMORY;
	else if (EVP_DecryptInit_ex2(state, EVP_aes_256_gcm(), key, nonce, NULL) == 1)
		status = open_text(state, bound, sealed.bytes, text_length, out);
	EVP_CIPHER_CTX_free(state);
	/* What was decrypted before the tag was found wrong is nobody's to see. */
	if (status != XAES_OK && text_length > 0)
		OPENSSL_cleanse(out, text_length);
	return status;
}

XaesStatus
xaes_seal(const uint8_t key[XAES_KEY_SIZE], const uint8_t nonce[XAES_NONCE_SIZE], XaesBytes bound,
		  XaesBytes text, uint8_t *out)
{
	uint8_t derived[XAES_KEY_SIZE];
	XaesStatus status = xaes_derive(key, nonce, derived);

	if (status == XAES_OK)
		status = xaes_gcm_seal(derived, nonce + XAES_NONCE_SIZE - XAES_GCM_NONCE_SIZE, bound, text, out);
	OPENSSL_cleanse(derived, sizeof(derived));
	return status;
}

XaesStatus
xaes_open(const uint8_t key[XAES_KEY_SIZE], const uint8_t nonce[XAES_NONCE_SIZE], XaesBytes bound,
		  XaesBytes sealed, uint8_t *out)
{
	uint8_t derived[XAES_KEY_SIZE];
	XaesStatus status = xaes_derive(key, nonce, derived);

	if (status == XAES_OK)
		status = xaes_gcm_open(derived, nonce + XAES_NONCE_SIZE - XAES_GCM_NONCE_SIZE, bound, sealed, out);
	else if (sealed.length > XAES_TAG_SIZE)
		memset(out, 0, sealed.length - XAES_TAG_SIZE);
	OPENSSL_cleanse(derived, sizeof(derived));
	return status;
}
