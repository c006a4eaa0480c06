-- What the calls of this module share: locks, terms, days and phases.

CREATE FUNCTION billing.lock_account(tenant text, account text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM billing.refuse_card('tenant', tenant), billing.refuse_card('account', account);
    -- Written, not only locked: at REPEATABLE READ a caller whose snapshot is older than another's change of this
    -- account then fails with 40001, where with FOR UPDATE it would go on without seeing the change.
    UPDATE billing.accounts a SET name = a.name WHERE a.tenant_id = tenant AND a.account_id = account;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'MB440', MESSAGE = format('tenant "%s" has no account "%s"', tenant, account),
            HINT = 'billing.create_account() makes it.';
    END IF;
END
$$;
COMMENT ON FUNCTION billing.lock_account(text, text) IS 'Internal: locks an account, which every change of its subscriptions begins with, so that they see each other. Errors: MB440.';

CREATE FUNCTION billing.lock_subscription(tenant text, subscription uuid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    account text := (SELECT s.account_id FROM billing.subscriptions s WHERE s.tenant_id = tenant AND s.subscription_id = subscription);
BEGIN
    PERFORM billing.refuse_card('tenant', tenant);
    IF account IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'MB445', MESSAGE = format('tenant "%s" has no subscription %s', tenant, coalesce(subscription::text, 'null'));
    END IF;
    PERFORM billing.lock_account(tenant, account);
    PERFORM FROM billing.subscriptions s WHERE s.tenant_id = tenant AND s.subscription_id = subscription FOR UPDATE;
END
$$;
COMMENT ON FUNCTION billing.lock_subscription(text, uuid) IS 'Internal: locks a subscription''s account and then the subscription. Errors: MB445.';

CREATE FUNCTION billing.subscribed_plans() RETURNS SETOF text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT DISTINCT p.plan_id FROM billing.subscription_phases p WHERE p.tenant_id = billing.current_tenant()
$$;
COMMENT ON FUNCTION billing.subscribed_plans() IS 'Internal: the plans that the session''s tenant has, had or will have a subscription to. Errors: MB401, MB470.';

-- Row security asks it once for a statement: for each row it would cost more than the reading.
CREATE FUNCTION billing.visible_plan_versions() RETURNS TABLE (plan_id text, version integer)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT v.plan_id, v.version
      FROM billing.plan_versions v
      JOIN billing.plans p USING (plan_id)
     WHERE v.status <> 'draft' AND (NOT p.is_private OR p.plan_id IN (SELECT billing.subscribed_plans()))
$$;
COMMENT ON FUNCTION billing.visible_plan_versions() IS 'Internal: the plan versions that row security shows a tenant: no drafts, and of private plans those of a plan it has a subscription to. Without a tenant: those of public plans. Errors: MB401, MB470.';

CREATE FUNCTION billing.find_terms(plan text, INOUT version integer, OUT currency text, OUT period_months integer)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    terms billing.plan_versions;
BEGIN
    PERFORM billing.refuse_card('plan', plan);
    IF NOT EXISTS (SELECT FROM billing.plans p
                    WHERE p.plan_id = plan
                      AND NOT (p.is_private AND billing.caller_is_bound() AND plan NOT IN (SELECT billing.subscribed_plans()))) THEN
        RAISE EXCEPTION USING ERRCODE = 'MB443', MESSAGE = format('unknown plan "%s"', plan);
    END IF;
    SELECT * INTO terms FROM billing.plan_versions v
     WHERE v.plan_id = plan AND v.version = coalesce(find_terms.version,
           (SELECT max(n.version) FROM billing.plan_versions n WHERE n.plan_id = plan AND n.status = 'published'))
       FOR SHARE;
    IF terms.status = 'published' THEN
        version := terms.version;
        currency := terms.currency;
        period_months := terms.period_months;
    ELSIF terms.status IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'MB421', MESSAGE = format('version %s of plan "%s" is %s and takes no subscribers', terms.version, plan,
                                                                  CASE terms.status WHEN 'draft' THEN 'a draft' ELSE terms.status END);
    ELSIF find_terms.version IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'MB443', MESSAGE = format('plan "%s" has no version %s', plan, find_terms.version);
    ELSE
        RAISE EXCEPTION USING ERRCODE = 'MB421', MESSAGE = format('plan "%s" has no published version', plan),
            HINT = format('SELECT billing.publish_plan(%L) publishes its draft.', plan);
    END IF;
END
$$;
COMMENT ON FUNCTION billing.find_terms(text, integer) IS 'Internal: the published version of a plan that is to be sold, the newest when version is null, kept published until the transaction ends. A private plan that a tenant''s session may not see is unknown. Errors: MB421 not published, MB443.';

CREATE FUNCTION billing.change_day(starts date, anchor date, period_months integer, effective date, at text, today date) RETURNS date
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    earliest date;
    day      date;
BEGIN
    PERFORM billing.refuse_card('at', at);
    PERFORM billing.check_day('today', today);
    IF at IS NULL OR at NOT IN ('now', 'period_end') THEN
        RAISE EXCEPTION USING ERRCODE = 'MB400', MESSAGE = format('"%s" is no time of a change', at), DETAIL = 'It is now or period_end.';
    END IF;
    day := coalesce(effective, CASE at WHEN 'now' THEN greatest(starts, today)
                               ELSE (billing.cycle_containing(anchor, period_months, greatest(starts, today))).cycle_end END);
    PERFORM billing.check_day('effective day', day);
    IF day < starts THEN
        RAISE EXCEPTION USING ERRCODE = 'MB417', MESSAGE = format('effective day %s is before the subscription starts on %s', day, starts);
    END IF;
    earliest := (billing.cycle_containing(anchor, period_months, today)).cycle_start;
    IF day < earliest THEN
        RAISE EXCEPTION USING ERRCODE = 'MB417', MESSAGE = format('effective day %s is too far back', day),
            DETAIL = format('On %s, a change may reach back to %s, the start of the current period: earlier ones are closed.', today, earliest),
            HINT = 'Correct what was billed earlier by a credit.';
    END IF;
    RETURN day;
END
$$;
COMMENT ON FUNCTION billing.change_day(date, date, integer, date, text, date) IS 'Internal: the UTC day on which a change takes effect: effective when given, else by at. Errors: MB400 at, MB417 before the start, or before the current period: rating goes back no further.';

CREATE FUNCTION billing.write_phases(tenant text, subscription uuid, "from" date, plan text, version integer) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    agreed     billing.subscriptions;
    begins     date := "from";
    paid_from  date;
BEGIN
    SELECT * INTO STRICT agreed FROM billing.subscriptions s WHERE s.tenant_id = tenant AND s.subscription_id = subscription;
    DELETE FROM billing.subscription_phases p WHERE p.tenant_id = tenant AND p.subscription_id = subscription AND p.starts >= "from";
    -- A phase that goes on with the same terms is one phase: a boundary inside would split its lines for nothing.
    DELETE FROM billing.subscription_phases p
     WHERE p.tenant_id = tenant AND p.subscription_id = subscription AND p.plan_id = plan AND p.version = write_phases.version
       AND (p.ends IS NULL OR p.ends >= "from")
    RETURNING p.starts INTO begins;
    begins := coalesce(begins, "from");
    UPDATE billing.subscription_phases p SET ends = begins
     WHERE p.tenant_id = tenant AND p.subscription_id = subscription AND (p.ends IS NULL OR p.ends > begins);
    paid_from := greatest(begins, agreed.trial_ends);
    INSERT INTO billing.subscription_phases (tenant_id, subscription_id, starts, ends, plan_id, version, is_trial)
    SELECT tenant, subscription, f.starts, f.ends, plan, write_phases.version, f.is_trial
      FROM (VALUES (begins, least(paid_from, agreed.ends), true), (paid_from, agreed.ends, false)) AS f (starts, ends, is_trial)
     WHERE f.ends IS NULL OR f.ends > f.starts;
END
$$;
COMMENT ON FUNCTION billing.write_phases(text, uuid, date, text, integer) IS 'Internal: from a day on, puts a subscription on one plan version: a trial phase while its trial lasts, then a paid one, up to its end. Phases that start on or after the day are removed, the one before is cut.';

CREATE FUNCTION billing.check_single_charge(tenant text, subscription uuid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    clash record;
BEGIN
    SELECT s.account_id, mc.meter_id, mp.plan_id, mc.charge_id, o.subscription_id AS other, op.plan_id AS other_plan, oc.charge_id AS other_charge,
           greatest(mp.starts, op.starts) AS since
      INTO clash
      FROM billing.subscriptions s
      JOIN billing.subscription_phases mp ON mp.tenant_id = s.tenant_id AND mp.subscription_id = s.subscription_id AND NOT mp.is_trial
      JOIN billing.charges mc ON mc.plan_id = mp.plan_id AND mc.version = mp.version AND mc.meter_id IS NOT NULL
      JOIN billing.subscriptions o ON o.tenant_id = s.tenant_id AND o.account_id = s.account_id AND o.subscription_id <> s.subscription_id
      JOIN billing.subscription_phases op ON op.tenant_id = o.tenant_id AND op.subscription_id = o.subscription_id AND NOT op.is_trial
       AND daterange(op.starts, op.ends) && daterange(mp.starts, mp.ends)
      -- Equal either way round: no key has two values, so that one event can match both filters.
      JOIN billing.charges oc ON oc.plan_id = op.plan_id AND oc.version = op.version AND oc.meter_id = mc.meter_id
       AND (mc.filter || oc.filter) = (oc.filter || mc.filter)
     WHERE s.tenant_id = tenant AND s.subscription_id = subscription
     ORDER BY since, mc.position, o.created_at, o.subscription_id, oc.position
     LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'MB409',
            MESSAGE = format('account "%s" of tenant "%s" would pay twice for usage of meter "%s"', clash.account_id, tenant, clash.meter_id),
            DETAIL = format('From %s, charge "%s" of plan "%s" in subscription %s takes what charge "%s" of plan "%s" in subscription %s takes.', clash.since,
                            clash.charge_id, clash.plan_id, subscription, clash.other_charge, clash.other_plan, clash.other),
            HINT = 'Subscribe another account of the tenant.';
    END IF;
END
$$;
COMMENT ON FUNCTION billing.check_single_charge(text, uuid) IS 'Internal: refuses a subscription that charges usage which another one of its account charges on the same day. Trials charge nothing. Errors: MB409.';
