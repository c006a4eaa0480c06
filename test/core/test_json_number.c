/*
 * Canonical numbers: the samples of RFC 8785 appendix B, hard literals, powers of two, and random doubles from a
 * printed seed, each of which must read back and must have no shorter decimal that does.
 */
#include "json.h"
#include "test.h"

#include <float.h>
#include <locale.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

static double
double_from_bits(uint64_t bits)
{
	double value;

	memcpy(&value, &bits, sizeof(value));
	return value;
}

static void
check_number(const char *literal, const char *want)
{
	char out[JSON_NUMBER_TEXT_MAX];
	size_t length;
	JsonStatus status = json_canonical_number(literal, strlen(literal), out, &length);

	CHECK_INT(status, want == NULL ? JSON_NUMBER_RANGE : JSON_OK);
	if (want == NULL || status != JSON_OK)
		return;
	CHECK_STR(out, want);
	CHECK_INT(length, strlen(want));
}

/* RFC 8785 appendix B: the bits of a double and its text. */
static const struct
{
	uint64_t bits;
	const char *want;
} samples[] = {
	{0x0000000000000000, "0"},
	{0x8000000000000000, "0"},
	{0x0000000000000001, "5e-324"},
	{0x8000000000000001, "-5e-324"},
	{0x7fefffffffffffff, "1.7976931348623157e+308"},
	{0xffefffffffffffff, "-1.7976931348623157e+308"},
	{0x4340000000000000, "9007199254740992"},
	{0xc340000000000000, "-9007199254740992"},
	{0x4430000000000000, "295147905179352830000"},
	{0x44b52d02c7e14af5, "9.999999999999997e+22"},
	{0x44b52d02c7e14af6, "1e+23"},
	{0x44b52d02c7e14af7, "1.0000000000000001e+23"},
	{0x444b1ae4d6e2ef4e, "999999999999999700000"},
	{0x444b1ae4d6e2ef4f, "999999999999999900000"},
	{0x444b1ae4d6e2ef50, "1e+21"},
	{0x3eb0c6f7a0b5ed8c, "9.999999999999997e-7"},
	{0x3eb0c6f7a0b5ed8d, "0.000001"},
	{0x41b3de4355555553, "333333333.3333332"},
	{0x41b3de4355555554, "333333333.33333325"},
	{0x41b3de4355555555, "333333333.3333333"},
	{0x41b3de4355555556, "333333333.3333334"},
	{0x41b3de4355555557, "333333333.33333343"},
	{0xbecbf647612f3696, "-0.0000033333333333333333"},
	{0x43143ff3c1cb0959, "1424953923781206.2"},
};

static const struct
{
	const char *literal;
	const char *want;
} literals[] = {
	{"0", "0"},
	{"-0", "0"},
	{"-0.0e5", "0"},
	{"0e999999999999999999999999", "0"},
	{"1", "1"},
	{"-1", "-1"},
	{"1.0", "1"},
	{"10e-1", "1"},
	{"100", "100"},
	{"0.1", "0.1"},
	{"1e-7", "1e-7"},
	{"1.5E-7", "1.5e-7"},
	{"1e-6", "0.000001"},
	{"123456789012345678", "123456789012345680"},
	{"123456789012345678901234", "1.2345678901234569e+23"},
	{"9007199254740991", "9007199254740991"},
	{"9007199254740993", "9007199254740992"},
	{"-9007199254740993.0000000000000000000000001", "-9007199254740994"},
	{"2.2250738585072014e-308", "2.2250738585072014e-308"},
	{"2.2250738585072011e-308", "2.225073858507201e-308"},
	{"1e-400", "0"},
	{"-1e-99999999999999999999999", "0"},
	{"1.7976931348623158e308", "1.7976931348623157e+308"},
	{"1.7976931348623159e308", NULL},
	{"-1e400", NULL},
	{"1e99999999999999999999999", NULL},
};

static void
test_samples(void)
{
	char literal[64];

	for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++)
	{
		snprintf(literal, sizeof(literal), "%.17g", double_from_bits(samples[i].bits));
		check_number(literal, samples[i].want);
	}
	for (size_t i = 0; i < sizeof(literals) / sizeof(literals[0]); i++)
		check_number(literals[i].literal, literals[i].want);
}

/* Literals far longer than a double: their value decides, not their length. */
static void
test_long_literals(void)
{
	enum
	{
		ZEROS = 2000
	};
	static char text[2 * ZEROS + 64];

	/* 0.000...01 with an exponent that brings it back to 1. */
	memset(text, '0', sizeof(text));
	text[1] = '.';
	snprintf(text + ZEROS + 1, 32, "1e%d", ZEROS);
	check_number(text, "1");
	/* 1000...0 with an exponent that brings it back to 10. */
	memset(text, '0', sizeof(text));
	text[0] = '1';
	snprintf(text + ZEROS + 1, 32, "e-%d", ZEROS - 1);
	check_number(text, "10");
	/* Halfway between two doubles (ties to even, down), and a trace above it. */
	memset(text, '0', sizeof(text));
	memcpy(text, "9007199254740993.", 17);
	text[ZEROS] = '\0';
	check_number(text, "9007199254740992");
	text[ZEROS - 1] = '1';
	check_number(text, "9007199254740994");
}

/* How many significant digits a canonical number shows. */
static int
significant_digits(const char *text)
{
	int digits = 0;
	int trailing_zeros = 0;

	for (; *text != '\0' && *text != 'e'; text++)
	{
		if (*text < '0' || *text > '9' || (digits == 0 && *text == '0'))
			continue;
		digits++;
		trailing_zeros = *text == '0' ? trailing_zeros + 1 : 0;
	}
	return digits - trailing_zeros;
}

static void
check_shortest(double value)
{
	char literal[64];
	char out[JSON_NUMBER_TEXT_MAX];
	char shorter[64];
	size_t length;
	int digits;

	snprintf(literal, sizeof(literal), "%.17g", value);
	if (json_canonical_number(literal, strlen(literal), out, &length) != JSON_OK ||
		strtod(out, NULL) != value)
	{
		printf("%s became %s\n", literal, out);
		CHECK(false);
		return;
	}
	digits = significant_digits(out);
	snprintf(shorter, sizeof(shorter), "%.*e", digits > 1 ? digits - 2 : 0, value);
	if (value != 0 && digits > 1 && strtod(shorter, NULL) == value)
	{
		printf("%s became %s, %s is shorter\n", literal, out, shorter);
		CHECK(false);
		return;
	}
	test_passed++;
}

static uint64_t
next_random(uint64_t *state)
{
	/* xorshift64 (Marsaglia 2003) */
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static void
test_shortest(void)
{
	const char *given = getenv("SEED");
	uint64_t seed = given != NULL ? strtoull(given, NULL, 10) : (uint64_t) time(NULL);
	uint64_t state = seed * 2 + 1;

	printf("seed %llu\n", (unsigned long long) seed);
	for (int exponent = -1074; exponent <= 1023; exponent++)
	{
		double power = ldexp(1, exponent);

		check_shortest(power);
		check_shortest(nextafter(power, 0));
		check_shortest(nextafter(power, DBL_MAX));
	}
	for (int i = 0; i < 100000; i++)
	{
		double value = double_from_bits(next_random(&state));

		if (isfinite(value))
			check_shortest(value);
		check_shortest((double) (next_random(&state) % 1000000000) / 10000);
	}
}

/* A decimal comma must not reach the text, nor be read from it. */
static void
test_locale(void)
{
	static const char *const names[] = {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "pl_PL.UTF-8"};
	bool found = false;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]) && !found; i++)
		found = setlocale(LC_NUMERIC, names[i]) != NULL;
	if (!found)
		printf("SKIPPED: numbers under a locale with a decimal comma, because none is installed\n");
	check_number("333333333.33333329", "333333333.3333333");
	check_number("1.5e-7", "1.5e-7");
	check_number("0.1", "0.1");
	setlocale(LC_NUMERIC, "C");
}

int
main(void)
{
	test_samples();
	test_long_literals();
	test_shortest();
	test_locale();
	TEST_MAIN_END();
}
