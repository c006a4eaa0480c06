-- Row security, by rule and not by hand: a table with a tenant_id has these two policies and no other.

CREATE FUNCTION billing.tenant_policies(relation regclass) RETURNS text[]
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT array_agg(format('%s %s %s to %s using %s check %s', p.polname, p.polcmd, p.polpermissive,
                            (SELECT string_agg(r::regrole::text, ',' ORDER BY r::regrole::text COLLATE "C") FROM unnest(p.polroles) AS r),
                            pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid))
                     ORDER BY p.polname)
      FROM pg_policy p WHERE p.polrelid = relation
$$;
COMMENT ON FUNCTION billing.tenant_policies(regclass) IS 'Internal: the policies of a table, a line each.';

-- Two policies, not one with OR: that would keep a tenant's query from the index. And a sub-select, which is evaluated once.
CREATE FUNCTION billing.protect_table(relation regclass) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    secured  record;
    policies text[] := billing.tenant_policies(relation);
    wanted   text[] := ARRAY[
        'staff_reads r t to billing_admin,billing_auditor,billing_operator using true check ',
        'tenant_rows * t to billing_app,billing_tenant using (tenant_id = ( SELECT billing.current_tenant() AS current_tenant)) check (tenant_id = ( SELECT billing.current_tenant() AS current_tenant))'];
    surplus  name;
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
        EXECUTE format('CREATE POLICY tenant_rows ON %s AS PERMISSIVE FOR ALL TO billing_app, billing_tenant USING (tenant_id = (SELECT billing.current_tenant())) WITH CHECK (tenant_id = (SELECT billing.current_tenant()))', relation);
        EXECUTE format('CREATE POLICY staff_reads ON %s AS PERMISSIVE FOR SELECT TO billing_admin, billing_operator, billing_auditor USING (true)', relation);
    END IF;
    RETURN true;
END
$$;
COMMENT ON FUNCTION billing.protect_table(regclass) IS 'Internal: gives a tenant table or partition its row security; false when it has exactly that already.';

CREATE FUNCTION billing.protect_tenant_tables() RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT count(*) FILTER (WHERE billing.protect_table(c.oid))
      FROM pg_class c
      JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id' AND a.attnum > 0 AND NOT a.attisdropped
     WHERE c.relnamespace = 'billing'::regnamespace AND c.relkind IN ('r', 'p')
$$;
COMMENT ON FUNCTION billing.protect_tenant_tables() IS 'Internal: gives every table with a tenant_id, and every partition, its row security, and returns how many had not exactly that. At the end of each billing.install() and billing.migrate().';
