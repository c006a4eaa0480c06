-- Each path by which billing is asked for has its index, and the planner takes it without being told to; and rating and invoices read
-- daily counts, never usage or coverage. Rows are made by the thousand, as their owner, so that reading all of them is dear.
\unset ECHO
\set QUIET 1
BEGIN;
SET LOCAL timezone = 'UTC';
SET LOCAL jit = off;
SELECT plan(21);
SELECT billing.ensure_partitions('2031-01-01', '2031-04-01') \g /dev/null

INSERT INTO billing.daily_counts (day, tenant_id, account_id, meter_id, dimensions, quantity, events, latest_at, window_no)
SELECT date '2031-01-01' + d, 'q' || t, 'main', 'covered_devices', '{}', 10, 1, '2031-01-01Z', 1 FROM generate_series(1, 300) AS t, generate_series(0, 58) AS d ORDER BY 1, 2;
INSERT INTO billing.coverage_daily_state (tenant_id, device_id, coverage_day, account_id, coverage_state, is_counted, window_no)
SELECT 'q' || n % 100, billing.derive_id('device', n::text), date '2031-01-01' + d, 'main', CASE WHEN n % 10 = 0 THEN 'disputed' ELSE 'covered' END, true, 1
  FROM generate_series(1, 800) AS n, generate_series(0, 58) AS d ORDER BY 3, 1, 2;
INSERT INTO billing.count_sync_checkpoints (tenant_id, sequence, window_no, self_hash, updated_at)
SELECT 'q' || t, 1, 1, sha256(t::text::bytea), now() FROM generate_series(1, 3000) AS t;
-- Their parents are not what is asked for here.
SET LOCAL session_replication_role = replica;
INSERT INTO billing.identity_claims (tenant_id, identity_type, identity_value, device_id, claimed_on, status)
SELECT 'q' || n % 100, 'serial', 's' || n, billing.derive_id('device', n::text), '2031-01-01', 'clean' FROM generate_series(1, 5000) AS n;
INSERT INTO billing.invoices (invoice_date, tenant_id, invoice_id, account_id, legal_entity_id, currency, attempt, status, period_start, period_end, line_count, content_hash,
                              subtotal_minor, tax_minor, total_minor, due_date)
SELECT date '2031-02-01' + d, 'p' || t, billing.derive_id('invoice', t::text, d::text), 'a' || d, 'default', 'EUR', 1, 'draft', date '2031-01-01' + d, date '2031-02-01' + d, 1, sha256(''), 100, 0, 100, '2031-03-01'
  FROM generate_series(1, 150) AS t, generate_series(0, 40) AS d;
INSERT INTO billing.invoice_runs (invoice_date, tenant_id, run_id, account_id, currency, period_start, period_end, replay_id, idempotency_key, status)
SELECT i.invoice_date, i.tenant_id, i.invoice_id, i.account_id, i.currency, i.period_start, i.period_end, i.invoice_id, sha256(''), 'scheduled' FROM billing.invoices i WHERE i.tenant_id LIKE 'p%';
SET LOCAL session_replication_role = origin;
ANALYZE billing.daily_counts, billing.coverage_daily_state, billing.count_sync_checkpoints, billing.identity_claims, billing.invoices, billing.invoice_runs;

-- The nodes of a plan that read a table: table, and index or how else.
CREATE FUNCTION pg_temp.scans(query text) RETURNS TABLE (relation text, index_name text) LANGUAGE plpgsql AS $$
DECLARE
    document jsonb;
BEGIN
    EXECUTE 'EXPLAIN (FORMAT JSON) ' || query INTO document;
    RETURN QUERY
    WITH RECURSIVE node AS (
        SELECT document -> 0 -> 'Plan' AS n
        UNION ALL
        SELECT c.value FROM node CROSS JOIN LATERAL jsonb_array_elements(node.n -> 'Plans') AS c
    )
    SELECT coalesce(n ->> 'Relation Name', '-'), coalesce(n ->> 'Index Name', n ->> 'Node Type')
      FROM node WHERE n ->> 'Node Type' ~ 'Scan' AND n ->> 'Node Type' <> 'Bitmap Heap Scan';
END $$;
-- The index of the parent, of which a partition's is one.
CREATE FUNCTION pg_temp.parent_index(name text) RETURNS text LANGUAGE sql AS $$
    SELECT coalesce((SELECT inhparent::regclass::text FROM pg_inherits WHERE inhrelid = to_regclass('billing.' || quote_ident(name))), 'billing.' || name) $$;

CREATE TEMP TABLE path (path text, columns text, query text);
INSERT INTO path VALUES
    ('daily counts', 'daily_counts (tenant_id, day)', $$SELECT sum(quantity) FROM billing.daily_counts WHERE tenant_id = 'q7' AND day >= '2031-01-05' AND day < '2031-02-05'$$),
    ('states by day', 'coverage_daily_state (tenant_id, coverage_day, coverage_state)', $$SELECT count(*) FROM billing.coverage_daily_state WHERE tenant_id = 'q7' AND coverage_day = '2031-01-10' AND coverage_state = 'covered'$$),
    ('states by device', 'coverage_daily_state (tenant_id, device_id, coverage_day)', $$SELECT * FROM billing.coverage_daily_state WHERE tenant_id = 'q7' AND device_id = billing.derive_id('device', '7') AND coverage_day >= '2031-01-10' AND coverage_day < '2031-01-20'$$),
    ('claims by device', 'identity_claims (tenant_id, device_id)', $$SELECT * FROM billing.identity_claims WHERE tenant_id = 'q7' AND device_id = billing.derive_id('device', '7')$$),
    ('invoices by period', 'invoices (tenant_id, period_start, period_end)', $$SELECT * FROM billing.invoices WHERE tenant_id = 'p7' AND period_start = '2031-01-01' AND period_end = '2031-02-01'$$),
    ('runs by period', 'invoice_runs (tenant_id, period_start, period_end)', $$SELECT * FROM billing.invoice_runs WHERE tenant_id = 'p7' AND period_start = '2031-01-01' AND period_end = '2031-02-01'$$),
    ('checkpoints by hash', 'count_sync_checkpoints (tenant_id, self_hash)', $$SELECT * FROM billing.count_sync_checkpoints WHERE tenant_id = 'q7' AND self_hash = sha256('7')$$);
SELECT is((SELECT string_agg(DISTINCT split_part(p.columns, ' ', 1) || regexp_replace(pg_get_indexdef(pg_temp.parent_index(s.index_name)::regclass), '^.*USING btree ', ' '), '; ')
             FROM pg_temp.scans(p.query) AS s
             JOIN pg_index x ON x.indexrelid = to_regclass(format('billing.%I', s.index_name))
             JOIN pg_class c ON c.oid = x.indrelid AND c.reltuples > 0), p.columns, p.path || ': the index on these columns') FROM path AS p;
SELECT is_empty(format($$ SELECT s.relation FROM pg_temp.scans(%L) AS s JOIN pg_class c ON c.relname = s.relation WHERE s.index_name = 'Seq Scan' AND c.reltuples > 0 $$, p.query),
                p.path || ': nothing is read whole') FROM path AS p;

-- ---- what rating and invoices read ----
SELECT billing.create_meter('covered_devices', unit => 'device-day', dimensions => '{plan,device_type}'), billing.create_plan('q_plan', currency => 'EUR') \g /dev/null
SELECT billing.add_charge('q_plan', 'devices', meter => 'covered_devices', price => '{"model":"unit","unit":"0.05"}'), billing.publish_plan('q_plan') \g /dev/null
SELECT billing.create_account('q' || t), billing.subscribe('q' || t, 'q_plan', '2031-01-01') FROM generate_series(1, 5) AS t \g /dev/null
SELECT billing.record_usage('q1', 'covered_devices', 'own', 1000, '2031-01-10Z') \g /dev/null
-- Scans of this transaction so far, by the table that is read, its partitions together.
CREATE FUNCTION pg_temp.scanned(OUT of_usage bigint, OUT of_coverage bigint, OUT of_counts bigint) LANGUAGE sql VOLATILE AS $$
    SELECT sum(n) FILTER (WHERE relname ~ '^usage_records'), sum(n) FILTER (WHERE relname ~ '^(coverage|device|enrollments|identity|activity)'), sum(n) FILTER (WHERE relname ~ '^daily_counts')
      FROM (SELECT relname, seq_scan + coalesce(idx_scan, 0) AS n FROM pg_stat_xact_user_tables WHERE schemaname = 'billing') AS s $$;
CREATE TEMP TABLE scans_before AS SELECT * FROM pg_temp.scanned();
CREATE FUNCTION pg_temp.scanned_since() RETURNS text LANGUAGE sql VOLATILE AS $$
    SELECT format('usage %s, coverage %s, counts %s', s.of_usage - b.of_usage, s.of_coverage - b.of_coverage, CASE WHEN s.of_counts > b.of_counts THEN 'read' ELSE 'not read' END)
      FROM pg_temp.scanned() AS s, scans_before b $$;
SELECT is(pg_temp.scanned_since(), 'usage 0, coverage 0, counts not read', 'asking reads nothing');
SELECT is(billing.rate_batch('2031-02-01', 'q1', 'q5'), 5::bigint, 'rated: January of five tenants');
SELECT is(pg_temp.scanned_since(), 'usage 0, coverage 0, counts read', 'rating reads counts only');
SELECT is((SELECT invoices FROM billing.invoice_batch('2031-02-01', 'q1', 'q5', billing.uuid_v7(), true)), 5::bigint, 'invoiced and finalized');
SELECT is((SELECT (min(quantity), max(quantity), count(*))::text FROM billing.invoice_lines WHERE tenant_id IN ('q1', 'q2', 'q3', 'q4', 'q5')), '(310,310,5)', 'what counts say; the event that is in none yet is not asked');
SELECT is(pg_temp.scanned_since(), 'usage 0, coverage 0, counts read', 'invoices read counts only');
SELECT count(*) FROM billing.usage_records WHERE tenant_id = 'q1' \g /dev/null
SELECT count(*) FROM billing.devices \g /dev/null
SELECT matches(pg_temp.scanned_since(), '^usage [1-9]\d*, coverage 1, ', 'whoever does read them is seen');
SELECT * FROM finish();
ROLLBACK;
