-- The ledger entries of numbered: what was unbilled is now receivable, or the other way round for a negative total.
SELECT n.invoice_date AS posted_on, n.tenant_id, billing.derive_id_from('entry', n.invoice_id) AS entry_id, n.account_id,
       CASE WHEN n.total_minor < 0 THEN 'invoice_credit' ELSE 'invoice' END AS entry_type,
       abs(n.total_minor) AS amount_minor, n.currency, 'invoice' AS source, n.invoice_id AS source_id, n.new_number AS memo
  FROM numbered n
 WHERE n.total_minor <> 0
