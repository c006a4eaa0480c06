-- One month: everything in one transaction, or nothing.

CREATE FUNCTION billing.compact_usage(month date) RETURNS bytea
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET enable_nestloop = off SET enable_mergejoin = off SET jit = off
AS 'MODULE_PATHNAME', 'billing_compact_usage';
COMMENT ON FUNCTION billing.compact_usage(date) IS 'Internal: keeps of a month''s usage what replays and bundles need when it is gone, in usage_window_parts and usage_window_counts, and returns the root over the parts. month: its first day.';

CREATE FUNCTION billing.check_windows(month date) RETURNS void
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET enable_nestloop = off SET enable_mergejoin = off SET jit = off
AS 'MODULE_PATHNAME', 'billing_check_windows';
COMMENT ON FUNCTION billing.check_windows(date) IS 'Internal: when a month is gone, that the windows which had some of it still have their digests, and the daily counts of it are what these added. month: its first day. Errors: MB500 one does not.';

CREATE FUNCTION billing.describe_month(relation text, month date, OUT rows bigint, OUT first_key text[], OUT last_key text[], OUT digest bytea)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off SET timezone = 'UTC' SET datestyle = 'ISO, YMD' AS $$
DECLARE
    month_end date := (month + interval '1 month')::date;
BEGIN
    CASE relation
    WHEN 'usage_records' THEN
        SELECT count(*), min(ARRAY[u.usage_day::text, u.tenant_id, u.meter_id, u.event_id]), max(ARRAY[u.usage_day::text, u.tenant_id, u.meter_id, u.event_id])
          INTO rows, first_key, last_key
          FROM billing.usage_records u
         WHERE u.occurred_at >= month::timestamp AT TIME ZONE 'UTC' AND u.occurred_at < month_end::timestamp AT TIME ZONE 'UTC';
    WHEN 'daily_counts' THEN
        SELECT count(*), min(k.key), max(k.key),
               billing.merkle_agg(billing.leaf_hash(billing.leaf_canon('daily_count', k.day, k.tenant_id, k.account_id, k.meter_id, k.dimensions, k.quantity,
                                                                       k.events, k.latest_at, k.window_no)) ORDER BY k.key)
          INTO rows, first_key, last_key, digest
          FROM (SELECT *, ARRAY[d.day::text, d.tenant_id, d.account_id, d.meter_id, billing.canonical_json(d.dimensions)] COLLATE "C" AS key
                  FROM billing.daily_counts d WHERE d.day >= month AND d.day < month_end) AS k;
    WHEN 'coverage_daily_state' THEN
        SELECT count(*), min(k.key), max(k.key),
               billing.merkle_agg(billing.leaf_hash(billing.leaf_canon('coverage_state', k.coverage_day, k.tenant_id, k.device_id, k.account_id, k.coverage_state, k.plan,
                                                                       k.is_counted, k.window_no)) ORDER BY k.key)
          INTO rows, first_key, last_key, digest
          FROM (SELECT *, ARRAY[s.coverage_day::text, s.tenant_id, s.device_id::text] COLLATE "C" AS key
                  FROM billing.coverage_daily_state s WHERE s.coverage_day >= month AND s.coverage_day < month_end) AS k;
    WHEN 'usage_window_counts' THEN
        SELECT count(*), min(k.key), max(k.key),
               billing.merkle_agg(billing.leaf_hash(billing.leaf_canon('usage_window_count', k.day, k.tenant_id, k.window_no, k.account_id, k.meter_id, k.dimensions,
                                                                       k.aggregation, k.quantity, k.events, k.latest_at)) ORDER BY k.key, k.window_no)
          INTO rows, first_key, last_key, digest
          FROM (SELECT *, ARRAY[c.day::text, c.tenant_id, c.account_id, c.meter_id, billing.canonical_json(c.dimensions), c.window_no::text] COLLATE "C" AS key
                  FROM billing.usage_window_counts c WHERE c.day >= month AND c.day < month_end) AS k;
    END CASE;
END
$$;
COMMENT ON FUNCTION billing.describe_month(text, date) IS 'Internal: rows of a month, first and last key, and the root over them by key (NULL for usage, whose parts have it).';

CREATE FUNCTION billing.detach_month(relation text, month date, action text, digest bytea) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET intervalstyle = postgres AS $$
DECLARE
    child     text := billing.partition_name(relation, month);
    bytes     bigint := pg_total_relation_size(format('billing.%I', child)::regclass);
    described record;
BEGIN
    SELECT * INTO described FROM billing.describe_month(relation, month);
    INSERT INTO billing.retention_actions (table_name, month, action, dropped_rows, dropped_bytes, first_key, last_key, digest, keep, actor)
    SELECT relation, detach_month.month, detach_month.action, described.rows, bytes, to_jsonb(described.first_key), to_jsonb(described.last_key),
           coalesce(detach_month.digest, described.digest), p.keep::text, session_user
      FROM billing.retention_policies p WHERE p.table_name = CASE relation WHEN 'usage_window_counts' THEN 'daily_counts' ELSE relation END;
    -- Short, but nobody else may be using the table: CONCURRENTLY cannot be in a transaction, and the action must be in the same.
    EXECUTE format('ALTER TABLE billing.%I DETACH PARTITION billing.%I', relation, child);
    EXECUTE format('DROP TABLE billing.%I', child);
    UPDATE billing.partitioned_tables t SET dropped_before = (detach_month.month + interval '1 month')::date WHERE t.table_name = relation;
    RETURN described.rows;
END
$$;
COMMENT ON FUNCTION billing.detach_month(text, date, text, bytea) IS 'Internal: records the retention action of a month, drops its partition and closes it; returns its rows.';

CREATE FUNCTION billing.close_coverage(relation text, month date, today date) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off AS $$
DECLARE
    month_end date := (month + interval '1 month')::date;
    problem   text;
BEGIN
    -- Who records coverage holds the table in a mode that this one waits for, and finds the month closed if it comes later.
    LOCK TABLE ONLY billing.coverage_daily_state IN SHARE MODE;
    SELECT min(g.gate || ': ' || g.example) INTO problem
      FROM billing.retention_coverage_gates(close_coverage.today) AS g WHERE g.table_name = relation AND g.month = close_coverage.month;
    IF problem IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'MB460', MESSAGE = format('month %s of table "%s" cannot be dropped', to_char(month, 'YYYY-MM'), relation),
            DETAIL = 'Gates that are not open: ' || problem || '.';
    END IF;
    SELECT min(format('account "%s" of tenant "%s" on %s: %s against %s', d.account_id, d.tenant_id, d.day, d.devices, d.quantity)) INTO problem
      FROM billing.coverage_differences(greatest(month, billing.coverage_floor()), month_end) AS d;
    IF problem IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'MB500', MESSAGE = 'days that coverage counted are not in the usage recorded of it',
            DETAIL = 'One of them: ' || problem || '.', HINT = 'SELECT * FROM billing.replay_coverage() tells what does not hold. Nothing was dropped.';
    END IF;
END
$$;
COMMENT ON FUNCTION billing.close_coverage(text, date, date) IS 'Internal: before a month of coverage_daily_state, or of the usage it is counted in, goes: that nothing is recorded about it which is not counted, and nothing can be from here on; that what was counted is in the usage. Errors: MB460, MB500.';

-- A lock is waited for less than deadlock_timeout, so that in a deadlock with a writer this gives way, and never the writer.
CREATE FUNCTION billing.drop_month(relation text, month date, today date DEFAULT (now() AT TIME ZONE 'UTC')::date) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '900ms' SET jit = off AS $$
DECLARE
    child   text;
    gates   text;
    digest  bytea;
    dropped bigint;
BEGIN
    PERFORM billing.require_installed();
    PERFORM billing.check_text('table', relation);
    PERFORM billing.check_day('month', month);
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION USING ERRCODE = 'MB427', MESSAGE = 'a month cannot be dropped in this transaction', DETAIL = 'Its isolation level is not READ COMMITTED.';
    END IF;
    PERFORM FROM billing.stage_locks l WHERE l.stage = 'retention' FOR UPDATE;
    IF relation IN ('usage_records', 'coverage_daily_state') THEN
        PERFORM FROM billing.stage_locks l WHERE l.stage = 'coverage_sync' FOR UPDATE;
    END IF;
    SELECT m.partition INTO child FROM billing.retention_months(drop_month.today) AS m WHERE m.table_name = relation AND m.month = drop_month.month;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'MB460', MESSAGE = format('there is no month %s of table "%s" to drop', month, coalesce(relation, 'null'));
    END IF;
    -- From here on nobody writes into the month; what was written before is seen by the gates.
    EXECUTE format('LOCK TABLE billing.%I IN SHARE MODE', child);
    SELECT string_agg(g.gate || ': ' || g.example, '; ' ORDER BY g.gate <> 'hold', g.gate) INTO gates
      FROM billing.retention_gates(drop_month.today) AS g WHERE g.table_name = relation AND g.month = drop_month.month;
    IF gates IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = CASE WHEN gates LIKE 'hold: %' THEN 'MB461' ELSE 'MB460' END,
            MESSAGE = format('month %s of table "%s" cannot be dropped', to_char(month, 'YYYY-MM'), relation), DETAIL = 'Gates that are not open: ' || gates || '.';
    END IF;
    CASE relation
    WHEN 'usage_records' THEN
        PERFORM billing.ensure_partitions(month, (month + interval '1 month')::date);
        digest := billing.compact_usage(month);
        PERFORM billing.close_coverage(relation, month, today);
        dropped := billing.detach_month(relation, month, 'compact and drop', digest);
        PERFORM billing.check_windows(month);
    WHEN 'coverage_daily_state' THEN
        PERFORM billing.close_coverage(relation, month, today);
        dropped := billing.detach_month(relation, month, 'drop', NULL);
    WHEN 'daily_counts' THEN
        dropped := billing.detach_month(relation, month, 'drop', NULL);
        PERFORM billing.detach_month('usage_window_counts', month, 'drop', NULL);
        PERFORM billing.check_windows(month);
    END CASE;
    RETURN format('%s: %s rows dropped', child, dropped);
END
$$;
COMMENT ON FUNCTION billing.drop_month(text, date, date) IS 'Drops a month of usage_records (compacted first), of daily_counts or of coverage_daily_state, when all of its gates are open, and says what went. It is locked against writers, then against everybody for as long as detaching takes; a lock that cannot be had at once is error 55P03. month: its first day. today: the UTC day. Errors: MB460 a gate is not open, which the detail tells, or there is no such month; MB461 a legal hold; MB427 not READ COMMITTED; MB500 what was counted of it does not come out any more, and nothing is dropped; MB400, MB417, MB425.';
