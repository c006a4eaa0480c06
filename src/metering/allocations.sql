-- Allocations: things held over time, whose usage accrues while they are open.

CREATE FUNCTION billing.check_allocation(tenant text, account text, meter text, units numeric, dimensions jsonb, opened_at timestamptz) RETURNS void
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    opened_on date := (check_allocation.opened_at AT TIME ZONE 'UTC')::date;
    known     billing.meters;
BEGIN
    PERFORM billing.refuse_card('tenant', tenant), billing.refuse_card('account', account), billing.refuse_card('meter', meter), billing.refuse_card('dimensions', check_allocation.dimensions);
    IF NOT EXISTS (SELECT FROM billing.accounts a WHERE a.tenant_id = tenant AND a.account_id = account) THEN
        RAISE EXCEPTION USING ERRCODE = 'MB440', MESSAGE = format('unknown account "%s" of tenant "%s"', account, tenant);
    END IF;
    SELECT * INTO known FROM billing.meters m WHERE m.meter_id = meter;
    IF known.meter_id IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'MB441', MESSAGE = format('unknown meter "%s"', meter);
    END IF;
    IF known.aggregation <> 'sum' THEN
        RAISE EXCEPTION USING ERRCODE = 'MB400', MESSAGE = format('meter "%s" cannot take allocations', meter),
            DETAIL = format('Its aggregation is %s; an allocation accrues units x seconds, which are summed.', known.aggregation);
    END IF;
    IF check_allocation.units IS NULL OR NOT (check_allocation.units > 0 AND check_allocation.units < 1e12 AND scale(check_allocation.units) <= 12) THEN
        RAISE EXCEPTION USING ERRCODE = 'MB415', MESSAGE = format('%s units cannot be allocated', coalesce(check_allocation.units::text, 'null')),
            DETAIL = 'Units are a number above 0 and below 10^12 with at most 12 decimals.';
    END IF;
    IF NOT coalesce(billing.are_dimensions(check_allocation.dimensions, known.dimensions), false) THEN
        RAISE EXCEPTION USING ERRCODE = 'MB419', MESSAGE = format('dimensions %s are not those of meter "%s"', coalesce(check_allocation.dimensions::text, 'null'), meter),
            DETAIL = format('Dimensions are a JSON object of strings; the meter has these keys: %s.', coalesce(nullif(array_to_string(known.dimensions, ', '), ''), 'none'));
    END IF;
    PERFORM billing.check_day('day of opening', opened_on);
    IF NOT EXISTS (SELECT FROM billing.subscriptions s
                    WHERE s.tenant_id = tenant AND s.account_id = account AND s.starts <= opened_on AND (s.ends IS NULL OR s.ends > opened_on)) THEN
        RAISE EXCEPTION USING ERRCODE = 'MB418', MESSAGE = format('account "%s" of tenant "%s" has no subscription on %s', account, tenant, to_char(opened_on, 'YYYY-MM-DD'));
    END IF;
END
$$;
COMMENT ON FUNCTION billing.check_allocation(text, text, text, numeric, jsonb, timestamptz) IS 'Internal: preconditions of billing.open_allocation(). Errors: MB400, MB415, MB417, MB418, MB419, MB440, MB441.';

CREATE FUNCTION billing.open_allocation(tenant text, allocation text, meter text, units numeric DEFAULT 1, opened_at timestamptz DEFAULT NULL,
                                        dimensions jsonb DEFAULT '{}', account text DEFAULT 'main') RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    known   billing.allocations;
    opening timestamptz := coalesce(open_allocation.opened_at, now());
BEGIN
    PERFORM billing.require_installed();
    PERFORM billing.require_tenant(tenant, true);
    PERFORM billing.check_text('allocation', allocation);
    SELECT * INTO known FROM billing.allocations a WHERE a.tenant_id = tenant AND a.allocation_id = allocation;
    IF NOT FOUND THEN
        PERFORM billing.check_allocation(tenant, account, meter, open_allocation.units, open_allocation.dimensions, opening);
        INSERT INTO billing.allocations (tenant_id, allocation_id, account_id, meter_id, units, dimensions, opened_at, accrued_to)
        VALUES (tenant, allocation, account, meter, open_allocation.units, open_allocation.dimensions, opening, opening)
        ON CONFLICT DO NOTHING;
        IF FOUND THEN
            RETURN true;
        END IF;
        SELECT * INTO known FROM billing.allocations a WHERE a.tenant_id = tenant AND a.allocation_id = allocation;
    END IF;
    PERFORM billing.check_same('allocation', allocation,
        jsonb_build_object('account', known.account_id, 'meter', known.meter_id, 'units', known.units, 'dimensions', known.dimensions, 'opened_at', known.opened_at),
        jsonb_build_object('account', account, 'meter', meter, 'units', open_allocation.units, 'dimensions', open_allocation.dimensions,
                           'opened_at', coalesce(open_allocation.opened_at, known.opened_at)));
    RETURN false;
END
$$;
COMMENT ON FUNCTION billing.open_allocation(text, text, text, numeric, timestamptz, jsonb, text) IS 'Begins to meter something held over time. True when it is new, false when it was opened before with the same content. allocation: the application''s own id, 1 to 200 characters, never used again by the tenant. meter: one that sums, in unit-seconds. units: how much is held, above 0 and below 10^12 with at most 12 decimals. opened_at: NULL is now(). Errors: MB400 allocation or a meter that does not sum; MB409 opened before with other content; MB415 units; MB417 day; MB418 no subscription on the day; MB419 dimensions; MB425; MB440 account; MB441 meter.';

-- Slices end at UTC midnight, so that each is usage of one day. Rows are locked in the order of their key, as everywhere.
CREATE FUNCTION billing.accrue(tenant text, allocation text, until timestamptz, OUT slices bigint, OUT written bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    WITH due AS MATERIALIZED (
        SELECT a.* FROM billing.allocations a
         WHERE a.closed_at IS NULL AND a.accrued_to < until
           AND (tenant IS NULL OR a.tenant_id = tenant AND a.allocation_id = allocation)
         ORDER BY a.tenant_id, a.allocation_id
           FOR UPDATE
    ), slice AS (
        SELECT d.*, greatest(d.accrued_to, day.starts AT TIME ZONE 'UTC') AS starts, least(until, (day.starts + interval '1 day') AT TIME ZONE 'UTC') AS ends
          FROM due d
         CROSS JOIN LATERAL generate_series(date_trunc('day', d.accrued_to AT TIME ZONE 'UTC'), (until AT TIME ZONE 'UTC') - interval '1 microsecond', interval '1 day') AS day (starts)
    ), usage AS (
        INSERT INTO billing.usage_records (tenant_id, meter_id, event_id, account_id, occurred_at, quantity, dimensions)
        SELECT s.tenant_id, s.meter_id, s.allocation_id || '@' || to_char(s.starts AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), s.account_id, s.starts,
               trim_scale(s.units * extract(epoch FROM s.ends - s.starts)), s.dimensions
          FROM slice s
         ORDER BY (s.starts AT TIME ZONE 'UTC')::date, s.tenant_id, s.meter_id, s.allocation_id
        ON CONFLICT DO NOTHING
        RETURNING 1
    ), moved AS (
        UPDATE billing.allocations a SET accrued_to = until FROM due d WHERE a.tenant_id = d.tenant_id AND a.allocation_id = d.allocation_id
    )
    SELECT (SELECT count(*) FROM slice), (SELECT count(*) FROM usage) INTO slices, written;
    IF written < slices THEN
        RAISE EXCEPTION USING ERRCODE = 'MB409', MESSAGE = format('%s of %s usage events of allocations exist already', slices - written, slices),
            DETAIL = 'Ids of the form allocation@time belong to accrual, and something else recorded some.';
    END IF;
END
$$;
COMMENT ON FUNCTION billing.accrue(text, text, timestamptz) IS 'Internal: records the usage of one open allocation, or of all (tenant NULL), up to until: slices due, and usage rows written. Errors: MB409.';

CREATE FUNCTION billing.check_accrual(tenant text, allocation text, until timestamptz) RETURNS void
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    missing timestamp;
BEGIN
    PERFORM billing.check_day('day to accrue to', (until AT TIME ZONE 'UTC')::date);
    SELECT m.month INTO missing
      FROM (SELECT min(a.accrued_to) AS since FROM billing.allocations a
             WHERE a.closed_at IS NULL AND a.accrued_to < until
               AND (tenant IS NULL OR a.tenant_id = tenant AND a.allocation_id = allocation)) AS open
     CROSS JOIN LATERAL generate_series(date_trunc('month', open.since AT TIME ZONE 'UTC'), (until AT TIME ZONE 'UTC') - interval '1 microsecond', interval '1 month') AS m (month)
     WHERE NOT billing.has_usage_partition(m.month AT TIME ZONE 'UTC')
     ORDER BY m.month
     LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'MB424', MESSAGE = format('table "usage_records" has no partition for %s', to_char(missing, 'YYYY-MM')),
            HINT = format('Run: SELECT billing.ensure_partitions(%L, %L);', to_char(missing, 'YYYY-MM-DD'), to_char(missing + interval '1 month', 'YYYY-MM-DD'));
    END IF;
END
$$;
COMMENT ON FUNCTION billing.check_accrual(text, text, timestamptz) IS 'Internal: preconditions of billing.accrue(): every month from the oldest accrual due to until has its partition. Errors: MB417, MB424.';

CREATE FUNCTION billing.accrue_allocations(until timestamptz DEFAULT now()) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM billing.require_installed();
    PERFORM billing.check_accrual(NULL, NULL, until);
    RETURN (SELECT a.written FROM billing.accrue(NULL, NULL, until) AS a);
END
$$;
COMMENT ON FUNCTION billing.accrue_allocations(timestamptz) IS 'Records the usage of every open allocation up to until, in units x seconds, one row per allocation and UTC day touched, and returns the rows written. Calling it again for the same time writes nothing. An event''s id is the allocation, @ and the start of the slice. Errors: MB400 NULL; MB409 a row with such an id was recorded otherwise; MB417 not a day; MB424 month without partition; MB425.';

CREATE FUNCTION billing.close_allocation(tenant text, allocation text, closed_at timestamptz DEFAULT NULL) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    known   billing.allocations;
    closing timestamptz := coalesce(close_allocation.closed_at, now());
BEGIN
    PERFORM billing.require_installed();
    PERFORM billing.refuse_card('tenant', tenant), billing.refuse_card('allocation', allocation);
    PERFORM billing.require_tenant(tenant, true);
    SELECT * INTO known FROM billing.allocations a WHERE a.tenant_id = tenant AND a.allocation_id = allocation FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'MB447', MESSAGE = format('unknown allocation "%s" of tenant "%s"', allocation, tenant);
    END IF;
    IF known.closed_at IS NOT NULL THEN
        IF close_allocation.closed_at <> known.closed_at THEN
            RAISE EXCEPTION USING ERRCODE = 'MB409', MESSAGE = format('allocation "%s" was closed at another time', allocation),
                DETAIL = format('It was closed at %s, not %s.', known.closed_at, close_allocation.closed_at);
        END IF;
        RETURN false;
    END IF;
    IF closing < known.accrued_to THEN
        RAISE EXCEPTION USING ERRCODE = 'MB417', MESSAGE = format('allocation "%s" cannot be closed at %s', allocation, closing),
            DETAIL = CASE WHEN closing < known.opened_at THEN format('It was opened at %s.', known.opened_at)
                          ELSE format('Its usage is recorded up to %s.', known.accrued_to) END,
            HINT = 'Close it at that time or later, and correct what is too much by a negative event.';
    END IF;
    PERFORM billing.check_accrual(tenant, allocation, closing);
    PERFORM billing.accrue(tenant, allocation, closing);
    UPDATE billing.allocations a SET closed_at = closing WHERE a.tenant_id = tenant AND a.allocation_id = allocation;
    RETURN true;
END
$$;
COMMENT ON FUNCTION billing.close_allocation(text, text, timestamptz) IS 'Ends an allocation and records the rest of its usage. True when it was open, false when it was closed before at the same time, or none was given. closed_at: NULL is now(); opened and closed at the same instant it leaves no usage. Errors: MB409 closed before at another time, or as billing.accrue_allocations(); MB417 before it was opened, or before what is recorded already; MB424 month without partition; MB425; MB447 unknown allocation.';
