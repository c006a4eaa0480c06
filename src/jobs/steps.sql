-- The steps of jobs: each call is the work of one transaction. A step is told the state of the run and the time, and returns what
-- changed: rows (done now), progress (in words), result (kept with the job), and again when it is to be called once more.

CREATE FUNCTION billing.utc_day(instant timestamptz) RETURNS date
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT (instant AT TIME ZONE 'UTC')::date
$$;
COMMENT ON FUNCTION billing.utc_day(timestamptz) IS 'Internal: the UTC day of an instant.';

CREATE FUNCTION billing.step_partitions(state jsonb, now timestamptz) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    ahead   integer := (state #>> '{options,months_ahead}')::integer;
    -- From the last time on: what was recorded meanwhile may be counted and billed late.
    since   timestamptz := least((SELECT j.done_to FROM billing.jobs j WHERE j.job = 'partitions'), now);
    made    integer := billing.ensure_partitions(billing.utc_day(since), (date_trunc('month', now AT TIME ZONE 'UTC') + make_interval(months => ahead + 1))::date);
BEGIN
    RETURN jsonb_build_object('rows', made, 'progress', format('%s partitions made', made));
END
$$;
COMMENT ON FUNCTION billing.step_partitions(jsonb, timestamptz) IS 'Internal: makes the partitions of this month and months_ahead more.';

CREATE FUNCTION billing.step_old_runs(state jsonb, now timestamptz) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    removed bigint;
BEGIN
    DELETE FROM billing.job_runs r
     WHERE r.finished_at < clock_timestamp() - make_interval(days => (state #>> '{options,keep_runs_days}')::integer)
       AND NOT EXISTS (SELECT FROM billing.jobs j WHERE j.last_run = r.run_id);
    GET DIAGNOSTICS removed = ROW_COUNT;
    RETURN jsonb_build_object('progress', format('%s old runs removed', removed));
END
$$;
COMMENT ON FUNCTION billing.step_old_runs(jsonb, timestamptz) IS 'Internal: removes the records of runs older than keep_runs_days, by the clock.';

CREATE FUNCTION billing.step_accrual(state jsonb, now timestamptz) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    -- Up to midnight: one row a day and allocation, however often this runs.
    accrued bigint := billing.accrue_allocations(billing.utc_day(now)::timestamp AT TIME ZONE 'UTC');
BEGIN
    RETURN jsonb_build_object('rows', accrued, 'progress', format('%s days of allocations accrued', accrued));
END
$$;
COMMENT ON FUNCTION billing.step_accrual(jsonb, timestamptz) IS 'Internal: records the usage of open allocations up to the last midnight.';

CREATE FUNCTION billing.step_counts(state jsonb, now timestamptz) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    synced record;
BEGIN
    SELECT * INTO synced FROM billing.sync_counts();
    RETURN jsonb_build_object('rows', synced.rows_counted, 'result', jsonb_build_object('window_no', synced.window_no),
                              'progress', format('window %s: %s usage rows counted, %s set aside', synced.window_no, synced.rows_counted, synced.rows_set_aside));
END
$$;
COMMENT ON FUNCTION billing.step_counts(jsonb, timestamptz) IS 'Internal: billing.sync_counts(), the first in its transaction.';

CREATE FUNCTION billing.step_renewals(state jsonb, now timestamptz) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    done record;
BEGIN
    SELECT * INTO done FROM billing.renew_subscriptions(billing.utc_day(now));
    RETURN jsonb_build_object('rows', done.renewed + done.noticed + done.refused,
                              'progress', format('%s terms renewed, %s notices, %s refused', done.renewed, done.noticed, done.refused));
END
$$;
COMMENT ON FUNCTION billing.step_renewals(jsonb, timestamptz) IS 'Internal: billing.renew_subscriptions().';

CREATE FUNCTION billing.step_billing_partitions(state jsonb, now timestamptz) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    made integer := billing.ensure_billing_partitions(billing.utc_day(now));
BEGIN
    RETURN jsonb_build_object('rows', made, 'progress', format('%s partitions made', made));
END
$$;
COMMENT ON FUNCTION billing.step_billing_partitions(jsonb, timestamptz) IS 'Internal: billing.ensure_billing_partitions().';

-- Passes over all tenants, as {"day", "replay_id", "finalize"}: each batch of each pass is a piece of the queue.
CREATE FUNCTION billing.queue_batches(passes jsonb, batch_tenants integer) RETURNS jsonb
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(jsonb_agg(p.pass || jsonb_build_object('first', b.first_tenant_id, 'last', b.last_tenant_id, 'tenants', b.tenants)
                              ORDER BY p.place, b.first_tenant_id), '[]')
      FROM jsonb_array_elements(passes) WITH ORDINALITY AS p (pass, place)
     CROSS JOIN billing.tenant_batches(batch_tenants) AS b
$$;
COMMENT ON FUNCTION billing.queue_batches(jsonb, integer) IS 'Internal: the pieces of work of some passes over all tenants.';

CREATE FUNCTION billing.step_batches(state jsonb, passes jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    queue    jsonb := coalesce(state -> 'queue', billing.queue_batches(passes, (state #>> '{options,batch_tenants}')::integer));
    piece    jsonb := queue -> 0;
    left_out jsonb := coalesce(state -> 'left_out', '[]');
    outcome  text;
    done     bigint := 0;
BEGIN
    IF piece IS NULL THEN
        RETURN jsonb_build_object('progress', 'there are no tenants');
    END IF;
    queue := queue - 0;
    BEGIN
        outcome := billing.run_batch((piece ->> 'day')::date, piece ->> 'first', piece ->> 'last', (piece ->> 'replay_id')::uuid, (piece ->> 'finalize')::boolean);
        done := substring(outcome FROM '^\d+')::bigint;
    EXCEPTION WHEN SQLSTATE 'MB415' OR SQLSTATE 'MB416' OR numeric_value_out_of_range THEN
        -- As in billing.run_batches(): halve the range until the tenant is alone, and leave it out.
        IF (piece ->> 'tenants')::bigint = 1 THEN
            outcome := format('tenant "%s" is left out: %s', piece ->> 'first', SQLERRM);
            left_out := left_out || to_jsonb(ARRAY[piece ->> 'first']);
        ELSE
            outcome := 'halved, for an amount is out of range';
            SELECT jsonb_agg(piece || jsonb_build_object('first', b.first_tenant_id, 'last', b.last_tenant_id, 'tenants', b.tenants) ORDER BY b.first_tenant_id) || queue
              INTO queue
              FROM billing.tenant_batches((((piece ->> 'tenants')::bigint + 1) / 2)::integer, piece ->> 'first', piece ->> 'last') AS b;
        END IF;
    END;
    IF jsonb_array_length(queue) = 0 AND jsonb_array_length(left_out) > 0 THEN
        -- All others are done: tell it without undoing the last of them.
        RETURN jsonb_build_object('rows', done, 'sqlstate', 'MB416', 'error',
            format('tenants left out, their amounts are out of range: %s', (SELECT string_agg(DISTINCT t, ', ') FROM jsonb_array_elements_text(left_out) AS t)));
    END IF;
    RETURN jsonb_build_object('rows', done, 'queue', queue, 'left_out', left_out, 'again', jsonb_array_length(queue) > 0,
                              'progress', format('%s: %s to %s: %s; %s batches to go', piece ->> 'day', piece ->> 'first', piece ->> 'last', outcome, jsonb_array_length(queue)));
END
$$;
COMMENT ON FUNCTION billing.step_batches(jsonb, jsonb) IS 'Internal: one batch of tenants of the queue, which the first call fills from passes. A tenant whose amounts are out of range is found by halving and left out; at the end MB416 names it.';

CREATE FUNCTION billing.step_rating(state jsonb, now timestamptz) RETURNS jsonb
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT billing.step_batches(state, jsonb_build_array(jsonb_build_object('day', billing.utc_day(now), 'replay_id', NULL, 'finalize', false)))
$$;
COMMENT ON FUNCTION billing.step_rating(jsonb, timestamptz) IS 'Internal: rates a batch of tenants up to the day.';

-- What is due today becomes drafts; what was due grace_days ago is finalized.
CREATE FUNCTION billing.step_invoices(state jsonb, now timestamptz) RETURNS jsonb
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT billing.step_batches(state,
               (SELECT jsonb_agg(jsonb_build_object('day', billing.utc_day(now) - p.days, 'replay_id', state ->> 'run', 'finalize', p.finalize) ORDER BY p.finalize)
                  FROM (VALUES (0, false), ((state #>> '{options,grace_days}')::integer, true)) AS p (days, finalize)
                 WHERE CASE WHEN NOT (state #>> '{options,finalize}')::boolean THEN NOT p.finalize
                            ELSE p.finalize OR (state #>> '{options,grace_days}')::integer > 0 END))
$$;
COMMENT ON FUNCTION billing.step_invoices(jsonb, timestamptz) IS 'Internal: bills a batch of tenants.';

CREATE FUNCTION billing.step_seal(state jsonb, now timestamptz) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    before bigint := coalesce((SELECT c.tree_size FROM billing.checkpoints c ORDER BY c.seal_no DESC LIMIT 1), 0);
    sealed record;
BEGIN
    SELECT * INTO sealed FROM billing.seal((state #>> '{options,heartbeat}')::boolean);
    RETURN jsonb_build_object('rows', coalesce(sealed.tree_size - before, 0), 'result', jsonb_build_object('seal_no', sealed.seal_no),
                              'progress', format('seal %s of %s leaves', sealed.seal_no, sealed.tree_size));
END
$$;
COMMENT ON FUNCTION billing.step_seal(jsonb, timestamptz) IS 'Internal: billing.seal(), the first in its transaction.';

CREATE FUNCTION billing.step_balances(state jsonb, now timestamptz) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    -- Busy accounts each time, all of them once a day: snapshots then stay fewer than entries, and what comes after one stays short.
    is_first boolean := coalesce((SELECT billing.utc_day(j.done_to) FROM billing.jobs j WHERE j.job = 'sealing') < billing.utc_day(now), true);
    closed   record;
BEGIN
    SELECT * INTO closed FROM billing.close_balances(CASE WHEN is_first THEN 1 ELSE 100 END);
    RETURN jsonb_build_object('progress', format('window %s: balances of %s accounts closed', closed.window_no, closed.accounts));
END
$$;
COMMENT ON FUNCTION billing.step_balances(jsonb, timestamptz) IS 'Internal: billing.close_balances(), the first in its transaction: accounts with 100 new entries, and on the first success of a UTC day all.';

-- The first few of what a check lists, and how many.
CREATE FUNCTION billing.step_check(name text, query text) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    problems bigint;
    examples jsonb;
BEGIN
    EXECUTE format('SELECT count(*), jsonb_agg(p) FILTER (WHERE n <= 5) FROM (SELECT to_jsonb(q) AS p, row_number() OVER () AS n FROM (%s) AS q) AS f', query)
       INTO problems, examples;
    IF problems > 0 THEN
        RAISE WARNING '% finds % problems, the first: %', name, problems, examples -> 0;
    END IF;
    RETURN jsonb_build_object('progress', format('%s: %s problems', name, problems),
                              'result', jsonb_strip_nulls(jsonb_build_object(name, problems, name || '_examples', examples)));
END
$$;
COMMENT ON FUNCTION billing.step_check(text, text) IS 'Internal: the number of problems that a query lists, and five of them.';

CREATE FUNCTION billing.step_replay(state jsonb, now timestamptz) RETURNS jsonb
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT jsonb_build_object('progress', concat_ws('; ', c.found ->> 'progress', d.found ->> 'progress'), 'result', c.found -> 'result' || (d.found -> 'result'))
      FROM billing.step_check('replay_mismatches', 'SELECT * FROM billing.replay_count_sync()') AS c (found)
     CROSS JOIN billing.step_check('coverage_mismatches', 'SELECT * FROM billing.replay_coverage()') AS d (found)
$$;
COMMENT ON FUNCTION billing.step_replay(jsonb, timestamptz) IS 'Internal: billing.replay_count_sync() and billing.replay_coverage().';

CREATE FUNCTION billing.step_integrity(state jsonb, now timestamptz) RETURNS jsonb
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT billing.step_check('integrity_problems', 'SELECT * FROM billing.check_integrity()')
$$;
COMMENT ON FUNCTION billing.step_integrity(jsonb, timestamptz) IS 'Internal: billing.check_integrity().';

CREATE FUNCTION billing.step_log(state jsonb, now timestamptz) RETURNS jsonb
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN (state #>> '{options,verify_log}')::boolean THEN billing.step_check('log_problems', 'SELECT * FROM billing.verify_log()')
                ELSE '{}' END
$$;
COMMENT ON FUNCTION billing.step_log(jsonb, timestamptz) IS 'Internal: billing.verify_log(), unless the option verify_log is off.';

CREATE FUNCTION billing.step_coverage(state jsonb, now timestamptz) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    synced record;
BEGIN
    -- Through yesterday: today is not over.
    SELECT * INTO synced FROM billing.sync_coverage(billing.utc_day(now) - 1);
    RETURN jsonb_build_object('rows', synced.usage_rows, 'progress', format('window %s through %s: %s days changed, %s usage rows written',
                                                                            synced.window_no, synced.synced_through, synced.days_changed, synced.usage_rows));
END
$$;
COMMENT ON FUNCTION billing.step_coverage(jsonb, timestamptz) IS 'Internal: billing.sync_coverage(), the first in its transaction.';

CREATE FUNCTION billing.step_escalation(state jsonb, now timestamptz) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    escalated integer := billing.escalate_disputes(now);
BEGIN
    RETURN jsonb_build_object('rows', escalated, 'progress', format('%s claims in dispute are newly past their time', escalated));
END
$$;
COMMENT ON FUNCTION billing.step_escalation(jsonb, timestamptz) IS 'Internal: billing.escalate_disputes().';

-- A thousand bundles a transaction. Without a signed checkpoint there are none yet, and the months that need them stay.
CREATE FUNCTION billing.step_bundles(state jsonb, now timestamptz) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    made integer;
BEGIN
    made := billing.make_retention_bundles(billing.utc_day(now), 1000);
    RETURN jsonb_build_object('rows', made, 'again', made >= 1000, 'progress', format('%s bundles made', made));
EXCEPTION WHEN SQLSTATE 'MB454' THEN
    RETURN jsonb_build_object('progress', format('bundles wait for a seal: %s', SQLERRM));
END
$$;
COMMENT ON FUNCTION billing.step_bundles(jsonb, timestamptz) IS 'Internal: billing.make_retention_bundles().';

-- A month a transaction, as billing.apply_retention() does it; asked again after something went, for counts wait for their usage.
CREATE FUNCTION billing.step_retention(state jsonb, now timestamptz) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    queue   jsonb := state -> 'queue';
    skipped jsonb := coalesce(state -> 'left_out', '[]');
    piece   jsonb;
    outcome text;
BEGIN
    IF queue IS NULL OR jsonb_array_length(queue) = 0 THEN
        SELECT coalesce(jsonb_agg(jsonb_build_object('table', p.table_name, 'month', p.month) ORDER BY p.month, p.table_name), '[]') INTO queue
          FROM billing.retention_plan(billing.utc_day(now)) AS p
         WHERE p.decision = 'drop' AND NOT skipped @> jsonb_build_array(jsonb_build_object('table', p.table_name, 'month', p.month));
    END IF;
    IF jsonb_array_length(queue) = 0 THEN
        RETURN jsonb_build_object('progress', format('nothing else is to go; %s months in use stay', jsonb_array_length(skipped)));
    END IF;
    piece := queue -> 0;
    BEGIN
        outcome := billing.drop_month(piece ->> 'table', (piece ->> 'month')::date, billing.utc_day(now));
    EXCEPTION WHEN OTHERS THEN
        -- In use, or a gate or a hold closed since the plan was made; anything else has failed.
        IF SQLSTATE !~ '^(55P03|40P01|MB46[01])$' THEN
            RAISE;
        END IF;
        outcome := format('%s of %s stays: %s', piece ->> 'table', piece ->> 'month', SQLERRM);
        skipped := skipped || jsonb_build_array(piece);
    END;
    RETURN jsonb_build_object('rows', CASE WHEN skipped @> jsonb_build_array(piece) THEN 0 ELSE 1 END, 'progress', outcome,
                              'queue', queue - 0, 'left_out', skipped, 'again', true);
END
$$;
COMMENT ON FUNCTION billing.step_retention(jsonb, timestamptz) IS 'Internal: drops the next month of billing.retention_plan(); one that is in use is left for the next run.';

CREATE FUNCTION billing.step_personal_data(state jsonb, now timestamptz) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    purged integer := billing.purge_subjects(billing.utc_day(now));
BEGIN
    RETURN jsonb_build_object('rows', purged, 'progress', format('%s subjects purged', purged));
END
$$;
COMMENT ON FUNCTION billing.step_personal_data(jsonb, timestamptz) IS 'Internal: billing.purge_subjects().';
