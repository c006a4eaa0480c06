#include "verify/check.h"

#include "verify/counts.h"
#include "verify/invoice.h"

bool
check_bundle_log(DocumentBundle *element, const NoteKey *trusted, DigestContext *digest, Verdict *verdict)
{
	return (log_check_leaves(&element->bundle, trusted, digest, &element->facts, verdict) &&
			log_check_consistency(&element->bundle, digest, &element->facts, verdict)) ||
		   verdict_within(verdict, element->place.text);
}

bool
check_bundle_invoice(DocumentBundle *element, DigestContext *digest, Verdict *verdict)
{
	Bundle *bundle = &element->bundle;
	Terms *terms;

	return (invoice_check_document(bundle, digest, verdict) &&
			counts_check(bundle, digest, &element->counts, &element->events, verdict) &&
			terms_read(bundle, digest, &terms, verdict) && invoice_check_lines(bundle, terms, verdict) &&
			invoice_check_postings(bundle, terms, verdict)) ||
		   verdict_within(verdict, element->place.text);
}
