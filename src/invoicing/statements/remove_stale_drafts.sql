-- Follows wanted: removes drafts that would come out differently now.
, stale AS (
    SELECT i.invoice_date, i.tenant_id, i.invoice_id
      FROM billing.invoices i
     WHERE i.tenant_id BETWEEN $2 AND $3 AND i.status = 'draft'
       AND NOT EXISTS (SELECT FROM wanted_invoices w
                        WHERE w.tenant_id = i.tenant_id AND w.invoice_id = i.invoice_id AND w.content_hash = i.content_hash)
), stale_lines AS (
    DELETE FROM billing.invoice_lines l USING stale s
     WHERE l.tenant_id BETWEEN $2 AND $3 AND l.invoice_date = s.invoice_date AND l.tenant_id = s.tenant_id AND l.invoice_id = s.invoice_id
)
DELETE FROM billing.invoices i USING stale s
 WHERE i.tenant_id BETWEEN $2 AND $3 AND i.invoice_date = s.invoice_date AND i.tenant_id = s.tenant_id AND i.invoice_id = s.invoice_id
