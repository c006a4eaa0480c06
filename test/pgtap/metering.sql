-- Usage: exactly once, every refusal with its code and without a trace, allocations that add up, who may do what.
-- Windows are taken outside of transactions: sql/20_metering.sql, test/isolation and test/tap have them.
BEGIN;
SET timezone = 'UTC'; SET datestyle = ISO;
SELECT plan(103);

DO $$ BEGIN
    PERFORM billing.ensure_partitions('2024-01-01', '2024-05-01');
    PERFORM billing.create_meter('m-sum', unit => 'x', dimensions => '{a,b}');
    PERFORM billing.create_meter('m-count', unit => 'x', aggregation => 'count');
    PERFORM billing.create_meter('m-max', unit => 'x', aggregation => 'max');
    PERFORM billing.create_meter('m-latest', unit => 'x', aggregation => 'latest');
    PERFORM billing.create_plan('m-plan', currency => 'EUR');
    PERFORM billing.add_charge('m-plan', 'base', price => '{"model":"flat","amount":"1"}');
    PERFORM billing.publish_plan('m-plan');
    PERFORM billing.create_account('m1');
    PERFORM billing.create_account('m1', account => 'second');
    PERFORM billing.create_account('m2');
    PERFORM billing.create_account('m3');
    PERFORM billing.subscribe('m1', plan => 'm-plan', starts => '2024-02-10', ends => '2024-03-10');
    PERFORM billing.subscribe('m1', plan => 'm-plan', starts => '2024-02-10', account => 'second');
    PERFORM billing.subscribe('m2', plan => 'm-plan', starts => '2024-01-01');
END $$;

-- ---- one event: call, what comes back ----
CREATE FUNCTION pg_temp.records(call text, expected boolean, what text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE got boolean; BEGIN
    EXECUTE 'SELECT billing.record_usage(' || call || ')' INTO got;
    RETURN NEXT is(got, expected, what);
END $$;
-- A call that is refused leaves nothing, whatever else it brought.
CREATE FUNCTION pg_temp.refuses(call text, code text, message text, what text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE before bigint := (SELECT count(*) FROM billing.usage_records); refusal text := 'nothing was refused'; BEGIN
    BEGIN
        EXECUTE 'SELECT billing.' || call;
    EXCEPTION WHEN OTHERS THEN
        refusal := SQLSTATE || ' ' || SQLERRM;
    END;
    RETURN NEXT is(refusal || CASE WHEN (SELECT count(*) FROM billing.usage_records) = before THEN '' ELSE ', and something was written' END, code || ' ' || message, what);
END $$;

SELECT r.line FROM (VALUES
    ($$'m1', 'm-sum', 'e1', 1, '2024-02-10Z'$$, true, 'a new event, on the first day of the subscription'),
    ($$'m1', 'm-sum', 'e1', 1, '2024-02-10Z'$$, false, 'the same again is none'),
    ($$'m1', 'm-sum', 'e1', 1.000, '2024-02-10 01:00+01', '{}', 'main'$$, false, 'the same quantity and time, written otherwise'),
    ($$'m1', 'm-sum', 'e1', 1, '2024-02-11Z'$$, true, 'the same id on another UTC day is another event'),
    ($$'m1', 'm-count', 'e1', 1, '2024-02-10Z'$$, true, 'of another meter too'),
    ($$'m2', 'm-sum', 'e1', 1, '2024-02-10Z'$$, true, 'of another tenant too'),
    ($$'m1', 'm-sum', 'last', 1, '2024-03-09 23:59:59.999999Z'$$, true, 'the last microsecond of the subscription'),
    ($$'m1', 'm-sum', 'month', 1, '2024-02-29 23:59:59.999999Z'$$, true, 'the last microsecond of a month'),
    ($$'m1', 'm-sum', 'zone', 1, '2024-03-09 23:30-00:29'$$, true, 'a day is a UTC day'),
    ($$'m1', 'm-sum', 'least', 0.000000000000000001, '2024-02-10Z'$$, true, '18 decimals'),
    ($$'m1', 'm-sum', 'most', 99999999999999999999.999999999999999999, '2024-02-10Z'$$, true, 'just below 10^20'),
    ($$'m1', 'm-sum', 'none', 0, '2024-02-10Z'$$, true, 'nothing'),
    ($$'m1', 'm-sum', repeat('é', 255), 1, '2024-02-10Z'$$, true, '255 characters of two bytes'),
    ($$'m1', 'm-sum', 'both', 1, '2024-02-10Z', '{"b":"","a":"1"}'$$, true, 'all dimensions, one empty'),
    ($$'m1', 'm-sum', 'both', 1, '2024-02-10Z', '{"a":"1","b":""}'$$, false, 'in another order'),
    ($$'m1', 'm-sum', 'kept', 1, '2024-02-10Z', attribution => '{"app":"x"}', correlation_id => 'c1'$$, true, 'with attribution'),
    ($$'m1', 'm-sum', 'kept', 1, '2024-02-10Z', attribution => '{"app":"y"}', correlation_id => 'c2'$$, false, 'which is not what makes it another event'),
    ($$'m1', 'm-sum', 'minus', -1, '2024-02-10 12:00Z', corrects => 'e1'$$, true, 'a correction'),
    ($$'m1', 'm-sum', 'minus', -1, '2024-02-10 12:00Z', corrects => 'e1'$$, false, 'corrects once'),
    ($$'m1', 'm-sum', 'plus', 1, '2024-02-10 12:00Z', corrects => 'minus'$$, true, 'a correction of a correction'),
    ($$'m1', 'm-count', 'minus', -1, '2024-02-10 12:00Z', corrects => 'e1'$$, true, 'of a meter that counts'),
    ($$'m2', 'm-sum', 'now'$$, true, 'now, quantity 1'),
    ($$'m2', 'm-sum', 'now'$$, false, 'again now'),
    ($$'m2', 'm-sum', 'now', occurred_at => NULL, account => NULL, dimensions => NULL$$, false, 'nulls are defaults')
) AS t (call, expected, what) CROSS JOIN LATERAL pg_temp.records(call, expected, what) AS r (line);

SELECT is((SELECT (count(*), sum(quantity), min(occurred_at), max(usage_day)) FROM billing.usage_records WHERE tenant_id = 'm1' AND event_id = 'e1' AND meter_id = 'm-sum')::text,
          '(2,2,"2024-02-10 00:00:00+00",2024-02-11)', 'it is stored as given');
SELECT is((SELECT quantity::text FROM billing.usage_records WHERE event_id = 'most'), '99999999999999999999.999999999999999999', 'digit by digit');
SELECT is((SELECT count(*) FROM billing.usage_records WHERE log_xid <> billing.log_xid()), 0::bigint, 'every row carries the id of this transaction, savepoints or not');

SELECT r.line FROM (VALUES
    ($$record_usage('m1', 'm-sum', 'e1', 2, '2024-02-10Z')$$, 'MB409', 'event "e1" was recorded with other content', 'another quantity'),
    ($$record_usage('m1', 'm-sum', 'e1', 1, '2024-02-10 00:00:00.000001Z')$$, 'MB409', 'event "e1" was recorded with other content', 'another time of the day'),
    ($$record_usage('m1', 'm-sum', 'e1', 1, '2024-02-10Z', '{"a":"1"}')$$, 'MB409', 'event "e1" was recorded with other content', 'another dimension'),
    ($$record_usage('m1', 'm-sum', 'e1', 1, '2024-02-10Z', account => 'second')$$, 'MB409', 'event "e1" was recorded with other content', 'another account'),
    ($$record_usage('m1', 'm-sum', 'e1', 1, '2024-02-10Z', corrects => 'least')$$, 'MB409', 'event "e1" was recorded with other content', 'now a correction'),
    ($$record_usage('m9', 'm-sum', 'x', 1, '2024-02-10Z')$$, 'MB440', 'unknown tenant "m9"', 'unknown tenant'),
    ($$record_usage('', 'm-sum', 'x', 1, '2024-02-10Z')$$, 'MB440', 'unknown tenant ""', 'empty tenant'),
    ($$record_usage('m2', 'm-sum', 'x', 1, '2024-02-10Z', account => 'second')$$, 'MB440', 'unknown account "second" of tenant "m2"', 'an account of another tenant'),
    ($$record_usage('m1', 'M-SUM', 'x', 1, '2024-02-10Z')$$, 'MB441', 'unknown meter "M-SUM"', 'unknown meter'),
    ($$record_usage('m1', 'm-sum', 'x', 1, '2024-02-09 23:59:59.999999Z')$$, 'MB418', 'account "main" of tenant "m1" has no subscription on 2024-02-09', 'a microsecond before the subscription'),
    ($$record_usage('m1', 'm-sum', 'x', 1, '2024-03-10Z')$$, 'MB418', 'account "main" of tenant "m1" has no subscription on 2024-03-10', 'the moment it has ended'),
    ($$record_usage('m3', 'm-sum', 'x', 1, '2024-02-10Z')$$, 'MB418', 'account "main" of tenant "m3" has no subscription on 2024-02-10', 'no subscription at all'),
    ($$record_usage('m1', 'm-sum', 'x', 1, '2024-02-10Z', '{"c":"1"}')$$, 'MB419', 'dimensions {"c": "1"} are not those of meter "m-sum"', 'a key the meter has not'),
    ($$record_usage('m1', 'm-sum', 'x', 1, '2024-02-10Z', '{"a":null}')$$, 'MB419', 'dimensions {"a": null} are not those of meter "m-sum"', 'a null value'),
    ($$record_usage('m1', 'm-sum', 'x', 1, '2024-02-10Z', '{"a":["1"]}')$$, 'MB419', 'dimensions {"a": ["1"]} are not those of meter "m-sum"', 'a list'),
    ($$record_usage('m1', 'm-sum', 'x', 1, '2024-02-10Z', '"a"')$$, 'MB419', 'dimensions "a" are not those of meter "m-sum"', 'no object'),
    ($$record_usage('m1', 'm-count', 'x', 1, '2024-02-10Z', '{"a":"1"}')$$, 'MB419', 'dimensions {"a": "1"} are not those of meter "m-count"', 'of a meter that has none'),
    ($$record_usage('m1', 'm-sum', 'x', 'NaN', '2024-02-10Z')$$, 'MB415', 'quantity NaN cannot be recorded', 'NaN'),
    ($$record_usage('m1', 'm-sum', 'x', 'Infinity', '2024-02-10Z')$$, 'MB415', 'quantity Infinity cannot be recorded', 'infinity'),
    ($$record_usage('m1', 'm-sum', 'x', '-Infinity', '2024-02-10Z', corrects => 'e1')$$, 'MB415', 'quantity -Infinity cannot be recorded', 'negative infinity'),
    ($$record_usage('m1', 'm-sum', 'x', 100000000000000000000, '2024-02-10Z')$$, 'MB415', 'quantity 100000000000000000000 cannot be recorded', '10^20'),
    ($$record_usage('m1', 'm-sum', 'x', 0.0000000000000000001, '2024-02-10Z')$$, 'MB415', 'quantity 0.0000000000000000001 cannot be recorded', '19 decimals'),
    ($$record_usage('m1', 'm-sum', 'x', NULL, '2024-02-10Z')$$, 'MB415', 'quantity null cannot be recorded', 'no quantity'),
    ($$record_usage('m1', 'm-sum', 'x', -1, '2024-02-10Z')$$, 'MB415', 'quantity -1 is negative', 'negative'),
    ($$record_usage('m1', 'm-latest', 'x', -1, '2024-02-10Z', corrects => 'e1')$$, 'MB415', 'quantity -1 is negative', 'a latest value has nothing to subtract'),
    ($$record_usage('m1', 'm-sum', 'x', -1, '2024-02-12Z', corrects => 'e1')$$, 'MB449', 'unknown event "e1" to correct', 'an event of another day'),
    ($$record_usage('m2', 'm-sum', 'x', -1, '2024-02-10Z', corrects => 'last')$$, 'MB449', 'unknown event "last" to correct', 'an event of another tenant'),
    ($$record_usage('m1', 'm-sum', 'x', -1, '2024-02-10Z', corrects => 'x')$$, 'MB400', 'event "x" cannot correct itself', 'itself'),
    ($$record_usage('m1', 'm-sum', '', 1, '2024-02-10Z')$$, 'MB400', 'event_id has 0 characters, not 1 to 255', 'an empty id'),
    ($$record_usage('m1', 'm-sum', repeat('é', 256), 1, '2024-02-10Z')$$, 'MB400', 'event_id has 256 characters, not 1 to 255', 'a long id'),
    ($$record_usage('m1', 'm-sum', NULL, 1, '2024-02-10Z')$$, 'MB400', 'tenant, meter and event_id must be given', 'no id'),
    ($$record_usage(NULL, 'm-sum', 'x', 1, '2024-02-10Z')$$, 'MB400', 'tenant, meter and event_id must be given', 'no tenant'),
    ($$record_usage('m1', 'm-sum', 'x', 1, 'infinity')$$, 'MB400', 'occurred_at infinity is not a time of the years 1 to 9999', 'at no time'),
    ($$record_usage('m1', 'm-sum', 'x', 1, '294276-12-31Z')$$, 'MB400', 'occurred_at 294276-12-31 00:00:00+00 is not a time of the years 1 to 9999', 'the last day there is'),
    ($$record_usage('m2', 'm-sum', 'x', 1, '2024-06-30Z')$$, 'MB424', 'table "usage_records" has no partition for 2024-06', 'a month not prepared'),
    ($$record_usage('[{"tenant":"m1","meter":"m-sum","event_id":"x","occurred_at":"2024-02-10Z"},{"tenant":"m1","meter":"m-sum","event_id":"x","occurred_at":"2024-02-10Z","quantity":"1.5"}]')$$,
     'MB409', 'event 1 of 2: event "x" was recorded with other content', 'one batch, one id, two contents'),
    ($$record_usage('[{"tenant":"m1","meter":"m-sum","event_id":"x","occurred_at":"2024-02-10Z","quantity":"NaN"},{"tenant":"m9","meter":"m-sum","event_id":"x"}]')$$,
     'MB415', 'event 0 of 2: quantity NaN cannot be recorded', 'the first of two'),
    ($$record_usage('[{"tenant":"m1","meter":"m-sum","event_id":"x","occurred_at":"2024-02-10Z","corrects":"y","quantity":-1},{"tenant":"m1","meter":"m-sum","event_id":"z","occurred_at":"2024-02-10Z"}]')$$,
     'MB449', 'event 0 of 2: unknown event "y" to correct', 'an event that is not in the batch either'),
    ($$record_usage('[{"tenant":"m1","meter":"m-sum","event_id":"x","quantity":"1,5"}]')$$, '22P02', 'invalid input syntax for type numeric: "1,5"', 'no number'),
    ($$record_usage('[{"tenant":"m1","meter":"m-sum","event_id":"x","attribution":[]}]')$$, 'MB400', 'event 0 of 1: field "attribution" must be an object', 'attribution is no object'),
    ($$record_usage('[null]')$$, 'MB400', 'event 0 of 1: it is not a JSON object', 'null'),
    ($$record_usage('[[]]')$$, 'MB400', 'event 0 of 1: it is not a JSON object', 'a list of lists'),
    ($$record_usage('null')$$, 'MB400', 'events must be a JSON array of objects', 'null as a whole'),
    ($$record_usage_arrays('{{m1},{m1}}', '{m-sum,m-sum}', '{x,y}', '{1,1}', NULL)$$, 'MB400', 'arrays of events must have one dimension', 'a matrix'),
    ($$record_usage_arrays(NULL, '{m-sum}', '{x}', '{1}', NULL)$$, 'MB400', 'the array of tenants is null', 'no tenants'),
    ($$record_usage_arrays('{m1}', NULL, '{x}', '{1}', '{2024-02-10Z}')$$, 'MB400', 'event 0 of 1: tenant, meter and event_id must be given', 'no meters')
) AS t (call, code, message, what) CROSS JOIN LATERAL pg_temp.refuses(call, code, message, what) AS r (line);

-- ---- many ----
SELECT is(billing.record_usage('[{"tenant":"m1","meter":"m-sum","event_id":"b1","occurred_at":"2024-02-20Z","quantity":3},
                                 {"tenant":"m1","meter":"m-sum","event_id":"b1","occurred_at":"2024-02-20Z","quantity":"3.0"},
                                 {"tenant":"m1","meter":"m-sum","event_id":"b2","occurred_at":"2024-02-20Z","quantity":-3,"corrects":"b1"},
                                 {"tenant":"m1","meter":"m-sum","event_id":"e1","occurred_at":"2024-02-10Z"}]'),
          2, 'repeated within the batch and before it: two are new');
SELECT is(billing.record_usage_arrays(array_agg('m' || 1 + i % 2), array_agg('m-sum'::text), array_agg('a' || i), array_agg(i), array_agg(timestamptz '2024-02-15Z' + i * interval '1 minute')), 5000, '5,000 by column')
  FROM generate_series(1, 5000) AS i;
SELECT is((SELECT sum(quantity) FROM billing.usage_records WHERE event_id ~ '^a[0-9]'), 12502500::numeric, 'sum to what was given');
SELECT is((SELECT count(*) FROM billing.usage_records u WHERE u.tableoid <> format('billing.usage_records_%s', to_char(u.usage_day, 'YYYY_MM'))::regclass), 0::bigint, 'each in its month');

-- ---- allocations: random windows cut by random accruals add up exactly ----
CREATE TEMP TABLE seed AS SELECT coalesce(nullif(current_setting('billing_test.seed', true), ''), (extract(epoch FROM clock_timestamp()) * 1000)::bigint::text) AS seed;
SELECT diag('seed ' || seed || ' (SET billing_test.seed to repeat)') FROM seed;
DO $$ BEGIN PERFORM setseed((seed::bigint % 1000003) / 1000003.0) FROM seed; END $$;
CREATE TEMP TABLE held AS
SELECT 'h' || i AS id, round((random() * 8 + 0.001)::numeric, 3) AS units, timestamptz '2024-02-10Z' + (random() * 86400e6)::bigint * interval '1 microsecond' AS opened,
       timestamptz '2024-02-11Z' + (random() * 86400e6 * 10)::bigint * interval '1 microsecond' AS closed FROM generate_series(1, 50) AS i;
SELECT ok(bool_and(billing.open_allocation('m1', id, 'm-sum', units, opened, '{"a":"gpu"}')), 'all open') FROM held;
DO $$ BEGIN PERFORM billing.accrue_allocations(timestamptz '2024-02-10Z' + n * interval '3 hours 7 minutes 0.000013 seconds') FROM generate_series(1, 7) AS n; END $$;
SELECT ok(bool_and(billing.close_allocation('m1', id, closed)), 'all close') FROM held;
SELECT is((SELECT sum(quantity) FROM billing.usage_records WHERE dimensions = '{"a":"gpu"}'), (SELECT sum(units * extract(epoch FROM closed - opened)) FROM held), 'units x seconds, to the microsecond');
SELECT is((SELECT count(*) FROM held h WHERE (SELECT sum(quantity) FROM billing.usage_records WHERE event_id LIKE h.id || '@%') <> h.units * extract(epoch FROM h.closed - h.opened)), 0::bigint, 'of each');
SELECT is((SELECT count(*) FROM (SELECT event_id, quantity, usage_day, occurred_at, lead(occurred_at) OVER (PARTITION BY split_part(event_id, '@', 1) ORDER BY occurred_at) AS next
                                   FROM billing.usage_records WHERE dimensions = '{"a":"gpu"}') AS s
            WHERE next < occurred_at OR occurred_at + (quantity / (SELECT units FROM held WHERE id = split_part(event_id, '@', 1)) * 1000000)::bigint * interval '1 microsecond' > (usage_day + 1)::timestamptz),
          0::bigint, 'no slice passes midnight');
SELECT ok(NOT bool_or(billing.close_allocation('m1', id, closed)), 'closing twice is nothing') FROM held;
SELECT is((SELECT count(*) FROM billing.usage_records WHERE event_id LIKE 'instant@%'), 0::bigint, 'opened and closed at once leaves no usage')
  FROM (SELECT billing.open_allocation('m1', 'instant', 'm-sum', opened_at => '2024-02-12Z'), billing.close_allocation('m1', 'instant', '2024-02-12Z')) AS s;

SELECT r.line FROM (VALUES
    ($$open_allocation('m1', 'h1', 'm-sum', 9)$$, 'MB409', 'allocation "h1" exists with other content', 'opened with other units'),
    ($$open_allocation('m1', '', 'm-sum')$$, 'MB400', 'allocation must have 1 to 200 characters, not all blank', 'an empty id'),
    ($$open_allocation('m1', 'x', 'm-count', opened_at => '2024-02-12Z')$$, 'MB400', 'meter "m-count" cannot take allocations', 'a meter that does not sum'),
    ($$open_allocation('m1', 'x', 'm-sum', 'NaN', '2024-02-12Z')$$, 'MB415', 'NaN units cannot be allocated', 'NaN units'),
    ($$open_allocation('m1', 'x', 'm-sum', 1e12, '2024-02-12Z')$$, 'MB415', '1000000000000 units cannot be allocated', 'too many units'),
    ($$open_allocation('m1', 'x', 'm-sum', 1, 'infinity')$$, 'MB417', 'day of opening infinity is not a day of the years 1 to 9999', 'at no time'),
    ($$open_allocation('m1', 'x', 'm-sum', 1, '2024-02-12Z', '{"x":"y"}')$$, 'MB419', 'dimensions {"x": "y"} are not those of meter "m-sum"', 'a key the meter has not'),
    ($$close_allocation('m2', 'h1')$$, 'MB447', 'unknown allocation "h1" of tenant "m2"', 'of another tenant'),
    ($$close_allocation('m1', 'instant', '2024-02-13Z')$$, 'MB409', 'allocation "instant" was closed at another time', 'closed before')
) AS t (call, code, message, what) CROSS JOIN LATERAL pg_temp.refuses(call, code, message, what) AS r (line);

-- ---- who may do what; nobody changes a row ----
SELECT throws_ok('SELECT * FROM billing.sync_counts()', 'MB427', 'counts cannot be synced in this transaction', 'no window in a transaction that has written');
SELECT throws_ok($$UPDATE billing.usage_records SET quantity = 0$$, 'MB423', NULL, 'usage is append-only');
SELECT billing.grant_tenant_role(session_user, 'm1', 'app') \g /dev/null
SET ROLE billing_app;
SELECT throws_ok($$INSERT INTO billing.usage_records (tenant_id, meter_id, event_id, occurred_at, quantity) VALUES ('m1', 'm-sum', 'x', '2024-02-10Z', 1)$$, '42501', NULL, 'an application writes through the functions');
SELECT is(billing.record_usage('m1', 'm-sum', 'app', 1, '2024-02-10Z'), true, 'which it may call');
SELECT throws_ok('SELECT billing.import_usage(''pg_class'')', '42501', NULL, 'it does not load');
SELECT throws_ok('SELECT * FROM billing.sync_counts()', '42501', NULL, 'nor sync');
SET ROLE billing_loader;
SELECT lives_ok($$INSERT INTO billing.usage_records (tenant_id, meter_id, event_id, occurred_at, quantity) VALUES ('m1', 'm-sum', 'loaded', '2024-02-10Z', 1)$$, 'the loader writes rows');
SELECT throws_ok($$INSERT INTO billing.usage_records (tenant_id, meter_id, event_id, occurred_at, quantity, log_xid) VALUES ('m1', 'm-sum', 'x', '2024-02-10Z', 1, '3')$$, '42501', NULL, 'but not their transaction id');
RESET ROLE;
-- A source is read with the caller's rights, so what is in it cannot act with the owner's.
CREATE TABLE public.taken (role name);
CREATE FUNCTION public.whoami() RETURNS text LANGUAGE plpgsql AS $$ BEGIN INSERT INTO public.taken VALUES (current_user); RETURN 'm1'; END $$;
CREATE VIEW public.trap AS SELECT public.whoami() AS tenant_id, 'm-sum'::text AS meter_id, 'trap'::text AS event_id, timestamptz '2024-02-10Z' AS occurred_at;
GRANT INSERT ON public.taken TO billing_loader;
GRANT SELECT ON public.trap TO billing_loader;
SET ROLE billing_loader;
SELECT is(billing.import_usage('public.trap')::text, '(1,0)', 'a view is imported');
RESET ROLE;
SELECT is((SELECT string_agg(DISTINCT role, ',') FROM public.taken), 'billing_loader', 'as the caller');

SELECT * FROM finish();
ROLLBACK;
