-- Follows wanted: makes the invoices that are not there, their lines, runs and events; as drafts, or finalized at once.
-- $4 the call's replay id; $5 who; $6 when; $7 whether they are finalized. Filled in are numbered, events, and the canonical bytes.
, earlier AS MATERIALIZED (
    -- Drafts made before, some of which are gone.
    SELECT r.tenant_id, r.run_id, r.invoice_id
      FROM billing.invoice_runs r
     WHERE r.tenant_id BETWEEN $2 AND $3 AND r.invoice_date >= (SELECT min(invoice_date) FROM wanted_invoices)
), drafts AS MATERIALIZED (
    SELECT w.*, e.legal_entity_id, e.payment_days, e.invoice_series || '-' || to_char(w.invoice_date, 'YYYY') AS series,
           r.tenant_id IS NOT NULL AS is_remade, gen_random_uuid() AS salt
      FROM wanted_invoices w
      JOIN billing.accounts a USING (tenant_id, account_id)
      JOIN billing.legal_entities e USING (legal_entity_id)
      LEFT JOIN (SELECT DISTINCT tenant_id, invoice_id FROM earlier) AS r USING (tenant_id, invoice_id)
     WHERE a.tenant_id BETWEEN $2 AND $3
       AND NOT EXISTS (SELECT FROM billing.invoices i
                        WHERE i.tenant_id BETWEEN $2 AND $3 AND i.invoice_date >= (SELECT min(invoice_date) FROM wanted_invoices)
                          AND i.invoice_date = w.invoice_date AND i.tenant_id = w.tenant_id AND i.invoice_id = w.invoice_id)
), @numbered@, new_invoices AS (
    INSERT INTO billing.invoices AS i (invoice_date, tenant_id, invoice_id, account_id, legal_entity_id, currency, attempt, status, number,
                                       period_start, period_end, line_count, content_hash, subtotal_minor, total_minor, due_date, finalized_at)
    SELECT n.invoice_date, n.tenant_id, n.invoice_id, n.account_id, n.legal_entity_id, n.currency, n.attempt,
           CASE WHEN $7 THEN 'finalized' ELSE 'draft' END, n.new_number, n.period_start, n.period_end, n.line_count, n.content_hash,
           n.total_minor, n.total_minor, n.invoice_date + n.payment_days, CASE WHEN $7 THEN $6 END
      FROM numbered n
     ORDER BY n.invoice_date, n.tenant_id, n.invoice_id
    RETURNING i.*
), new_lines AS (
    INSERT INTO billing.invoice_lines AS l (invoice_date, tenant_id, invoice_id, line_no, rated_line_id, subscription_id, plan_id,
                                            version, charge_id, period_start, period_end, share_days, share_of_days, quantity,
                                            rated_minor, billed_minor, amount_minor, currency, is_correction)
    SELECT n.invoice_date, n.tenant_id, n.invoice_id, w.line_no, w.rated_line_id, w.subscription_id, w.plan_id,
           w.version, w.charge_id, w.period_start, w.period_end, w.share_days, w.share_of_days, w.quantity,
           w.amount_minor, w.billed_minor, w.amount_minor - w.billed_minor, w.currency, w.is_correction
      FROM numbered n
      JOIN wanted_lines w USING (tenant_id, account_id, currency, invoice_date)
     ORDER BY n.invoice_date, n.tenant_id, n.invoice_id, w.line_no
    RETURNING l.tenant_id, l.invoice_id, l.line_no, CASE WHEN $7 THEN billing.leaf_hash(@line_canon@) END AS leaf
), runs AS MATERIALIZED (
    SELECT n.invoice_date, n.tenant_id, n.account_id, n.currency, n.period_start, n.period_end, n.attempt, n.content_hash, n.invoice_id,
           billing.derive_id_from('run', n.tenant_id, n.invoice_id, n.content_hash) AS run_id
      FROM numbered n
), new_runs AS (
    INSERT INTO billing.invoice_runs (invoice_date, tenant_id, run_id, account_id, currency, period_start, period_end, replay_id,
                                      idempotency_key, status, invoice_id, completed_at)
    SELECT r.invoice_date, r.tenant_id, r.run_id, r.account_id, r.currency, r.period_start, r.period_end, $4,
           billing.fingerprint_columns(r.tenant_id, r.account_id, r.currency, r.period_start, r.period_end, r.attempt, r.content_hash),
           'completed', r.invoice_id, $6
      FROM runs r
     WHERE NOT EXISTS (SELECT FROM earlier e WHERE e.tenant_id = r.tenant_id AND e.run_id = r.run_id)
     ORDER BY r.invoice_date, r.tenant_id, r.run_id
), made AS MATERIALIZED (
    -- Their first event, or the next when the draft is made anew.
    SELECT c.*
      FROM numbered n
      LEFT JOIN LATERAL (SELECT e.sequence, e.self_hash FROM billing.invoice_events e
                          WHERE n.is_remade AND e.tenant_id = n.tenant_id AND e.invoice_id = n.invoice_id
                          ORDER BY e.sequence DESC LIMIT 1) AS last ON true
     CROSS JOIN LATERAL billing.chain_invoice_event(n.tenant_id, n.invoice_id, last.sequence, last.self_hash,
                            CASE WHEN last.sequence IS NOT NULL THEN 'draft' END, 'draft', n.total_minor, $5, NULL, $6, NULL, n.salt) AS c
), @events@, new_events AS (
    INSERT INTO billing.invoice_events (tenant_id, invoice_id, sequence, from_status, to_status, total_minor, actor, reason,
                                        occurred_at, document_hash, salt, prev_hash, self_hash)
    SELECT e.* FROM events e
     ORDER BY e.tenant_id, e.invoice_id, e.sequence
)
SELECT (SELECT count(*) FROM new_invoices), (SELECT count(*) FROM new_lines)
