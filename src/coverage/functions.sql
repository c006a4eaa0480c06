-- Devices, their coverage, and its count.

CREATE FUNCTION billing.coverage_event_hash(tenant_id text, event_id text, device_id uuid, event_type text, plan text, effective_from date, effective_to date) RETURNS bytea
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
SELECT billing.fingerprint('coverage_event', tenant_id, event_id, device_id::pg_catalog.text, event_type, plan,
                           (effective_from OPERATOR(pg_catalog.-) '1970-01-01'::pg_catalog.date)::pg_catalog.text,
                           (effective_to OPERATOR(pg_catalog.-) '1970-01-01'::pg_catalog.date)::pg_catalog.text)
$$;
COMMENT ON FUNCTION billing.coverage_event_hash(text, text, uuid, text, text, date, date) IS 'Internal: row_hash of a row of device_coverage_ledger, of what makes it the same event: billing.fingerprint() of coverage_event, tenant, event id, device, type, plan, both days as days since 1970-01-01.';

CREATE FUNCTION billing.coverage_floor() RETURNS date
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce((SELECT m.month
                       FROM (SELECT c.relname, to_date(right(c.relname, 7), 'YYYY_MM') AS month
                               FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
                              WHERE i.inhparent = 'billing.coverage_daily_state'::regclass ORDER BY month OFFSET 0) AS m
                       -- Names are looked up as they are now: the caller's snapshot may be older than a drop.
                      WHERE to_regclass(format('billing.%I', m.relname)) IS NOT NULL
                        AND to_regclass(format('billing.%I', billing.partition_name('usage_records', m.month))) IS NOT NULL
                      LIMIT 1),
                    (SELECT max(t.dropped_before) FROM billing.partitioned_tables t WHERE t.table_name IN ('coverage_daily_state', 'usage_records')))
$$;
COMMENT ON FUNCTION billing.coverage_floor() IS 'Internal: first UTC day that can still be counted: for which there is a partition of coverage_daily_state, and one of usage_records. Days before it are closed: what reaches there is refused when it is recorded; where a dispute does, its earlier days stay as they were counted.';

CREATE FUNCTION billing.coverage_refusal(day date) RETURNS text[]
LANGUAGE sql STABLE STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN t.table_name IS NOT NULL
                THEN ARRAY['MB424', format('month %s of table "%s" is closed', to_char(day, 'YYYY-MM'), t.table_name), 'Retention dropped it; billing.retention_actions says when.', NULL]
                ELSE ARRAY['MB424', format('table "coverage_daily_state" has no partition for %s', to_char(day, 'YYYY-MM')), NULL,
                           format('Run: SELECT billing.ensure_partitions(%L, %L);', to_char(day, 'YYYY-MM-01'), to_char(billing.coverage_floor(), 'YYYY-MM-DD'))] END
      FROM (SELECT min(p.table_name) AS table_name FROM billing.partitioned_tables p
             WHERE p.table_name IN ('coverage_daily_state', 'usage_records') AND day < p.dropped_before) AS t
$$;
COMMENT ON FUNCTION billing.coverage_refusal(date) IS 'Internal: how a UTC day before billing.coverage_floor() is refused: sqlstate, message, detail, hint.';

CREATE FUNCTION billing.register_device(tenant text, device text, device_type text DEFAULT 'device', account text DEFAULT 'main', attestation text DEFAULT NULL,
                                        enrolled_from date DEFAULT NULL, enrolled_to date DEFAULT NULL, plan text DEFAULT NULL) RETURNS boolean
LANGUAGE C VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'billing_register_device';
COMMENT ON FUNCTION billing.register_device(text, text, text, text, text, date, date, text) IS 'Makes a device known, and enrolls it in its account when enrolled_from says from which UTC day on. True when it is new, false when it was registered before with the same content. device: the application''s own key, 1 to 200 characters, unique within the tenant. device_type: value of the dimension of that name. attestation: SHA-256 of its attestation, in hex. enrolled_to: first UTC day after; NULL is open. plan: of its coverage, where no coverage event names one. Errors: MB400; MB409 registered before with other content; MB417 days; MB424 month without partition; MB425; MB426; MB440 tenant or account.';

CREATE FUNCTION billing.register_devices(devices jsonb) RETURNS integer
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET enable_nestloop = off SET jit = off
AS 'MODULE_PATHNAME', 'billing_register_devices';
COMMENT ON FUNCTION billing.register_devices(jsonb) IS 'Registers up to 100,000 devices, all or none, and returns how many are new. devices: an array of objects with tenant, device and, where wanted, device_type, account, attestation, enrolled_from, enrolled_to and plan, as for a single one; all are strings. Errors: as billing.register_device(), naming the first offending element by its index from 0; MB400 for a field that is missing, unknown or no string.';

CREATE FUNCTION billing.enroll_device(tenant text, device text, event_id text, enrolled_from date, enrolled_to date DEFAULT NULL, account text DEFAULT NULL, plan text DEFAULT NULL) RETURNS boolean
LANGUAGE C VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'billing_enroll_device';
COMMENT ON FUNCTION billing.enroll_device(text, text, text, date, date, text, text) IS 'Enrolls a device in an account for the UTC days from enrolled_from to before enrolled_to (NULL is open). It hides what was recorded before for these days. True when it is new, false when it was recorded before with the same content. event_id: the application''s own, 1 to 255 characters, unique among the tenant''s enrollments. account: NULL is the device''s. plan: of its coverage, where no coverage event names one. Errors: MB400; MB409 the same event with other content; MB417 days; MB424 month without partition; MB425; MB426; MB440 account; MB480 device.';

CREATE FUNCTION billing.withdraw_device(tenant text, device text, event_id text, withdrawn_from date, withdrawn_to date DEFAULT NULL) RETURNS boolean
LANGUAGE C VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'billing_withdraw_device';
COMMENT ON FUNCTION billing.withdraw_device(text, text, text, date, date) IS 'Takes a device out of the account that it is enrolled in, for the UTC days from withdrawn_from to before withdrawn_to (NULL is open): it is not billed on them, whatever its coverage. True when it is new. Errors: as billing.enroll_device().';

CREATE FUNCTION billing.record_coverage(tenant text, device text, event_id text, event_type text, effective_from date, effective_to date DEFAULT NULL, plan text DEFAULT NULL) RETURNS boolean
LANGUAGE C VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'billing_record_coverage';
COMMENT ON FUNCTION billing.record_coverage(text, text, text, text, date, date, text) IS 'Records what becomes of a device''s coverage on the UTC days from effective_from to before effective_to (NULL is open), in the past or to come. Of the events in effect on a day the latest recorded decides. True when it is new, false when it was recorded before with the same content. event_id: the application''s own, 1 to 255 characters, unique within the tenant for ever. event_type: cover, uncover or change_plan. plan: with cover (NULL says nothing about it) and change_plan. Errors: MB400; MB409 the same event with other content; MB417 days; MB424 month without partition; MB425; MB426; MB480 device; MB482 a type that is not known, or that does not go with its plan.';

CREATE FUNCTION billing.record_coverage(events jsonb) RETURNS integer
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET enable_nestloop = off SET jit = off
AS 'MODULE_PATHNAME', 'billing_record_coverage_json';
COMMENT ON FUNCTION billing.record_coverage(jsonb) IS 'Records up to 100,000 coverage events, all or none, in the order given, and returns how many are new. events: an array of objects with tenant, device, event_id, event_type, effective_from and, where wanted, effective_to and plan, as for a single one; all are strings. Errors: as for a single one, naming the first offending element by its index from 0; MB400 for a field that is missing, unknown or no string.';

CREATE FUNCTION billing.cover_device(tenant text, device text, event_id text, effective_from date, effective_to date DEFAULT NULL, plan text DEFAULT NULL) RETURNS boolean
LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$ SELECT billing.record_coverage(tenant, device, event_id, 'cover', effective_from, effective_to, plan) $$;
COMMENT ON FUNCTION billing.cover_device(text, text, text, date, date, text) IS 'billing.record_coverage() of type cover. Errors: as there.';

CREATE FUNCTION billing.uncover_device(tenant text, device text, event_id text, effective_from date, effective_to date DEFAULT NULL) RETURNS boolean
LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$ SELECT billing.record_coverage(tenant, device, event_id, 'uncover', effective_from, effective_to) $$;
COMMENT ON FUNCTION billing.uncover_device(text, text, text, date, date) IS 'billing.record_coverage() of type uncover. Errors: as there.';

CREATE FUNCTION billing.change_device_plan(tenant text, device text, event_id text, plan text, effective_from date, effective_to date DEFAULT NULL) RETURNS boolean
LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$ SELECT billing.record_coverage(tenant, device, event_id, 'change_plan', effective_from, effective_to, plan) $$;
COMMENT ON FUNCTION billing.change_device_plan(text, text, text, text, date, date) IS 'billing.record_coverage() of type change_plan. Errors: as there.';

CREATE FUNCTION billing.import_coverage(source regclass, OUT imported bigint, OUT already_there bigint)
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE SECURITY INVOKER SET search_path = pg_catalog, pg_temp SET enable_nestloop = off SET jit = off
AS 'MODULE_PATHNAME', 'billing_import_coverage';
COMMENT ON FUNCTION billing.import_coverage(regclass) IS 'Records every row of a table, view or foreign table as a coverage event, all or none, in the order of effective_from and event_id: how many were new, and how many were there already with the same content; importing again changes nothing. source: columns tenant_id, device_key, event_id, event_type (text), effective_from (date) and, where wanted, effective_to (date), plan (text); others are ignored. It is read with the caller''s own rights. Errors: as billing.record_coverage(), naming the row within its batch of 20,000; MB400 for a column that is missing or of another type; 42501 when the caller may not read the source.';

CREATE FUNCTION billing.record_activity_proof(tenant text, device text, proof_hash bytea, activity_day date DEFAULT NULL) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    day    date := coalesce(record_activity_proof.activity_day, (now() AT TIME ZONE 'UTC')::date);
    proved uuid;
BEGIN
    PERFORM billing.require_installed();
    PERFORM billing.refuse_card('tenant', tenant), billing.refuse_card('device', device);
    PERFORM billing.require_tenant(tenant, true);
    PERFORM billing.check_day('day of activity', day);
    IF proof_hash IS NULL OR length(proof_hash) <> 32 THEN
        RAISE EXCEPTION USING ERRCODE = 'MB400', MESSAGE = 'a proof is told by its SHA-256 of 32 bytes';
    END IF;
    SELECT d.device_id INTO proved FROM billing.devices d WHERE d.tenant_id = tenant AND d.device_key = device;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'MB480', MESSAGE = format('unknown device "%s" of tenant "%s"', device, tenant);
    END IF;
    INSERT INTO billing.activity_proofs (tenant_id, device_id, activity_day, proof_hash) VALUES (tenant, proved, day, record_activity_proof.proof_hash)
    ON CONFLICT DO NOTHING;
    RETURN FOUND;
END
$$;
COMMENT ON FUNCTION billing.record_activity_proof(text, text, bytea, date) IS 'Keeps the SHA-256 of a proof that a device was active on a UTC day (NULL is today). True when it is new. It changes nothing that is counted. Errors: MB400 hash; MB417 day; MB425; MB426; MB480 device.';

CREATE FUNCTION billing.sync_coverage(through date DEFAULT NULL, OUT window_no bigint, OUT synced_through date, OUT days_changed bigint, OUT usage_rows bigint)
LANGUAGE C VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    SET enable_nestloop = off SET enable_mergejoin = off SET jit = off SET work_mem = '64MB'
AS 'MODULE_PATHNAME', 'billing_sync_coverage';
COMMENT ON FUNCTION billing.sync_coverage(date) IS 'Takes one window of coverage: derives the days that what was committed since the last one is about, and the days newly passed up to through, into coverage_daily_state, and records the change in the number of devices counted per account, day and dimensions as usage of the meter covered_devices, which billing.sync_counts() then counts. through: last UTC day to be counted, at most ten years ahead; NULL is yesterday; never before what was counted already. With nothing new it writes nothing and returns the last window with zeros. Must be the first in its transaction, which commits synchronously; one runs at a time, others wait. Errors: MB409 its usage events exist already; MB417 day; MB421 the meter does not sum; MB424 month without partition; MB425; MB426; MB427 not READ COMMITTED, already writing, or in recovery; MB441 no such meter.';

CREATE FUNCTION billing.derive_coverage("from" date, "to" date, tenant text DEFAULT NULL)
    RETURNS TABLE (coverage_day date, tenant_id text, device_id uuid, account_id text, coverage_state text, plan text, is_counted boolean)
LANGUAGE C VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    SET enable_nestloop = off SET enable_mergejoin = off SET jit = off SET work_mem = '64MB'
AS 'MODULE_PATHNAME', 'billing_derive_coverage';
COMMENT ON FUNCTION billing.derive_coverage(date, date, text) IS 'The state of each enrolled device on the UTC days from (inclusive) to (exclusive, at most ten years ahead), derived from everything that is committed: what coverage_daily_state has, or will have once it is synced. tenant: NULL is all. Writes nothing. Errors: MB417 days; MB425.';

CREATE FUNCTION billing.replay_coverage(tenant text DEFAULT NULL) RETURNS TABLE (tenant_id text, problem text)
LANGUAGE C VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    SET enable_nestloop = off SET enable_mergejoin = off SET jit = off SET work_mem = '64MB'
AS 'MODULE_PATHNAME', 'billing_replay_coverage';
COMMENT ON FUNCTION billing.replay_coverage(text) IS 'Derives every day of a tenant, or of all, again from the enrollments, the ledger and the claim events of the windows taken, and lists every difference: to coverage_daily_state, and to the usage recorded of it; rows whose hash differs, and breaks of the chains of claim events. No row is good. It reads everything. Errors: MB425.';
