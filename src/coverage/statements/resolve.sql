-- Resolves the dispute about an identity. $1 to $6 as in resolve_check.sql, $7 actor, $8 reason; the tenant's head is locked. Goes before
-- claim_chain.sql. A resolution holds from where the dispute began.
WITH party AS MATERIALIZED (
SELECT c.*, w.device_id AS won_by, CASE WHEN $5 = 'transfer' THEN coalesce($6, (now() AT TIME ZONE 'UTC')::date) END AS moved_on,
       CASE WHEN $5 = 'transfer'
            THEN (SELECT f.device_id FROM billing.identity_claims f
                   WHERE f.tenant_id = $1 AND f.identity_type = $2 AND f.identity_value = $3 AND f.status = 'disputed' AND f.device_id <> w.device_id
                   ORDER BY f.claimed_on, f.claim_id LIMIT 1) END AS former_id
  FROM billing.identity_claims c
  LEFT JOIN billing.devices w ON w.tenant_id = $1 AND w.device_key = $4
 WHERE c.tenant_id = $1 AND c.identity_type = $2 AND c.identity_value = $3 AND c.status = 'disputed'
), claim AS (
UPDATE billing.identity_claims c
   SET status = 'resolved', resolution = $5, winner_id = p.won_by, disputed_from = NULL, disputed_at = NULL, escalated_at = NULL,
       void_from = CASE WHEN $5 = 'transfer' AND p.device_id <> p.won_by THEN p.moved_on END
  FROM party p
 WHERE c.tenant_id = p.tenant_id AND c.identity_type = p.identity_type AND c.identity_value = p.identity_value AND c.device_id = p.device_id
), device AS (
UPDATE billing.devices d SET state = 'merged', merged_into = p.won_by
  FROM party p
 WHERE $5 = 'merge' AND d.tenant_id = p.tenant_id AND d.device_id = p.device_id AND p.device_id <> p.won_by
), happened AS (
SELECT p.tenant_id, row_number() OVER (ORDER BY p.claimed_on, p.claim_id) AS position, 'resolved' AS event_type, p.identity_type, p.identity_value, p.device_id,
       p.status AS from_status, 'resolved' AS to_status, p.disputed_from AS effective_from, $5 AS resolution, p.won_by AS winner_id, p.former_id, p.moved_on,
       $7 AS actor, $8 AS reason
  FROM party p
)
