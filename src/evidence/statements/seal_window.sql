-- The window of a stored seal, or of the next. $1 seal_no, or NULL for the next, then $2 is its snapshot. One row: seal_no, snapshot,
-- waiting (ids that were running at the end of the window before and are visible now, ascending), from_xid, to_xid (ids from from_xid on
-- and below to_xid began in the window), frontier of the checkpoint before (NULL for the first).
SELECT s.seal_no, s.snapshot,
       ARRAY(SELECT x FROM pg_snapshot_xip(p.snapshot) AS x WHERE pg_visible_in_snapshot(x, s.snapshot) ORDER BY x),
       coalesce(pg_snapshot_xmax(p.snapshot), '0'), pg_snapshot_xmax(s.snapshot), p.frontier
  FROM (SELECT $1 AS seal_no, c.snapshot FROM billing.checkpoints c WHERE c.seal_no = $1
        UNION ALL
        SELECT coalesce((SELECT max(c.seal_no) FROM billing.checkpoints c), 0) + 1, $2 WHERE $1 IS NULL) AS s
  LEFT JOIN billing.checkpoints p ON p.seal_no = s.seal_no - 1
