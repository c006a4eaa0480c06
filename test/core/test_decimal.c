#include <stdlib.h>

#include "decimal.h"
#include "test.h"

#define NINES_19 "9999999999999999999"
#define NINES_38 NINES_19 NINES_19

typedef struct ParseCase
{
	const char *text;
	DecimalStatus status;
	const char *canonical;
} ParseCase;

static const ParseCase parse_cases[] = {
	{"0", DECIMAL_OK, "0"},
	{"-0", DECIMAL_OK, "0"},
	{"+0.000", DECIMAL_OK, "0"},
	{"0e999999999999999999999", DECIMAL_OK, "0"},
	{"0E-999999999999999999999", DECIMAL_OK, "0"},
	{"1", DECIMAL_OK, "1"},
	{"-1", DECIMAL_OK, "-1"},
	{"+1", DECIMAL_OK, "1"},
	{"007", DECIMAL_OK, "7"},
	{"10", DECIMAL_OK, "10"},
	{"1.50", DECIMAL_OK, "1.5"},
	{"-0.05", DECIMAL_OK, "-0.05"},
	{"100.00100", DECIMAL_OK, "100.001"},
	{"1e-10", DECIMAL_OK, "0.0000000001"},
	{"1.5E3", DECIMAL_OK, "1500"},
	{"1.5e+0", DECIMAL_OK, "1.5"},
	{"1000e-20", DECIMAL_OK, "0.00000000000000001"},
	{"0.000000000000000001", DECIMAL_OK, "0.000000000000000001"},
	{"0.0000000000000000010", DECIMAL_OK, "0.000000000000000001"},
	{"0.0000000000000000001", DECIMAL_TOO_MANY_DECIMALS, NULL},
	{"1e-18", DECIMAL_OK, "0.000000000000000001"},
	{"1e-19", DECIMAL_TOO_MANY_DECIMALS, NULL},
	{"1e-999999999999999999999", DECIMAL_TOO_MANY_DECIMALS, NULL},
	{"1e999999999999999999999", DECIMAL_TOO_MANY_DIGITS, NULL},
	{"1e37", DECIMAL_OK, "10000000000000000000000000000000000000"},
	{"1e38", DECIMAL_TOO_MANY_DIGITS, NULL},
	{NINES_38, DECIMAL_OK, NINES_38},
	{"-" NINES_38, DECIMAL_OK, "-" NINES_38},
	{"000" NINES_38 ".000", DECIMAL_OK, NINES_38},
	{NINES_38 "0", DECIMAL_TOO_MANY_DIGITS, NULL},
	{NINES_38 "9", DECIMAL_TOO_MANY_DIGITS, NULL},
	{NINES_38 ".1", DECIMAL_TOO_MANY_DIGITS, NULL},
	{NINES_38 "e-18", DECIMAL_OK, "99999999999999999999.999999999999999999"},
	{NINES_38 "e-19", DECIMAL_TOO_MANY_DECIMALS, NULL},
	{"1" NINES_38 "e-20", DECIMAL_TOO_MANY_DECIMALS, NULL},
	{"", DECIMAL_INVALID_SYNTAX, NULL},
	{"-", DECIMAL_INVALID_SYNTAX, NULL},
	{"+-1", DECIMAL_INVALID_SYNTAX, NULL},
	{"--1", DECIMAL_INVALID_SYNTAX, NULL},
	{".", DECIMAL_INVALID_SYNTAX, NULL},
	{".5", DECIMAL_INVALID_SYNTAX, NULL},
	{"5.", DECIMAL_INVALID_SYNTAX, NULL},
	{"1.2.3", DECIMAL_INVALID_SYNTAX, NULL},
	{"1e", DECIMAL_INVALID_SYNTAX, NULL},
	{"1e+", DECIMAL_INVALID_SYNTAX, NULL},
	{"e5", DECIMAL_INVALID_SYNTAX, NULL},
	{"1e5.0", DECIMAL_INVALID_SYNTAX, NULL},
	{"1e5e5", DECIMAL_INVALID_SYNTAX, NULL},
	{" 1", DECIMAL_INVALID_SYNTAX, NULL},
	{"1 ", DECIMAL_INVALID_SYNTAX, NULL},
	{"1,000", DECIMAL_INVALID_SYNTAX, NULL},
	{"0x10", DECIMAL_INVALID_SYNTAX, NULL},
	{"NaN", DECIMAL_INVALID_SYNTAX, NULL},
	{"Infinity", DECIMAL_INVALID_SYNTAX, NULL},
	{"-inf", DECIMAL_INVALID_SYNTAX, NULL},
	/* Bad syntax wins over a limit that the valid part breaks. */
	{NINES_38 "99x", DECIMAL_INVALID_SYNTAX, NULL},
};

static Decimal
decimal(const char *text)
{
	Decimal value = {0, 0};

	CHECK_INT(decimal_parse(text, strlen(text), &value), DECIMAL_OK);
	return value;
}

static void
check_text(const Decimal *value, const char *wanted)
{
	char text[DECIMAL_TEXT_SIZE];

	CHECK_INT(decimal_format(value, text), strlen(wanted));
	CHECK_STR(text, wanted);
}

static void
test_parse(void)
{
	for (size_t i = 0; i < sizeof(parse_cases) / sizeof(parse_cases[0]); i++)
	{
		const ParseCase *row = &parse_cases[i];
		Decimal value = {77, 3};
		DecimalStatus status = decimal_parse(row->text, strlen(row->text), &value);

		CHECK_INT(status, row->status);
		if (status != row->status)
			printf("\tfor \"%s\"\n", row->text);
		if (row->status == DECIMAL_OK)
			check_text(&value, row->canonical);
		else
			CHECK(value.coefficient == 77 && value.scale == 3);
	}
	/* The length decides, not a terminator. */
	CHECK_INT(decimal_parse("1\0", 2, &(Decimal){0, 0}), DECIMAL_INVALID_SYNTAX);
	CHECK_INT(decimal_parse("12", 1, &(Decimal){0, 0}), DECIMAL_OK);
}

/* In ascending order: each pair must compare as its places do. */
static const char *const ordered[] = {
	"-" NINES_38,
	"-100000000000000000000",
	"-1.5",
	"-1.000000000000000001",
	"-1",
	"-0.000000000000000001",
	"0",
	"0.000000000000000001",
	"0.5",
	"1",
	"1.000000000000000001",
	"99999999999999999999.999999999999999999",
	"100000000000000000000",
	NINES_38,
};

static void
test_compare(void)
{
	int count = (int) (sizeof(ordered) / sizeof(ordered[0]));

	for (int i = 0; i < count; i++)
		for (int j = 0; j < count; j++)
		{
			Decimal left = decimal(ordered[i]);
			Decimal right = decimal(ordered[j]);

			CHECK_INT(decimal_compare(&left, &right), (i > j) - (i < j));
		}
}

typedef struct SumCase
{
	const char *left;
	const char *right;
	DecimalStatus status;
	const char *sum;
} SumCase;

static const SumCase sum_cases[] = {
	{"1", "2", DECIMAL_OK, "3"},
	{"0.5", "0.5", DECIMAL_OK, "1"},
	{"1", "-0.000000000000000001", DECIMAL_OK, "0.999999999999999999"},
	{"-1", "0.25", DECIMAL_OK, "-0.75"},
	{"0.1", "-0.1", DECIMAL_OK, "0"},
	{"100000000000000000000", "-0.000000000000000001", DECIMAL_OK, "99999999999999999999.999999999999999999"},
	{"100000000000000000000", "0.000000000000000001", DECIMAL_TOO_MANY_DIGITS, NULL},
	{NINES_38, "1", DECIMAL_TOO_MANY_DIGITS, NULL},
	{"-" NINES_38, "-1", DECIMAL_TOO_MANY_DIGITS, NULL},
	{NINES_38, "-" NINES_38, DECIMAL_OK, "0"},
	{NINES_38, NINES_38, DECIMAL_TOO_MANY_DIGITS, NULL},
	{NINES_38, "0.1", DECIMAL_TOO_MANY_DIGITS, NULL},
	{"-" NINES_38, "-0.000000000000000001", DECIMAL_TOO_MANY_DIGITS, NULL},
};

static void
test_sums(void)
{
	for (size_t i = 0; i < sizeof(sum_cases) / sizeof(sum_cases[0]); i++)
	{
		const SumCase *row = &sum_cases[i];
		Decimal left = decimal(row->left);
		Decimal right = decimal(row->right);
		Decimal negated = {-right.coefficient, right.scale};
		Decimal sum;

		CHECK_INT(decimal_add(&left, &right, &sum), row->status);
		if (row->status == DECIMAL_OK)
			check_text(&sum, row->sum);
		CHECK_INT(decimal_add(&right, &left, &sum), row->status);
		if (row->status == DECIMAL_OK)
			check_text(&sum, row->sum);
		CHECK_INT(decimal_subtract(&left, &negated, &sum), row->status);
		if (row->status == DECIMAL_OK)
			check_text(&sum, row->sum);
	}
}

typedef struct RoundCase
{
	const char *value;
	int places;
	const char *rounded;
} RoundCase;

static const RoundCase round_cases[] = {
	{"0.5", 0, "1"},
	{"-0.5", 0, "-1"},
	{"0.499999999999999999", 0, "0"},
	{"-0.499999999999999999", 0, "0"},
	{"2.5", 0, "3"},
	{"-2.5", 0, "-3"},
	{"1.005", 2, "1.01"},
	{"1.004999999999999999", 2, "1"},
	{"-1.005", 2, "-1.01"},
	{"9.995", 2, "10"},
	{"1.5", 18, "1.5"},
	{"99999999999999999999.999999999999999999", 17, "100000000000000000000"},
};

static void
test_round(void)
{
	for (size_t i = 0; i < sizeof(round_cases) / sizeof(round_cases[0]); i++)
	{
		Decimal value = decimal(round_cases[i].value);
		Decimal rounded;

		CHECK_INT(decimal_round(&value, round_cases[i].places, &rounded), DECIMAL_OK);
		check_text(&rounded, round_cases[i].rounded);
	}
}

static uint64_t random_state;

/* SplitMix64. */
static uint64_t
random_next(void)
{
	uint64_t mixed = random_state += UINT64_C(0x9E3779B97F4A7C15);

	mixed = (mixed ^ (mixed >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
	mixed = (mixed ^ (mixed >> 27)) * UINT64_C(0x94D049BB133111EB);
	return mixed ^ (mixed >> 31);
}

static Wide
random_wide(void)
{
	Wide number = {{0}};
	int limbs = (int) (random_next() % (WIDE_LIMBS + 1));

	for (int i = 0; i < limbs; i++)
		number.limb[i] = random_next() % 8 == 0 ? UINT64_MAX : random_next();
	return number;
}

/* Quotient * divisor + remainder is the dividend; adding undoes subtracting. */
static void
test_wide_identities(void)
{
	for (int round = 0; round < 50000; round++)
	{
		Wide number = random_wide();
		Wide result = number;
		uint64_t divisor = (random_next() >> (random_next() % 63)) | 1;
		uint64_t remainder = wide_divide(&result, divisor);
		Wide rest = wide_make(remainder);
		Wide other = random_wide();

		CHECK(remainder < divisor);
		CHECK(wide_multiply(&result, divisor));
		CHECK(wide_add(&result, &rest));
		CHECK(wide_compare(&result, &number) == 0);
		if (wide_compare(&other, &number) > 0)
			continue;
		wide_subtract(&result, &other);
		CHECK(wide_add(&result, &other));
		CHECK(wide_compare(&result, &number) == 0);
	}
}

static void
test_wide_limits(void)
{
	Wide largest;
	Wide number;
	Uint128 small;
	char text[WIDE_DIGITS_MAX + 1];

	memset(&largest, 0xFF, sizeof(largest));
	number = largest;
	CHECK(!wide_add(&number, &(Wide){{1}}));
	number = largest;
	CHECK(!wide_multiply(&number, 2));
	number = largest;
	CHECK(!wide_multiply(&number, (Uint128) 1 << 64));
	number = largest;
	CHECK(!wide_shift_decimal(&number, 1));
	number = largest;
	CHECK(!wide_shift_decimal(&number, 38));
	CHECK(!wide_to_uint128(&largest, &small));
	/* 2^320 - 1 */
	CHECK_INT(wide_format(&largest, text), 97);
	CHECK_STR(text, "213598703592091008239502170616955211460270452235665276994704160782221972578"
					"0640550022962086936575");
	number = wide_make(1);
	CHECK(wide_shift_decimal(&number, 96));
	CHECK_INT(wide_format(&number, text), 97);
	CHECK(wide_shift_decimal(&number, -95));
	CHECK(wide_to_uint128(&number, &small) && small == 10);
	CHECK(wide_shift_decimal(&number, -2) && wide_is_zero(&number));
	for (int power = 1; power <= WIDE_POWER_MAX; power++)
		CHECK(wide_power_of_ten(power) == wide_power_of_ten(power - 1) * 10);
}

int
main(int argc, char **argv)
{
	random_state = argc > 1 ? strtoull(argv[1], NULL, 10) : 20260101;
	printf("seed %" PRIu64 "\n", random_state);
	test_parse();
	test_compare();
	test_sums();
	test_round();
	test_wide_identities();
	test_wide_limits();
	TEST_MAIN_END();
}
