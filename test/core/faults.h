/*
 * Allocations and calls of the crypto library that fail when they are told to: the sources under test are compiled in
 * after this, under other names, so that they call what is defined here.
 */
#ifndef BILLING_TEST_FAULTS_H
#define BILLING_TEST_FAULTS_H

#include <openssl/evp.h>
#include <stdbool.h>
#include <stdlib.h>

static long faults_calls_left = -1;
static bool faults_last;
static bool faults_happened;
static bool faults_verifying;

/* From now on the call with that number fails, from 0; and all after it when they last. */
static inline void
faults_begin(long number, bool last)
{
	faults_calls_left = number;
	faults_last = last;
	faults_happened = false;
}

/* Whether there were so many calls. No call fails after it. */
static inline bool
faults_end(void)
{
	faults_calls_left = -1;
	return faults_happened;
}

static inline bool
call_fails(void)
{
	if (faults_calls_left < 0 || faults_calls_left-- > 0)
		return false;
	faults_calls_left = faults_last ? 0 : -1;
	faults_happened = true;
	return true;
}

/* Whether the crypto library has no memory to verify with, and enough for all else. */
static inline void
faults_set_verifying(bool fails)
{
	faults_verifying = fails;
}

static inline bool
verifying_fails(void)
{
	return faults_verifying || call_fails();
}

static inline void *
faulty_malloc(size_t size)
{
	return call_fails() ? NULL : malloc(size);
}

static inline void *
faulty_calloc(size_t count, size_t size)
{
	return call_fails() ? NULL : calloc(count, size);
}

static inline void *
faulty_realloc(void *old, size_t size)
{
	return call_fails() ? NULL : realloc(old, size);
}

#define malloc faulty_malloc
#define calloc faulty_calloc
#define realloc faulty_realloc
#define EVP_MD_fetch(library, name, properties)                                                              \
	(call_fails() ? NULL : EVP_MD_fetch(library, name, properties))
#define EVP_MD_CTX_new() (call_fails() ? NULL : EVP_MD_CTX_new())
#define EVP_DigestInit_ex2(state, type, parameters)                                                          \
	(call_fails() ? 0 : EVP_DigestInit_ex2(state, type, parameters))
#define EVP_MD_CTX_copy_ex(to, from) (call_fails() ? 0 : EVP_MD_CTX_copy_ex(to, from))
#define EVP_DigestUpdate(state, bytes, length) (call_fails() ? 0 : EVP_DigestUpdate(state, bytes, length))
#define EVP_DigestFinal_ex(state, out, length) (call_fails() ? 0 : EVP_DigestFinal_ex(state, out, length))
#define EVP_PKEY_new_raw_private_key(type, engine, bytes, length)                                            \
	(call_fails() ? NULL : EVP_PKEY_new_raw_private_key(type, engine, bytes, length))
#define EVP_PKEY_new_raw_public_key(type, engine, bytes, length)                                             \
	(call_fails() ? NULL : EVP_PKEY_new_raw_public_key(type, engine, bytes, length))
#define EVP_PKEY_get_raw_public_key(key, out, length)                                                        \
	(call_fails() ? 0 : EVP_PKEY_get_raw_public_key(key, out, length))
#define EVP_DigestSignInit(state, context, type, engine, key)                                                \
	(call_fails() ? 0 : EVP_DigestSignInit(state, context, type, engine, key))
#define EVP_DigestSign(state, out, out_length, bytes, length)                                                \
	(call_fails() ? 0 : EVP_DigestSign(state, out, out_length, bytes, length))
#define EVP_DigestVerifyInit(state, context, type, engine, key)                                              \
	(call_fails() ? 0 : EVP_DigestVerifyInit(state, context, type, engine, key))
/* Out of memory it answers 0, as for a signature that does not hold. */
#define EVP_DigestVerify(state, signature, signature_length, bytes, length)                                  \
	(faults_verifying || call_fails() ? 0                                                                    \
									  : EVP_DigestVerify(state, signature, signature_length, bytes, length))

#endif
