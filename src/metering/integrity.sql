-- What foreign keys would say of the hot tables, which have none: they cost ten times the row on a bulk write.

CREATE FUNCTION billing.check_metering() RETURNS TABLE (check_name text, tenant_id text, problem text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off AS $$
    SELECT 'usage resolves or waits', u.tenant_id, format('event %s of meter %s on %s names what does not exist', u.event_id, u.meter_id, u.usage_day)
      FROM billing.usage_records u
     WHERE NOT (EXISTS (SELECT FROM billing.meters m WHERE m.meter_id = u.meter_id)
                AND EXISTS (SELECT FROM billing.accounts a WHERE a.tenant_id = u.tenant_id AND a.account_id = u.account_id))
       AND pg_visible_in_snapshot(u.log_xid, (SELECT w.snapshot FROM billing.count_windows w ORDER BY w.window_no DESC LIMIT 1))
       AND NOT EXISTS (SELECT FROM billing.usage_set_aside s WHERE s.usage_day = u.usage_day AND s.tenant_id = u.tenant_id
                                                                AND s.meter_id = u.meter_id AND s.event_id = u.event_id)
    UNION ALL
    SELECT 'counts have a meter and an account', d.tenant_id, format('count of meter %s on %s for account %s', d.meter_id, d.day, d.account_id)
      FROM billing.daily_counts d
     WHERE NOT EXISTS (SELECT FROM billing.meters m WHERE m.meter_id = d.meter_id)
        OR NOT EXISTS (SELECT FROM billing.accounts a WHERE a.tenant_id = d.tenant_id AND a.account_id = d.account_id)
    UNION ALL
    SELECT 'windows follow one another', NULL, format('window %s follows %s', w.window_no, w.before)
      FROM (SELECT window_no, lag(window_no, 1, 0::bigint) OVER (ORDER BY window_no) AS before FROM billing.count_windows) AS w
     WHERE w.window_no <> w.before + 1
    UNION ALL
    SELECT 'checkpoint heads are the ends of their chains', c.tenant_id, format('head has sequence %s', c.sequence)
      FROM billing.count_sync_checkpoints c
     WHERE NOT EXISTS (SELECT FROM billing.count_sync_checkpoint_events e
                        WHERE e.tenant_id = c.tenant_id AND e.sequence = c.sequence AND e.self_hash = c.self_hash)
        OR EXISTS (SELECT FROM billing.count_sync_checkpoint_events e WHERE e.tenant_id = c.tenant_id AND e.sequence > c.sequence)
$$;
COMMENT ON FUNCTION billing.check_metering() IS 'Internal: the part of billing.check_integrity() that metering answers for.';
