-- Set-up, and what every module shares.

CREATE FUNCTION billing.install() RETURNS text
LANGUAGE C VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'billing_install';
COMMENT ON FUNCTION billing.install() IS 'Makes the tables in this database, owned by billing_owner, and returns what it did. Calling it again only repeats the grants and the row security. Errors: MB421 when the database is not UTF8.';

CREATE FUNCTION billing.migrate() RETURNS text
LANGUAGE C VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'billing_migrate';
COMMENT ON FUNCTION billing.migrate() IS 'Brings the tables and grants to the version of the code, after ALTER EXTENSION billing UPDATE, and returns what it did. Steps done are in billing.schema_migrations. Errors: MB425 when not installed.';

CREATE FUNCTION billing.require_installed() RETURNS void
LANGUAGE C STABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'billing_require_installed_sql';
COMMENT ON FUNCTION billing.require_installed() IS 'Internal: raises MB425 with its hint when billing.install() has not been run.';

CREATE FUNCTION billing.refuse_change() RETURNS trigger
LANGUAGE C
AS 'MODULE_PATHNAME', 'billing_refuse_change';
COMMENT ON FUNCTION billing.refuse_change() IS 'Internal: trigger that refuses UPDATE, DELETE and TRUNCATE with MB423.';

-- Stable, and not volatile: within a transaction it does not change, and COPY writes in batches only with such defaults.
CREATE FUNCTION billing.log_xid() RETURNS xid8
LANGUAGE C STABLE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'billing_log_xid';
COMMENT ON FUNCTION billing.log_xid() IS 'Internal: the current transaction''s id plus the incarnation''s offset, default of every log_xid column. Errors: MB425, MB426.';

CREATE FUNCTION billing.log_snapshot() RETURNS pg_snapshot
LANGUAGE C STABLE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'billing_log_snapshot';
COMMENT ON FUNCTION billing.log_snapshot() IS 'Internal: pg_current_snapshot() with the incarnation''s offset added, comparable with log_xid. Errors: MB425, MB426.';

-- A transaction's own id is not in its own snapshot's list of running ones, as if it had been committed; it is added, because
-- rows this transaction writes later are not in the window.
CREATE FUNCTION billing.window_edge() RETURNS pg_snapshot
LANGUAGE sql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN own >= pg_snapshot_xmax(snapshot) THEN snapshot
                ELSE format('%s:%s:%s', least(own, pg_snapshot_xmin(snapshot)), pg_snapshot_xmax(snapshot),
                            (SELECT string_agg(running::text, ',' ORDER BY running)
                               FROM (SELECT own UNION SELECT pg_snapshot_xip(snapshot)) AS r (running)))::pg_snapshot
           END
      FROM (SELECT billing.log_snapshot() AS snapshot, billing.log_xid() AS own) AS this
$$;
COMMENT ON FUNCTION billing.window_edge() IS 'Internal: billing.log_snapshot() as the upper edge of a window that this transaction takes: its own id counts as running. Errors: MB425, MB426.';

CREATE FUNCTION billing.current_incarnation() RETURNS integer
LANGUAGE C STABLE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'billing_incarnation';
COMMENT ON FUNCTION billing.current_incarnation() IS 'Internal: number of the running cluster in billing.incarnations. Errors: MB425, MB426.';

CREATE FUNCTION billing.make_truncate_guard(relation text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    EXECUTE format('CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON billing.%I FOR EACH STATEMENT EXECUTE FUNCTION billing.refuse_change(%L)', relation, relation);
    EXECUTE format('ALTER TABLE billing.%I ENABLE ALWAYS TRIGGER refuse_truncate', relation);
END
$$;
COMMENT ON FUNCTION billing.make_truncate_guard(text) IS 'Internal: refuses TRUNCATE of a table of schema billing. A parent''s statement trigger does not guard its partitions: each gets its own.';

CREATE FUNCTION billing.make_append_only(relation text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    EXECUTE format('CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON billing.%I FOR EACH ROW EXECUTE FUNCTION billing.refuse_change(%L)', relation, relation);
    EXECUTE format('ALTER TABLE billing.%I ENABLE ALWAYS TRIGGER refuse_change', relation);
    PERFORM billing.make_truncate_guard(relation);
END
$$;
COMMENT ON FUNCTION billing.make_append_only(text) IS 'Internal: refuses UPDATE, DELETE and TRUNCATE of a table of schema billing.';

CREATE FUNCTION billing.partition_name(parent text, day date) RETURNS text
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'billing_partition_name';
COMMENT ON FUNCTION billing.partition_name(text, date) IS 'Internal: what the partition of a day''s month is called. Errors: MB417 infinite.';

CREATE FUNCTION billing.make_partition(parent text, month date, local_unique text[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    child text := billing.partition_name(parent, month);
    is_timestamp boolean := pg_get_partkeydef(format('billing.%I', parent)::regclass) IN ('RANGE (occurred_at)', 'RANGE (created_at)');
    suffix text := CASE WHEN is_timestamp THEN ' 00:00:00+00' ELSE '' END;
BEGIN
    -- Made apart and then attached: that blocks no reader or writer of the parent, as PARTITION OF would.
    EXECUTE format('CREATE TABLE billing.%I (LIKE billing.%I INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING GENERATED)', child, parent);
    EXECUTE format('ALTER TABLE billing.%I ATTACH PARTITION billing.%I FOR VALUES FROM (%L) TO (%L)',
                   parent, child, month || suffix, (month + interval '1 month')::date || suffix);
    IF local_unique IS NOT NULL THEN
        EXECUTE format('CREATE UNIQUE INDEX %I ON billing.%I (%s)', child || '_key', child, array_to_string(local_unique, ', '));
    END IF;
    IF EXISTS (SELECT FROM pg_trigger WHERE tgrelid = format('billing.%I', parent)::regclass AND tgname = 'refuse_truncate') THEN
        PERFORM billing.make_truncate_guard(child);
    END IF;
    -- A policy of the parent does not hold for who names the partition.
    IF EXISTS (SELECT FROM pg_attribute WHERE attrelid = format('billing.%I', child)::regclass AND attname = 'tenant_id') THEN
        PERFORM billing.protect_table(format('billing.%I', child)::regclass);
    END IF;
    EXECUTE format('COMMENT ON TABLE billing.%I IS %L', child, format('Month %s of billing.%s.', to_char(month, 'YYYY-MM'), parent));
END
$$;
COMMENT ON FUNCTION billing.make_partition(text, date, text[]) IS 'Internal: makes one month''s partition with its guards, row security and index.';

CREATE FUNCTION billing.ensure_partitions("from" date, "to" date) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    missing record;
    made    integer := 0;
BEGIN
    PERFORM billing.require_installed();
    IF (isfinite("from") AND isfinite("to") AND "to" > "from" AND "to" <= "from" + interval '50 years') IS NOT TRUE THEN
        RAISE EXCEPTION USING ERRCODE = 'MB417', MESSAGE = format('partitions cannot be made from %s to %s', coalesce("from"::text, 'null'), coalesce("to"::text, 'null')),
            DETAIL = 'The end must be after the start, by at most 50 years.';
    END IF;
    PERFORM FROM billing.stage_locks WHERE stage = 'partitions' FOR UPDATE;
    FOR missing IN
        SELECT t.table_name, m.month::date, t.local_unique
          FROM billing.partitioned_tables t
         CROSS JOIN generate_series(date_trunc('month', "from"::timestamp), "to"::timestamp - interval '1 day', interval '1 month') AS m (month)
         WHERE to_regclass(format('billing.%I', billing.partition_name(t.table_name, m.month::date))) IS NULL
           AND coalesce(m.month >= t.dropped_before, true)
         ORDER BY m.month, t.table_name
    LOOP
        PERFORM billing.make_partition(missing.table_name, missing.month, missing.local_unique);
        made := made + 1;
    END LOOP;
    IF made > 0 THEN
        PERFORM billing.audit_call('partitions', jsonb_build_object('from', "from", 'to', "to"), NULL, jsonb_build_object('made', made));
    END IF;
    RETURN made;
END
$$;
COMMENT ON FUNCTION billing.ensure_partitions(date, date) IS 'Makes the monthly partitions that days from (inclusive) to (exclusive) need, where missing, and returns how many it made. A row for a month without partition is refused, never put aside silently. A month that retention dropped is not made again. Errors: MB417 when the range is empty, null, infinite or over 50 years; MB425.';

CREATE FUNCTION billing.require_partition(relation text, day date) RETURNS void
LANGUAGE C STABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'billing_require_partition_sql';
COMMENT ON FUNCTION billing.require_partition(text, date) IS 'Internal: refuses a day for whose month a table of schema billing has no partition. Errors: MB417 infinite, MB424.';

CREATE FUNCTION billing.finish_install() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO billing.incarnations
    SELECT 1, system_identifier::text, 0, now(), 'install', pg_current_xact_id() FROM pg_control_system()
    ON CONFLICT DO NOTHING;
    PERFORM billing.ensure_partitions((now() AT TIME ZONE 'UTC' - interval '2 months')::date, (now() AT TIME ZONE 'UTC' + interval '3 months')::date);
END
$$;
COMMENT ON FUNCTION billing.finish_install() IS 'Internal: what billing.install() does once, after it made the tables.';

CREATE FUNCTION billing.highest_log_xid() RETURNS bigint
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    relation regclass;
    highest  bigint := 0;
    one      bigint;
BEGIN
    FOR relation IN
        SELECT a.attrelid FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
         WHERE a.attname = 'log_xid' AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relnamespace = 'billing'::regnamespace
    LOOP
        EXECUTE format('SELECT max(log_xid::text::bigint) FROM %s', relation) INTO one;
        highest := greatest(highest, one);
    END LOOP;
    SELECT greatest(highest, max(pg_snapshot_xmax(w.snapshot)::text::bigint)) INTO highest
      FROM (SELECT snapshot FROM billing.count_windows UNION ALL SELECT snapshot FROM billing.coverage_windows UNION ALL SELECT snapshot FROM billing.balance_windows UNION ALL SELECT snapshot FROM billing.checkpoints) AS w;
    RETURN highest;
END
$$;
COMMENT ON FUNCTION billing.highest_log_xid() IS 'Internal: the highest transaction id stored in any log_xid or window.';

CREATE FUNCTION billing.adopt_cluster(reason text) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    last    record;
    running text := (SELECT system_identifier::text FROM pg_control_system());
    highest bigint;
    next_offset bigint;
BEGIN
    PERFORM billing.require_installed();
    LOCK TABLE billing.incarnations IN SHARE ROW EXCLUSIVE MODE;
    SELECT * INTO last FROM billing.incarnations ORDER BY incarnation DESC LIMIT 1;
    IF last.system_identifier = running THEN
        RETURN last.incarnation;
    END IF;
    highest := billing.highest_log_xid();
    next_offset := CASE WHEN pg_current_xact_id()::text::bigint + last.xid_offset > highest THEN last.xid_offset ELSE highest END;
    INSERT INTO billing.incarnations VALUES (last.incarnation + 1, running, next_offset, now(), reason,
                                             (pg_current_xact_id()::text::bigint + next_offset)::text::xid8);
    RETURN last.incarnation + 1;
END
$$;
COMMENT ON FUNCTION billing.adopt_cluster(text) IS 'After a restore into another cluster, or pg_upgrade: records the running cluster and sets the transaction id offset above every stored id, so that count sync misses nothing. Returns the incarnation. Call while nothing writes. reason: kept for people.';

CREATE FUNCTION billing.begin_call(tenant text, operation text, idempotency_key text, request jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    hash   bytea := sha256(convert_to(request::text, 'UTF8'));
    before billing.idempotency_keys;
BEGIN
    IF begin_call.idempotency_key IS NULL THEN
        RETURN NULL;
    END IF;
    PERFORM billing.check_text('idempotency key', begin_call.idempotency_key, 255);
    INSERT INTO billing.idempotency_keys (tenant_id, operation, idempotency_key, request_hash)
    VALUES (tenant, begin_call.operation, begin_call.idempotency_key, hash)
    ON CONFLICT DO NOTHING;
    IF FOUND THEN
        RETURN NULL;
    END IF;
    SELECT * INTO before FROM billing.idempotency_keys k
     WHERE k.tenant_id = tenant AND k.operation = begin_call.operation AND k.idempotency_key = begin_call.idempotency_key;
    IF before.request_hash <> hash THEN
        RAISE EXCEPTION USING ERRCODE = 'MB409', MESSAGE = format('idempotency key "%s" was used for another %s', begin_call.idempotency_key, begin_call.operation),
            DETAIL = format('It was first used at %s with other arguments.', before.created_at),
            HINT = 'Use a new key for a new request; repeat a request with the same arguments.';
    END IF;
    RETURN before.response;
END
$$;
COMMENT ON FUNCTION billing.begin_call(text, text, text, jsonb) IS 'Internal: NULL when the call is to be made (no key, or a key not used before), else the answer given before. Errors: MB400 when the key is blank or over 255 characters, MB409 when it was used with other arguments.';

CREATE FUNCTION billing.end_call(tenant text, operation text, idempotency_key text, response jsonb) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE billing.idempotency_keys k SET response = end_call.response
     WHERE k.tenant_id = tenant AND k.operation = end_call.operation AND k.idempotency_key = end_call.idempotency_key;
END
$$;
COMMENT ON FUNCTION billing.end_call(text, text, text, jsonb) IS 'Internal: keeps the answer of a call begun with billing.begin_call().';
