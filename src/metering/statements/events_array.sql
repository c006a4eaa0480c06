-- The events of a batch, with their index from 0; what was not given gets its default, except the quantity.
-- Arrays of one length, or null: $1 tenant_id, $2 meter_id, $3 event_id, $4 account_id, $5 occurred_at, $6 quantity,
-- $7 dimensions, $8 attribution, $9 correlation_id, $10 corrects_event_id.
-- day_start and day_end let the executor look into one partition only; they are kept within the years that have days.
WITH events AS (
SELECT e.ordinal - 1 AS index, e.tenant_id COLLATE "C" AS tenant_id, e.meter_id COLLATE "C" AS meter_id, e.event_id COLLATE "C" AS event_id,
       coalesce(e.account_id, 'main') COLLATE "C" AS account_id, t.occurred_at, e.occurred_at AS given_at, d.usage_day,
       r.day::timestamp AT TIME ZONE 'UTC' AS day_start, (r.day + 1)::timestamp AT TIME ZONE 'UTC' AS day_end, e.quantity,
       coalesce(e.dimensions, '{}') AS dimensions, e.attribution, e.correlation_id, e.corrects_event_id COLLATE "C" AS corrects_event_id
  FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) WITH ORDINALITY
       AS e (tenant_id, meter_id, event_id, account_id, occurred_at, quantity, dimensions, attribution, correlation_id, corrects_event_id, ordinal)
 CROSS JOIN LATERAL (SELECT coalesce(e.occurred_at, now())) AS t (occurred_at)
 CROSS JOIN LATERAL (SELECT (t.occurred_at AT TIME ZONE 'UTC')::date) AS d (usage_day)
 CROSS JOIN LATERAL (SELECT greatest(least(d.usage_day, '9999-12-30'), '0001-01-01')) AS r (day)
)
