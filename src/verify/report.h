#ifndef BILLING_VERIFY_REPORT_H
#define BILLING_VERIFY_REPORT_H

#include "verify/log.h"

/* What was checked, for people and for machines. */
typedef struct Report
{
	const Bundle *bundle;
	const LogFacts *facts;
	uint64_t counts;
	uint64_t events;
	bool key_was_given;
	bool continues_kept; /* a checkpoint that the reader kept is part of the same history */
} Report;

/* Of a verdict that is not valid only the verdict is told; report may be NULL then. */
extern void report_words(const Report *report, const Verdict *verdict);
extern void report_json(const Report *report, const Verdict *verdict);

#endif
