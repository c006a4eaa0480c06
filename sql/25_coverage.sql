-- Coverage: what sync does and refuses. In a database of its own, because windows cannot be taken in a transaction that is rolled back.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
\set home :DBNAME
DROP DATABASE IF EXISTS billing_coverage;
CREATE DATABASE billing_coverage TEMPLATE template0 ENCODING 'UTF8';
\c billing_coverage
SET timezone = 'UTC'; SET datestyle = ISO; SET client_min_messages = warning;
CREATE EXTENSION billing;
SELECT billing.install() IS NOT NULL AS installed;
SELECT billing.ensure_partitions('2024-02-01', '2024-04-01') >= 0 AS partitions;
DO $$ BEGIN
    PERFORM billing.create_plan('p', currency => 'EUR');
    PERFORM billing.add_charge('p', 'base', price => '{"model":"flat","amount":"1"}');
    PERFORM billing.publish_plan('p');
    PERFORM billing.create_account('acme');
    PERFORM billing.subscribe('acme', plan => 'p', starts => '2024-02-01');
    PERFORM billing.register_device('acme', k, enrolled_from => '2024-02-27', plan => 'basic') FROM unnest('{a,b}'::text[]) AS k;
    PERFORM billing.cover_device('acme', 'a', 'a1', '2024-02-28');
END $$;

-- Without its meter nothing is synced; one that does not sum is none.
SELECT * FROM billing.sync_coverage('2024-03-01');
\echo :LAST_ERROR_SQLSTATE
SELECT * FROM billing.sync_coverage('infinity');
\echo :LAST_ERROR_SQLSTATE
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT * FROM billing.sync_coverage('2024-03-01');
ROLLBACK;
\echo :LAST_ERROR_SQLSTATE
SELECT count(*) AS windows FROM billing.coverage_windows;
SELECT synced_through, rows_waiting, disputes_escalated FROM billing.coverage_backlog;
SELECT billing.create_meter('covered_devices', unit => 'device-day', dimensions => '{plan}');

-- A window, the leap day in it; nothing new; a day passes; earlier than what is synced is nothing.
SELECT * FROM billing.sync_coverage('2024-03-01');
SELECT * FROM billing.sync_coverage('2024-03-01');
SELECT * FROM billing.sync_coverage('2024-03-02');
SELECT * FROM billing.sync_coverage('2024-02-28');
SELECT device_key, coverage_day, s.account_id, coverage_state, plan, is_counted, window_no FROM billing.coverage_daily_state s JOIN billing.devices d USING (tenant_id, device_id) ORDER BY 1, 2;
SELECT usage_day, substring(event_id FROM '^coverage/\d+/') AS event, quantity, dimensions, substring(corrects_event_id FROM '^coverage/\d+/') AS corrects FROM billing.usage_records ORDER BY 1, 2;
SELECT rows_counted, rows_set_aside FROM billing.sync_counts();

-- A late event in days that are counted: a correction each, and the other device instead of it.
SELECT billing.uncover_device('acme', 'a', 'a2', '2024-02-29', '2024-03-02'), billing.cover_device('acme', 'b', 'b1', '2024-03-01', '2024-03-02', 'gold');
SELECT * FROM billing.sync_coverage('2024-03-02');
SELECT billing.withdraw_device('acme', 'a', 'w', '2024-03-02');
SELECT * FROM billing.sync_coverage('2024-03-02');
SELECT usage_day, substring(event_id FROM '^coverage/\d+/') AS event, quantity, dimensions, substring(corrects_event_id FROM '^coverage/\d+/') AS corrects FROM billing.usage_records WHERE event_id !~ '^coverage/[12]/' ORDER BY 1, 2, 3;
SELECT coverage_day, account_id, coverage_state, is_counted FROM billing.coverage_daily_state WHERE account_id IS NULL;
SELECT rows_counted, rows_set_aside FROM billing.sync_counts();
SELECT day, dimensions, quantity FROM billing.daily_counts ORDER BY 1, 2;
SELECT synced_through, rows_waiting, disputes_escalated FROM billing.coverage_backlog;

-- A month without partition stops it, and is told.
SELECT * FROM billing.sync_coverage('2024-04-01');
\echo :LAST_ERROR_SQLSTATE
SELECT * FROM billing.replay_coverage();
SELECT * FROM billing.replay_count_sync();
SELECT * FROM billing.verify_log();

-- Who may do what. An application needs a token besides: test/pgtap/access.sql has them.
SET ROLE billing_app;
SELECT billing.cover_device('acme', 'b', 'b2', '2024-03-01') AS covered;
SELECT billing.sync_coverage();
SELECT billing.resolve_claim('acme', 'serial', 'S', 'split', actor => 'a', reason => 'r');
INSERT INTO billing.device_coverage_ledger (tenant_id) VALUES ('acme');
RESET ROLE;
SET ROLE billing_tenant;
SELECT billing.cover_device('acme', 'b', 'b3', '2024-03-01');
RESET ROLE;
\c :home
DROP DATABASE billing_coverage;
