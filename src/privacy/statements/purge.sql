-- Restricted keys whose time was over before $1, of all tenants: destroyed, or put off where invoices were made since.
WITH due AS MATERIALIZED (
    SELECT k.tenant_id, k.account_id, k.purpose, k.keep_years, k.purge_after
      FROM billing.data_keys k
     WHERE k.purge_after < $1 AND k.destroyed_at IS NULL
     ORDER BY k.tenant_id, k.account_id, k.purpose
       FOR UPDATE
), fate AS (
    SELECT d.tenant_id, d.account_id, d.purpose,
           greatest(d.purge_after, (max(i.invoice_date) + make_interval(years => d.keep_years))::date) AS purge_after
      FROM due d
      LEFT JOIN billing.invoices i ON i.tenant_id = d.tenant_id AND i.account_id = d.account_id
     GROUP BY d.tenant_id, d.account_id, d.purpose, d.keep_years, d.purge_after
), keys AS (
    UPDATE billing.data_keys k
       SET purge_after = f.purge_after,
           key_id = CASE WHEN f.purge_after >= $1 THEN k.key_id END,
           wrapped_key = CASE WHEN f.purge_after >= $1 THEN k.wrapped_key END,
           destroyed_at = CASE WHEN f.purge_after < $1 THEN now() END
      FROM fate f
     WHERE k.tenant_id = f.tenant_id AND k.account_id = f.account_id AND k.purpose = f.purpose
), erased AS (
    DELETE FROM billing.personal_fields d
     USING fate f
     WHERE d.tenant_id = f.tenant_id AND d.account_id = f.account_id AND d.purpose = f.purpose AND f.purge_after < $1
    RETURNING d.tenant_id, d.account_id, d.purpose, d.field
)
INSERT INTO billing.erasures (tenant_id, erasure_id, account_id, cause, fields_destroyed, fields_restricted, erased_on)
SELECT f.tenant_id, billing.uuid_v7(), f.account_id, 'purge', array_remove(array_agg(e.field ORDER BY e.field), NULL), '{}', $1
  FROM fate f
  LEFT JOIN erased e ON e.tenant_id = f.tenant_id AND e.account_id = f.account_id AND e.purpose = f.purpose
 WHERE f.purge_after < $1
 GROUP BY f.tenant_id, f.account_id
