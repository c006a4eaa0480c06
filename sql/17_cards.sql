-- No card number is stored, and none is told: names, ids, memos, reasons, documents, COPY. The numbers are those that providers publish for tests.
SET client_min_messages = warning;
SET timezone = 'UTC'; SET datestyle = ISO;
\set SHOW_CONTEXT always
BEGIN;
SELECT billing.install() \g /dev/null
SELECT billing.ensure_partitions('2026-01-01', '2026-02-01') \g /dev/null
\set ON_ERROR_ROLLBACK on
SELECT billing.create_account('cards'), billing.create_meter('calls', unit => 'call', dimensions => '{region}');
SELECT billing.create_plan('cards', currency => 'EUR'), billing.add_charge('cards', 'calls', meter => 'calls', price => '{"model":"unit","unit":"1"}');
SELECT (billing.publish_plan('cards')).version, billing.subscribe('cards', 'cards', '2026-01-01') IS NOT NULL AS bought;

-- Names and keys, in any writing.
SELECT billing.create_account('4242424242424242');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.create_account('x', name => 'Jane Doe, 3782-822463-10005, 12/27');
SELECT billing.create_account('x', name => E'\u0664\u0662\u0664\u0662 \u0664\u0662\u0664\u0662 \u0664\u0662\u0664\u0662 \u0664\u0662\u0664\u0662');
SELECT billing.create_meter('m', unit => 'call', dimensions => '{4111.1111.1111.1111}');
SELECT billing.create_currency('CRD', '5555 5555 5555 4444', 0);
SELECT billing.subscribe('cards', 'cards', '2026-01-01', idempotency_key => '4242424242424242');
SELECT billing.publish_plan('4242424242424242');

-- What only looks like one.
SELECT billing.create_account('550e8400-e29b-41d4-a716-446655440000', name => 'Tel. +49 1512 3456789 01, DE89 3704 0044 0532 0130 00, order 302-1234567-1234567');

-- Usage: an event, one of many, and its documents. Labels of errors are keys, which must not be told either.
SELECT billing.record_usage('cards', 'calls', 'e4242424242424242', occurred_at => '2026-01-01Z');
SELECT billing.record_usage('cards', 'calls', '4242424242424242', occurred_at => '2026-01-01Z');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.record_usage('cards', 'unknown', '4242424242424242', occurred_at => '2026-01-01Z');
SELECT billing.record_usage('cards', 'calls', 'a', occurred_at => '2026-01-01Z', dimensions => '{"region":"4242 4242 4242 4242"}');
SELECT billing.record_usage('cards', 'calls', 'a', occurred_at => '2026-01-01Z', attribution => '{"x":[{"y":4242424242424242}]}');
SELECT billing.record_usage('cards', 'calls', 'a', occurred_at => '2026-01-01Z', attribution => '{"payment":{"cardCvv":"123"}}');
SELECT billing.record_usage('cards', 'calls', 'a', occurred_at => '2026-01-01Z', attribution => '{"4242 4242 4242 4242":null}');
SELECT billing.record_usage('cards', 'calls', 'a', occurred_at => '2026-01-01Z', correlation_id => '4242 4242 4242 4242');
SELECT billing.record_usage('cards', 'calls', 'a', occurred_at => '2026-01-01Z', quantity => 4242424242424242, attribution => '{"score":0.4242424242424242,"cvv":"none"}');
SELECT billing.record_usage('[{"tenant":"cards","meter":"calls","event_id":"b","occurred_at":"2026-01-01Z"},
                              {"tenant":"cards","meter":"calls","event_id":"4242-4242-4242-4242","occurred_at":"2026-01-01Z"}]');
SELECT billing.record_usage('[{"tenant":"cards","meter":"calls","event_id":"b","4242 4242 4242 4242":1}]');
SELECT billing.record_usage('[{"tenant":"cards","meter":"calls","event_id":"b","quantity":"4242 4242 4242 4242"}]');
SELECT billing.record_usage_arrays('{cards}', '{calls}', '{4242424242424242}', '{1}', '{2026-01-01Z}');
CREATE TABLE public.cards AS SELECT 'cards' AS tenant_id, 'calls' AS meter_id, '4242424242424242' AS event_id, timestamptz '2026-01-01Z' AS occurred_at;
SELECT billing.import_usage('public.cards');
\echo :LAST_ERROR_SQLSTATE
UPDATE public.cards SET occurred_at = NULL;
SELECT billing.import_usage('public.cards');
COPY billing.usage_records (tenant_id, meter_id, event_id, occurred_at, quantity) FROM stdin;
cards	calls	fine	2026-01-01Z	1
cards	calls	4242424242424242	2026-01-01Z	1
\.
\echo :LAST_ERROR_SQLSTATE
COPY billing.usage_records (tenant_id, meter_id, event_id, occurred_at, quantity) FROM stdin;
cards	calls	4242424242424242	2026-01-01Z	NaN
\.

-- By hand.
SELECT billing.post_entry('cards', 'payment', 100, 'EUR', memo => 'by card 4242-4242-4242-4242', posted_on => '2026-01-01');
SELECT billing.open_allocation('cards', '4242-4242-4242-4242', 'calls');
UPDATE billing.accounts SET name = '4242 4242 4242 4242' WHERE tenant_id = 'cards';
INSERT INTO billing.products (product_id, name) VALUES ('p', '4242 4242 4242 4242');

-- What was refused left nothing.
SELECT event_id, quantity FROM billing.usage_records WHERE tenant_id = 'cards' ORDER BY event_id;
ROLLBACK;
