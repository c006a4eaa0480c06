#include "wide.h"

#include <assert.h>
#include <string.h>

/* The largest power of ten that a limb holds. */
#define LIMB_POWER 19
#define LIMB_POWER_VALUE UINT64_C(10000000000000000000)

static const uint64_t powers_of_ten[LIMB_POWER + 1] = {
	UINT64_C(1),
	UINT64_C(10),
	UINT64_C(100),
	UINT64_C(1000),
	UINT64_C(10000),
	UINT64_C(100000),
	UINT64_C(1000000),
	UINT64_C(10000000),
	UINT64_C(100000000),
	UINT64_C(1000000000),
	UINT64_C(10000000000),
	UINT64_C(100000000000),
	UINT64_C(1000000000000),
	UINT64_C(10000000000000),
	UINT64_C(100000000000000),
	UINT64_C(1000000000000000),
	UINT64_C(10000000000000000),
	UINT64_C(100000000000000000),
	UINT64_C(1000000000000000000),
	LIMB_POWER_VALUE,
};

Uint128
wide_power_of_ten(int power)
{
	assert(power >= 0 && power <= WIDE_POWER_MAX);
	if (power <= LIMB_POWER)
		return powers_of_ten[power];
	return (Uint128) LIMB_POWER_VALUE * powers_of_ten[power - LIMB_POWER];
}

Wide
wide_make(Uint128 value)
{
	Wide number = {{(uint64_t) value, (uint64_t) (value >> 64)}};

	return number;
}

bool
wide_is_zero(const Wide *number)
{
	for (int i = 0; i < WIDE_LIMBS; i++)
		if (number->limb[i] != 0)
			return false;
	return true;
}

int
wide_compare(const Wide *left, const Wide *right)
{
	for (int i = WIDE_LIMBS - 1; i >= 0; i--)
		if (left->limb[i] != right->limb[i])
			return left->limb[i] < right->limb[i] ? -1 : 1;
	return 0;
}

bool
wide_add(Wide *number, const Wide *addend)
{
	uint64_t carry = 0;

	for (int i = 0; i < WIDE_LIMBS; i++)
	{
		Uint128 sum = (Uint128) number->limb[i] + addend->limb[i] + carry;

		number->limb[i] = (uint64_t) sum;
		carry = (uint64_t) (sum >> 64);
	}
	return carry == 0;
}

void
wide_subtract(Wide *number, const Wide *subtrahend)
{
	uint64_t borrow = 0;

	for (int i = 0; i < WIDE_LIMBS; i++)
	{
		Uint128 difference = (Uint128) number->limb[i] - subtrahend->limb[i] - borrow;

		number->limb[i] = (uint64_t) difference;
		borrow = (uint64_t) (difference >> 64) & 1;
	}
	assert(borrow == 0);
}

bool
wide_multiply(Wide *number, Uint128 factor)
{
	const uint64_t halves[2] = {(uint64_t) factor, (uint64_t) (factor >> 64)};
	uint64_t product[WIDE_LIMBS + 2] = {0};

	for (int j = 0; j < (halves[1] != 0 ? 2 : 1); j++)
	{
		uint64_t carry = 0;

		for (int i = 0; i < WIDE_LIMBS; i++)
		{
			Uint128 sum = (Uint128) number->limb[i] * halves[j] + product[i + j] + carry;

			product[i + j] = (uint64_t) sum;
			carry = (uint64_t) (sum >> 64);
		}
		product[WIDE_LIMBS + j] = carry;
	}
	memcpy(number->limb, product, sizeof(number->limb));
	return (product[WIDE_LIMBS] | product[WIDE_LIMBS + 1]) == 0;
}

/* Most dividends here are short, and a 128-bit division is slow. */
uint64_t
wide_divide(Wide *number, uint64_t divisor)
{
	uint64_t remainder = 0;

	assert(divisor > 0);
	for (int i = WIDE_LIMBS - 1; i >= 0; i--)
	{
		uint64_t limb = number->limb[i];

		if (remainder == 0)
		{
			number->limb[i] = limb / divisor;
			remainder = limb % divisor;
		}
		else
		{
			Uint128 dividend = (Uint128) remainder << 64 | limb;

			number->limb[i] = (uint64_t) (dividend / divisor);
			remainder = limb - number->limb[i] * divisor;
		}
	}
	return remainder;
}

bool
wide_shift_decimal(Wide *number, int power)
{
	for (; power > LIMB_POWER; power -= LIMB_POWER)
		if (!wide_multiply(number, LIMB_POWER_VALUE))
			return false;
	for (; power < -LIMB_POWER; power += LIMB_POWER)
		wide_divide(number, LIMB_POWER_VALUE);
	if (power > 0)
		return wide_multiply(number, powers_of_ten[power]);
	if (power < 0)
		wide_divide(number, powers_of_ten[-power]);
	return true;
}

bool
wide_to_uint128(const Wide *number, Uint128 *value)
{
	for (int i = 2; i < WIDE_LIMBS; i++)
		if (number->limb[i] != 0)
			return false;
	*value = (Uint128) number->limb[1] << 64 | number->limb[0];
	return true;
}

size_t
wide_format(const Wide *number, char text[WIDE_DIGITS_MAX + 1])
{
	char digits[WIDE_DIGITS_MAX];
	Wide rest = *number;
	size_t start = WIDE_DIGITS_MAX;
	size_t length;

	do
		digits[--start] = (char) ('0' + wide_divide(&rest, 10));
	while (!wide_is_zero(&rest));
	length = WIDE_DIGITS_MAX - start;
	memcpy(text, digits + start, length);
	text[length] = '\0';
	return length;
}
