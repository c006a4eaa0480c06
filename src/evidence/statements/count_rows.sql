-- The rows of a kind's table beside what was sealed of it, in one snapshot. $1 is the last seal and $2 its snapshot (NULL when there is none),
-- $3 the running cluster's system identifier; the kind and its table are filled in. One row: rows that the last seal saw, rows sealed
-- until then, rows under an id that was not given out yet. Who wrote a row that others see has ended, so its id is below the snapshot's
-- xmax; in another cluster than the data names no such bound is known.
WITH here AS (
    SELECT CASE WHEN i.system_identifier = $3 THEN (pg_snapshot_xmax(pg_current_snapshot())::text::numeric + i.xid_offset)::text::xid8 END AS unused,
           (pg_current_xact_id_if_assigned()::text::numeric + i.xid_offset)::text::xid8 AS own
      FROM ONLY billing.incarnations i
     ORDER BY i.incarnation DESC LIMIT 1
)
SELECT count(*) FILTER (WHERE pg_visible_in_snapshot(t.log_xid, $2)),
       (SELECT coalesce(sum(s.leaves), 0)::bigint FROM ONLY billing.log_segments s WHERE s.kind = '@kind@' AND s.seal_no <= $1),
       count(*) FILTER (WHERE t.log_xid >= (SELECT h.unused FROM here h) AND t.log_xid IS DISTINCT FROM (SELECT h.own FROM here h))
  @table@
