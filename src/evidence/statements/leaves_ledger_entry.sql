-- Leaves of kind ledger_entry. The memo is told by its hash: it may name people.
SELECT t.log_xid, t.posted_on, t.tenant_id, t.entry_id,
       billing.leaf_canon('ledger_entry', t.tenant_id, t.entry_id, t.posted_on, t.account_id, t.entry_type, t.debit_account, t.credit_account,
                          t.amount_minor, t.currency, t.source, t.source_id,
                          CASE WHEN t.memo IS NOT NULL THEN sha256(uuid_send(t.entry_id) || convert_to(t.memo, 'UTF8')) END, t.posted_at) AS canon
  FROM billing.ledger_entries t
