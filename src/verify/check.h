#ifndef BILLING_VERIFY_CHECK_H
#define BILLING_VERIFY_CHECK_H

#include "verify/document.h"

/*
 * What is checked of each bundle, from the signatures down to the amounts: what is told first is what everything after
 * it rests on. trusted may be NULL. Used by the offline verifier, and by the server before it drops what a bundle proves.
 */
extern bool check_bundle_log(DocumentBundle *element, const NoteKey *trusted, DigestContext *digest,
							 Verdict *verdict);
extern bool check_bundle_invoice(DocumentBundle *element, DigestContext *digest, Verdict *verdict);

#endif
