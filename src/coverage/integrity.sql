-- What must hold of coverage without deriving it again, which billing.replay_coverage() does.

CREATE FUNCTION billing.coverage_differences("from" date, "to" date) RETURNS TABLE (tenant_id text, account_id text, day date, devices bigint, quantity numeric)
LANGUAGE sql STABLE STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off AS $$
    SELECT coalesce(s.tenant_id, u.tenant_id), coalesce(s.account_id, u.account_id), coalesce(s.day, u.day), coalesce(s.devices, 0), coalesce(u.quantity, 0)
      FROM (SELECT d.tenant_id, d.account_id, d.coverage_day AS day, count(*) AS devices
              FROM billing.coverage_daily_state d
             WHERE d.is_counted AND d.coverage_day >= "from" AND d.coverage_day < "to"
             GROUP BY d.tenant_id, d.account_id, d.coverage_day) AS s
      FULL JOIN (SELECT r.tenant_id, r.account_id, r.usage_day AS day, sum(r.quantity) AS quantity
                   FROM billing.usage_records r
                  WHERE r.meter_id = 'covered_devices' AND r.event_id LIKE 'coverage/%'
                    AND r.occurred_at >= "from"::timestamp AT TIME ZONE 'UTC' AND r.occurred_at < "to"::timestamp AT TIME ZONE 'UTC'
                  GROUP BY r.tenant_id, r.account_id, r.usage_day) AS u
             ON u.tenant_id = s.tenant_id AND u.account_id = s.account_id AND u.day = s.day
     WHERE coalesce(s.devices, 0) <> coalesce(u.quantity, 0)
$$;
COMMENT ON FUNCTION billing.coverage_differences(date, date) IS 'Internal: accounts and UTC days from (inclusive) to (exclusive) on which the devices counted are not what the usage recorded by billing.sync_coverage() adds up to. Both are written in one transaction, so at any time there is none.';

CREATE FUNCTION billing.check_coverage() RETURNS TABLE (check_name text, tenant_id text, problem text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off AS $$
    SELECT 'covered days are in the usage', d.tenant_id, format('account %s on %s: %s devices are counted, and usage says %s', d.account_id, d.day, d.devices, d.quantity)
      FROM billing.coverage_differences(coalesce(billing.coverage_floor(), '-infinity'), 'infinity') AS d
    UNION ALL
    SELECT 'states have a device and an account', s.tenant_id, format('state of device %s on %s for account %s', s.device_id, s.coverage_day, s.account_id)
      FROM billing.coverage_daily_state s
     WHERE NOT EXISTS (SELECT FROM billing.devices d WHERE d.tenant_id = s.tenant_id AND d.device_id = s.device_id)
        OR s.account_id IS NOT NULL AND NOT EXISTS (SELECT FROM billing.accounts a WHERE a.tenant_id = s.tenant_id AND a.account_id = s.account_id)
    UNION ALL
    SELECT 'coverage events have a device', l.tenant_id, format('event %s names device %s', l.event_id, l.device_id)
      FROM billing.device_coverage_ledger l
     WHERE NOT EXISTS (SELECT FROM billing.devices d WHERE d.tenant_id = l.tenant_id AND d.device_id = l.device_id)
    UNION ALL
    SELECT 'windows of coverage follow one another', NULL, format('window %s follows %s', w.window_no, w.before)
      FROM (SELECT c.window_no, lag(c.window_no, 1, 0::bigint) OVER (ORDER BY c.window_no) AS before FROM billing.coverage_windows c) AS w
     WHERE w.window_no <> w.before + 1
$$;
COMMENT ON FUNCTION billing.check_coverage() IS 'Internal: the part of billing.check_integrity() that coverage answers for.';
