-- Posts the rows of a query (filled in) in the order of the table's key: its right edge.
INSERT INTO billing.ledger_entries (posted_on, tenant_id, entry_id, account_id, entry_type, debit_account, credit_account,
                                    amount_minor, currency, source, source_id, memo)
SELECT s.posted_on, s.tenant_id, s.entry_id, s.account_id, t.entry_type, t.debit_account, t.credit_account,
       s.amount_minor, s.currency, s.source, s.source_id, s.memo
  FROM (@entries@) AS s
  LEFT JOIN billing.entry_types t ON t.entry_type = s.entry_type
 ORDER BY s.posted_on, s.tenant_id, s.entry_id
