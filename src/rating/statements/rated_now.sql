-- What everything comes to on a day: the common head of rating, current charges and preview.
-- $1 day rated up to; $2, $3 the tenants: $2 <= tenant_id <= $3. The source of daily counts is filled in.
-- Ends with rated_now: one row per subscription, charge and period that is rated on that day.
-- What is asked of the lines of few subscriptions only is a function of its own: each table named here is planned with all
-- its partitions, and that is what a call for few tenants takes longest for.
WITH recent AS (
    -- Almost every subscription was rated last in the month of the day or the one before: one scan finds them.
    SELECT (date_trunc('month', $1::timestamp) - interval '1 month')::date AS first_day
), rated_recently AS MATERIALIZED (
    SELECT r.tenant_id, r.subscription_id, r.period_start, max(r.rated_on) AS rated_on, max(r.window_no) AS window_no
      FROM billing.rated_lines r
     WHERE r.tenant_id BETWEEN $2 AND $3 AND r.period_start >= (SELECT first_day FROM recent)
     GROUP BY r.tenant_id, r.subscription_id, r.period_start
), rated_long_ago AS (
    SELECT s.tenant_id, s.subscription_id, o.period_start, o.rated_on, o.window_no
      FROM billing.subscriptions s
     CROSS JOIN LATERAL billing.newest_rated_period(s.tenant_id, s.subscription_id) AS o
     WHERE s.tenant_id BETWEEN $2 AND $3 AND s.starts < (SELECT first_day FROM recent)
       AND NOT EXISTS (SELECT FROM rated_recently n WHERE n.tenant_id = s.tenant_id AND n.subscription_id = s.subscription_id)
), newest AS (
    -- Where each subscription stands: its newest rated period, and what was known when it was rated.
    SELECT s.tenant_id, s.subscription_id, s.account_id, s.currency, s.anchor, s.period_months, s.starts, s.ends,
           c.exponent, n.period_start, n.rated_on, n.window_no
      FROM billing.subscriptions s
      JOIN billing.currencies c USING (currency)
      LEFT JOIN (
          (SELECT DISTINCT ON (r.tenant_id, r.subscription_id) r.*
             FROM rated_recently r
            ORDER BY r.tenant_id, r.subscription_id, r.period_start DESC)
          UNION ALL SELECT * FROM rated_long_ago) AS n USING (tenant_id, subscription_id)
     WHERE s.tenant_id BETWEEN $2 AND $3 AND s.starts <= $1
), reopened AS MATERIALIZED (
    -- Rate again from the newest rated period on, or from the earliest day whose counts changed since.
    SELECT c.*, CASE WHEN c.cycle_start < c.before THEN (billing.cycle_containing(c.anchor, c.period_months, c.cycle_start)).cycle_end
                     ELSE c.cycle_start END AS rate_from
      FROM (SELECT n.*, row_number() OVER (ORDER BY n.tenant_id, n.subscription_id) AS number, closed.before,
                   billing.cycle_start(n.anchor, n.period_months, greatest(n.starts, closed.before, least(coalesce(n.period_start, n.starts),
                                                                                                          changed.first_day))) AS cycle_start
              FROM newest n
             -- A period that began before the first month whose counts are still there is rated for good.
             CROSS JOIN (SELECT t.dropped_before AS before FROM billing.partitioned_tables t WHERE t.table_name = 'daily_counts') AS closed
             CROSS JOIN LATERAL (
                  SELECT min(e.first_day) AS first_day
                    FROM billing.count_sync_checkpoint_events e
                   WHERE e.tenant_id = n.tenant_id AND e.window_no > coalesce(n.window_no, 0)) AS changed
             -- A subscription that ended is done with once it is rated past its end, unless its end was moved or its plan changed since.
             WHERE n.ends IS NULL OR n.rated_on IS NULL OR n.rated_on < n.ends OR changed.first_day IS NOT NULL
                OR billing.is_rated_otherwise(n.tenant_id, n.subscription_id, billing.cycle_start(n.anchor, n.period_months, n.period_start))) AS c
), subscriptions AS MATERIALIZED (
    -- Rating never goes back: a day before one that any of these periods is rated up to is taken as that one. The newest
    -- period alone does not tell: a fee of the one before, due when it closes, may have been rated later.
    SELECT o.*, greatest($1, CASE WHEN o.rate_from >= (SELECT first_day FROM recent) THEN ahead.rated_on
                                  ELSE billing.rated_up_to(o.tenant_id, o.subscription_id, o.rate_from) END) AS rate_to
      FROM reopened o
      LEFT JOIN (
          SELECT n.tenant_id, n.subscription_id, max(r.rated_on) AS rated_on
            FROM reopened n
            JOIN rated_recently r ON r.tenant_id = n.tenant_id AND r.subscription_id = n.subscription_id AND r.period_start >= n.rate_from
           GROUP BY n.tenant_id, n.subscription_id) AS ahead USING (tenant_id, subscription_id)
), segments AS (
    -- A period, cut where a phase begins or ends.
    SELECT s.number, s.tenant_id, s.subscription_id, s.account_id, s.currency, s.exponent, s.rate_to,
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
    -- change of plan starts within a period, and everything in arrears, when the period closes. An item is told by its
    -- subscription's number, its charge's position and period_start, which are quicker to group by than keys.
    SELECT g.number, c.position, g.tenant_id, g.account_id, c.meter_id, g.period_start, g.period_end, g.rate_to, c.filter = '{}' AS takes_all, c.filter, m.aggregation,
           g.subscription_id, g.currency, g.exponent, g.plan_id, g.version, c.charge_id, c.price,
           CASE WHEN c.meter_id IS NULL AND c.prorate THEN g.period_end - g.period_start ELSE g.cycle_end - g.cycle_start END AS share_days,
           g.cycle_end - g.cycle_start AS share_of_days,
           CASE WHEN c.in_advance AND (g.period_start = g.cycle_start OR NOT EXISTS (
                    SELECT FROM billing.subscription_phases q
                     WHERE q.tenant_id = g.tenant_id AND q.subscription_id = g.subscription_id
                       AND q.ends = g.phase_starts AND NOT q.is_trial))
                THEN g.period_start ELSE g.closes_on END AS due_on
      FROM segments g
      JOIN billing.charges c USING (plan_id, version)
      LEFT JOIN billing.meters m USING (meter_id)
     WHERE CASE WHEN c.in_advance THEN g.period_start <= g.rate_to
                WHEN c.meter_id IS NULL THEN g.closes_on <= g.rate_to
                ELSE g.period_start < g.rate_to END
), quantities AS (
    SELECT i.number, i.position, i.period_start, billing.quantity_of(i.aggregation, d.quantity, d.latest_at, d.dimensions) AS quantity
      FROM items i
      JOIN @daily_counts@ AS d
        ON d.tenant_id = i.tenant_id AND d.account_id = i.account_id AND d.meter_id = i.meter_id
       AND d.day >= i.period_start AND d.day < i.period_end AND d.day <= i.rate_to
       AND (i.takes_all OR d.dimensions @> i.filter)
     WHERE d.day >= (SELECT min(period_start) FROM items WHERE meter_id IS NOT NULL)
       AND d.tenant_id BETWEEN $2 AND $3
     GROUP BY i.number, i.position, i.period_start
), rated_now AS (
    SELECT m.*, billing.rate_minor(m.price, m.quantity, m.exponent, m.share_days, m.share_of_days) AS amount_minor
      FROM (SELECT i.*, CASE WHEN i.meter_id IS NULL THEN 1 ELSE coalesce(trim_scale(q.quantity), 0) END AS quantity
              FROM items i
              LEFT JOIN quantities q USING (number, position, period_start)) AS m
)
