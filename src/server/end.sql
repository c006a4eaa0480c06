-- Last: every function belongs to billing_owner, so that a definer function has the owner's rights and no superuser's,
-- and nobody may call what no module's access.sql grants.
DO $$
DECLARE
    routine regprocedure;
    kind    "char";
BEGIN
    FOR routine, kind IN
        SELECT p.oid, p.prokind
          FROM pg_catalog.pg_depend d
          JOIN pg_catalog.pg_proc p ON p.oid = d.objid
         WHERE d.classid = 'pg_catalog.pg_proc'::regclass AND d.deptype = 'e'
           AND d.refclassid = 'pg_catalog.pg_extension'::regclass
           AND d.refobjid = (SELECT oid FROM pg_catalog.pg_extension WHERE extname = 'billing')
    LOOP
        EXECUTE pg_catalog.format('ALTER ROUTINE %s OWNER TO billing_owner', routine);
        EXECUTE pg_catalog.format('REVOKE ALL ON ROUTINE %s FROM PUBLIC', routine);
    END LOOP;
END
$$;

-- These run the grants, so theirs cannot be among them.
GRANT EXECUTE ON FUNCTION billing.install(), billing.migrate() TO billing_admin;
