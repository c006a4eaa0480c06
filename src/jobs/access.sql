-- Who may do what with jobs. The procedures have the caller's rights, for they commit: what they call is granted with them.

GRANT SELECT ON billing.jobs, billing.job_runs TO billing_admin, billing_operator;
GRANT SELECT ON billing.health TO billing_admin, billing_operator;
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
