-- Follows events_one.sql: one row when the event is recorded with the same content and no correction; see diagnose.sql.
SELECT
  FROM events e
  JOIN billing.usage_records u ON u.usage_day = e.usage_day AND u.tenant_id = e.tenant_id AND u.meter_id = e.meter_id AND u.event_id = e.event_id
   AND u.occurred_at >= e.day_start AND u.occurred_at < e.day_end
 WHERE e.corrects_event_id IS NULL AND u.corrects_event_id IS NULL AND u.occurred_at = coalesce(e.given_at, u.occurred_at)
   AND (u.account_id, u.quantity, u.dimensions) = (e.account_id, e.quantity, e.dimensions)
