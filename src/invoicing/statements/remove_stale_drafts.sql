-- Follows wanted: removes drafts that would come out differently now. Returns whose and of which day those are that lie ahead
-- of the day: they are made again, and there is no draft any more that tells to bill so far.
, stale AS (
    SELECT i.invoice_date, i.tenant_id, i.invoice_id
      FROM billing.invoices i
     WHERE i.tenant_id BETWEEN $2 AND $3 AND i.status = 'draft'
       AND NOT EXISTS (SELECT FROM wanted_invoices w
                        WHERE w.tenant_id = i.tenant_id AND w.invoice_id = i.invoice_id AND w.content_hash = i.content_hash)
), stale_lines AS (
    DELETE FROM billing.invoice_lines l USING stale s
     WHERE l.tenant_id BETWEEN $2 AND $3 AND l.invoice_date = s.invoice_date AND l.tenant_id = s.tenant_id AND l.invoice_id = s.invoice_id
), removed AS (
    DELETE FROM billing.invoices i USING stale s
     WHERE i.tenant_id BETWEEN $2 AND $3 AND i.invoice_date = s.invoice_date AND i.tenant_id = s.tenant_id AND i.invoice_id = s.invoice_id
    RETURNING i.tenant_id, i.account_id, i.currency, i.invoice_date
)
SELECT array_agg(r.tenant_id), array_agg(r.account_id), array_agg(r.currency), array_agg(r.invoice_date) FROM removed r WHERE r.invoice_date > $1
