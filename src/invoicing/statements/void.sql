-- Voids a finalized invoice. $1 invoice date, $2 tenant, $3 invoice, $4 reason, $5 when.
WITH voided AS (
    UPDATE billing.invoices i SET status = 'void'
     WHERE i.invoice_date = $1 AND i.tenant_id = $2 AND i.invoice_id = $3
    RETURNING i.total_minor, gen_random_uuid() AS salt
)
INSERT INTO billing.invoice_events (tenant_id, invoice_id, sequence, from_status, to_status, total_minor, actor, reason,
                                    occurred_at, document_hash, salt, prev_hash, self_hash)
SELECT c.* FROM voided v
  LEFT JOIN LATERAL (SELECT e.sequence, e.self_hash FROM billing.invoice_events e
                      WHERE e.tenant_id = $2 AND e.invoice_id = $3
                      ORDER BY e.sequence DESC LIMIT 1) AS last ON true
 CROSS JOIN LATERAL billing.chain_invoice_event($2, $3, last.sequence, last.self_hash, 'finalized', 'void', v.total_minor,
                                                session_user::text, $4, $5, NULL, v.salt) AS c
