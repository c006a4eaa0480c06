-- Daily counts up to the last committed event of one tenant ($3): the rollup, and what no window has taken yet.
(SELECT d.tenant_id, d.account_id, d.meter_id, d.day, d.dimensions, d.quantity, d.latest_at
   FROM billing.daily_counts d WHERE d.tenant_id = $3
 UNION ALL
 SELECT u.tenant_id, u.account_id, u.meter_id, u.usage_day, u.dimensions,
        CASE m.aggregation WHEN 'count' THEN billing.usage_events(u.quantity, u.corrects_event_id) ELSE u.quantity END, u.occurred_at
   FROM billing.usage_records u
   JOIN billing.meters m USING (meter_id)
   LEFT JOIN (SELECT snapshot FROM billing.count_windows ORDER BY window_no DESC LIMIT 1) AS w ON true
  WHERE u.tenant_id = $3
    AND (w.snapshot IS NULL
         OR (u.log_xid >= pg_snapshot_xmin(w.snapshot) AND NOT pg_visible_in_snapshot(u.log_xid, w.snapshot))))
