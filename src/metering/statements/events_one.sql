-- One event, as events_array.sql gives many: parameters are single values in the same order.
WITH events AS (
SELECT $1 COLLATE "C" AS tenant_id, $2 COLLATE "C" AS meter_id, $3 COLLATE "C" AS event_id,
       coalesce($4, 'main') COLLATE "C" AS account_id, coalesce($5, now()) AS occurred_at,
       (coalesce($5, now()) AT TIME ZONE 'UTC')::date AS usage_day, $6 AS quantity,
       coalesce($7, '{}') AS dimensions, $8 AS attribution, $9 AS correlation_id, $10 COLLATE "C" AS corrects_event_id
)
