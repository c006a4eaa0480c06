-- How a dispute stands that is to be resolved. $1 tenant, $2 identity type, $3 identity value, $4 the winner's key or NULL, $5 resolution,
-- $6 day moved or NULL. One row: claims, those in dispute, whether the winner claims it, whether it was resolved just so.
SELECT count(*), count(*) FILTER (WHERE c.status = 'disputed'), coalesce(bool_or(d.device_key = $4 AND c.void_from IS NULL), false),
       coalesce(bool_and(c.status = 'resolved' AND c.resolution = $5 AND c.winner_id IS NOT DISTINCT FROM (
                    SELECT w.device_id FROM billing.devices w WHERE w.tenant_id = $1 AND w.device_key = $4)
                    AND ($6 IS NULL OR $5 <> 'transfer' OR c.device_id = c.winner_id OR c.void_from = $6))
                FILTER (WHERE c.status <> 'resolved' OR c.void_from IS NULL OR c.winner_id IS NOT NULL), false)
  FROM billing.identity_claims c
  JOIN billing.devices d ON d.tenant_id = c.tenant_id AND d.device_id = c.device_id
 WHERE c.tenant_id = $1 AND c.identity_type = $2 AND c.identity_value = $3
