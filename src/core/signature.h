#ifndef BILLING_CORE_SIGNATURE_H
#define BILLING_CORE_SIGNATURE_H

#include <stddef.h>
#include <stdint.h>

/* Ed25519 (RFC 8032 5.1) through OpenSSL. */
#define SIGNATURE_SIZE 64
#define SIGNATURE_SEED_SIZE 32 /* the private key */
#define SIGNATURE_KEY_SIZE 32  /* the public key */

typedef enum
{
	SIGNATURE_OK = 0,
	SIGNATURE_REFUSED,	/* not the key's signature of the message */
	SIGNATURE_WEAK_KEY, /* a public key under which a signature can be made that holds for any message */
	SIGNATURE_NO_MEMORY,
	SIGNATURE_FAILED, /* the crypto library refused */
	SIGNATURE_UNDECIDED /* the crypto library could not verify, for want of memory most likely: nothing is known */
} SignatureStatus;

extern SignatureStatus signature_public_key(const uint8_t seed[SIGNATURE_SEED_SIZE],
											uint8_t out[SIGNATURE_KEY_SIZE]);

extern SignatureStatus signature_sign(const uint8_t seed[SIGNATURE_SEED_SIZE], const void *message,
									  size_t length, uint8_t out[SIGNATURE_SIZE]);

/*
 * Whether a public key may be trusted with anything: SIGNATURE_WEAK_KEY for a point of small order and for an encoding
 * that is not the reduced one (RFC 8032 5.1.3). Whether it is on the curve shows at the first signature.
 */
extern SignatureStatus signature_check_key(const uint8_t key[SIGNATURE_KEY_SIZE]);

/*
 * Checks the key too. The library answers alike for a signature that does not hold and when it runs out of memory on the
 * way, so that SIGNATURE_REFUSED is said only when it verifies a signature that is known to hold.
 */
extern SignatureStatus signature_verify(const uint8_t key[SIGNATURE_KEY_SIZE], const void *message,
										size_t length, const uint8_t signature[SIGNATURE_SIZE]);

#endif
