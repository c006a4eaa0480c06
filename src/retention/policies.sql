-- Policies and holds.

CREATE FUNCTION billing.is_at_least(keep interval, floor interval) RETURNS boolean
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT bool_and(d + keep >= d + floor) FROM generate_series(timestamp '2000-01-01', timestamp '2003-12-01', interval '1 month') AS d
$$;
COMMENT ON FUNCTION billing.is_at_least(interval, interval) IS 'Internal: whether an interval is not shorter than another wherever it begins: 24 months are 730 or 731 days.';

CREATE FUNCTION billing.record_decision(subject text, reason text, value_before text, value_after text) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    INSERT INTO billing.retention_decisions (subject, actor, reason, value_before, value_after)
    VALUES (record_decision.subject, session_user, record_decision.reason, record_decision.value_before, record_decision.value_after)
$$;
COMMENT ON FUNCTION billing.record_decision(text, text, text, text) IS 'Internal: writes a row of retention_decisions.';

CREATE FUNCTION billing.set_retention(policy text, keep interval, reason text DEFAULT NULL, dispute_days integer DEFAULT NULL) RETURNS interval
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    before billing.retention_policies;
    days   integer;
BEGIN
    PERFORM billing.require_installed();
    SELECT * INTO before FROM billing.retention_policies p WHERE p.table_name = policy FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'MB400', MESSAGE = format('unknown retention policy "%s"', coalesce(policy, 'null')),
            HINT = 'billing.retention_policies lists them.';
    END IF;
    days := coalesce(set_retention.dispute_days, before.dispute_days);
    IF (set_retention.keep BETWEEN interval '1 day' AND interval '1000 years' AND days BETWEEN 0 AND 3650) IS NOT TRUE THEN
        RAISE EXCEPTION USING ERRCODE = 'MB400', MESSAGE = format('%s cannot be kept for %s, disputed for %s days', policy, coalesce(set_retention.keep::text, 'null'), days),
            DETAIL = 'It is kept for a day to 1000 years, and disputed for 0 to 3650 days.';
    END IF;
    IF reason IS NOT NULL THEN
        PERFORM billing.check_text('reason', reason, 2000);
    ELSIF NOT billing.is_at_least(set_retention.keep, before.legal_floor) THEN
        RAISE EXCEPTION USING ERRCODE = 'MB460', MESSAGE = format('policy "%s" cannot be shortened to %s', policy, set_retention.keep),
            DETAIL = format('The law asks for %s.', before.legal_floor), HINT = 'Give the reason, which is recorded with your name.';
    END IF;
    UPDATE billing.retention_policies p SET keep = set_retention.keep, dispute_days = days WHERE p.table_name = policy;
    PERFORM billing.record_decision(format('policy "%s"', policy), reason, format('%s, disputed for %s days', before.keep, before.dispute_days),
                                    format('%s, disputed for %s days', set_retention.keep, days));
    RETURN before.keep;
END
$$;
COMMENT ON FUNCTION billing.set_retention(text, interval, text, integer) IS 'Changes how long a table is kept, and returns how long it was. Recorded in billing.retention_decisions with the session user. policy: the table. keep: a day to 1000 years. reason: for people; needed for less than the legal floor. dispute_days: days after finalization within which an invoice may be disputed; NULL leaves it. Errors: MB400; MB460 below the legal floor without a reason; MB425.';

CREATE FUNCTION billing.place_legal_hold(tenant text, reason text) RETURNS uuid
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    hold uuid := billing.uuid_v7();
BEGIN
    PERFORM billing.require_installed();
    PERFORM billing.check_text('reason', reason, 2000);
    IF tenant IS NOT NULL AND NOT EXISTS (SELECT FROM billing.accounts a WHERE a.tenant_id = tenant) THEN
        RAISE EXCEPTION USING ERRCODE = 'MB440', MESSAGE = format('unknown tenant "%s"', tenant);
    END IF;
    -- A month that is being dropped is gone before this returns, and none after it.
    PERFORM FROM billing.stage_locks WHERE stage = 'retention' FOR UPDATE;
    INSERT INTO billing.legal_holds (tenant_id, hold_id, reason, placed_by) VALUES (coalesce(tenant, ''), hold, place_legal_hold.reason, session_user);
    PERFORM billing.record_decision(format('hold %s', hold), place_legal_hold.reason, NULL,
                                    CASE WHEN tenant IS NULL THEN 'all tenants' ELSE format('tenant "%s"', tenant) END);
    RETURN hold;
END
$$;
COMMENT ON FUNCTION billing.place_legal_hold(text, text) IS 'Keeps every month that has rows of a tenant from being dropped, whatever its policy says, and returns the hold''s id. tenant: NULL is everybody. reason: the matter, for people. Errors: MB400 no reason; MB440 no such tenant; MB425.';

CREATE FUNCTION billing.release_legal_hold(hold uuid, reason text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    held billing.legal_holds;
BEGIN
    PERFORM billing.require_installed();
    PERFORM billing.check_text('reason', reason, 2000);
    SELECT * INTO held FROM billing.legal_holds h WHERE h.hold_id = hold FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'MB461', MESSAGE = format('unknown legal hold %s', coalesce(hold::text, 'null'));
    END IF;
    IF held.released_at IS NOT NULL THEN
        RETURN false;
    END IF;
    UPDATE billing.legal_holds h SET released_by = session_user, released_at = now() WHERE h.tenant_id = held.tenant_id AND h.hold_id = hold;
    PERFORM billing.record_decision(format('hold %s', hold), release_legal_hold.reason,
                                    CASE held.tenant_id WHEN '' THEN 'all tenants' ELSE format('tenant "%s"', held.tenant_id) END, NULL);
    RETURN true;
END
$$;
COMMENT ON FUNCTION billing.release_legal_hold(uuid, text) IS 'Ends a hold; false when it was ended before. reason: for people. Errors: MB400 no reason; MB461 no such hold; MB425.';
