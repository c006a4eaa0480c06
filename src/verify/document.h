#ifndef BILLING_VERIFY_DOCUMENT_H
#define BILLING_VERIFY_DOCUMENT_H

#include "verify/log.h"

/* A bundle, and what its checks found. */
typedef struct DocumentBundle
{
	ShapePlace place; /* empty when the document is the bundle */
	Bundle bundle;
	LogFacts facts;
	uint64_t counts;
	uint64_t events;
} DocumentBundle;

/* What a month's invoices in one currency come to. */
typedef struct DocumentTotal
{
	Bytes currency;
	int exponent;
	int64_t amount_minor;
} DocumentTotal;

/* What is to be verified (doc/bundle.md): a bundle (billing-bundle/v1), or those of a month (billing-month/v1). */
typedef struct Document
{
	bool is_month;
	TextSpan tenant;
	TextSpan month;
	size_t count; /* 1 for a bundle */
	DocumentBundle *bundles;
	size_t total_count; /* 0 for a bundle */
	DocumentTotal *totals;

	JsonDocument *json;
	ShapeArena arena;
} Document;

/* The document, and the form of a month's; document_free frees what was read, also after a failure. */
extern bool document_read(const char *bytes, size_t length, Document *document, Verdict *verdict);
extern void document_free(Document *document);

/*
 * Of bundles that were checked: that a month's invoices are of its tenant and dated in it, by invoice date, account and
 * currency, none twice, and that no two checkpoints contradict each other; adds them up. Always true of a single bundle.
 */
extern bool document_check_month(Document *document, Verdict *verdict);

/* The bundle with the largest log. */
extern const DocumentBundle *document_newest(const Document *document);

#endif
