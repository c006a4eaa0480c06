#include "split.h"

#include "wide.h"

static SplitStatus
sum_weights(const uint64_t *weights, size_t count, uint64_t *sum)
{
	*sum = 0;
	for (size_t i = 0; i < count; i++)
		if (__builtin_add_overflow(*sum, weights[i], sum))
			return SPLIT_OVERFLOW;
	return *sum > 0 ? SPLIT_OK : SPLIT_NO_WEIGHT;
}

/* How many remainders are at least the given value. */
static size_t
count_at_least(const uint64_t *remainders, size_t count, uint64_t value)
{
	size_t found = 0;

	for (size_t i = 0; i < count; i++)
		found += remainders[i] >= value;
	return found;
}

/*
 * The smallest value that at most `wanted` remainders exceed: bisection over
 * the values needs no sorted copy.
 */
static uint64_t
find_threshold(const uint64_t *remainders, size_t count, size_t wanted)
{
	uint64_t low = 0;
	uint64_t high = UINT64_MAX;

	while (low < high)
	{
		uint64_t middle = low + (high - low) / 2;

		if (count_at_least(remainders, count, middle + 1) <= wanted)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

/*
 * The parts from their remainders, in place: one unit more to the `missing`
 * largest remainders.
 */
static void
finish_parts(uint64_t magnitude, const uint64_t *weights, uint64_t sum, size_t count, size_t missing,
			 uint64_t *parts)
{
	uint64_t threshold = find_threshold(parts, count, missing);
	size_t above = threshold == UINT64_MAX ? 0 : count_at_least(parts, count, threshold + 1);
	size_t ties = missing - above;

	for (size_t i = 0; i < count; i++)
	{
		uint64_t remainder = parts[i];
		bool takes_tie = remainder == threshold && ties > 0;

		ties -= takes_tie;
		parts[i] = (uint64_t) ((Uint128) magnitude * weights[i] / sum);
		parts[i] += remainder > threshold || takes_tie;
	}
}

SplitStatus
split_amount(int64_t total, const uint64_t *weights, size_t count, int64_t *parts)
{
	uint64_t magnitude = total < 0 ? -(uint64_t) total : (uint64_t) total;
	uint64_t *unsigned_parts = (uint64_t *) parts;
	uint64_t left = magnitude;
	uint64_t sum;
	SplitStatus status = sum_weights(weights, count, &sum);

	if (status != SPLIT_OK)
		return status;
	for (size_t i = 0; i < count; i++)
	{
		Uint128 product = (Uint128) magnitude * weights[i];

		unsigned_parts[i] = (uint64_t) (product % sum);
		left -= (uint64_t) (product / sum);
	}
	finish_parts(magnitude, weights, sum, count, (size_t) left, unsigned_parts);
	for (size_t i = 0; total < 0 && i < count; i++)
		parts[i] = (int64_t) -unsigned_parts[i];
	return SPLIT_OK;
}
