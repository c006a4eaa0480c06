-- Makes claims, and disputes of those that meet another. $1 to $7 as in claim_check.sql; the heads of their tenants are locked. Goes
-- before claim_chain.sql. Two claims overlap from the later of their first days on: for a claim among others that is its own first
-- day, or the second earliest of all if it is the earliest.
WITH given AS (
SELECT DISTINCT ON (g.tenant, g.identity_type, g.identity_value, d.device_id) g.*, d.device_id
  FROM unnest($1, $2, $3, $4, $5, $6, $7) WITH ORDINALITY AS g (tenant, device, identity_type, identity_value, actor, reason, claimed_on, n)
  JOIN billing.devices d ON d.tenant_id = g.tenant AND d.device_key = g.device
 ORDER BY g.tenant, g.identity_type, g.identity_value, d.device_id, g.n
), new AS MATERIALIZED (
SELECT g.*, coalesce(g.claimed_on, (now() AT TIME ZONE 'UTC')::date) AS starts FROM given g
 WHERE NOT EXISTS (SELECT FROM billing.identity_claims c
                    WHERE c.tenant_id = g.tenant AND c.identity_type = g.identity_type AND c.identity_value = g.identity_value AND c.device_id = g.device_id)
), party AS ( -- every claim that stands to an identity with a new one
SELECT n.tenant, n.identity_type, n.identity_value, n.device_id, n.starts, n.n, true AS is_new, NULL AS status, NULL::date AS disputed_from,
       n.starts AS new_from, n.actor, n.reason
  FROM new n
UNION ALL
SELECT c.tenant_id, c.identity_type, c.identity_value, c.device_id, c.claimed_on, i.n, false, c.status, c.disputed_from, i.starts, i.actor, i.reason
  FROM (SELECT tenant, identity_type, identity_value, min(n) AS n, min(starts) AS starts, (array_agg(actor ORDER BY n))[1] AS actor, (array_agg(reason ORDER BY n))[1] AS reason
          FROM new GROUP BY tenant, identity_type, identity_value) AS i
  JOIN billing.identity_claims c ON c.tenant_id = i.tenant AND c.identity_type = i.identity_type AND c.identity_value = i.identity_value AND c.void_from IS NULL
), standing AS MATERIALIZED (
SELECT p.*, CASE WHEN is_new THEN greatest(starts, second_from) ELSE greatest(starts, new_from) END AS meets_from
  FROM (SELECT *, nth_value(starts, 2) OVER (PARTITION BY tenant, identity_type, identity_value ORDER BY starts
                                             ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) AS second_from FROM party) AS p
), disputed AS ( -- those that are not in dispute yet, or not from so early a day on
SELECT s.* FROM standing s WHERE s.second_from IS NOT NULL AND (s.disputed_from IS NULL OR s.meets_from < s.disputed_from)
), claim AS (
INSERT INTO billing.identity_claims (tenant_id, identity_type, identity_value, device_id, claimed_on, status, disputed_from, disputed_at)
SELECT tenant, identity_type, identity_value, device_id, starts, CASE WHEN second_from IS NULL THEN 'clean' ELSE 'disputed' END,
       CASE WHEN second_from IS NOT NULL THEN meets_from END, CASE WHEN second_from IS NOT NULL THEN now() END
  FROM standing WHERE is_new ORDER BY tenant, n
), met AS (
UPDATE billing.identity_claims c
   SET status = 'disputed', disputed_from = d.meets_from, disputed_at = coalesce(c.disputed_at, now()), resolution = NULL, winner_id = NULL
  FROM disputed d
 WHERE NOT d.is_new AND c.tenant_id = d.tenant AND c.identity_type = d.identity_type AND c.identity_value = d.identity_value AND c.device_id = d.device_id
), happened AS (
SELECT tenant AS tenant_id, row_number() OVER (ORDER BY n, identity_type, identity_value, device_id) AS position, 'claimed' AS event_type, identity_type, identity_value, device_id,
       NULL AS from_status, 'clean' AS to_status, starts AS effective_from, NULL AS resolution, NULL::uuid AS winner_id, NULL::uuid AS former_id,
       NULL::date AS moved_on, actor, reason
  FROM new
UNION ALL
SELECT tenant, (SELECT count(*) FROM new) + row_number() OVER (ORDER BY n, identity_type, identity_value, device_id), 'disputed', identity_type, identity_value, device_id,
       coalesce(status, 'clean'), 'disputed', meets_from, NULL, NULL, NULL, NULL, actor, reason
  FROM disputed
)
