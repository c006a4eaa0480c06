-- The first seal up to $2 whose snapshot sees transaction $1: seal_no, and whether it does. What one snapshot sees, later ones see.
WITH RECURSIVE search (low, high) AS (
    SELECT 1::bigint, $2
    UNION ALL
    SELECT CASE WHEN p.is_seen THEN p.low ELSE p.middle + 1 END, CASE WHEN p.is_seen THEN p.middle ELSE p.high END
      FROM (SELECT s.low, s.high, m.middle, pg_visible_in_snapshot($1, c.snapshot) AS is_seen
              FROM search s
             CROSS JOIN LATERAL (SELECT (s.low + s.high) / 2 AS middle) AS m
              JOIN billing.checkpoints c ON c.seal_no = m.middle
             WHERE s.low < s.high) AS p
)
SELECT s.low, pg_visible_in_snapshot($1, c.snapshot)
  FROM search s
  JOIN billing.checkpoints c ON c.seal_no = s.low
 WHERE s.low = s.high
