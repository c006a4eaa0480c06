-- Follows usage_windows: the roots of each window, from what is there of its usage and counts and what is kept of the rest; ends with
-- replayed and recounted_window. $1 the tenant, or NULL for all. Windows with usage outside of the days $2 to $3 have other roots here.
, part AS ( -- of usage that retention dropped; closed_to: up to which day counts are gone too
SELECT p.*, t.closed_to
  FROM billing.usage_window_parts p
 CROSS JOIN (SELECT dropped_before AS closed_to FROM billing.partitioned_tables WHERE table_name = 'usage_window_counts') AS t
 WHERE $1 IS NULL OR p.tenant_id = $1
), replayed AS ( -- a part stands where its month begins: in its month there is no row
SELECT tenant_id, counted_in AS window_no, sum(usage_rows) AS rows_processed, min(first_day) AS first_day, max(last_day) AS last_day,
       billing.merkle_join(piece ORDER BY occurred_at, meter_id, event_id) AS digest
  FROM (SELECT tenant_id, counted_in, 1 AS usage_rows, usage_day AS first_day, usage_day AS last_day, occurred_at, meter_id, event_id,
               billing.usage_leaf(meter_id, event_id, account_id, occurred_at, quantity, dimensions, corrects_event_id) AS piece
          FROM usage WHERE counted_in IS NOT NULL
        UNION ALL
        SELECT tenant_id, window_no, usage_rows, first_day, last_day, month::timestamp AT TIME ZONE 'UTC', '', '', rows_range FROM part) AS r
 GROUP BY tenant_id, counted_in
), recounted_window AS (
SELECT tenant_id, window_no, billing.merkle_join(piece ORDER BY day, account_id, meter_id, dimensions) AS counts_digest
  FROM (SELECT tenant_id, window_no, day, account_id, meter_id, billing.canonical_json(dimensions) COLLATE "C" AS dimensions,
               billing.leaf_hash(billing.leaf_canon('count', day, account_id, meter_id, dimensions, aggregation, quantity, events, latest_at)) AS piece
          FROM increment
        UNION ALL
        SELECT tenant_id, window_no, month, '', '', '', counts_range FROM part WHERE month < closed_to) AS c
 GROUP BY tenant_id, window_no
)
