-- One count window: the usage rows that became visible, and those set aside before that now resolve, into daily_counts, each
-- tenant's chain, and count_windows. Writes nothing when there are none. $1 window_no, $2 snapshot, $3 from_xid, $4 to_xid,
-- $5 waiting, $6 incarnation, as sync_edges.sql gave them, $7 the time. Returns rows_counted and rows_set_aside, or no row.
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
), set_aside AS (
INSERT INTO billing.usage_set_aside (usage_day, tenant_id, meter_id, event_id, reason, window_no)
SELECT usage_day, tenant_id, meter_id, event_id, reason, $1 FROM resolved WHERE reason IS NOT NULL AND NOT was_set_aside
), taken_back AS (
UPDATE billing.usage_set_aside s SET counted_in = $1
  FROM resolved r
 WHERE r.was_set_aside AND r.reason IS NULL AND s.counted_in IS NULL
   AND s.usage_day = r.usage_day AND s.tenant_id = r.tenant_id AND s.meter_id = r.meter_id AND s.event_id = r.event_id
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
), counted AS (
INSERT INTO billing.daily_counts AS d (day, tenant_id, account_id, meter_id, dimensions, quantity, events, latest_at, window_no)
SELECT day, tenant_id, account_id, meter_id, dimensions, quantity, events, latest_at, $1
  FROM increment
 ORDER BY 1, 2, 3, 4, 5
ON CONFLICT (day, tenant_id, account_id, meter_id, dimensions) DO UPDATE
   SET quantity = CASE (SELECT m.aggregation FROM billing.meters m WHERE m.meter_id = excluded.meter_id)
                  WHEN 'max' THEN greatest(d.quantity, excluded.quantity)
                  WHEN 'latest' THEN CASE WHEN excluded.latest_at >= d.latest_at THEN excluded.quantity ELSE d.quantity END
                  ELSE d.quantity + excluded.quantity END,
       events = d.events + excluded.events, latest_at = greatest(d.latest_at, excluded.latest_at), window_no = excluded.window_no
), link AS (
INSERT INTO billing.count_sync_checkpoint_events (tenant_id, sequence, window_no, rows_processed, first_day, last_day, digest, counts_digest, salt, prev_hash, self_hash, created_at)
SELECT n.*, billing.checkpoint_hash(n.tenant_id, n.sequence, n.window_no, n.rows_processed, n.first_day, n.last_day, n.digest, n.counts_digest, n.salt, n.prev_hash, $7), $7
  FROM (SELECT r.tenant_id, coalesce(h.sequence, 0) + 1 AS sequence, $1 AS window_no, r.rows_processed, r.first_day, r.last_day, r.digest,
               c.counts_digest, gen_random_uuid() AS salt,
               coalesce(h.self_hash, decode(repeat('00', 32), 'hex')) AS prev_hash
          FROM (SELECT tenant_id, count(*) AS rows_processed, min(usage_day) AS first_day, max(usage_day) AS last_day,
                       billing.merkle_agg(billing.usage_leaf(meter_id, event_id, account_id, occurred_at, quantity, dimensions, corrects_event_id)
                                          ORDER BY occurred_at, meter_id, event_id) AS digest
                  FROM resolved WHERE reason IS NULL GROUP BY tenant_id) AS r
          JOIN (SELECT tenant_id, billing.merkle_agg(billing.leaf_hash(billing.leaf_canon('count', day, account_id, meter_id, dimensions, aggregation,
                                                                                          quantity, events, latest_at))
                                                     ORDER BY day, account_id, meter_id, billing.canonical_json(dimensions) COLLATE "C") AS counts_digest
                  FROM increment GROUP BY tenant_id) AS c ON c.tenant_id = r.tenant_id
          LEFT JOIN billing.count_sync_checkpoints h ON h.tenant_id = r.tenant_id
         ORDER BY r.tenant_id) AS n
RETURNING tenant_id, sequence, window_no, self_hash
), head AS (
INSERT INTO billing.count_sync_checkpoints (tenant_id, sequence, window_no, self_hash, updated_at)
SELECT tenant_id, sequence, window_no, self_hash, $7 FROM link
ON CONFLICT (tenant_id) DO UPDATE
   SET sequence = excluded.sequence, window_no = excluded.window_no, self_hash = excluded.self_hash, updated_at = excluded.updated_at
)
INSERT INTO billing.count_windows (window_no, incarnation, snapshot, rows_counted, rows_set_aside, synced_at)
SELECT $1, $6, $2, t.counted, t.set_aside, $7
  FROM (SELECT count(*) FILTER (WHERE reason IS NULL) AS counted, count(*) FILTER (WHERE reason IS NOT NULL AND NOT was_set_aside) AS set_aside FROM resolved) AS t
 WHERE t.counted + t.set_aside > 0
RETURNING rows_counted, rows_set_aside
