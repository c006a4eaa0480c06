-- One event, as events_array.sql gives many: single values in the same order, with $5 occurred_at never null,
-- $11 the occurred_at that was given, or null, $12 usage_day.
WITH events AS (
SELECT $1 COLLATE "C" AS tenant_id, $2 COLLATE "C" AS meter_id, $3 COLLATE "C" AS event_id, $4 COLLATE "C" AS account_id,
       $5 AS occurred_at, $11 AS given_at, $12 AS usage_day,
       r.day::timestamp AT TIME ZONE 'UTC' AS day_start, (r.day + 1)::timestamp AT TIME ZONE 'UTC' AS day_end, $6 AS quantity,
       $7 AS dimensions, $8 AS attribution, $9 AS correlation_id, $10 COLLATE "C" AS corrects_event_id
  FROM (SELECT greatest(least($12, '9999-12-30'), '0001-01-01')) AS r (day)
)
