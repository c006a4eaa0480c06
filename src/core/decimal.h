/*
 * Exact decimals: quantities, unit prices and amounts before rounding.
 */
#ifndef BILLING_CORE_DECIMAL_H
#define BILLING_CORE_DECIMAL_H

#include "wide.h"

#define DECIMAL_SCALE_MAX 18
#define DECIMAL_DIGITS_MAX 38

/* Sign, digits, a leading "0.", the terminator. */
#define DECIMAL_TEXT_SIZE 48

typedef enum DecimalStatus
{
	DECIMAL_OK,
	DECIMAL_INVALID_SYNTAX,
	DECIMAL_TOO_MANY_DECIMALS,
	DECIMAL_TOO_MANY_DIGITS
} DecimalStatus;

/*
 * The value is coefficient / 10^scale.
 *
 * Every Decimal is in lowest terms: 0 <= scale <= DECIMAL_SCALE_MAX, the
 * coefficient has at most DECIMAL_DIGITS_MAX digits, and it ends in a zero
 * only if the scale is 0.  So equal values have equal members, zero is {0, 0},
 * and there is no negative zero.
 *
 * Functions that return a status write their result only on DECIMAL_OK:
 * DECIMAL_INVALID_SYNTAX when the text is no decimal, DECIMAL_TOO_MANY_DECIMALS
 * when the value needs a larger scale, DECIMAL_TOO_MANY_DIGITS when it fits
 * the scale but not the coefficient.
 */
typedef struct Decimal
{
	Int128 coefficient;
	int scale;
} Decimal;

/*
 * Reads an optional sign, digits, an optional fraction and an optional
 * exponent ("-12", "0.50", "1.5E3"); at least one digit on each side of a
 * point.  Spaces, "NaN" and "Infinity" are not decimals.  Zeros that do not
 * change the value do not count towards the limits.
 */
DecimalStatus decimal_parse(const char *text, size_t length, Decimal *result);

/* Shortest plain notation: no exponent, no trailing zeros, "0" for zero. */
size_t decimal_format(const Decimal *value, char text[DECIMAL_TEXT_SIZE]);

/* The value coefficient / 10^scale, for 0 <= scale <= DECIMAL_SCALE_MAX. */
DecimalStatus decimal_make(Int128 coefficient, int scale, Decimal *result);

int decimal_compare(const Decimal *left, const Decimal *right);
DecimalStatus decimal_add(const Decimal *left, const Decimal *right, Decimal *result);
DecimalStatus decimal_subtract(const Decimal *left, const Decimal *right, Decimal *result);

/* To 0 <= places <= DECIMAL_SCALE_MAX decimals, half away from zero. */
DecimalStatus decimal_round(const Decimal *value, int places, Decimal *result);

#endif
