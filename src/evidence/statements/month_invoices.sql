-- The invoices of a tenant's month. $1 tenant, $2 its first day. One row: their ids in order, drafts and void ones left out (NULL for none); the
-- date of the first draft (NULL for none); whether the last signed checkpoint was made after the month (NULL when there is none).
SELECT array_agg(i.invoice_id ORDER BY i.invoice_date, i.account_id, i.currency) FILTER (WHERE i.status NOT IN ('draft', 'void')),
       to_char(min(i.invoice_date) FILTER (WHERE i.status = 'draft'), 'YYYY-MM-DD'),
       (SELECT c.sealed_at >= ($2 + interval '1 month') AT TIME ZONE 'UTC'
          FROM billing.checkpoint_notes n
          JOIN billing.checkpoints c USING (seal_no)
         ORDER BY n.seal_no DESC LIMIT 1)
  FROM billing.invoices i
 WHERE i.tenant_id = $1 AND i.invoice_date >= $2 AND i.invoice_date < ($2 + interval '1 month')::date
