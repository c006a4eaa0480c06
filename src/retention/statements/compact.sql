-- Follows usage_windows: keeps of the usage of the days $4 (inclusive) to $5 (exclusive), a month, what its windows' roots need and what
-- they added to the daily counts. $1 is NULL; $2 and $3 the first and last day of the windows that counted some of it.
, kept AS ( -- of months dropped before: what stands before the rows and counts that are still there
SELECT p.tenant_id, p.window_no, sum(p.usage_rows)::bigint AS usage_rows,
       coalesce(sum(p.counts) FILTER (WHERE p.month < t.dropped_before), 0)::bigint AS counts
  FROM billing.usage_window_parts p
 CROSS JOIN (SELECT dropped_before FROM billing.partitioned_tables WHERE table_name = 'usage_window_counts') AS t
 GROUP BY p.tenant_id, p.window_no
), placed_row AS (
SELECT u.*, coalesce(k.usage_rows, 0) - 1 + row_number() OVER (PARTITION BY u.tenant_id, u.counted_in
                                                                ORDER BY u.occurred_at, u.meter_id, u.event_id) AS place
  FROM usage u
  LEFT JOIN kept k ON k.tenant_id = u.tenant_id AND k.window_no = u.counted_in
 WHERE u.counted_in IS NOT NULL AND u.usage_day < $5
), row_part AS (
SELECT r.tenant_id, r.counted_in AS window_no, min(r.usage_day) AS first_day, max(r.usage_day) AS last_day, min(r.place) AS first_row, count(*) AS usage_rows,
       billing.merkle_range(r.place, billing.usage_leaf(r.meter_id, r.event_id, r.account_id, r.occurred_at, r.quantity, r.dimensions, r.corrects_event_id)
                            ORDER BY r.place) AS rows_range
  FROM placed_row r
 WHERE r.usage_day >= $4
 GROUP BY r.tenant_id, r.counted_in
), placed_count AS (
SELECT i.*, coalesce(k.counts, 0) - 1 + row_number() OVER (PARTITION BY i.tenant_id, i.window_no
                                                            ORDER BY i.day, i.account_id, i.meter_id, billing.canonical_json(i.dimensions) COLLATE "C") AS place
  FROM increment i
  LEFT JOIN kept k ON k.tenant_id = i.tenant_id AND k.window_no = i.window_no
 WHERE i.day < $5
), count_part AS (
SELECT c.tenant_id, c.window_no, count(*) AS counts,
       billing.merkle_range(c.place, billing.leaf_hash(billing.leaf_canon('count', c.day, c.account_id, c.meter_id, c.dimensions, c.aggregation, c.quantity,
                                                                          c.events, c.latest_at)) ORDER BY c.place) AS counts_range
  FROM placed_count c
 WHERE c.day >= $4
 GROUP BY c.tenant_id, c.window_no
), kept_counts AS (
INSERT INTO billing.usage_window_counts (day, tenant_id, window_no, account_id, meter_id, dimensions, aggregation, quantity, events, latest_at)
SELECT c.day, c.tenant_id, c.window_no, c.account_id, c.meter_id, c.dimensions, c.aggregation, c.quantity, c.events, c.latest_at
  FROM placed_count c
 WHERE c.day >= $4
 ORDER BY c.day, c.tenant_id, c.window_no, c.account_id, c.meter_id, c.dimensions
)
INSERT INTO billing.usage_window_parts (tenant_id, window_no, month, first_day, last_day, first_row, usage_rows, rows_range, counts, counts_range)
SELECT r.tenant_id, r.window_no, $4, r.first_day, r.last_day, r.first_row, r.usage_rows, r.rows_range, c.counts, c.counts_range
  FROM row_part r
  JOIN count_part c USING (tenant_id, window_no)
 ORDER BY r.tenant_id, r.window_no
