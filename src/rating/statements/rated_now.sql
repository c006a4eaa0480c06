-- What everything comes to on a day: the common head of rating, current charges and preview.
-- $1 day rated up to; $2, $3 the tenants: $2 <= tenant_id <= $3. The source of daily counts is filled in.
-- Ends with rated_now: one row per subscription, charge and period that is rated on that day.
WITH newest AS (
    -- Where each subscription stands: its newest rated period, and what was known when it was rated.
    SELECT s.tenant_id, s.subscription_id, s.account_id, s.currency, s.anchor, s.period_months, s.starts, s.ends,
           c.exponent, n.period_start, n.rated_on, n.window_no
      FROM billing.subscriptions s
      JOIN billing.currencies c USING (currency)
      LEFT JOIN LATERAL (
          SELECT r.period_start, max(r.rated_on) AS rated_on, max(r.window_no) AS window_no
            FROM billing.rated_lines r
           WHERE r.tenant_id = s.tenant_id AND r.subscription_id = s.subscription_id
             AND r.period_start = (SELECT l.period_start FROM billing.rated_lines l
                                    WHERE l.tenant_id = s.tenant_id AND l.subscription_id = s.subscription_id
                                    ORDER BY l.period_start DESC LIMIT 1)
           GROUP BY r.period_start) AS n ON true
     WHERE s.tenant_id BETWEEN $2 AND $3 AND s.starts <= $1
), reopened AS (
    -- Rate again from the newest rated period on, or from the earliest day whose counts changed since.
    SELECT n.*,
           (SELECT CASE WHEN cycle_start < closed.before THEN cycle_end ELSE cycle_start END
              FROM billing.cycle_containing(n.anchor, n.period_months,
               greatest(n.starts, closed.before, least(coalesce(n.period_start, n.starts), changed.first_day)))) AS rate_from
      FROM newest n
     -- A period that began before the first month whose counts are still there is rated for good.
     CROSS JOIN (SELECT t.dropped_before AS before FROM billing.partitioned_tables t WHERE t.table_name = 'daily_counts') AS closed
     CROSS JOIN LATERAL (
          SELECT min(e.first_day) AS first_day
            FROM billing.count_sync_checkpoint_events e
           WHERE e.tenant_id = n.tenant_id AND e.window_no > coalesce(n.window_no, 0)) AS changed
     -- A subscription that ended is done with once it is rated past its end, unless its end was moved back since.
     WHERE n.ends IS NULL OR n.rated_on IS NULL OR n.rated_on < n.ends OR changed.first_day IS NOT NULL
        OR EXISTS (SELECT FROM billing.rated_lines r
                    WHERE r.tenant_id = n.tenant_id AND r.subscription_id = n.subscription_id
                      AND r.period_start >= n.period_start AND r.period_end > n.ends AND r.share_days > 0
                      AND NOT EXISTS (SELECT FROM billing.rated_lines l
                                       WHERE l.period_start = r.period_start AND l.tenant_id = r.tenant_id
                                         AND l.subscription_id = r.subscription_id AND l.plan_id = r.plan_id
                                         AND l.version = r.version AND l.charge_id = r.charge_id
                                         AND l.revision > r.revision))
), subscriptions AS (
    -- Rating never goes back: a day before one that any of these periods is rated up to is taken as that one. The newest
    -- period alone does not tell: a fee of the one before, due when it closes, may have been rated later.
    SELECT o.*, greatest($1, (SELECT max(r.rated_on) FROM billing.rated_lines r
                               WHERE r.tenant_id = o.tenant_id AND r.subscription_id = o.subscription_id
                                 AND r.period_start >= o.rate_from)) AS rate_to
      FROM reopened o
), segments AS (
    -- A period, cut where a phase begins or ends.
    SELECT s.tenant_id, s.subscription_id, s.account_id, s.currency, s.exponent, s.rate_to,
           p.plan_id, p.version, p.starts AS phase_starts, cycle.cycle_start, cycle.cycle_end,
           greatest(cycle.cycle_start, p.starts) AS period_start,
           least(cycle.cycle_end, p.ends, s.ends) AS period_end,
           least(cycle.cycle_end, s.ends) AS closes_on
      FROM subscriptions s
     CROSS JOIN LATERAL billing.cycles(s.anchor, s.period_months, s.rate_from, s.rate_to + 1) AS cycle
      JOIN billing.subscription_phases p
        ON p.tenant_id = s.tenant_id AND p.subscription_id = s.subscription_id AND NOT p.is_trial
       AND p.starts < cycle.cycle_end AND coalesce(p.ends > cycle.cycle_start, true)
     WHERE p.tenant_id BETWEEN $2 AND $3 AND coalesce(s.ends > greatest(cycle.cycle_start, p.starts), true)
), items AS MATERIALIZED (
    -- Each segment with each charge of its plan version. A fee in advance is due when the period starts; a fee that a
    -- change of plan starts within a period, and everything in arrears, when the period closes.
    SELECT g.*, c.charge_id, c.meter_id, c.filter, c.price, c.price_hash, c.in_advance,
           CASE WHEN c.meter_id IS NULL AND c.prorate THEN g.period_end - g.period_start ELSE g.cycle_end - g.cycle_start END AS share_days,
           g.cycle_end - g.cycle_start AS share_of_days,
           CASE WHEN c.in_advance AND (g.period_start = g.cycle_start OR NOT EXISTS (
                    SELECT FROM billing.subscription_phases q
                     WHERE q.tenant_id = g.tenant_id AND q.subscription_id = g.subscription_id
                       AND q.ends = g.phase_starts AND NOT q.is_trial))
                THEN g.period_start ELSE g.closes_on END AS due_on
      FROM segments g
      JOIN billing.charges c USING (plan_id, version)
     WHERE CASE WHEN c.in_advance THEN g.period_start <= g.rate_to
                WHEN c.meter_id IS NULL THEN g.closes_on <= g.rate_to
                ELSE g.period_start < g.rate_to END
), quantities AS (
    SELECT i.tenant_id, i.subscription_id, i.charge_id, i.period_start,
           CASE m.aggregation
               WHEN 'max' THEN max(d.quantity)
               WHEN 'latest' THEN (array_agg(d.quantity ORDER BY d.latest_at DESC, d.dimensions DESC) FILTER (WHERE m.aggregation = 'latest'))[1]
               ELSE sum(d.quantity)
           END AS quantity
      FROM items i
      JOIN billing.meters m USING (meter_id)
      JOIN @daily_counts@ AS d
        ON d.tenant_id = i.tenant_id AND d.account_id = i.account_id AND d.meter_id = i.meter_id
       AND d.day >= i.period_start AND d.day < i.period_end AND d.day <= i.rate_to
       AND d.dimensions @> i.filter
     WHERE d.day >= (SELECT min(period_start) FROM items WHERE meter_id IS NOT NULL)
       AND d.tenant_id BETWEEN $2 AND $3
     GROUP BY i.tenant_id, i.subscription_id, i.charge_id, i.period_start, m.aggregation
), measured AS (
    SELECT i.*, CASE WHEN i.meter_id IS NULL THEN 1 ELSE coalesce(trim_scale(q.quantity), 0) END AS quantity
      FROM items i
      LEFT JOIN quantities q USING (tenant_id, subscription_id, charge_id, period_start)
), rated_now AS (
    SELECT m.*, billing.rate_minor(m.price, m.quantity, m.exponent, m.share_days, m.share_of_days) AS amount_minor
      FROM measured m
)
