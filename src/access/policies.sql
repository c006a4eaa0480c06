-- Row security, by rule and not by hand: a table's columns tell which rows are a tenant's, and it has two policies and no other.

-- As pg_get_expr() writes it, and on one line.
CREATE FUNCTION billing.tenant_condition(relation regclass) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN 'tenant_id' = ANY (columns) THEN '(tenant_id = ( SELECT billing.current_tenant() AS current_tenant))'
                WHEN '{plan_id,version}' <@ columns THEN
                     '((plan_id, version) IN ( SELECT v.plan_id, v.version FROM billing.visible_plan_versions() v(plan_id, version)))'
                WHEN 'plan_id' = ANY (columns) THEN
                     '(plan_id IN ( SELECT v.plan_id FROM billing.visible_plan_versions() v(plan_id, version)))'
           END
      FROM (SELECT array_agg(a.attname::text) AS columns FROM pg_attribute a
             WHERE a.attrelid = relation AND a.attnum > 0 AND NOT a.attisdropped) AS c
$$;
COMMENT ON FUNCTION billing.tenant_condition(regclass) IS 'Internal: which rows of a table a tenant may see: with a tenant_id its own, without one but with a plan_id those of plans it may see. NULL: the table has no row security.';

CREATE FUNCTION billing.tenant_policies(relation regclass) RETURNS text[]
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT array_agg(regexp_replace(
                         format('%s %s %s to %s using %s check %s', p.polname, p.polcmd, p.polpermissive,
                                (SELECT string_agg(r::regrole::text, ',' ORDER BY r::regrole::text COLLATE "C") FROM unnest(p.polroles) AS r),
                                pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid)), '\s+', ' ', 'g')
                     ORDER BY p.polname)
      FROM pg_policy p WHERE p.polrelid = relation
$$;
COMMENT ON FUNCTION billing.tenant_policies(regclass) IS 'Internal: the policies of a table, a line each.';

-- Two policies, not one with OR: that would keep a tenant's query from the index. And a sub-select, which is evaluated once.
CREATE FUNCTION billing.protect_table(relation regclass) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    secured   record;
    condition text := billing.tenant_condition(relation);
    policies  text[] := billing.tenant_policies(relation);
    wanted    text[] := ARRAY[
        'staff_reads r t to billing_admin,billing_auditor,billing_operator using true check ',
        format('tenant_rows * t to billing_app,billing_tenant using %1$s check %1$s', condition)];
    surplus   name;
BEGIN
    SELECT c.relrowsecurity AS is_on, c.relforcerowsecurity AS is_forced INTO secured FROM pg_class c WHERE c.oid = relation;
    IF secured.is_on AND NOT secured.is_forced AND policies = wanted THEN
        RETURN false;
    END IF;
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY', relation);
    IF policies IS DISTINCT FROM wanted THEN
        FOR surplus IN SELECT p.polname FROM pg_policy p WHERE p.polrelid = relation LOOP
            EXECUTE format('DROP POLICY %I ON %s', surplus, relation);
        END LOOP;
        EXECUTE format('CREATE POLICY tenant_rows ON %s AS PERMISSIVE FOR ALL TO billing_app, billing_tenant USING %s WITH CHECK %s', relation, condition, condition);
        EXECUTE format('CREATE POLICY staff_reads ON %s AS PERMISSIVE FOR SELECT TO billing_admin, billing_operator, billing_auditor USING (true)', relation);
    END IF;
    RETURN true;
END
$$;
COMMENT ON FUNCTION billing.protect_table(regclass) IS 'Internal: gives a tenant table, partition or table of plans its row security; false when it has exactly that already.';

CREATE FUNCTION billing.protect_tables() RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT count(*) FILTER (WHERE billing.protect_table(c.oid))
      FROM pg_class c
     WHERE c.relnamespace = 'billing'::regnamespace AND c.relkind IN ('r', 'p') AND billing.tenant_condition(c.oid) IS NOT NULL
$$;
COMMENT ON FUNCTION billing.protect_tables() IS 'Internal: gives every table with a tenant_id, every partition and the tables of plans their row security, and returns how many had not exactly that. At the end of each billing.install() and billing.migrate().';
