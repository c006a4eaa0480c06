-- A finalized invoice for its bundle. $1 invoice date, $2 tenant, $3 invoice. One row: canon, key of the event that finalized it, its log_xid,
-- key of the invoice's entry (NULL when the total is 0).
SELECT @invoice_canon@,
       ARRAY[e.tenant_id, e.invoice_id::text, e.sequence::text], e.log_xid,
       CASE WHEN i.total_minor <> 0 THEN ARRAY[to_char(i.invoice_date, 'YYYY-MM-DD'), i.tenant_id, billing.derive_id('entry', i.invoice_id::text)::text] END
  FROM billing.invoices i
  JOIN billing.currencies c ON c.currency = i.currency
  JOIN billing.invoice_events e ON e.tenant_id = i.tenant_id AND e.invoice_id = i.invoice_id AND e.document_hash IS NOT NULL
 WHERE i.invoice_date = $1 AND i.tenant_id = $2 AND i.invoice_id = $3
