#ifndef BILLING_CORE_IDS_H
#define BILLING_CORE_IDS_H

#include "digest.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* UUIDs (RFC 9562): version 7 by time, and version 8 derived from a natural key so that a replay gives the same. */
#define UUID_SIZE 16
#define UUID_RANDOM_SIZE 10

/* The largest Unix time in milliseconds that version 7 holds: 48 bits, in the year 10889. */
#define UUID_V7_MILLISECONDS_MAX INT64_C(0xFFFFFFFFFFFF)

/* What a generator keeps between calls; begin with all zeros. One per thread or process. */
typedef struct UuidClock
{
	int64_t milliseconds;
	uint16_t counter; /* 12 bits, in the place of rand_a */
} UuidClock;

/*
 * Version 7 (RFC 9562 5.7) from a Unix time in milliseconds and random bytes; 74 of the random bits are used. False
 * when the time is negative or over UUID_V7_MILLISECONDS_MAX.
 */
extern bool uuid_v7(int64_t milliseconds, const uint8_t random[UUID_RANDOM_SIZE], uint8_t out[UUID_SIZE]);

/*
 * The same, strictly increasing over the calls that share a clock (RFC 9562 6.2, method 1): within one millisecond,
 * or when the time steps back, a 12-bit counter takes the place of rand_a. A new millisecond starts it in its lower
 * half at random, so there is room for 2048 more; when it is full, the clock's millisecond advances.
 */
extern bool uuid_v7_next(UuidClock *clock, int64_t milliseconds, const uint8_t random[UUID_RANDOM_SIZE],
						 uint8_t out[UUID_SIZE]);

/*
 * Version 8 (RFC 9562 5.8): the first 16 bytes of the SHA-256 over the parts "billing/v1/" kind, then parts, encoded
 * as digest_parts does, with version and variant set. kind ends in a zero byte.
 */
extern DigestStatus uuid_derive(DigestContext *context, const char *kind, const DigestPart *parts,
								size_t count, uint8_t out[UUID_SIZE]);

#endif
