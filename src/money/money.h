/*
 * money.h: amounts as people read them.
 *
 * Amounts are int64 minor units: amount / 10^exponent in the currency's major
 * unit, 0 <= exponent <= MONEY_EXPONENT_MAX.
 */
#ifndef BILLING_MONEY_H
#define BILLING_MONEY_H

#include "core/decimal.h"

#define MONEY_EXPONENT_MAX DECIMAL_SCALE_MAX

/* Sign, 19 digits, a leading zero, the point, six separators, the terminator. */
#define MONEY_TEXT_SIZE 32

/*
 * Writes the amount with exactly `exponent` decimals: 123450 with exponent 2
 * is "1234.50", with a separator of ',' "1,234.50". No separator is '\0'.
 */
extern void money_format(int64_t amount_minor, int exponent, char separator, char text[MONEY_TEXT_SIZE]);

#endif
