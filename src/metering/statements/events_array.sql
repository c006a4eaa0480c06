-- The events of a batch, with their index from 0; what was not given gets its default, except the quantity.
-- Arrays of one length, or null: $1 tenant_id, $2 meter_id, $3 event_id, $4 account_id, $5 occurred_at, $6 quantity,
-- $7 dimensions, $8 attribution, $9 correlation_id, $10 corrects_event_id.
WITH events AS (
SELECT e.ordinal - 1 AS index, e.tenant_id COLLATE "C" AS tenant_id, e.meter_id COLLATE "C" AS meter_id, e.event_id COLLATE "C" AS event_id,
       coalesce(e.account_id, 'main') COLLATE "C" AS account_id, coalesce(e.occurred_at, now()) AS occurred_at, e.occurred_at AS given_at,
       (coalesce(e.occurred_at, now()) AT TIME ZONE 'UTC')::date AS usage_day, e.quantity,
       coalesce(e.dimensions, '{}') AS dimensions, e.attribution, e.correlation_id, e.corrects_event_id COLLATE "C" AS corrects_event_id
  FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) WITH ORDINALITY
       AS e (tenant_id, meter_id, event_id, account_id, occurred_at, quantity, dimensions, attribution, correlation_id, corrects_event_id, ordinal)
)
