-- Numbers the invoices of drafts, each in its series.
counters AS (
    INSERT INTO billing.number_series AS n (legal_entity_id, series, last_number)
    SELECT d.legal_entity_id, d.series, count(*) FROM drafts d GROUP BY d.legal_entity_id, d.series
     ORDER BY d.legal_entity_id, d.series
    ON CONFLICT (legal_entity_id, series) DO UPDATE SET last_number = n.last_number + EXCLUDED.last_number
    RETURNING n.legal_entity_id, n.series, n.last_number
), placed AS (
    -- The last of the series gets its last number.
    SELECT d.*, (n.last_number + 1 - row_number() OVER (
                    PARTITION BY d.legal_entity_id, d.series
                    ORDER BY d.invoice_date DESC, d.tenant_id DESC, d.account_id DESC, d.currency DESC))::text AS place
      FROM drafts d
      JOIN counters n USING (legal_entity_id, series)
), numbered AS MATERIALIZED (
    SELECT p.*, p.series || '-' || lpad(p.place, greatest(6, length(p.place)), '0') AS new_number FROM placed p
)
