-- Contracts: whatever is called in whatever order, a subscription's phases say for each day what a plain table of days says,
-- tile its term, and no usage is charged twice. Random calls against a model; the seed is printed, and taken from
-- psql's variable seed when that is set.
\ir seed.psql
SELECT plan(12);
SELECT diag('contracts: seed ' || :'seed');
SELECT setseed(:seed) IS NOT NULL \g /dev/null

-- Three plans of fees only, and two that charge the same meter.
SELECT billing.create_meter('model_calls', unit => 'call') \g /dev/null
SELECT billing.create_plan(p, currency => 'EUR'), billing.add_charge(p, 'fee', price => '{"model":"flat","amount":"1"}')
  FROM unnest('{fee1,fee2,fee3,use1,use2}'::text[]) AS p \g /dev/null
SELECT billing.add_charge(p, 'calls', meter => 'model_calls', price => '{"model":"unit","unit":"1"}') FROM unnest('{use1,use2}'::text[]) AS p \g /dev/null
SELECT billing.publish_plan(p) FROM unnest('{fee1,fee2,fee3,use1,use2}'::text[]) AS p \g /dev/null
SELECT billing.create_account('model' || t, account => a) FROM generate_series(1, 3) AS t, unnest('{main,other}'::text[]) AS a \g /dev/null

-- The model: a subscription's end, and its plan on every day of two years.
CREATE TEMP TABLE terms (subscription uuid PRIMARY KEY, tenant text, starts date, ends date, trial_ends date);
CREATE TEMP TABLE days (subscription uuid, day date, plan text, PRIMARY KEY (subscription, day));
CREATE TEMP TABLE answers (operation text, answer text);

CREATE FUNCTION pg_temp.any_plan() RETURNS text LANGUAGE sql AS $$ SELECT ('{fee1,fee2,fee3,use1,use2}'::text[])[1 + floor(random() * 5)::int] $$;
CREATE FUNCTION pg_temp.any_day() RETURNS date LANGUAGE sql AS $$ SELECT date '2026-01-01' + floor(random() * 300)::int $$;

CREATE FUNCTION pg_temp.subscribe() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    tenant text := 'model' || 1 + floor(random() * 3)::int;
    plan   text := pg_temp.any_plan();
    starts date := pg_temp.any_day();
    ends   date := CASE WHEN random() < 0.2 THEN starts + 1 + floor(random() * 100)::int END;
    trial  integer := CASE WHEN random() < 0.4 THEN floor(random() * 40)::int ELSE 0 END;
    made   uuid;
BEGIN
    made := billing.subscribe(tenant, plan => plan, starts => starts, ends => ends, trial_days => trial,
                              account => CASE WHEN random() < 0.5 THEN 'main' ELSE 'other' END,
                              anchor => CASE WHEN random() < 0.5 THEN 'calendar' ELSE 'anniversary' END);
    INSERT INTO terms VALUES (made, tenant, starts, ends, starts + nullif(trial, 0));
    INSERT INTO days SELECT made, day, plan FROM generate_series(starts, date '2027-12-31', interval '1 day') AS day;
END
$$;

CREATE FUNCTION pg_temp.change_plan(t terms, today date) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    new_plan text := pg_temp.any_plan();
    changed  date;
BEGIN
    changed := billing.change_plan(t.tenant, t.subscription, new_plan, today => today,
                                   effective => CASE WHEN random() < 0.6 THEN today - 20 + floor(random() * 80)::int END,
                                   at => CASE WHEN random() < 0.5 THEN 'now' ELSE 'period_end' END);
    UPDATE days d SET plan = new_plan WHERE d.subscription = t.subscription AND d.day >= changed;
END
$$;

CREATE FUNCTION pg_temp.cancel(t terms, today date) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    ended date;
BEGIN
    ended := billing.cancel_subscription(t.tenant, t.subscription, today => today,
                                         effective => CASE WHEN random() < 0.6 THEN today - 20 + floor(random() * 80)::int END,
                                         at => CASE WHEN random() < 0.5 THEN 'now' ELSE 'period_end' END);
    UPDATE terms m SET ends = ended WHERE m.subscription = t.subscription;
    UPDATE days d SET plan = (SELECT l.plan FROM days l WHERE l.subscription = t.subscription AND l.day = ended - 1)
     WHERE d.subscription = t.subscription AND d.day >= ended AND ended > t.starts;
END
$$;

CREATE FUNCTION pg_temp.resume(t terms, today date) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM billing.resume_subscription(t.tenant, t.subscription, today => today);
    IF t.ends IS NOT NULL THEN
        UPDATE days d SET plan = (SELECT l.plan FROM days l WHERE l.subscription = t.subscription AND l.day = t.ends - 1)
         WHERE d.subscription = t.subscription AND d.day >= t.ends;
    END IF;
    UPDATE terms m SET ends = NULL WHERE m.subscription = t.subscription;
END
$$;

CREATE FUNCTION pg_temp.one_call() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    t         terms;
    operation text := ('{subscribe,change,change,change,change,cancel,cancel,resume,resume}'::text[])[1 + floor(random() * 9)::int];
    code      text := 'done';
BEGIN
    SELECT * INTO t FROM terms ORDER BY random() LIMIT 1;
    IF operation = 'subscribe' OR t.subscription IS NULL THEN
        PERFORM pg_temp.subscribe();
    ELSIF operation = 'change' THEN
        PERFORM pg_temp.change_plan(t, pg_temp.any_day());
    ELSIF operation = 'cancel' THEN
        PERFORM pg_temp.cancel(t, pg_temp.any_day());
    ELSE
        PERFORM pg_temp.resume(t, pg_temp.any_day());
    END IF;
    INSERT INTO answers VALUES (operation, 'done');
EXCEPTION WHEN SQLSTATE 'MB409' OR SQLSTATE 'MB417' OR SQLSTATE 'MB421' THEN
    INSERT INTO answers VALUES (operation, SQLSTATE);
END
$$;

SELECT lives_ok($$ SELECT count(pg_temp.one_call()) FROM generate_series(1, 1200) $$, '1,200 random calls end well or are refused with MB409, MB417 or MB421');
SELECT diag((SELECT string_agg(format('%s %s %s', operation, answer, n), ', ' ORDER BY operation, answer)
               FROM (SELECT operation, answer, count(*) AS n FROM answers GROUP BY operation, answer) AS a));
SELECT is((SELECT count(DISTINCT operation) FROM answers WHERE answer = 'done'), 4::bigint, 'each operation was done at least once');

CREATE TEMP VIEW covered AS
SELECT t.subscription, d.day, d.plan, coalesce(d.day < t.trial_ends, false) AS is_trial FROM terms t JOIN days d USING (subscription)
 WHERE t.ends IS NULL OR d.day < t.ends;
CREATE TEMP VIEW said AS
SELECT p.subscription_id AS subscription, d.day::date AS day, p.plan_id AS plan, p.is_trial
  FROM billing.subscription_phases p JOIN terms t ON t.subscription = p.subscription_id,
       generate_series(p.starts, coalesce(p.ends - 1, '2027-12-31'), interval '1 day') AS d (day);

SELECT bag_eq('SELECT subscription, tenant, starts, ends, trial_ends FROM terms',
              $$ SELECT subscription_id, tenant_id, starts, ends, trial_ends FROM billing.subscriptions WHERE tenant_id LIKE 'model_' $$,
              'subscriptions have the model''s terms');
SELECT bag_eq('SELECT * FROM said', 'SELECT * FROM covered', 'phases say for each day what the model says: once each, with its plan, and whether it is trial');
SELECT is_empty($$ SELECT a.subscription_id FROM billing.subscription_phases a JOIN billing.subscription_phases b USING (tenant_id, subscription_id)
                    WHERE a.ends = b.starts AND (a.plan_id, a.version, a.is_trial) = (b.plan_id, b.version, b.is_trial) $$,
                'no phase is followed by one with the same terms');
SELECT is_empty($$ SELECT s.tenant_id, s.account_id, d.day FROM said d JOIN billing.subscriptions s ON s.subscription_id = d.subscription
                    WHERE d.plan LIKE 'use%' AND NOT d.is_trial GROUP BY s.tenant_id, s.account_id, d.day HAVING count(*) > 1 $$,
                'on no day two subscriptions of an account charge the meter');
SELECT is_empty($$ SELECT t.subscription FROM terms t, generate_series(date '2025-12-25', '2026-12-31', interval '7 days') AS d (day)
                    WHERE billing.subscription_status(t.tenant, t.subscription, d.day::date) <>
                          CASE WHEN t.ends <= d.day OR t.ends = t.starts THEN 'ended' WHEN d.day < t.starts THEN 'pending'
                               WHEN t.ends IS NOT NULL THEN 'cancelled' WHEN d.day < t.trial_ends THEN 'trialing' ELSE 'active' END $$,
                'the status is that of the model''s terms');
SELECT is_empty($$ SELECT s.tenant_id FROM billing.subscriptions s JOIN terms t ON t.subscription = s.subscription_id
                    WHERE s.anchor <> s.starts AND s.anchor <> date_trunc('month', s.starts) $$, 'anchors are the start or the first of its month');

-- What the tables refuse even from their owner.
SELECT throws_ok($$ UPDATE billing.subscriptions SET ends = starts - 1 WHERE tenant_id = 'model1' $$, '23514', NULL, 'no end before the start');
SELECT throws_ok($$ UPDATE billing.subscription_phases SET ends = starts WHERE tenant_id = 'model1' $$, '23514', NULL, 'no empty phase');
-- By the constraint: ON DELETE RESTRICT is 23503 up to PostgreSQL 17 and 23001 since.
SELECT throws_like($$ DELETE FROM billing.accounts WHERE tenant_id = 'model1' $$, '%foreign key constraint "subscriptions_tenant_id_account_id_fkey"%',
                   'no account goes while it has subscriptions');
SELECT throws_like($$ DELETE FROM billing.subscriptions WHERE subscription_id IN (SELECT subscription_id FROM billing.subscription_phases) $$,
                   '%foreign key constraint "subscription_phases_tenant_id_subscription_id_fkey"%',
                   'no subscription goes while it has phases');
SELECT * FROM finish();
ROLLBACK;
