-- Data keys wrapped with another key than $1, at most $2, wrapped with that one.
WITH other AS MATERIALIZED (
    SELECT k.tenant_id, k.account_id, k.purpose
      FROM billing.data_keys k
     WHERE k.key_id <> $1
     ORDER BY k.tenant_id, k.account_id, k.purpose
     LIMIT $2
       FOR UPDATE
)
UPDATE billing.data_keys k
   SET wrapped_key = billing.rewrap_data_key(k.tenant_id, k.account_id, k.purpose, k.key_id, k.wrapped_key),
       key_id = $1, rewrapped_at = now()
  FROM other o
 WHERE k.tenant_id = o.tenant_id AND k.account_id = o.account_id AND k.purpose = o.purpose
