-- Posting by hand, reversal, balances. Two currencies of this test's own, so that the trial balance is its own too.
SET timezone = 'UTC'; SET datestyle = ISO;
\set SHOW_CONTEXT never
\set ON_ERROR_ROLLBACK on
BEGIN;
SELECT billing.ensure_partitions('2026-01-01', '2026-03-01') IS NOT NULL AS ready;
SELECT billing.create_currency('LEDGER_A', 'Ledger test', 2), billing.create_currency('LEDGER_B', 'Ledger test', 0);
SELECT billing.create_account('acme', name => 'Acme'), billing.create_account('acme', name => 'Acme', account => 'second'), billing.create_account('bolt');
CREATE VIEW pg_temp.entries AS
SELECT e.posted_on, e.tenant_id, e.account_id, e.entry_type, e.debit_account, e.credit_account, e.amount_minor, e.currency, e.source,
       e.source_id = e.entry_id AS is_its_source, e.memo
  FROM billing.ledger_entries e WHERE e.currency LIKE 'LEDGER%' ORDER BY e.entry_id;

-- Each type that may be posted by hand moves money between its pair of accounts; the others are refused.
SELECT entry_type, debit_account, credit_account FROM billing.entry_types WHERE by_hand ORDER BY entry_type;
SELECT count(billing.post_entry('acme', entry_type, 100 * n, 'LEDGER_A', posted_on => '2026-01-31', memo => 'entry ' || n)) AS posted
  FROM (SELECT entry_type, row_number() OVER (ORDER BY entry_type) AS n FROM billing.entry_types WHERE by_hand) AS t;
SELECT * FROM pg_temp.entries;

-- By hand: receivable 100 charged - 500 credit applied - 600 paid - 800 given up = -1800; cash 400 won back + 600 paid - 300 taken
-- back - 700 refunded = 0; customer_credit 200 granted - 500 applied = -300; disputes 300 - 400 = -100. All together 3600.
SELECT ledger_account, debit_minor, credit_minor, balance_minor FROM billing.trial_balance WHERE currency = 'LEDGER_A';
SELECT sum(debit_minor) AS debits, sum(credit_minor) AS credits FROM billing.trial_balance WHERE currency = 'LEDGER_A';
SELECT a.ledger_account, billing.balance('acme', 'LEDGER_A', a.ledger_account) AS balance FROM billing.ledger_accounts a
 WHERE billing.balance('acme', 'LEDGER_A', a.ledger_account) <> 0 ORDER BY 1;
SELECT billing.balance('acme', 'LEDGER_A') AS receivable, billing.balance('acme', 'LEDGER_A', account => 'second') AS of_another_account,
       billing.balance('acme', 'LEDGER_B') AS in_another_currency, billing.balance('nobody', 'LEDGER_A') AS of_nobody,
       billing.balance('acme', 'LEDGER_A', 'pocket') AS of_no_ledger_account;

-- The largest amount there is.
SELECT billing.post_entry('bolt', 'adjustment', 9223372036854775807, 'LEDGER_B', posted_on => '2026-02-28') IS NOT NULL AS posted;
SELECT billing.balance('bolt', 'LEDGER_B');

-- Idempotency: the same call with the same key is the same entry; with any other argument it is refused; a key is the tenant's own.
SELECT billing.post_entry('bolt', 'payment', 7, 'LEDGER_A', posted_on => '2026-02-01', memo => 'wire', idempotency_key => 'k') AS first \gset
SELECT billing.post_entry('bolt', 'payment', 7, 'LEDGER_A', posted_on => '2026-02-01', memo => 'wire', idempotency_key => 'k') = :'first' AS same;
SELECT billing.post_entry('acme', 'payment', 7, 'LEDGER_A', posted_on => '2026-02-01', memo => 'wire', idempotency_key => 'k') <> :'first' AS of_another_tenant;
\set VERBOSITY terse
SELECT billing.post_entry('bolt', 'payment', 8, 'LEDGER_A', posted_on => '2026-02-01', memo => 'wire', idempotency_key => 'k');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.post_entry('bolt', 'payment', 7, 'LEDGER_A', posted_on => '2026-02-02', memo => 'wire', idempotency_key => 'k');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.post_entry('bolt', 'payment', 7, 'LEDGER_A', posted_on => '2026-02-01', idempotency_key => 'k');
\echo :LAST_ERROR_SQLSTATE
-- A day that was not given is not part of the request: repeated after midnight it is the same one.
SELECT billing.post_entry('bolt', 'payment', 7, 'LEDGER_A', idempotency_key => 'today') AS today \gset
SELECT billing.post_entry('bolt', 'payment', 7, 'LEDGER_A', idempotency_key => 'today') = :'today' AS same;
SELECT billing.post_entry('bolt', 'payment', 7, 'LEDGER_A', posted_on => (now() AT TIME ZONE 'UTC')::date, idempotency_key => 'today');
\echo :LAST_ERROR_SQLSTATE
\set VERBOSITY default
SELECT count(*) FROM pg_temp.entries WHERE tenant_id = 'bolt' AND currency = 'LEDGER_A';
SELECT operation, idempotency_key, response ->> 'entry_id' = :'first' AS keeps_the_answer FROM billing.idempotency_keys WHERE tenant_id = 'bolt' AND idempotency_key = 'k';
SELECT billing.post_entry('bolt', 'payment', 7, 'LEDGER_A', idempotency_key => '');
\echo :LAST_ERROR_SQLSTATE
-- A refused call does not spend its key.
SELECT billing.post_entry('bolt', 'gift', 7, 'LEDGER_A', posted_on => '2026-02-01', idempotency_key => 'again');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.post_entry('bolt', 'payment', 7, 'LEDGER_A', posted_on => '2026-02-01', idempotency_key => 'again') IS NOT NULL AS posted;

-- Refused, and nothing written.
SELECT count(*) AS entries FROM pg_temp.entries \gset before_
SELECT billing.post_entry('bolt', 'payment', 0, 'LEDGER_A');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.post_entry('bolt', 'payment', -5, 'LEDGER_A');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.post_entry('bolt', 'payment', NULL, 'LEDGER_A');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.post_entry('nobody', 'payment', 1, 'LEDGER_A');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.post_entry('bolt', 'payment', 1, 'LEDGER_A', account => 'second');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.post_entry('bolt', 'payment', 1, 'LEDGER_C');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.post_entry('bolt', 'gift', 1, 'LEDGER_A');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.post_entry('bolt', 'usage', 1, 'LEDGER_A');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.post_entry('bolt', 'payment', 1, 'LEDGER_A', posted_on => '1999-12-31');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.post_entry('bolt', 'payment', 1, 'LEDGER_A', posted_on => 'infinity');
\echo :LAST_ERROR_SQLSTATE
SELECT count(*) - :before_entries AS written FROM pg_temp.entries;

-- Reversal: the other way round, once.
SELECT billing.reverse_entry('bolt', :'first', 'wrong customer', posted_on => '2026-02-03') AS reversal \gset
SELECT billing.reverse_entry('bolt', :'first', 'wrong customer', posted_on => '2026-02-04') = :'reversal' AS same;
SELECT e.posted_on, e.entry_type, e.debit_account, e.credit_account, e.amount_minor, e.source, e.source_id = :'first' AS names_it, e.memo
  FROM billing.ledger_entries e WHERE e.tenant_id = 'bolt' AND e.source = 'reversal';
-- Left over: the payments 'today' and 'again'.
SELECT billing.balance('bolt', 'LEDGER_A', 'cash') AS cash, billing.balance('bolt', 'LEDGER_A') AS receivable;
\set VERBOSITY sqlstate
SELECT billing.reverse_entry('bolt', :'reversal', 'undo');
SELECT billing.reverse_entry('acme', :'first', 'of another tenant');
SELECT billing.reverse_entry('bolt', '00000000-0000-8000-8000-000000000000', 'missing');
SELECT billing.reverse_entry('bolt', NULL, 'null');
SELECT billing.reverse_entry('bolt', :'today', NULL);
SELECT billing.reverse_entry('bolt', :'today', 'month', posted_on => '1999-12-31');
SELECT billing.reverse_entry('bolt', :'today', 'day', posted_on => 'infinity');
\set VERBOSITY default

-- What rating posted is not undone by hand.
SELECT billing.create_plan('ledger', currency => 'LEDGER_B'), billing.add_charge('ledger', 'fee', price => '{"model":"flat","amount":"30"}', in_advance => true);
SELECT billing.publish_plan('ledger') IS NOT NULL AS published;
SELECT billing.subscribe('acme', plan => 'ledger', starts => '2026-01-01', ends => '2026-02-01') IS NOT NULL AS subscribed;
SELECT billing.rate_batch('2026-01-01', 'acme', 'acme');
SELECT posted_on, entry_type, debit_account, credit_account, amount_minor, source FROM pg_temp.entries WHERE source = 'rated_line';
DO $$
BEGIN
    PERFORM billing.reverse_entry('acme', (SELECT entry_id FROM billing.ledger_entries WHERE tenant_id = 'acme' AND currency = 'LEDGER_B'), 'no');
EXCEPTION WHEN SQLSTATE 'MB421' THEN
    RAISE NOTICE '%', regexp_replace(SQLERRM, '[0-9a-f]{8}-[0-9a-f-]{27}', 'ID');
END
$$;

-- The whole again: debits are credits, in each currency, and the balances of accounts add up to the trial balance.
SELECT currency, sum(debit_minor) = sum(credit_minor) AS balanced FROM billing.trial_balance WHERE currency LIKE 'LEDGER%' GROUP BY currency ORDER BY currency;
SELECT currency, ledger_account, sum(debit_minor) AS debit_minor, sum(credit_minor) AS credit_minor FROM billing.balances WHERE currency LIKE 'LEDGER%' GROUP BY 1, 2
EXCEPT SELECT currency, ledger_account, debit_minor, credit_minor FROM billing.trial_balance;
ROLLBACK;
