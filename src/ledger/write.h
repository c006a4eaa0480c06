/*
 * write.h: one entry by hand, without a statement.
 */
#ifndef BILLING_LEDGER_WRITE_H
#define BILLING_LEDGER_WRITE_H

#include "ledger/ledger.h"
#include "utils/uuid.h"

typedef struct HandEntry
{
	text *tenant_id;
	text *entry_type;
	int64 amount_minor; /* positive */
	text *currency;
	text *account_id;
	text *memo; /* or NULL; without a card number */
	DateADT posted_on;
	pg_uuid_t *entry_id;
} HandEntry;

/*
 * Does what statements/post_entry.sql does. False: nothing is written, for a name is not known, or the tables are not as
 * made; the statement must be run.
 */
extern bool ledger_write_by_hand(const HandEntry *entry);

#endif
