#ifndef BILLING_VERIFY_INVOICE_H
#define BILLING_VERIFY_INVOICE_H

#include "verify/terms.h"

/* That the finalized event seals this invoice and these lines, and that the lines add up to its total. */
extern bool invoice_check_document(const Bundle *bundle, DigestContext *digest, Verdict *verdict);

/*
 * That each line is its rated line, that its quantity is what was counted, and that its amount is price x quantity x
 * share; every plan and window of the bundle is one that the lines need.
 */
extern bool invoice_check_lines(const Bundle *bundle, const Terms *terms, Verdict *verdict);

/* That what was posted for each rated line and for the invoice is what they say. */
extern bool invoice_check_postings(const Bundle *bundle, const Terms *terms, Verdict *verdict);

#endif
