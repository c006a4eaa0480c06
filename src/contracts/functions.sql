-- On what terms: subscribing, changing the plan, cancelling, resuming.

CREATE FUNCTION billing.check_subscribe(starts date, ends date, anchor text, trial_days integer) RETURNS void
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM billing.refuse_card('anchor', anchor);
    PERFORM billing.check_day('start', starts);
    IF ends IS NOT NULL THEN
        PERFORM billing.check_day('end', ends);
        IF ends <= starts THEN
            RAISE EXCEPTION USING ERRCODE = 'MB417', MESSAGE = format('a subscription cannot end on %s and start on %s', ends, starts),
                DETAIL = 'The end is the first day no longer covered.';
        END IF;
    END IF;
    IF anchor IS NULL OR anchor NOT IN ('calendar', 'anniversary') THEN
        RAISE EXCEPTION USING ERRCODE = 'MB400', MESSAGE = format('"%s" is no anchor', anchor), DETAIL = 'It is calendar or anniversary.';
    END IF;
    IF trial_days IS NULL OR trial_days NOT BETWEEN 0 AND 3660 THEN
        RAISE EXCEPTION USING ERRCODE = 'MB400', MESSAGE = format('%s trial days are not between 0 and 3660', coalesce(trial_days::text, 'null'));
    END IF;
END
$$;
COMMENT ON FUNCTION billing.check_subscribe(date, date, text, integer) IS 'Internal: preconditions of billing.subscribe(). Errors: MB400, MB417.';

CREATE FUNCTION billing.subscribe(tenant text, plan text, starts date, account text DEFAULT 'main', anchor text DEFAULT 'calendar',
                                  ends date DEFAULT NULL, trial_days integer DEFAULT 0, version integer DEFAULT NULL,
                                  idempotency_key text DEFAULT NULL) RETURNS uuid
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
    subscription uuid := billing.uuid_v7();
    answer       jsonb;
    terms        record;
BEGIN
    PERFORM billing.require_installed();
    PERFORM billing.require_tenant(tenant, true);
    PERFORM billing.check_subscribe(starts, ends, anchor, trial_days);
    answer := billing.begin_call(tenant, 'subscribe', idempotency_key,
        jsonb_build_object('plan', plan, 'starts', starts, 'account', account, 'anchor', anchor, 'ends', ends, 'trial_days', trial_days,
                           'version', version));
    IF answer IS NOT NULL THEN
        RETURN answer ->> 'subscription';
    END IF;
    PERFORM billing.lock_account(tenant, account);
    SELECT * INTO terms FROM billing.find_terms(plan, version);
    INSERT INTO billing.subscriptions (tenant_id, subscription_id, account_id, currency, anchor, period_months, starts, ends, trial_ends)
    VALUES (tenant, subscription, account, terms.currency,
            CASE anchor WHEN 'calendar' THEN date_trunc('month', starts::timestamp)::date ELSE starts END,
            terms.period_months, starts, ends, CASE WHEN trial_days > 0 THEN starts + trial_days END);
    PERFORM billing.write_phases(tenant, subscription, starts, plan, terms.version);
    PERFORM billing.check_single_charge(tenant, subscription);
    PERFORM billing.end_call(tenant, 'subscribe', idempotency_key, jsonb_build_object('subscription', subscription));
    RETURN subscription;
END
$$;
COMMENT ON FUNCTION billing.subscribe(text, text, date, text, text, date, integer, integer, text) IS
'Subscribes an account to a plan and returns the subscription''s id. starts: first UTC day covered; it may be in the past. ends: first one no longer covered, open unless given. anchor: calendar counts periods from the first of the month of starts, anniversary from starts; a first or last period that is not whole is prorated. trial_days: 0 to 3660 days from starts that are metered and not charged. version: of the plan, the newest published one unless given; the subscription stays on it. idempotency_key: the same call again with the same key returns the first id. Errors: MB400 malformed, MB409 another subscription of the account charges the same usage at the same time, or key used with other arguments; MB417 dates, MB421 plan or version not published, MB425, MB440 account, MB443 plan or version.';

CREATE FUNCTION billing.change_plan(tenant text, subscription uuid, plan text, effective date DEFAULT NULL, at text DEFAULT 'period_end',
                                    version integer DEFAULT NULL, today date DEFAULT (now() AT TIME ZONE 'UTC')::date) RETURNS date
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    agreed billing.subscriptions;
    terms  record;
    day    date;
BEGIN
    PERFORM billing.require_installed();
    PERFORM billing.require_tenant(tenant, true);
    PERFORM billing.lock_subscription(tenant, subscription);
    SELECT * INTO STRICT agreed FROM billing.subscriptions s WHERE s.tenant_id = tenant AND s.subscription_id = subscription;
    day := billing.change_day(agreed.starts, agreed.anchor, agreed.period_months, effective, at, today);
    IF day >= agreed.ends THEN
        RAISE EXCEPTION USING ERRCODE = 'MB417', MESSAGE = format('subscription %s ends on %s, before the change on %s', subscription, agreed.ends, day),
            HINT = 'A subscription that is still running is continued by billing.resume_subscription().';
    END IF;
    SELECT * INTO terms FROM billing.find_terms(plan, change_plan.version);
    IF (terms.currency, terms.period_months) <> (agreed.currency, agreed.period_months) THEN
        RAISE EXCEPTION USING ERRCODE = 'MB428', MESSAGE = format('plan "%s" cannot follow in subscription %s', plan, subscription),
            DETAIL = format('The plan is in %s per %s months, the subscription in %s per %s months.', terms.currency, terms.period_months,
                            agreed.currency, agreed.period_months),
            HINT = 'Cancel the subscription and subscribe to the plan.';
    END IF;
    PERFORM billing.write_phases(tenant, subscription, day, plan, terms.version);
    PERFORM billing.check_single_charge(tenant, subscription);
    RETURN day;
END
$$;
COMMENT ON FUNCTION billing.change_plan(text, uuid, text, date, text, integer, date) IS
'Moves a subscription to a plan, or to another version of its own, and returns the UTC day from which the new terms hold. effective: that day; unless given, at decides: period_end (the start of the next period) or now (today). Changes agreed for later days are removed; a change on the same day replaces the one before; a trial goes on under the new plan. version: of the plan, the newest published one unless given. today: the current UTC day. Errors: MB400 malformed, MB409 another subscription of the account charges the same usage at the same time, MB417 day before the start, after the end, or before the current period; MB421 plan or version not published, MB425, MB428 other currency or period length, MB443 plan or version, MB445 subscription.';

CREATE FUNCTION billing.cancel_subscription(tenant text, subscription uuid, effective date DEFAULT NULL, at text DEFAULT 'period_end',
                                            today date DEFAULT (now() AT TIME ZONE 'UTC')::date) RETURNS date
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    agreed billing.subscriptions;
    day    date;
BEGIN
    PERFORM billing.require_installed();
    PERFORM billing.require_tenant(tenant, true);
    PERFORM billing.lock_subscription(tenant, subscription);
    SELECT * INTO STRICT agreed FROM billing.subscriptions s WHERE s.tenant_id = tenant AND s.subscription_id = subscription;
    day := billing.change_day(agreed.starts, agreed.anchor, agreed.period_months, effective, at, today);
    IF effective IS NULL THEN
        -- Today has begun and its usage is charged, so that the first day to leave out is the next.
        day := least(day + CASE WHEN at = 'now' AND today >= agreed.starts THEN 1 ELSE 0 END, agreed.ends);
    ELSIF day > agreed.ends THEN
        RAISE EXCEPTION USING ERRCODE = 'MB421', MESSAGE = format('subscription %s ends on %s already', subscription, agreed.ends),
            HINT = 'While it is still running, call billing.resume_subscription() and cancel anew.';
    END IF;
    UPDATE billing.subscriptions s SET ends = day, renewal = 'none', renewal_months = NULL, renewal_anchor = NULL, notice_days = NULL
     WHERE s.tenant_id = tenant AND s.subscription_id = subscription AND (s.ends IS DISTINCT FROM day OR s.renewal <> 'none');
    DELETE FROM billing.subscription_phases p WHERE p.tenant_id = tenant AND p.subscription_id = subscription AND p.starts >= day;
    UPDATE billing.subscription_phases p SET ends = day
     WHERE p.tenant_id = tenant AND p.subscription_id = subscription AND (p.ends IS NULL OR p.ends > day);
    RETURN day;
END
$$;
COMMENT ON FUNCTION billing.cancel_subscription(text, uuid, date, text, date) IS
'Ends a subscription and returns the first UTC day no longer covered. effective: that day; unless given, at decides: period_end (the end of the current period) or now (today is the last day covered). Changes agreed for later days are removed. One that ends earlier already stays so. It renews no more. Effective on its first day, it never began. today: the current UTC day. Errors: MB400 malformed, MB417 day before the start or before the current period, MB421 effective after the end, MB425, MB445 subscription.';

CREATE FUNCTION billing.resume_subscription(tenant text, subscription uuid, today date DEFAULT (now() AT TIME ZONE 'UTC')::date) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    agreed billing.subscriptions;
    latest billing.subscription_phases;
BEGIN
    PERFORM billing.require_installed();
    PERFORM billing.require_tenant(tenant, true);
    PERFORM billing.check_day('today', today);
    PERFORM billing.lock_subscription(tenant, subscription);
    SELECT * INTO STRICT agreed FROM billing.subscriptions s WHERE s.tenant_id = tenant AND s.subscription_id = subscription;
    SELECT * INTO latest FROM billing.subscription_phases p
     WHERE p.tenant_id = tenant AND p.subscription_id = subscription ORDER BY p.starts DESC LIMIT 1;
    IF agreed.ends <= today OR latest.starts IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'MB421', MESSAGE = format('subscription %s ended on %s and cannot be resumed', subscription, agreed.ends),
            HINT = 'Subscribe anew.';
    END IF;
    IF agreed.ends IS NOT NULL AND agreed.renewal <> 'automatic' THEN
        UPDATE billing.subscriptions s SET ends = NULL, renewal = 'none', renewal_months = NULL, renewal_anchor = NULL, notice_days = NULL
         WHERE s.tenant_id = tenant AND s.subscription_id = subscription;
        PERFORM billing.write_phases(tenant, subscription, latest.starts, latest.plan_id, latest.version);
        PERFORM billing.check_single_charge(tenant, subscription);
    END IF;
    RETURN billing.status_on(agreed.starts, NULL, agreed.trial_ends, today);
END
$$;
COMMENT ON FUNCTION billing.resume_subscription(text, uuid, date) IS
'Takes back a cancellation before it has taken effect, and returns the status: the subscription is open again, on its last plan; a trial cut short lasts as first agreed. One that is open, or renews automatically: nothing to do. today: the current UTC day. Errors: MB400, MB409 another subscription of the account charges the same usage by now, MB421 ended or never begun, MB425, MB445 subscription.';

CREATE FUNCTION billing.status_on(starts date, ends date, trial_ends date, day date) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN CASE
        WHEN ends <= day OR ends = starts THEN 'ended'
        WHEN day < starts THEN 'pending'
        WHEN ends IS NOT NULL THEN 'cancelled'
        WHEN day < trial_ends THEN 'trialing'
        ELSE 'active'
    END;
END
$$;
COMMENT ON FUNCTION billing.status_on(date, date, date, date) IS 'Internal: the status that dates of a subscription give on a day; see billing.subscription_status().';

CREATE FUNCTION billing.subscription_status(tenant text, subscription uuid, day date DEFAULT (now() AT TIME ZONE 'UTC')::date) RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    agreed billing.subscriptions;
BEGIN
    PERFORM billing.require_installed();
    PERFORM billing.refuse_card('tenant', tenant);
    PERFORM billing.require_tenant(tenant, false);
    PERFORM billing.check_day('day', day);
    SELECT * INTO agreed FROM billing.subscriptions s WHERE s.tenant_id = tenant AND s.subscription_id = subscription;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'MB445', MESSAGE = format('tenant "%s" has no subscription %s', tenant, coalesce(subscription::text, 'null'));
    END IF;
    RETURN billing.status_on(agreed.starts, CASE WHEN agreed.renewal <> 'automatic' OR agreed.ends <= day THEN agreed.ends END, agreed.trial_ends, day);
END
$$;
COMMENT ON FUNCTION billing.subscription_status(text, uuid, date) IS
'How a subscription stands on a UTC day, by what is agreed now: pending (not begun), trialing, active, cancelled (covered, an end is set, and it does not renew automatically), ended. Errors: MB400, MB417 day, MB425, MB445 subscription.';
