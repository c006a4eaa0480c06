-- Follows wanted: makes the drafts that are not there, their lines, runs and events.
-- $4 the call's replay id; $5 who; $6 when.
, missing AS MATERIALIZED (
    SELECT w.*, e.legal_entity_id, e.payment_days, encode(w.content_hash, 'hex') AS content, gen_random_uuid() AS salt
      FROM wanted_invoices w
      JOIN billing.accounts a USING (tenant_id, account_id)
      JOIN billing.legal_entities e USING (legal_entity_id)
     WHERE a.tenant_id BETWEEN $2 AND $3 AND NOT EXISTS (SELECT FROM billing.invoices i
                        WHERE i.tenant_id BETWEEN $2 AND $3 AND i.invoice_date = w.invoice_date AND i.tenant_id = w.tenant_id AND i.invoice_id = w.invoice_id)
), new_invoices AS (
    INSERT INTO billing.invoices (invoice_date, tenant_id, invoice_id, account_id, legal_entity_id, currency, attempt, status,
                                  period_start, period_end, line_count, content_hash, subtotal_minor, total_minor, due_date)
    SELECT m.invoice_date, m.tenant_id, m.invoice_id, m.account_id, m.legal_entity_id, m.currency, m.attempt, 'draft',
           m.period_start, m.period_end, m.line_count, m.content_hash, m.total_minor, m.total_minor, m.invoice_date + m.payment_days
      FROM missing m
     ORDER BY m.invoice_date, m.tenant_id, m.invoice_id
    RETURNING 1
), new_lines AS (
    INSERT INTO billing.invoice_lines (invoice_date, tenant_id, invoice_id, line_no, rated_line_id, subscription_id, plan_id,
                                       version, charge_id, period_start, period_end, share_days, share_of_days, quantity,
                                       rated_minor, billed_minor, amount_minor, currency, is_correction)
    SELECT m.invoice_date, m.tenant_id, m.invoice_id, w.line_no, w.rated_line_id, w.subscription_id, w.plan_id,
           w.version, w.charge_id, w.period_start, w.period_end, w.share_days, w.share_of_days, w.quantity,
           w.amount_minor, w.billed_minor, w.amount_minor - w.billed_minor, w.currency, w.is_correction
      FROM missing m
      JOIN wanted_lines w USING (tenant_id, account_id, currency, invoice_date)
     ORDER BY m.invoice_date, m.tenant_id, m.invoice_id, w.line_no
    RETURNING 1
), new_runs AS (
    INSERT INTO billing.invoice_runs (invoice_date, tenant_id, run_id, account_id, currency, period_start, period_end, replay_id,
                                      idempotency_key, status, invoice_id, completed_at)
    SELECT m.invoice_date, m.tenant_id, billing.derive_id('run', m.tenant_id, m.invoice_id::text, m.content), m.account_id,
           m.currency, m.period_start, m.period_end, $4,
           billing.fingerprint(m.tenant_id, m.account_id, m.currency, (m.period_start - DATE '1970-01-01')::text,
                               (m.period_end - DATE '1970-01-01')::text, m.attempt::text, m.content),
           'completed', m.invoice_id, $6
      FROM missing m
     ORDER BY m.invoice_date, m.tenant_id
    ON CONFLICT DO NOTHING
), new_events AS (
    INSERT INTO billing.invoice_events (tenant_id, invoice_id, sequence, from_status, to_status, total_minor, actor, reason,
                                        occurred_at, document_hash, salt, prev_hash, self_hash)
    SELECT c.* FROM missing m
      LEFT JOIN LATERAL (SELECT e.sequence, e.self_hash FROM billing.invoice_events e
                          WHERE e.tenant_id = m.tenant_id AND e.invoice_id = m.invoice_id
                          ORDER BY e.sequence DESC LIMIT 1) AS last ON true
     CROSS JOIN LATERAL billing.chain_invoice_event(m.tenant_id, m.invoice_id, last.sequence, last.self_hash,
                            CASE WHEN last.sequence IS NOT NULL THEN 'draft' END, 'draft', m.total_minor, $5, NULL, $6, NULL, m.salt) AS c
     ORDER BY m.tenant_id, m.invoice_id
)
SELECT (SELECT count(*) FROM new_invoices), (SELECT count(*) FROM new_lines)
