-- Terms that renew: a subscription with an end goes on by itself, or somebody is told in time. Each term is one event.

CREATE FUNCTION billing.set_renewal(tenant text, subscription uuid, renewal text, months integer DEFAULT 12, notice_days integer DEFAULT 30) RETURNS date
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
    agreed billing.subscriptions;
    counts_from date;
BEGIN
    PERFORM billing.require_installed();
    PERFORM billing.require_tenant(tenant, true);
    PERFORM billing.refuse_card('renewal', renewal);
    IF renewal IS NULL OR renewal NOT IN ('none', 'automatic', 'manual') THEN
        RAISE EXCEPTION USING ERRCODE = 'MB400', MESSAGE = format('"%s" is no renewal', renewal), DETAIL = 'It is none, automatic or manual.';
    END IF;
    IF (months BETWEEN 1 AND 120 AND notice_days BETWEEN 0 AND 3660) IS NOT TRUE AND renewal <> 'none' THEN
        RAISE EXCEPTION USING ERRCODE = 'MB400', MESSAGE = format('a term of %s months with %s days of notice cannot be', coalesce(months::text, 'null'), coalesce(notice_days::text, 'null')),
            DETAIL = 'A term is 1 to 120 months, a notice 0 to 3660 days.';
    END IF;
    PERFORM billing.lock_subscription(tenant, subscription);
    SELECT * INTO STRICT agreed FROM billing.subscriptions s WHERE s.tenant_id = tenant AND s.subscription_id = subscription;
    IF renewal <> 'none' AND (agreed.ends IS NULL OR agreed.ends = agreed.starts) THEN
        RAISE EXCEPTION USING ERRCODE = 'MB421', MESSAGE = format('subscription %s has no end to renew at', subscription),
            HINT = 'billing.subscribe(ends => ...) gives a term; an open subscription goes on anyway.';
    END IF;
    -- Counted from where this end is the end of a whole term, so that the 29th to 31st come back after a shorter month.
    SELECT f.day INTO counts_from
      FROM (VALUES (1, CASE WHEN agreed.renewal_months = months THEN agreed.renewal_anchor END), (2, agreed.starts), (3, agreed.ends)) AS f (place, day)
     WHERE renewal <> 'none' AND (billing.cycle_containing(f.day, months, agreed.ends)).cycle_start = agreed.ends
     ORDER BY f.place LIMIT 1;
    UPDATE billing.subscriptions s
       SET renewal = renewal, renewal_anchor = counts_from, renewal_months = CASE WHEN renewal <> 'none' THEN months END,
           notice_days = CASE WHEN renewal <> 'none' THEN notice_days END
     WHERE s.tenant_id = tenant AND s.subscription_id = subscription;
    RETURN agreed.ends - notice_days * CASE WHEN renewal <> 'none' THEN 1 END;
END
$$;
COMMENT ON FUNCTION billing.set_renewal(text, uuid, text, integer, integer) IS
'Says what happens at the end of a subscription, and returns the UTC day on which its notice window begins (NULL for none). renewal: automatic, its end moves by a term when the window begins; manual, a renewal event asks for billing.renew_subscription() then; none, it ends. months: of a term, 1 to 120, counted so that the 29th to 31st stay. notice_days: 0 to 3660 before the end. Errors: MB400 malformed, MB421 it has no end, MB425, MB445 subscription.';

-- Who is due: the ones named, or (tenants NULL) every automatic one whose notice window has begun. Refused and past its end, one has lapsed.
CREATE FUNCTION billing.due_renewals(today date, tenants text[], subscriptions uuid[], by_hand boolean)
RETURNS TABLE (tenant_id text, subscription_id uuid, account_id text, ends date, trial_ends date, renewal_anchor date, renewal_months integer, next_ends date)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    WITH due AS (
        SELECT s.* FROM billing.subscriptions s
         WHERE tenants IS NULL AND s.renewal = 'automatic' AND s.ends - s.notice_days <= today
           AND NOT (s.ends <= today AND EXISTS (SELECT FROM billing.renewal_events e
                                                 WHERE e.tenant_id = s.tenant_id AND e.subscription_id = s.subscription_id
                                                   AND e.event = 'refused' AND e.term_ends = s.ends))
        UNION ALL
        SELECT s.* FROM unnest(tenants, subscriptions) AS p (tenant_id, subscription_id)
          JOIN billing.subscriptions s ON s.tenant_id = p.tenant_id AND s.subscription_id = p.subscription_id
         WHERE s.renewal <> 'none' AND (by_hand OR s.ends - s.notice_days <= today)
    )
    SELECT d.tenant_id, d.subscription_id, d.account_id, d.ends, d.trial_ends, d.renewal_anchor, d.renewal_months, c.next_ends
      FROM due d
     CROSS JOIN LATERAL (SELECT max(c.cycle_end) AS next_ends
                           FROM billing.cycles(d.renewal_anchor, d.renewal_months, d.ends,
                                               CASE WHEN by_hand THEN d.ends ELSE today + d.notice_days END + 1) AS c) AS c
$$;
COMMENT ON FUNCTION billing.due_renewals(date, text[], uuid[], boolean) IS 'Internal: the subscriptions named, as far as they renew, or, when tenants is NULL, all that are to be renewed on a day; with the end that gives: by hand one term more, else as many as have begun their notice window.';

CREATE FUNCTION billing.renewal_clashes(today date, tenants text[], subscriptions uuid[], by_hand boolean)
RETURNS TABLE (tenant_id text, subscription_id uuid, reason text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    WITH due AS MATERIALIZED (
        SELECT d.*, p.plan_id, p.version, greatest(d.ends, d.trial_ends) AS paid_from
          FROM billing.due_renewals(today, tenants, subscriptions, by_hand) AS d
          JOIN billing.subscription_phases p ON p.tenant_id = d.tenant_id AND p.subscription_id = d.subscription_id AND p.ends = d.ends
         WHERE greatest(d.ends, d.trial_ends) < d.next_ends
    ), paid AS (
        SELECT d.tenant_id, d.account_id, d.subscription_id, d.plan_id, d.version, daterange(d.paid_from, d.next_ends) AS days
          FROM due d
        UNION ALL
        SELECT s.tenant_id, s.account_id, s.subscription_id, p.plan_id, p.version, daterange(p.starts, p.ends)
          FROM (SELECT DISTINCT d.tenant_id, d.account_id FROM due d) AS a
          JOIN billing.subscriptions s ON s.tenant_id = a.tenant_id AND s.account_id = a.account_id
          JOIN billing.subscription_phases p ON p.tenant_id = s.tenant_id AND p.subscription_id = s.subscription_id AND NOT p.is_trial
    )
    SELECT DISTINCT ON (d.tenant_id, d.subscription_id) d.tenant_id, d.subscription_id,
           format('charge "%s" of plan "%s" in subscription %s takes the same usage of meter "%s"', oc.charge_id, o.plan_id, o.subscription_id, mc.meter_id)
      FROM due d
      JOIN billing.charges mc ON mc.plan_id = d.plan_id AND mc.version = d.version AND mc.meter_id IS NOT NULL
      JOIN paid o ON o.tenant_id = d.tenant_id AND o.account_id = d.account_id AND o.subscription_id <> d.subscription_id
       AND o.days && daterange(d.paid_from, d.next_ends)
      -- As in billing.check_single_charge().
      JOIN billing.charges oc ON oc.plan_id = o.plan_id AND oc.version = o.version AND oc.meter_id = mc.meter_id
       AND (mc.filter || oc.filter) = (oc.filter || mc.filter)
     ORDER BY d.tenant_id, d.subscription_id, lower(o.days), o.subscription_id, mc.position, oc.position
$$;
COMMENT ON FUNCTION billing.renewal_clashes(date, text[], uuid[], boolean) IS 'Internal: which of billing.due_renewals() would charge usage twice in the new term, and with what.';

-- Locks all that is due: the stage, then accounts, written so that an older snapshot fails (see billing.lock_account()).
CREATE FUNCTION billing.lock_renewals(today date, OUT tenants text[], OUT subscriptions uuid[])
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    accounts text[];
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION USING ERRCODE = 'MB427', MESSAGE = 'subscriptions are renewed at isolation level READ COMMITTED only';
    END IF;
    PERFORM FROM billing.stage_locks WHERE stage = 'renewals' FOR UPDATE;
    SELECT coalesce(array_agg(d.tenant_id), '{}'), coalesce(array_agg(d.subscription_id), '{}'), coalesce(array_agg(d.account_id), '{}')
      INTO tenants, subscriptions, accounts
      FROM billing.due_renewals(today, NULL, NULL, false) AS d;
    PERFORM FROM billing.accounts a
     WHERE (a.tenant_id, a.account_id) IN (SELECT * FROM unnest(tenants, accounts)) ORDER BY a.tenant_id, a.account_id FOR UPDATE;
    UPDATE billing.accounts a SET name = a.name WHERE (a.tenant_id, a.account_id) IN (SELECT * FROM unnest(tenants, accounts));
END
$$;
COMMENT ON FUNCTION billing.lock_renewals(date) IS 'Internal: takes the stage lock, locks the accounts of billing.due_renewals(), and returns who is due. Errors: MB427 not READ COMMITTED.';

CREATE FUNCTION billing.write_renewals(today date, tenants text[], subscriptions uuid[], by_hand boolean, OUT renewed bigint, OUT refused bigint)
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    WITH due AS MATERIALIZED (
        SELECT d.*, c.reason
          FROM billing.due_renewals(today, tenants, subscriptions, by_hand) AS d
          LEFT JOIN billing.renewal_clashes(today, tenants, subscriptions, by_hand) AS c ON c.tenant_id = d.tenant_id AND c.subscription_id = d.subscription_id
    ), term AS (
        SELECT d.tenant_id, d.subscription_id, 'renewed' AS event, c.cycle_start AS term_ends, c.cycle_end AS next_ends, NULL AS reason
          FROM due d
         CROSS JOIN LATERAL billing.cycles(d.renewal_anchor, d.renewal_months, d.ends, d.next_ends) AS c
         WHERE d.reason IS NULL
        UNION ALL
        SELECT d.tenant_id, d.subscription_id, 'refused', d.ends, NULL, d.reason
          FROM due d
         WHERE d.reason IS NOT NULL
           AND NOT EXISTS (SELECT FROM billing.renewal_events e WHERE e.tenant_id = d.tenant_id AND e.subscription_id = d.subscription_id
                                                                  AND e.event = 'refused' AND e.term_ends = d.ends)
    ), told AS (
        INSERT INTO billing.renewal_events (tenant_id, subscription_id, sequence, event, term_ends, next_ends, reason, today)
        SELECT t.tenant_id, t.subscription_id, coalesce(b.sequence, 0) + row_number() OVER (PARTITION BY t.tenant_id, t.subscription_id ORDER BY t.term_ends),
               t.event, t.term_ends, t.next_ends, t.reason, today
          FROM term t
          LEFT JOIN LATERAL (SELECT max(e.sequence) AS sequence FROM billing.renewal_events e
                              WHERE e.tenant_id = t.tenant_id AND e.subscription_id = t.subscription_id) AS b ON true
        RETURNING event
    ), moved AS (
        UPDATE billing.subscriptions s SET ends = d.next_ends
          FROM due d WHERE s.tenant_id = d.tenant_id AND s.subscription_id = d.subscription_id AND d.reason IS NULL
    ), prolonged AS (
        UPDATE billing.subscription_phases p SET ends = CASE WHEN p.is_trial THEN least(d.trial_ends, d.next_ends) ELSE d.next_ends END
          FROM due d
         WHERE p.tenant_id = d.tenant_id AND p.subscription_id = d.subscription_id AND p.ends = d.ends AND d.reason IS NULL
        RETURNING p.*, d.trial_ends, d.next_ends
    ), paid AS (
        INSERT INTO billing.subscription_phases (tenant_id, subscription_id, starts, ends, plan_id, version, is_trial)
        SELECT p.tenant_id, p.subscription_id, p.trial_ends, p.next_ends, p.plan_id, p.version, false
          FROM prolonged p WHERE p.is_trial AND p.trial_ends < p.next_ends
    )
    SELECT count(*) FILTER (WHERE event = 'renewed'), count(*) FILTER (WHERE event = 'refused') FROM told
$$;
COMMENT ON FUNCTION billing.write_renewals(date, text[], uuid[], boolean) IS 'Internal: renews the subscriptions named, or refuses what would charge usage twice, and returns how many events of each kind it wrote.';

-- Without nested loops, in what it calls too: the sizes of chained CTEs are guessed low, and one was quadratic.
CREATE FUNCTION billing.renew_subscriptions(today date DEFAULT (now() AT TIME ZONE 'UTC')::date, OUT renewed bigint, OUT noticed bigint, OUT refused bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET enable_nestloop = off SET jit = off SET work_mem = '64MB' AS $$
DECLARE
    picked record;
BEGIN
    PERFORM billing.require_installed();
    PERFORM billing.check_day('today', today);
    SELECT * INTO picked FROM billing.lock_renewals(today);
    SELECT w.renewed, w.refused INTO renewed, refused FROM billing.write_renewals(today, picked.tenants, picked.subscriptions, false) AS w;
    INSERT INTO billing.renewal_events (tenant_id, subscription_id, sequence, event, term_ends, today)
    SELECT s.tenant_id, s.subscription_id,
           1 + coalesce((SELECT max(e.sequence) FROM billing.renewal_events e WHERE e.tenant_id = s.tenant_id AND e.subscription_id = s.subscription_id), 0),
           'notice', s.ends, renew_subscriptions.today
      FROM billing.subscriptions s
     WHERE s.renewal = 'manual' AND s.ends - s.notice_days <= renew_subscriptions.today AND s.ends > renew_subscriptions.today
       AND NOT EXISTS (SELECT FROM billing.renewal_events e WHERE e.tenant_id = s.tenant_id AND e.subscription_id = s.subscription_id
                                                              AND e.event = 'notice' AND e.term_ends = s.ends);
    GET DIAGNOSTICS noticed = ROW_COUNT;
END
$$;
COMMENT ON FUNCTION billing.renew_subscriptions(date) IS
'Renews every subscription of all tenants that renews automatically and whose notice window has begun by today, and raises the notice of those that renew manually: each term once, however often it is called, and terms that were missed too, without gap. One that would then charge usage twice with another subscription of its account is refused, tried again until its end, and then lapses. Returns the number of terms renewed, notices raised, and refusals; each is a row of billing.renewal_events. today: the current UTC day. Errors: MB400, MB417, MB425, MB427 not READ COMMITTED.';

CREATE FUNCTION billing.renew_subscription(tenant text, subscription uuid, today date DEFAULT (now() AT TIME ZONE 'UTC')::date) RETURNS date
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    agreed billing.subscriptions;
    clash  text;
BEGIN
    PERFORM billing.require_installed();
    PERFORM billing.require_tenant(tenant, true);
    PERFORM billing.check_day('today', today);
    PERFORM billing.lock_subscription(tenant, subscription);
    SELECT * INTO STRICT agreed FROM billing.subscriptions s WHERE s.tenant_id = tenant AND s.subscription_id = subscription;
    IF agreed.renewal = 'none' OR agreed.ends <= today THEN
        RAISE EXCEPTION USING ERRCODE = 'MB421', MESSAGE = format('subscription %s cannot be renewed', subscription),
            DETAIL = CASE WHEN agreed.renewal = 'none' THEN 'No renewal is agreed.' ELSE format('It ended on %s.', agreed.ends) END,
            HINT = CASE WHEN agreed.renewal = 'none' THEN 'billing.set_renewal() agrees on one.' ELSE 'Subscribe anew.' END;
    END IF;
    SELECT c.reason INTO clash FROM billing.renewal_clashes(today, ARRAY[tenant], ARRAY[subscription], true) AS c;
    IF FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'MB409', MESSAGE = format('account "%s" of tenant "%s" would pay twice', agreed.account_id, tenant),
            DETAIL = format('In the new term, %s.', clash);
    END IF;
    PERFORM billing.write_renewals(today, ARRAY[tenant], ARRAY[subscription], true);
    RETURN (SELECT s.ends FROM billing.subscriptions s WHERE s.tenant_id = tenant AND s.subscription_id = subscription);
END
$$;
COMMENT ON FUNCTION billing.renew_subscription(text, uuid, date) IS
'Renews one subscription by one term before its end, whether it renews manually or automatically, and returns its new end. today: the current UTC day. Errors: MB400, MB409 another subscription of the account charges the same usage in the new term, MB417, MB421 no renewal is agreed, or it has ended; MB425, MB445 subscription.';
