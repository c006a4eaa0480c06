#ifndef BILLING_VERIFY_COUNTS_H
#define BILLING_VERIFY_COUNTS_H

#include "verify/terms.h"

/*
 * That the windows are a piece of the tenant's chain, and that their counts are those of their digests; counts and
 * events are their numbers in all windows.
 */
extern bool counts_check(const Bundle *bundle, DigestContext *digest, uint64_t *counts, uint64_t *events,
						 Verdict *verdict);

/* That the line's quantity is what its counts come to. */
extern bool counts_check_quantity(const Bundle *bundle, const BundleLine *line, const Charge *charge,
								  Verdict *verdict);

#endif
