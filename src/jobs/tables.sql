-- The calendar: what is to be done when, and what came of it.

CREATE TABLE billing.jobs (
    job             text        COLLATE "C" NOT NULL PRIMARY KEY CHECK (job ~ '^[a-z][a-z_]{1,23}$'),
    position        integer     NOT NULL UNIQUE,
    description     text        NOT NULL,
    steps           text[]      NOT NULL CHECK (cardinality(steps) > 0),
    goes_on         boolean     NOT NULL,
    schedule        text        NOT NULL,
    enabled         boolean     NOT NULL DEFAULT true,
    overdue_after   interval    NOT NULL CHECK (overdue_after > interval '0'),
    retry_after     interval    NOT NULL CHECK (retry_after > interval '0'),
    options         jsonb       NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(options) = 'object'),
    last_run        uuid,
    done_to         timestamptz,
    last_success_at timestamptz,
    last_failure_at timestamptz,
    failures        integer     NOT NULL DEFAULT 0 CHECK (failures >= 0),
    last_error      text,
    retry_at        timestamptz,
    result          jsonb       NOT NULL DEFAULT '{}',
    cron_database   text,
    cron_role       text
);
COMMENT ON TABLE  billing.jobs IS 'What is to be done regularly. What is due is decided by each step from the state of the data, so a run that was missed is made up for by the next.';
COMMENT ON COLUMN billing.jobs.job IS 'Its name, for billing.run_job().';
COMMENT ON COLUMN billing.jobs.position IS 'The order in which overdue jobs are run.';
COMMENT ON COLUMN billing.jobs.description IS 'What it does.';
COMMENT ON COLUMN billing.jobs.steps IS 'What it consists of: each is billing.step_<name>(), in transactions of its own.';
COMMENT ON COLUMN billing.jobs.goes_on IS 'Whether later steps are done after one failed; the run has failed all the same.';
COMMENT ON COLUMN billing.jobs.schedule IS 'When, as cron says it: minute, hour, day of month, month, day of week; in GMT unless cron.timezone says otherwise.';
COMMENT ON COLUMN billing.jobs.enabled IS 'Whether the schedule runs it. By hand it always can be.';
COMMENT ON COLUMN billing.jobs.overdue_after IS 'When the last success is this far back, it was missed, and is run between its times.';
COMMENT ON COLUMN billing.jobs.retry_after IS 'How long the schedule waits after a failure; doubled by each further one, up to 32 times and at most a day.';
COMMENT ON COLUMN billing.jobs.options IS 'What its steps are told, see src/jobs/README.md: months_ahead, keep_runs_days, batch_tenants, finalize, grace_days, heartbeat, verify_log.';
COMMENT ON COLUMN billing.jobs.last_run IS 'Its newest run, of billing.job_runs.';
COMMENT ON COLUMN billing.jobs.done_to IS 'The time that the last success was given: what was due by then is done.';
COMMENT ON COLUMN billing.jobs.last_success_at IS 'When a run last succeeded, by the clock.';
COMMENT ON COLUMN billing.jobs.last_failure_at IS 'When a run last failed, by the clock.';
COMMENT ON COLUMN billing.jobs.failures IS 'Runs that failed since the last success.';
COMMENT ON COLUMN billing.jobs.last_error IS 'SQLSTATE and message of the last failure; kept after a success.';
COMMENT ON COLUMN billing.jobs.retry_at IS 'The schedule does not run it before; NULL when it may.';
COMMENT ON COLUMN billing.jobs.result IS 'What its steps found when it last succeeded.';
COMMENT ON COLUMN billing.jobs.cron_database IS 'The database where billing.schedule_jobs() put it on pg_cron''s schedule; NULL when it is not there.';
COMMENT ON COLUMN billing.jobs.cron_role IS 'The role pg_cron runs it as.';

CREATE TABLE billing.job_runs (
    run_id             uuid        NOT NULL PRIMARY KEY,
    job                text        COLLATE "C" NOT NULL REFERENCES billing.jobs ON DELETE RESTRICT,
    as_of              timestamptz NOT NULL,
    is_scheduled       boolean     NOT NULL,
    status             text        COLLATE "C" NOT NULL DEFAULT 'running' CHECK (status IN ('running', 'succeeded', 'failed')),
    started_at         timestamptz NOT NULL,
    finished_at        timestamptz,
    duration           interval    GENERATED ALWAYS AS (finished_at - started_at) STORED,
    transactions       integer     NOT NULL DEFAULT 0,
    rows_done          bigint      NOT NULL DEFAULT 0,
    progress           text,
    result             jsonb,
    sqlstate           text        COLLATE "C",
    error              text,
    run_by             text        NOT NULL,
    backend_pid        integer     NOT NULL,
    backend_started_at timestamptz,
    query_started_at   timestamptz,
    CHECK ((status = 'running') = (finished_at IS NULL)),
    CHECK ((status = 'failed') = (error IS NOT NULL))
);
CREATE INDEX job_runs_job ON billing.job_runs (job, started_at);
COMMENT ON TABLE  billing.job_runs IS 'Runs of jobs, visible while they go: progress is committed with the work it tells of.';
COMMENT ON COLUMN billing.job_runs.run_id IS 'UUIDv7.';
COMMENT ON COLUMN billing.job_runs.job IS 'The job.';
COMMENT ON COLUMN billing.job_runs.as_of IS 'The time it was given: what is due by then is done.';
COMMENT ON COLUMN billing.job_runs.is_scheduled IS 'Whether the schedule ran it, or somebody by hand.';
COMMENT ON COLUMN billing.job_runs.status IS 'running, succeeded or failed. One that was running when its session ended is marked failed by the next start.';
COMMENT ON COLUMN billing.job_runs.started_at IS 'When it began, by the clock.';
COMMENT ON COLUMN billing.job_runs.finished_at IS 'When it ended, or was found dead; NULL while it runs.';
COMMENT ON COLUMN billing.job_runs.duration IS 'From started_at to finished_at.';
COMMENT ON COLUMN billing.job_runs.transactions IS 'Transactions of work committed so far.';
COMMENT ON COLUMN billing.job_runs.rows_done IS 'What they did, in rows of the step''s own kind: usage rows counted, revisions, invoices, partitions.';
COMMENT ON COLUMN billing.job_runs.progress IS 'What was done last, in words.';
COMMENT ON COLUMN billing.job_runs.result IS 'What the steps found.';
COMMENT ON COLUMN billing.job_runs.sqlstate IS 'Of the first error; NULL when the session ended without one.';
COMMENT ON COLUMN billing.job_runs.error IS 'Its step, message and detail.';
COMMENT ON COLUMN billing.job_runs.run_by IS 'The role that ran it.';
COMMENT ON COLUMN billing.job_runs.backend_pid IS 'Process of the session.';
COMMENT ON COLUMN billing.job_runs.backend_started_at IS 'When that session began: with the process id it names one session.';
COMMENT ON COLUMN billing.job_runs.query_started_at IS 'When the call began: a session that is at another one has left this.';

INSERT INTO billing.jobs (position, job, schedule, overdue_after, retry_after, steps, goes_on, options, description) VALUES
    (1, 'partitions', '5 0 * * *', '25 hours', '10 minutes', '{partitions,old_runs}', true, '{"months_ahead":3,"keep_runs_days":90}',
     'Makes the partitions of the months to come; removes the records of old runs.'),
    (2, 'renewals', '10 0 * * *', '25 hours', '10 minutes', '{renewals}', false, '{}', 'Renews subscriptions, or raises their notice.'),
    (3, 'count_sync', '*/5 * * * *', '15 minutes', '1 minute', '{accrual,coverage,counts}', true, '{}',
     'Accrues open allocations up to midnight, syncs coverage, and counts usage.'),
    (4, 'rating', '17 * * * *', '2 hours', '5 minutes', '{renewals,counts,billing_partitions,rating}', false, '{"batch_tenants":10000}',
     'Rates what was counted and posts the differences.'),
    (5, 'invoice_run', '20 0 * * *', '25 hours', '10 minutes', '{renewals,counts,billing_partitions,invoices}', false,
     '{"batch_tenants":10000,"finalize":true,"grace_days":1}', 'Bills what is due, and finalizes invoices after their days of grace.'),
    (6, 'sealing', '*/10 * * * *', '30 minutes', '2 minutes', '{seal,balances}', true, '{"heartbeat":false}', 'Seals the log of evidence; closes balances.'),
    (7, 'escalation', '7 * * * *', '2 hours', '5 minutes', '{escalation}', false, '{}', 'Escalates disputes of identity that are past their time.'),
    (8, 'verification', '40 2 * * *', '25 hours', '1 hour', '{replay,integrity,log}', true, '{"verify_log":true}',
     'Replays counts and coverage, checks integrity, and verifies the log.'),
    (9, 'retention', '30 3 * * *', '25 hours', '1 hour', '{bundles,retention}', true, '{}', 'Drops what is kept no longer.'),
    (10, 'personal_data', '50 3 * * *', '25 hours', '1 hour', '{personal_data}', false, '{}', 'Destroys the keys of personal data whose time has passed.');
