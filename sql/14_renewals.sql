-- Terms that renew: by themselves, by hand, or not; every day is given, so that the answers do not depend on today.
SET timezone = 'UTC'; SET datestyle = ISO;
\set SHOW_CONTEXT never
\set ON_ERROR_ROLLBACK on
BEGIN;
SELECT billing.create_meter('calls', unit => 'call') AS meter \gset
SELECT billing.create_plan(p, currency => 'EUR'), billing.add_charge(p, 'calls', meter => 'calls', price => '{"model":"unit","unit":"1"}'), (billing.publish_plan(p)).version
  FROM unnest('{basic,plus}'::text[]) AS p;
SELECT billing.create_account(t) FROM unnest('{acme,bolt}'::text[]) AS t;
CREATE VIEW pg_temp.terms AS
SELECT s.tenant_id AS tenant, s.ends, s.renewal, s.renewal_months AS months, s.renewal_anchor AS anchor, s.notice_days AS notice,
       (SELECT string_agg(format('%s to %s%s', p.starts, p.ends, CASE WHEN p.is_trial THEN ' trial' END), ', ' ORDER BY p.starts)
          FROM billing.subscription_phases p WHERE p.tenant_id = s.tenant_id AND p.subscription_id = s.subscription_id) AS phases
  FROM billing.subscriptions s ORDER BY s.created_at, s.subscription_id;
CREATE VIEW pg_temp.events AS
SELECT tenant_id AS tenant, sequence, event, term_ends, next_ends, today, regexp_replace(reason, '[0-9a-f-]{36}', '...') AS reason
  FROM billing.renewal_events ORDER BY tenant_id, subscription_id, sequence;

-- Agreeing on one. The notice window begins so many days before the end.
SELECT billing.subscribe('acme', plan => 'basic', starts => '2028-01-31', ends => '2028-02-29', anchor => 'anniversary') AS sub \gset
SELECT billing.set_renewal('acme', :'sub', 'automatic', months => 1, notice_days => 5);
SELECT * FROM pg_temp.terms;
SELECT billing.set_renewal('acme', :'sub', 'often');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.set_renewal('acme', :'sub', NULL);
\echo :LAST_ERROR_SQLSTATE
SELECT billing.set_renewal('acme', :'sub', 'manual', months => 0);
\echo :LAST_ERROR_SQLSTATE
SELECT billing.set_renewal('acme', :'sub', 'manual', months => 121);
\echo :LAST_ERROR_SQLSTATE
SELECT billing.set_renewal('acme', :'sub', 'manual', notice_days => -1);
\echo :LAST_ERROR_SQLSTATE
SELECT billing.set_renewal('acme', :'sub', 'manual', notice_days => NULL);
\echo :LAST_ERROR_SQLSTATE
SELECT billing.set_renewal('bolt', '00000000-0000-7000-8000-000000000000', 'manual');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.subscribe('bolt', plan => 'basic', starts => '2028-01-01') AS open \gset
\set VERBOSITY sqlstate
SELECT billing.set_renewal('bolt', :'open', 'automatic');
\set VERBOSITY default
SELECT billing.set_renewal('bolt', :'open', 'none') IS NULL AS no_window;
SELECT * FROM pg_temp.terms;

-- Renewing: once when the window begins, and what was missed; the 31st comes back after a shorter month.
SELECT * FROM billing.renew_subscriptions('2028-02-23');
SELECT * FROM billing.renew_subscriptions('2028-02-24');
SELECT * FROM billing.renew_subscriptions('2028-02-24');
SELECT * FROM billing.renew_subscriptions('2028-05-30');
SELECT * FROM pg_temp.events;
SELECT * FROM pg_temp.terms LIMIT 1;
SELECT billing.subscription_status('acme', :'sub', '2028-06-29') AS before_end, billing.subscription_status('acme', :'sub', '2028-06-30') AS at_end;
SELECT * FROM billing.renew_subscriptions(NULL);
\echo :LAST_ERROR_SQLSTATE
SELECT * FROM billing.renew_subscriptions('infinity');
\echo :LAST_ERROR_SQLSTATE

-- By hand: one term, before the end.
SELECT billing.renew_subscription('acme', :'sub', '2028-05-30') AS renewed;
\set VERBOSITY sqlstate
SELECT billing.renew_subscription('bolt', :'open', '2028-05-30');
\set VERBOSITY default
\set VERBOSITY sqlstate
SELECT billing.renew_subscription('acme', :'sub', '2028-07-31');
\set VERBOSITY default
SELECT billing.renew_subscription('acme', '00000000-0000-7000-8000-000000000000', '2028-05-30');
\echo :LAST_ERROR_SQLSTATE

-- Manual: told once, and it ends.
SAVEPOINT manual;
SELECT billing.set_renewal('acme', :'sub', 'manual', months => 1, notice_days => 10) AS window_begins;
SELECT * FROM billing.renew_subscriptions('2028-07-20');
SELECT * FROM billing.renew_subscriptions('2028-07-21');
SELECT * FROM billing.renew_subscriptions('2028-07-22');
SELECT sequence, event, term_ends, next_ends, today FROM pg_temp.events WHERE sequence > 5;
SELECT billing.subscription_status('acme', :'sub', '2028-07-30') AS before_end, billing.subscription_status('acme', :'sub', '2028-07-31') AS at_end;
SELECT billing.renew_subscription('acme', :'sub', '2028-07-30') AS by_hand;
SELECT * FROM billing.renew_subscriptions('2028-08-21');
ROLLBACK TO manual;
SELECT billing.set_renewal('acme', :'sub', 'manual', months => 1, notice_days => 10) AS window_begins;
SELECT * FROM billing.renew_subscriptions('2028-07-31');
SELECT count(*) FROM pg_temp.events WHERE event = 'notice';
ROLLBACK TO manual;

-- Cancelled, it renews no more; resumed, it is open.
SELECT billing.cancel_subscription('acme', :'sub', today => '2028-07-10') AS ends;
SELECT * FROM pg_temp.terms LIMIT 1;
SELECT * FROM billing.renew_subscriptions('2028-07-30');
SELECT billing.resume_subscription('acme', :'sub', today => '2028-07-10') AS status;
SELECT * FROM pg_temp.terms LIMIT 1;
ROLLBACK TO manual;
-- To end with its term is no cancellation before it.
SELECT billing.resume_subscription('acme', :'sub', today => '2028-07-10') AS status, ends FROM pg_temp.terms LIMIT 1;
SELECT billing.set_renewal('acme', :'sub', 'none') IS NULL AS no_window;
SELECT billing.subscription_status('acme', :'sub', '2028-07-10') AS status, ends FROM pg_temp.terms LIMIT 1;
ROLLBACK TO manual;

-- A year from 29 February; a trial longer than the term; a term of its own.
SELECT billing.create_account('leap'), billing.create_account('trial'), billing.create_account('odd') \gset made_
SELECT billing.set_renewal('leap', billing.subscribe('leap', plan => 'basic', starts => '2028-02-29', ends => '2029-02-28', anchor => 'anniversary'), 'automatic') AS leap,
       billing.set_renewal('trial', billing.subscribe('trial', plan => 'basic', starts => '2028-08-01', ends => '2028-09-01', trial_days => 45), 'automatic', months => 1) AS trial,
       billing.set_renewal('odd', billing.subscribe('odd', plan => 'basic', starts => '2028-08-05', ends => '2028-10-31'), 'automatic', months => 1, notice_days => 0) AS odd;
SELECT * FROM billing.renew_subscriptions('2028-11-30');
SELECT * FROM pg_temp.terms OFFSET 2;
SELECT * FROM billing.renew_subscriptions('2032-02-29');
SELECT string_agg(next_ends::text, ' ' ORDER BY sequence) AS ends FROM pg_temp.events WHERE tenant = 'leap';
ROLLBACK TO manual;

-- Usage is charged once: who would pay twice is refused, each day again until the end, and lapses then.
SELECT billing.subscribe('acme', plan => 'plus', starts => '2028-07-31') AS next \gset
SELECT * FROM billing.renew_subscriptions('2028-07-27');
SELECT * FROM billing.renew_subscriptions('2028-07-28');
SELECT sequence, event, term_ends, next_ends, today, reason FROM pg_temp.events WHERE sequence > 5;
\set VERBOSITY sqlstate
SELECT billing.renew_subscription('acme', :'sub', '2028-07-28');
\set VERBOSITY default
SAVEPOINT refused;
SELECT billing.cancel_subscription('acme', :'next', effective => '2028-07-31', today => '2028-07-28') AS never_began;
SELECT * FROM billing.renew_subscriptions('2028-07-29');
ROLLBACK TO refused;
SELECT * FROM billing.renew_subscriptions('2028-08-02');
SELECT ends FROM pg_temp.terms LIMIT 1;
ROLLBACK TO manual;

-- Events stay; a failed call changes nothing; the table cannot hold half an agreement.
UPDATE billing.renewal_events SET event = 'notice';
\echo :LAST_ERROR_SQLSTATE
DELETE FROM billing.renewal_events;
\echo :LAST_ERROR_SQLSTATE
\set VERBOSITY sqlstate
UPDATE billing.subscriptions SET renewal = 'automatic' WHERE ends IS NULL;
\set VERBOSITY default
\set VERBOSITY sqlstate
UPDATE billing.subscriptions SET ends = NULL WHERE renewal = 'automatic';
\set VERBOSITY default
SET LOCAL ROLE billing_auditor;
SELECT count(*) FROM billing.renewal_events;
SELECT billing.set_renewal('acme', :'sub', 'none');
\echo :LAST_ERROR_SQLSTATE
SET LOCAL ROLE billing_app;
SELECT billing.set_renewal('acme', :'sub', 'none') IS NULL AS no_window;
SELECT billing.renew_subscriptions('2028-07-28');
\echo :LAST_ERROR_SQLSTATE
ROLLBACK;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT billing.renew_subscriptions('2028-07-28');
\echo :LAST_ERROR_SQLSTATE
ROLLBACK;
