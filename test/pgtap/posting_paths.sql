-- An entry by hand is written by the statement or without one: whatever is posted, both leave the same row or the same refusal.
-- A trigger of somebody's is what makes it the statement. Which of the two it was, a lock shows that only the statement keeps.
\ir seed.psql
SET timezone = 'UTC'; SET datestyle = ISO;
SELECT plan(12);
SELECT diag('posting_paths: seed ' || :'seed');
SELECT setseed(:seed) IS NOT NULL \g /dev/null
CREATE FUNCTION pg_temp.is_stated() RETURNS boolean LANGUAGE sql AS $$
SELECT EXISTS (SELECT FROM pg_locks WHERE relation = 'billing.entry_types'::regclass AND pid = pg_backend_pid()) $$;

DO $$ BEGIN
    PERFORM billing.ensure_partitions('2024-01-01', '2024-04-01');
    PERFORM billing.create_currency('PATHS', 'A unit of this test', 0);
    PERFORM billing.create_account('p1');
    PERFORM billing.create_account('p1', account => 'second');
    PERFORM billing.create_account(repeat('é', 200));
    PERFORM billing.post_entry('p1', 'payment', 7, 'PATHS', memo => 'used', posted_on => '2024-01-31', idempotency_key => 'used');
END $$;
CREATE TEMP TABLE used AS SELECT entry_id FROM billing.ledger_entries WHERE tenant_id = 'p1';

-- One of the first few, which are good, more often than of the others.
CREATE FUNCTION pg_temp.pick(VARIADIC choices text[]) RETURNS text LANGUAGE sql VOLATILE AS $$
SELECT choices[1 + floor(power(random(), 3) * cardinality(choices))::int] $$;
CREATE FUNCTION pg_temp.random_call() RETURNS text LANGUAGE sql VOLATILE AS $$
SELECT format('billing.post_entry(%L, %L, %L, %L, %L, %s, %L, %L)',
    pg_temp.pick('p1', 'p1', repeat('é', 200), 'p2', '4111111111111111', '', NULL),
    pg_temp.pick('payment', 'admin_credit', 'credit_applied', 'adjustment', 'refund', 'write_off', 'chargeback_debit', 'chargeback_reversal', 'usage', 'invoice_void', 'unknown', '', NULL),
    pg_temp.pick('1', '7', '9223372036854775807', '0', '-1', NULL),
    pg_temp.pick('EUR', 'PATHS', 'JPY', 'ZZZ', 'eur', '', NULL),
    pg_temp.pick('main', 'main', 'second', 'unknown', '4111-1111-1111-1111', NULL),
    pg_temp.pick('NULL', '''used''', '''''', '''ünïcode ☂''', 'repeat(''long '', 3000)', '(SELECT string_agg(sha256(n::text::bytea)::text, '''') FROM generate_series(1, 300) AS n)', '''card 4111111111111111'''),
    pg_temp.pick(NULL, '2024-01-31', '2024-02-01', '2024-02-29', '2024-03-31', '2024-04-01', '2031-01-01', '0044-03-15 BC', 'infinity', '-infinity'),
    pg_temp.pick(NULL, NULL, 'new', 'used', '4111111111111111')) $$;

-- What a call does, as text; it is undone. Of ids only which are the same; of every value also how long it is stored.
CREATE FUNCTION pg_temp.outcome(call text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE result uuid; rows text; state text; message text; detail text; hint text; BEGIN
    EXECUTE 'SELECT ' || call INTO result;
    SELECT string_agg((to_jsonb(e) - 'entry_id' - 'source_id' - 'memo'
                       || jsonb_build_object('is_own', e.source_id = e.entry_id, 'is_result', e.entry_id = result, 'was_there', e.entry_id IN (SELECT u.entry_id FROM used u),
                                             'memo', md5(e.memo), 'place', e.tableoid::regclass, 'row', pg_column_size(e.*), 'sizes', ARRAY[pg_column_size(e.tenant_id),
                                             pg_column_size(e.account_id), pg_column_size(e.entry_type), pg_column_size(e.debit_account), pg_column_size(e.credit_account),
                                             pg_column_size(e.currency), pg_column_size(e.source), pg_column_size(e.memo)]))::text, E'\n' ORDER BY e.posted_on, e.tenant_id, e.entry_id)
      INTO rows FROM billing.ledger_entries e WHERE e.log_xid = billing.log_xid();
    RAISE EXCEPTION USING ERRCODE = 'ZZ001', MESSAGE = 'posted', DETAIL = rows;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    RETURN concat_ws(E'\n', state, message, detail, hint);
END $$;

CREATE TEMP TABLE calls (call text, direct text, stated text);
INSERT INTO calls (call) SELECT pg_temp.random_call() FROM generate_series(1, 400);
UPDATE calls SET direct = pg_temp.outcome(call);
SELECT ok((SELECT count(*) FROM calls WHERE direct LIKE 'ZZ001%') BETWEEN 40 AND 360, 'some calls post, some are refused');
SELECT ok((SELECT count(DISTINCT left(direct, 5)) FROM calls) > 6, 'for many reasons');
CREATE FUNCTION public.notice_entry() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    PERFORM set_config('billing_test.noticed', (current_setting('billing_test.noticed')::int + 1)::text, false); RETURN NULL; END $$;
SAVEPOINT plain;
SELECT ok(billing.post_entry('p1', 'payment', 1, 'PATHS', posted_on => '2024-02-29') IS NOT NULL, 'an entry is posted');
SELECT is((SELECT array_agg(log_xid = billing.log_xid() AND posted_at = now()) FROM billing.ledger_entries WHERE tenant_id = 'p1' AND posted_on = '2024-02-29'), '{true}',
          'and seen by what follows in its transaction');
SELECT is(pg_temp.is_stated(), false, 'without a statement');

ROLLBACK TO plain;
SET billing_test.noticed = 0;
CREATE TRIGGER notice_entry AFTER INSERT ON billing.ledger_entries FOR EACH STATEMENT EXECUTE FUNCTION public.notice_entry();
UPDATE calls SET stated = pg_temp.outcome(call);
SELECT is((SELECT string_agg(format(E'%s\ndirect: %s\nstated: %s', call, direct, stated), E'\n') FROM (SELECT * FROM calls WHERE direct IS DISTINCT FROM stated LIMIT 3) AS c),
          NULL, 'both ways do the same');
SET billing_test.noticed = 0;
SELECT ok(billing.post_entry('p1', 'payment', 1, 'PATHS', posted_on => '2024-02-29') IS NOT NULL AND pg_temp.is_stated(), 'with a trigger it is the statement');
SELECT is(current_setting('billing_test.noticed'), '1', 'and the trigger sees it');

-- What somebody asks of one partition only, or of a table that is looked into.
ROLLBACK TO plain;
ALTER TABLE billing.ledger_entries_2024_02 ADD CONSTRAINT small CHECK (amount_minor < 5);
SELECT throws_ok($$SELECT billing.post_entry('p1', 'payment', 9, 'PATHS', posted_on => '2024-02-29')$$, '23514', NULL, 'another CHECK is kept');
ROLLBACK TO plain;
ALTER TABLE billing.ledger_entries_2024_02 ALTER memo SET NOT NULL;
SELECT throws_ok($$SELECT billing.post_entry('p1', 'payment', 9, 'PATHS', posted_on => '2024-02-29')$$, '23502', NULL, 'a column that must not be null is not');
ROLLBACK TO plain;
ALTER TABLE billing.ledger_entries_2024_02 ADD CONSTRAINT once EXCLUDE (amount_minor WITH =);
SELECT throws_ok($$SELECT billing.post_entry('p1', 'payment', 9, 'PATHS', posted_on => '2024-02-29') FROM generate_series(1, 2)$$, '23P01', NULL, 'an exclusion is kept');
ROLLBACK TO plain;
ALTER TABLE billing.accounts FORCE ROW LEVEL SECURITY;
SELECT throws_ok($$SELECT billing.post_entry('p1', 'payment', 9, 'PATHS', posted_on => '2024-02-29')$$, 'MB440', NULL, 'row security that is forced upon the owner holds');

SELECT * FROM finish();
ROLLBACK;
