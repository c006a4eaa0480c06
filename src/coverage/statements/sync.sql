-- Goes after derive.sql: puts what differs from before into coverage_daily_state, the difference it makes to the counts into usage, and
-- the window into coverage_windows. Parameters as in sync_affected.sql, $9 the time. Returns days changed, keys whose count changed,
-- usage events written, and whether the meter sums. The time is in the events' ids, so that nobody can take one before.
, month AS MATERIALIZED (
SELECT count(billing.require_partition(t.name, m.day)) AS checked
  FROM (SELECT DISTINCT g.day::date AS day
          FROM (SELECT DISTINCT date_trunc('month', starts::timestamp) AS first, (ends - 1)::timestamp AS last FROM piece) AS p
         CROSS JOIN LATERAL generate_series(p.first, p.last, interval '1 month') AS g (day)) AS m
 CROSS JOIN (VALUES ('coverage_daily_state'), ('usage_records')) AS t (name)
), before AS ( -- the sum hides the day from the index by tenant and day, by which the planner may else read all that the tenant has
SELECT s.*
  FROM (SELECT w.tenant_id, w.device_id, lower(r.days) AS starts, upper(r.days) AS ends FROM wanted w CROSS JOIN LATERAL unnest(w.days) AS r (days)) AS w
 CROSS JOIN LATERAL (SELECT * FROM billing.coverage_daily_state s
                      WHERE s.tenant_id = w.tenant_id AND s.device_id = w.device_id AND s.coverage_day + 0 >= w.starts AND s.coverage_day + 0 < w.ends @before@) AS s
 WHERE w.starts <= $7
), change AS MATERIALIZED (
SELECT coalesce(n.tenant_id, o.tenant_id) AS tenant_id, coalesce(n.device_id, o.device_id) AS device_id, coalesce(n.coverage_day, o.coverage_day) AS coverage_day,
       n.account_id, coalesce(n.coverage_state, 'uncovered') AS coverage_state, n.plan, coalesce(n.is_counted, false) AS is_counted,
       o.account_id AS account_before, o.plan AS plan_before, coalesce(o.is_counted, false) AS counted_before
  FROM (SELECT * FROM derived WHERE (SELECT checked FROM month) >= 0) AS n
  FULL JOIN before o ON o.tenant_id = n.tenant_id AND o.device_id = n.device_id AND o.coverage_day = n.coverage_day
 WHERE o.tenant_id IS NULL
    OR (n.account_id, coalesce(n.coverage_state, 'uncovered'), n.plan, coalesce(n.is_counted, false)) IS DISTINCT FROM (o.account_id, o.coverage_state, o.plan, o.is_counted)
), state AS (
INSERT INTO billing.coverage_daily_state AS s (tenant_id, device_id, coverage_day, account_id, coverage_state, plan, is_counted, window_no)
SELECT tenant_id, device_id, coverage_day, account_id, coverage_state, plan, is_counted, $1 FROM change ORDER BY tenant_id, device_id, coverage_day
ON CONFLICT (tenant_id, device_id, coverage_day) DO UPDATE
   SET account_id = excluded.account_id, coverage_state = excluded.coverage_state, plan = excluded.plan, is_counted = excluded.is_counted, window_no = excluded.window_no
), meter AS (
SELECT m.aggregation, 'plan' = ANY (m.dimensions) AS by_plan, 'device_type' = ANY (m.dimensions) AS by_type FROM billing.meters m WHERE m.meter_id = 'covered_devices'
), delta AS MATERIALIZED (
SELECT c.tenant_id, c.coverage_day, c.account_id, jsonb_strip_nulls(jsonb_build_object('plan', c.plan, 'device_type', c.device_type)) AS dimensions, sum(c.amount) AS quantity
  FROM (SELECT a.tenant_id, a.coverage_day, a.account_id, CASE WHEN m.by_plan THEN a.plan END AS plan, CASE WHEN m.by_type THEN d.device_type END AS device_type, a.amount
          FROM (SELECT tenant_id, device_id, coverage_day, account_id, plan, 1 AS amount FROM change WHERE is_counted
                UNION ALL
                SELECT tenant_id, device_id, coverage_day, account_before, plan_before, -1 FROM change WHERE counted_before) AS a
         CROSS JOIN LATERAL (SELECT d.device_type FROM billing.devices d WHERE d.tenant_id = a.tenant_id AND d.device_id = a.device_id @fence@) AS d
          LEFT JOIN meter m ON true) AS c
 GROUP BY c.tenant_id, c.coverage_day, c.account_id, c.plan, c.device_type
HAVING sum(c.amount) <> 0
), usage AS (
INSERT INTO billing.usage_records (tenant_id, meter_id, event_id, account_id, occurred_at, quantity, dimensions, corrects_event_id)
SELECT d.tenant_id, 'covered_devices', format('coverage/%s/%s', $1, left(encode(billing.fingerprint(d.account_id, billing.canonical_json(d.dimensions), EXTRACT(epoch FROM $9::timestamptz)::text), 'hex'), 32)) AS event_id,
       d.account_id, d.coverage_day::timestamp AT TIME ZONE 'UTC', d.quantity, d.dimensions,
       CASE WHEN d.quantity < 0 THEN (
            SELECT min(u.event_id) FROM billing.usage_records u
             WHERE u.usage_day = d.coverage_day AND u.tenant_id = d.tenant_id AND u.meter_id = 'covered_devices' AND u.event_id LIKE 'coverage/%'
               AND u.account_id = d.account_id AND u.dimensions = d.dimensions AND u.quantity > 0
               AND u.occurred_at >= d.coverage_day::timestamp AT TIME ZONE 'UTC' AND u.occurred_at < (d.coverage_day + 1)::timestamp AT TIME ZONE 'UTC') END
  FROM delta d
 WHERE EXISTS (SELECT FROM meter)
 ORDER BY d.coverage_day, d.tenant_id, event_id
ON CONFLICT DO NOTHING
RETURNING 1
), done AS (
SELECT (SELECT count(*) FROM change) AS days_changed, (SELECT count(*) FROM delta) AS keys, (SELECT count(*) FROM usage) AS usage_rows
), kept AS (
INSERT INTO billing.coverage_windows (window_no, incarnation, snapshot, through, days_changed, usage_rows, synced_at)
SELECT $1, $6, $2, $8, days_changed, usage_rows, $9 FROM done
)
SELECT days_changed, keys, usage_rows, (SELECT aggregation = 'sum' FROM meter) FROM done
