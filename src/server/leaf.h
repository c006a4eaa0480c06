/*
 * leaf.h: canonical bytes of rows, for modules that make leaves in C.
 */
#ifndef BILLING_LEAF_H
#define BILLING_LEAF_H

#include "server/hash.h"
#include "utils/timestamp.h"

/* Canonical bytes as they grow. A million rows are written by few lines, hence no StringInfo. */
typedef struct CanonBuffer
{
	uint8 *data; /* of billing_canon_begin(): VARHDRSZ bytes come first */
	Size length;
	Size room;
} CanonBuffer;

/* Begins the bytes of a row of a kind, in the current memory context. */
extern void billing_canon_begin(CanonBuffer *out, const char *kind, Size length);

/* Appends a column by its SQL type, as doc/bundle.md says; numbers ascend. Raises MB400, MB415, MB417. */
extern void billing_canon_put(CanonBuffer *out, int number, Oid type, Datum value);

/*
 * The leaf of a usage record, billing.usage_leaf(): meter, event, account,
 * time, quantity, dimensions, event corrected; bytes NULL is a column that is
 * NULL. Time as billing_usage_leaf_time() has it, quantity as plain decimal
 * text without trailing zeros, dimensions as canonical JSON.
 */
#define USAGE_LEAF_COLUMNS 7
extern void billing_usage_leaf_hash(const DigestPart columns[USAGE_LEAF_COLUMNS], uint8_t hash[DIGEST_SIZE]);

/* Microseconds since 1970-01-01 UTC, most significant byte first. Raises MB400. */
extern void billing_usage_leaf_time(TimestampTz instant, uint8 bytes[8]);

#endif
