-- On what terms: subscribing, changing the plan, cancelling, resuming, and how a subscription stands on a day.
-- Every call that depends on the day is given it, so that the answers do not.
SET timezone = 'UTC'; SET datestyle = ISO;
\set SHOW_CONTEXT never
\set ON_ERROR_ROLLBACK on
BEGIN;
SELECT billing.create_meter('calls', unit => 'call', dimensions => '{region,tier}') AS meter,
       billing.create_plan('basic', currency => 'EUR') AS basic, billing.create_plan('plus', currency => 'EUR') AS plus,
       billing.create_plan('fees', currency => 'EUR') AS fees, billing.create_plan('dollars', currency => 'USD') AS dollars,
       billing.create_plan('yearly', currency => 'EUR', period => '1 year') AS yearly, billing.create_plan('secret', currency => 'EUR') AS secret,
       billing.create_plan('eu', currency => 'EUR') AS eu, billing.create_plan('us', currency => 'EUR') AS us, billing.create_plan('gold', currency => 'EUR') AS gold
\gset made_
SELECT count(billing.add_charge(p, 'fee', price => '{"model":"flat","amount":"10"}')) AS fees
  FROM unnest('{basic,plus,fees,dollars,yearly,secret,eu,us,gold}'::text[]) AS p;
SELECT count(billing.add_charge(p, 'calls', meter => 'calls', price => '{"model":"unit","unit":"0.01"}')) AS usage
  FROM unnest('{basic,plus,dollars,yearly}'::text[]) AS p;
SELECT billing.add_charge('eu', 'calls', meter => 'calls', filter => '{"region":"eu"}', price => '{"model":"unit","unit":"1"}') AS eu,
       billing.add_charge('us', 'calls', meter => 'calls', filter => '{"region":"us"}', price => '{"model":"unit","unit":"1"}') AS us,
       billing.add_charge('gold', 'calls', meter => 'calls', filter => '{"tier":"gold"}', price => '{"model":"unit","unit":"1"}') AS gold;
SELECT count(billing.publish_plan(p)) AS published FROM unnest('{basic,plus,fees,dollars,yearly,eu,us,gold}'::text[]) AS p;
SELECT billing.create_account('acme', 'Acme') AS main, billing.create_account('acme', 'Acme', account => 'second') AS second, billing.create_account('bolt', 'Bolt') AS bolt;
CREATE VIEW pg_temp.phases AS
SELECT s.tenant_id, s.account_id, p.starts, p.ends, p.plan_id || ' ' || p.version AS plan, p.is_trial, s.anchor, s.ends AS subscription_ends
  FROM billing.subscription_phases p JOIN billing.subscriptions s USING (tenant_id, subscription_id) ORDER BY s.created_at, s.subscription_id, p.starts;

-- Subscribing: calendar, anniversary, trial, end.
SELECT billing.subscribe('acme', plan => 'basic', starts => '2026-11-10') AS sub \gset
SELECT * FROM pg_temp.phases;
SAVEPOINT before;
SELECT billing.subscribe('bolt', plan => 'basic', starts => '2026-01-31', anchor => 'anniversary', trial_days => 14, ends => '2026-03-01') IS NOT NULL AS made;
SELECT billing.subscribe('acme', plan => 'plus', starts => '2026-11-10', account => 'second', trial_days => 14, ends => '2026-11-20') IS NOT NULL AS made;
SELECT * FROM pg_temp.phases;
ROLLBACK TO before;

SELECT billing.subscribe('nobody', plan => 'basic', starts => '2026-11-10');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.subscribe('acme', plan => 'basic', starts => '2026-11-10', account => 'third');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.subscribe(NULL, plan => 'basic', starts => '2026-11-10');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.subscribe('bolt', plan => 'bronze', starts => '2026-11-10');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.subscribe('bolt', plan => 'secret', starts => '2026-11-10');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.subscribe('bolt', plan => 'secret', starts => '2026-11-10', version => 1);
\echo :LAST_ERROR_SQLSTATE
SELECT billing.subscribe('bolt', plan => 'basic', starts => '2026-11-10', version => 2);
\echo :LAST_ERROR_SQLSTATE
SELECT billing.subscribe('bolt', plan => 'basic', starts => NULL);
\echo :LAST_ERROR_SQLSTATE
SELECT billing.subscribe('bolt', plan => 'basic', starts => 'infinity');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.subscribe('bolt', plan => 'basic', starts => '0001-12-31 BC');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.subscribe('bolt', plan => 'basic', starts => '2026-11-10', ends => '2026-11-10');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.subscribe('bolt', plan => 'basic', starts => '2026-11-10', ends => '2026-11-09');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.subscribe('bolt', plan => 'basic', starts => '2026-11-10', ends => '10000-01-01');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.subscribe('bolt', plan => 'basic', starts => '2026-11-10', anchor => 'moon');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.subscribe('bolt', plan => 'basic', starts => '2026-11-10', trial_days => -1);
\echo :LAST_ERROR_SQLSTATE
SELECT billing.subscribe('bolt', plan => 'basic', starts => '2026-11-10', trial_days => 3661);
\echo :LAST_ERROR_SQLSTATE
SELECT count(*) FROM billing.subscriptions;

-- An idempotency key gives the first answer again, and is refused with other arguments.
SELECT billing.subscribe('bolt', plan => 'fees', starts => '2026-11-01', idempotency_key => 'k1') AS first \gset
SELECT billing.subscribe('bolt', plan => 'fees', starts => '2026-11-01', idempotency_key => 'k1') = :'first' AS same;
SELECT billing.subscribe('acme', plan => 'fees', starts => '2026-11-01', idempotency_key => 'k1') <> :'first' AS of_another_tenant;
SELECT count(*) FROM billing.subscriptions WHERE tenant_id = 'bolt';
\set VERBOSITY terse
SELECT billing.subscribe('bolt', plan => 'fees', starts => '2026-11-02', idempotency_key => 'k1');
\echo :LAST_ERROR_SQLSTATE
\set VERBOSITY default

-- The newest published version is taken, and kept; a retired one takes nobody.
SAVEPOINT before;
SELECT billing.draft_plan('fees');
SELECT billing.publish_plan('fees') IS NOT NULL AS published;
SELECT billing.subscribe('bolt', plan => 'fees', starts => '2026-12-01') IS NOT NULL AS newest, billing.subscribe('bolt', plan => 'fees', starts => '2026-12-02', version => 1) IS NOT NULL AS given;
SELECT starts, plan FROM pg_temp.phases WHERE tenant_id = 'bolt' ORDER BY starts;
SELECT billing.retire_plan('fees', 2);
SELECT billing.subscribe('bolt', plan => 'fees', starts => '2026-12-03', version => 2);
\echo :LAST_ERROR_SQLSTATE
SELECT billing.subscribe('bolt', plan => 'fees', starts => '2026-12-03') IS NOT NULL AS older;
ROLLBACK TO before;

-- No usage is charged twice: not by the same plan, by one that takes all, or by filters that one event can match.
\set VERBOSITY terse
SELECT billing.subscribe('acme', plan => 'basic', starts => '2027-01-01');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.subscribe('acme', plan => 'eu', starts => '2026-11-01', ends => '2026-11-11');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.subscribe('acme', plan => 'eu', starts => '2026-11-01', ends => '2026-11-10') IS NOT NULL AS before_it;
SELECT billing.subscribe('acme', plan => 'plus', starts => '2026-11-01', account => 'second') IS NOT NULL AS other_account;
SELECT billing.subscribe('bolt', plan => 'eu', starts => '2026-11-01') IS NOT NULL AS eu, billing.subscribe('bolt', plan => 'us', starts => '2026-11-01') IS NOT NULL AS us;
SELECT billing.subscribe('bolt', plan => 'gold', starts => '2026-11-01');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.subscribe('bolt', plan => 'gold', starts => '2026-11-01', trial_days => 30, ends => '2026-12-01') IS NOT NULL AS trial_charges_nothing;
SELECT billing.subscribe('bolt', plan => 'gold', starts => '2026-11-01', trial_days => 30, ends => '2026-12-02');
\echo :LAST_ERROR_SQLSTATE
\set VERBOSITY default
DO $$
BEGIN
    PERFORM billing.subscribe('acme', plan => 'plus', starts => '2027-01-01');
EXCEPTION WHEN SQLSTATE 'MB409' THEN
    DECLARE detail text; hint text;
    BEGIN
        GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
        RAISE NOTICE '% / %', regexp_replace(detail, '[0-9a-f]{8}-[0-9a-f-]{27}', 'ID', 'g'), hint;
    END;
END
$$;

-- Changing the plan: at the period's end, now, on a day; again on the same day; back to what it was.
SELECT billing.change_plan('acme', :'sub', 'plus', today => '2026-11-15');
SELECT starts, ends, plan FROM pg_temp.phases WHERE account_id = 'main' AND tenant_id = 'acme' AND plan ~ 'basic|plus|yearly';
SELECT billing.change_plan('acme', :'sub', 'fees', at => 'period_end', today => '2026-11-16');
SELECT starts, ends, plan FROM pg_temp.phases WHERE account_id = 'main' AND tenant_id = 'acme' AND anchor = '2026-11-01' AND subscription_ends IS NULL AND starts >= '2026-11-10';
SELECT billing.change_plan('acme', :'sub', 'plus', at => 'now', today => '2026-11-20');
SELECT starts, ends, plan FROM billing.subscription_phases p, LATERAL (SELECT plan_id AS plan) x WHERE subscription_id = :'sub' ORDER BY starts;
SELECT billing.change_plan('acme', :'sub', 'fees', '2026-12-24', today => '2026-11-20');
SELECT billing.change_plan('acme', :'sub', 'basic', '2026-11-20', today => '2026-11-20');
SELECT starts, ends, plan_id FROM billing.subscription_phases WHERE subscription_id = :'sub' ORDER BY starts;
-- Before it begins, now is its first day; an earlier day of the current period may still be changed.
SELECT billing.change_plan('acme', :'sub', 'plus', at => 'now', today => '2026-11-01');
SELECT billing.change_plan('acme', :'sub', 'plus', '2026-11-10', today => '2026-11-30');
SELECT starts, ends, plan_id FROM billing.subscription_phases WHERE subscription_id = :'sub' ORDER BY starts;
SELECT billing.change_plan('acme', :'sub', 'basic', '2026-11-10', today => '2026-11-30');

\set VERBOSITY terse
SELECT billing.change_plan('acme', :'sub', 'plus', '2026-11-09', today => '2026-11-15') IS NULL;
\echo :LAST_ERROR_SQLSTATE
\set VERBOSITY default
SELECT billing.change_plan('acme', :'sub', 'plus', '2026-11-30', today => '2027-01-01');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.change_plan('acme', :'sub', 'plus', 'infinity', today => '2026-11-15');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.change_plan('acme', :'sub', 'plus', today => NULL);
\echo :LAST_ERROR_SQLSTATE
SELECT billing.change_plan('acme', :'sub', 'plus', at => 'later', today => '2026-11-15');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.change_plan('acme', :'sub', 'bronze', today => '2026-11-15');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.change_plan('acme', :'sub', 'secret', today => '2026-11-15');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.change_plan('acme', '00000000-0000-8000-8000-000000000000', 'plus', today => '2026-11-15');
\echo :LAST_ERROR_SQLSTATE
\set VERBOSITY sqlstate
SELECT billing.change_plan('bolt', :'sub', 'plus', today => '2026-11-15');
SELECT billing.change_plan('acme', :'sub', 'dollars', today => '2026-11-15');
SELECT billing.change_plan('acme', :'sub', 'yearly', today => '2026-11-15');
SELECT billing.change_plan('bolt', :'first', 'gold', today => '2026-11-15');
\set VERBOSITY default

-- A trial goes on under the new plan, whenever that begins.
SELECT billing.subscribe('bolt', plan => 'fees', starts => '2026-11-01', anchor => 'anniversary', trial_days => 14) AS trial \gset
SELECT billing.change_plan('bolt', :'trial', 'secret', '2026-11-05', today => '2026-11-05');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.publish_plan('secret') IS NOT NULL AS published;
SELECT billing.change_plan('bolt', :'trial', 'secret', '2026-11-05', today => '2026-11-05');
SELECT starts, ends, plan_id, is_trial FROM billing.subscription_phases WHERE subscription_id = :'trial' ORDER BY starts;
SELECT billing.change_plan('bolt', :'trial', 'fees', '2026-11-15', today => '2026-11-05');
SELECT starts, ends, plan_id, is_trial FROM billing.subscription_phases WHERE subscription_id = :'trial' ORDER BY starts;
SELECT billing.change_plan('bolt', :'trial', 'fees', '2026-11-03', today => '2026-11-05');
SELECT starts, ends, plan_id, is_trial FROM billing.subscription_phases WHERE subscription_id = :'trial' ORDER BY starts;

-- Cancelling: at the period's end, again, earlier, now; resuming gives the whole trial back.
SELECT billing.cancel_subscription('bolt', :'trial', today => '2026-11-20');
SELECT billing.cancel_subscription('bolt', :'trial', today => '2026-11-25');
SELECT billing.cancel_subscription('bolt', :'trial', '2026-12-01', today => '2026-11-25');
SELECT starts, ends, plan_id, is_trial FROM billing.subscription_phases WHERE subscription_id = :'trial' ORDER BY starts;
SELECT billing.resume_subscription('bolt', :'trial', today => '2026-11-30');
SELECT billing.resume_subscription('bolt', :'trial', today => '2026-11-30');
SELECT billing.cancel_subscription('bolt', :'trial', at => 'now', today => '2026-11-07');
SELECT s.ends, p.starts, p.ends, p.plan_id, is_trial FROM billing.subscription_phases p JOIN billing.subscriptions s USING (subscription_id) WHERE subscription_id = :'trial';
SELECT billing.resume_subscription('bolt', :'trial', today => '2026-11-07');
SELECT starts, ends, plan_id, is_trial FROM billing.subscription_phases WHERE subscription_id = :'trial' ORDER BY starts;
SELECT billing.cancel_subscription('bolt', :'trial', '2026-12-10', today => '2026-11-07');
\set VERBOSITY sqlstate
SELECT billing.cancel_subscription('bolt', :'trial', '2026-12-11', today => '2026-11-07');
SELECT billing.change_plan('bolt', :'trial', 'secret', '2026-12-10', today => '2026-11-07');
SELECT billing.resume_subscription('bolt', :'trial', today => '2026-12-10');
SELECT billing.cancel_subscription('bolt', :'trial', '2026-10-31', today => '2026-11-07');
SELECT billing.cancel_subscription('bolt', :'trial', '2026-11-15', today => '2027-01-01');
SELECT billing.cancel_subscription('acme', :'trial', today => '2026-11-07');
SELECT billing.cancel_subscription('bolt', :'trial', at => NULL, today => '2026-11-07');
SELECT billing.resume_subscription('acme', :'trial', today => '2026-11-07');
SELECT billing.resume_subscription('bolt', :'trial', today => NULL);
\set VERBOSITY default
SELECT billing.change_plan('bolt', :'trial', 'secret', '2026-12-09', today => '2026-11-07');
SELECT starts, ends, plan_id, is_trial FROM billing.subscription_phases WHERE subscription_id = :'trial' ORDER BY starts;

-- Resuming is refused when another subscription charges the usage by now; cancelled on its first day, it never began.
SELECT billing.cancel_subscription('acme', :'sub', '2026-12-01', today => '2026-11-15');
SELECT billing.subscribe('acme', plan => 'plus', starts => '2026-12-01') AS later \gset
\set VERBOSITY sqlstate
SELECT billing.resume_subscription('acme', :'sub', today => '2026-11-15');
\set VERBOSITY default
SELECT billing.cancel_subscription('acme', :'later', at => 'now', today => '2026-11-15');
SELECT starts, ends, (SELECT count(*) FROM billing.subscription_phases p WHERE p.subscription_id = s.subscription_id) AS phases FROM billing.subscriptions s WHERE subscription_id = :'later';
\set VERBOSITY sqlstate
SELECT billing.resume_subscription('acme', :'later', today => '2026-11-15');
\set VERBOSITY default
SELECT billing.resume_subscription('acme', :'sub', today => '2026-11-15');

-- How it stands on a day.
SELECT day, billing.status_on('2026-11-01', '2026-12-10', '2026-11-15', day) AS with_end, billing.status_on('2026-11-01', NULL, '2026-11-15', day) AS open,
       billing.status_on('2026-11-01', NULL, NULL, day) AS without_trial, billing.status_on('2026-11-01', '2026-11-01', NULL, day) AS never_began
  FROM unnest('{2026-10-31,2026-11-01,2026-11-14,2026-11-15,2026-12-09,2026-12-10}'::date[]) AS day;
SELECT billing.subscription_status('bolt', :'trial', '2026-12-09'), billing.subscription_status('acme', :'later', '2026-12-09');
\set VERBOSITY sqlstate
SELECT billing.subscription_status('acme', :'trial', '2026-12-09');
SELECT billing.subscription_status('bolt', NULL, '2026-12-09');
SELECT billing.subscription_status('bolt', :'trial', 'infinity');
\set VERBOSITY default
-- The view stands on today: this subscription began three days ago and its trial is over tomorrow.
SELECT billing.subscribe('bolt', plan => 'fees', starts => (now() AT TIME ZONE 'UTC')::date - 3, trial_days => 4, anchor => 'anniversary') AS present \gset
SELECT tenant_id, account_id, plan_id, version, status, currency, period_start = starts AS is_first_period, period_end = (starts + interval '1 month')::date AS a_month, ends, trial_ends - starts AS trial
  FROM billing.current_subscriptions WHERE subscription_id = :'present';
SELECT billing.cancel_subscription('bolt', :'present', at => 'now') = (now() AT TIME ZONE 'UTC')::date + 1 AS ends_tonight;
SELECT status, plan_id FROM billing.current_subscriptions WHERE subscription_id = :'present';
SELECT count(*) FROM billing.current_subscriptions WHERE subscription_id = :'later';

-- Who may: a tenant's session subscribes, asks, and reads its own.
SELECT billing.grant_tenant_role(session_user, 'bolt', 'app');
SET ROLE billing_app;
SELECT billing.subscribe('bolt', plan => 'fees', starts => '2026-11-10') IS NOT NULL AS subscribed, billing.subscription_status('bolt', :'trial', '2026-11-14') AS status;
SELECT DISTINCT tenant_id FROM billing.subscriptions;
SET ROLE billing_auditor;
SELECT count(*) > 0 AS reads FROM billing.current_subscriptions;
SELECT billing.subscribe('bolt', plan => 'fees', starts => '2026-11-10');
\echo :LAST_ERROR_SQLSTATE
UPDATE billing.subscriptions SET ends = NULL;
\echo :LAST_ERROR_SQLSTATE
RESET ROLE;
ROLLBACK;
