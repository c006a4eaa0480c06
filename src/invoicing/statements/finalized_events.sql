-- Follows made: the events of invoices that are finalized as they are made, and what is posted. The INSERT of the ledger entries
-- and the canonical bytes are filled in.
documents AS MATERIALIZED (
    -- What the event is to prove: the invoice and its lines, as they were written.
    SELECT p.tenant_id, p.invoice_id, billing.merkle_agg(p.leaf) AS document_hash, gen_random_uuid() AS salt
      FROM (SELECT i.tenant_id, i.invoice_id, 0 AS line_no, billing.leaf_hash(@invoice_canon@) AS leaf
              FROM new_invoices i
              JOIN billing.currencies c USING (currency)
            UNION ALL
            SELECT l.tenant_id, l.invoice_id, l.line_no, l.leaf FROM new_lines l
             ORDER BY invoice_id, tenant_id, line_no) AS p
     GROUP BY p.invoice_id, p.tenant_id
), posted AS (@insert@), events AS (
    SELECT m.* FROM made m
    UNION ALL
    SELECT c.* FROM made m
      JOIN documents d USING (tenant_id, invoice_id)
     CROSS JOIN LATERAL billing.chain_invoice_event(m.tenant_id, m.invoice_id, m.sequence, m.self_hash, 'draft', 'finalized',
                                                    m.event_total, $5, NULL, $6, d.document_hash, d.salt) AS c
)
