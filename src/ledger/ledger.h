/*
 * ledger.h: posting for the modules below. Nobody else writes ledger_entries.
 */
#ifndef BILLING_LEDGER_H
#define BILLING_LEDGER_H

#include "server/server.h"

/*
 * The INSERT that posts what `select` returns, one entry a row, palloc'd; to be
 * run, or put into a WITH that makes the rows. Columns of `select`, by name:
 * posted_on, tenant_id, entry_id, account_id, entry_type, amount_minor
 * (positive), currency, source, source_id, memo. A type that
 * billing.entry_types does not have fails on NOT NULL; nothing is dropped. The
 * transaction will commit synchronously, whatever the session says.
 */
extern char *ledger_insert(const char *select);

#endif
