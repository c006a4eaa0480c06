-- What is sold: meters, products, plans, their charges and versions.
SET timezone = 'UTC'; SET datestyle = ISO; SET intervalstyle = postgres;
\set SHOW_CONTEXT never
\set ON_ERROR_ROLLBACK on
BEGIN;

-- Meters.
SELECT billing.create_meter('requests', unit => 'request');
SELECT billing.create_meter('tokens', unit => 'token', dimensions => '{model,direction}', name => 'Tokens');
SELECT billing.create_meter('tokens', unit => 'token', dimensions => '{direction,model}', name => 'Tokens');
SELECT billing.create_meter('peak', unit => 'connection', aggregation => 'max');
SELECT meter_id, name, unit, aggregation, dimensions FROM billing.meters ORDER BY meter_id;

SELECT billing.create_meter('tokens', unit => 'token', aggregation => 'max', dimensions => '{model}', name => 'Tokens');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.create_meter('', unit => 'x');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.create_meter(NULL, unit => 'x');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.create_meter(repeat('k', 201), unit => 'x');
\echo :LAST_ERROR_SQLSTATE
SELECT length(billing.create_meter(repeat('k', 200), unit => 'x'));
SELECT billing.create_meter('m', unit => ' ');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.create_meter('m', unit => 'x', name => '');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.create_meter('m', unit => 'x', aggregation => 'average');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.create_meter('m', unit => 'x', aggregation => NULL);
\echo :LAST_ERROR_SQLSTATE
SELECT billing.create_meter('m', unit => 'x', dimensions => NULL);
\echo :LAST_ERROR_SQLSTATE
SELECT billing.create_meter('m', unit => 'x', dimensions => '{a,b,a}');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.create_meter('m', unit => 'x', dimensions => '{a,NULL}');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.create_meter('m', unit => 'x', dimensions => '{a,""}');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.create_meter('m', unit => 'x', dimensions => '{{a,b},{c,d}}');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.create_meter('m', unit => 'x', dimensions => ARRAY(SELECT 'd' || i FROM generate_series(1, 33) i));
\echo :LAST_ERROR_SQLSTATE
SELECT billing.create_meter('m', unit => 'x', dimensions => ARRAY(SELECT 'd' || i FROM generate_series(1, 32) i));

-- Products and plans.
SELECT billing.create_product('cloud', 'Cloud');
SELECT billing.create_product('cloud', 'Cloud');
SELECT billing.create_product('cloud', 'Fog');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.create_plan('pro', currency => 'EUR', period => '1 month', product => 'cloud');
SELECT billing.create_plan('pro', currency => 'EUR', product => 'cloud');
SELECT billing.create_plan('yearly', currency => 'JPY', period => '1 year', name => 'Yearly');
SELECT billing.create_plan('decade', currency => 'KWD', period => '9 years 12 months', is_private => true);
SELECT plan_id, product_id, name, is_private, version, status, currency, period_months, plan_hash FROM billing.plans JOIN billing.plan_versions USING (plan_id) ORDER BY plan_id;

SELECT billing.create_plan('pro', currency => 'USD', period => '3 months');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.create_plan('decade', currency => 'KWD', period => '10 years');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.create_plan('p', currency => 'EUR', is_private => NULL);
\echo :LAST_ERROR_SQLSTATE
SELECT billing.create_plan('p', currency => 'XAU');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.create_plan('p', currency => NULL);
\echo :LAST_ERROR_SQLSTATE
SELECT billing.create_plan('p', currency => 'EUR', product => 'fog');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.create_plan('p', currency => 'EUR', period => '30 days');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.create_plan('p', currency => 'EUR', period => '1 month 1 second');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.create_plan('p', currency => 'EUR', period => '1 month 1 day -24 hours');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.create_plan('p', currency => 'EUR', period => '0 months');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.create_plan('p', currency => 'EUR', period => '-1 month');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.create_plan('p', currency => 'EUR', period => '121 months');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.create_plan('p', currency => 'EUR', period => NULL);
\echo :LAST_ERROR_SQLSTATE
SELECT billing.create_plan('', currency => 'EUR');
\echo :LAST_ERROR_SQLSTATE

-- Charges of a draft. Numbers in a price become strings of the same digits.
SELECT billing.add_charge('pro', 'base', price => '{"model":"flat","amount":49.00}', in_advance => true);
SELECT billing.add_charge('pro', 'base', price => '{"model":"flat","amount":"49.00"}', in_advance => true);
SELECT billing.add_charge('pro', 'requests', meter => 'requests', name => 'Requests',
       price => '{"model":"graduated","tiers":[{"up_to":1000000,"unit":0},{"up_to":null,"unit":"0.00002"}]}');
SELECT billing.add_charge('pro', 'opus-out', meter => 'tokens', filter => '{"model":"opus","direction":"output"}',
       price => '{"model":"unit","unit":"15.00","per":"1000000"}');
SELECT billing.add_charge('pro', 'spare', meter => 'tokens', price => '{"model":"unit","unit":"1"}');
SELECT billing.remove_charge('pro', 'spare');
SELECT position, charge_id, charge_name, meter_id, unit, filter, price, in_advance, prorate FROM billing.price_list WHERE plan_id = 'pro' ORDER BY position;

SELECT billing.add_charge('pro', 'base', price => '{"model":"flat","amount":"59.00"}');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.add_charge('free', 'base', price => '{"model":"flat","amount":"1"}');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.add_charge('pro', 'x', price => '{"model":"flat","amount":"1"}', version => 2);
\echo :LAST_ERROR_SQLSTATE
SELECT billing.add_charge('pro', NULL, price => '{"model":"flat","amount":"1"}');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.add_charge('pro', 'x', price => NULL);
\echo :LAST_ERROR_SQLSTATE
SELECT billing.add_charge('pro', 'x', price => 'null');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.add_charge('pro', 'x', price => '{"model":"flat","amount":"-1"}');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.add_charge('pro', 'x', meter => 'requests', price => '{"model":"volume","tiers":[{"up_to":"10","unit":"7"},{"up_to":"5","unit":"6"},{"unit":"5"}]}');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.add_charge('pro', 'x', price => '{"model":"unit","unit":"1"}');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.add_charge('pro', 'x', meter => 'requests', price => '{"model":"unit","unit":"1"}', in_advance => true);
\echo :LAST_ERROR_SQLSTATE
SELECT billing.add_charge('pro', 'x', price => '{"model":"flat","amount":"1"}', prorate => NULL);
\echo :LAST_ERROR_SQLSTATE
SELECT billing.add_charge('pro', 'x', meter => 'bytes', price => '{"model":"unit","unit":"1"}');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.add_charge('pro', 'x', meter => 'tokens', filter => '{"region":"eu"}', price => '{"model":"unit","unit":"1"}');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.add_charge('pro', 'x', meter => 'requests', filter => '{"region":"eu"}', price => '{"model":"unit","unit":"1"}');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.add_charge('pro', 'x', meter => 'tokens', filter => '{"model":4}', price => '{"model":"unit","unit":"1"}');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.add_charge('pro', 'x', meter => 'tokens', filter => '["model"]', price => '{"model":"unit","unit":"1"}');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.add_charge('pro', 'x', meter => 'tokens', filter => NULL, price => '{"model":"unit","unit":"1"}');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.add_charge('pro', 'x', filter => '{"model":"opus"}', price => '{"model":"flat","amount":"1"}');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.remove_charge('pro', 'x');
\echo :LAST_ERROR_SQLSTATE
SELECT count(*) FROM billing.charges WHERE charge_id = 'x';

-- Publishing: the hash is that of the document.
SELECT billing.publish_plan('free');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.publish_plan('yearly');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.retire_plan('pro', 1);
\echo :LAST_ERROR_SQLSTATE
SELECT * FROM billing.publish_plan('pro');
SELECT * FROM billing.publish_plan('pro');
SELECT jsonb_pretty(billing.plan_document('pro', 1));
SELECT plan_hash = sha256(convert_to(billing.canonical_json(billing.plan_document('pro', 1)), 'UTF8')) AS hash_of_document FROM billing.plan_versions WHERE plan_id = 'pro';
SELECT billing.plan_document('pro', 2) IS NULL AS no_such_version;

-- Published terms do not change, neither by a call nor by the owner's own hand.
SELECT billing.add_charge('pro', 'x', price => '{"model":"flat","amount":"1"}');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.remove_charge('pro', 'base');
\echo :LAST_ERROR_SQLSTATE
UPDATE billing.charges SET name = 'Cheaper' WHERE plan_id = 'pro' AND charge_id = 'base';
\echo :LAST_ERROR_SQLSTATE
DELETE FROM billing.charges WHERE plan_id = 'pro' AND charge_id = 'base';
\echo :LAST_ERROR_SQLSTATE
INSERT INTO billing.charges SELECT plan_id, version, 'x', name, meter_id, filter, price, price_hash, in_advance, prorate, 9 FROM billing.charges WHERE charge_id = 'base';
\echo :LAST_ERROR_SQLSTATE
UPDATE billing.charges SET version = 1, plan_id = 'yearly' WHERE plan_id = 'pro' AND charge_id = 'base';
\echo :LAST_ERROR_SQLSTATE
UPDATE billing.plan_versions SET currency = 'USD' WHERE plan_id = 'pro';
\echo :LAST_ERROR_SQLSTATE
UPDATE billing.plan_versions SET status = 'draft', plan_hash = NULL, published_at = NULL WHERE plan_id = 'pro';
\echo :LAST_ERROR_SQLSTATE
UPDATE billing.plan_versions SET status = 'retired', retired_at = now(), period_months = 2 WHERE plan_id = 'pro';
\echo :LAST_ERROR_SQLSTATE
UPDATE billing.plan_versions SET version = 7 WHERE plan_id = 'pro';
\echo :LAST_ERROR_SQLSTATE
DELETE FROM billing.plan_versions WHERE plan_id = 'pro';
\echo :LAST_ERROR_SQLSTATE
INSERT INTO billing.plan_versions SELECT plan_id, 7, status, currency, period_months, plan_hash, created_at, published_at FROM billing.plan_versions WHERE plan_id = 'pro';
\echo :LAST_ERROR_SQLSTATE
TRUNCATE billing.charges;
\echo :LAST_ERROR_SQLSTATE
TRUNCATE billing.plans CASCADE;
\echo :LAST_ERROR_SQLSTATE
UPDATE billing.plan_versions SET currency = 'KRW' WHERE plan_id = 'yearly';
DELETE FROM billing.plan_versions WHERE plan_id = 'decade';

-- The next version begins as a copy.
SELECT billing.draft_plan('pro');
SELECT billing.draft_plan('pro');
UPDATE billing.charges SET plan_id = 'pro', version = 1, charge_id = 'y', position = 9 WHERE plan_id = 'pro' AND version = 2 AND charge_id = 'base';
\echo :LAST_ERROR_SQLSTATE
SELECT billing.add_charge('pro', 'x', price => '{"model":"flat","amount":"1"}', version => 1);
\echo :LAST_ERROR_SQLSTATE
SELECT billing.plan_document('pro', 2) = billing.plan_document('pro', 1) AS is_copy;
SELECT billing.remove_charge('pro', 'base');
SELECT billing.add_charge('pro', 'base', price => '{"model":"flat","amount":"59.00"}', in_advance => true);
SELECT plan, version FROM billing.publish_plan('pro');
SELECT count(DISTINCT plan_hash) AS different FROM billing.plan_versions WHERE plan_id = 'pro';
SELECT billing.retire_plan('pro', 1);
SELECT billing.retire_plan('pro', 1);
SELECT billing.retire_plan('pro', 2);
SELECT billing.retire_plan('pro', 3);
\echo :LAST_ERROR_SQLSTATE
SELECT billing.retire_plan('pro', NULL);
\echo :LAST_ERROR_SQLSTATE
SELECT billing.publish_plan('pro');
\echo :LAST_ERROR_SQLSTATE
UPDATE billing.plan_versions SET status = 'published', retired_at = NULL WHERE plan_id = 'pro' AND version = 2;
\echo :LAST_ERROR_SQLSTATE
SELECT billing.draft_plan('free');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.draft_plan('pro');
SELECT version, status, count(charge_id) AS charges, min(position) AS first_position FROM billing.price_list WHERE plan_id = 'pro' GROUP BY version, status ORDER BY version;

-- Who may.
SET ROLE billing_app;
SELECT count(*) FROM billing.price_list WHERE plan_id = 'pro';
SELECT billing.create_meter('app', unit => 'x');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.publish_plan('pro');
\echo :LAST_ERROR_SQLSTATE
SET ROLE billing_admin;
SELECT billing.create_meter('admin', unit => 'x');
DELETE FROM billing.charges;
\echo :LAST_ERROR_SQLSTATE
RESET ROLE;
ROLLBACK;
