-- Jobs by hand: what they do, what they say when they cannot, who may run them, and health. pg_cron is not here.
-- In a database of its own, because jobs commit as they go.
SET client_min_messages = warning;
\set home :DBNAME
DROP DATABASE IF EXISTS regress_billing_jobs;
CREATE DATABASE regress_billing_jobs TEMPLATE template0 ENCODING 'UTF8';
\c regress_billing_jobs
SET timezone = 'UTC'; SET datestyle = ISO;
\set SHOW_CONTEXT never
CREATE EXTENSION billing;
SELECT billing.install() \g /dev/null
CREATE VIEW runs AS
SELECT job, as_of, status, transactions AS tx, CASE WHEN job NOT IN ('partitions', 'sealing') THEN rows_done END AS rows, sqlstate,
       coalesce(error, regexp_replace(progress, 'seal \d+ of \d+', 'seal N of N')) AS what FROM billing.job_runs ORDER BY started_at;
SELECT position, job, schedule, steps, goes_on, options FROM billing.jobs ORDER BY position;

-- Jobs of modules that have tests of their own stay out of this one.
SELECT job FROM billing.jobs WHERE job IN ('escalation', 'retention', 'personal_data') AND billing.set_job(job, enabled => false) IS NOT NULL ORDER BY position;
CREATE FUNCTION stages(now timestamptz) RETURNS TABLE (stage text, status text, backlog bigint, oldest_seconds bigint, failures integer, is_running boolean, is_scheduled boolean, last_success_seconds bigint)
LANGUAGE sql AS $$
    SELECT h.stage, h.status, h.backlog, h.oldest_seconds, h.failures, h.is_running, h.is_scheduled, h.last_success_seconds FROM billing.health_at(now) AS h
     WHERE h.stage NOT IN ('escalation', 'retention', 'personal_data') ORDER BY h.stage COLLATE "C"
$$;
-- A job is a statement of its own.
CALL billing.run_job('nonsense');
\echo :LAST_ERROR_SQLSTATE
CALL billing.run_job(NULL);
\echo :LAST_ERROR_SQLSTATE
CALL billing.run_job('partitions', NULL);
\echo :LAST_ERROR_SQLSTATE
CALL billing.run_job('partitions', 'infinity');
\echo :LAST_ERROR_SQLSTATE
BEGIN;
CALL billing.run_job('partitions');
\echo :LAST_ERROR_SQLSTATE
ROLLBACK;
CALL billing.run_overdue_jobs() \; SELECT 1;
\echo :LAST_ERROR_SQLSTATE
DO $$
BEGIN
    CALL billing.run_job('partitions');
EXCEPTION WHEN SQLSTATE 'MB427' THEN
    RAISE NOTICE '%', SQLERRM;
END
$$;
CREATE FUNCTION run_in_function() RETURNS void LANGUAGE plpgsql AS $$ BEGIN CALL billing.run_job('partitions'); END $$;
SELECT run_in_function();
\echo :LAST_ERROR_SQLSTATE
DROP FUNCTION run_in_function();
SELECT count(*) FROM billing.job_runs;

-- A quarter: five tenants, a fee, usage, an allocation. Overdue is what was never done.
SELECT billing.create_meter('calls', unit => 'call') AS meter, billing.create_meter('gpu', unit => 'second') AS gpu, billing.create_plan('pro', currency => 'EUR') AS plan \gset
SELECT billing.add_charge('pro', 'base', price => '{"model":"flat","amount":"10"}', in_advance => true),
       billing.add_charge('pro', 'calls', meter => 'calls', price => '{"model":"unit","unit":"0.5"}'), (billing.publish_plan('pro')).version;
SELECT count(billing.create_account('t' || n)) FROM generate_series(1, 5) AS n;
SELECT count(billing.subscribe('t' || n, plan => 'pro', starts => '2028-01-01')) FROM generate_series(1, 5) AS n;
CALL billing.job_partitions('2028-01-05 10:00Z');
SELECT billing.record_usage('t' || n, 'calls', 'e', n, '2028-01-10 12:00Z') FROM generate_series(1, 5) AS n;
SELECT billing.open_allocation('t1', 'gpu-1', 'gpu', opened_at => '2028-01-20 12:00Z');
SELECT stage, status, backlog, oldest_seconds > 0 AS waits FROM stages('2028-02-01 00:30Z');
SELECT billing.set_job('invoice_run', options => '{"batch_tenants":2}'), billing.set_job('rating', options => '{"batch_tenants":3}');
CALL billing.run_overdue_jobs('2028-02-01 00:30Z');
SELECT * FROM runs;
SELECT invoice_date, status, count(*), sum(total_minor) FROM billing.invoices GROUP BY 1, 2 ORDER BY 1, 2;
SELECT sum(quantity) AS gpu_seconds, count(*) AS days FROM billing.daily_counts WHERE meter_id = 'gpu';
SELECT * FROM stages('2028-02-01 00:31Z');
CALL billing.run_overdue_jobs('2028-02-01 00:31Z');
-- The day of grace has passed: final. Without finalize, drafts.
CALL billing.job_invoice_run('2028-02-02 00:20Z');
SELECT invoice_date, status, count(*), sum(total_minor) FROM billing.invoices GROUP BY 1, 2 ORDER BY 1, 2;
SELECT billing.set_job('invoice_run', options => '{"finalize":false}');
CALL billing.job_invoice_run('2028-04-15 00:20Z');
SELECT invoice_date, status, count(*), sum(total_minor) FROM billing.invoices GROUP BY 1, 2 ORDER BY 1, 2;
SELECT stage, status, backlog, oldest_seconds FROM billing.health_at('2028-04-15 01:00Z') WHERE stage = 'invoice_run';
SELECT billing.set_job('invoice_run', options => '{"finalize":true,"grace_days":0}');
CALL billing.job_invoice_run('2028-04-15 00:30Z');
SELECT status, count(*), sum(total_minor) FROM billing.invoices GROUP BY 1 ORDER BY 1;
-- Nothing is left to do, and doing it again does nothing.
CALL billing.job_count_sync('2028-04-15 01:00Z');
CALL billing.job_count_sync('2028-04-15 01:00Z');
CALL billing.job_rating('2028-04-15 01:00Z');
CALL billing.job_renewals('2028-04-15 01:00Z');
CALL billing.job_invoice_run('2028-04-15 01:00Z');
CALL billing.job_sealing('2028-04-15 01:00Z');
CALL billing.job_sealing('2028-04-15 01:00Z');
CALL billing.job_verification('2028-04-15 01:00Z');
CALL billing.job_escalation('2028-04-15 01:00Z');
CALL billing.job_retention('2028-04-15 01:00Z');
CALL billing.job_personal_data('2028-04-15 01:00Z');
SELECT job, status FROM runs WHERE job IN ('escalation', 'retention', 'personal_data');
SELECT job, status, tx, sign(rows) AS did_something FROM runs WHERE job NOT IN ('escalation', 'retention', 'personal_data') OFFSET 8;
SELECT result FROM billing.jobs WHERE job = 'verification';

-- One tenant's amounts are out of range: the others are done, the run has failed and says why, and health too.
SELECT billing.create_account('huge') AS account, billing.create_plan('huge', currency => 'EUR') AS plan \gset
SELECT billing.add_charge('huge', 'calls', meter => 'calls', price => '{"model":"unit","unit":"900000"}'), (billing.publish_plan('huge')).version;
SELECT billing.subscribe('huge', plan => 'huge', starts => '2028-04-01') IS NOT NULL AS subscribed;
SELECT billing.record_usage('huge', 'calls', 'e', 99999999999999, '2028-04-16 12:00Z'), billing.record_usage('t5', 'calls', 'f', 3, '2028-04-16 12:00Z');
CALL billing.run_job('rating', '2028-04-17 00:00Z');
\echo :LAST_ERROR_SQLSTATE
SELECT quantity, amount_minor FROM billing.rated WHERE tenant_id = 't5' AND charge_id = 'calls' AND period_start = '2028-04-01';
SELECT status, failures, last_error FROM billing.health_at('2028-04-17 00:00Z') WHERE stage = 'rating';
-- The schedule waits, longer with each failure; by hand it runs.
CALL billing.run_job('rating', '2028-04-17 00:04Z', scheduled => true);
CALL billing.run_overdue_jobs('2028-04-17 00:04Z');
CALL billing.run_job('rating', '2028-04-17 00:05Z', scheduled => true);
\echo :LAST_ERROR_SQLSTATE
CALL billing.run_job('rating', '2028-04-17 00:14Z', scheduled => true);
SELECT failures, retry_at FROM billing.jobs WHERE job = 'rating';
SELECT f.failures, billing.retry_delay('5 minutes', f.failures), billing.retry_delay('1 hour', f.failures) FROM unnest('{1,2,3,5,6,7,1000}'::integer[]) AS f (failures);
SELECT billing.record_usage('huge', 'calls', 'g', -99999999999999, '2028-04-16 12:00Z', corrects => 'e');
CALL billing.run_overdue_jobs('2028-04-17 00:15Z');
SELECT status, failures, last_error FROM billing.health_at('2028-04-17 00:16Z') WHERE stage = 'rating';

-- Coverage: a device that nobody covers needs no meter. A covered one does: without it usage is counted all the same, the run has
-- failed, and health shows what waits. With the meter the next run makes up for it.
SELECT billing.register_device('t1', 'd1', enrolled_from => '2028-04-10'), billing.record_usage('t1', 'calls', 'i', 1, '2028-04-16 13:00Z');
CALL billing.run_job('count_sync', '2028-04-17 00:16Z');
SELECT job, status, tx, sqlstate, what FROM runs OFFSET (SELECT count(*) - 1 FROM runs);
SELECT billing.cover_device('t1', 'd1', 'c1', '2028-04-11', '2028-04-15'), billing.record_usage('t1', 'calls', 'j', 1, '2028-04-16 13:00Z');
CALL billing.run_job('count_sync', '2028-04-17 00:16Z');
\echo :LAST_ERROR_SQLSTATE
SELECT job, status, tx, rows, sqlstate, what FROM runs OFFSET (SELECT count(*) - 1 FROM runs);
SELECT stage, status, backlog, failures, last_error FROM billing.health_at('2028-04-17 00:16Z') WHERE stage IN ('count_sync', 'coverage') ORDER BY stage;
SELECT billing.create_meter('covered_devices', unit => 'device-day', dimensions => '{plan,device_type}') IS NOT NULL AS meter;
CALL billing.run_job('count_sync', '2028-04-17 00:17Z');
SELECT job, status, tx, rows, sqlstate FROM runs OFFSET (SELECT count(*) - 1 FROM runs);
SELECT stage, status, backlog, failures FROM billing.health_at('2028-04-17 00:17Z') WHERE stage IN ('count_sync', 'coverage') ORDER BY stage;
SELECT count(*) AS days, sum(quantity) AS devices FROM billing.daily_counts WHERE meter_id = 'covered_devices';
SELECT * FROM billing.replay_coverage();

-- A run whose session is gone is marked by the next start. One step fails, the job goes on or not, as it says.
UPDATE billing.jobs SET last_run = '00000000-0000-7000-8000-000000000001' WHERE job = 'count_sync';
INSERT INTO billing.job_runs (run_id, job, as_of, is_scheduled, started_at, run_by, backend_pid, backend_started_at)
VALUES ('00000000-0000-7000-8000-000000000001', 'count_sync', '2028-04-17', true, now(), 'somebody', 1, now());
SELECT status, is_running FROM billing.health_at('2028-04-17 00:16Z') WHERE stage = 'count_sync';
SELECT billing.open_allocation('t2', 'gpu-2', 'gpu', opened_at => '2028-04-16 12:00Z'), billing.record_usage('t2', 'calls', 'h', 1, '2028-04-17 00:01Z'),
       billing.record_usage('t2', 'gpu', 'gpu-2@2028-04-16T12:00:00.000000Z', 1, '2028-04-16 12:00Z');
CALL billing.run_job('count_sync', '2028-04-17 00:20Z', scheduled => true);
\echo :LAST_ERROR_SQLSTATE
SELECT job, status, tx, rows, sqlstate, what FROM runs OFFSET (SELECT count(*) - 2 FROM runs);
SELECT stage, status, backlog, failures, last_error FROM billing.health_at('2028-04-17 00:21Z') WHERE stage = 'count_sync';

-- Settings of jobs.
SELECT billing.set_job('nonsense');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.set_job('rating', schedule => 'hourly');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.set_job('rating', options => '{"batch_tenants":"many"}');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.set_job('rating', options => '{"batch_tenants":-1}');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.set_job('rating', options => '{"finalize":true}');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.set_job('rating', schedule => '0 * * * *', enabled => false);
CALL billing.run_job('rating', '2028-04-17 03:00Z', scheduled => true);
SELECT schedule, enabled FROM billing.jobs WHERE job = 'rating';
SELECT status FROM billing.health WHERE stage = 'rating';

-- Without pg_cron. The pieces that do not depend on it:
\set VERBOSITY sqlstate
SELECT billing.schedule_jobs();
SELECT billing.unschedule_jobs();
SELECT billing.schedule_jobs(schedules => '[]');
SELECT billing.schedule_jobs_script(role => 'billing_operator');
\set VERBOSITY default
SELECT * FROM billing.cron_jobs('app');
SELECT billing.cron_name('app', 'rating'), octet_length(billing.cron_name(repeat('d', 63), 'personal_data')) AS longest;
SELECT billing.shell_word(w) FROM unnest('{app,my app,"it''s; rm","-c"}'::text[]) AS w;
SELECT billing.cron_script('it''s $billing$', 'some "one"', '[{"jobname":"n","schedule":"* * * * *","command":"SELECT 1"}]');

-- Who may do what. An operator runs jobs with no other right than that.
CREATE ROLE jobs_operator IN ROLE billing_operator;
CREATE ROLE jobs_auditor IN ROLE billing_auditor;
SET ROLE jobs_operator;
CALL billing.run_overdue_jobs('2028-04-18 12:00Z');
SELECT billing.set_job('sealing', enabled => true);
SELECT count(*) > 0 AS reads FROM billing.health;
UPDATE billing.jobs SET enabled = false;
\echo :LAST_ERROR_SQLSTATE
SELECT billing.close_run(NULL, NULL, NULL, NULL, NULL);
\echo :LAST_ERROR_SQLSTATE
SET ROLE jobs_auditor;
SELECT count(*) > 0 AS reads FROM billing.health;
SELECT count(*) > 0 AS reads FROM billing.job_runs;
CALL billing.run_job('sealing');
\echo :LAST_ERROR_SQLSTATE
SET ROLE billing_app;
SELECT count(*) FROM billing.health;
\echo :LAST_ERROR_SQLSTATE
RESET ROLE;
DROP ROLE jobs_operator, jobs_auditor;
SELECT * FROM billing.check_integrity();
SELECT * FROM billing.verify_log();
\c :home
DROP DATABASE regress_billing_jobs;
