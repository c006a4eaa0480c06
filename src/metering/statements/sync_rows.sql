-- The rows of a count window in any order: those that became visible, and those set aside before. $1 snapshot, $2 from_xid, $3 to_xid,
-- $4 waiting, as sync_edges.sql gave them. The last column: whether the event to correct is not there.
SELECT c.tenant_id, c.meter_id, c.event_id, c.account_id, c.occurred_at, c.usage_day, c.quantity, c.dimensions, c.attribution, c.corrects_event_id, c.was_set_aside,
       CASE WHEN c.corrects_event_id IS NULL THEN false ELSE NOT EXISTS (
            SELECT FROM billing.usage_records o
             WHERE o.usage_day = c.usage_day AND o.tenant_id = c.tenant_id AND o.meter_id = c.meter_id AND o.event_id = c.corrects_event_id
               AND o.occurred_at >= c.usage_day::timestamp AT TIME ZONE 'UTC' AND o.occurred_at < (c.usage_day + 1)::timestamp AT TIME ZONE 'UTC') END
  FROM (SELECT u.*, false AS was_set_aside
          FROM billing.usage_records u
         WHERE (u.log_xid >= $2 AND u.log_xid < $3 OR u.log_xid = ANY ($4)) AND pg_visible_in_snapshot(u.log_xid, $1)
        UNION ALL
        SELECT u.*, true
          FROM billing.usage_set_aside s
         CROSS JOIN LATERAL ( -- one index probe each, in the day's partition only, however many rows the table has
               SELECT * FROM billing.usage_records u
                WHERE u.usage_day = s.usage_day AND u.tenant_id = s.tenant_id AND u.meter_id = s.meter_id AND u.event_id = s.event_id
                  AND u.occurred_at >= s.usage_day::timestamp AT TIME ZONE 'UTC' AND u.occurred_at < (s.usage_day + 1)::timestamp AT TIME ZONE 'UTC'
               OFFSET 0) AS u
         WHERE s.counted_in IS NULL) AS c
