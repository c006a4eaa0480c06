-- Enrolls devices, or takes them out. Parameters as in enroll_check.sql. Returns how many rows are new.
WITH new AS (
INSERT INTO billing.enrollments (tenant_id, device_id, event_id, account_id, plan, enrolled_from, enrolled_to)
SELECT g.tenant, d.device_id, g.event_id, CASE WHEN g.action = 'enroll' THEN coalesce(g.account, d.account_id) END, g.plan, g.starts, g.ends
  FROM unnest($1, $2, $3, $4, $5, $6, $7, $8) WITH ORDINALITY AS g (tenant, device, event_id, action, account, plan, starts, ends, n)
  JOIN billing.devices d ON d.tenant_id = g.tenant AND d.device_key = g.device
 ORDER BY g.n
ON CONFLICT DO NOTHING
RETURNING 1
)
SELECT count(*) FROM new
