-- The extension script: code only. Tables are made by billing.install(), and why so is said in src/server/install.c.
\echo Use "CREATE EXTENSION billing" to load this file. \quit

-- Roles are made here, and not by install(), so that a restore into an empty cluster finds the owners it names.
DO $$
DECLARE
    role_name text;
BEGIN
    FOREACH role_name IN ARRAY ARRAY['billing_owner', 'billing_admin', 'billing_operator', 'billing_auditor',
                                     'billing_app', 'billing_loader', 'billing_tenant']
    LOOP
        IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = role_name) THEN
            EXECUTE pg_catalog.format('CREATE ROLE %I NOLOGIN', role_name);
        END IF;
    END LOOP;
    -- COPY into a table with row security is refused to everybody else, and INSERT into usage_records is all it may.
    IF NOT (SELECT rolbypassrls FROM pg_catalog.pg_roles WHERE rolname = 'billing_loader') THEN
        ALTER ROLE billing_loader BYPASSRLS;
    END IF;
END
$$;

GRANT USAGE, CREATE ON SCHEMA billing TO billing_owner;
-- For billing.digest(standbys): how far a standby has flushed is told only to who may read all statistics.
GRANT pg_read_all_stats TO billing_owner;
GRANT USAGE ON SCHEMA billing TO billing_admin, billing_operator, billing_auditor, billing_app, billing_loader, billing_tenant;
