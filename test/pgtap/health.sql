-- Health: what each stage has waiting, from the state of the data; and that asking stays cheap, however much waits.
\unset ECHO
\set QUIET 1
BEGIN;
SET LOCAL timezone = 'UTC';
SET LOCAL client_min_messages = warning;
SELECT plan(24);
SELECT billing.ensure_partitions('2030-01-01', '2030-05-01') \g /dev/null
SELECT billing.create_meter('h_calls', unit => 'call'), billing.create_plan('h_plan', currency => 'EUR') \g /dev/null
SELECT billing.add_charge('h_plan', 'base', price => '{"model":"flat","amount":"10"}', in_advance => true),
       billing.add_charge('h_plan', 'calls', meter => 'h_calls', price => '{"model":"unit","unit":"1"}'), billing.publish_plan('h_plan') \g /dev/null
SELECT billing.create_account('h' || n), billing.subscribe('h' || n, plan => 'h_plan', starts => '2030-01-01') FROM generate_series(1, 20) AS n \g /dev/null
CREATE FUNCTION pg_temp.stage(name text, OUT status text, OUT backlog bigint, OUT oldest bigint) LANGUAGE sql AS $$
    SELECT h.status, h.backlog, h.oldest_seconds FROM billing.health_at('2030-02-02 12:00Z') AS h WHERE h.stage = name $$;
CREATE FUNCTION pg_temp.is_stage(name text, status text, backlog bigint, what text) RETURNS text LANGUAGE sql AS $$
    SELECT is((SELECT (s.status, s.backlog) FROM pg_temp.stage(name) AS s), (status, backlog), what) $$;

SELECT bag_eq($$ SELECT h.stage FROM billing.health AS h $$, $$ SELECT j.job FROM billing.jobs j UNION ALL VALUES ('set_aside'), ('coverage') $$,
              'a row for each job, one for usage set aside, one for coverage');
SELECT is_empty($$ SELECT stage FROM billing.health WHERE num_nulls(status, backlog, oldest_seconds, failures, is_running) > 0 $$, 'figures are never null');
SELECT is_empty($$ SELECT stage FROM billing.health WHERE status <> 'late' AND stage NOT IN ('set_aside', 'coverage') $$, 'what was never done is late');
UPDATE billing.jobs SET done_to = '2030-02-02 11:59Z', last_success_at = now(), result = '{"window_no":0}';
SELECT is_empty($$ SELECT * FROM billing.health_at('2030-02-02 12:00Z') AS h WHERE h.status <> 'ok' $$, 'what was done just now is ok');
UPDATE billing.jobs SET done_to = '2030-02-02 11:00Z';
SELECT is((SELECT string_agg(h.stage, ' ' ORDER BY h.stage COLLATE "C") FROM billing.health_at('2030-02-02 12:00Z') AS h WHERE h.status = 'late'), 'count_sync', 'late is twice overdue');
SELECT is((SELECT last_success_seconds FROM billing.health_at('2030-02-02 12:00Z') AS h WHERE h.stage = 'rating'), 3600::bigint, 'in seconds since');
UPDATE billing.jobs SET enabled = false WHERE job = 'sealing';
SELECT pg_temp.is_stage('sealing', 'disabled', 0, 'one that is switched off says so');
UPDATE billing.jobs SET enabled = true, failures = 3, last_error = 'why' WHERE job = 'sealing';
SELECT pg_temp.is_stage('sealing', 'failing', 0, 'failures come before all else');
UPDATE billing.jobs SET failures = 0, done_to = '2030-02-02 11:59Z';

-- Counting, rating, sealing: the window is made by hand, for sync needs a transaction of its own.
SELECT billing.record_usage('h1', 'h_calls', 'e', 1, '2030-01-15 12:00Z') \g /dev/null
SELECT pg_temp.is_stage('count_sync', 'ok', 1, 'an event waits to be counted');
INSERT INTO billing.usage_set_aside VALUES ('2030-01-15', 'h1', 'h_calls', 'odd', 'unknown meter', 1, NULL), ('2030-01-15', 'h1', 'h_calls', 'even', 'unknown meter', 1, 2);
SELECT pg_temp.is_stage('set_aside', 'behind', 1, 'one is set aside, another was counted after all');
INSERT INTO billing.count_windows VALUES (1, billing.current_incarnation(), billing.window_edge(), 1, 0, '2030-02-02 11:00Z');
SELECT is((SELECT (s.backlog, s.oldest) FROM pg_temp.stage('rating') AS s), (1::bigint, 3600::bigint), 'a window waits for rating since an hour ago');
UPDATE billing.jobs SET result = '{"window_no":1}' WHERE job = 'invoice_run';
SELECT pg_temp.is_stage('rating', 'ok', 0, 'the invoice run rated it');
SELECT billing.invoice_batch('2030-02-01', 'h1', 'h9', billing.uuid_v7(), false) \g /dev/null
SELECT ok((SELECT s.backlog FROM pg_temp.stage('sealing') AS s) >= 80, 'what was posted waits for a seal');

-- The calendar.
SELECT pg_temp.is_stage('invoice_run', 'behind', 20, 'the drafts of January are past their grace, those of February are not');
SELECT is((SELECT s.oldest FROM pg_temp.stage('invoice_run') AS s), extract(epoch FROM timestamptz '2030-02-02 12:00Z' - '2030-01-03 00:00Z')::bigint, 'since two days after they fell due');
SELECT billing.set_job('invoice_run', options => '{"finalize":false}') \g /dev/null
SELECT pg_temp.is_stage('invoice_run', 'ok', 0, 'drafts wait for a person when the job does not finalize');
SELECT is((SELECT h.backlog FROM billing.health_at('2030-03-31 12:00Z') AS h WHERE h.stage = 'partitions'), 0::bigint, 'this month and the next have partitions');
SELECT is((SELECT (h.status, h.backlog) FROM billing.health_at('2030-04-01 12:00Z') AS h WHERE h.stage = 'partitions'),
          ('late'::text, (SELECT count(*) FROM billing.partitioned_tables)), 'each table without next month''s is one missing');
SELECT billing.set_renewal('h1', billing.subscribe('h1', plan => 'h_plan', starts => '2030-01-01', ends => '2030-03-01', account => billing.create_account('h1', account => 'two')), 'automatic', 2, 30) \g /dev/null
SELECT is((SELECT (s.backlog, s.oldest) FROM pg_temp.stage('renewals') AS s), (1::bigint, 302400::bigint), 'a renewal is due since its window began');
UPDATE billing.jobs SET result = '{"replay_mismatches":0,"integrity_problems":2}' WHERE job = 'verification';
SELECT pg_temp.is_stage('replay_mismatches', 'ok', 0, 'the last replay found nothing');
SELECT pg_temp.is_stage('integrity_problems', 'failing', 2, 'the last check found something');

-- A stage far behind: 150,000 events, and asking reads as much of them as it counts.
INSERT INTO billing.usage_records (tenant_id, meter_id, event_id, account_id, occurred_at, quantity)
SELECT 'h' || 1 + n % 20, 'h_calls', n::text, 'main', timestamptz '2030-01-01 00:00Z' + n * interval '20 seconds', 1 FROM generate_series(1, 150000) AS n;
ANALYZE billing.usage_records;
SELECT is((SELECT s.backlog FROM pg_temp.stage('count_sync') AS s), 10000::bigint, 'a backlog is counted up to ten thousand');
CREATE FUNCTION pg_temp.cost(OUT blocks integer, OUT ms numeric) LANGUAGE plpgsql AS $$
DECLARE
    plan jsonb;
BEGIN
    EXECUTE 'EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) SELECT * FROM billing.health' INTO plan;
    blocks := (plan #>> '{0,Plan,Shared Hit Blocks}')::integer + (plan #>> '{0,Plan,Shared Read Blocks}')::integer;
    ms := (plan #>> '{0,Execution Time}')::numeric;
END
$$;
SELECT blocks, ms, (SELECT sum(pg_relation_size(i.inhrelid)) / 8192 FROM pg_inherits i WHERE i.inhparent = 'billing.usage_records'::regclass)::integer AS pages FROM pg_temp.cost() \gset
SELECT diag(format('health: %s ms and %s blocks, beside %s pages of usage', :'ms', :'blocks', :'pages'));
SELECT cmp_ok(:blocks, '<', :pages / 2, 'asking does not read the table');

-- Who asks for the end of time is answered, and not for ever.
SET LOCAL statement_timeout = '20s';
SELECT ok((SELECT count(*) FROM billing.calendar_backlog('infinity')) = 3 AND (SELECT count(*) FROM billing.calendar_backlog('-infinity')) = 3, 'asked for no day, it ends');
SET LOCAL statement_timeout = 0;
SELECT * FROM finish();
ROLLBACK;
