-- Invoices: drafts, finalization, numbers, corrections, voids. In a database of its own, because syncing counts and run_invoices()
-- need transactions of their own. Every figure is worked out in the comment above it from the price and the quantity.
SET client_min_messages = warning;
\set home :DBNAME
DROP DATABASE IF EXISTS regress_billing_invoicing;
CREATE DATABASE regress_billing_invoicing TEMPLATE template0 ENCODING 'UTF8';
\c regress_billing_invoicing
SET timezone = 'UTC'; SET datestyle = ISO; SET client_min_messages = warning;
\set SHOW_CONTEXT never
CREATE EXTENSION billing;
SELECT billing.install() \g /dev/null
SELECT billing.ensure_partitions('2025-12-01', '2026-09-01') \g /dev/null

CREATE VIEW pg_temp.invoices AS
SELECT i.tenant_id, i.invoice_date AS dated, i.attempt AS try, i.status, i.number, i.period_start, i.period_end, i.line_count AS lines, i.total_minor, i.due_date
  FROM billing.invoices i ORDER BY i.tenant_id, i.invoice_date, i.attempt;
CREATE VIEW pg_temp.lines AS
SELECT l.tenant_id, l.invoice_date AS dated, l.line_no AS no, l.charge_id, l.period_start, l.period_end, l.share_days || '/' || l.share_of_days AS share,
       l.quantity, l.rated_minor, l.billed_minor, l.amount_minor, l.is_correction
  FROM billing.invoice_lines l JOIN billing.invoices i USING (invoice_date, tenant_id, invoice_id) ORDER BY l.tenant_id, l.invoice_date, i.attempt, l.line_no;
CREATE VIEW pg_temp.entries AS
SELECT e.tenant_id, e.posted_on, e.entry_type, e.debit_account, e.credit_account, e.amount_minor, e.memo
  FROM billing.ledger_entries e WHERE e.source = 'invoice' ORDER BY e.tenant_id, e.posted_on, e.entry_type, e.memo;
CREATE FUNCTION pg_temp.use(tenant text, day date, quantity numeric, name text DEFAULT '', corrects text DEFAULT NULL) RETURNS boolean LANGUAGE sql
AS $$ SELECT billing.record_usage(tenant, 'calls', event_id => day || name, quantity => quantity, occurred_at => day + time '12:00', corrects => corrects) $$;
CREATE FUNCTION pg_temp.buy(tenant text, plan text, starts date, seller text DEFAULT 'default', ends date DEFAULT NULL) RETURNS uuid LANGUAGE plpgsql AS $$
BEGIN
    PERFORM billing.create_account(tenant, name => initcap(tenant) || ' Ltd', legal_entity => seller);
    RETURN billing.subscribe(tenant, plan, starts, ends => ends);
END
$$;
-- What a run does to one tenant: revisions, invoices, lines, finalized.
CREATE FUNCTION pg_temp.bill(due_by date, tenant text, finalize boolean DEFAULT false) RETURNS text LANGUAGE sql
AS $$ SELECT format('%s revisions, %s invoices, %s lines, %s finalized', b.revisions, b.invoices, b.lines, b.finalized) FROM billing.invoice_batch(due_by, tenant, tenant, billing.uuid_v7(), finalize) AS b $$;
CREATE FUNCTION pg_temp.id(tenant text, dated date, attempt integer DEFAULT 1) RETURNS text LANGUAGE sql
AS $$ SELECT i.invoice_id::text FROM billing.invoices i WHERE i.tenant_id = tenant AND i.invoice_date = dated AND i.attempt = id.attempt $$;

SELECT billing.create_meter('calls', unit => 'call');
SELECT billing.create_legal_entity('de', 'Billing GmbH', country => 'DE', invoice_series => 'RE', payment_days => 14);
SELECT billing.create_plan('pro', currency => 'EUR'), billing.add_charge('pro', 'base', name => 'Base fee', price => '{"model":"flat","amount":"49"}', in_advance => true),
       billing.add_charge('pro', 'support', name => 'Support', price => '{"model":"flat","amount":"10"}'),
       billing.add_charge('pro', 'calls', name => 'Calls', meter => 'calls', price => '{"model":"graduated","tiers":[{"up_to":"1000","unit":"0"},{"up_to":null,"unit":"0.01"}]}');
SELECT billing.create_plan('metered', currency => 'EUR'), billing.add_charge('metered', 'calls', name => 'Calls', meter => 'calls', price => '{"model":"unit","unit":"0.10"}');
SELECT (billing.publish_plan(p)).version FROM unnest('{pro,metered}'::text[]) AS p;

-- In advance and in arrears: from 15 January, 17 of 31 days of 49.00 on that day, 26.87; on 1 February 17/31 of 10.00 for January,
-- 5.48, its 1500 calls less 1000 free at 0.01, 5.00, and February's 49.00: 59.48.
SELECT pg_temp.buy('acme', 'pro', '2026-01-15') IS NOT NULL AS bought, pg_temp.use('acme', '2026-01-20', 1500);
SELECT rows_counted FROM billing.sync_counts();
SELECT pg_temp.bill('2026-01-14', 'acme') AS before, pg_temp.bill('2026-01-15', 'acme') AS first_day, pg_temp.bill('2026-01-31', 'acme') AS last_day, pg_temp.bill('2026-02-01', 'acme') AS day_after;
SELECT * FROM pg_temp.invoices WHERE tenant_id = 'acme';
SELECT * FROM pg_temp.lines WHERE tenant_id = 'acme';
-- Drafts are not posted and have no number; a run that finds the same leaves them alone.
SELECT count(*) FROM pg_temp.entries;
SELECT pg_temp.bill('2026-02-01', 'acme') AS again;
-- 200 more calls of January before it is finalized: the draft is remade under its id, 7.00 instead of 5.00, 61.48.
SELECT pg_temp.id('acme', '2026-02-01') AS february, pg_temp.id('acme', '2026-01-15') AS january \gset
SELECT pg_temp.use('acme', '2026-01-25', 200);
SELECT rows_counted FROM billing.sync_counts();
SELECT pg_temp.bill('2026-02-01', 'acme');
SELECT pg_temp.id('acme', '2026-02-01') = :'february' AS same_id, total_minor FROM pg_temp.invoices WHERE tenant_id = 'acme' AND dated = '2026-02-01';
SELECT sequence, from_status, to_status, total_minor FROM billing.invoice_events WHERE invoice_id = :'february' ORDER BY sequence;
SELECT count(*), count(DISTINCT run_id) AS runs, count(DISTINCT replay_id) AS calls FROM billing.invoice_runs WHERE invoice_id = :'february';

-- Finalizing goes by date: the number would be out of order, and what an earlier draft bills could be lost.
\set VERBOSITY sqlstate
SELECT billing.finalize_invoice(:'february') IS NULL AS numbered;
\set VERBOSITY default
SELECT billing.finalize_invoice(:'january'), billing.finalize_invoice(:'february', 'acme') AS next, billing.finalize_invoice(:'february') AS again, billing.finalize_invoice('INV-2026-000002') AS by_number;
SELECT * FROM pg_temp.invoices WHERE tenant_id = 'acme';
SELECT * FROM pg_temp.entries;
SELECT ledger_account, balance_minor FROM billing.balances WHERE tenant_id = 'acme' ORDER BY 1;

-- Usage after that is a correction on the next invoice, naming its period: 300 calls of 31 January make 2000 - 1000 at 0.01 =
-- 10.00, of which 7.00 was billed. The run of 10 February has nothing to put it on; that of 1 March has: 10.00 support, 15.00 for
-- 2500 calls, 49.00 for March and 3.00, 77.00.
SELECT pg_temp.use('acme', '2026-01-31', 300), pg_temp.use('acme', '2026-02-10', 2500);
SELECT rows_counted FROM billing.sync_counts();
SELECT pg_temp.bill('2026-02-10', 'acme') AS too_early, pg_temp.bill('2026-03-01', 'acme') AS in_march;
SELECT * FROM pg_temp.lines WHERE tenant_id = 'acme' AND dated = '2026-03-01';
-- The preview is what the run makes: here, what is there. It leaves nothing, and so does one of a month to come.
SELECT (SELECT jsonb_agg(billing.invoice_document(invoice_id::text) ORDER BY invoice_date) FROM billing.invoices WHERE tenant_id = 'acme' AND status = 'draft') = billing.preview_invoices('acme', '2026-03-01') AS same;
SELECT (SELECT count(*) FROM billing.invoices) AS invoices, (SELECT count(*) FROM billing.rated_lines) AS lines, (SELECT count(*) FROM billing.ledger_entries) AS entries, (SELECT count(*) FROM billing.invoice_events) AS events \gset before_
CREATE TEMP TABLE previewed AS SELECT billing.preview_invoices('acme', '2026-05-01') AS documents;
SELECT d ->> 'invoice_date' AS dated, d ->> 'status' AS status, d ->> 'total' AS total, jsonb_array_length(d -> 'lines') AS lines FROM previewed, jsonb_array_elements(documents) AS d;
SELECT (SELECT count(*) FROM billing.invoices) - :before_invoices AS invoices, (SELECT count(*) FROM billing.rated_lines) - :before_lines AS lines, (SELECT count(*) FROM billing.ledger_entries) - :before_entries AS entries,
       (SELECT count(*) FROM billing.invoice_events) - :before_events AS events;
SELECT pg_temp.bill('2026-05-01', 'acme') AS run;
SELECT (SELECT jsonb_agg(billing.invoice_document(invoice_id::text) ORDER BY invoice_date) FROM billing.invoices WHERE tenant_id = 'acme' AND status = 'draft') = documents AS same FROM previewed;
SELECT billing.preview_invoices('nobody', '2026-05-01');
-- One that fails leaves nothing open in whoever catches it: not a subtransaction, nor the function's own search_path.
DO $$ BEGIN
    PERFORM billing.preview_invoices('acme', '5874897-12-31');
EXCEPTION WHEN OTHERS THEN
    RAISE WARNING '%: %; search_path is %', SQLSTATE, SQLERRM, current_setting('search_path');
END $$;
SHOW search_path;

-- The page, to be checked by hand, and the document.
SELECT billing.finalize_batch('2026-03-01', 'acme', 'acme') AS finalized;
SELECT * FROM billing.show_invoice('INV-2026-000003');
SELECT jsonb_pretty(d - 'lines' - 'invoice_id') AS head, jsonb_pretty((d #> '{lines,2}') - '{subscription,rated_line}'::text[]) AS third_line FROM billing.invoice_document('INV-2026-000003', 'acme') AS d;
SELECT count(*) FROM pg_temp.invoices WHERE tenant_id = 'acme' AND status = 'draft';

-- The same in one go: five months, caught up in one run and finalized. Each month's 1000 calls at 0.10 are 100.00; April has none
-- and no invoice.
SELECT pg_temp.buy('bolt', 'metered', '2026-01-01', 'de') IS NOT NULL AS bought;
SELECT count(pg_temp.use('bolt', day::date, 500)) FROM unnest('{2026-01-01,2026-01-31,2026-02-01,2026-02-28,2026-03-15,2026-03-16,2026-05-01,2026-05-31}'::date[]) AS day;
SELECT rows_counted FROM billing.sync_counts();
SELECT pg_temp.bill('2026-06-01', 'bolt', true), pg_temp.bill('2026-06-01', 'bolt', true) AS again;
SELECT * FROM pg_temp.invoices WHERE tenant_id = 'bolt';
SELECT series, last_number FROM billing.number_series ORDER BY 1;

-- Numbers are gapless per seller and year: a finalization rolled back gives its number back, and another year begins at 1.
SELECT pg_temp.buy('crest', 'metered', '2025-12-01', 'de') IS NOT NULL AS bought, pg_temp.use('crest', '2025-12-15', 10), pg_temp.use('crest', '2026-01-15', 20);
SELECT rows_counted FROM billing.sync_counts();
SELECT pg_temp.bill('2025-12-31', 'crest') AS none, pg_temp.bill('2026-02-01', 'crest');
BEGIN;
SELECT billing.finalize_batch('2026-02-01', 'crest', 'crest');
SELECT number FROM pg_temp.invoices WHERE tenant_id = 'crest';
ROLLBACK;
SELECT billing.finalize_batch('2026-02-01', 'crest', 'crest');
SELECT dated, number, total_minor FROM pg_temp.invoices WHERE tenant_id = 'crest';
SELECT n.legal_entity_id, n.series, n.last_number, count(*) = n.last_number AND min(right(i.number, 6))::bigint = 1 AND max(right(i.number, 6))::bigint = n.last_number AND count(DISTINCT i.number) = n.last_number AS gapless
  FROM billing.number_series n JOIN billing.invoices i ON i.legal_entity_id = n.legal_entity_id AND i.number LIKE n.series || '-%' GROUP BY 1, 2, 3 ORDER BY 1, 2;
SELECT billing.create_plan('old', currency => 'EUR'), billing.add_charge('old', 'fee', price => '{"model":"flat","amount":"1"}', in_advance => true), (billing.publish_plan('old')).version;
SELECT pg_temp.buy('dune', 'old', '2025-12-01', 'de', ends => '2026-02-01') IS NOT NULL AS bought, pg_temp.bill('2026-02-01', 'dune', true);
SELECT dated, number, total_minor FROM pg_temp.invoices WHERE tenant_id = 'dune';

-- Voiding the last invoice: its lines are billed again on the same day, as the second attempt, under the next number.
SELECT number AS march FROM pg_temp.invoices WHERE tenant_id = 'bolt' AND dated = '2026-04-01' \gset
SELECT number AS may FROM pg_temp.invoices WHERE tenant_id = 'bolt' AND dated = '2026-06-01' \gset
SELECT billing.void_invoice(:'may', 'wrong address', 'bolt');
SELECT ledger_account, balance_minor FROM billing.balances WHERE tenant_id = 'bolt' ORDER BY 1;
SELECT pg_temp.bill('2026-06-02', 'bolt', true);
SELECT dated, try, status, number, total_minor FROM pg_temp.invoices WHERE tenant_id = 'bolt';
-- Voiding an earlier one: its lines wait for the next, of 1 July, where they are no correction: 100.00 for March, 1.00 for June.
SELECT billing.void_invoice(:'march', 'wrong month');
SELECT pg_temp.bill('2026-06-15', 'bolt', true) AS waits, pg_temp.use('bolt', '2026-06-15', 10);
SELECT rows_counted FROM billing.sync_counts();
SELECT pg_temp.bill('2026-07-01', 'bolt', true), pg_temp.bill('2026-07-01', 'bolt', true) AS again;
SELECT dated, try, status, number, period_start, period_end, total_minor FROM pg_temp.invoices WHERE tenant_id = 'bolt';
SELECT dated, no, period_start, period_end, quantity, rated_minor, billed_minor, amount_minor, is_correction FROM pg_temp.lines WHERE tenant_id = 'bolt' AND dated >= '2026-04-01';
SELECT posted_on = (now() AT TIME ZONE 'UTC')::date AS today, entry_type, debit_account, credit_account, amount_minor, memo FROM pg_temp.entries WHERE tenant_id = 'bolt' AND entry_type LIKE '%void';
SELECT ledger_account, balance_minor FROM billing.balances WHERE tenant_id = 'bolt' ORDER BY 1;

-- A negative invoice: of January's 1000 calls at 0.10 900 are taken back after it was billed, and February has 10: 1.00 - 90.00.
SELECT pg_temp.buy('echo', 'metered', '2026-01-01') IS NOT NULL AS bought, pg_temp.use('echo', '2026-01-10', 1000), pg_temp.use('echo', '2026-02-10', 10);
SELECT rows_counted FROM billing.sync_counts();
SELECT pg_temp.bill('2026-02-01', 'echo', true);
SELECT pg_temp.use('echo', '2026-01-10', -900, ' less', corrects => '2026-01-10');
SELECT rows_counted FROM billing.sync_counts();
SELECT pg_temp.bill('2026-03-01', 'echo', true);
SELECT dated, number, period_start, period_end, lines, total_minor FROM pg_temp.invoices WHERE tenant_id = 'echo';
SELECT dated, no, period_start, period_end, quantity, rated_minor, billed_minor, amount_minor, is_correction FROM pg_temp.lines WHERE tenant_id = 'echo';
SELECT entry_type, debit_account, credit_account, amount_minor FROM pg_temp.entries WHERE tenant_id = 'echo';
SELECT billing.balance('echo', 'EUR') AS receivable, billing.balance('echo', 'EUR', 'unbilled_receivable') AS unbilled;
SELECT * FROM billing.show_invoice((SELECT number FROM pg_temp.invoices WHERE tenant_id = 'echo' AND dated = '2026-03-01'));
-- Voided, the credit is taken back too, and billed again.
SELECT billing.void_invoice((SELECT number FROM pg_temp.invoices WHERE tenant_id = 'echo' AND dated = '2026-03-01'), 'again');
SELECT billing.balance('echo', 'EUR') AS receivable, billing.balance('echo', 'EUR', 'unbilled_receivable') AS unbilled;
SELECT pg_temp.bill('2026-03-01', 'echo', true);
SELECT billing.balance('echo', 'EUR') AS receivable, billing.balance('echo', 'EUR', 'unbilled_receivable') AS unbilled;

-- A correction that was rated on the way, on 10 February, and billed in March with 10 calls of February: 1.00 + 2.00 for 20 more of
-- January. The March invoice is voided after April's (1.00): both lines come back, on 1 May.
SELECT pg_temp.buy('jade', 'metered', '2026-01-01') IS NOT NULL AS bought;
SELECT count(pg_temp.use('jade', day::date, 10)) AS used FROM unnest('{2026-01-10,2026-02-09,2026-03-09}'::date[]) AS day;
SELECT rows_counted FROM billing.sync_counts();
SELECT pg_temp.bill('2026-02-01', 'jade', true), pg_temp.use('jade', '2026-01-11', 20);
SELECT rows_counted FROM billing.sync_counts();
SELECT billing.rate_batch('2026-02-10', 'jade', 'jade'), pg_temp.bill('2026-03-01', 'jade', true), pg_temp.bill('2026-04-01', 'jade', true);
SELECT billing.void_invoice(number, 'not ours', 'jade') FROM pg_temp.invoices WHERE tenant_id = 'jade' AND dated = '2026-03-01';
SELECT pg_temp.bill('2026-05-01', 'jade', true);
SELECT dated, no, period_start, period_end, quantity, rated_minor, billed_minor, amount_minor, is_correction FROM pg_temp.lines WHERE tenant_id = 'jade';
SELECT dated, status, total_minor FROM pg_temp.invoices WHERE tenant_id = 'jade';

-- Billed ahead, on 20 January, for January's end: 10 calls, 1.00. What is used after that and rated before the draft is finalized is
-- on February's invoice: 0.70, with 0.10 of February.
SELECT pg_temp.buy('kite', 'metered', '2026-01-01') IS NOT NULL AS bought, pg_temp.use('kite', '2026-01-05', 10);
SELECT rows_counted FROM billing.sync_counts();
SELECT billing.rate_batch('2026-01-20', 'kite', 'kite'), pg_temp.bill('2026-02-01', 'kite'), pg_temp.use('kite', '2026-01-25', 7);
SELECT rows_counted FROM billing.sync_counts();
SELECT billing.rate_batch('2026-01-26', 'kite', 'kite'), billing.finalize_batch('2026-02-01', 'kite', 'kite'), pg_temp.use('kite', '2026-02-25', 1);
SELECT rows_counted FROM billing.sync_counts();
SELECT pg_temp.bill('2026-03-01', 'kite', true);
SELECT dated, no, period_start, quantity, rated_minor, billed_minor, amount_minor, is_correction FROM pg_temp.lines WHERE tenant_id = 'kite';

-- The plan is changed on 11 January, when January's 49.00 is paid: 10 of 31 days of it are 15.81, so that 33.19 go back; support is
-- 10/31 x 10.00 = 3.23; 1100 calls on the old plan 1.00, 20 on the new one 2.00. Together -26.96.
SELECT pg_temp.buy('lime', 'pro', '2026-01-01') AS lime \gset
SELECT pg_temp.bill('2026-01-01', 'lime', true), pg_temp.use('lime', '2026-01-05', 1100);
SELECT billing.change_plan('lime', :'lime', 'metered', '2026-01-11', today => '2026-01-11'), pg_temp.use('lime', '2026-01-20', 20);
SELECT rows_counted FROM billing.sync_counts();
SELECT pg_temp.bill('2026-02-01', 'lime', true);
SELECT dated, no, charge_id, period_start, period_end, share, quantity, rated_minor, billed_minor, amount_minor, is_correction FROM pg_temp.lines WHERE tenant_id = 'lime';
SELECT dated, period_start, period_end, total_minor FROM pg_temp.invoices WHERE tenant_id = 'lime';

-- A correction for a customer who used nothing since does not wait for ever: the next period closes without usage, and it is
-- billed then. 400 of 1000 calls taken back: -40.00 on 1 April, when March closes.
SELECT pg_temp.buy('fern', 'metered', '2026-01-01') IS NOT NULL AS bought, pg_temp.use('fern', '2026-01-10', 1000);
SELECT rows_counted FROM billing.sync_counts();
SELECT pg_temp.bill('2026-03-01', 'fern', true);
SELECT pg_temp.use('fern', '2026-01-10', -400, ' less', corrects => '2026-01-10');
SELECT rows_counted FROM billing.sync_counts();
SELECT pg_temp.bill('2026-03-05', 'fern', true) AS in_march, pg_temp.bill('2026-04-01', 'fern', true) AS in_april;
SELECT dated, number, period_start, period_end, total_minor FROM pg_temp.invoices WHERE tenant_id = 'fern';
-- After the end of all its subscriptions an account has no next invoice, and a correction gets one of its own: 50 calls, 5.00.
SELECT pg_temp.buy('gull', 'metered', '2026-01-01', ends => '2026-02-01') IS NOT NULL AS bought, pg_temp.use('gull', '2026-01-10', 10);
SELECT rows_counted FROM billing.sync_counts();
SELECT pg_temp.bill('2026-02-01', 'gull', true), pg_temp.use('gull', '2026-01-11', 50);
SELECT rows_counted FROM billing.sync_counts();
SELECT pg_temp.bill('2026-02-01', 'gull', true) AS on_the_day, pg_temp.bill('2026-02-20', 'gull', true) AS later, pg_temp.bill('2026-02-21', 'gull', true) AS again;
SELECT dated, number, period_start, period_end, total_minor FROM pg_temp.invoices WHERE tenant_id = 'gull';

-- Two currencies and two accounts of a tenant are invoices of their own. JPY has no decimals, KWD three: 3 x 0.5 = 1.5 -> 2 JPY.
SELECT billing.create_plan(c, currency => c), billing.add_charge(c, 'calls', meter => 'calls', price => '{"model":"unit","unit":"0.5"}'), (billing.publish_plan(c)).version FROM unnest('{JPY,KWD}'::text[]) AS c;
SELECT billing.create_account('hill', account => a), billing.subscribe('hill', c, '2026-01-01', account => a) IS NOT NULL AS subscribed FROM (VALUES ('yen', 'JPY'), ('dinar', 'KWD')) AS v (a, c);
SELECT billing.record_usage('hill', 'calls', a, 3, '2026-01-05Z', account => a) FROM unnest('{yen,dinar}'::text[]) AS a;
SELECT rows_counted FROM billing.sync_counts();
SELECT pg_temp.bill('2026-02-01', 'hill', true);
SELECT account_id, currency, total_minor, billing.format_amount(total_minor, currency) FROM billing.invoices WHERE tenant_id = 'hill' ORDER BY 1;

-- Refused.
SELECT billing.finalize_invoice('INV-2026-999999');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.finalize_invoice('00000000-0000-8000-8000-000000000000');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.finalize_invoice('01234567-but-no-uuid-of-36-characters');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.finalize_invoice('INV-2026-000001', 'bolt');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.finalize_invoice(NULL);
\echo :LAST_ERROR_SQLSTATE
SELECT billing.finalize_invoice(:'march');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.void_invoice(:'march', 'once more');
\echo :LAST_ERROR_SQLSTATE
\set VERBOSITY sqlstate
SELECT billing.void_invoice(pg_temp.id('acme', '2026-04-01'), 'a draft');
SELECT billing.void_invoice('INV-2026-000001', NULL);
SELECT billing.void_invoice('INV-2026-000001', ' ');
SELECT billing.void_invoice('INV-2026-999999', 'missing');
SELECT billing.show_invoice('INV-2026-999999');
SELECT billing.invoice_document('INV-2026-000001', 'bolt');
\set VERBOSITY default
-- A number is unique per seller only.
SELECT billing.create_legal_entity('twin', 'Twin', invoice_series => 'INV') AS twin, pg_temp.buy('iris', 'old', '2026-01-01', 'twin', ends => '2026-02-01') IS NOT NULL AS bought, pg_temp.bill('2026-01-01', 'iris', true);
SELECT billing.invoice_document('INV-2026-000001');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.invoice_document('INV-2026-000001', 'iris') ->> 'total' AS of_iris, billing.invoice_document('INV-2026-000001', 'acme') ->> 'total' AS of_acme;
CALL billing.run_invoices('2026-02-01', batch_tenants => 0);
\echo :LAST_ERROR_SQLSTATE
CALL billing.run_invoices('2026-02-01', first_tenant => 'b', last_tenant => 'a');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.invoice_batch('2026-02-01', 'b', 'a', billing.uuid_v7(), false);
\echo :LAST_ERROR_SQLSTATE
SELECT billing.finalize_batch('2026-02-01', 'b', 'a');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.invoice_batch('infinity', 'acme', 'acme', billing.uuid_v7(), false);
\echo :LAST_ERROR_SQLSTATE

-- A finalized invoice changes its status along its transitions, and nothing else; not for the superuser either.
UPDATE billing.invoices SET total_minor = 1, subtotal_minor = 1 WHERE number = 'INV-2026-000001' AND tenant_id = 'acme';
\echo :LAST_ERROR_SQLSTATE
DELETE FROM billing.invoices WHERE number = 'INV-2026-000001' AND tenant_id = 'acme';
\echo :LAST_ERROR_SQLSTATE
\set VERBOSITY sqlstate
UPDATE billing.invoices SET status = 'draft', number = NULL, finalized_at = NULL WHERE number = 'INV-2026-000001' AND tenant_id = 'acme';
UPDATE billing.invoices SET status = 'paid', due_date = due_date + 1 WHERE number = 'INV-2026-000001' AND tenant_id = 'acme';
UPDATE billing.invoices SET status = 'finalized' WHERE number = 'INV-2026-000001' AND tenant_id = 'acme';
UPDATE billing.invoices SET status = 'finalized' WHERE status = 'void';
UPDATE billing.invoice_lines SET amount_minor = amount_minor WHERE tenant_id = 'acme';
DELETE FROM billing.invoice_lines WHERE tenant_id = 'acme' AND invoice_date = '2026-02-01';
TRUNCATE billing.invoices;
TRUNCATE billing.invoice_lines;
TRUNCATE billing.invoices_2026_02;
UPDATE billing.invoice_events SET reason = 'x';
DELETE FROM billing.invoice_runs;
\set VERBOSITY default
BEGIN;
UPDATE billing.invoices SET status = 'paid' WHERE number = 'INV-2026-000001' AND tenant_id = 'acme';
UPDATE billing.invoices SET status = 'void' WHERE number = 'INV-2026-000001' AND tenant_id = 'acme';
\echo :LAST_ERROR_SQLSTATE
ROLLBACK;

-- The chains of events: each begins at 1 after 32 zero bytes, each hash is that of the row and of the hash before.
SELECT count(*) AS events, count(DISTINCT invoice_id) AS invoices,
       count(*) FILTER (WHERE prev_hash <> coalesce(before, decode(repeat('00', 32), 'hex')) OR sequence <> coalesce(last, 0) + 1) AS broken,
       count(*) FILTER (WHERE self_hash <> billing.fingerprint(tenant_id, invoice_id::text, sequence::text, from_status, to_status, total_minor::text, actor, reason,
                                                               (extract(epoch FROM occurred_at) * 1000000)::bigint::text, encode(document_hash, 'hex'), salt::text,
                                                               encode(before, 'hex'))) AS wrong
  FROM (SELECT *, lag(self_hash) OVER chain AS before, lag(sequence) OVER chain AS last FROM billing.invoice_events WINDOW chain AS (PARTITION BY tenant_id, invoice_id ORDER BY sequence)) AS e;
SELECT count(*) AS without_events FROM billing.invoices i WHERE i.status <> (SELECT e.to_status FROM billing.invoice_events e WHERE e.tenant_id = i.tenant_id AND e.invoice_id = i.invoice_id ORDER BY e.sequence DESC LIMIT 1);
SELECT sequence, from_status, to_status, total_minor, actor = session_user AS by_me, reason FROM billing.invoice_events WHERE invoice_id = (SELECT invoice_id FROM billing.invoices WHERE number = :'may') ORDER BY 1;

-- Everybody, in batches, twice: the second run finds nothing to do.
SET client_min_messages = notice;
CALL billing.run_invoices('2026-08-01', finalize => true, batch_tenants => 5, last_tenant => 'e');
CALL billing.run_invoices('2026-08-01', finalize => true, batch_tenants => 5, first_tenant => 'e');
CALL billing.run_invoices('2026-08-01', finalize => true, batch_tenants => 5);
-- Invoices that stand add up to what was rated and due, and to what the ledger says is owed; nothing is unbilled but what is not due.
SELECT tenant_id, currency, sum(total_minor) AS invoiced, billing.balance(tenant_id, currency, account => account_id) AS receivable,
       (SELECT sum(r.amount_minor) FROM billing.rated r WHERE r.tenant_id = i.tenant_id AND r.account_id = i.account_id AND r.due_on <= '2026-08-01') AS rated
  FROM billing.invoices i WHERE status <> 'void' GROUP BY tenant_id, account_id, currency ORDER BY 1, 2;
SELECT * FROM billing.trial_balance;
SELECT * FROM billing.check_integrity();
\c :home
DROP DATABASE regress_billing_invoicing;
