-- The first device that cannot be registered as given. $1 tenants, $2 devices, $3 types, $4 attestations, $5 accounts, $6 plans,
-- $7 enrolled from, $8 enrolled to. One row, or none: index from 0, sqlstate, message, detail, hint.
WITH given AS (
SELECT n, tenant, device, coalesce(device_type, 'device') AS device_type, attestation, coalesce(account, 'main') AS account, plan, starts, ends
  FROM unnest($1, $2, $3, $4, $5, $6, $7, $8) WITH ORDINALITY AS g (tenant, device, device_type, attestation, account, plan, starts, ends, n)
), found AS (
SELECT g.*, a.account_id IS NOT NULL AS is_known, d.device_id, e.event_id IS NOT NULL AS is_enrolled,
       (d.device_type, encode(d.attestation_hash, 'hex'), d.account_id) IS DISTINCT FROM (g.device_type, lower(g.attestation), g.account) AS device_differs,
       g.starts IS NOT NULL AND e.event_id IS NOT NULL
       AND (e.account_id, e.plan, e.enrolled_from, e.enrolled_to) IS DISTINCT FROM (g.account, g.plan, g.starts, g.ends) AS enrollment_differs,
       (g.device_type, lower(g.attestation), g.account, g.plan, g.starts, g.ends) IS DISTINCT FROM
       (first_value(g.device_type) OVER twin, lower(first_value(g.attestation) OVER twin), first_value(g.account) OVER twin,
        first_value(g.plan) OVER twin, first_value(g.starts) OVER twin, first_value(g.ends) OVER twin) AS twin_differs
  FROM given g
  LEFT JOIN billing.accounts a ON a.tenant_id = g.tenant AND a.account_id = g.account
  LEFT JOIN billing.devices d ON d.tenant_id = g.tenant AND d.device_key = g.device
  LEFT JOIN billing.enrollments e ON e.tenant_id = g.tenant AND e.event_id = 'register/' || g.device
WINDOW twin AS (PARTITION BY g.tenant, g.device ORDER BY g.n)
), problem AS (
SELECT f.n, CASE WHEN f.device IS NULL OR btrim(f.device) = '' OR length(f.device) > 200 THEN ARRAY['MB400', 'device must have 1 to 200 characters, not all blank']
                 WHEN btrim(f.device_type) = '' OR length(f.device_type) > 200 THEN ARRAY['MB400', 'device_type must have 1 to 200 characters, not all blank']
                 WHEN btrim(f.plan) = '' OR length(f.plan) > 200 THEN ARRAY['MB400', 'plan must have 1 to 200 characters, not all blank']
                 WHEN f.attestation !~* '^[0-9a-f]{64}$' THEN ARRAY['MB400', 'attestation must be a SHA-256 in hex']
                 WHEN NOT f.is_known THEN ARRAY['MB440', format('unknown account "%s" of tenant "%s"', f.account, f.tenant)]
                 WHEN f.starts IS NULL AND (f.ends IS NOT NULL OR f.plan IS NOT NULL) THEN ARRAY['MB400', 'an enrollment needs the day it begins']
                 WHEN NOT (f.starts BETWEEN '0001-01-01' AND '9999-12-31' AND coalesce(f.ends, '9999-12-31') <= '9999-12-31' AND coalesce(f.ends > f.starts, true))
                 THEN ARRAY['MB417', format('device "%s" cannot be enrolled from %s to %s', f.device, f.starts, coalesce(f.ends::text, 'open'))]
                 WHEN f.device_id IS NOT NULL AND f.device_differs OR f.enrollment_differs OR f.twin_differs
                 THEN ARRAY['MB409', format('device "%s" was registered with other content', f.device), NULL, 'Enroll it elsewhere with billing.enroll_device().']
                 WHEN NOT f.is_enrolled AND f.starts < (SELECT billing.coverage_floor())
                 THEN billing.coverage_refusal(f.starts) END AS said
  FROM found f
)
SELECT n - 1, said[1], said[2], said[3], said[4] FROM problem WHERE said IS NOT NULL ORDER BY n LIMIT 1
