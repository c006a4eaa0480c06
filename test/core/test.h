/*
 * Counting checks for the unit tests of the core.
 *
 * A test program is one translation unit: it calls the checks from its
 * functions and ends main() with TEST_MAIN_END(), which prints the counts and
 * returns 1 if any check failed.  A check evaluates each argument once.
 */
#ifndef BILLING_TEST_H
#define BILLING_TEST_H

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static int test_passed;
static int test_failed;

static inline void
test_record(int ok, const char *file, int line, const char *text)
{
	if (ok)
	{
		test_passed++;
		return;
	}
	test_failed++;
	printf("%s:%d: failed: %s\n", file, line, text);
}

static inline void
test_record_str(const char *got, const char *want, const char *file, int line)
{
	int ok = got != NULL && want != NULL ? strcmp(got, want) == 0 : got == want;

	test_record(ok, file, line, "strings differ");
	if (!ok)
		printf("\tgot  \"%s\"\n\twant \"%s\"\n", got ? got : "(null)", want ? want : "(null)");
}

static inline void
test_record_int(int64_t got, int64_t want, const char *file, int line)
{
	test_record(got == want, file, line, "integers differ");
	if (got != want)
		printf("\tgot  %" PRId64 "\n\twant %" PRId64 "\n", got, want);
}

#define CHECK(cond) test_record(!!(cond), __FILE__, __LINE__, #cond)
#define CHECK_STR(got, want) test_record_str((got), (want), __FILE__, __LINE__)
#define CHECK_INT(got, want) test_record_int((int64_t) (got), (int64_t) (want), __FILE__, __LINE__)

#define TEST_MAIN_END()                                                                                      \
	do                                                                                                       \
	{                                                                                                        \
		printf("%d passed, %d failed\n", test_passed, test_failed);                                          \
		return test_failed == 0 ? 0 : 1;                                                                     \
	} while (0)

#endif
