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

#endif
