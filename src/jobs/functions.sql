-- Running jobs: one run of a job at a time, each told of while it goes.

CREATE PROCEDURE billing.require_own_transactions()
LANGUAGE C AS 'MODULE_PATHNAME', 'billing_require_own_transactions';
COMMENT ON PROCEDURE billing.require_own_transactions() IS 'Internal: refuses a caller that cannot commit as it goes. Errors: MB427.';

-- A session is named by its process id and start, a call in it by when it began. Statistics are read anew: a lock may have been waited for.
CREATE FUNCTION billing.run_is_alive(pid integer, backend_started_at timestamptz, query_started_at timestamptz) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM pg_stat_clear_snapshot();
    RETURN run_is_alive.pid <> pg_backend_pid()
       AND EXISTS (SELECT FROM pg_stat_get_activity(run_is_alive.pid) AS a
                    WHERE a.backend_start = run_is_alive.backend_started_at
                      AND (run_is_alive.query_started_at IS NULL OR a.state = 'disabled'
                           OR a.query_start = run_is_alive.query_started_at AND a.state NOT LIKE 'idle%'));
END
$$;
COMMENT ON FUNCTION billing.run_is_alive(integer, timestamptz, timestamptz) IS 'Internal: whether a session of this server is still at the call that began a run.';

CREATE FUNCTION billing.retry_delay(retry_after interval, failures integer) RETURNS interval
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT greatest(retry_after, least(retry_after * (1 << least(greatest(failures - 1, 0), 5)), interval '1 day'))
$$;
COMMENT ON FUNCTION billing.retry_delay(interval, integer) IS 'Internal: how long the schedule waits after so many failures in a row.';

CREATE FUNCTION billing.close_run(run uuid, as_of timestamptz, status text, sqlstate text, error text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    closed billing.job_runs;
    at     timestamptz := clock_timestamp();
BEGIN
    UPDATE billing.job_runs r SET status = close_run.status, finished_at = at, sqlstate = close_run.sqlstate, error = close_run.error
     WHERE r.run_id = run AND r.status = 'running'
    RETURNING * INTO closed;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'MB459', MESSAGE = format('run %s was taken over', run),
            DETAIL = 'Another start of the job found its session gone.';
    END IF;
    IF close_run.status = 'succeeded' THEN
        UPDATE billing.jobs j
           SET done_to = greatest(j.done_to, as_of), last_success_at = at, failures = 0, retry_at = NULL, result = coalesce(closed.result, '{}')
         WHERE j.job = closed.job;
    ELSE
        UPDATE billing.jobs j
           SET last_failure_at = at, failures = j.failures + 1, last_error = concat_ws(': ', closed.sqlstate, closed.error),
               retry_at = as_of + billing.retry_delay(j.retry_after, j.failures + 1)
         WHERE j.job = closed.job;
    END IF;
END
$$;
COMMENT ON FUNCTION billing.close_run(uuid, timestamptz, text, text, text) IS 'Internal: ends a run, succeeded or failed, and tells the job. Errors: MB459 it is not running.';

-- Whether a job is not to be started, in words; a run whose session is gone is marked failed.
CREATE FUNCTION billing.hold_job(job text, now timestamptz, scheduled boolean) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    held    billing.jobs;
    running billing.job_runs;
BEGIN
    PERFORM billing.refuse_card('job', hold_job.job);
    SELECT * INTO held FROM billing.jobs j WHERE j.job = hold_job.job FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'MB458', MESSAGE = format('unknown job "%s"', hold_job.job),
            HINT = format('Jobs are: %s.', (SELECT string_agg(j.job, ', ' ORDER BY j.position) FROM billing.jobs j));
    END IF;
    SELECT * INTO running FROM billing.job_runs r WHERE r.run_id = held.last_run AND r.status = 'running';
    IF FOUND AND billing.run_is_alive(running.backend_pid, running.backend_started_at, running.query_started_at) THEN
        RETURN format('is running since %s in process %s, at: %s', running.started_at, running.backend_pid, coalesce(running.progress, 'its beginning'));
    ELSIF FOUND THEN
        PERFORM billing.close_run(running.run_id, running.as_of, 'failed', NULL, 'its session ended while it was running');
        RETURN NULL;
    ELSIF scheduled AND NOT held.enabled THEN
        RETURN 'is not enabled';
    ELSIF scheduled AND held.retry_at > now THEN
        RETURN format('failed %s times and waits until %s', held.failures, held.retry_at);
    END IF;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION billing.hold_job(text, timestamptz, boolean) IS 'Internal: locks a job, and says why it is not to be started now, NULL when it is. Errors: MB458 unknown job.';

CREATE FUNCTION billing.begin_run(job text, now timestamptz, scheduled boolean) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    run  uuid := billing.uuid_v7();
    held text;
BEGIN
    PERFORM billing.require_installed();
    IF (isfinite(begin_run.now)) IS NOT TRUE THEN
        RAISE EXCEPTION USING ERRCODE = 'MB400', MESSAGE = format('a job cannot be run as of %s', coalesce(begin_run.now::text, 'null'));
    END IF;
    held := billing.hold_job(job, begin_run.now, scheduled);
    IF held IS NOT NULL THEN
        RETURN jsonb_build_object('held', held, 'steps', '[]'::jsonb);
    END IF;
    INSERT INTO billing.job_runs (run_id, job, as_of, is_scheduled, started_at, run_by, backend_pid, backend_started_at, query_started_at)
    SELECT run, begin_run.job, begin_run.now, scheduled, clock_timestamp(), session_user, a.pid, a.backend_start, a.query_start
      FROM pg_stat_get_activity(pg_backend_pid()) AS a;
    UPDATE billing.jobs j SET last_run = run WHERE j.job = begin_run.job;
    RETURN (SELECT jsonb_build_object('run', run, 'steps', to_jsonb(j.steps), 'goes_on', j.goes_on, 'options', j.options, 'result', '{}'::jsonb)
              FROM billing.jobs j WHERE j.job = begin_run.job);
END
$$;
COMMENT ON FUNCTION billing.begin_run(text, timestamptz, boolean) IS 'Internal: begins a run and returns its state, or {"held": why not}. Errors: MB400, MB425, MB458.';

-- A step's own keys (a queue) stay in the state until the step is done.
CREATE FUNCTION billing.take_step(state jsonb, now timestamptz) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    step text := state #>> '{steps,0}';
    done jsonb;
BEGIN
    EXECUTE format('SELECT billing.%I($1, $2)', 'step_' || step) INTO done USING state, now;
    done := done || jsonb_build_object('progress', format('%s: %s', step, coalesce(done ->> 'progress', 'done')));
    IF done ? 'error' THEN
        RETURN billing.fail_step(state, done ->> 'sqlstate', done ->> 'error');
    END IF;
    RETURN (state || jsonb_build_object('result', (state -> 'result') || coalesce(done -> 'result', '{}'))
                  || CASE WHEN coalesce((done ->> 'again')::boolean, false) THEN done - 'result'
                          ELSE jsonb_build_object('steps', (state -> 'steps') - 0, 'rows', done -> 'rows', 'progress', done -> 'progress') END)
           - CASE WHEN coalesce((done ->> 'again')::boolean, false) THEN '{}' ELSE '{queue,left_out,again}'::text[] END;
END
$$;
COMMENT ON FUNCTION billing.take_step(jsonb, timestamptz) IS 'Internal: does the next step of a run, and returns the state after it.';

CREATE FUNCTION billing.fail_step(state jsonb, sqlstate text, message text) RETURNS jsonb
LANGUAGE sql IMMUTABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT jsonb_build_object('sqlstate', sqlstate, 'error', format('%s: %s', state #>> '{steps,0}', message)) -- the first error stays
           || (state - '{queue,left_out,again}'::text[])
           || jsonb_build_object('rows', 0, 'progress', format('%s failed: %s', state #>> '{steps,0}', message),
                                 -- A cancel ends the run, whatever else there is to do.
                                 'steps', CASE WHEN (state ->> 'goes_on')::boolean AND sqlstate <> '57014' THEN (state -> 'steps') - 0 ELSE '[]' END)
$$;
COMMENT ON FUNCTION billing.fail_step(jsonb, text, text) IS 'Internal: the state of a run after a step that failed.';

CREATE FUNCTION billing.note_step(state jsonb, now timestamptz) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE billing.job_runs r
       SET transactions = r.transactions + 1, rows_done = r.rows_done + coalesce((state ->> 'rows')::bigint, 0), progress = state ->> 'progress', result = state -> 'result'
     WHERE r.run_id = (state ->> 'run')::uuid AND r.status = 'running';
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'MB459', MESSAGE = format('run %s was taken over', state ->> 'run'),
            DETAIL = 'Another start of the job found its session gone.';
    END IF;
    IF jsonb_array_length(state -> 'steps') > 0 THEN
        RETURN true;
    END IF;
    PERFORM billing.close_run((state ->> 'run')::uuid, now, CASE WHEN state ? 'error' THEN 'failed' ELSE 'succeeded' END, state ->> 'sqlstate', state ->> 'error');
    RETURN false;
END
$$;
COMMENT ON FUNCTION billing.note_step(jsonb, timestamptz) IS 'Internal: tells of a step in the transaction that did it, and ends the run after the last; true when there is more to do. Errors: MB459 the run was taken over.';

-- The loop of a run: a step, what it did told in the same transaction, COMMIT. No settings, for it commits: everything it calls has its own.
CREATE PROCEDURE billing.execute_job(job text, now timestamptz, scheduled boolean, INOUT outcome jsonb)
LANGUAGE plpgsql AS $$
DECLARE
    state   pg_catalog.jsonb;
    more    boolean := true;
    code    pg_catalog.text;
    message pg_catalog.text;
    detail  pg_catalog.text;
BEGIN
    CALL billing.require_own_transactions();
    state := billing.begin_run(job, now, scheduled);
    COMMIT;
    WHILE more AND state OPERATOR(pg_catalog.?) 'run' LOOP
        BEGIN
            state := billing.take_step(state, now);
        EXCEPTION WHEN query_canceled OR assert_failure OR OTHERS THEN
            GET STACKED DIAGNOSTICS code = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL;
            state := billing.fail_step(state, code, pg_catalog.concat_ws('. ', message, CASE WHEN detail OPERATOR(pg_catalog.<>) '' THEN detail END));
        END;
        more := billing.note_step(state, now);
        COMMIT;
    END LOOP;
    outcome := state;
END
$$;
COMMENT ON PROCEDURE billing.execute_job(text, timestamptz, boolean, jsonb) IS 'Internal: runs a job and returns the last state of the run. Errors: MB400, MB425, MB427, MB458; what a step raises is in the state.';

CREATE PROCEDURE billing.run_job(job text, now timestamptz DEFAULT now(), scheduled boolean DEFAULT false)
LANGUAGE plpgsql AS $$
DECLARE
    outcome pg_catalog.jsonb;
BEGIN
    CALL billing.execute_job(job, now, scheduled, outcome);
    IF outcome OPERATOR(pg_catalog.?) 'held' THEN
        RAISE NOTICE 'job "%" %', job, outcome OPERATOR(pg_catalog.->>) 'held';
    ELSIF outcome OPERATOR(pg_catalog.?) 'error' THEN
        RAISE EXCEPTION USING ERRCODE = outcome OPERATOR(pg_catalog.->>) 'sqlstate', MESSAGE = pg_catalog.format('job "%s" failed', job), DETAIL = outcome OPERATOR(pg_catalog.->>) 'error',
            HINT = 'What it did before is committed; billing.job_runs tells. Run again, it goes on from there.';
    END IF;
END
$$;
COMMENT ON PROCEDURE billing.run_job(text, timestamptz, boolean) IS
'Runs a job of billing.jobs: everything of it that is due by now, whatever was missed. Commits as it goes, and tells of it in billing.job_runs. One that is running is not started again: a notice says so. now: the current time. scheduled: as pg_cron calls it: not when the job is not enabled, or waits after a failure. Errors: MB400 now is null or infinite, MB425, MB427 inside a transaction, MB458 unknown job; else the SQLSTATE of the step that failed.';

CREATE FUNCTION billing.overdue_jobs(now timestamptz) RETURNS text[]
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(array_agg(j.job ORDER BY j.position), '{}')
      FROM billing.jobs j
     WHERE j.enabled
       AND (j.failures = 0 AND coalesce(j.done_to, '-infinity') < overdue_jobs.now - j.overdue_after
            OR j.failures > 0 AND j.retry_at <= overdue_jobs.now
            -- A run that is not marked yet: when its session is gone, the start finds out.
            OR EXISTS (SELECT FROM billing.job_runs r WHERE r.run_id = j.last_run AND r.status = 'running'
                                                        AND NOT billing.run_is_alive(r.backend_pid, r.backend_started_at, r.query_started_at)))
$$;
COMMENT ON FUNCTION billing.overdue_jobs(timestamptz) IS 'Internal: the enabled jobs that were missed, or whose time to be tried again has come, or whose session died, in their order.';

CREATE PROCEDURE billing.run_overdue_jobs(now timestamptz DEFAULT now())
LANGUAGE plpgsql AS $$
DECLARE
    overdue pg_catalog.text[];
    name    pg_catalog.text;
    outcome pg_catalog.jsonb;
    failed  pg_catalog.text := '';
BEGIN
    CALL billing.require_own_transactions();
    PERFORM billing.require_installed();
    overdue := billing.overdue_jobs(now);
    FOREACH name IN ARRAY overdue LOOP
        CALL billing.execute_job(name, now, true, outcome);
        IF outcome OPERATOR(pg_catalog.?) 'error' THEN
            RAISE WARNING 'job "%" failed: %', name, outcome OPERATOR(pg_catalog.->>) 'error' USING ERRCODE = outcome OPERATOR(pg_catalog.->>) 'sqlstate';
        ELSE
            RAISE NOTICE 'job "%" %', name, coalesce(outcome OPERATOR(pg_catalog.->>) 'held', 'done');
        END IF;
    END LOOP;
END
$$;
COMMENT ON PROCEDURE billing.run_overdue_jobs(timestamptz) IS
'Runs the jobs that are overdue, in order: missed while the server was down, failed before and to be tried again, or broken off with their session. pg_cron calls it every minute, so that a missed day is made up for within one. A failure is a warning. now: the current time. Errors: MB425, MB427 inside a transaction.';

CREATE FUNCTION billing.set_job(job text, schedule text DEFAULT NULL, enabled boolean DEFAULT NULL, options jsonb DEFAULT NULL) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
    known billing.jobs;
BEGIN
    PERFORM billing.require_installed();
    PERFORM billing.refuse_card('job', job), billing.refuse_card('schedule', schedule), billing.refuse_card('options', options);
    SELECT * INTO known FROM billing.jobs j WHERE j.job = set_job.job FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'MB458', MESSAGE = format('unknown job "%s"', job);
    END IF;
    IF schedule !~ '^(\S+ +){4}\S+$' AND schedule !~ '^[1-5]?[0-9] seconds$' THEN
        RAISE EXCEPTION USING ERRCODE = 'MB400', MESSAGE = format('"%s" is no schedule', schedule),
            DETAIL = 'It is minute, hour, day of month, month and day of week; or, with pg_cron 1.5 and newer, 1 to 59 seconds.';
    END IF;
    IF EXISTS (SELECT FROM jsonb_each(options) AS o WHERE jsonb_typeof(o.value) IS DISTINCT FROM jsonb_typeof(known.options -> o.key)
                                                       OR jsonb_typeof(o.value) = 'number' AND o.value::text !~ '^[0-9]{1,6}$') THEN
        RAISE EXCEPTION USING ERRCODE = 'MB400', MESSAGE = format('job "%s" has no such options', job),
            DETAIL = format('Options given: %s. It has: %s.', options, known.options);
    END IF;
    UPDATE billing.jobs j
       SET schedule = coalesce(schedule, j.schedule), enabled = coalesce(enabled, j.enabled), options = j.options || coalesce(options, '{}')
     WHERE j.job = job
    RETURNING j.* INTO known;
    PERFORM billing.audit_call('jobs', jsonb_build_object('job', job), NULL,
                               jsonb_build_object('schedule', known.schedule, 'enabled', known.enabled, 'options', known.options));
    RETURN known.options;
END
$$;
COMMENT ON FUNCTION billing.set_job(text, text, boolean, jsonb) IS
'Changes a job''s schedule (billing.schedule_jobs() then puts it on pg_cron), whether it is enabled, or some of its options, and returns all its options. NULL leaves as it is. Options: partitions: months_ahead, keep_runs_days; rating and invoice_run: batch_tenants; invoice_run: finalize, grace_days (days between the due day and finalization); sealing: heartbeat; verification: verify_log. Errors: MB400 no schedule, no such option or another type; MB422, MB425, MB458.';
