-- Jobs on pg_cron's schedule. It lives in one database of the server, which may be another: then a script goes there.

-- pg_cron 1.4 keeps names in 63 bytes and would cut a longer one silently.
CREATE FUNCTION billing.cron_name(database text, job text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT 'billing_' || CASE WHEN octet_length(database) <= 30 THEN database ELSE md5(database) END || '_' || job
$$;
COMMENT ON FUNCTION billing.cron_name(text, text) IS 'Internal: the name of a job of a database among the jobs of pg_cron.';

CREATE FUNCTION billing.cron_jobs(database text) RETURNS TABLE (jobname text, schedule text, command text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT billing.cron_name(database, c.job), c.schedule, c.command
      FROM (SELECT j.position, j.job, j.schedule, format('CALL billing.run_job(%L, scheduled => true)', j.job) AS command
              FROM billing.jobs j
             WHERE j.enabled
            UNION ALL VALUES (0, 'overdue', '* * * * *', 'CALL billing.run_overdue_jobs()')) AS c
     ORDER BY c.position
$$;
COMMENT ON FUNCTION billing.cron_jobs(text) IS 'Internal: what is to be on pg_cron''s schedule for a database.';

-- One DO statement, for dblink takes no answers. Jobs that are as they should be stay; of the rest of this database all go, whoever ran them.
CREATE FUNCTION billing.cron_script(database text, role text, wanted jsonb) RETURNS text
LANGUAGE sql IMMUTABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT format($script$DO %4$s
DECLARE
    wanted jsonb := %1$L;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_extension WHERE extname = 'pg_cron') THEN
        RAISE EXCEPTION 'there is no pg_cron in database "%%"', pg_catalog.current_database();
    END IF;
    PERFORM cron.unschedule(j.jobid) FROM cron.job j
      WHERE j.database = %2$L AND j.jobname LIKE 'billing\_%%'
        AND NOT EXISTS (SELECT FROM pg_catalog.jsonb_to_recordset(wanted) AS w (jobname text, schedule text, command text)
                         WHERE w.jobname = j.jobname::text AND j.username = %3$L AND j.active AND (j.schedule, j.command) = (w.schedule, w.command));
    PERFORM CASE WHEN %2$L = pg_catalog.current_database() AND %3$L = CURRENT_USER THEN cron.schedule(w.jobname, w.schedule, w.command)
                 ELSE cron.schedule_in_database(w.jobname, w.schedule, w.command, %2$L, nullif(%3$L, CURRENT_USER)) END
       FROM pg_catalog.jsonb_to_recordset(wanted) AS w (jobname text, schedule text, command text)
      WHERE NOT EXISTS (SELECT FROM cron.job j WHERE j.jobname::text = w.jobname AND j.username = %3$L);
END
%4$s;$script$, wanted, database, role, '$billing_' || md5(concat(wanted, database, role)) || '$') -- a quote that no name can hold
$$;
COMMENT ON FUNCTION billing.cron_script(text, text, jsonb) IS 'Internal: the statement that puts jobs on pg_cron''s schedule, in its database, and takes off others of billing for the same database. Run again, it changes nothing.';

CREATE FUNCTION billing.check_cron_role(database text, role text) RETURNS void
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    chosen pg_roles;
BEGIN
    PERFORM billing.require_installed();
    PERFORM billing.refuse_card('database', database), billing.refuse_card('role', role);
    IF NOT EXISTS (SELECT FROM pg_database d WHERE d.datname = database) THEN
        RAISE EXCEPTION USING ERRCODE = 'MB400', MESSAGE = format('unknown database "%s"', database);
    END IF;
    SELECT * INTO chosen FROM pg_roles r WHERE r.rolname = role;
    IF NOT FOUND OR NOT chosen.rolcanlogin THEN
        RAISE EXCEPTION USING ERRCODE = 'MB400', MESSAGE = format('role "%s" cannot run jobs', role),
            DETAIL = CASE WHEN chosen.rolname IS NULL THEN 'There is none.' ELSE 'pg_cron logs in as it, and it may not log in.' END;
    END IF;
    IF NOT has_function_privilege(chosen.oid, 'billing.run_job(text, timestamptz, boolean)', 'EXECUTE') THEN
        RAISE EXCEPTION USING ERRCODE = 'MB400', MESSAGE = format('role "%s" cannot run jobs', role),
            DETAIL = 'It may not execute billing.run_job().', HINT = format('Run: GRANT billing_operator TO %I;', role);
    END IF;
    IF chosen.rolsuper THEN
        RAISE NOTICE 'jobs will run as superuser "%"', role USING HINT = 'A login role that is a member of billing_operator is enough.';
    END IF;
END
$$;
COMMENT ON FUNCTION billing.check_cron_role(text, text) IS 'Internal: preconditions of scheduling jobs. Errors: MB400, MB425.';

CREATE FUNCTION billing.note_schedule(database text, role text) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT billing.audit_call('jobs', '{"job":"all"}', NULL, jsonb_build_object('cron_database', note_schedule.database, 'cron_role', note_schedule.role));
    UPDATE billing.jobs j
       SET cron_database = note_schedule.database, cron_role = note_schedule.role
      FROM (SELECT k.job, EXISTS (SELECT FROM billing.cron_jobs(note_schedule.database) AS c WHERE c.jobname = billing.cron_name(note_schedule.database, k.job)) AS is_on
              FROM billing.jobs k) AS s
     WHERE s.job = j.job AND s.is_on AND note_schedule.database IS NOT NULL;
    UPDATE billing.jobs j SET cron_database = NULL, cron_role = NULL
     WHERE note_schedule.database IS NULL OR billing.cron_name(note_schedule.database, j.job) NOT IN (SELECT c.jobname FROM billing.cron_jobs(note_schedule.database) AS c)
$$;
COMMENT ON FUNCTION billing.note_schedule(text, text) IS 'Internal: keeps with each job whether it is on pg_cron''s schedule.';

CREATE FUNCTION billing.schedule_jobs_script(database text DEFAULT current_database(), role text DEFAULT current_user) RETURNS text
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM billing.check_cron_role(database, role);
    PERFORM billing.note_schedule(database, role);
    RETURN billing.cron_script(database, role, (SELECT jsonb_agg(to_jsonb(c)) FROM billing.cron_jobs(database) AS c));
END
$$;
COMMENT ON FUNCTION billing.schedule_jobs_script(text, text) IS
'The statement that billing.schedule_jobs() runs, for a pg_cron in another database: psql -d app -Atc "SELECT billing.schedule_jobs_script()" | psql -d crondb. Run again, it changes nothing. database: where the jobs run; role: as whom, a login role that is a member of billing_operator. Errors: MB400, MB425.';

CREATE FUNCTION billing.unschedule_jobs_script(database text DEFAULT current_database()) RETURNS text
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM billing.require_installed();
    PERFORM billing.note_schedule(NULL, NULL);
    RETURN billing.cron_script(database, NULL, '[]');
END
$$;
COMMENT ON FUNCTION billing.unschedule_jobs_script(text) IS 'The statement that billing.unschedule_jobs() runs, for a pg_cron in another database. Errors: MB425.';

-- What a setting is, or NULL: one that only some may see is unknown to others.
CREATE FUNCTION billing.setting_or_null(name text) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN current_setting(name, true);
EXCEPTION WHEN insufficient_privilege THEN
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION billing.setting_or_null(text) IS 'Internal: a server setting, NULL when there is none or the caller may not see it.';

CREATE FUNCTION billing.shell_word(word text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN word ~ '^[A-Za-z0-9_]+$' THEN word ELSE '''' || replace(word, '''', '''\''''') || '''' END
$$;
COMMENT ON FUNCTION billing.shell_word(text) IS 'Internal: a word as a shell takes it.';

CREATE FUNCTION billing.refuse_schedule(script text, problem text) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    home text := billing.setting_or_null('cron.database_name');
BEGIN
    IF home IS NULL OR home = current_database() THEN
        RAISE EXCEPTION USING ERRCODE = 'MB457', MESSAGE = 'there is no pg_cron in this database',
            DETAIL = CASE WHEN NOT EXISTS (SELECT FROM pg_available_extensions WHERE name = 'pg_cron') THEN 'The server has no pg_cron installed.'
                          WHEN home IS NULL THEN 'pg_cron is not among shared_preload_libraries, or this role may not see its settings.'
                          ELSE 'The server runs it for this database, and the extension is not created.' END,
            HINT = CASE WHEN home IS NULL
                        THEN format('Install pg_cron, set shared_preload_libraries = ''pg_cron'' and cron.database_name = ''%s'', restart, and run CREATE EXTENSION pg_cron. Until then CALL billing.run_overdue_jobs() from any scheduler.', current_database())
                        ELSE 'Run: CREATE EXTENSION pg_cron;' END;
    END IF;
    RAISE EXCEPTION USING ERRCODE = 'MB457', MESSAGE = format('pg_cron is in database "%s"', home), DETAIL = problem,
        HINT = format('Run: psql -d %s -Atc "SELECT billing.%s()" | psql -d %s', billing.shell_word(current_database()), script, billing.shell_word(home));
END
$$;
COMMENT ON FUNCTION billing.refuse_schedule(text, text) IS 'Internal: says why jobs cannot be put on pg_cron''s schedule from here, and what to do. Errors: MB457.';

CREATE FUNCTION billing.run_in_cron_database(statement text, script text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    home   text := billing.setting_or_null('cron.database_name');
    dblink text := (SELECT e.extnamespace::regnamespace::text FROM pg_extension e WHERE e.extname = 'dblink');
    target text;
BEGIN
    IF EXISTS (SELECT FROM pg_extension WHERE extname = 'pg_cron') THEN
        EXECUTE statement;
        RETURN;
    ELSIF home IS NULL OR home = current_database() OR dblink IS NULL THEN
        PERFORM billing.refuse_schedule(script, 'The extension dblink, by which it could be reached, is not in this one.');
    END IF;
    SELECT string_agg(format('%s=''%s''', p.name, replace(replace(p.value, '\', '\\'), '''', '\''')), ' ') INTO target
      FROM (VALUES ('dbname', home), ('user', current_user), ('port', current_setting('port')),
                   ('host', split_part(billing.setting_or_null('unix_socket_directories'), ',', 1))) AS p (name, value)
     WHERE p.value <> '';
    BEGIN
        EXECUTE format('SELECT %s.dblink_exec($1, $2)', dblink) USING target, statement;
    EXCEPTION WHEN OTHERS THEN
        PERFORM billing.refuse_schedule(script, format('It cannot be reached by dblink: %s.', SQLERRM));
    END;
END
$$;
COMMENT ON FUNCTION billing.run_in_cron_database(text, text) IS 'Internal: runs a statement where pg_cron is, here or by dblink. Errors: MB457 it cannot.';

CREATE FUNCTION billing.schedule_jobs(database text DEFAULT current_database(), role text DEFAULT current_user, schedules jsonb DEFAULT '{}') RETURNS integer
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM billing.require_installed();
    IF jsonb_typeof(schedules) IS DISTINCT FROM 'object' THEN
        RAISE EXCEPTION USING ERRCODE = 'MB400', MESSAGE = 'schedules are a JSON object of job and schedule';
    END IF;
    PERFORM billing.set_job(s.key, s.value, s.value IS NOT NULL) FROM jsonb_each_text(schedules) AS s;
    PERFORM billing.run_in_cron_database(billing.schedule_jobs_script(database, role), 'schedule_jobs_script');
    RETURN (SELECT count(*) FROM billing.cron_jobs(database));
END
$$;
COMMENT ON FUNCTION billing.schedule_jobs(text, text, jsonb) IS
'Puts the enabled jobs on pg_cron''s schedule, and what runs the overdue ones every minute; returns how many entries that are. Run again, it brings them up to date: entries that are right stay. With the caller''s rights on pg_cron. database: where the jobs run; role: as whom, a login role that is a member of billing_operator; schedules: for some jobs another schedule than billing.jobs has, {"count_sync": "*/2 * * * *"}, kept there; null takes the job off. When pg_cron is in another database, that is reached by dblink, or the hint has the command. Errors: MB400 role, database, or schedule; MB425; MB457 pg_cron is missing, or cannot be reached from here; MB458 unknown job.';

CREATE FUNCTION billing.unschedule_jobs(database text DEFAULT current_database()) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM billing.run_in_cron_database(billing.unschedule_jobs_script(database), 'unschedule_jobs_script');
END
$$;
COMMENT ON FUNCTION billing.unschedule_jobs(text) IS 'Takes all jobs of a database off pg_cron''s schedule, whoever they run as. Errors: MB425, MB457 pg_cron is missing, or cannot be reached from here.';
