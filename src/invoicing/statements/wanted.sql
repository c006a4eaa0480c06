-- What invoices there should be: the common head of making drafts and removing stale ones.
-- $1 the day up to which lines are billed; $2, $3 the tenants: $2 <= tenant_id <= $3.
-- Ends with wanted_lines and wanted_invoices. Reads drafts only to bill at least as far as they did; those just removed are
-- filled in.
WITH accounts AS (
    SELECT s.tenant_id, s.account_id, s.currency, min(s.starts) AS first_day,
           bool_and(s.ends IS NOT NULL AND s.ends <= $1) AS all_ended
      FROM billing.subscriptions s
     WHERE s.tenant_id BETWEEN $2 AND $3
     GROUP BY s.tenant_id, s.account_id, s.currency
), voids AS MATERIALIZED (
    SELECT i.tenant_id, i.account_id, i.currency, i.invoice_date, count(*)::integer AS attempts
      FROM billing.invoices i
     WHERE i.tenant_id BETWEEN $2 AND $3 AND i.status = 'void'
     GROUP BY i.tenant_id, i.account_id, i.currency, i.invoice_date
), voided AS (
    SELECT v.tenant_id, v.account_id, v.currency, min(v.invoice_date) AS first_date
      FROM voids v
     GROUP BY v.tenant_id, v.account_id, v.currency
), drafted AS (
    SELECT d.tenant_id, d.account_id, d.currency, max(d.invoice_date) AS last_date
      FROM (SELECT i.tenant_id, i.account_id, i.currency, i.invoice_date
              FROM billing.invoices i
             WHERE i.tenant_id BETWEEN $2 AND $3 AND i.status = 'draft'
            @removed@) AS d
     GROUP BY d.tenant_id, d.account_id, d.currency
), recent AS (
    -- The last invoice that stands is mostly one of the last months, which are read once for all accounts; only who has none
    -- there, and could have one earlier, is looked up in every month.
    SELECT DISTINCT ON (i.tenant_id, i.account_id, i.currency) i.tenant_id, i.account_id, i.currency, i.invoice_date, i.created_at
      FROM billing.invoices i
     WHERE i.tenant_id BETWEEN $2 AND $3 AND i.status NOT IN ('draft', 'void') AND i.invoice_date > $1 - 100
     ORDER BY i.tenant_id, i.account_id, i.currency, i.invoice_date DESC
), positions AS MATERIALIZED (
    -- How far each account is billed: up to the last invoice that stands before the first voided one, so that a voided
    -- invoice's lines are billed again. What was due by its day and rated before it was made is on it or on earlier ones.
    -- When it was rated says its transaction's start, and when it was made too: a day is more than a run waits for its turn.
    -- The day a line was rated up to says nothing here, for a run may be ahead of the calendar. Nothing is due before the
    -- first subscription.
    SELECT a.*, last.last_date,
           coalesce(CASE WHEN v.first_date IS NULL THEN last.last_date ELSE settled.invoice_date END, a.first_day - 1) AS settled_to,
           coalesce(CASE WHEN v.first_date IS NULL THEN last.made_at ELSE settled.created_at END - interval '1 day', 'infinity') AS settled_since,
           greatest($1, d.last_date) AS bill_to
      FROM accounts a
      LEFT JOIN recent r USING (tenant_id, account_id, currency)
      LEFT JOIN voided v USING (tenant_id, account_id, currency)
      LEFT JOIN drafted d USING (tenant_id, account_id, currency)
      LEFT JOIN LATERAL (
          SELECT i.invoice_date, i.created_at FROM billing.invoices i
           WHERE r.tenant_id IS NULL AND a.first_day <= $1 - 100 AND i.invoice_date <= $1 - 100
             AND i.tenant_id = a.tenant_id AND i.account_id = a.account_id AND i.currency = a.currency
             AND i.status NOT IN ('draft', 'void')
           ORDER BY i.invoice_date DESC LIMIT 1) AS older ON true
     CROSS JOIN LATERAL (
          SELECT coalesce(r.invoice_date, older.invoice_date) AS last_date, coalesce(r.created_at, older.created_at) AS made_at) AS last
      LEFT JOIN LATERAL (
          SELECT i.invoice_date, i.created_at FROM billing.invoices i
           WHERE v.first_date IS NOT NULL AND i.invoice_date < v.first_date
             AND i.tenant_id = a.tenant_id AND i.account_id = a.account_id AND i.currency = a.currency
             AND i.status NOT IN ('draft', 'void')
           ORDER BY i.invoice_date DESC LIMIT 1) AS settled ON true
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
                        WHERE n.period_start >= (SELECT min(period_start) FROM fresh) AND n.tenant_id BETWEEN $2 AND $3 AND n.revision > 1
                          AND n.period_start = f.period_start AND n.tenant_id = f.tenant_id
                          AND n.subscription_id = f.subscription_id AND n.plan_id = f.plan_id AND n.version = f.version
                          AND n.charge_id = f.charge_id AND n.revision > f.revision)
), billed AS (
    -- No invoice is dated before what it bills.
    SELECT c.tenant_id, c.subscription_id, c.plan_id, c.version, c.charge_id, c.period_start, sum(l.amount_minor)::bigint AS billed_minor
      FROM candidates c
      JOIN billing.invoice_lines l USING (tenant_id, subscription_id, plan_id, version, charge_id, period_start)
      JOIN billing.invoices i USING (invoice_date, tenant_id, invoice_id)
     WHERE i.status NOT IN ('draft', 'void') AND l.tenant_id BETWEEN $2 AND $3 AND i.tenant_id BETWEEN $2 AND $3
       AND l.invoice_date >= (SELECT min(period_start) FROM candidates) AND i.invoice_date >= (SELECT min(period_start) FROM candidates)
     GROUP BY c.tenant_id, c.subscription_id, c.plan_id, c.version, c.charge_id, c.period_start
), open_lines AS MATERIALIZED (
    SELECT c.*, b.tenant_id IS NOT NULL AS is_correction, coalesce(b.billed_minor, 0) AS billed_minor,
           b.tenant_id IS NULL AND coalesce(c.due_on > c.last_date, true) AS is_on_time,
           c.amount_minor <> coalesce(b.billed_minor, 0) OR (b.tenant_id IS NULL AND c.quantity <> 0) AS is_owed
      FROM candidates c
      LEFT JOIN billed b USING (tenant_id, subscription_id, plan_id, version, charge_id, period_start)
), late AS (
    SELECT o.tenant_id, o.account_id, o.currency, min(o.rated_on) AS late_since
      FROM open_lines o
     WHERE o.is_owed AND NOT o.is_on_time
     GROUP BY o.tenant_id, o.account_id, o.currency
), next_dates AS (
    SELECT o.tenant_id, o.account_id, o.currency, min(o.due_on) AS next_date
      FROM late t
      JOIN open_lines o USING (tenant_id, account_id, currency)
     WHERE o.is_on_time AND (o.is_owed OR o.due_on >= t.late_since)
     GROUP BY o.tenant_id, o.account_id, o.currency
), dated AS (
    -- A line goes on the invoice of the day it was due; a late one or a correction on the next there is, or on the next day
    -- on which something falls due that comes to nothing, so that it does not wait for who uses nothing any more. When all of
    -- the account's subscriptions have ended there is no next, and it gets one of its own.
    SELECT o.*, CASE WHEN o.is_on_time THEN o.due_on
                     ELSE coalesce(n.next_date, CASE WHEN o.all_ended AND coalesce(o.bill_to > o.last_date, true) THEN o.bill_to END)
                END AS invoice_date
      FROM open_lines o
      LEFT JOIN next_dates n USING (tenant_id, account_id, currency)
     WHERE o.is_owed
), wanted_lines AS MATERIALIZED (
    SELECT d.*, row_number() OVER (PARTITION BY d.tenant_id, d.account_id, d.currency, d.invoice_date
                                   ORDER BY d.is_correction, d.subscription_id, d.period_start, c.position, d.charge_id, d.plan_id, d.version)::integer AS line_no
      FROM dated d
      JOIN billing.charges c USING (plan_id, version, charge_id)
     WHERE d.invoice_date IS NOT NULL
), totals AS (
    -- The hash is over the lines in their order: sorted here once, and not in the aggregate once an invoice.
    SELECT w.tenant_id, w.account_id, w.currency, w.invoice_date, count(*)::integer AS line_count,
           sum(w.amount_minor - w.billed_minor)::bigint AS total_minor,
           coalesce(min(w.period_start) FILTER (WHERE NOT w.is_correction), min(w.period_start)) AS period_start,
           coalesce(max(w.period_end) FILTER (WHERE NOT w.is_correction), max(w.period_end)) AS period_end,
           sha256(string_agg(w.rating_key || int8send(w.billed_minor), ''::bytea)) AS content_hash
      FROM (SELECT * FROM wanted_lines ORDER BY tenant_id, account_id, currency, invoice_date, line_no) AS w
     GROUP BY w.tenant_id, w.account_id, w.currency, w.invoice_date
), attempts AS (
    SELECT t.*, 1 + coalesce(v.attempts, 0) AS attempt
      FROM totals t
      LEFT JOIN voids v USING (tenant_id, account_id, currency, invoice_date)
), wanted_invoices AS MATERIALIZED (
    SELECT a.*, billing.derive_id_from('invoice', a.tenant_id, a.account_id, a.currency, a.invoice_date, a.attempt) AS invoice_id
      FROM attempts a
)
