-- Registers devices, and enrolls those that say from when. Parameters as in register_check.sql. Returns how many devices are new.
WITH given AS (
SELECT DISTINCT tenant, device, coalesce(device_type, 'device') AS device_type, decode(attestation, 'hex') AS attestation_hash,
       coalesce(account, 'main') AS account, plan, starts, ends, billing.derive_id('device', tenant, device) AS device_id
  FROM unnest($1, $2, $3, $4, $5, $6, $7, $8) AS g (tenant, device, device_type, attestation, account, plan, starts, ends)
), device AS (
INSERT INTO billing.devices (tenant_id, device_id, account_id, device_key, device_type, attestation_hash)
SELECT tenant, device_id, account, device, device_type, attestation_hash FROM given ORDER BY tenant, device_id
ON CONFLICT DO NOTHING
RETURNING 1
), enrollment AS (
INSERT INTO billing.enrollments (tenant_id, device_id, event_id, account_id, plan, enrolled_from, enrolled_to)
SELECT tenant, device_id, 'register/' || device, account, plan, starts, ends FROM given WHERE starts IS NOT NULL ORDER BY tenant, device_id
ON CONFLICT DO NOTHING
)
SELECT count(*) FROM device
