-- Finalizes drafts: numbers, events, and what is posted, in one statement.
-- $1 invoice dates up to; $2, $3 the tenants: $2 <= tenant_id <= $3; $4 one invoice, or NULL for all; $5 who; $6 when.
-- The INSERT of the ledger entries and the canonical bytes are filled in.
WITH drafts AS MATERIALIZED (
    SELECT i.invoice_date, i.tenant_id, i.invoice_id, i.account_id, i.currency, i.total_minor, i.legal_entity_id,
           e.invoice_series || '-' || to_char(i.invoice_date, 'YYYY') AS series
      FROM billing.invoices i
      JOIN billing.legal_entities e USING (legal_entity_id)
     WHERE i.status = 'draft' AND i.invoice_date <= $1 AND i.tenant_id BETWEEN $2 AND $3
       AND ($4 IS NULL OR i.invoice_id = $4)
), counters AS (
    INSERT INTO billing.number_series AS n (legal_entity_id, series, last_number)
    SELECT d.legal_entity_id, d.series, count(*) FROM drafts d GROUP BY d.legal_entity_id, d.series
     ORDER BY d.legal_entity_id, d.series
    ON CONFLICT (legal_entity_id, series) DO UPDATE SET last_number = n.last_number + EXCLUDED.last_number
    RETURNING n.legal_entity_id, n.series, n.last_number
), numbered AS MATERIALIZED (
    -- The last of the series gets its last number.
    SELECT d.*, d.series || '-' || to_char(n.last_number + 1 - row_number() OVER (
                    PARTITION BY d.legal_entity_id, d.series
                    ORDER BY d.invoice_date DESC, d.tenant_id DESC, d.account_id DESC, d.currency DESC), 'FM999999999999000000') AS number, gen_random_uuid() AS salt
      FROM drafts d
      JOIN counters n USING (legal_entity_id, series)
), finalized AS (
    UPDATE billing.invoices i SET status = 'finalized', number = n.number, finalized_at = $6
      FROM numbered n
     WHERE i.tenant_id BETWEEN $2 AND $3 AND i.invoice_date = n.invoice_date AND i.tenant_id = n.tenant_id AND i.invoice_id = n.invoice_id
    RETURNING 1
), documents AS (
    -- What the event is to prove: the invoice as it is now, and its lines.
    SELECT p.tenant_id, p.invoice_id, billing.merkle_agg(billing.leaf_hash(p.canon) ORDER BY p.line_no) AS document_hash
      FROM (SELECT i.tenant_id, i.invoice_id, 0 AS line_no, @invoice_canon@ AS canon
              FROM (SELECT b.invoice_date, b.tenant_id, b.invoice_id, b.account_id, b.legal_entity_id, b.currency, b.attempt, b.period_start,
                           b.period_end, b.due_date, b.line_count, b.content_hash, b.subtotal_minor, b.tax_minor, b.total_minor,
                           n.number, $6 AS finalized_at
                      FROM numbered n
                      JOIN billing.invoices b USING (invoice_date, tenant_id, invoice_id)
                     WHERE b.tenant_id BETWEEN $2 AND $3) AS i
              JOIN billing.currencies c USING (currency)
            UNION ALL
            SELECT l.tenant_id, l.invoice_id, l.line_no, @line_canon@
              FROM numbered n
              JOIN billing.invoice_lines l USING (invoice_date, tenant_id, invoice_id)
             WHERE l.tenant_id BETWEEN $2 AND $3) AS p
     GROUP BY p.tenant_id, p.invoice_id
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
