-- The usage rows of a tenant and the window that counted each: the common head of the replay and of evidence, ends with usage
-- and increment. Months that retention dropped have no rows, but increments all the same, until their counts are dropped too.
-- $1 the tenant, or NULL for all; $2, $3 the first and last UTC day, or NULL for all. The window follows from the transaction id and the
-- stored snapshots alone.
WITH row_xid AS (
SELECT DISTINCT u.log_xid FROM billing.usage_records u
 WHERE ($1 IS NULL OR u.tenant_id = $1) AND ($2 IS NULL OR u.occurred_at >= $2::timestamp AT TIME ZONE 'UTC')
   AND ($3 IS NULL OR u.occurred_at < ($3 + 1)::timestamp AT TIME ZONE 'UTC')
), placed AS ( -- the first window that ended after the id was given out; in its order by id, a window's own end comes after an equal id
SELECT log_xid, min(window_no) OVER (ORDER BY at DESC, is_window ROWS UNBOUNDED PRECEDING) AS window_no, is_window
  FROM (SELECT log_xid AS at, log_xid, NULL::bigint AS window_no, false AS is_window FROM row_xid
        UNION ALL
        SELECT pg_snapshot_xmax(w.snapshot), NULL, w.window_no, true FROM billing.count_windows w) AS p
), member AS ( -- the first window whose snapshot sees it
SELECT p.log_xid, CASE WHEN pg_visible_in_snapshot(p.log_xid, w.snapshot) THEN p.window_no
                       ELSE (SELECT l.window_no FROM billing.count_windows l
                              WHERE l.window_no > p.window_no AND pg_visible_in_snapshot(p.log_xid, l.snapshot) ORDER BY l.window_no LIMIT 1)
                  END AS window_no
  FROM placed p
  LEFT JOIN billing.count_windows w ON w.window_no = p.window_no
 WHERE NOT p.is_window
), usage AS MATERIALIZED (
SELECT u.*, m.window_no, s.window_no AS set_aside_in, CASE WHEN s.event_id IS NULL THEN m.window_no ELSE s.counted_in END AS counted_in
  FROM billing.usage_records u
  JOIN member m ON m.log_xid = u.log_xid
  LEFT JOIN billing.usage_set_aside s ON s.usage_day = u.usage_day AND s.tenant_id = u.tenant_id AND s.meter_id = u.meter_id AND s.event_id = u.event_id
 WHERE ($1 IS NULL OR u.tenant_id = $1) AND ($2 IS NULL OR u.occurred_at >= $2::timestamp AT TIME ZONE 'UTC')
   AND ($3 IS NULL OR u.occurred_at < ($3 + 1)::timestamp AT TIME ZONE 'UTC')
), increment AS ( -- what each window added to daily_counts
SELECT u.tenant_id, u.counted_in AS window_no, u.usage_day AS day, u.account_id, u.meter_id, u.dimensions, m.aggregation,
       CASE m.aggregation WHEN 'sum' THEN sum(u.quantity) WHEN 'count' THEN sum(billing.usage_events(u.quantity, u.corrects_event_id))
            WHEN 'max' THEN max(u.quantity) ELSE (array_agg(u.quantity ORDER BY u.occurred_at DESC, u.event_id DESC))[1] END AS quantity,
       count(*) AS events, max(u.occurred_at) AS latest_at
  FROM usage u
  JOIN billing.meters m ON m.meter_id = u.meter_id
 WHERE u.counted_in IS NOT NULL
 GROUP BY u.tenant_id, u.counted_in, u.usage_day, u.account_id, u.meter_id, u.dimensions, m.aggregation
UNION ALL
SELECT c.tenant_id, c.window_no, c.day, c.account_id, c.meter_id, c.dimensions, c.aggregation, c.quantity, c.events, c.latest_at
  FROM billing.usage_window_counts c
 WHERE ($1 IS NULL OR c.tenant_id = $1) AND ($2 IS NULL OR c.day >= $2) AND ($3 IS NULL OR c.day <= $3)
)
