-- Usage is written by the statement or without one: whatever is recorded, both leave the same rows or the same refusal.
-- A trigger of somebody's is what makes it the statement.
BEGIN;
SET timezone = 'UTC'; SET datestyle = ISO;
SELECT plan(7);

DO $$ BEGIN
    PERFORM billing.ensure_partitions('2024-01-01', '2024-04-01');
    PERFORM billing.create_meter('p-sum', unit => 'x', dimensions => '{a,b}');
    PERFORM billing.create_meter('p-max', unit => 'x', aggregation => 'max');
    PERFORM billing.create_plan('p-plan', currency => 'EUR');
    PERFORM billing.add_charge('p-plan', 'base', price => '{"model":"flat","amount":"1"}');
    PERFORM billing.publish_plan('p-plan');
    PERFORM billing.create_account('p1');
    PERFORM billing.create_account('p1', account => 'second');
    PERFORM billing.create_account('p2');
    PERFORM billing.subscribe('p1', plan => 'p-plan', starts => '2024-01-10', ends => '2024-02-10');
    PERFORM billing.subscribe('p1', plan => 'p-plan', starts => '2024-02-20');
    PERFORM billing.subscribe('p1', plan => 'p-plan', starts => '2024-02-10', account => 'second');
    PERFORM billing.record_usage('p1', 'p-sum', 'old', 1, '2024-01-15 12:00Z');
    PERFORM billing.record_usage('p1', 'p-max', 'old', 7.50, '2024-03-31 23:59:59Z', '{}', 'main', '{"app":"x"}', 'c');
END $$;

CREATE TEMP TABLE seed AS SELECT coalesce(nullif(current_setting('billing_test.seed', true), ''), (extract(epoch FROM clock_timestamp()) * 1000)::bigint::text) AS seed;
SELECT diag('seed ' || seed || ' (SET billing_test.seed to repeat)') FROM seed;
DO $$ BEGIN PERFORM setseed((seed::bigint % 1000003) / 1000003.0) FROM seed; END $$;

-- One of the first few, which are good, more often than of the others.
CREATE FUNCTION pg_temp.pick(VARIADIC choices text[]) RETURNS text LANGUAGE sql VOLATILE AS $$
SELECT choices[1 + floor(power(random(), 3) * cardinality(choices))::int] $$;
CREATE FUNCTION pg_temp.random_event() RETURNS jsonb LANGUAGE sql VOLATILE AS $$
SELECT jsonb_build_object(
    'tenant', pg_temp.pick('p1', 'p1', 'p2', 'unknown', NULL), 'meter', pg_temp.pick('p-sum', 'p-sum', 'p-max', 'unknown', NULL),
    'event_id', pg_temp.pick('new', 'old', 'other', 'e' || floor(random() * 3), '', repeat('é', 255), repeat('x', 256), '4111 1111 1111 1111', NULL),
    'quantity', pg_temp.pick('1', '7.5', '0.000000000000000001', '0', '-1', 'NaN', '1e20', '0.0000000000000000001', 'Infinity', NULL),
    'occurred_at', pg_temp.pick('2024-01-15 12:00Z', '2024-02-29 23:59:59.999999Z', '2024-03-31 23:59:59Z', '2024-02-15Z', '2024-01-09Z', '2031-01-01Z', '1970-01-01Z',
                                'infinity', '-infinity', '0044-03-15 BC', '200000-01-01', NULL),
    'dimensions', pg_temp.pick('{}', '{"a":"1"}', '{"b":"","a":"x"}', '{"c":"1"}', '{"a":1}', '[]', '"a"', '{"a":"4111111111111111"}', NULL)::jsonb,
    'account', pg_temp.pick('main', 'main', 'second', 'unknown', '4111111111111111', NULL),
    'attribution', pg_temp.pick(NULL, NULL, '{"app":"y"}', '[]', '{"card":"4111111111111111"}')::jsonb,
    'correlation_id', pg_temp.pick(NULL, NULL, 'c2', '4111-1111-1111-1111'), 'corrects', pg_temp.pick(NULL, NULL, NULL, 'old', 'new', 'unknown')) $$;

CREATE FUNCTION pg_temp.call_one(e jsonb) RETURNS text LANGUAGE sql AS $$
SELECT format('billing.record_usage(%L, %L, %L, %L::numeric, %L::timestamptz, %L::jsonb, %L, %L::jsonb, %L, %L)', e->>'tenant', e->>'meter', e->>'event_id', e->>'quantity', e->>'occurred_at',
              nullif(e->'dimensions', 'null'), e->>'account', nullif(e->'attribution', 'null'), e->>'correlation_id', e->>'corrects') $$;
CREATE FUNCTION pg_temp.call_arrays(events jsonb[]) RETURNS text LANGUAGE sql AS $$
SELECT format('billing.record_usage_arrays(%L, %L, %L, %L, %L, %L, %L)', array_agg(e->>'tenant'), array_agg(e->>'meter'), array_agg(e->>'event_id'), array_agg((e->>'quantity')::numeric),
              array_agg((e->>'occurred_at')::timestamptz), array_agg(nullif(e->'dimensions', 'null')), array_agg(e->>'account')) FROM unnest(events) AS e $$;
CREATE FUNCTION pg_temp.call_json(events jsonb[]) RETURNS text LANGUAGE sql AS $$
SELECT format('billing.record_usage(%L::jsonb)', to_jsonb(events)) $$;

-- What a call does, as text; it is undone.
CREATE FUNCTION pg_temp.outcome(call text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE result text; rows text; state text; message text; detail text; hint text; BEGIN
    EXECUTE 'SELECT ' || call INTO result;
    SELECT string_agg((to_jsonb(u) || jsonb_build_object('place', u.tableoid::regclass))::text, E'\n' ORDER BY u.usage_day, u.tenant_id, u.meter_id, u.event_id) INTO rows FROM billing.usage_records u;
    RAISE EXCEPTION USING ERRCODE = 'ZZ001', MESSAGE = coalesce(result, 'null'), DETAIL = rows;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    RETURN concat_ws(E'\n', state, message, detail, hint);
END $$;

CREATE TEMP TABLE calls (call text, direct text, stated text);
INSERT INTO calls (call) SELECT pg_temp.call_one(pg_temp.random_event()) FROM generate_series(1, 200);
-- A batch of random events is nearly always refused, so most are of good ones with at most one that may be bad.
CREATE TEMP TABLE batches AS
SELECT n, array_agg(CASE WHEN i = n % 11 THEN pg_temp.random_event()
                         ELSE jsonb_build_object('tenant', 'p1', 'meter', pg_temp.pick('p-sum', 'p-max'), 'event_id', 'e' || floor(random() * 30), 'quantity', '1', 'account', NULL,
                                                 'occurred_at', pg_temp.pick('2024-01-15 12:00Z', '2024-03-01Z', '2024-02-29 23:59:59.999999Z')) END) AS events
  FROM generate_series(1, 50) AS n, generate_series(1, 8) AS i GROUP BY n;
INSERT INTO calls (call) SELECT pg_temp.call_arrays(events) FROM batches UNION ALL SELECT pg_temp.call_json(events) FROM batches;

UPDATE calls SET direct = pg_temp.outcome(call);
SELECT ok((SELECT count(*) FROM calls WHERE direct LIKE 'ZZ001%') BETWEEN 10 AND 290, 'some calls record, some are refused');
SELECT ok((SELECT count(DISTINCT left(direct, 5)) FROM calls) > 6, 'for many reasons');

CREATE FUNCTION public.notice_usage() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    PERFORM set_config('billing_test.noticed', (current_setting('billing_test.noticed')::int + 1)::text, false); RETURN NULL; END $$;
SET billing_test.noticed = 0;
SAVEPOINT triggered;
CREATE TRIGGER notice_usage AFTER INSERT ON billing.usage_records FOR EACH STATEMENT EXECUTE FUNCTION public.notice_usage();
UPDATE calls SET stated = pg_temp.outcome(call);
SELECT is((SELECT string_agg(format(E'%s\ndirect: %s\nstated: %s', call, direct, stated), E'\n') FROM (SELECT * FROM calls WHERE direct IS DISTINCT FROM stated LIMIT 3) AS c),
          NULL, 'both ways do the same');
SELECT ok(billing.record_usage('p1', 'p-sum', 'noticed', 1, '2024-01-15Z'), 'with a trigger an event is recorded');
SELECT is(current_setting('billing_test.noticed'), '1', 'and the trigger sees it');

-- A CHECK or a row trigger of somebody's on one partition only.
ROLLBACK TO triggered;
ALTER TABLE billing.usage_records_2024_02 ADD CONSTRAINT small CHECK (quantity < 5);
SELECT throws_ok($$SELECT billing.record_usage_arrays('{p1,p1}', '{p-sum,p-sum}', '{one,two}', '{1,9}', '{2024-01-15Z,2024-02-25Z}')$$, '23514', NULL, 'another CHECK is kept too');
SELECT is((SELECT (billing.record_usage_arrays('{p1,p1,p1}', '{p-sum,p-sum,p-sum}', '{one,two,three}', '{1,2,3}', '{2024-01-15Z,2024-02-25Z,2024-03-01Z}'))), 3,
          'a batch is recorded once, some of it without the statement');

SELECT * FROM finish();
ROLLBACK;
