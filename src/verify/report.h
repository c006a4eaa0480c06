#ifndef BILLING_VERIFY_REPORT_H
#define BILLING_VERIFY_REPORT_H

#include "verify/document.h"

/* What was checked, for people and for machines. */
typedef struct Report
{
	const Document *document;
	bool key_was_given;
	bool continues_kept; /* a checkpoint that the reader kept is one history with the newest */
} Report;

/* Of a verdict that is not valid only the verdict is told; report may be NULL then. */
extern void report_words(const Report *report, const Verdict *verdict);
extern void report_json(const Report *report, const Verdict *verdict);

#endif
