-- Invoicing: half a year of usage, changes of plan, runs, finalizations and voids in random order, and in the end every cent that was
-- rated is on exactly one invoice that stands. The seed is printed, and taken from psql's variable seed when that is set.
\ir seed.psql
SELECT plan(22);
SELECT diag('invoicing: seed ' || :'seed');
SELECT setseed(:seed) IS NOT NULL \g /dev/null
\ir simulate.psql
SELECT billing.create_legal_entity('sim', 'Simulated', invoice_series => 'SIM') \g /dev/null
SELECT billing.create_account('simC' || n, legal_entity => 'sim', name => 'simC' || n) FROM generate_series(1, 30) AS n WHERE n % 3 = 0 \g /dev/null

-- As in simulate.psql, but for who has an account with another seller already.
SELECT pg_temp.subscribe_alike(n, '{simC}') FROM generate_series(1, 30) AS n WHERE n % 3 <> 0 \g /dev/null
INSERT INTO sim_subscriptions
SELECT n, 'simC' || n, billing.subscribe('simC' || n, 'sim_' || 1 + n % 2, '2026-01-10', anchor => 'anniversary') FROM generate_series(3, 30, 3) AS n;
-- Some have a second account and some two subscriptions that fall due on different days.
SELECT billing.create_plan('sim_fee', currency => 'EUR'), billing.add_charge('sim_fee', 'ahead', price => '{"model":"flat","amount":"3.33"}', in_advance => true), billing.publish_plan('sim_fee') \g /dev/null
SELECT billing.subscribe('simC' || n, 'sim_fee', '2026-01-20', anchor => 'anniversary') FROM generate_series(5, 30, 5) AS n \g /dev/null

CREATE TEMP TABLE snapshots (invoice_id uuid PRIMARY KEY, document jsonb);
CREATE FUNCTION pg_temp.finalize_any() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    draft record;
BEGIN
    SELECT i.tenant_id, i.invoice_id INTO draft FROM billing.invoices i WHERE i.status = 'draft' AND i.tenant_id LIKE 'simC%' ORDER BY random() LIMIT 1;
    IF FOUND THEN
        PERFORM billing.finalize_invoice(draft.invoice_id::text, draft.tenant_id);
        INSERT INTO sim_answers VALUES ('finalize', 'done');
    END IF;
EXCEPTION WHEN SQLSTATE 'MB421' THEN
    INSERT INTO sim_answers VALUES ('finalize', SQLSTATE);
END
$$;
CREATE FUNCTION pg_temp.void_any() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM billing.void_invoice(i.invoice_id::text, 'because', i.tenant_id), 1
       FROM (SELECT * FROM billing.invoices WHERE status = 'finalized' AND tenant_id LIKE 'simC%' ORDER BY random() LIMIT 1) AS i;
    INSERT INTO sim_answers VALUES ('void', 'done');
END
$$;
CREATE FUNCTION pg_temp.live_through(days integer) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    today date := '2026-01-05';
BEGIN
    WHILE today < date '2026-01-05' + days LOOP
        PERFORM pg_temp.change_alike(1 + floor(random() * 30)::integer, today) FROM generate_series(1, 2) WHERE today >= '2026-02-01';
        PERFORM pg_temp.take_window(today);
        PERFORM CASE pg_temp.any('{rate,run,run,run ahead,run and finalize,finalize,finalize one,finalize one,void}')
                WHEN 'rate' THEN billing.rate_batch(today, 'simC', 'simCz')::text
                WHEN 'run' THEN (billing.invoice_batch(today, 'simC', 'simCz', billing.uuid_v7(), false))::text
                WHEN 'run ahead' THEN (billing.invoice_batch(today + floor(random() * 40)::integer, 'simC', 'simC4z', billing.uuid_v7(), random() < 0.3))::text
                WHEN 'run and finalize' THEN (billing.invoice_batch(today, 'simC', 'simCz', billing.uuid_v7(), true))::text
                WHEN 'finalize' THEN billing.finalize_batch(today - floor(random() * 20)::integer, 'simC', 'simCz')::text
                WHEN 'finalize one' THEN pg_temp.finalize_any()::text
                ELSE pg_temp.void_any()::text END;
        INSERT INTO snapshots SELECT i.invoice_id, to_jsonb(i) - 'status' || jsonb_build_object('lines', (SELECT jsonb_agg(to_jsonb(l) ORDER BY l.line_no) FROM billing.invoice_lines l WHERE l.invoice_id = i.invoice_id))
          FROM billing.invoices i WHERE i.status <> 'draft' AND i.tenant_id LIKE 'simC%' ON CONFLICT DO NOTHING;
        today := today + 1 + floor(random() * 5)::integer;
    END LOOP;
    PERFORM pg_temp.void_any() WHERE billing.invoice_batch(today, 'simC', 'simCz', billing.uuid_v7(), true) IS NOT NULL;
END
$$;
SELECT lives_ok($$ SELECT pg_temp.live_through(180) $$, 'half a year of usage, changes, runs, finalizations and voids');
SELECT diag((SELECT string_agg(format('%s %s %s', operation, answer, n), ', ' ORDER BY operation, answer) FROM (SELECT operation, answer, count(*) AS n FROM sim_answers GROUP BY 1, 2) AS a));
SELECT ok((SELECT count(*) FROM sim_answers WHERE operation = 'void') > 0 AND (SELECT count(*) FROM snapshots) > 0, 'there were voids and invoices');

-- What a preview says is what the run makes; then all is billed, and what has to wait for a next invoice gets one.
CREATE TEMP TABLE previewed AS SELECT 'simC' || n AS tenant, billing.preview_invoices('simC' || n, '2026-09-30') AS documents FROM generate_series(1, 30, 3) AS n;
SELECT ok((billing.invoice_batch('2026-09-30', 'simC', 'simCz', billing.uuid_v7(), false)).invoices > 0, 'everything is billed up to a day');
SELECT is_empty($$ SELECT p.tenant FROM previewed p WHERE p.documents <> coalesce((SELECT jsonb_agg(billing.invoice_document(i.invoice_id::text, i.tenant_id) ORDER BY i.invoice_date, i.account_id, i.currency)
                                                                                     FROM billing.invoices i WHERE i.tenant_id = p.tenant AND i.status = 'draft'), '[]') $$, 'the preview had said so');
SELECT is((billing.invoice_batch('2026-09-30', 'simC', 'simCz', billing.uuid_v7(), false))::text, '(0,0,0,0)', 'again: nothing changes');
SELECT ok(billing.finalize_batch('2026-09-30', 'simC', 'simCz') > 0, 'all are finalized');
-- Drafts that are finalized afterwards, rolled back, and then the same finalized as they are made.
CREATE FUNCTION pg_temp.billed() RETURNS text LANGUAGE sql AS $$
    SELECT md5(string_agg(row_text, E'\n' ORDER BY row_text))
      FROM (SELECT (i.invoice_id, i.number, i.status, i.attempt, i.content_hash, i.line_count, i.total_minor, i.due_date, i.finalized_at IS NULL)::text FROM billing.invoices i WHERE i.tenant_id LIKE 'simC%'
            UNION ALL SELECT (l.invoice_id, l.line_no, l.rated_line_id, l.rated_minor, l.billed_minor)::text FROM billing.invoice_lines l WHERE l.tenant_id LIKE 'simC%'
            UNION ALL SELECT (r.run_id, r.invoice_id, r.idempotency_key)::text FROM billing.invoice_runs r WHERE r.tenant_id LIKE 'simC%'
            UNION ALL SELECT (e.invoice_id, e.sequence, e.from_status, e.to_status, e.total_minor, e.actor)::text FROM billing.invoice_events e WHERE e.tenant_id LIKE 'simC%'
            UNION ALL SELECT (e.posted_on, e.entry_id, e.entry_type, e.amount_minor, e.memo)::text FROM billing.ledger_entries e WHERE e.tenant_id LIKE 'simC%') AS all_rows (row_text)
$$;
SAVEPOINT drafted;
SELECT billing.invoice_batch('2026-11-30', 'simC', 'simCz', billing.uuid_v7(), false), billing.finalize_batch('2026-11-30', 'simC', 'simCz') \g /dev/null
SELECT pg_temp.billed() AS in_two_steps \gset
ROLLBACK TO drafted;
SELECT ok((billing.invoice_batch('2026-11-30', 'simC', 'simCz', billing.uuid_v7(), true)).finalized > 0, 'two months later what waited has its invoice');
SELECT is(pg_temp.billed(), :'in_two_steps', 'as from drafts finalized afterwards: invoices, numbers, lines, runs, events, entries');
SELECT is((billing.invoice_batch('2026-11-30', 'simC', 'simCz', billing.uuid_v7(), true))::text, '(0,0,0,0)', 'and then nothing is left to bill');

SELECT is_empty($$ SELECT r.tenant_id, r.charge_id, r.period_start, r.amount_minor, l.billed FROM billing.rated r
                     FULL JOIN (SELECT i.tenant_id, n.subscription_id, n.plan_id, n.version, n.charge_id, n.period_start, sum(n.amount_minor) AS billed
                                  FROM billing.invoice_lines n JOIN billing.invoices i USING (invoice_date, tenant_id, invoice_id)
                                 WHERE i.status <> 'void' GROUP BY 1, 2, 3, 4, 5, 6) AS l USING (tenant_id, subscription_id, plan_id, version, charge_id, period_start)
                    WHERE tenant_id LIKE 'simC%' AND CASE WHEN r.due_on > '2026-11-30' THEN 0 ELSE r.amount_minor END <> coalesce(l.billed, 0) $$,
                'every rated line is billed once, by what it comes to');
SELECT is_empty($$ SELECT i.tenant_id, i.receivable, b.balance_minor FROM (SELECT tenant_id, sum(total_minor) AS receivable FROM billing.invoices WHERE status = 'finalized' AND tenant_id LIKE 'simC%' GROUP BY 1) AS i
                     LEFT JOIN billing.balances b ON b.tenant_id = i.tenant_id AND b.ledger_account = 'receivable' WHERE i.receivable <> coalesce(b.balance_minor, 0) $$,
                'receivable is the sum of the invoices that stand');
SELECT is_empty($$ SELECT u.tenant_id FROM (SELECT tenant_id, sum(amount_minor) AS waiting FROM billing.rated WHERE tenant_id LIKE 'simC%' AND due_on > '2026-11-30' GROUP BY 1) AS w
                     FULL JOIN (SELECT * FROM billing.balances WHERE ledger_account = 'unbilled_receivable' AND tenant_id LIKE 'simC%') AS u USING (tenant_id)
                    WHERE coalesce(w.waiting, 0) <> coalesce(u.balance_minor, 0) $$, 'what is unbilled is not due');
SELECT is_empty($$ SELECT s.invoice_id FROM snapshots s JOIN billing.invoices i USING (invoice_id)
                    WHERE s.document <> to_jsonb(i) - 'status' || jsonb_build_object('lines', (SELECT jsonb_agg(to_jsonb(l) ORDER BY l.line_no) FROM billing.invoice_lines l WHERE l.invoice_id = i.invoice_id)) $$,
                'no invoice changed after it was finalized');
SELECT is((SELECT count(*) FROM snapshots s WHERE NOT EXISTS (SELECT FROM billing.invoices i WHERE i.invoice_id = s.invoice_id)), 0::bigint, 'and none is gone');
SELECT is_empty($$ SELECT i.legal_entity_id, left(i.number, -7) FROM billing.invoices i WHERE i.number IS NOT NULL AND i.legal_entity_id = 'sim'
                    GROUP BY 1, 2 HAVING count(DISTINCT i.number) <> count(*) OR min(right(i.number, 6))::integer <> 1 OR max(right(i.number, 6))::integer <> count(*) $$, 'numbers have no gap');
SELECT is_empty($$ SELECT a.tenant_id, a.number, b.number FROM billing.invoices a JOIN billing.invoices b USING (tenant_id, account_id, currency)
                    WHERE a.tenant_id LIKE 'simC%' AND a.invoice_date < b.invoice_date AND a.number > b.number AND a.attempt = 1 AND b.status <> 'void' AND a.status <> 'void' AND b.attempt = 1 $$,
                'numbers of an account follow the dates');
SELECT is_empty($$ SELECT problem FROM billing.check_rating() UNION ALL SELECT problem FROM billing.check_ledger()
                   UNION ALL SELECT problem FROM billing.check_invoices() UNION ALL SELECT problem FROM billing.check_invoice_records() $$, 'nothing is found by what checks everything');
SELECT ok((SELECT bool_and(is_correction OR billed_minor = 0) AND bool_or(is_correction AND amount_minor < 0) AND bool_or(is_correction AND amount_minor > 0) FROM billing.invoice_lines WHERE tenant_id LIKE 'simC%'),
          'corrections went both ways, and only they take off what was billed');

-- One subscription of an account has ended and another has not: what comes late waits for the next day on which something falls due.
SELECT billing.create_account('simE') \g /dev/null
SELECT billing.subscribe('simE', 'sim_fee', '2026-01-01', ends => '2026-03-01'), billing.subscribe('simE', 'sim_3', '2026-01-01') \g /dev/null
SELECT billing.invoice_batch('2026-03-05', 'simE', 'simE', billing.uuid_v7(), true) \g /dev/null
INSERT INTO billing.daily_counts (day, tenant_id, account_id, meter_id, dimensions, quantity, events, latest_at, window_no)
SELECT '2026-01-20', 'simE', 'main', 'sim_sum', '{"kind":"a"}', 150, 1, '2026-01-20 12:00Z', max(window_no) + 1 FROM billing.count_windows;
INSERT INTO billing.count_sync_checkpoint_events (tenant_id, sequence, window_no, rows_processed, first_day, last_day, digest, counts_digest, prev_hash, self_hash, created_at)
SELECT 'simE', 1, max(window_no) + 1, 1, '2026-01-20', '2026-01-20', sha256(''), sha256(''), sha256(''), sha256(''), now() FROM billing.count_windows;
INSERT INTO billing.count_windows SELECT max(window_no) + 1, billing.current_incarnation(), billing.log_snapshot(), 1, 0, now() FROM billing.count_windows;
SELECT is((billing.invoice_batch('2026-03-10', 'simE', 'simE', billing.uuid_v7(), true)).invoices, 0::bigint, 'an account with an open subscription has not ended: late usage waits');
SELECT billing.invoice_batch('2026-04-05', 'simE', 'simE', billing.uuid_v7(), true) \g /dev/null
SELECT is((SELECT string_agg(concat_ws(' ', i.invoice_date, l.charge_id, l.period_start, l.amount_minor), ', ' ORDER BY i.invoice_date)
             FROM billing.invoices i JOIN billing.invoice_lines l USING (invoice_date, tenant_id, invoice_id) WHERE i.tenant_id = 'simE'),
          '2026-01-01 ahead 2026-01-01 333, 2026-02-01 ahead 2026-02-01 333, 2026-04-01 use 2026-01-01 300', 'for the next day on which a line of it falls due');
-- A draft ahead of the day of a run, whose amount has changed since, is made again and not forgotten.
SELECT billing.create_account('simF') \g /dev/null
SELECT billing.subscribe('simF', 'sim_fee', '2026-01-01') AS subscription \gset
SELECT billing.invoice_batch('2026-03-20', 'simF', 'simF', billing.uuid_v7(), false), billing.cancel_subscription('simF', :'subscription', '2026-03-11', today => '2026-03-10') \g /dev/null
CREATE FUNCTION pg_temp.invoices_of_f() RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(concat_ws(' ', invoice_date, status, total_minor), ', ' ORDER BY invoice_date) FROM billing.invoices WHERE tenant_id = 'simF' $$;
SELECT billing.invoice_batch('2026-02-10', 'simF', 'simF', billing.uuid_v7(), true) \g /dev/null
SELECT is(pg_temp.invoices_of_f(), '2026-01-01 finalized 333, 2026-02-01 finalized 333, 2026-03-01 draft 107', 'a run for an earlier day leaves the draft of a later one, as it comes out now');
SELECT billing.invoice_batch('2026-03-20', 'simF', 'simF', billing.uuid_v7(), true) \g /dev/null
SELECT is(pg_temp.invoices_of_f(), '2026-01-01 finalized 333, 2026-02-01 finalized 333, 2026-03-01 finalized 107', 'which is finalized when its day is reached');
SELECT * FROM finish();
ROLLBACK;
