-- One entry by hand. $1 tenant, $2 entry type, $3 amount_minor, $4 currency, $5 account, $6 memo, $7 posted_on.
-- No row comes back when one of the names is not known.
INSERT INTO billing.ledger_entries (posted_on, tenant_id, entry_id, account_id, entry_type, debit_account, credit_account,
                                    amount_minor, currency, source, source_id, memo)
SELECT $7, a.tenant_id, id.id, a.account_id, t.entry_type, t.debit_account, t.credit_account, $3, c.currency, 'hand', id.id, $6
  FROM billing.accounts a, billing.entry_types t, billing.currencies c, (SELECT billing.uuid_v7()) AS id (id)
 WHERE a.tenant_id = $1 AND a.account_id = $5
   AND t.entry_type = $2 AND t.by_hand
   AND c.currency = $4
RETURNING entry_id
