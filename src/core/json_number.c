#include "json.h"

#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * No double needs more than 767 significant decimal digits to be told from its neighbour's midpoint; of a longer
 * literal only whether the rest is zero matters, which one further digit records.
 */
#define SIGNIFICANT_DIGITS_MAX 800

/* Beyond these exponents of ten every literal of SIGNIFICANT_DIGITS_MAX digits is infinite, or zero. */
#define EXPONENT_LIMIT 99999

/* Integers up to here are doubles exactly and print as themselves. */
#define EXACT_INTEGER_MAX 9007199254740992.0

#define DIGITS_MAX 17

/*
 * A decimal: 0.d1d2d3... times ten to the point. Numbers go to and from the C library in forms without a decimal
 * point (strtod) or with the point skipped (snprintf), so that no locale changes the result.
 */
typedef struct ShortDecimal
{
	char digits[DIGITS_MAX + 1];
	int count;
	int point;
} ShortDecimal;

/* The exponent part of a literal, held within twice any length a literal can have. */
static int64_t
read_exponent(const char *text, size_t length)
{
	bool negative = false;
	int64_t exponent = 0;

	for (size_t i = 0; i < length; i++)
	{
		if (text[i] == '-')
			negative = true;
		else if (text[i] != '+' && exponent < INT64_MAX / 100)
			exponent = exponent * 10 + (text[i] - '0');
	}
	return negative ? -exponent : exponent;
}

/* The double nearest to a literal's magnitude; the sign is the caller's. */
static double
read_magnitude(const char *literal, size_t length)
{
	char buffer[SIGNIFICANT_DIGITS_MAX + 32];
	size_t count = 0;
	int64_t exponent = 0;
	bool fraction = false;
	bool rest = false;
	size_t i;

	for (i = 0; i < length && literal[i] != 'e' && literal[i] != 'E'; i++)
	{
		char digit = literal[i];

		if (digit == '-')
			continue;
		if (digit == '.')
		{
			fraction = true;
			continue;
		}
		exponent -= fraction;
		if (count == 0 && digit == '0')
			continue;
		if (count < SIGNIFICANT_DIGITS_MAX)
			buffer[count++] = digit;
		else
		{
			exponent++;
			rest = rest || digit != '0';
		}
	}
	if (count == 0)
		return 0;
	if (rest)
		buffer[count - 1] = buffer[count - 1] == '0' ? '1' : buffer[count - 1];
	if (i < length)
		exponent += read_exponent(literal + i + 1, length - i - 1);
	if (exponent > EXPONENT_LIMIT)
		exponent = EXPONENT_LIMIT;
	if (exponent < -EXPONENT_LIMIT)
		exponent = -EXPONENT_LIMIT;
	snprintf(buffer + count, sizeof(buffer) - count, "e%d", (int) exponent);
	return strtod(buffer, NULL);
}

/* The decimal of exactly count digits nearest to value, which is positive and finite. */
static ShortDecimal
nearest_decimal(double value, int count)
{
	ShortDecimal decimal = {.count = 0};
	char buffer[48];
	const char *cursor = buffer;

	snprintf(buffer, sizeof(buffer), "%.*e", count - 1, value);
	for (; *cursor != 'e'; cursor++)
		if (*cursor >= '0' && *cursor <= '9')
			decimal.digits[decimal.count++] = *cursor;
	decimal.point = (int) strtol(cursor + 1, NULL, 10) + 1;
	return decimal;
}

static bool
reads_as(const ShortDecimal *decimal, double value)
{
	char buffer[48];

	snprintf(buffer, sizeof(buffer), "%.*se%d", decimal->count, decimal->digits,
			 decimal->point - decimal->count);
	return strtod(buffer, NULL) == value;
}

/* The next larger decimal of as many digits. */
static void
increment(ShortDecimal *decimal)
{
	int i = decimal->count - 1;

	while (i >= 0 && decimal->digits[i] == '9')
		decimal->digits[i--] = '0';
	if (i >= 0)
		decimal->digits[i]++;
	else
	{
		decimal->digits[0] = '1';
		decimal->point++;
	}
}

/*
 * The decimal of fewest digits that reads back as value, and of those the nearest to it (ECMAScript Number::toString
 * with its note 2, as RFC 8785 3.2.2.3 requires). Every normal double that has a decimal of up to DBL_DIG digits
 * has it as its nearest one of DBL_DIG, which saves the shorter attempts. Below a power of two doubles lie twice as
 * dense as above, so there the nearest decimal may read as the neighbour below while the next one up reads back.
 */
static ShortDecimal
shortest_decimal(double value)
{
	ShortDecimal decimal = {.count = 0};

	for (int count = value >= DBL_MIN ? DBL_DIG : 1; count <= DIGITS_MAX; count++)
	{
		decimal = nearest_decimal(value, count);
		if (reads_as(&decimal, value))
			break;
		increment(&decimal);
		if (reads_as(&decimal, value))
			break;
	}
	while (decimal.count > 1 && decimal.digits[decimal.count - 1] == '0')
		decimal.count--;
	return decimal;
}

/* ECMAScript Number::toString: plain digits while the point is within 21 places left and 6 right of the number. */
static void
format_decimal(const ShortDecimal *decimal, char *out)
{
	int count = decimal->count;
	int point = decimal->point;
	const char *digits = decimal->digits;
	size_t room = JSON_NUMBER_TEXT_MAX - 1;

	if (point > 0 && point <= 21 && count <= point)
		snprintf(out, room, "%.*s%.*s", count, digits, point - count, "000000000000000000000");
	else if (point > 0 && point <= 21)
		snprintf(out, room, "%.*s.%.*s", point, digits, count - point, digits + point);
	else if (point > -6 && point <= 0)
		snprintf(out, room, "0.%.*s%.*s", -point, "000000", count, digits);
	else
		snprintf(out, room, "%.1s%s%.*se%+d", digits, count > 1 ? "." : "", count - 1, digits + 1, point - 1);
}

JsonStatus
json_canonical_number(const char *literal, size_t length, char *out, size_t *out_length)
{
	double value = read_magnitude(literal, length);
	char *cursor = out;

	*out_length = 0;
	if (isinf(value))
		return JSON_NUMBER_RANGE;
	if (literal[0] == '-' && value != 0)
		*cursor++ = '-';
	if (value < EXACT_INTEGER_MAX && value == (double) (int64_t) value)
		snprintf(cursor, JSON_NUMBER_TEXT_MAX - 1, "%lld", (long long) value);
	else
	{
		ShortDecimal decimal = shortest_decimal(value);

		format_decimal(&decimal, cursor);
	}
	*out_length = strlen(out);
	return JSON_OK;
}
