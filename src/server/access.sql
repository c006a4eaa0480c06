-- Who may read the tables of server and call its functions. What is called before there are tables is granted in end.sql.

-- The auditor reads everything; partitions through their parents, as everybody.
DO $$
BEGIN
    EXECUTE (SELECT 'GRANT SELECT ON ' || string_agg(c.oid::regclass::text, ', ') || ' TO billing_auditor'
               FROM pg_class c
              WHERE c.relnamespace = 'billing'::regnamespace AND c.relkind IN ('r', 'p', 'v') AND NOT c.relispartition);
END
$$;

GRANT EXECUTE ON FUNCTION billing.ensure_partitions(date, date), billing.adopt_cluster(text) TO billing_admin;
GRANT EXECUTE ON FUNCTION billing.log_xid() TO billing_loader;
GRANT EXECUTE ON FUNCTION
    billing.uuid_v7(), billing.derive_id(text, text[]), billing.fingerprint(text[]), billing.canonical_json(jsonb), billing.json_hash(jsonb),
    billing.usage_leaf(text, text, text, timestamptz, numeric, jsonb, text), billing.leaf_canon(text, "any"),
    billing.leaf_hash(bytea), billing.merkle_agg(bytea)
    TO billing_admin, billing_operator, billing_auditor, billing_app, billing_loader;
