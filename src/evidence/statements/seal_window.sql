-- The window of the stored seals from $1 to $2, or of the next when they are NULL, then $3 is its snapshot. One row: seal_no of the last, its
-- snapshot, waiting (ids that were running at the end of the window before and are visible now, ascending), from_xid, to_xid (ids from
-- from_xid on and below to_xid began in the window), frontier of the checkpoint before (NULL for the first).
SELECT s.seal_no, s.snapshot,
       ARRAY(SELECT x FROM pg_snapshot_xip(p.snapshot) AS x WHERE pg_visible_in_snapshot(x, s.snapshot) ORDER BY x),
       coalesce(pg_snapshot_xmax(p.snapshot), '0'), pg_snapshot_xmax(s.snapshot), p.frontier
  FROM (SELECT $1 AS first_no, c.seal_no, c.snapshot FROM billing.checkpoints c WHERE c.seal_no = $2
        UNION ALL
        SELECT n.seal_no, n.seal_no, $3 FROM (SELECT coalesce(max(c.seal_no), 0) + 1 AS seal_no FROM billing.checkpoints c) AS n WHERE $2 IS NULL) AS s
  LEFT JOIN billing.checkpoints p ON p.seal_no = s.first_no - 1
