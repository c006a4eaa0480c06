-- One event, as events_array.sql gives many: parameters are single values in the same order.
WITH events AS (
SELECT $1 COLLATE "C" AS tenant_id, $2 COLLATE "C" AS meter_id, $3 COLLATE "C" AS event_id,
       coalesce($4, 'main') COLLATE "C" AS account_id, t.occurred_at, $5 AS given_at, d.usage_day,
       r.day::timestamp AT TIME ZONE 'UTC' AS day_start, (r.day + 1)::timestamp AT TIME ZONE 'UTC' AS day_end, $6 AS quantity,
       coalesce($7, '{}') AS dimensions, $8 AS attribution, $9 AS correlation_id, $10 COLLATE "C" AS corrects_event_id
  FROM (SELECT coalesce($5, now())) AS t (occurred_at)
 CROSS JOIN LATERAL (SELECT (t.occurred_at AT TIME ZONE 'UTC')::date) AS d (usage_day)
 CROSS JOIN LATERAL (SELECT greatest(least(d.usage_day, '9999-12-30'), '0001-01-01')) AS r (day)
)
