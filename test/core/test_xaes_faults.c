/*
 * Every call of the crypto library behind sealing and opening fails once, the first, the second and so on, until a run
 * needs no more: each must be reported, show nothing, and leave nothing behind. The source is compiled in under other
 * names, with counting calls.
 */
#include <openssl/evp.h>
#include <stdbool.h>

static long calls_left = -1;

static bool
call_fails(void)
{
	return calls_left >= 0 && calls_left-- == 0;
}

#define EVP_CIPHER_CTX_new() (call_fails() ? NULL : EVP_CIPHER_CTX_new())
#define EVP_EncryptInit_ex2(state, type, key, nonce, parameters)                                             \
	(call_fails() ? 0 : EVP_EncryptInit_ex2(state, type, key, nonce, parameters))
#define EVP_CIPHER_CTX_set_padding(state, pad) (call_fails() ? 0 : EVP_CIPHER_CTX_set_padding(state, pad))
#define EVP_EncryptUpdate(state, out, length, in, in_length)                                                 \
	(call_fails() ? 0 : EVP_EncryptUpdate(state, out, length, in, in_length))
#define EVP_EncryptFinal_ex(state, out, length) (call_fails() ? 0 : EVP_EncryptFinal_ex(state, out, length))
#define EVP_CIPHER_CTX_ctrl(state, type, argument, pointer)                                                  \
	(call_fails() ? 0 : EVP_CIPHER_CTX_ctrl(state, type, argument, pointer))
#define EVP_DecryptInit_ex2(state, type, key, nonce, parameters)                                             \
	(call_fails() ? 0 : EVP_DecryptInit_ex2(state, type, key, nonce, parameters))
#define EVP_DecryptUpdate(state, out, length, in, in_length)                                                 \
	(call_fails() ? 0 : EVP_DecryptUpdate(state, out, length, in, in_length))
#define EVP_DecryptFinal_ex(state, out, length) (call_fails() ? 0 : EVP_DecryptFinal_ex(state, out, length))

#define xaes_derive faulty_xaes_derive
#define xaes_gcm_seal faulty_xaes_gcm_seal
#define xaes_gcm_open faulty_xaes_gcm_open
#define xaes_seal faulty_xaes_seal
#define xaes_open faulty_xaes_open

#include "../../src/core/xaes.c"

#include "test.h"

#define TEXT_LENGTH 40

static const uint8_t key[XAES_KEY_SIZE] = {1};
static const uint8_t nonce[XAES_NONCE_SIZE] = {2};
static const XaesBytes bound = {"bound", 5};

static XaesStatus
run(uint8_t opened[TEXT_LENGTH])
{
	static const char text[TEXT_LENGTH] = "text";
	uint8_t sealed[TEXT_LENGTH + XAES_TAG_SIZE];
	XaesStatus status = xaes_seal(key, nonce, bound, (XaesBytes){text, TEXT_LENGTH}, sealed);

	memset(opened, 0, TEXT_LENGTH);
	if (status != XAES_OK)
		return status;
	memset(opened, 0xAA, TEXT_LENGTH);
	return xaes_open(key, nonce, bound, (XaesBytes){sealed, sizeof(sealed)}, opened);
}

int
main(void)
{
	static const uint8_t zeros[TEXT_LENGTH];
	uint8_t opened[TEXT_LENGTH];
	long failing = 0;
	XaesStatus status;

	CHECK_INT(run(opened), XAES_OK);
	do
	{
		calls_left = failing++;
		status = run(opened);
		CHECK(status == XAES_OK || status == XAES_NO_MEMORY || status == XAES_FAILED ||
			  status == XAES_REFUSED);
		if (status != XAES_OK)
			CHECK(memcmp(opened, zeros, TEXT_LENGTH) == 0);
	} while (status != XAES_OK);
	CHECK(failing > 20);
	CHECK_STR((const char *) opened, "text");
	printf("%ld calls failed in turn\n", failing - 1);
	TEST_MAIN_END();
}
