-- The edges of the next count window. One row: window_no, snapshot (its upper edge), from_xid and to_xid (ids that began after the
-- window before and before this one ended), waiting (ids that were still running at the end of the window before), incarnation.
-- A transaction's own id is not in its own snapshot's list of running ones, as if it had been committed; it is added, because
-- rows this transaction writes later are not in this window.
WITH last AS (
SELECT window_no, snapshot FROM billing.count_windows ORDER BY window_no DESC LIMIT 1
), this AS (
SELECT billing.log_snapshot() AS snapshot, billing.log_xid() AS own
), edge AS (
SELECT CASE WHEN own >= pg_snapshot_xmax(snapshot) THEN snapshot
            ELSE format('%s:%s:%s', least(own, pg_snapshot_xmin(snapshot)), pg_snapshot_xmax(snapshot),
                        (SELECT string_agg(running::text, ',' ORDER BY running)
                           FROM (SELECT own UNION SELECT pg_snapshot_xip(snapshot)) AS r (running)))::pg_snapshot
       END AS snapshot
  FROM this
)
SELECT coalesce(last.window_no, 0) + 1, edge.snapshot, coalesce(pg_snapshot_xmax(last.snapshot), '0'), pg_snapshot_xmax(edge.snapshot),
       ARRAY(SELECT pg_snapshot_xip(last.snapshot)), billing.current_incarnation()
  FROM edge
  LEFT JOIN last ON true
