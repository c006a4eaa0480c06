-- Who may do what with jobs. The procedures have the caller's rights, for they commit: what they call is granted with them.

-- It hangs on a function and would go with the extension, so that every install() makes sure of it.
CREATE OR REPLACE VIEW billing.health WITH (security_invoker = true) AS
SELECT h.stage, h.status, h.backlog, h.oldest_seconds, h.failures, h.is_running, h.is_scheduled,
       h.last_success_at, h.last_success_seconds, h.last_failure_at, h.last_error
  FROM billing.health_at(now()) AS h;
COMMENT ON VIEW   billing.health IS 'How each stage does: a row for each job, one each for usage set aside and coverage not synced, and one for each check of the last verification. Milliseconds to read; for monitoring, see doc/health.md.';
COMMENT ON COLUMN billing.health.stage IS 'A job, or set_aside, coverage, replay_mismatches, coverage_mismatches, integrity_problems, log_problems.';
COMMENT ON COLUMN billing.health.status IS 'ok; behind: something waits that should not; late: missed twice over, or never done; failing: the last runs failed, or a check found problems; disabled.';
COMMENT ON COLUMN billing.health.backlog IS 'What waits, counted up to 10,000. count_sync: usage rows; rating: count windows; sealing: rows of the log; invoice_run: drafts that it should have finalized a day ago; renewals: subscriptions; partitions: missing ones of this month and the next; coverage: coverage events, enrollments, claim events and policies not synced; escalation: claims in dispute past their time; checks: problems found.';
COMMENT ON COLUMN billing.health.oldest_seconds IS 'Age of the oldest of them; 0 when nothing waits.';
COMMENT ON COLUMN billing.health.failures IS 'Runs that failed since the last success.';
COMMENT ON COLUMN billing.health.is_running IS 'Whether a run is under way, or broke off and is not marked yet.';
COMMENT ON COLUMN billing.health.is_scheduled IS 'Whether billing.schedule_jobs() put it on pg_cron; NULL for what is no job.';
COMMENT ON COLUMN billing.health.last_success_at IS 'When it last succeeded.';
COMMENT ON COLUMN billing.health.last_success_seconds IS 'Seconds since; NULL for never.';
COMMENT ON COLUMN billing.health.last_failure_at IS 'When it last failed.';
COMMENT ON COLUMN billing.health.last_error IS 'SQLSTATE, step and message of the last failure; stays after a success.';

GRANT SELECT ON billing.jobs, billing.job_runs TO billing_admin, billing_operator;
GRANT SELECT ON billing.health TO billing_admin, billing_operator, billing_auditor;
GRANT EXECUTE ON FUNCTION billing.health_at(timestamptz) TO billing_admin, billing_operator, billing_auditor;

GRANT EXECUTE ON PROCEDURE billing.run_job(text, timestamptz, boolean), billing.run_overdue_jobs(timestamptz),
    billing.require_own_transactions(), billing.execute_job(text, timestamptz, boolean, jsonb),
    billing.job_partitions(timestamptz), billing.job_renewals(timestamptz), billing.job_count_sync(timestamptz), billing.job_rating(timestamptz),
    billing.job_invoice_run(timestamptz), billing.job_sealing(timestamptz), billing.job_escalation(timestamptz),
    billing.job_verification(timestamptz), billing.job_retention(timestamptz), billing.job_personal_data(timestamptz) TO billing_operator;
GRANT EXECUTE ON FUNCTION billing.require_installed(), billing.begin_run(text, timestamptz, boolean), billing.take_step(jsonb, timestamptz),
    billing.fail_step(jsonb, text, text), billing.note_step(jsonb, timestamptz), billing.overdue_jobs(timestamptz) TO billing_operator;

GRANT EXECUTE ON FUNCTION billing.set_job(text, text, boolean, jsonb), billing.schedule_jobs(text, text, jsonb), billing.unschedule_jobs(text),
    billing.schedule_jobs_script(text, text), billing.unschedule_jobs_script(text),
    billing.require_installed(), billing.check_cron_role(text, text), billing.note_schedule(text, text), billing.cron_script(text, text, jsonb),
    billing.cron_jobs(text), billing.cron_name(text, text), billing.run_in_cron_database(text, text), billing.refuse_schedule(text, text),
    billing.setting_or_null(text), billing.shell_word(text) TO billing_admin, billing_operator;
