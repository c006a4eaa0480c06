#ifndef BILLING_CORE_LEAF_H
#define BILLING_CORE_LEAF_H

#include "digest.h"

/*
 * The hash of one row, as a leaf of a Merkle tree (RFC 6962 2.1): SHA-256 over a zero byte, "billing/v1/" and the
 * kind of row and a line feed, then each column that is not NULL, in ascending order of its number:
 *
 *     number   2 bytes
 *     type     1 byte, a LeafType
 *     length   4 bytes
 *     value    length bytes
 *
 * Integers are most significant byte first. A NULL column is left out, so a column added later leaves the hashes of
 * old rows as they are; empty text is not NULL. Between leaf_begin and leaf_end the context serves nothing else.
 */
typedef enum
{
	LEAF_INTEGER = 1, /* 8 bytes, two's complement */
	LEAF_TIME = 2,	  /* 8 bytes, microseconds since 1970-01-01 00:00 UTC */
	LEAF_DECIMAL = 3, /* plain decimal text: no exponent, no zeros at the end of a fraction, no "-0" */
	LEAF_TEXT = 4,	  /* UTF-8 as stored */
	LEAF_JSON = 5,	  /* canonical JSON (RFC 8785) */
	LEAF_BYTES = 6
} LeafType;

extern DigestStatus leaf_begin(DigestContext *context, const char *kind);

/* A value that is already bytes: decimal, text, JSON, bytes. */
extern DigestStatus leaf_column(DigestContext *context, uint16_t number, LeafType type, const void *bytes,
								size_t length);

/* LEAF_INTEGER or LEAF_TIME. */
extern DigestStatus leaf_integer(DigestContext *context, uint16_t number, LeafType type, int64_t value);

extern DigestStatus leaf_end(DigestContext *context, uint8_t out[DIGEST_SIZE]);

#endif
