-- Installing: before, once, again; what the tables refuse from anybody, and what nobody in particular may do.
SET timezone = 'UTC'; SET datestyle = ISO;
\set SHOW_CONTEXT never
CREATE FUNCTION pg_temp.answer(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE statement;
    RETURN 'done';
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE || ': ' || SQLERRM;
END
$$;

-- Before: one hint, and the same code from every call that needs tables; arithmetic and ids need none.
SELECT billing.ensure_partitions('2026-01-01', '2026-02-01');
\echo :LAST_ERROR_SQLSTATE
CALL billing.run_invoices('2026-01-01');
\echo :LAST_ERROR_SQLSTATE
SELECT left(pg_temp.answer('SELECT ' || call), 5) AS answer, call
  FROM unnest(ARRAY[
        $$billing.migrate()$$, $$billing.adopt_cluster('restore')$$, $$billing.ensure_partitions('2026-01-01', '2026-02-01')$$,
        $$billing.log_xid()$$, $$billing.log_snapshot()$$, $$billing.current_incarnation()$$,
        $$billing.create_currency('ABC', 'a', 2)$$, $$billing.create_meter('m', 'm')$$, $$billing.create_product('p')$$,
        $$billing.create_plan('p', 'EUR')$$, $$billing.add_charge('p', 'c', '{"model":"flat","amount":"1"}')$$,
        $$billing.create_legal_entity('l', 'l')$$, $$billing.create_account('a')$$, $$billing.subscribe('a', 'p', '2026-01-01')$$,
        $$billing.record_usage('a', 'm', 'e')$$, $$billing.record_usage('[]')$$, $$billing.sync_counts()$$, $$billing.replay_count_sync()$$,
        $$billing.post_entry('a', 'payment', 1, 'EUR')$$, $$billing.reverse_entry('a', billing.uuid_v7(), 'why')$$, $$billing.balance('a', 'EUR')$$, $$billing.close_balances()$$,
        $$billing.rate_batch('2026-01-01', 'a', 'z')$$, $$billing.current_charges('a')$$,
        $$billing.shadow_rate('p', 'c', '{"model":"flat","amount":"1"}', '2026-01-01')$$,
        $$billing.invoice_batch('2026-01-01', 'a', 'z', billing.uuid_v7(), true)$$, $$billing.finalize_batch('2026-01-01', 'a', 'z')$$,
        $$billing.finalize_invoice('INV-2026-000001')$$, $$billing.void_invoice('INV-2026-000001', 'why')$$,
        $$billing.invoice_document('INV-2026-000001')$$, $$billing.show_invoice('INV-2026-000001')$$, $$billing.preview_invoices('a')$$,
        $$billing.rate_minor('{"model":"unit","unit":"1"}', 1, 2)$$, $$billing.cycles('2026-01-01', 1, '2026-01-01', '2026-02-01')$$,
        $$billing.uuid_v7()$$, $$billing.canonical_json('{}')$$]) WITH ORDINALITY AS c (call, n)
 ORDER BY n;

-- Once, again, and nothing to migrate.
SELECT regexp_replace(billing.install(), '\d+ modules', 'N modules') AS install;
SELECT billing.install();
SELECT billing.migrate();
SELECT count(*) = count(DISTINCT step) AND bool_and(version = '0.1.0') AS steps_recorded_once FROM billing.schema_migrations;
SELECT incarnation, xid_offset, reason, system_identifier = (SELECT s.system_identifier::text FROM pg_control_system() AS s) AS runs_here FROM billing.incarnations;
SELECT billing.adopt_cluster('the same cluster');

\set ON_ERROR_ROLLBACK on
BEGIN;
-- Partitions by month: from two months ago to three months ahead from the start, and any others when asked.
SELECT count(*) FILTER (WHERE to_regclass(format('billing.%s_%s', table_name, to_char(now() AT TIME ZONE 'UTC' + make_interval(months => m), 'YYYY_MM'))) IS NULL) AS missing
  FROM billing.partitioned_tables, generate_series(-2, 2) AS m;
SELECT billing.ensure_partitions('2025-12-31', '2026-01-02') = 2 * count(*) AS two_months, count(*) > 5 AS of_every_table FROM billing.partitioned_tables;
SELECT billing.ensure_partitions('2025-12-31', '2026-01-02');
SELECT billing.ensure_partitions('2024-02-29', '2024-03-01') = count(*) AS february_only FROM billing.partitioned_tables;
SELECT relname, pg_get_expr(relpartbound, oid) AS holds, obj_description(oid, 'pg_class') AS comment
  FROM pg_class WHERE relname IN ('ledger_entries_2024_02', 'usage_records_2025_12') AND relnamespace = 'billing'::regnamespace ORDER BY relname;
SELECT indexdef FROM pg_indexes WHERE schemaname = 'billing' AND indexname = 'usage_records_2025_12_key';
SELECT billing.ensure_partitions('2026-02-01', '2026-02-01');
\echo :LAST_ERROR_SQLSTATE
SELECT "from", "to", pg_temp.answer(format('SELECT billing.ensure_partitions(%L, %L)', "from", "to"))
  FROM (VALUES ('2026-02-01', '2026-01-01'), ('2026-01-01', 'infinity'), ('-infinity', '2026-01-01'), ('2026-01-01', '2076-01-02'),
               (NULL, '2026-01-01'), ('2026-01-01', NULL)) AS v ("from", "to");

-- A month without partition: refused before the write, with what to do, and never put aside.
SELECT billing.create_account('install', name => 'Installer');
SELECT billing.post_entry('install', 'payment', 1, 'EUR', posted_on => '1999-12-31');
\echo :LAST_ERROR_SQLSTATE
SELECT count(*) FROM pg_class WHERE relnamespace = 'billing'::regnamespace AND pg_get_expr(relpartbound, oid) = 'DEFAULT';

-- Append-only: nobody edits, not the superuser either, and not on a partition.
SELECT billing.post_entry('install', 'payment', 1, 'EUR', posted_on => '2026-01-31') IS NOT NULL AS posted;
UPDATE billing.ledger_entries SET amount_minor = 2 WHERE tenant_id = 'install';
\echo :LAST_ERROR_SQLSTATE
SELECT statement, pg_temp.answer(statement)
  FROM unnest(ARRAY['DELETE FROM billing.ledger_entries WHERE tenant_id = ''install''',
                    'UPDATE billing.ledger_entries_2026_01 SET memo = ''x'' WHERE tenant_id = ''install''',
                    'DELETE FROM billing.ledger_entries_2026_01 WHERE tenant_id = ''install''',
                    'TRUNCATE billing.ledger_entries', 'TRUNCATE billing.ledger_entries_2026_01', 'TRUNCATE billing.ledger_entries_2026_01 CASCADE',
                    'TRUNCATE billing.usage_records_2025_12', 'TRUNCATE billing.rated_lines', 'TRUNCATE billing.rated_lines_2024_02',
                    'TRUNCATE billing.invoices', 'TRUNCATE billing.invoice_lines_2024_02', 'TRUNCATE billing.invoice_events', 'TRUNCATE billing.count_windows',
                    'UPDATE billing.ledger_entries SET amount_minor = 2 WHERE false']) AS statement;
-- The triggers fire in a session that replays for a replica too.
SET session_replication_role = replica;
SELECT pg_temp.answer('DELETE FROM billing.ledger_entries_2026_01'), pg_temp.answer('TRUNCATE billing.ledger_entries_2026_01');
RESET session_replication_role;

-- PUBLIC may do nothing: not look into the schema, not call, not read.
CREATE ROLE regress_billing_nobody;
SET ROLE regress_billing_nobody;
SELECT billing.install();
\echo :LAST_ERROR_SQLSTATE
SELECT * FROM billing.currencies;
\echo :LAST_ERROR_SQLSTATE
RESET ROLE;
SELECT count(*) FILTER (WHERE has_function_privilege('regress_billing_nobody', p.oid, 'EXECUTE')) AS may_call, count(*) > 60 AS of_many
  FROM pg_proc p WHERE p.pronamespace = 'billing'::regnamespace;
SELECT count(*) FILTER (WHERE has_table_privilege('regress_billing_nobody', c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')
                           OR has_any_column_privilege('regress_billing_nobody', c.oid, 'SELECT, INSERT, UPDATE, REFERENCES')) AS may_touch, count(*) > 60 AS of_many
  FROM pg_class c WHERE c.relnamespace = 'billing'::regnamespace AND c.relkind IN ('r', 'p', 'v');

-- And who works with it no more than the work needs: the application records, and touches no table.
SET ROLE billing_app;
SELECT pg_temp.answer(s) AS answer, s AS statement
  FROM unnest(ARRAY['SELECT billing.install()', 'SELECT billing.post_entry(''install'', ''payment'', 1, ''EUR'')', 'SELECT FROM billing.ledger_entries',
                    'INSERT INTO billing.usage_records (tenant_id, meter_id, event_id, occurred_at, quantity) VALUES (''install'', ''m'', ''e'', now(), 1)',
                    'SELECT billing.begin_call(''install'', ''post_entry'', ''k'', ''{}'')']) AS s;
RESET ROLE;
SET ROLE billing_auditor;
SELECT pg_temp.answer(s) AS answer, s AS statement
  FROM unnest(ARRAY['SELECT FROM billing.ledger_entries', 'SELECT FROM billing.trial_balance', 'DELETE FROM billing.ledger_entries',
                    'SELECT FROM billing.ledger_entries_2026_01', 'SELECT billing.post_entry(''install'', ''payment'', 1, ''EUR'')']) AS s;
RESET ROLE;
ROLLBACK;
