-- The last block of a segment that begins at or before a row; no row of the result when none does. $1 first and $2 last
-- block that begins in the segment, $3 log_xid and $4 key of the row. The key's columns are filled in.
WITH RECURSIVE search (low, high) AS (
    SELECT $1 - 1, $2
    UNION ALL
    SELECT CASE WHEN p.is_before THEN p.middle ELSE p.low END, CASE WHEN p.is_before THEN p.high ELSE p.middle - 1 END
      FROM (SELECT s.low, s.high, m.middle, (b.first_xid, @first_key@) <= ($3, @key@) AS is_before
              FROM search s
             CROSS JOIN LATERAL (SELECT (s.low + s.high + 1) / 2 AS middle) AS m
              JOIN billing.log_blocks b ON b.block_no = m.middle
             WHERE s.low < s.high) AS p
)
SELECT s.low
  FROM search s
 WHERE s.low = s.high AND s.low >= $1
