-- Health: what waits at each stage, and how long. Every figure comes from an index and is counted up to 10,000, so that asking costs
-- milliseconds however large the tables are and however far behind a stage is.

CREATE FUNCTION billing.usage_backlog() RETURNS TABLE (stage text, backlog bigint, oldest timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off AS $$
    WITH last AS MATERIALIZED (
        SELECT w.snapshot FROM billing.count_windows w ORDER BY w.window_no DESC LIMIT 1
    )
    SELECT 'count_sync', count(*), min(u.recorded_at)
      FROM ((SELECT r.recorded_at FROM billing.usage_records r
              WHERE r.log_xid >= coalesce((SELECT pg_snapshot_xmax(l.snapshot) FROM last l), '0') ORDER BY r.log_xid LIMIT 10000)
            UNION ALL
            (SELECT r.recorded_at FROM billing.usage_records r
              WHERE r.log_xid = ANY (ARRAY(SELECT pg_snapshot_xip(l.snapshot) FROM last l)) LIMIT 10000)) AS u
    UNION ALL
    SELECT 'set_aside', count(*), min((SELECT w.synced_at FROM billing.count_windows w WHERE w.window_no = s.window_no))
      FROM (SELECT a.window_no FROM billing.usage_set_aside a WHERE a.counted_in IS NULL ORDER BY a.window_no LIMIT 10000) AS s
    UNION ALL
    SELECT 'rating', count(*), min(w.synced_at)
      FROM (SELECT c.synced_at FROM billing.count_windows c
             WHERE c.window_no > coalesce((SELECT max((j.result ->> 'window_no')::bigint) FROM billing.jobs j WHERE j.job IN ('rating', 'invoice_run')), 0)
             ORDER BY c.window_no LIMIT 10000) AS w
$$;
COMMENT ON FUNCTION billing.usage_backlog() IS 'Internal: usage rows not counted, usage rows set aside, and count windows since the last rating job.';

CREATE FUNCTION billing.log_backlog() RETURNS TABLE (stage text, backlog bigint, oldest timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off AS $$
    WITH edge AS MATERIALIZED (
        SELECT coalesce((SELECT pg_snapshot_xmax(c.snapshot) FROM billing.checkpoints c ORDER BY c.seal_no DESC LIMIT 1), '0') AS xid
    )
    SELECT 'sealing', least(count(*), 10000), min(u.at)
      FROM ((SELECT t.posted_at AS at FROM billing.ledger_entries t WHERE t.log_xid >= (SELECT e.xid FROM edge e) ORDER BY t.log_xid LIMIT 10000)
            UNION ALL
            (SELECT t.rated_at FROM billing.rated_lines t WHERE t.log_xid >= (SELECT e.xid FROM edge e) ORDER BY t.log_xid LIMIT 10000)
            UNION ALL
            (SELECT t.created_at FROM billing.count_sync_checkpoint_events t WHERE t.log_xid >= (SELECT e.xid FROM edge e) ORDER BY t.log_xid LIMIT 10000)
            UNION ALL
            (SELECT t.occurred_at FROM billing.invoice_events t WHERE t.log_xid >= (SELECT e.xid FROM edge e) ORDER BY t.log_xid LIMIT 10000)) AS u
$$;
COMMENT ON FUNCTION billing.log_backlog() IS 'Internal: counts, rated lines, entries and invoice events that are not sealed.';

CREATE FUNCTION billing.calendar_backlog(now timestamptz) RETURNS TABLE (stage text, backlog bigint, oldest timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off AS $$
    SELECT 'partitions', count(*), NULL::timestamptz
      FROM billing.partitioned_tables t
     CROSS JOIN (VALUES (interval '0'), ('1 month')) AS m (ahead)
     WHERE isfinite(now) AND to_regclass(format('billing.%I', t.table_name || to_char(date_trunc('month', now AT TIME ZONE 'UTC') + m.ahead, '_YYYY_MM'))) IS NULL
    UNION ALL
    SELECT 'renewals', count(*), min((d.ends - d.notice_days)::timestamp AT TIME ZONE 'UTC')
      FROM (SELECT s.ends, s.notice_days FROM billing.subscriptions s
             WHERE s.renewal = 'automatic' AND s.ends - s.notice_days <= billing.utc_day(now)
               AND NOT EXISTS (SELECT FROM billing.renewal_events e
                                WHERE e.tenant_id = s.tenant_id AND e.subscription_id = s.subscription_id AND e.event = 'refused' AND e.term_ends = s.ends)
             LIMIT 10000) AS d
    UNION ALL
    SELECT 'invoice_run', count(*) FILTER (WHERE g.due <= now), min(g.due) FILTER (WHERE g.due <= now)
      FROM (SELECT (i.invoice_date + 1 + o.grace_days)::timestamp AT TIME ZONE 'UTC' AS due
              FROM (SELECT (j.options ->> 'grace_days')::integer AS grace_days FROM billing.jobs j
                     WHERE j.job = 'invoice_run' AND (j.options ->> 'finalize')::boolean) AS o
             CROSS JOIN billing.invoices i
             WHERE i.status = 'draft' LIMIT 10000) AS g
$$;
COMMENT ON FUNCTION billing.calendar_backlog(timestamptz) IS 'Internal: partitions missing for this month and the next, subscriptions due for renewal, and drafts that the job should have finalized a day ago.';

CREATE FUNCTION billing.coverage_backlog(now timestamptz) RETURNS TABLE (stage text, backlog bigint, oldest timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off AS $$
    WITH edge AS MATERIALIZED (
        SELECT coalesce(pg_snapshot_xmax(w.snapshot), '0') AS xmax, ARRAY(SELECT pg_snapshot_xip(w.snapshot)) AS waiting
          FROM (SELECT true) AS one
          LEFT JOIN (SELECT c.snapshot FROM billing.coverage_windows c ORDER BY c.window_no DESC LIMIT 1) AS w ON true
    )
    SELECT 'coverage', least(count(*), 10000), min(u.at)
      FROM ((SELECT t.created_at AS at FROM billing.device_coverage_ledger t WHERE t.log_xid >= (SELECT e.xmax FROM edge e) ORDER BY t.log_xid LIMIT 10000)
            UNION ALL
            (SELECT t.created_at FROM billing.device_coverage_ledger t WHERE t.log_xid = ANY (ARRAY(SELECT unnest(e.waiting) FROM edge e)) LIMIT 10000)
            UNION ALL
            (SELECT t.recorded_at FROM billing.enrollments t WHERE t.log_xid >= (SELECT e.xmax FROM edge e) ORDER BY t.log_xid LIMIT 10000)
            UNION ALL
            (SELECT t.recorded_at FROM billing.enrollments t WHERE t.log_xid = ANY (ARRAY(SELECT unnest(e.waiting) FROM edge e)) LIMIT 10000)
            UNION ALL
            (SELECT t.occurred_at FROM billing.identity_claim_events t WHERE t.log_xid >= (SELECT e.xmax FROM edge e) ORDER BY t.log_xid LIMIT 10000)
            UNION ALL
            (SELECT t.occurred_at FROM billing.identity_claim_events t WHERE t.log_xid = ANY (ARRAY(SELECT unnest(e.waiting) FROM edge e)) LIMIT 10000)
            UNION ALL
            (SELECT t.recorded_at FROM billing.coverage_policies t WHERE t.log_xid >= (SELECT e.xmax FROM edge e) ORDER BY t.log_xid LIMIT 10000)
            UNION ALL
            (SELECT t.recorded_at FROM billing.coverage_policies t WHERE t.log_xid = ANY (ARRAY(SELECT unnest(e.waiting) FROM edge e)) LIMIT 10000)) AS u
    UNION ALL
    -- An SLA is an hour at least: of the disputes that old, the oldest.
    SELECT 'escalation', count(*), min(d.due_at)
      FROM (SELECT * FROM billing.coverage_disputes c WHERE c.disputed_at <= coverage_backlog.now - interval '1 hour' ORDER BY c.disputed_at LIMIT 10000) AS d
     WHERE d.due_at <= coverage_backlog.now
$$;
COMMENT ON FUNCTION billing.coverage_backlog(timestamptz) IS 'Internal: what coverage sync has not taken, and claims in dispute past their time, of the 10,000 oldest.';

CREATE FUNCTION billing.check_backlog() RETURNS TABLE (stage text, backlog bigint, checked_at timestamptz, done_to timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT c.name, (j.result ->> c.name)::bigint, j.last_success_at, j.done_to
      FROM billing.jobs j
     CROSS JOIN (VALUES ('replay_mismatches'), ('coverage_mismatches'), ('integrity_problems'), ('log_problems')) AS c (name)
     WHERE j.job = 'verification' AND j.result ? c.name
$$;
COMMENT ON FUNCTION billing.check_backlog() IS 'Internal: what the last verification found, by kind.';

CREATE FUNCTION billing.health_at(now timestamptz)
RETURNS TABLE (stage text, status text, backlog bigint, oldest_seconds bigint, failures integer, is_running boolean, is_scheduled boolean,
               last_success_at timestamptz, last_success_seconds bigint, last_failure_at timestamptz, last_error text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off AS $$
    WITH waiting AS MATERIALIZED (
        SELECT * FROM billing.usage_backlog()
        UNION ALL SELECT * FROM billing.log_backlog()
        UNION ALL SELECT * FROM billing.calendar_backlog(now)
        UNION ALL SELECT * FROM billing.coverage_backlog(now)
    )
    SELECT j.job, CASE WHEN NOT j.enabled THEN 'disabled'
                       WHEN j.failures > 0 THEN 'failing'
                       WHEN coalesce(j.done_to, '-infinity') < health_at.now - 2 * j.overdue_after THEN 'late'
                       WHEN j.job IN ('partitions', 'escalation', 'invoice_run') AND w.backlog > 0 THEN 'behind'
                       ELSE 'ok' END,
           coalesce(w.backlog, 0), coalesce(greatest(0, extract(epoch FROM health_at.now - w.oldest)::bigint), 0), j.failures,
           coalesce(r.status = 'running', false), j.cron_database IS NOT NULL,
           j.last_success_at, extract(epoch FROM health_at.now - j.done_to)::bigint, j.last_failure_at, j.last_error
      FROM billing.jobs j
      LEFT JOIN waiting w ON w.stage = j.job
      LEFT JOIN billing.job_runs r ON r.run_id = j.last_run
    UNION ALL
    SELECT w.stage, CASE WHEN w.backlog > 0 THEN 'behind' ELSE 'ok' END, w.backlog,
           coalesce(greatest(0, extract(epoch FROM health_at.now - w.oldest)::bigint), 0), 0, false, NULL, NULL, NULL, NULL, NULL
      FROM waiting w WHERE w.stage = 'set_aside'
    UNION ALL
    -- Synced by count_sync, so behind when that should have taken it long ago.
    SELECT w.stage, CASE WHEN w.oldest < health_at.now - 2 * j.overdue_after THEN 'behind' ELSE 'ok' END, w.backlog,
           coalesce(greatest(0, extract(epoch FROM health_at.now - w.oldest)::bigint), 0), 0, false, NULL, NULL, NULL, NULL, NULL
      FROM waiting w
      JOIN billing.jobs j ON j.job = 'count_sync'
     WHERE w.stage = 'coverage'
    UNION ALL
    SELECT c.stage, CASE WHEN c.backlog > 0 THEN 'failing' ELSE 'ok' END, c.backlog, 0, 0, false, NULL, c.checked_at,
           extract(epoch FROM health_at.now - c.done_to)::bigint, NULL, NULL
      FROM billing.check_backlog() AS c
$$;
COMMENT ON FUNCTION billing.health_at(timestamptz) IS 'What billing.health shows, at a given time.';
