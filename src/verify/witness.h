#ifndef BILLING_VERIFY_WITNESS_H
#define BILLING_VERIFY_WITNESS_H

#include "verify/verdict.h"

#include <stdint.h>

/*
 * A witness remembers for each log, by its origin, the newest checkpoint it accepted, and accepts only what continues
 * it: a log that shows one history to one customer and another to the next needs the witness to forget.
 *
 * directory holds one file per origin, named after the SHA-256 of the origin: the signed note, written when it came first. Another root for the
 * same size is put beside it as evidence, with the suffix .fork.
 */
typedef struct WitnessOptions
{
	const char *directory;
	const char *key;		/* as input_read_key takes it */
	const char *proof_path; /* a consistency proof, a hash in base64 on each line; NULL for none */
	const char *seed_path;	/* as input_read_seed takes it; NULL to sign nothing */
	const char *name;		/* of the witness's key; needed for signing */
} WitnessOptions;

/* How old the kept checkpoint may be. */
typedef struct WitnessAge
{
	const char *directory;
	const char *key; /* its name is the log's origin */
	int64_t most;	 /* seconds */
	int64_t now;	 /* seconds since 1970 */
} WitnessAge;

/* Reads the note from the standard input, and writes what it says or the cosignature line to the standard output. */
extern bool witness_run(const WitnessOptions *options, Verdict *verdict);

/*
 * Says on the standard output when the kept checkpoint of the log came; VERDICT_STALE when that is longer ago than may
 * be, or none ever came. The same checkpoint given again is not a new one.
 */
extern bool witness_check_age(const WitnessAge *age, Verdict *verdict);

#endif
