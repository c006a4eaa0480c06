/*
 * invoicing.h: what the files of this module share.
 */
#ifndef BILLING_INVOICING_H
#define BILLING_INVOICING_H

#include "rating/rating.h"

/* What a batch did. */
typedef struct BatchResult
{
	int64 revisions;
	int64 invoices;
	int64 lines;
	int64 finalized;
} BatchResult;

/* Rates, bills and, if asked, finalizes the tenants of `range` up to `due_by`. Needs SPI. */
extern BatchResult invoicing_run_batch(DateADT due_by, TenantRange range, Datum replay_id, bool finalize);

/* Finalizes the drafts of `range` dated up to `due_by`; only `*invoice_id` unless that is NULL. Needs SPI. */
extern int64 invoicing_finalize(DateADT due_by, TenantRange range, const Datum *invoice_id);

/* What identifies an invoice, and its state as read under the caller's lock. */
typedef struct InvoiceKey
{
	Datum tenant_id;  /* text */
	Datum invoice_id; /* uuid */
	DateADT invoice_date;
	const char *status;
} InvoiceKey;

/*
 * The invoice that two text arguments name: its number or id, and a tenant or null. Refuses a null invoice and an
 * ambiguous number (MB400), and an unknown one (MB446). Needs SPI.
 */
extern InvoiceKey invoice_find_argument(FunctionCallInfo fcinfo, int reference, int tenant);

#endif
