-- The first coverage event that cannot be recorded as given. $1 tenants, $2 devices, $3 event ids, $4 types, $5 plans, $6 from, $7 to.
-- One row, or none: index from 0, sqlstate, message, detail, hint.
WITH given AS (
SELECT g.*, d.device_id, billing.coverage_event_hash(g.tenant, g.event_id, d.device_id, g.event_type, g.plan, g.starts, g.ends) AS row_hash
  FROM unnest($1, $2, $3, $4, $5, $6, $7) WITH ORDINALITY AS g (tenant, device, event_id, event_type, plan, starts, ends, n)
  LEFT JOIN billing.devices d ON d.tenant_id = g.tenant AND d.device_key = g.device
), problem AS (
SELECT g.n, CASE WHEN btrim(g.event_id) = '' OR length(g.event_id) > 255 THEN 'MB400|event_id must have 1 to 255 characters, not all blank'
                 WHEN g.event_type NOT IN ('cover', 'uncover', 'change_plan')
                 THEN format('MB472|coverage event "%s" is of no known type: "%s"|Types are cover, uncover and change_plan.', g.event_id, g.event_type)
                 WHEN btrim(g.plan) = '' OR length(g.plan) > 200 THEN 'MB400|plan must have 1 to 200 characters, not all blank'
                 WHEN g.event_type = 'change_plan' AND g.plan IS NULL THEN format('MB472|coverage event "%s" names no plan to change to', g.event_id)
                 WHEN g.event_type = 'uncover' AND g.plan IS NOT NULL THEN format('MB472|coverage event "%s" uncovers and names a plan', g.event_id)
                 WHEN NOT (g.starts BETWEEN '0001-01-01' AND '9999-12-31' AND coalesce(g.ends, '9999-12-31') <= '9999-12-31' AND coalesce(g.ends > g.starts, true))
                 THEN format('MB417|coverage event "%s" cannot be effective from %s to %s', g.event_id, g.starts, coalesce(g.ends::text, 'open'))
                 WHEN g.device_id IS NULL THEN format('MB470|unknown device "%s" of tenant "%s"', g.device, g.tenant)
                 WHEN g.row_hash <> coalesce(i.row_hash, first_value(g.row_hash) OVER (PARTITION BY g.tenant, g.event_id ORDER BY g.n))
                 THEN format('MB409|coverage event "%s" was recorded with other content', g.event_id) END AS text
  FROM given g
  LEFT JOIN billing.coverage_event_ids i ON i.tenant_id = g.tenant AND i.event_id = g.event_id
)
SELECT n - 1, left(text, 5), split_part(substr(text, 7), '|', 1), nullif(split_part(substr(text, 7), '|', 2), ''), NULL
  FROM problem WHERE text IS NOT NULL ORDER BY n LIMIT 1
