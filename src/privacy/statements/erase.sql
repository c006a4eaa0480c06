-- An account's erasure: $1 tenant, $2 account, $3 erasure_id, $4 reason_hash, $5 today, $6 keep_years. The account is locked.
-- A key that there was not is made as a destroyed one: so nothing can be stored afterwards.
WITH last_bill AS (
    SELECT coalesce((SELECT max(i.invoice_date) FROM billing.invoices i WHERE i.tenant_id = $1 AND i.account_id = $2),
                    (SELECT $5 FROM billing.subscriptions s WHERE s.tenant_id = $1 AND s.account_id = $2 LIMIT 1)) AS day
), fate AS (
    SELECT p.purpose, CASE WHEN p.purpose = 'invoice' AND k.wrapped_key IS NOT NULL AND l.day + make_interval(years => $6) >= $5
                           THEN (l.day + make_interval(years => $6))::date END AS purge_after
      FROM unnest('{contact,invoice}'::text[]) AS p (purpose)
     CROSS JOIN last_bill l
      LEFT JOIN billing.data_keys k ON k.tenant_id = $1 AND k.account_id = $2 AND k.purpose = p.purpose
), keys AS (
    INSERT INTO billing.data_keys AS k (tenant_id, account_id, purpose, destroyed_at)
    SELECT $1, $2, f.purpose, now() FROM fate f ORDER BY f.purpose
    ON CONFLICT (tenant_id, account_id, purpose) DO UPDATE
       SET (key_id, wrapped_key, destroyed_at, restricted_on, keep_years, purge_after) =
           (SELECT CASE WHEN f.purge_after IS NOT NULL THEN k.key_id END,
                   CASE WHEN f.purge_after IS NOT NULL THEN k.wrapped_key END,
                   CASE WHEN f.purge_after IS NULL THEN now() END,
                   CASE WHEN f.purge_after IS NOT NULL THEN $5 END,
                   CASE WHEN f.purge_after IS NOT NULL THEN $6 END,
                   f.purge_after
              FROM fate f WHERE f.purpose = k.purpose)
), erased AS (
    DELETE FROM billing.personal_fields d
     USING fate f
     WHERE d.tenant_id = $1 AND d.account_id = $2 AND d.purpose = f.purpose AND f.purge_after IS NULL
    RETURNING d.field
)
INSERT INTO billing.erasures (tenant_id, erasure_id, account_id, cause, reason_hash, fields_destroyed, fields_restricted, purge_after, erased_on)
SELECT $1, $3, $2, 'request', $4,
       ARRAY(SELECT e.field FROM erased e ORDER BY e.field),
       ARRAY(SELECT d.field FROM billing.personal_fields d JOIN fate f USING (purpose)
              WHERE d.tenant_id = $1 AND d.account_id = $2 AND f.purge_after IS NOT NULL ORDER BY d.field),
       (SELECT max(f.purge_after) FROM fate f), $5
