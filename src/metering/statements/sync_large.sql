-- What a count window comes to whose rows do not fit into memory: the relations rejected, taken, increment and root, as window.c makes
-- them of others; sync_write.sql follows. Sorts and spills, and takes several times as long. Parameters as there.
WITH candidate AS NOT MATERIALIZED ( -- to read the new rows twice costs less than to put them aside
SELECT u.*, false AS was_set_aside
  FROM billing.usage_records u
 WHERE (u.log_xid >= $3 AND u.log_xid < $4 OR u.log_xid = ANY ($5)) AND pg_visible_in_snapshot(u.log_xid, $2)
UNION ALL
SELECT u.*, true
  FROM billing.usage_set_aside s
 CROSS JOIN LATERAL ( -- one index probe each, in the day's partition only, however many rows the table has
       SELECT * FROM billing.usage_records u
        WHERE u.usage_day = s.usage_day AND u.tenant_id = s.tenant_id AND u.meter_id = s.meter_id AND u.event_id = s.event_id
          AND u.occurred_at >= s.usage_day::timestamp AT TIME ZONE 'UTC' AND u.occurred_at < (s.usage_day + 1)::timestamp AT TIME ZONE 'UTC'
       OFFSET 0) AS u
 WHERE s.counted_in IS NULL
), payer AS MATERIALIZED ( -- asked once per account and day, not per row
SELECT d.*, EXISTS (SELECT FROM billing.accounts a WHERE a.tenant_id = d.tenant_id AND a.account_id = d.account_id) AS is_known,
       EXISTS (SELECT FROM billing.subscriptions s
                WHERE s.tenant_id = d.tenant_id AND s.account_id = d.account_id
                  AND s.starts <= d.usage_day AND (s.ends IS NULL OR s.ends > d.usage_day)) AS is_subscribed
  FROM (SELECT DISTINCT tenant_id, account_id, usage_day, meter_id FROM candidate) AS d
), known AS MATERIALIZED ( -- never thought to be more rows than candidate, so the joins below hash it
SELECT p.*, m.aggregation, m.dimensions AS keys FROM payer p LEFT JOIN billing.meters m ON m.meter_id = p.meter_id
), resolved AS MATERIALIZED (
SELECT c.tenant_id, c.meter_id, c.event_id, c.account_id, c.occurred_at, c.usage_day, c.quantity, c.dimensions, c.corrects_event_id, c.was_set_aside,
       k.aggregation, CASE WHEN k.aggregation = 'count' THEN billing.usage_events(c.quantity, c.corrects_event_id) ELSE c.quantity END AS amount,
       CASE WHEN NOT k.is_known THEN 'unknown account'
            WHEN k.aggregation IS NULL THEN 'unknown meter'
            WHEN billing.usage_problem(c.event_id, c.quantity, c.dimensions, c.attribution, c.corrects_event_id, k.aggregation, k.keys) IS NOT NULL
            THEN 'invalid ' || billing.usage_problem(c.event_id, c.quantity, c.dimensions, c.attribution, c.corrects_event_id, k.aggregation, k.keys)
            WHEN c.corrects_event_id IS NOT NULL AND NOT EXISTS (
                 SELECT FROM billing.usage_records o
                  WHERE o.usage_day = c.usage_day AND o.tenant_id = c.tenant_id AND o.meter_id = c.meter_id AND o.event_id = c.corrects_event_id
                    AND o.occurred_at >= c.usage_day::timestamp AT TIME ZONE 'UTC' AND o.occurred_at < (c.usage_day + 1)::timestamp AT TIME ZONE 'UTC'
                 ) THEN 'unknown event to correct'
            WHEN NOT k.is_subscribed THEN 'no subscription on the day'
       END AS reason
  FROM candidate c
  JOIN known k ON k.tenant_id = c.tenant_id AND k.account_id = c.account_id AND k.usage_day = c.usage_day AND k.meter_id = c.meter_id
), rejected AS (
SELECT usage_day, tenant_id, meter_id, event_id, reason FROM resolved WHERE reason IS NOT NULL AND NOT was_set_aside
), taken AS (
SELECT usage_day, tenant_id, meter_id, event_id FROM resolved WHERE reason IS NULL AND was_set_aside
), increment AS MATERIALIZED (
SELECT usage_day AS day, tenant_id, account_id, meter_id, dimensions, aggregation,
       CASE aggregation WHEN 'max' THEN max(amount) ELSE sum(amount) END AS quantity, count(*) AS events, max(occurred_at) AS latest_at
  FROM resolved WHERE reason IS NULL AND aggregation <> 'latest'
 GROUP BY usage_day, tenant_id, account_id, meter_id, dimensions, aggregation
UNION ALL
SELECT usage_day, tenant_id, account_id, meter_id, dimensions, aggregation,
       (array_agg(quantity ORDER BY occurred_at DESC, event_id DESC))[1], count(*), max(occurred_at)
  FROM resolved WHERE reason IS NULL AND aggregation = 'latest'
 GROUP BY usage_day, tenant_id, account_id, meter_id, dimensions, aggregation
), root AS MATERIALIZED (
SELECT r.tenant_id, r.rows_processed, r.first_day, r.last_day, r.digest, c.counts_digest
  FROM (SELECT tenant_id, count(*) AS rows_processed, min(usage_day) AS first_day, max(usage_day) AS last_day,
               billing.merkle_agg(billing.usage_leaf(meter_id, event_id, account_id, occurred_at, quantity, dimensions, corrects_event_id)
                                  ORDER BY occurred_at, meter_id, event_id) AS digest
          FROM resolved WHERE reason IS NULL GROUP BY tenant_id) AS r
  JOIN (SELECT tenant_id, billing.merkle_agg(billing.leaf_hash(billing.leaf_canon('count', day, account_id, meter_id, dimensions, aggregation,
                                                                                  quantity, events, latest_at))
                                             ORDER BY day, account_id, meter_id, billing.canonical_json(dimensions) COLLATE "C") AS counts_digest
          FROM increment GROUP BY tenant_id) AS c ON c.tenant_id = r.tenant_id
),
