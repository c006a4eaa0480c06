-- The first claim that cannot be made as given. $1 tenants, $2 devices, $3 identity types, $4 identity values, $5 actors, $6 reasons,
-- $7 first days. One row, or none: index from 0, sqlstate, message, detail, hint.
WITH given AS (
SELECT g.*, d.device_id
  FROM unnest($1, $2, $3, $4, $5, $6, $7) WITH ORDINALITY AS g (tenant, device, identity_type, identity_value, actor, reason, claimed_on, n)
  LEFT JOIN billing.devices d ON d.tenant_id = g.tenant AND d.device_key = g.device
), problem AS (
SELECT g.n, CASE WHEN btrim(g.identity_type) = '' OR length(g.identity_type) > 200 THEN ARRAY['MB400', 'identity_type must have 1 to 200 characters, not all blank']
                 WHEN btrim(g.identity_value) = '' OR length(g.identity_value) > 200 THEN ARRAY['MB400', 'identity_value must have 1 to 200 characters, not all blank']
                 WHEN btrim(g.actor) = '' OR length(g.actor) > 200 THEN ARRAY['MB400', 'actor must have 1 to 200 characters, not all blank']
                 WHEN length(g.reason) > 1000 THEN ARRAY['MB400', 'reason must have at most 1000 characters']
                 WHEN NOT g.claimed_on BETWEEN '0001-01-01' AND '9999-12-31' THEN ARRAY['MB417', format('day %s is not a day of the years 1 to 9999', g.claimed_on)]
                 WHEN g.device_id IS NULL THEN ARRAY['MB480', format('unknown device "%s" of tenant "%s"', g.device, g.tenant)]
                 WHEN g.claimed_on <> coalesce(c.claimed_on, first_value(g.claimed_on) OVER twin)
                 THEN ARRAY['MB409', format('device "%s" claims %s "%s" from another day on', g.device, g.identity_type, g.identity_value)] END AS said
  FROM given g
  LEFT JOIN billing.identity_claims c ON c.tenant_id = g.tenant AND c.identity_type = g.identity_type AND c.identity_value = g.identity_value AND c.device_id = g.device_id
WINDOW twin AS (PARTITION BY g.tenant, g.identity_type, g.identity_value, g.device ORDER BY g.n)
)
SELECT n - 1, said[1], said[2], said[3], said[4] FROM problem WHERE said IS NOT NULL ORDER BY n LIMIT 1
