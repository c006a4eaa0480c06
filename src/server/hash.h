/*
 * hash.h: SHA-256 and canonical JSON for the server's modules.
 */
#ifndef BILLING_HASH_H
#define BILLING_HASH_H

#include "core/digest.h"
#include "core/merkle.h"
#include "utils/array.h"
#include "utils/jsonb.h"

/* The backend's own context, for one hash from reset to final without calling anything else in between. */
extern DigestContext *billing_digest_context(void);

/* Raises unless status is DIGEST_OK. */
extern void billing_check_digest(DigestStatus status);

/* Raises unless status is MERKLE_OK. */
extern void billing_check_merkle(MerkleStatus status);

/* RFC 8785 bytes of a document, palloc'd, with *length set. Raises MB400 when it has no canonical form. */
extern char *billing_canonical_json(Jsonb *document, size_t *length);

/*
 * The elements of a one-dimensional (or empty) text array as parts that point into the array. Up to room parts go
 * into fixed, more are palloc'd. Raises MB400 for several dimensions, whose shape a list of parts would lose.
 */
extern DigestPart *billing_text_parts(ArrayType *array, DigestPart *fixed, int room, int *count);

/* A hash as a new bytea. */
extern bytea *billing_hash_bytea(const uint8_t hash[DIGEST_SIZE]);

#endif
