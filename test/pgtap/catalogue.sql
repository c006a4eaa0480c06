-- The catalogue: what every function, table, column, key and grant of schema billing owes, read from the system catalogue,
-- so that one made tomorrow without its due fails here. Each test lists the offenders.
\unset ECHO
\set QUIET 1
BEGIN;
SET LOCAL client_min_messages = warning;
SELECT plan(45);

-- The next month and a far one: what is made later owes the same as what install() made.
SELECT billing.ensure_partitions('2031-05-01', '2031-07-01') \g /dev/null

CREATE TEMP VIEW routines AS
SELECT p.oid::regprocedure::text AS routine, p.*
  FROM pg_proc p WHERE p.pronamespace = 'billing'::regnamespace;
CREATE TEMP VIEW relations AS
SELECT c.oid AS relation_oid, c.relname::text AS relation, c.*,
       coalesce((SELECT i.inhparent::regclass::oid FROM pg_inherits i WHERE i.inhrelid = c.oid), c.oid) AS logical
  FROM pg_class c WHERE c.relnamespace = 'billing'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'f');
CREATE TEMP VIEW tables AS SELECT * FROM relations WHERE relkind IN ('r', 'p');
CREATE TEMP VIEW columns AS
SELECT r.*, a.attname::text AS column_name, a.attnum, a.atttypid, a.attidentity, a.attnotnull, a.attacl, a.attcollation
  FROM relations r JOIN pg_attribute a ON a.attrelid = r.relation_oid AND a.attnum > 0 AND NOT a.attisdropped;
CREATE TEMP VIEW triggers AS
SELECT t.tgrelid, t.tgname::text AS name, t.tgenabled, t.tgtype, p.proname::text AS calls
  FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid WHERE NOT t.tgisinternal OR t.tgparentid <> 0;
CREATE TEMP VIEW unique_keys AS
SELECT t.relation, i.indexrelid::regclass::text AS key, i.indisprimary, i.indrelid,
       ARRAY(SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)) AS columns
  FROM tables t JOIN pg_index i ON i.indrelid = t.relation_oid AND (i.indisunique OR i.indisexclusion);
CREATE TEMP VIEW tenant_tables AS SELECT DISTINCT relation_oid, relation, logical FROM columns WHERE column_name = 'tenant_id' AND relkind IN ('r', 'p');

-- Something to look at: an empty schema would pass everything below.
SELECT ok((SELECT count(*) FROM routines) > 60, 'there are functions');
SELECT ok((SELECT count(*) FROM tables WHERE NOT relispartition) > 25, 'there are tables');
SELECT ok((SELECT count(*) FROM tables WHERE relispartition) >= 7 * (SELECT count(*) FROM billing.partitioned_tables), 'and partitions of each parent');
SELECT ok((SELECT count(*) FROM tenant_tables) > 20, 'most of them by tenant');

-- Functions.
SELECT is_empty($$ SELECT routine FROM routines WHERE coalesce(length(obj_description(oid, 'pg_proc')), 0) < 20 $$, 'every function says what it does');
SELECT is_empty($$ SELECT routine FROM routines WHERE proowner <> 'billing_owner'::regrole $$, 'every function belongs to billing_owner');
SELECT is_empty($$ SELECT routine FROM routines WHERE proacl IS NULL OR EXISTS (SELECT FROM aclexplode(proacl) WHERE grantee = 0) $$, 'PUBLIC may execute none');
SELECT is_empty($$ SELECT routine, proconfig FROM routines WHERE prosecdef AND NOT coalesce('search_path=pg_catalog, pg_temp' = ANY (proconfig), false) $$,
                'every SECURITY DEFINER function pins its search_path');
SELECT is_empty($$ SELECT routine FROM routines WHERE prolang = (SELECT oid FROM pg_language WHERE lanname = 'plpgsql') AND prokind = 'f'
                                                  AND NOT coalesce('search_path=pg_catalog, pg_temp' = ANY (proconfig), false) $$,
                'every PL/pgSQL function pins its search_path, definer or not');
SELECT is_empty($$ SELECT routine FROM routines WHERE coalesce(obj_description(oid, 'pg_proc'), '') NOT LIKE 'Internal: %'
                                                  AND NOT EXISTS (SELECT FROM aclexplode(proacl) a WHERE a.grantee <> proowner) $$,
                'every function that is not internal is granted to a role');
SELECT is_empty($$ SELECT r.routine, a.grantee::regrole, a.privilege_type FROM routines r, aclexplode(r.proacl) AS a
                    WHERE a.grantee <> r.proowner AND a.is_grantable $$, 'nobody may grant them on');
SELECT is_empty($$ SELECT r.routine FROM routines r
                    WHERE NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = r.oid AND d.deptype = 'e') $$,
                'every function is a member of the extension');

-- Tables, views and columns.
SELECT is_empty($$ SELECT relation FROM relations WHERE coalesce(length(obj_description(relation_oid, 'pg_class')), 0) < 15 $$, 'every table and view says what it holds');
SELECT is_empty($$ SELECT relation, column_name FROM columns WHERE NOT relispartition AND coalesce(length(col_description(relation_oid, attnum)), 0) < 4 $$,
                'every column says what it means');
SELECT is_empty($$ SELECT relation FROM relations WHERE relowner <> 'billing_owner'::regrole $$, 'every table belongs to billing_owner');
SELECT is_empty($$ SELECT relation FROM relations r JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = r.relation_oid AND d.deptype = 'e' $$,
                'no table is a member of the extension');
SELECT is_empty($$ SELECT relation FROM relations WHERE relkind = 'v' AND NOT coalesce('security_invoker=true' = ANY (reloptions), false) $$,
                'every view reads with the rights of who asks');
SELECT is_empty($$ SELECT relname FROM pg_class WHERE relkind = 'S' AND relnamespace = 'billing'::regnamespace $$, 'there is no sequence');
SELECT is_empty($$ SELECT relation, column_name FROM columns WHERE attidentity <> '' $$, 'and no identity column');
-- 16384 is FirstNormalObjectId: types below it come with the server.
SELECT is_empty($$ SELECT relation, column_name, format_type(atttypid, NULL) FROM columns WHERE atttypid >= 16384 $$, 'stored columns are of built-in types');
SELECT is_empty($$ SELECT relation, column_name FROM columns WHERE atttypid IN ('float4'::regtype, 'float8'::regtype, 'money'::regtype) $$, 'none is a float');
SELECT is_empty($$ SELECT relation, column_name FROM columns WHERE column_name LIKE '%\_minor' AND atttypid <> 'bigint'::regtype $$, 'amounts in minor units are bigint');

-- Grants.
SELECT is_empty($$ SELECT r.relation, a.grantee, a.privilege_type FROM relations r, aclexplode(r.relacl) AS a
                    WHERE a.grantee <> r.relowner AND (a.grantee = 0 OR a.privilege_type <> 'SELECT' OR a.is_grantable) $$,
                'tables are granted to roles, to be read, and nothing else');
SELECT is_empty($$ SELECT c.relation, c.column_name, a.grantee::regrole, a.privilege_type FROM columns c, aclexplode(c.attacl) AS a
                    WHERE NOT (c.relation = 'usage_records' AND a.grantee = 'billing_loader'::regrole AND a.privilege_type = 'INSERT') $$,
                'single columns only to billing_loader, to COPY usage into');
SELECT set_eq($$ SELECT c.column_name FROM columns c, aclexplode(c.attacl) AS a WHERE a.privilege_type = 'INSERT' $$,
              '{tenant_id,meter_id,event_id,account_id,occurred_at,quantity,dimensions,attribution,correlation_id,corrects_event_id}'::text[],
              'and only those that have no default of ours');
SELECT is_empty($$ SELECT a.privilege_type FROM pg_namespace n, aclexplode(n.nspacl) AS a WHERE n.nspname = 'billing' AND
                    (a.grantee = 0 OR (a.privilege_type = 'CREATE' AND a.grantee NOT IN (n.nspowner, 'billing_owner'::regrole))) $$,
                'PUBLIC has no right on the schema, and only its owners make things in it');
SELECT is_empty($$ SELECT rolname FROM pg_roles WHERE rolname ~ '^billing_(owner|admin|operator|auditor|app|loader|tenant)$' AND (rolcanlogin OR rolsuper OR rolcreaterole OR rolcreatedb OR rolbypassrls <> (rolname = 'billing_loader')) $$,
                'no role of ours logs in or has attributes, but the loader''s, without which there is no COPY');

-- Row security.
CREATE TEMP VIEW protected_tables AS
SELECT t.relation_oid, t.relation, '(tenant_id = ( SELECT billing.current_tenant() AS current_tenant))' AS condition FROM tenant_tables t UNION ALL
SELECT t.relation_oid, t.relation, CASE t.relation WHEN 'plans' THEN '(plan_id IN ( SELECT v.plan_id FROM billing.visible_plan_versions() v(plan_id, version)))'
                                   ELSE '((plan_id, version) IN ( SELECT v.plan_id, v.version FROM billing.visible_plan_versions() v(plan_id, version)))' END
  FROM tables t WHERE t.relation IN ('plans', 'plan_versions', 'charges');
CREATE TEMP VIEW unlike_rule AS
SELECT t.relation FROM protected_tables t JOIN pg_class c ON c.oid = t.relation_oid
 WHERE NOT c.relrowsecurity OR c.relforcerowsecurity
    OR billing.tenant_policies(c.oid) IS DISTINCT FROM ARRAY[
       'staff_reads r t to billing_admin,billing_auditor,billing_operator using true check ',
       format('tenant_rows * t to billing_app,billing_tenant using %1$s check %1$s', t.condition)];
SELECT is_empty('SELECT * FROM unlike_rule', 'every tenant table, partition and table of plans has row security, with exactly the two policies');
SELECT is_empty($$ SELECT t.relation FROM tables t WHERE relrowsecurity AND NOT EXISTS (SELECT FROM protected_tables x WHERE x.relation_oid = t.relation_oid) $$,
                'and no other table has it');
ALTER TABLE billing.accounts DISABLE ROW LEVEL SECURITY;
ALTER TABLE billing.invoices FORCE ROW LEVEL SECURITY;
DROP POLICY tenant_rows ON billing.subscriptions;
ALTER POLICY tenant_rows ON billing.rated_lines USING (true);
ALTER POLICY staff_reads ON billing.usage_records TO PUBLIC;
ALTER POLICY tenant_rows ON billing.plans USING (NOT is_private);
DROP POLICY tenant_rows ON billing.charges;
CREATE POLICY mine ON billing.usage_records_2031_05 USING (true);
SELECT set_eq('SELECT relation FROM unlike_rule', '{accounts,invoices,subscriptions,rated_lines,usage_records,usage_records_2031_05,plans,charges}'::text[], 'what is changed by hand differs');
SELECT is(billing.protect_tables(), 8::bigint, 'and is made right again');
SELECT is_empty('SELECT * FROM unlike_rule', 'by the rule');
SELECT is_empty($$ SELECT r.relation, a.grantee::regrole FROM relations r, aclexplode(r.relacl) AS a WHERE a.grantee = 'billing_tenant'::regrole
                    AND r.relation NOT IN ('accounts', 'subscriptions', 'subscription_phases', 'current_subscriptions', 'usage_records', 'daily_counts', 'allocations',
                        'rated_lines', 'rated', 'ledger_entries', 'ledger_accounts', 'entry_types', 'balances', 'invoices', 'invoice_lines', 'invoice_events',
                        'evidence_bundles', 'evidence_months', 'renewal_events', 'erasures', 'devices', 'enrollments', 'activity_proofs', 'device_coverage_ledger', 'identity_claims',
                        'identity_claim_events', 'coverage_policies', 'coverage_daily_state', 'coverage_disputes', 'meters', 'products', 'plans', 'plan_versions', 'charges', 'price_list', 'currencies') $$,
                'a tenant reads what was reviewed for it, and nothing else');

-- Grants are made anew by each install() and migrate(), none more and none less.
CREATE TEMP TABLE grants_before AS
SELECT routine AS object, proacl AS acl FROM routines UNION ALL SELECT relation, relacl FROM relations UNION ALL SELECT relation || '.' || column_name, attacl FROM columns;
REVOKE ALL ON ALL ROUTINES IN SCHEMA billing FROM billing_admin, billing_operator, billing_auditor, billing_app, billing_loader, billing_tenant;
REVOKE ALL ON ALL TABLES IN SCHEMA billing FROM billing_admin, billing_operator, billing_auditor, billing_app, billing_loader, billing_tenant;
SELECT matches(billing.install(), 'nothing to do', 'install() on an installed database says so');
GRANT EXECUTE ON FUNCTION billing.install(), billing.migrate() TO billing_admin;
SELECT is_empty($$ WITH now AS (SELECT routine AS object, proacl AS acl FROM routines UNION ALL SELECT relation, relacl FROM relations
                                UNION ALL SELECT relation || '.' || column_name, attacl FROM columns)
                   SELECT n.object, n.acl, b.acl FROM grants_before b FULL JOIN now n USING (object)
                    WHERE ARRAY(SELECT a FROM aclexplode(n.acl) AS a WHERE a.grantee <> a.grantor ORDER BY a)
                       IS DISTINCT FROM ARRAY(SELECT a FROM aclexplode(b.acl) AS a WHERE a.grantee <> a.grantor ORDER BY a) $$,
                'and gives every function, table and column its grants again');

-- What is append-only has its guards, partitions too, in replica mode too.
CREATE TEMP VIEW append_only AS
SELECT DISTINCT relation_oid, relation, logical FROM columns
 WHERE column_name = 'log_xid' AND relkind IN ('r', 'p') AND logical NOT IN ('billing.invoices'::regclass, 'billing.invoice_lines'::regclass, 'billing.plan_versions'::regclass)
UNION SELECT relation_oid, relation, logical FROM tables WHERE relation IN ('count_windows', 'coverage_windows', 'balance_windows', 'balance_snapshots', 'coverage_event_ids', 'checkpoint_notes', 'log_segments', 'log_blocks', 'log_hashes', 'evidence_bundles', 'evidence_months');
-- tgtype: 1 for each row, 2 before, 8 DELETE, 16 UPDATE, 32 TRUNCATE.
SELECT is_empty($$ SELECT relation FROM append_only a WHERE NOT EXISTS (
                       SELECT FROM triggers WHERE tgrelid = a.relation_oid AND name = 'refuse_change' AND calls = 'refuse_change' AND tgtype = 1 + 2 + 8 + 16 AND tgenabled = 'A') $$,
                'every append-only table and partition refuses UPDATE and DELETE');
SELECT is_empty($$ SELECT relation FROM (SELECT relation_oid, relation FROM append_only
                                         UNION SELECT relation_oid, relation FROM tables WHERE logical IN ('billing.invoices'::regclass, 'billing.invoice_lines'::regclass)) AS a
                    WHERE NOT EXISTS (
                       SELECT FROM triggers WHERE tgrelid = a.relation_oid AND name = 'refuse_truncate' AND calls = 'refuse_change' AND tgtype = 2 + 32 AND tgenabled = 'A') $$,
                'every append-only table and partition refuses TRUNCATE, and those of invoices and lines');
SELECT is_empty($$ SELECT relation FROM tables t WHERE logical IN ('billing.invoices'::regclass, 'billing.invoice_lines'::regclass) AND NOT EXISTS (
                       SELECT FROM triggers WHERE tgrelid = t.relation_oid AND name = 'guard_finalized' AND calls ~ '^guard_invoice' AND tgtype = 1 + 2 + 8 + 16 AND tgenabled = 'A') $$,
                'invoices and their lines have guards of their own');
SELECT is_empty($$ SELECT c.relation FROM columns c LEFT JOIN pg_attrdef d ON d.adrelid = c.relation_oid AND d.adnum = c.attnum
                    WHERE c.column_name = 'log_xid' AND c.relkind <> 'v'
                      -- What log_xid() itself reads, and what is filled in by a publication.
                      AND c.logical NOT IN ('billing.incarnations'::regclass, 'billing.plan_versions'::regclass)
                      AND NOT (c.attnotnull AND c.atttypid = 'xid8'::regtype AND coalesce(pg_get_expr(d.adbin, d.adrelid) = 'billing.log_xid()', false)) $$,
                'every log_xid is filled in by billing.log_xid()');

-- What is administered is audited: all but what only grows and tells of itself, and what was reviewed.
SELECT is_empty($$ SELECT relation FROM tables t
                    WHERE NOT relispartition AND NOT EXISTS (SELECT FROM append_only a WHERE a.relation_oid = t.relation_oid)
                      AND relation <> ALL ('{schema_migrations,stage_locks,tenant_locks,partitioned_tables,idempotency_keys,daily_counts,count_sync_checkpoints,usage_set_aside,allocations,devices,identity_claims,identity_claim_heads,coverage_daily_state,number_series,invoices,invoice_lines,jobs,job_runs}')
                      AND NOT EXISTS (SELECT FROM triggers WHERE tgrelid = t.relation_oid AND name = 'audit_change' AND calls = 'audit_change' AND tgtype = 1 + 4 + 8 + 16 AND tgenabled = 'A') $$,
                'every table that is administered is audited');

-- Tenants.
SELECT is_empty($$ SELECT relation, key FROM unique_keys k JOIN tenant_tables t USING (relation) WHERE 'tenant_id' <> ALL (columns) $$,
                'every unique key of a tenant table contains tenant_id');
SELECT is_empty($$ SELECT relation FROM tenant_tables t WHERE relation_oid <> 'billing.usage_records'::regclass
                      AND NOT EXISTS (SELECT FROM unique_keys k WHERE k.indrelid = t.relation_oid) $$,
                'and each has one; usage_records has its key on the partitions');
SELECT is_empty($$ SELECT relation, column_name FROM columns WHERE column_name = 'tenant_id' AND relkind IN ('r', 'p')
                      AND NOT (attnotnull AND atttypid = 'text'::regtype AND attcollation = '"C"'::regcollation) $$,
                'tenant_id is text in byte order, and never null');
SELECT is_empty($$ SELECT f.conrelid::regclass, f.conname FROM pg_constraint f
                     JOIN tenant_tables t ON t.relation_oid = f.confrelid
                    WHERE f.contype = 'f' AND NOT EXISTS (
                       SELECT FROM unnest(f.conkey, f.confkey) AS k (mine, theirs)
                         JOIN pg_attribute a ON a.attrelid = f.conrelid AND a.attnum = k.mine AND a.attname = 'tenant_id'
                         JOIN pg_attribute b ON b.attrelid = f.confrelid AND b.attnum = k.theirs AND b.attname = 'tenant_id') $$,
                'every foreign key to a tenant table contains tenant_id');
SELECT is_empty($$ SELECT f.conrelid::regclass, f.conname FROM pg_constraint f JOIN tables t ON t.relation_oid = f.conrelid
                    WHERE f.contype = 'f' AND (f.confdeltype NOT IN ('a', 'r') OR f.confupdtype NOT IN ('a', 'r')
                          OR t.logical = ANY ('{billing.usage_records,billing.daily_counts,billing.rated_lines,billing.ledger_entries,billing.invoice_lines}'::regclass[])) $$,
                'no foreign key cascades, and the five hot tables have none');
SELECT * FROM finish();
ROLLBACK;
