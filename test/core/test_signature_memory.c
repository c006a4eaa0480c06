/*
 * The crypto library's own allocations fail while it verifies, one after the other and from each on: a signature that
 * holds is never called refused, and one that does not never holds.
 */
#include <openssl/crypto.h>

#include <stdbool.h>
#include <stdlib.h>

#include "signature.h"
#include "test.h"

static long allocations_left = -1;
static bool failures_last;
static long failures;

static bool
allocation_fails(void)
{
	if (allocations_left < 0 || allocations_left-- > 0)
		return false;
	allocations_left = failures_last ? 0 : -1;
	failures++;
	return true;
}

static void *
library_malloc(size_t size, const char *file, int line)
{
	(void) file;
	(void) line;
	return size == 0 || allocation_fails() ? NULL : malloc(size);
}

static void *
library_realloc(void *old, size_t size, const char *file, int line)
{
	(void) file;
	(void) line;
	if (size == 0)
	{
		free(old);
		return NULL;
	}
	return allocation_fails() ? NULL : realloc(old, size);
}

static void
library_free(void *old, const char *file, int line)
{
	(void) file;
	(void) line;
	free(old);
}

/* Returns the number of allocations that failed. */
static long
verify_failing(const uint8_t *key, const char *message, const uint8_t *signature, long number, bool last,
			   SignatureStatus *status)
{
	failures = 0;
	failures_last = last;
	allocations_left = number;
	*status = signature_verify(key, message, strlen(message), signature);
	allocations_left = -1;
	return failures;
}

static void
test_failures(const uint8_t *key, const uint8_t *signature, bool last)
{
	SignatureStatus status;
	long number = 0;
	long undecided = 0;

	while (verify_failing(key, "message", signature, number, last, &status) > 0)
	{
		CHECK(status != SIGNATURE_REFUSED && status != SIGNATURE_WEAK_KEY);
		undecided += status == SIGNATURE_UNDECIDED;
		number++;
	}
	CHECK_INT(status, SIGNATURE_OK);
	CHECK(number > 0);
	printf("%ld allocations failed, %s; %ld times undecided\n", number, last ? "and all after" : "one by one",
		   undecided);
	for (number = 0; verify_failing(key, "another", signature, number, last, &status) > 0; number++)
		CHECK(status != SIGNATURE_OK && status != SIGNATURE_WEAK_KEY);
	CHECK_INT(status, SIGNATURE_REFUSED);
}

int
main(void)
{
	static const uint8_t seed[SIGNATURE_SEED_SIZE] = {1};
	uint8_t key[SIGNATURE_KEY_SIZE];
	uint8_t signature[SIGNATURE_SIZE];

	CHECK_INT(CRYPTO_set_mem_functions(library_malloc, library_realloc, library_free), 1);
	CHECK_INT(signature_public_key(seed, key), SIGNATURE_OK);
	CHECK_INT(signature_sign(seed, "message", 7, signature), SIGNATURE_OK);
	/* What the library keeps once it was used is made here, and also by the control of a refusal. */
	CHECK_INT(signature_verify(key, "message", 7, signature), SIGNATURE_OK);
	CHECK_INT(signature_verify(key, "another", 7, signature), SIGNATURE_REFUSED);
	test_failures(key, signature, false);
	test_failures(key, signature, true);
	TEST_MAIN_END();
}
