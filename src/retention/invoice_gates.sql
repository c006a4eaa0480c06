-- The gates of what a month was billed with.

CREATE FUNCTION billing.unrated_lines(today date, before date)
RETURNS TABLE (tenant_id text, subscription_id uuid, charge_id text, period_start date, period_end date)
LANGUAGE C STABLE STRICT PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off SET enable_nestloop = off SET work_mem = '64MB'
AS 'MODULE_PATHNAME', 'billing_unrated_lines';
COMMENT ON FUNCTION billing.unrated_lines(date, date) IS 'Internal: what rating up to today would still change in periods that begin before a day, by rating''s own statement. Errors: MB416, MB425.';

CREATE FUNCTION billing.retention_rating_gates(today date) RETURNS TABLE (table_name text, month date, gate text, example text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off AS $$
    WITH due AS MATERIALIZED (
        SELECT * FROM billing.retention_months(today) AS m WHERE m.is_due
    ), unrated AS MATERIALIZED (
        SELECT u.* FROM (SELECT max(d.month_end) AS before FROM due d) AS b, billing.unrated_lines(today, b.before) AS u
    ), line AS MATERIALIZED (
        SELECT * FROM billing.retention_lines(today)
    ), billed AS (
        SELECT n.tenant_id, n.subscription_id, n.plan_id, n.version, n.charge_id, n.period_start,
               sum(n.amount_minor) FILTER (WHERE i.status <> 'draft') AS billed_minor, bool_or(i.status = 'draft') AS is_drafted
          FROM (SELECT DISTINCT l.tenant_id, l.subscription_id, l.plan_id, l.version, l.charge_id, l.period_start FROM line l) AS l
          JOIN billing.invoice_lines n USING (tenant_id, subscription_id, plan_id, version, charge_id, period_start)
          JOIN billing.invoices i USING (invoice_date, tenant_id, invoice_id)
         WHERE i.status <> 'void'
         GROUP BY n.tenant_id, n.subscription_id, n.plan_id, n.version, n.charge_id, n.period_start
    )
    SELECT d.table_name, d.month, 'unrated', min(format('charge "%s" of tenant "%s" from %s', u.charge_id, u.tenant_id, u.period_start))
      FROM due d
      JOIN unrated u ON u.period_start < d.month_end AND u.period_end > d.month
     GROUP BY d.table_name, d.month
    UNION ALL
    SELECT l.table_name, l.month, 'uninvoiced', min(format('charge "%s" of tenant "%s" from %s: %s of %s minor units are billed', l.charge_id, l.tenant_id, l.period_start,
                                                           coalesce(b.billed_minor, 0), l.amount_minor))
      FROM line l
      LEFT JOIN billed b USING (tenant_id, subscription_id, plan_id, version, charge_id, period_start)
     WHERE l.amount_minor <> coalesce(b.billed_minor, 0) AND b.is_drafted IS NOT TRUE
     GROUP BY l.table_name, l.month
$$;
COMMENT ON FUNCTION billing.retention_rating_gates(date) IS 'Internal: unrated: rating would still change a line whose period overlaps the month. uninvoiced: what a line comes to is not what finalized invoices bill of it, and no draft does.';

CREATE FUNCTION billing.retention_invoice_gates(today date) RETURNS TABLE (table_name text, month date, gate text, example text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off AS $$
    WITH invoice AS MATERIALIZED (
        SELECT f.*, p.dispute_days, CASE p.counted_from WHEN 'finalization' THEN p.keep END AS keep, b.bundle, b.seal_no
          FROM billing.retention_invoices(today) AS f
          JOIN billing.retention_policies p USING (table_name)
          LEFT JOIN billing.evidence_bundles b USING (tenant_id, invoice_id)
    ), checked AS MATERIALIZED ( -- each once, however many months it is about
        SELECT i.tenant_id, i.invoice_id,
               CASE WHEN k.vkey IS NULL THEN 'its checkpoint is not signed' ELSE billing.bundle_problem(i.bundle, i.tenant_id, i.invoice_id, n.note, k.vkey) END AS problem
          FROM (SELECT DISTINCT f.tenant_id, f.invoice_id, f.bundle, f.seal_no FROM invoice f WHERE f.bundle IS NOT NULL AND f.is_counted) AS i
          LEFT JOIN billing.checkpoint_notes n USING (seal_no)
          LEFT JOIN billing.signing_keys k USING (key_no)
    )
    SELECT i.table_name, i.month, 'draft', min(format('invoice %s of tenant "%s" is a draft', i.invoice_id, i.tenant_id))
      FROM invoice i WHERE i.status = 'draft' GROUP BY i.table_name, i.month
    UNION ALL
    SELECT i.table_name, i.month, 'disputes', min(format('invoice %s of tenant "%s", finalized on %s, may be disputed until %s', i.number, i.tenant_id,
                                                         f.day, f.day + i.dispute_days))
      FROM invoice i CROSS JOIN LATERAL (SELECT (i.finalized_at AT TIME ZONE 'UTC')::date AS day) AS f
     WHERE i.status NOT IN ('draft', 'void') AND f.day + i.dispute_days > today
     GROUP BY i.table_name, i.month
    UNION ALL
    SELECT i.table_name, i.month, 'age', min(format('invoice %s of tenant "%s" was finalized on %s', i.number, i.tenant_id, (i.finalized_at AT TIME ZONE 'UTC')::date))
      FROM invoice i WHERE i.status <> 'draft' AND (i.finalized_at AT TIME ZONE 'UTC')::date + i.keep > today GROUP BY i.table_name, i.month
    UNION ALL
    SELECT i.table_name, i.month, 'bundle', min(format('invoice %s of tenant "%s" has no evidence bundle', i.number, i.tenant_id))
      FROM invoice i WHERE i.status <> 'draft' AND i.is_counted AND i.bundle IS NULL GROUP BY i.table_name, i.month
    UNION ALL
    SELECT i.table_name, i.month, 'proof', min(format('bundle of invoice %s of tenant "%s" does not verify: %s', i.number, i.tenant_id, c.problem))
      FROM invoice i JOIN checked c USING (tenant_id, invoice_id) WHERE c.problem IS NOT NULL AND i.is_counted GROUP BY i.table_name, i.month
$$;
COMMENT ON FUNCTION billing.retention_invoice_gates(date) IS 'Internal: draft: an invoice of the month is one. disputes: one may still be disputed. bundle: one that draws on counts has no evidence bundle. proof: its bundle is not valid to the offline verifier''s own code, with the key that signed its checkpoint here.';

CREATE FUNCTION billing.retention_gates(today date) RETURNS TABLE (table_name text, month date, gate text, example text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off AS $$
    WITH month AS MATERIALIZED (
        SELECT m.*, p.keep, p.kept_because FROM billing.retention_months(today) AS m JOIN billing.retention_policies p USING (table_name)
    ), gate AS MATERIALIZED (
        SELECT m.table_name, m.month, CASE WHEN m.kept_because IS NULL THEN 'age' ELSE 'kept' END AS gate,
               coalesce(m.kept_because, format('kept until %s', (m.month_end + m.keep)::date)) AS example
          FROM month m WHERE NOT m.is_due
        UNION ALL
        SELECT m.table_name, m.month, 'hold', min(format('hold %s%s: %s', h.hold_id, CASE WHEN h.tenant_id <> '' THEN format(' of tenant "%s"', h.tenant_id) END, h.reason))
          FROM month m
          JOIN billing.legal_holds h ON h.released_at IS NULL
         WHERE m.is_due AND CASE WHEN h.tenant_id = '' THEN true
               WHEN m.table_name = 'coverage_daily_state'
               THEN EXISTS (SELECT FROM billing.coverage_daily_state c WHERE c.tenant_id = h.tenant_id AND c.coverage_day >= m.month AND c.coverage_day < m.month_end)
               ELSE EXISTS (SELECT FROM billing.daily_counts d WHERE d.tenant_id = h.tenant_id AND d.day >= m.month AND d.day < m.month_end)
                    OR EXISTS (SELECT FROM billing.usage_set_aside s WHERE s.tenant_id = h.tenant_id AND s.usage_day >= m.month AND s.usage_day < m.month_end) END
         GROUP BY m.table_name, m.month
        UNION ALL SELECT * FROM billing.retention_usage_gates(today)
        UNION ALL SELECT * FROM billing.retention_coverage_gates(today)
        UNION ALL SELECT * FROM billing.retention_counts_gates(today)
        UNION ALL SELECT * FROM billing.retention_rating_gates(today)
        UNION ALL SELECT * FROM billing.retention_invoice_gates(today)
    )
    SELECT * FROM gate
    UNION ALL -- months go in their order, so that all that is gone is what is before a day
    SELECT m.table_name, m.month, 'order', format('%s stays', to_char(min(g.month), 'YYYY-MM'))
      FROM month m
      JOIN gate g ON g.table_name = m.table_name AND g.month < m.month
     WHERE m.is_due
     GROUP BY m.table_name, m.month
$$;
COMMENT ON FUNCTION billing.retention_gates(date) IS 'Internal: every gate that is not open, of every month that has a policy. age: not old enough. kept: no month of the table is dropped. hold: a legal hold. order: an older month of the table stays.';
