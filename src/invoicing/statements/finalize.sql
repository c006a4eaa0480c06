-- Finalizes drafts: numbers, events, and what is posted, in one statement.
-- $1 invoice dates up to; $2, $3 the tenants: $2 <= tenant_id <= $3; $4 one invoice, or NULL for all; $5 who; $6 when.
-- Filled in are numbered, the INSERT of the ledger entries and the canonical bytes.
WITH drafts AS MATERIALIZED (
    SELECT i.invoice_date, i.tenant_id, i.invoice_id, i.account_id, i.currency, i.total_minor, i.legal_entity_id,
           e.invoice_series || '-' || to_char(i.invoice_date, 'YYYY') AS series, gen_random_uuid() AS salt
      FROM billing.invoices i
      JOIN billing.legal_entities e USING (legal_entity_id)
     WHERE i.status = 'draft' AND i.invoice_date <= $1 AND i.tenant_id BETWEEN $2 AND $3
       AND ($4 IS NULL OR i.invoice_id = $4)
), @numbered@, finalized AS (
    UPDATE billing.invoices i SET status = 'finalized', number = n.new_number, finalized_at = $6
      FROM numbered n
     WHERE i.tenant_id BETWEEN $2 AND $3 AND i.invoice_date >= (SELECT min(invoice_date) FROM drafts) AND i.invoice_date <= $1
       AND i.invoice_date = n.invoice_date AND i.tenant_id = n.tenant_id AND i.invoice_id = n.invoice_id
    RETURNING i.*
), documents AS (
    -- What the event is to prove: the invoice as it is now, and its lines.
    SELECT p.tenant_id, p.invoice_id, billing.merkle_agg(p.leaf) AS document_hash
      FROM (SELECT i.tenant_id, i.invoice_id, 0 AS line_no, billing.leaf_hash(@invoice_canon@) AS leaf
              FROM finalized i
              JOIN billing.currencies c USING (currency)
            UNION ALL
            SELECT l.tenant_id, l.invoice_id, l.line_no, billing.leaf_hash(@line_canon@)
              FROM numbered n
              JOIN billing.invoice_lines l USING (invoice_date, tenant_id, invoice_id)
             WHERE l.tenant_id BETWEEN $2 AND $3 AND l.invoice_date >= (SELECT min(invoice_date) FROM drafts) AND l.invoice_date <= $1
             ORDER BY invoice_id, tenant_id, line_no) AS p
     GROUP BY p.invoice_id, p.tenant_id
), new_events AS (
    INSERT INTO billing.invoice_events (tenant_id, invoice_id, sequence, from_status, to_status, total_minor, actor, reason,
                                        occurred_at, document_hash, salt, prev_hash, self_hash)
    SELECT c.* FROM numbered n
      JOIN documents d USING (tenant_id, invoice_id)
      LEFT JOIN LATERAL (SELECT e.sequence, e.self_hash FROM billing.invoice_events e
                          WHERE e.tenant_id = n.tenant_id AND e.invoice_id = n.invoice_id
                          ORDER BY e.sequence DESC LIMIT 1) AS last ON true
     CROSS JOIN LATERAL billing.chain_invoice_event(n.tenant_id, n.invoice_id, last.sequence, last.self_hash, 'draft', 'finalized',
                                                    n.total_minor, $5, NULL, $6, d.document_hash, n.salt) AS c
     ORDER BY n.tenant_id, n.invoice_id
), posted AS (@insert@)
SELECT (SELECT count(*) FROM finalized)
