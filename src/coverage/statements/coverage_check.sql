-- The first coverage event that cannot be recorded as given. $1 tenants, $2 devices, $3 event ids, $4 types, $5 plans, $6 from, $7 to.
-- One row, or none: index from 0, sqlstate, message, detail, hint.
WITH given AS (
SELECT g.*, d.device_id, e.first_day,
       CASE WHEN isfinite(g.starts) AND isfinite(coalesce(g.ends, g.starts)) THEN billing.coverage_event_hash(g.tenant, g.event_id, d.device_id, g.event_type, g.plan, g.starts, g.ends) END AS row_hash
  FROM unnest($1, $2, $3, $4, $5, $6, $7) WITH ORDINALITY AS g (tenant, device, event_id, event_type, plan, starts, ends, n)
  LEFT JOIN billing.devices d ON d.tenant_id = g.tenant AND d.device_key = g.device
  LEFT JOIN LATERAL (SELECT greatest(g.starts, min(r.enrolled_from)) AS first_day FROM billing.enrollments r
                      WHERE r.tenant_id = d.tenant_id AND r.device_id = d.device_id HAVING count(*) > 0) AS e ON true
), problem AS (
SELECT g.n, CASE WHEN btrim(g.event_id) = '' OR length(g.event_id) > 255 THEN ARRAY['MB400', 'event_id must have 1 to 255 characters, not all blank']
                 WHEN g.event_type NOT IN ('cover', 'uncover', 'change_plan')
                 THEN ARRAY['MB482', format('coverage event "%s" is of no known type: "%s"', g.event_id, g.event_type), 'Types are cover, uncover and change_plan.']
                 WHEN btrim(g.plan) = '' OR length(g.plan) > 200 THEN ARRAY['MB400', 'plan must have 1 to 200 characters, not all blank']
                 WHEN g.event_type = 'change_plan' AND g.plan IS NULL THEN ARRAY['MB482', format('coverage event "%s" names no plan to change to', g.event_id)]
                 WHEN g.event_type = 'uncover' AND g.plan IS NOT NULL THEN ARRAY['MB482', format('coverage event "%s" uncovers and names a plan', g.event_id)]
                 WHEN NOT (g.starts BETWEEN '0001-01-01' AND '9999-12-31' AND coalesce(g.ends, '9999-12-31') <= '9999-12-31' AND coalesce(g.ends > g.starts, true))
                 THEN ARRAY['MB417', format('coverage event "%s" cannot be effective from %s to %s', g.event_id, g.starts, coalesce(g.ends::text, 'open'))]
                 WHEN g.device_id IS NULL THEN ARRAY['MB480', format('unknown device "%s" of tenant "%s"', g.device, g.tenant)]
                 WHEN g.row_hash <> coalesce(i.row_hash, first_value(g.row_hash) OVER (PARTITION BY g.tenant, g.event_id ORDER BY g.n))
                 THEN ARRAY['MB409', format('coverage event "%s" was recorded with other content', g.event_id)]
                 WHEN i.event_id IS NULL AND g.first_day < (SELECT billing.coverage_floor())
                 THEN billing.coverage_refusal(g.first_day) END AS said
  FROM given g
  LEFT JOIN billing.coverage_event_ids i ON i.tenant_id = g.tenant AND i.event_id = g.event_id
)
SELECT n - 1, said[1], said[2], said[3], said[4] FROM problem WHERE said IS NOT NULL ORDER BY n LIMIT 1
