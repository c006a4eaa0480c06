-- Leaves of kind plan_version: publications.
SELECT t.log_xid, t.plan_id, t.version,
       billing.leaf_canon('plan_version', t.plan_id, t.version, t.currency, t.period_months, t.plan_hash, t.published_at) AS canon
  FROM ONLY billing.plan_versions t
