-- What billing.derive_coverage() is about. Goes before derive.sql. $1 first day, $2 first day after, $3 tenant or NULL.
WITH edge AS (
SELECT NULL::pg_snapshot AS snapshot
), affected AS (
SELECT d.tenant_id, d.device_id, $1::date AS starts, $2::date AS ends FROM billing.devices d WHERE $3 IS NULL OR d.tenant_id = $3
)
