-- The ledger: random postings, repetitions and reversals against a plain table of sums. The seed is printed, and taken from psql's
-- variable seed when that is set.
\ir seed.psql
SELECT plan(36);
SELECT diag('ledger: seed ' || :'seed');
SELECT setseed(:seed) IS NOT NULL \g /dev/null
SELECT billing.ensure_partitions('2026-01-01', '2026-07-01') \g /dev/null
SELECT billing.create_currency('LEDGER_' || c, 'Ledger test', 2) FROM unnest('{A,B}'::text[]) AS c \g /dev/null
SELECT billing.create_account('ledger' || t, account => a) FROM generate_series(1, 3) AS t, unnest('{main,other}'::text[]) AS a \g /dev/null

-- The model: what each ledger account of each account should come to, debits less credits.
CREATE TEMP TABLE sums (tenant_id text, account_id text, currency text, ledger_account text, minor numeric, PRIMARY KEY (tenant_id, account_id, currency, ledger_account));
CREATE TEMP TABLE posted (n serial, tenant text, account text, currency text, entry_type text, minor bigint, day date, key text, entry_id uuid, reversal_id uuid);
CREATE FUNCTION pg_temp.add_up(p posted, sign integer) RETURNS void LANGUAGE sql AS $$
    INSERT INTO sums SELECT p.tenant, p.account, p.currency, s.ledger_account, s.side * sign * p.minor
      FROM billing.entry_types t, LATERAL (VALUES (t.debit_account, 1), (t.credit_account, -1)) AS s (ledger_account, side) WHERE t.entry_type = p.entry_type
    ON CONFLICT (tenant_id, account_id, currency, ledger_account) DO UPDATE SET minor = sums.minor + excluded.minor
$$;
CREATE FUNCTION pg_temp.post(p posted) RETURNS uuid LANGUAGE sql AS $$
    SELECT billing.post_entry(p.tenant, p.entry_type, p.minor, p.currency, p.account, 'n ' || p.n, p.day, p.key)
$$;
CREATE FUNCTION pg_temp.one_call() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    p posted;
BEGIN
    SELECT * INTO p FROM posted ORDER BY random() LIMIT 1;
    IF p.n IS NULL OR random() < 0.6 THEN
        INSERT INTO posted (tenant, account, currency, entry_type, minor, day, key)
        SELECT 'ledger' || 1 + floor(random() * 3)::integer, CASE WHEN random() < 0.5 THEN 'main' ELSE 'other' END, CASE WHEN random() < 0.5 THEN 'LEDGER_A' ELSE 'LEDGER_B' END,
               t.entry_type, 1 + floor(random() ^ 8 * 1e15)::bigint, date '2026-01-01' + floor(random() * 181)::integer, CASE WHEN random() < 0.5 THEN billing.uuid_v7()::text END
          FROM billing.entry_types t WHERE t.by_hand ORDER BY random() LIMIT 1
        RETURNING * INTO p;
        UPDATE posted SET entry_id = pg_temp.post(p) WHERE n = p.n;
        PERFORM pg_temp.add_up(p, 1);
    ELSIF p.key IS NOT NULL AND random() < 0.5 THEN
        IF pg_temp.post(p) <> p.entry_id THEN
            RAISE EXCEPTION 'repeated with its key, posting % is another entry', p.n;
        END IF;
    ELSE
        IF p.reversal_id IS NULL THEN
            PERFORM pg_temp.add_up(p, -1);
        END IF;
        UPDATE posted SET reversal_id = billing.reverse_entry(p.tenant, p.entry_id, 'reversed', p.day + floor(random() * 2)::integer - CASE p.day WHEN '2026-06-30' THEN 1 ELSE 0 END) WHERE n = p.n;
        IF p.reversal_id <> (SELECT reversal_id FROM posted WHERE n = p.n) THEN
            RAISE EXCEPTION 'reversed again, posting % has another reversal', p.n;
        END IF;
    END IF;
END
$$;
SELECT lives_ok($$ SELECT count(pg_temp.one_call()) FROM generate_series(1, 1500) $$, '1,500 postings, repetitions and reversals');
SELECT diag((SELECT format('%s entries, %s reversed', count(*), count(reversal_id)) FROM posted));

CREATE TEMP VIEW entries AS SELECT * FROM billing.ledger_entries WHERE tenant_id LIKE 'ledger_' AND currency LIKE 'LEDGER%';
SELECT is((SELECT count(*) FROM entries), (SELECT count(*) + count(reversal_id) FROM posted), 'one entry for each posting and one for each reversal');
SELECT set_eq('SELECT entry_id FROM entries', 'SELECT entry_id FROM posted UNION ALL SELECT reversal_id FROM posted WHERE reversal_id IS NOT NULL', 'and those that were returned');
SELECT bag_eq($$ SELECT tenant_id, account_id, currency, ledger_account, balance_minor::numeric FROM billing.balances WHERE currency LIKE 'LEDGER%' $$,
              'SELECT tenant_id, account_id, currency, ledger_account, minor FROM sums', 'balances are those of the model');
SELECT is_empty($$ SELECT s.* FROM sums s JOIN billing.ledger_accounts a USING (ledger_account)
                    WHERE billing.balance(s.tenant_id, s.currency, s.ledger_account, s.account_id) <> s.minor * CASE a.normal_side WHEN 'debit' THEN 1 ELSE -1 END $$,
                'balance() gives them on their normal side');
SELECT is_empty($$ SELECT currency FROM billing.trial_balance WHERE currency LIKE 'LEDGER%' GROUP BY 1 HAVING sum(debit_minor) <> sum(credit_minor) $$, 'debits are credits in each currency');
SELECT bag_eq($$ SELECT currency, ledger_account, debit_minor - credit_minor FROM billing.trial_balance WHERE currency LIKE 'LEDGER%' $$,
              $$ SELECT currency, ledger_account, sum(minor)::bigint FROM sums GROUP BY 1, 2 $$, 'the trial balance is the sum of the balances');
SELECT is_empty($$ SELECT e.entry_id FROM entries e JOIN billing.entry_types t USING (entry_type)
                    WHERE (e.debit_account, e.credit_account) <> CASE e.source WHEN 'hand' THEN (t.debit_account, t.credit_account) ELSE (t.credit_account, t.debit_account) END $$,
                'an entry moves money between the accounts of its type, a reversal back');
SELECT is_empty($$ SELECT e.entry_id FROM entries e LEFT JOIN entries o ON o.entry_id = e.source_id AND o.tenant_id = e.tenant_id
                    WHERE (o.amount_minor, o.currency, o.account_id, o.entry_type) IS DISTINCT FROM (e.amount_minor, e.currency, e.account_id, e.entry_type) OR o.source <> 'hand' $$,
                'and each names where it comes from');

-- Each refusal has its code, and leaves nothing.
SELECT throws_ok(format('SELECT billing.post_entry(%s)', v.arguments), v.code, NULL, v.what)
  FROM (VALUES ($$'ledger1', 'payment', 0, 'LEDGER_A'$$, 'MB400', 'an amount of 0'),
               ($$'ledger1', 'payment', -1, 'LEDGER_A'$$, 'MB400', 'a negative amount'),
               ($$'ledger1', 'payment', NULL, 'LEDGER_A'$$, 'MB400', 'no amount'),
               ($$NULL, 'payment', 1, 'LEDGER_A'$$, 'MB400', 'no tenant'),
               ($$'ledger1', NULL, 1, 'LEDGER_A'$$, 'MB400', 'no type'),
               ($$'ledger1', 'payment', 1, NULL$$, 'MB400', 'no currency'),
               ($$'ledger1', 'payment', 1, 'LEDGER_A', account => NULL$$, 'MB400', 'no account'),
               ($$'ledger1', 'payment', 1, 'LEDGER_A', idempotency_key => ''$$, 'MB400', 'an empty key'),
               ($$'ledger1', 'payment', 1, 'LEDGER_A', idempotency_key => repeat('k', 256)$$, 'MB400', 'a key that is too long'),
               ($$'ledger4', 'payment', 1, 'LEDGER_A'$$, 'MB440', 'an unknown tenant'),
               ($$'LEDGER1', 'payment', 1, 'LEDGER_A'$$, 'MB440', 'a tenant in other letters'),
               ($$'ledger1', 'payment', 1, 'LEDGER_A', account => 'third'$$, 'MB440', 'an unknown account'),
               ($$'ledger1', 'payment', 1, 'LEDGER_Z'$$, 'MB442', 'an unknown currency'),
               ($$'ledger1', 'invoice', 1, 'LEDGER_A'$$, 'MB451', 'a type that is not for people'),
               ($$'ledger1', 'gift', 1, 'LEDGER_A'$$, 'MB451', 'an unknown type'),
               ($$'ledger1', 'payment', 1, 'LEDGER_A', posted_on => '1999-12-31'$$, 'MB424', 'a month without partition'),
               ($$'ledger1', 'payment', 1, 'LEDGER_A', posted_on => 'infinity'$$, 'MB417', 'no day'),
               ($$'ledger1', 'payment', 1, 'LEDGER_A', posted_on => '-infinity'$$, 'MB417', 'no day either')) AS v (arguments, code, what);
SELECT throws_ok(format('SELECT billing.post_entry(%L, %L, %s, %L, %L, %L, %L, %L)', p.tenant, p.entry_type, p.minor + 1, p.currency, p.account, 'n ' || p.n, p.day, p.key), 'MB409', NULL, 'a key with another amount')
  FROM (SELECT * FROM posted WHERE key IS NOT NULL LIMIT 1) AS p;
SELECT throws_ok(format('SELECT billing.reverse_entry(%s)', v.arguments), v.code, NULL, v.what)
  FROM (SELECT * FROM posted WHERE reversal_id IS NULL LIMIT 1) AS p, (SELECT * FROM posted WHERE reversal_id IS NOT NULL LIMIT 1) AS r,
       LATERAL (VALUES (format('%L, billing.uuid_v7(), %L', p.tenant, 'x'), 'MB450', 'reversing what is not there'),
                       (format('%L, %L, %L', 'ledger4', p.entry_id, 'x'), 'MB450', 'reversing another tenant''s entry'),
                       (format('%L, %L, %L', r.tenant, r.reversal_id, 'x'), 'MB421', 'reversing a reversal'),
                       (format('%L, %L, %L', p.tenant, p.entry_id, ''), 'MB400', 'reversing without a reason'),
                       (format('%L, %L, %L, %L', p.tenant, p.entry_id, 'x', '1999-12-31'), 'MB424', 'reversing in a month without partition')) AS v (arguments, code, what);
SELECT is((SELECT count(*) FROM entries), (SELECT count(*) + count(reversal_id) FROM posted), 'nothing was written by what was refused');

-- The tables refuse what no call does, from their owner too.
SELECT throws_ok($$ UPDATE billing.ledger_entries SET memo = 'x' WHERE tenant_id = 'ledger1' $$, 'MB423', NULL, 'no UPDATE');
SELECT throws_ok($$ DELETE FROM billing.ledger_entries WHERE tenant_id = 'ledger1' $$, 'MB423', NULL, 'no DELETE');
SELECT * FROM finish();
ROLLBACK;
