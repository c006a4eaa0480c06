-- The ledger entry that takes a finalized invoice back. $1 tenant, $2 invoice, $3 accounting date, $4 reason.
SELECT $3 AS posted_on, i.tenant_id, billing.derive_id('entry', i.invoice_id::text, 'void') AS entry_id, i.account_id,
       CASE WHEN i.total_minor < 0 THEN 'invoice_credit_void' ELSE 'invoice_void' END AS entry_type,
       abs(i.total_minor) AS amount_minor, i.currency, 'invoice' AS source, i.invoice_id AS source_id, $4 AS memo
  FROM billing.invoices i
 WHERE i.tenant_id = $1 AND i.invoice_id = $2 AND i.total_minor <> 0
