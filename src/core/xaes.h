#ifndef BILLING_CORE_XAES_H
#define BILLING_CORE_XAES_H

#include <stddef.h>
#include <stdint.h>

/*
 * XAES-256-GCM (C2SP XAES-256-GCM): AES-256-GCM (NIST SP 800-38D) under a key that is derived from the key and the
 * first half of a 192-bit nonce by CMAC (NIST SP 800-38B, SP 800-108r1 4.1). Its nonce is long enough to be drawn at
 * random: 2^80 messages under one key repeat one with a chance of 2^-32. Through OpenSSL; constant time is its work.
 */
#define XAES_KEY_SIZE 32
#define XAES_NONCE_SIZE 24
#define XAES_TAG_SIZE 16
#define XAES_GCM_NONCE_SIZE 12

/* The longest text and the longest additional data: what the library takes in one call. */
#define XAES_LENGTH_MAX (INT32_MAX - XAES_TAG_SIZE)

typedef enum
{
	XAES_OK = 0,
	XAES_REFUSED,  /* key, nonce, additional data or sealed text is not the one of before */
	XAES_TOO_LONG, /* over XAES_LENGTH_MAX */
	XAES_NO_MEMORY,
	XAES_FAILED /* the crypto library refused */
} XaesStatus;

typedef struct XaesBytes
{
	const void *bytes;
	size_t length;
} XaesBytes;

/*
 * Encrypts text and authenticates it with the additional data (`bound`). out has room for text.length + XAES_TAG_SIZE
 * bytes: the ciphertext, then the tag. No two texts may have the same key and nonce.
 */
extern XaesStatus xaes_seal(const uint8_t key[XAES_KEY_SIZE], const uint8_t nonce[XAES_NONCE_SIZE],
							XaesBytes bound, XaesBytes text, uint8_t *out);

/* The reverse: out has room for sealed.length - XAES_TAG_SIZE bytes, which are zero unless the status is XAES_OK. */
extern XaesStatus xaes_open(const uint8_t key[XAES_KEY_SIZE], const uint8_t nonce[XAES_NONCE_SIZE],
							XaesBytes bound, XaesBytes sealed, uint8_t *out);

/* The key for AES-256-GCM, whose nonce are the last XAES_GCM_NONCE_SIZE bytes of nonce. */
extern XaesStatus xaes_derive(const uint8_t key[XAES_KEY_SIZE], const uint8_t nonce[XAES_NONCE_SIZE],
							  uint8_t out[XAES_KEY_SIZE]);

/* AES-256-GCM alone, as above. Its nonce is too short for random ones under a key of many messages. */
extern XaesStatus xaes_gcm_seal(const uint8_t key[XAES_KEY_SIZE], const uint8_t nonce[XAES_GCM_NONCE_SIZE],
								XaesBytes bound, XaesBytes text, uint8_t *out);
extern XaesStatus xaes_gcm_open(const uint8_t key[XAES_KEY_SIZE], const uint8_t nonce[XAES_GCM_NONCE_SIZE],
								XaesBytes bound, XaesBytes sealed, uint8_t *out);

#endif
