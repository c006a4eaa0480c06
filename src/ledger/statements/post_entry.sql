-- One entry by hand. $1 tenant, $2 entry type, $3 amount_minor, $4 currency, $5 account, $6 memo, $7 posted_on, $8 its id.
-- Nothing is written when one of the names is not known. Names that only have to be there are no joins: half of what a posting cost
-- beside its row was to set those up.
INSERT INTO billing.ledger_entries (posted_on, tenant_id, entry_id, account_id, entry_type, debit_account, credit_account,
                                    amount_minor, currency, source, source_id, memo)
SELECT $7, $1, $8, $5, t.entry_type, t.debit_account, t.credit_account, $3, $4, 'hand', $8, $6
  FROM billing.entry_types t
 WHERE t.entry_type = $2 AND t.by_hand
   AND EXISTS (SELECT FROM billing.accounts a WHERE a.tenant_id = $1 AND a.account_id = $5)
   AND EXISTS (SELECT FROM billing.currencies c WHERE c.currency = $4)
