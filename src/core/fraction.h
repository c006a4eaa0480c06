#ifndef BILLING_CORE_FRACTION_H
#define BILLING_CORE_FRACTION_H

#include <stdint.h>

/*
 * An exact rational, such as covered days over the days of a period. The denominator is positive; the value is not
 * necessarily in lowest terms. 1/1 means "the whole".
 */
typedef struct Fraction
{
	int64_t numerator;
	int64_t denominator;
} Fraction;

#endif
