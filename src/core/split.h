/*
 * Splitting an amount into parts that add up to it.
 */
#ifndef BILLING_CORE_SPLIT_H
#define BILLING_CORE_SPLIT_H

#include <stddef.h>
#include <stdint.h>

typedef enum SplitStatus
{
	SPLIT_OK,
	SPLIT_NO_WEIGHT, /* no parts, or all weights zero */
	SPLIT_OVERFLOW	 /* the weights add up to 2^64 or more */
} SplitStatus;

/*
 * parts[i] is total * weights[i] / (sum of weights), truncated towards zero;
 * what is missing goes out in single units to the largest remainders, among
 * equal ones to the earlier.  A negative total gives the negative parts of its
 * magnitude.  The parts always add up to the total, and a part of weight zero
 * is zero.  Writes nothing unless it returns SPLIT_OK.
 */
SplitStatus split_amount(int64_t total, const uint64_t *weights, size_t count, int64_t *parts);

#endif
