-- Which windows of a tenant an invoice draws on: first and last sequence, first and last day. $1 tenant, $2 the last window_no that was rated,
-- $3 and $4 first and last day of the lines' periods (arrays, one element a line). No row when there is none.
SELECT s.first_sequence, s.last_sequence, min(w.first_day), max(w.last_day)
  FROM (SELECT min(e.sequence) FILTER (WHERE EXISTS (SELECT FROM unnest($3, $4) AS p (first_day, last_day)
                                                      WHERE e.first_day <= p.last_day AND e.last_day >= p.first_day)) AS first_sequence,
               max(e.sequence) AS last_sequence
          FROM billing.count_sync_checkpoint_events e
         WHERE e.tenant_id = $1 AND e.window_no <= $2) AS s
  JOIN billing.count_sync_checkpoint_events w ON w.tenant_id = $1 AND w.sequence BETWEEN s.first_sequence AND s.last_sequence
 GROUP BY s.first_sequence, s.last_sequence
