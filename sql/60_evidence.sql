-- Evidence without a key: seals, what they hold, refusals, and what an attacker who may do everything cannot hide. In a database of its
-- own, because seal() needs transactions of its own.
SET client_min_messages = warning;
\set home :DBNAME
DROP DATABASE IF EXISTS regress_billing_evidence;
CREATE DATABASE regress_billing_evidence TEMPLATE template0 ENCODING 'UTF8';
\c regress_billing_evidence
SET timezone = 'UTC'; SET datestyle = ISO; SET client_min_messages = warning;
\set SHOW_CONTEXT never
CREATE EXTENSION billing;
SELECT billing.install() \g /dev/null
SELECT billing.ensure_partitions('2025-12-01', '2026-09-01') \g /dev/null
CREATE VIEW pg_temp.segments AS SELECT * FROM billing.log_segments ORDER BY seal_no, first_leaf;

-- The first seal has the incarnation and the schema. Each later one has the checkpoint before, and is made only for more than that.
SELECT seal_no, tree_size, note FROM billing.seal();
SELECT seal_no, tree_size FROM billing.seal();
SELECT seal_no, tree_size FROM billing.seal(heartbeat => true);
SELECT * FROM pg_temp.segments;

-- A month of one customer.
SELECT billing.create_meter('calls', unit => 'call', dimensions => '{region}');
SELECT billing.create_plan('pro', currency => 'EUR'), billing.add_charge('pro', 'base', name => 'Base fee', price => '{"model":"flat","amount":"49"}', in_advance => true),
       billing.add_charge('pro', 'calls', name => 'Calls', meter => 'calls', price => '{"model":"graduated","tiers":[{"up_to":"1000","unit":"0"},{"up_to":null,"unit":"0.01"}]}');
SELECT (billing.publish_plan('pro')).version;
SELECT billing.create_account('acme', name => 'Acme Ltd'), billing.subscribe('acme', 'pro', '2026-01-01') IS NOT NULL AS bought;
SELECT count(*) FILTER (WHERE billing.record_usage('acme', 'calls', event_id => 'e' || n, quantity => n, occurred_at => timestamptz '2026-01-05 12:00+00' + n * interval '1 hour',
                        dimensions => CASE WHEN n % 2 = 0 THEN '{"region":"eu"}'::jsonb ELSE '{}' END)) AS recorded
  FROM generate_series(1, 100) n;
SELECT window_no, rows_counted FROM billing.sync_counts();
SELECT invoices, lines, finalized FROM billing.invoice_batch('2026-02-01', 'acme', 'acme', billing.uuid_v7(), true);
SELECT seal_no, tree_size FROM billing.seal();
SELECT kind, first_leaf, leaves FROM pg_temp.segments WHERE seal_no = 3;
SELECT * FROM billing.verify_log();

-- More than a block: positions and hashes are kept.
SELECT billing.post_entry('acme', 'payment', 100 * n, 'EUR', memo => 'rent of ' || n) IS NOT NULL AS posted FROM generate_series(1, 600) n \g /dev/null
SELECT seal_no, tree_size FROM billing.seal();
SELECT * FROM billing.verify_log();
SELECT block_no, seal_no, kind FROM billing.log_blocks ORDER BY block_no;
SELECT level, node FROM billing.log_hashes ORDER BY level, node;

-- Each window's second digest is over what it added to the counts.
SELECT e.counts_digest = (SELECT billing.merkle_agg(billing.leaf_hash(billing.leaf_canon('count', d.day, d.account_id, d.meter_id, d.dimensions, 'sum'::text, d.quantity, d.events, d.latest_at))
                                                   ORDER BY d.day, d.account_id, d.meter_id, d.dimensions::text COLLATE "C") FROM billing.daily_counts d) AS of_the_counts,
       e.rows_processed FROM billing.count_sync_checkpoint_events e;

-- The same log from another order of the clock and other settings: no hash depends on them.
SET timezone = 'Asia/Kathmandu'; SET datestyle = 'SQL, DMY'; SET intervalstyle = iso_8601; SET extra_float_digits = -5; SET bytea_output = escape;
SELECT * FROM billing.verify_log();
RESET timezone; RESET datestyle; RESET intervalstyle; RESET extra_float_digits; RESET bytea_output;
SET timezone = 'UTC'; SET datestyle = ISO;

-- Refusals.
BEGIN;
SELECT pg_current_xact_id() IS NOT NULL AS wrote;
SELECT billing.seal();
\echo :LAST_ERROR_SQLSTATE
ROLLBACK;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT billing.seal();
\echo :LAST_ERROR_SQLSTATE
ROLLBACK;
SELECT number FROM billing.invoices WHERE status = 'finalized' ORDER BY number;
SELECT billing.evidence('INV-2026-000002');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.evidence('INV-2026-000009');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.evidence(NULL);
\echo :LAST_ERROR_SQLSTATE
SELECT billing.evidence_csv('INV-2026-000002');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.evidence_csv('INV-2026-000009');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.evidence_month('acme', '2026-02-28');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.evidence_month('acme', '2026-03-01');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.evidence_month('nobody', '2026-02-01');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.evidence_month(NULL, '2026-02-01');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.evidence_month('acme', NULL);
\echo :LAST_ERROR_SQLSTATE
SELECT billing.evidence_month('acme', 'infinity');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.prove_inclusion('usage_window', 'acme', '1');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.prove_inclusion('receipt', 'acme', '1');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.prove_consistency(1);
\echo :LAST_ERROR_SQLSTATE
SELECT billing.add_signature(1, 'no note');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.add_signature(99, 'no note');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.rotate_signing_key(NULL);
\echo :LAST_ERROR_SQLSTATE
SELECT billing.rotate_signing_key('key');
\echo :LAST_ERROR_SQLSTATE
SELECT * FROM billing.digest();

-- An outside key: the first is registered as it is; what it did not sign is refused. (The key of RFC 8032 7.1, test 1.)
SELECT billing.rotate_signing_key('example.com/log+cc714670+AddamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea');
\echo :LAST_ERROR_SQLSTATE
SELECT seal_no, body = (SELECT c.body FROM billing.checkpoints c WHERE c.seal_no = 4) AS newest FROM billing.unsigned_checkpoint();

-- What must be detected, each by a superuser with every guard off, and the layer that tells.
-- Guards stand in a replica's session too.
BEGIN;
SET LOCAL session_replication_role = replica;
UPDATE billing.ledger_entries SET amount_minor = amount_minor + 1 WHERE memo = 'rent of 7';
\echo :LAST_ERROR_SQLSTATE
ROLLBACK;
-- So they are taken off for one statement, and put back. The root of the seal tells.
CREATE FUNCTION pg_temp.attack(relation text, statement text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    guard record;
BEGIN
    CREATE TEMP TABLE guards AS
    SELECT t.tgrelid::regclass AS relation, t.tgname AS name FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
     WHERE NOT t.tgisinternal AND t.tgenabled = 'A' AND c.relnamespace = 'billing'::regnamespace AND (c.relname = attack.relation OR c.relname LIKE attack.relation || '_20%');
    FOR guard IN SELECT * FROM guards LOOP
        EXECUTE format('ALTER TABLE ONLY %s DISABLE TRIGGER %I', guard.relation, guard.name);
    END LOOP;
    EXECUTE statement;
    FOR guard IN SELECT * FROM guards LOOP
        EXECUTE format('ALTER TABLE ONLY %s ENABLE ALWAYS TRIGGER %I', guard.relation, guard.name);
    END LOOP;
END
$$;
BEGIN;
SELECT pg_temp.attack('ledger_entries', $$UPDATE billing.ledger_entries SET amount_minor = amount_minor + 1 WHERE memo = 'rent of 7'$$);
SELECT * FROM billing.verify_log();
ROLLBACK;
-- A row taken away: the segment and the root tell.
BEGIN;
SELECT pg_temp.attack('ledger_entries', $$DELETE FROM billing.ledger_entries WHERE memo = 'rent of 300'$$);
SELECT seal_no, problem FROM billing.verify_log();
ROLLBACK;
-- A back-dated row: likewise.
BEGIN;
SELECT pg_temp.attack('ledger_entries', $$INSERT INTO billing.ledger_entries (posted_on, tenant_id, entry_id, account_id, entry_type, debit_account, credit_account, amount_minor, currency, source, source_id, log_xid)
SELECT posted_on, tenant_id, '00000000-0000-0000-0000-000000000001', account_id, entry_type, debit_account, credit_account, amount_minor, currency, source, source_id, log_xid
  FROM billing.ledger_entries WHERE memo = 'rent of 8'$$);
SELECT seal_no, problem FROM billing.verify_log() WHERE problem LIKE '%rows%';
ROLLBACK;
-- A finalized invoice's line, and the invoice itself: the document hash of its event tells.
BEGIN;
SELECT pg_temp.attack('invoice_lines', $$UPDATE billing.invoice_lines SET quantity = quantity - 1 WHERE quantity > 1000$$);
SELECT seal_no, regexp_replace(problem, '[0-9a-f-]{36}', 'ID') AS problem FROM billing.verify_log();
ROLLBACK;
BEGIN;
SELECT pg_temp.attack('invoices', $$UPDATE billing.invoices SET due_date = due_date + 30$$);
SELECT seal_no, regexp_replace(problem, '[0-9a-f-]{36}', 'ID') AS problem FROM billing.verify_log();
ROLLBACK;
-- Terms of a published plan: the plan hash tells.
BEGIN;
SELECT pg_temp.attack('charges', $$UPDATE billing.charges SET price = '{"model":"flat","amount":"50"}', price_hash = billing.price_hash('{"model":"flat","amount":"50"}') WHERE charge_id = 'base'$$);
SELECT * FROM billing.verify_log();
ROLLBACK;
-- Usage: the window's digest tells.
BEGIN;
SELECT pg_temp.attack('usage_records', $$UPDATE billing.usage_records SET quantity = 1 WHERE event_id = 'e99'$$);
SELECT seal_no, problem FROM billing.verify_log();
ROLLBACK;
-- A chain written anew, its hash recomputed: the root of the seal tells.
BEGIN;
SELECT pg_temp.attack('count_sync_checkpoint_events', $$UPDATE billing.count_sync_checkpoint_events
   SET rows_processed = 99, self_hash = billing.checkpoint_hash(tenant_id, sequence, window_no, 99, first_day, last_day, digest, counts_digest, salt, prev_hash, created_at)$$);
SELECT * FROM billing.verify_log() WHERE seal_no > 0;
ROLLBACK;
-- A column of another type: the root tells.
BEGIN;
ALTER TABLE billing.ledger_entries ALTER COLUMN posted_at TYPE timestamptz USING posted_at + interval '1 second';
SELECT seal_no, problem FROM billing.verify_log();
ROLLBACK;
-- A child by inheritance with rows of its own: they are not read, and the schema's fingerprint shows the child.
BEGIN;
CREATE TABLE billing.phantom () INHERITS (billing.invoice_events);
INSERT INTO billing.phantom (tenant_id, invoice_id, sequence, to_status, total_minor, actor, occurred_at, prev_hash, self_hash, log_xid)
SELECT tenant_id, invoice_id, 9, 'paid', 0, 'me', now(), self_hash, self_hash, log_xid FROM billing.invoice_events;
SELECT seal_no, regexp_replace(problem, 'at .*', 'at ...') AS problem FROM billing.verify_log();
ROLLBACK;
-- A rule that drops postings, a trigger switched off, a function replaced: the schema's fingerprint tells. A policy that hides rows:
-- row_security = off refuses to read around it.
BEGIN;
CREATE RULE forget AS ON INSERT TO billing.ledger_entries DO INSTEAD NOTHING;
SELECT seal_no, regexp_replace(problem, 'at .*', 'at ...') AS problem FROM billing.verify_log();
ROLLBACK;
BEGIN;
ALTER TABLE billing.ledger_entries ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY hide ON billing.ledger_entries USING (amount_minor < 100);
SELECT * FROM billing.verify_log();
\echo :LAST_ERROR_SQLSTATE
ROLLBACK;
BEGIN;
ALTER TABLE billing.invoices DISABLE TRIGGER guard_finalized;
SELECT seal_no, regexp_replace(problem, 'at .*', 'at ...') AS problem FROM billing.verify_log();
ROLLBACK;
BEGIN;
-- (What compares is in the library, so replacing billing.schema_fingerprint() hides nothing.)
CREATE OR REPLACE FUNCTION billing.schema_fingerprint() RETURNS bytea LANGUAGE sql AS 'SELECT f.fingerprint FROM billing.schema_fingerprints f';
CREATE OR REPLACE FUNCTION billing.replay_count_sync(tenant text DEFAULT NULL) RETURNS TABLE (tenant_id text, window_no bigint, problem text)
LANGUAGE sql AS $$ SELECT NULL::text, 1::bigint, NULL::text WHERE false $$;
SELECT seal_no, regexp_replace(problem, 'at .*', 'at ...') AS problem FROM billing.verify_log();
ROLLBACK;
-- Checkpoints: a root, one taken away, a stored hash: frontier, body and rows contradict it.
BEGIN;
SELECT pg_temp.attack('checkpoints', $$UPDATE billing.checkpoints SET root_hash = sha256('') WHERE seal_no = 4$$);
SELECT * FROM billing.verify_log();
ROLLBACK;
BEGIN;
SELECT pg_temp.attack('checkpoints', $$DELETE FROM billing.checkpoints WHERE seal_no = 2$$);
SELECT * FROM billing.verify_log();
ROLLBACK;
BEGIN;
SELECT pg_temp.attack('log_hashes', $$DELETE FROM billing.log_hashes WHERE node = 1$$);
SELECT * FROM billing.verify_log();
ROLLBACK;
SELECT * FROM billing.verify_log();

-- A change that is meant is recorded, and is itself a leaf.
CREATE FUNCTION billing.own_report() RETURNS integer LANGUAGE sql AS 'SELECT 1';
SELECT count(*) AS problems FROM billing.verify_log();
SELECT billing.record_schema('our own report');
SELECT billing.record_schema('our own report');
SELECT seal_no FROM billing.seal();
SELECT kind, leaves FROM pg_temp.segments WHERE seal_no = 5;
SELECT * FROM billing.verify_log();
\c :home
DROP DATABASE regress_billing_evidence;
