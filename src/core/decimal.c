#include "decimal.h"

#include <assert.h>
#include <string.h>

/* Larger than any text is long, far from the ends of int64_t. */
#define EXPONENT_LIMIT INT64_C(1000000000000000)

typedef struct Scanner
{
	const char *next;
	const char *end;
} Scanner;

/*
 * The significant digits read so far: value * 10^zeros, where the zeros are
 * held back until a digit shows that they are not trailing ones.
 */
typedef struct Significand
{
	Uint128 value;
	int64_t digits;
	int64_t zeros;
} Significand;

static bool
at_digit(const Scanner *scanner)
{
	return scanner->next < scanner->end && *scanner->next >= '0' && *scanner->next <= '9';
}

static bool
accept(Scanner *scanner, char upper, char lower)
{
	if (scanner->next == scanner->end || (*scanner->next != upper && *scanner->next != lower))
		return false;
	scanner->next++;
	return true;
}

static bool
accept_sign(Scanner *scanner)
{
	bool negative = accept(scanner, '-', '-');

	if (!negative)
		accept(scanner, '+', '+');
	return negative;
}

/* The value is meaningless, but the count right, above DECIMAL_DIGITS_MAX. */
static void
add_digit(Significand *significand, int digit)
{
	if (digit == 0)
	{
		significand->zeros += significand->digits > 0;
		return;
	}
	significand->digits += significand->zeros + 1;
	if (significand->digits <= DECIMAL_DIGITS_MAX)
		significand->value =
			significand->value * wide_power_of_ten((int) significand->zeros + 1) + (Uint128) digit;
	significand->zeros = 0;
}

/* Returns the number of digits read. */
static int64_t
scan_digits(Scanner *scanner, Significand *significand)
{
	const char *start = scanner->next;

	for (; at_digit(scanner); scanner->next++)
		add_digit(significand, *scanner->next - '0');
	return scanner->next - start;
}

static bool
scan_exponent(Scanner *scanner, int64_t *exponent)
{
	bool negative = accept_sign(scanner);
	int64_t value = 0;

	if (!at_digit(scanner))
		return false;
	for (; at_digit(scanner); scanner->next++)
		if (value < EXPONENT_LIMIT)
			value = value * 10 + (*scanner->next - '0');
	*exponent = negative ? -value : value;
	return true;
}

/* The value significand * 10^power. */
static DecimalStatus
assemble(const Significand *significand, int64_t power, bool negative, Decimal *result)
{
	Uint128 value = significand->value;
	int64_t digits = significand->digits;

	if (digits == 0)
		power = 0;
	if (power < -DECIMAL_SCALE_MAX)
		return DECIMAL_TOO_MANY_DECIMALS;
	if (digits > DECIMAL_DIGITS_MAX || (power > 0 && digits + power > DECIMAL_DIGITS_MAX))
		return DECIMAL_TOO_MANY_DIGITS;
	if (power > 0)
		value *= wide_power_of_ten((int) power);
	result->coefficient = negative ? -(Int128) value : (Int128) value;
	result->scale = power < 0 ? (int) -power : 0;
	return DECIMAL_OK;
}

DecimalStatus
decimal_parse(const char *text, size_t length, Decimal *result)
{
	Scanner scanner = {text, text + length};
	Significand significand = {0};
	bool negative = accept_sign(&scanner);
	int64_t decimals = 0;
	int64_t exponent = 0;

	if (scan_digits(&scanner, &significand) == 0)
		return DECIMAL_INVALID_SYNTAX;
	if (accept(&scanner, '.', '.'))
	{
		decimals = scan_digits(&scanner, &significand);
		if (decimals == 0)
			return DECIMAL_INVALID_SYNTAX;
	}
	if (accept(&scanner, 'E', 'e') && !scan_exponent(&scanner, &exponent))
		return DECIMAL_INVALID_SYNTAX;
	if (scanner.next != scanner.end)
		return DECIMAL_INVALID_SYNTAX;
	return assemble(&significand, significand.zeros + exponent - decimals, negative, result);
}

static Uint128
magnitude(const Decimal *value)
{
	return value->coefficient < 0 ? -(Uint128) value->coefficient : (Uint128) value->coefficient;
}

size_t
decimal_format(const Decimal *value, char text[DECIMAL_TEXT_SIZE])
{
	char digits[WIDE_DIGITS_MAX + 1];
	Wide wide = wide_make(magnitude(value));
	size_t length = wide_format(&wide, digits);
	size_t scale = (size_t) value->scale;
	size_t padding = length > scale ? 0 : scale + 1 - length;
	size_t whole = length + padding - scale;
	size_t used = 0;

	assert(length <= DECIMAL_DIGITS_MAX);
	if (value->coefficient < 0)
		text[used++] = '-';
	memset(text + used, '0', padding);
	memcpy(text + used + padding, digits, length);
	if (scale > 0)
	{
		memmove(text + used + whole + 1, text + used + whole, scale);
		text[used + whole] = '.';
		used++;
	}
	used += padding + length;
	text[used] = '\0';
	return used;
}

DecimalStatus
decimal_make(Int128 coefficient, int scale, Decimal *result)
{
	Int128 limit = (Int128) wide_power_of_ten(DECIMAL_DIGITS_MAX);

	assert(scale >= 0 && scale <= DECIMAL_SCALE_MAX);
	for (; scale > 0 && coefficient % 10 == 0; scale--)
		coefficient /= 10;
	if (coefficient >= limit || coefficient <= -limit)
		return DECIMAL_TOO_MANY_DIGITS;
	result->coefficient = coefficient;
	result->scale = scale;
	return DECIMAL_OK;
}

/* Splits into a whole part and a fraction at the given scale, signs alike. */
static void
split(const Decimal *value, int scale, Int128 *whole, Int128 *fraction)
{
	Int128 unit = (Int128) wide_power_of_ten(value->scale);

	assert(scale >= value->scale);
	*whole = value->coefficient / unit;
	*fraction = value->coefficient % unit * (Int128) wide_power_of_ten(scale - value->scale);
}

int
decimal_compare(const Decimal *left, const Decimal *right)
{
	Int128 whole[2];
	Int128 fraction[2];

	split(left, DECIMAL_SCALE_MAX, &whole[0], &fraction[0]);
	split(right, DECIMAL_SCALE_MAX, &whole[1], &fraction[1]);
	if (whole[0] != whole[1])
		return whole[0] < whole[1] ? -1 : 1;
	return (fraction[0] > fraction[1]) - (fraction[0] < fraction[1]);
}

/*
 * Whole parts and fractions add separately: where that or joining them
 * overflows, the sum itself is too long.
 */
static DecimalStatus
add_signed(const Decimal *left, const Decimal *right, int sign, Decimal *result)
{
	int scale = left->scale > right->scale ? left->scale : right->scale;
	Int128 whole[2];
	Int128 fraction[2];
	Int128 sum;

	split(left, scale, &whole[0], &fraction[0]);
	split(right, scale, &whole[1], &fraction[1]);
	if (__builtin_add_overflow(whole[0], sign * whole[1], &sum) ||
		__builtin_mul_overflow(sum, (Int128) wide_power_of_ten(scale), &sum) ||
		__builtin_add_overflow(sum, fraction[0] + sign * fraction[1], &sum))
		return DECIMAL_TOO_MANY_DIGITS;
	return decimal_make(sum, scale, result);
}

DecimalStatus
decimal_add(const Decimal *left, const Decimal *right, Decimal *result)
{
	return add_signed(left, right, 1, result);
}

DecimalStatus
decimal_subtract(const Decimal *left, const Decimal *right, Decimal *result)
{
	return add_signed(left, right, -1, result);
}

DecimalStatus
decimal_round(const Decimal *value, int places, Decimal *result)
{
	Int128 unit;
	Int128 quotient;
	Int128 remainder;

	assert(places >= 0 && places <= DECIMAL_SCALE_MAX);
	if (value->scale <= places)
	{
		*result = *value;
		return DECIMAL_OK;
	}
	unit = (Int128) wide_power_of_ten(value->scale - places);
	quotient = value->coefficient / unit;
	remainder = value->coefficient % unit;
	if (remainder >= unit / 2)
		quotient++;
	else if (-remainder >= unit / 2)
		quotient--;
	return decimal_make(quotient, places, result);
}
