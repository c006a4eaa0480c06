-- The edges of the next window of coverage. $1 the last day to be synced. One row: window_no, snapshot (its upper edge), from_xid and
-- to_xid (ids that began after the window before and before this one ended), waiting (ids that were still running at the end of the
-- window before), incarnation, last_through (NULL for the first), through (never before the last).
WITH last AS (
SELECT window_no, snapshot, through FROM billing.coverage_windows ORDER BY window_no DESC LIMIT 1
), edge AS (
SELECT billing.window_edge() AS snapshot
)
SELECT coalesce(last.window_no, 0) + 1, edge.snapshot, coalesce(pg_snapshot_xmax(last.snapshot), '0'), pg_snapshot_xmax(edge.snapshot),
       ARRAY(SELECT pg_snapshot_xip(last.snapshot)), billing.current_incarnation(), last.through, greatest(last.through, $1)
  FROM edge
  LEFT JOIN last ON true
