-- The gates of each month, set-based: a row of a gate is why a month stays, with an example. No row: the gate is open.

CREATE FUNCTION billing.retention_months(today date)
RETURNS TABLE (table_name text, month date, month_end date, partition text, estimated_rows bigint, bytes bigint, is_due boolean)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT p.table_name, m.month, m.month_end, c.relname::text, greatest(c.reltuples, 0)::bigint, pg_total_relation_size(c.oid),
           p.kept_because IS NULL AND m.month_end + p.keep <= today
      FROM billing.retention_policies p
      JOIN pg_inherits i ON i.inhparent = to_regclass(format('billing.%I', p.table_name))
      JOIN pg_class c ON c.oid = i.inhrelid
     CROSS JOIN LATERAL (SELECT to_date(right(c.relname, 7), 'YYYY_MM') AS month,
                                (to_date(right(c.relname, 7), 'YYYY_MM') + interval '1 month')::date AS month_end) AS m
$$;
COMMENT ON FUNCTION billing.retention_months(date) IS 'Internal: the partitions that have a policy; is_due when the policy lets one be dropped and it is old enough on the day.';

CREATE FUNCTION billing.retention_lines(today date)
RETURNS TABLE (table_name text, month date, tenant_id text, subscription_id uuid, plan_id text, version integer, charge_id text,
               period_start date, amount_minor bigint, is_counted boolean)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off AS $$
    WITH due AS MATERIALIZED (
        SELECT * FROM billing.retention_months(today) AS m WHERE m.is_due
    ), reach AS ( -- a bundle shows whole windows, one after the other: those of the month, and with them all that came before
        SELECT d.table_name, d.month, e.tenant_id, max(e.last_day) + 1 AS day
          FROM due d
          JOIN (SELECT p.tenant_id, p.month, max(e.sequence) AS last_sequence
                  FROM billing.usage_window_parts p
                  JOIN billing.count_sync_checkpoint_events e ON e.tenant_id = p.tenant_id AND e.window_no = p.window_no
                 WHERE p.month IN (SELECT d.month FROM due d)
                 GROUP BY p.tenant_id, p.month) AS l ON l.month = d.month
          JOIN billing.count_sync_checkpoint_events e ON e.tenant_id = l.tenant_id AND e.sequence <= l.last_sequence
         WHERE d.table_name = 'daily_counts'
         GROUP BY d.table_name, d.month, e.tenant_id
    ), line AS (
        SELECT DISTINCT ON (r.tenant_id, r.subscription_id, r.plan_id, r.version, r.charge_id, r.period_start) r.*, c.meter_id
          FROM billing.rated_lines r
          JOIN billing.charges c USING (plan_id, version, charge_id)
         WHERE EXISTS (SELECT FROM due)
         ORDER BY r.tenant_id, r.subscription_id, r.plan_id, r.version, r.charge_id, r.period_start, r.revision DESC
    )
    SELECT d.table_name, d.month, l.tenant_id, l.subscription_id, l.plan_id, l.version, l.charge_id, l.period_start, l.amount_minor, l.meter_id IS NOT NULL
      FROM due d
     CROSS JOIN line l
      LEFT JOIN reach t ON t.table_name = d.table_name AND t.month = d.month AND t.tenant_id = l.tenant_id
     WHERE l.period_end > d.month AND l.period_start < greatest(d.month_end, t.day)
       AND (d.table_name <> 'coverage_daily_state' OR l.meter_id = 'covered_devices')
$$;
COMMENT ON FUNCTION billing.retention_lines(date) IS 'Internal: for each month that is old enough the rated lines, in their latest revision, whose periods overlap it; of daily counts also those whose bundles show windows that had usage of the month; of coverage those of its meter.';

CREATE FUNCTION billing.retention_invoices(today date)
RETURNS TABLE (table_name text, month date, invoice_date date, tenant_id text, invoice_id uuid, status text, number text, finalized_at timestamptz, is_counted boolean)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off AS $$
    SELECT l.table_name, l.month, i.invoice_date, i.tenant_id, i.invoice_id, i.status, i.number, i.finalized_at, bool_or(l.is_counted)
      FROM billing.retention_lines(today) AS l
      JOIN billing.invoice_lines n USING (tenant_id, subscription_id, plan_id, version, charge_id, period_start)
      JOIN billing.invoices i USING (invoice_date, tenant_id, invoice_id)
     GROUP BY l.table_name, l.month, i.invoice_date, i.tenant_id, i.invoice_id, i.status, i.number, i.finalized_at
$$;
COMMENT ON FUNCTION billing.retention_invoices(date) IS 'Internal: for each month that is old enough the invoices, drafts too, that bill a line of billing.retention_lines(); is_counted when one of these draws on counts.';

CREATE FUNCTION billing.retention_usage_gates(today date) RETURNS TABLE (table_name text, month date, gate text, example text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off AS $$
    WITH due AS MATERIALIZED (
        SELECT m.*, m.month::timestamp AT TIME ZONE 'UTC' AS starts, m.month_end::timestamp AT TIME ZONE 'UTC' AS ends
          FROM billing.retention_months(today) AS m WHERE m.is_due AND m.table_name IN ('usage_records', 'coverage_daily_state')
    ), synced AS (
        SELECT (SELECT w.snapshot FROM billing.count_windows w ORDER BY w.window_no DESC LIMIT 1) AS snapshot
    ), signed AS (
        SELECT (SELECT c.snapshot FROM billing.checkpoints c JOIN billing.checkpoint_notes n USING (seal_no) ORDER BY seal_no DESC LIMIT 1) AS snapshot
    )
    SELECT d.table_name, d.month, 'unsynced', format('event "%s" of tenant "%s" is in no count window', u.event_id, u.tenant_id)
      FROM due d
     CROSS JOIN synced w
     CROSS JOIN LATERAL (SELECT u.event_id, u.tenant_id FROM billing.usage_records u
                          WHERE u.occurred_at >= d.starts AND u.occurred_at < d.ends AND (d.table_name = 'usage_records' OR u.meter_id = 'covered_devices')
                            AND (w.snapshot IS NULL OR u.log_xid >= pg_snapshot_xmin(w.snapshot) AND NOT pg_visible_in_snapshot(u.log_xid, w.snapshot))
                          LIMIT 1) AS u
    UNION ALL
    SELECT d.table_name, d.month, 'set aside', format('event "%s" of tenant "%s": %s', s.event_id, s.tenant_id, s.reason)
      FROM due d
     CROSS JOIN LATERAL (SELECT * FROM billing.usage_set_aside s
                          WHERE s.usage_day >= d.month AND s.usage_day < d.month_end AND s.counted_in IS NULL
                            AND (d.table_name = 'usage_records' OR s.meter_id = 'covered_devices') LIMIT 1) AS s
    UNION ALL
    SELECT d.table_name, d.month, 'accrued', format('allocation "%s" of tenant "%s" is recorded up to %s', a.allocation_id, a.tenant_id,
                                                    to_char(a.accrued_to AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI'))
      FROM due d
     CROSS JOIN LATERAL (SELECT * FROM billing.allocations a
                          WHERE d.table_name = 'usage_records' AND a.accrued_to < d.ends AND coalesce(a.closed_at > a.accrued_to, true) LIMIT 1) AS a
    UNION ALL
    SELECT d.table_name, d.month, 'sealed', format('window %s of tenant "%s" is in no signed checkpoint', e.window_no, e.tenant_id)
      FROM due d
     CROSS JOIN signed c
     CROSS JOIN LATERAL (SELECT * FROM billing.count_sync_checkpoint_events e
                          WHERE e.first_day < d.month_end AND e.last_day >= d.month
                            AND (c.snapshot IS NULL OR NOT pg_visible_in_snapshot(e.log_xid, c.snapshot)) LIMIT 1) AS e
$$;
COMMENT ON FUNCTION billing.retention_usage_gates(date) IS 'Internal: gates of usage_records, and of coverage_daily_state by the usage recorded of it. unsynced: a row is in no count window. set aside: one was not counted. accrued: an allocation has yet to write into the month. sealed: a window that had some of the month is in no signed checkpoint.';

CREATE FUNCTION billing.retention_counts_gates(today date) RETURNS TABLE (table_name text, month date, gate text, example text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off AS $$
    WITH usage AS (
        SELECT coalesce(t.dropped_before, '-infinity') AS closed_to FROM billing.partitioned_tables t WHERE t.table_name = 'usage_records'
    )
    SELECT DISTINCT ON (d.month) d.table_name, d.month, 'usage', format('usage up to %s is still there, or can still come', r.needed - 1)
      FROM billing.retention_months(today) AS d
     CROSS JOIN usage u
     CROSS JOIN LATERAL (SELECT d.month_end AS needed
                         UNION ALL -- a period that began in the month is closed with it, so nothing may come for any of its days
                         SELECT least(c.cycle_end, s.ends)
                           FROM billing.subscriptions s
                          CROSS JOIN LATERAL billing.cycle_containing(s.anchor, s.period_months, greatest(s.starts, least(s.ends, d.month_end) - 1)) AS c
                          WHERE s.starts < d.month_end AND coalesce(s.ends > d.month, true)) AS r
     WHERE d.is_due AND d.table_name = 'daily_counts' AND r.needed > u.closed_to
     ORDER BY d.month, r.needed DESC
$$;
COMMENT ON FUNCTION billing.retention_counts_gates(date) IS 'Internal: the gate of daily_counts. usage: raw usage of the month, or of another that a period which began in it reaches into, is not dropped, so that counts can still change.';

CREATE FUNCTION billing.retention_coverage_gates(today date) RETURNS TABLE (table_name text, month date, gate text, example text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off AS $$
    WITH due AS MATERIALIZED ( -- without either table a day is closed to coverage
        SELECT m.* FROM billing.retention_months(today) AS m WHERE m.is_due AND m.table_name IN ('usage_records', 'coverage_daily_state')
    ), synced AS (
        SELECT w.snapshot, w.through, pg_snapshot_xmin(w.snapshot) AS first_xid
          FROM (SELECT) AS one LEFT JOIN (SELECT * FROM billing.coverage_windows ORDER BY window_no DESC LIMIT 1) AS w ON true
    ), waiting AS MATERIALIZED (
        SELECT l.what, l.tenant_id, l.first_day
          FROM synced w
         CROSS JOIN LATERAL (SELECT format('coverage event "%s"', l.event_id) AS what, l.tenant_id, l.effective_from AS first_day, l.log_xid
                               FROM billing.device_coverage_ledger l WHERE l.log_xid >= coalesce(w.first_xid, '0')
                             UNION ALL
                             SELECT format('enrollment "%s"', e.event_id), e.tenant_id, e.enrolled_from, e.log_xid
                               FROM billing.enrollments e WHERE e.log_xid >= coalesce(w.first_xid, '0')
                             UNION ALL
                             SELECT format('claim event %s', c.sequence), c.tenant_id, c.effective_from, c.log_xid
                               FROM billing.identity_claim_events c WHERE c.log_xid >= coalesce(w.first_xid, '0') AND c.event_type IN ('disputed', 'resolved')
                             UNION ALL
                             SELECT format('policy from %s', p.valid_from), p.tenant_id, p.valid_from, p.log_xid
                               FROM billing.coverage_policies p WHERE p.log_xid >= coalesce(w.first_xid, '0')) AS l
         WHERE EXISTS (SELECT FROM due) AND coalesce(NOT pg_visible_in_snapshot(l.log_xid, w.snapshot), true)
    )
    SELECT d.table_name, d.month, 'unsynced', min(format('%s of tenant "%s" is in no window of coverage', w.what, w.tenant_id))
      FROM due d
      JOIN waiting w ON w.first_day < d.month_end
     GROUP BY d.table_name, d.month
    UNION ALL
    SELECT d.table_name, d.month, 'unsynced', format('coverage is counted up to %s, and tenant "%s" has a device enrolled', w.through, e.tenant_id)
      FROM due d
      JOIN synced w ON w.through < d.month_end - 1
     CROSS JOIN LATERAL (SELECT e.tenant_id FROM billing.enrollments e
                          WHERE e.account_id IS NOT NULL AND e.enrolled_from < d.month_end AND coalesce(e.enrolled_to > greatest(d.month, w.through + 1), true) LIMIT 1) AS e
    UNION ALL -- whoever is to decide still can, and then days are counted that were not
    SELECT d.table_name, d.month, 'disputes', min(format('%s "%s" of tenant "%s" is in dispute from %s', c.identity_type, c.identity_value, c.tenant_id, c.disputed_from))
      FROM due d
      JOIN billing.identity_claims c ON c.status = 'disputed' AND c.disputed_from < d.month_end
     GROUP BY d.table_name, d.month
$$;
COMMENT ON FUNCTION billing.retention_coverage_gates(date) IS 'Internal: gates of coverage_daily_state, and of usage_records, which coverage is counted in. unsynced: what was recorded about the month, or its days, are in no window of coverage. disputes: an identity is in dispute on its days.';
