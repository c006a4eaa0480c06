-- The first enrollment that cannot be recorded as given. $1 tenants, $2 devices, $3 event ids, $4 actions (enroll or withdraw),
-- $5 accounts, $6 plans, $7 from, $8 to. One row, or none: index from 0, sqlstate, message, detail, hint.
WITH given AS (
SELECT g.*, d.device_id, CASE WHEN g.action = 'enroll' THEN coalesce(g.account, d.account_id) END AS account_id
  FROM unnest($1, $2, $3, $4, $5, $6, $7, $8) WITH ORDINALITY AS g (tenant, device, event_id, action, account, plan, starts, ends, n)
  LEFT JOIN billing.devices d ON d.tenant_id = g.tenant AND d.device_key = g.device
), problem AS (
SELECT g.n, CASE WHEN btrim(g.event_id) = '' OR length(g.event_id) > 255 THEN ARRAY['MB400', 'event_id must have 1 to 255 characters, not all blank']
                 WHEN btrim(g.plan) = '' OR length(g.plan) > 200 THEN ARRAY['MB400', 'plan must have 1 to 200 characters, not all blank']
                 WHEN g.device_id IS NULL THEN ARRAY['MB480', format('unknown device "%s" of tenant "%s"', g.device, g.tenant)]
                 WHEN g.action = 'enroll' AND a.account_id IS NULL THEN ARRAY['MB440', format('unknown account "%s" of tenant "%s"', g.account_id, g.tenant)]
                 WHEN NOT (g.starts BETWEEN '0001-01-01' AND '9999-12-31' AND coalesce(g.ends, '9999-12-31') <= '9999-12-31' AND coalesce(g.ends > g.starts, true))
                 THEN ARRAY['MB417', format('device "%s" cannot be enrolled from %s to %s', g.device, g.starts, coalesce(g.ends::text, 'open'))]
                 WHEN e.event_id IS NOT NULL AND (e.device_id, e.account_id, e.plan, e.enrolled_from, e.enrolled_to)
                      IS DISTINCT FROM (g.device_id, g.account_id, g.plan, g.starts, g.ends)
                 THEN ARRAY['MB409', format('enrollment "%s" was recorded with other content', g.event_id)]
                 WHEN e.event_id IS NULL AND g.starts < (SELECT billing.coverage_floor())
                 THEN billing.coverage_refusal(g.starts) END AS said
  FROM given g
  LEFT JOIN billing.accounts a ON a.tenant_id = g.tenant AND a.account_id = g.account_id
  LEFT JOIN billing.enrollments e ON e.tenant_id = g.tenant AND e.event_id = g.event_id
)
SELECT n - 1, said[1], said[2], said[3], said[4] FROM problem WHERE said IS NOT NULL ORDER BY n LIMIT 1
