-- What would go and why the rest stays; and going through with it.

CREATE FUNCTION billing.retention_plan(today date DEFAULT (now() AT TIME ZONE 'UTC')::date)
RETURNS TABLE (table_name text, month date, partition text, decision text, rows bigint, bytes bigint, gate text, example text)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off AS $$
BEGIN
    PERFORM billing.require_installed();
    PERFORM billing.check_day('today', today);
    RETURN QUERY
    SELECT m.table_name, m.month, m.partition, CASE WHEN g.gate IS NULL THEN 'drop' ELSE 'keep' END,
           CASE WHEN g.gate IS NOT NULL THEN m.estimated_rows
                WHEN m.table_name = 'usage_records' THEN (SELECT count(*) FROM billing.usage_records u
                    WHERE u.occurred_at >= m.month::timestamp AT TIME ZONE 'UTC' AND u.occurred_at < m.month_end::timestamp AT TIME ZONE 'UTC')
                WHEN m.table_name = 'daily_counts' THEN (SELECT count(*) FROM billing.daily_counts d WHERE d.day >= m.month AND d.day < m.month_end)
                WHEN m.table_name = 'coverage_daily_state' THEN (SELECT count(*) FROM billing.coverage_daily_state s WHERE s.coverage_day >= m.month AND s.coverage_day < m.month_end)
           END, m.bytes, g.gate, g.example
      FROM billing.retention_months(retention_plan.today) AS m
      LEFT JOIN billing.retention_gates(retention_plan.today) AS g ON g.table_name = m.table_name AND g.month = m.month
     ORDER BY m.table_name, m.month, g.gate;
END
$$;
COMMENT ON FUNCTION billing.retention_plan(date) IS 'What billing.apply_retention() would do on a day, and changes nothing: a row for each month that would be dropped, and for each that stays one for every gate that keeps it, with an example. rows: exact where it would go, else an estimate. bytes: on disk with indexes. Gates: age, kept, order, hold, unsynced, set aside, accrued, sealed, usage, unrated, uninvoiced, draft, disputes, bundle, proof; src/retention/README.md says of each what opens it. today: the UTC day. Errors: MB400, MB417, MB425.';

CREATE FUNCTION billing.make_retention_bundles(today date DEFAULT (now() AT TIME ZONE 'UTC')::date, at_most integer DEFAULT 1000) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off AS $$
DECLARE
    made integer;
BEGIN
    PERFORM billing.require_installed();
    PERFORM billing.check_day('today', today);
    SELECT count(billing.evidence(i.invoice_id::text, i.tenant_id)) INTO made
      FROM (SELECT DISTINCT f.tenant_id, f.invoice_id
              FROM billing.retention_invoices(make_retention_bundles.today) AS f
             WHERE f.status <> 'draft' AND f.is_counted
               AND NOT EXISTS (SELECT FROM billing.evidence_bundles b WHERE b.tenant_id = f.tenant_id AND b.invoice_id = f.invoice_id)
             ORDER BY f.tenant_id, f.invoice_id LIMIT at_most) AS i;
    RETURN made;
END
$$;
COMMENT ON FUNCTION billing.make_retention_bundles(date, integer) IS 'Makes evidence bundles that months old enough to be dropped still need, and returns how many. today: the UTC day. at_most: in one call. Errors: MB400, MB417; MB454 an invoice is in no signed checkpoint; those of billing.evidence(); MB425.';

CREATE PROCEDURE billing.apply_retention(today date DEFAULT (now() AT TIME ZONE 'UTC')::date, INOUT dropped integer DEFAULT 0)
LANGUAGE plpgsql AS $$
DECLARE
    tables  pg_catalog.text[];
    months  pg_catalog.date[];
    before  integer;
    outcome pg_catalog.text;
BEGIN
    dropped := 0;
    LOOP -- again after something went: daily counts wait for usage
        SELECT pg_catalog.array_agg(p.table_name ORDER BY p.month, p.table_name), pg_catalog.array_agg(p.month ORDER BY p.month, p.table_name)
          INTO tables, months FROM billing.retention_plan(today) AS p WHERE p.decision OPERATOR(pg_catalog.=) 'drop';
        before := dropped;
        FOR i IN 1 .. coalesce(pg_catalog.cardinality(tables), 0) LOOP
            BEGIN
                outcome := billing.drop_month(tables[i], months[i], today);
                dropped := dropped OPERATOR(pg_catalog.+) 1;
                RAISE NOTICE '%', outcome;
            EXCEPTION WHEN lock_not_available OR deadlock_detected OR SQLSTATE 'MB460' OR SQLSTATE 'MB461' OR SQLSTATE 'MB500' THEN
                RAISE WARNING '% of % stays: %', tables[i], months[i], SQLERRM;
            END;
            COMMIT;
        END LOOP;
        EXIT WHEN dropped OPERATOR(pg_catalog.=) before;
    END LOOP;
END
$$;
COMMENT ON PROCEDURE billing.apply_retention(date, integer) IS 'Drops every month that billing.retention_plan() says would go, usage after it was compacted, a transaction each, and says what went; not within a transaction. A month that is in use is left for the next call, with a warning. today: the UTC day. dropped: how many months. Errors: MB400, MB417, MB425.';
