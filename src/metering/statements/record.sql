-- Follows events_*.sql: writes those events that can be recorded and are new, in the order of the unique index, so that
-- it is written at its right edge. Who has a subscription has an account. What is left out, diagnose.sql explains.
INSERT INTO billing.usage_records (tenant_id, meter_id, event_id, account_id, occurred_at, quantity,
                                   dimensions, attribution, correlation_id, corrects_event_id)
SELECT e.tenant_id, e.meter_id, e.event_id, e.account_id, e.occurred_at, e.quantity,
       e.dimensions, e.attribution, e.correlation_id, e.corrects_event_id
  FROM events e
  JOIN billing.meters m ON m.meter_id = e.meter_id
 WHERE billing.usage_card(e.tenant_id, e.meter_id, e.event_id, e.account_id, e.quantity, e.dimensions, e.attribution, e.correlation_id, e.corrects_event_id) IS NULL
   AND billing.usage_problem(e.event_id, e.quantity, e.dimensions, e.attribution, e.corrects_event_id, m.aggregation, m.dimensions) IS NULL
   AND EXISTS (SELECT FROM billing.subscriptions s
                WHERE s.tenant_id = e.tenant_id AND s.account_id = e.account_id AND s.starts <= e.usage_day AND (s.ends IS NULL OR s.ends > e.usage_day))
   AND billing.has_usage_partition(e.occurred_at)
 ORDER BY e.usage_day, e.tenant_id, e.meter_id, e.event_id
ON CONFLICT DO NOTHING
