-- What invoices there should be: the common head of making drafts and removing stale ones.
-- $1 the day up to which lines are billed; $2, $3 the tenants: $2 <= tenant_id <= $3.
-- Ends with wanted_lines and wanted_invoices. Reads drafts only to bill at least as far as they did.
WITH accounts AS (
    SELECT s.tenant_id, s.account_id, s.currency, min(s.starts) AS first_day,
           bool_and(s.ends IS NOT NULL AND s.ends <= $1) AS all_ended
      FROM billing.subscriptions s
     WHERE s.tenant_id BETWEEN $2 AND $3
     GROUP BY s.tenant_id, s.account_id, s.currency
), positions AS MATERIALIZED (
    -- How far each account is billed: up to the last invoice that stands before the first voided one, so that a voided
    -- invoice's lines are billed again. What was due by its day and rated before it was made is on it or on earlier ones.
    -- When it was rated says its transaction's start, and when it was made too: a day is more than a run waits for its turn.
    -- The day a line was rated up to says nothing here, for a run may be ahead of the calendar. Nothing is due before the
    -- first subscription.
    SELECT a.*, last.invoice_date AS last_date,
           coalesce(settled.invoice_date, a.first_day - 1) AS settled_to,
           coalesce(settled.created_at - interval '1 day', 'infinity') AS settled_since,
           greatest($1, draft.last_date) AS bill_to
      FROM accounts a
      LEFT JOIN LATERAL (
          SELECT i.invoice_date FROM billing.invoices i
           WHERE i.tenant_id = a.tenant_id AND i.account_id = a.account_id AND i.currency = a.currency
             AND i.status NOT IN ('draft', 'void')
           ORDER BY i.invoice_date DESC LIMIT 1) AS last ON true
     CROSS JOIN LATERAL (
          SELECT min(i.invoice_date) AS first_date FROM billing.invoices i
           WHERE i.tenant_id = a.tenant_id AND i.account_id = a.account_id AND i.currency = a.currency
             AND i.status = 'void') AS voided
      LEFT JOIN LATERAL (
          SELECT i.invoice_date, i.created_at FROM billing.invoices i
           WHERE i.tenant_id = a.tenant_id AND i.account_id = a.account_id AND i.currency = a.currency
             AND i.status NOT IN ('draft', 'void') AND (voided.first_date IS NULL OR i.invoice_date < voided.first_date)
           ORDER BY i.invoice_date DESC LIMIT 1) AS settled ON true
     CROSS JOIN LATERAL (
          SELECT max(i.invoice_date) AS last_date FROM billing.invoices i
           WHERE i.tenant_id = a.tenant_id AND i.account_id = a.account_id AND i.currency = a.currency
             AND i.status = 'draft') AS draft
), fresh AS MATERIALIZED (
    -- Revisions of lines that became due, or were rated, since then. The bound over all accounts lets old months be
    -- skipped by their block ranges.
    SELECT r.tenant_id, r.account_id, r.currency, r.subscription_id, r.charge_id, r.period_start, r.period_end, r.rated_line_id,
           r.plan_id, r.version, r.revision, r.due_on, r.rated_on, r.share_days, r.share_of_days, r.quantity, r.amount_minor, r.rating_key,
           p.last_date, p.bill_to, p.all_ended
      FROM positions p
      JOIN billing.rated_lines r USING (tenant_id, account_id, currency)
     WHERE r.tenant_id BETWEEN $2 AND $3 AND r.due_on <= p.bill_to
       AND (r.due_on > p.settled_to OR r.rated_at >= p.settled_since)
       AND (r.due_on > (SELECT min(settled_to) FROM positions) OR r.rated_at >= (SELECT min(settled_since) FROM positions))
), candidates AS MATERIALIZED (
    SELECT f.* FROM fresh f
     WHERE NOT EXISTS (SELECT FROM billing.rated_lines n
                        WHERE n.period_start >= (SELECT min(period_start) FROM fresh) AND n.tenant_id BETWEEN $2 AND $3
                          AND n.period_start = f.period_start AND n.tenant_id = f.tenant_id
                          AND n.subscription_id = f.subscription_id AND n.plan_id = f.plan_id AND n.version = f.version
                          AND n.charge_id = f.charge_id AND n.revision > f.revision)
), billed AS (
    SELECT c.tenant_id, c.subscription_id, c.plan_id, c.version, c.charge_id, c.period_start, sum(l.amount_minor)::bigint AS billed_minor
      FROM candidates c
      JOIN billing.invoice_lines l USING (tenant_id, subscription_id, plan_id, version, charge_id, period_start)
      JOIN billing.invoices i USING (invoice_date, tenant_id, invoice_id)
     WHERE i.status NOT IN ('draft', 'void') AND l.tenant_id BETWEEN $2 AND $3 AND i.tenant_id BETWEEN $2 AND $3
     GROUP BY c.tenant_id, c.subscription_id, c.plan_id, c.version, c.charge_id, c.period_start
), open_lines AS (
    SELECT c.*, b.tenant_id IS NOT NULL AS is_correction, coalesce(b.billed_minor, 0) AS billed_minor,
           b.tenant_id IS NULL AND coalesce(c.due_on > c.last_date, true) AS is_on_time,
           c.amount_minor <> coalesce(b.billed_minor, 0) OR (b.tenant_id IS NULL AND c.quantity <> 0) AS is_owed
      FROM candidates c
      LEFT JOIN billed b USING (tenant_id, subscription_id, plan_id, version, charge_id, period_start)
), dated AS (
    -- A line goes on the invoice of the day it was due; a late one or a correction on the next there is, or on the next day
    -- on which something falls due that comes to nothing, so that it does not wait for who uses nothing any more. When all of
    -- the account's subscriptions have ended there is no next, and it gets one of its own.
    SELECT o.*, CASE WHEN o.is_on_time THEN o.due_on
                     ELSE coalesce(min(o.due_on) FILTER (WHERE o.is_on_time AND (o.is_owed OR o.due_on >= o.late_since)) OVER account,
                                   CASE WHEN o.all_ended AND coalesce(o.bill_to > o.last_date, true) THEN o.bill_to END)
                END AS invoice_date
      FROM (SELECT l.*, min(l.rated_on) FILTER (WHERE l.is_owed AND NOT l.is_on_time) OVER account AS late_since
              FROM open_lines l
            WINDOW account AS (PARTITION BY l.tenant_id, l.account_id, l.currency)) AS o
    WINDOW account AS (PARTITION BY o.tenant_id, o.account_id, o.currency)
), wanted_lines AS MATERIALIZED (
    SELECT d.*, row_number() OVER (PARTITION BY d.tenant_id, d.account_id, d.currency, d.invoice_date
                                   ORDER BY d.is_correction, d.subscription_id, d.period_start, c.position, d.charge_id, d.plan_id, d.version)::integer AS line_no
      FROM dated d
      JOIN billing.charges c USING (plan_id, version, charge_id)
     WHERE d.is_owed AND d.invoice_date IS NOT NULL
), totals AS (
    SELECT w.tenant_id, w.account_id, w.currency, w.invoice_date, count(*)::integer AS line_count,
           sum(w.amount_minor - w.billed_minor)::bigint AS total_minor,
           coalesce(min(w.period_start) FILTER (WHERE NOT w.is_correction), min(w.period_start)) AS period_start,
           coalesce(max(w.period_end) FILTER (WHERE NOT w.is_correction), max(w.period_end)) AS period_end,
           sha256(string_agg(w.rating_key || int8send(w.billed_minor), ''::bytea ORDER BY w.line_no)) AS content_hash
      FROM wanted_lines w
     GROUP BY w.tenant_id, w.account_id, w.currency, w.invoice_date
), attempts AS (
    SELECT t.*, 1 + (SELECT count(*) FROM billing.invoices i
                      WHERE i.tenant_id = t.tenant_id AND i.account_id = t.account_id AND i.currency = t.currency
                        AND i.invoice_date = t.invoice_date AND i.status = 'void')::integer AS attempt
      FROM totals t
), wanted_invoices AS MATERIALIZED (
    SELECT a.*, billing.derive_id('invoice', a.tenant_id, a.account_id, a.currency,
                                  (a.invoice_date - DATE '1970-01-01')::text, a.attempt::text) AS invoice_id
      FROM attempts a
)
