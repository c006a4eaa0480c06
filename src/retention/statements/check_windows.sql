-- Follows usage_windows and window_roots, when the month $4 is gone: the windows that had some of it, and daily counts of it that are still
-- there, which do not come out as they were. $1 is NULL, $2 and $3 the first and last day of those windows. One row: their number, and one.
, difference AS (
SELECT format('window %s of tenant "%s"', e.window_no, e.tenant_id) AS what
  FROM billing.count_sync_checkpoint_events e
  JOIN part p ON p.tenant_id = e.tenant_id AND p.window_no = e.window_no AND p.month = $4
  LEFT JOIN replayed r ON r.tenant_id = e.tenant_id AND r.window_no = e.window_no
  LEFT JOIN recounted_window i ON i.tenant_id = e.tenant_id AND i.window_no = e.window_no
 WHERE (r.rows_processed, r.digest, r.first_day, r.last_day, i.counts_digest) IS DISTINCT FROM (e.rows_processed, e.digest, e.first_day, e.last_day, e.counts_digest)
UNION ALL
SELECT format('daily count of %s of tenant "%s"', coalesce(d.day, c.day), coalesce(d.tenant_id, c.tenant_id))
  FROM (SELECT * FROM billing.daily_counts WHERE day >= $4 AND day < ($4 + interval '1 month')::date) AS d
  FULL JOIN (SELECT day, tenant_id, account_id, meter_id, dimensions, sum(events) AS events,
                    CASE aggregation WHEN 'max' THEN max(quantity) WHEN 'latest' THEN (array_agg(quantity ORDER BY latest_at DESC, window_no DESC))[1]
                         ELSE sum(quantity) END AS quantity
               FROM billing.usage_window_counts
              WHERE day >= $4 AND day < ($4 + interval '1 month')::date
              GROUP BY day, tenant_id, account_id, meter_id, dimensions, aggregation) AS c USING (day, tenant_id, account_id, meter_id, dimensions)
 WHERE (d.quantity, d.events) IS DISTINCT FROM (c.quantity, c.events)
)
SELECT count(*), min(what) FROM difference
