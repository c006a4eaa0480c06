/*
 * Unsigned integers of 320 bits: the exact numerators of rating.
 *
 * The largest number rating forms is twice a quantity (below 10^38 as a
 * coefficient) times a unit price (below 10^36) times the numerator of a
 * proration (below 10^19): 2 * 10^93.  2^320 is 2.1 * 10^96.  Operations that
 * can exceed it return false and leave the number unspecified; nothing wraps.
 */
#ifndef BILLING_CORE_WIDE_H
#define BILLING_CORE_WIDE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Aligned as 64-bit integers are: these types stand in structs that live in
 * memory whose allocator promises no more than that.
 */
typedef __int128 Int128 __attribute__((aligned(8)));
typedef unsigned __int128 Uint128 __attribute__((aligned(8)));

#define WIDE_LIMBS 5
#define WIDE_DIGITS_MAX 97
#define WIDE_POWER_MAX 38

/* Least significant limb first. */
typedef struct Wide
{
	uint64_t limb[WIDE_LIMBS];
} Wide;

/* 10^power, for 0 <= power <= WIDE_POWER_MAX. */
Uint128 wide_power_of_ten(int power);

Wide wide_make(Uint128 value);
bool wide_is_zero(const Wide *number);
int wide_compare(const Wide *left, const Wide *right);

bool wide_add(Wide *number, const Wide *addend);

/* Needs subtrahend <= number. */
void wide_subtract(Wide *number, const Wide *subtrahend);

bool wide_multiply(Wide *number, Uint128 factor);

/* Divides in place, truncating; returns the remainder.  divisor > 0. */
uint64_t wide_divide(Wide *number, uint64_t divisor);

/* Multiplies by 10^power; a negative power divides, truncating. */
bool wide_shift_decimal(Wide *number, int power);

/* False when the number does not fit. */
bool wide_to_uint128(const Wide *number, Uint128 *value);

/* Digits without leading zeros, "0" for zero; returns how many. */
size_t wide_format(const Wide *number, char text[WIDE_DIGITS_MAX + 1]);

#endif
