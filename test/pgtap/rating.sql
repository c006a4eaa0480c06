-- Rating: whatever is rated when, a half year comes to the same. Each subscription has a twin on the same terms with the same
-- usage: one is rated on many days, after each window, one only at the end, and a third now and then, months apart. The seed is
-- printed, and taken from psql's variable seed when that is set.
\ir seed.psql
SELECT plan(29);
SELECT diag('rating: seed ' || :'seed');
SELECT setseed(:seed) IS NOT NULL \g /dev/null
\ir simulate.psql
SELECT pg_temp.subscribe_alike(n, '{simA,simB,simC}') FROM generate_series(1, 40) AS n \g /dev/null

CREATE FUNCTION pg_temp.live_through(days integer) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    today     date := '2026-01-01';
    revisions integer := 0;
BEGIN
    WHILE today < date '2026-01-01' + days LOOP
        PERFORM pg_temp.change_alike(1 + floor(random() * 40)::integer, today) FROM generate_series(1, 2) WHERE today >= '2026-02-01';
        PERFORM pg_temp.take_window(today);
        -- Sometimes on a day before, which must not undo anything.
        revisions := revisions + billing.rate_batch(today - floor(random() ^ 4 * 20)::integer, 'simA', 'simAz');
        PERFORM billing.rate_batch(today, 'simC', 'simCz') WHERE random() < 0.04;
        today := today + 1 + floor(random() * 6)::integer;
    END LOOP;
    RETURN revisions;
END
$$;
SELECT lives_ok($$ SELECT pg_temp.live_through(180) $$, 'half a year of usage, changes and ratings');
SELECT diag((SELECT string_agg(format('%s %s %s', operation, answer, n), ', ' ORDER BY operation, answer) FROM (SELECT operation, answer, count(*) AS n FROM sim_answers GROUP BY 1, 2) AS a));
SELECT ok((SELECT count(*) FROM sim_answers WHERE answer = 'done') > 0, 'subscriptions changed');
SELECT ok(billing.rate_batch('2026-07-15', 'simA', 'simAz') > 0 AND billing.rate_batch('2026-07-15', 'simB', 'simBz') > 0 AND billing.rate_batch('2026-07-15', 'simC', 'simCz') > 0, 'all rated up to the same day');
SELECT is(billing.rate_batch('2026-07-15', 'simA', 'simCz'), 0::bigint, 'again: nothing changes');
SELECT is(billing.rate_batch('2026-03-15', 'simA', 'simCz'), 0::bigint, 'for an earlier day: nothing changes');

-- Latest revisions of lines that charge something; what a change of terms took away has a share of no days and comes to nothing.
CREATE TEMP TABLE rated_at_last AS
SELECT s.n, left(r.tenant_id, 4) AS twin, r.charge_id, r.plan_id, r.version, r.period_start, r.period_end, r.due_on, r.share_days, r.share_of_days, r.quantity, r.amount_minor,
       r.tenant_id, r.subscription_id, r.revision
  FROM billing.rated r JOIN sim_subscriptions s ON s.tenant = r.tenant_id;
SELECT is_empty($$ SELECT * FROM rated_at_last WHERE share_days = 0 AND (amount_minor <> 0 OR quantity <> 0) $$, 'what fell away comes to nothing');
SELECT bag_eq($$ SELECT n, charge_id, plan_id, version, period_start, period_end, due_on, share_days, share_of_days, quantity, amount_minor FROM rated_at_last WHERE twin = 'simA' AND share_days > 0 $$,
              $$ SELECT n, charge_id, plan_id, version, period_start, period_end, due_on, share_days, share_of_days, quantity, amount_minor FROM rated_at_last WHERE twin = 'simB' $$,
              'often or once, the lines are the same');
SELECT bag_eq($$ SELECT n, charge_id, plan_id, version, period_start, period_end, due_on, share_days, share_of_days, quantity, amount_minor FROM rated_at_last WHERE twin = 'simC' AND share_days > 0 $$,
              $$ SELECT n, charge_id, plan_id, version, period_start, period_end, due_on, share_days, share_of_days, quantity, amount_minor FROM rated_at_last WHERE twin = 'simB' $$,
              'and rated months apart');
SELECT ok((SELECT count(*) FILTER (WHERE revision > 3) FROM rated_at_last WHERE twin = 'simA') > 0 AND (SELECT max(revision) FROM rated_at_last WHERE twin = 'simB') = 1, 'by many revisions, or by one');

-- Against the plain rule: counts of the days of the line, at its price, rounded once. numeric's round() is half away from zero.
SELECT is_empty($$ SELECT l.tenant_id, l.charge_id, l.period_start, l.quantity, d.quantity FROM rated_at_last l
                     JOIN billing.charges c USING (plan_id, version, charge_id)
                     LEFT JOIN LATERAL (SELECT CASE c.meter_id WHEN 'sim_max' THEN max(u.quantity) ELSE sum(u.quantity) END AS quantity FROM billing.daily_counts u
                                         WHERE u.tenant_id = l.tenant_id AND u.meter_id = c.meter_id AND u.dimensions @> c.filter
                                           AND u.day >= l.period_start AND u.day < l.period_end) AS d ON true
                    WHERE l.share_days > 0 AND l.quantity <> CASE WHEN c.meter_id IS NULL THEN 1 ELSE coalesce(d.quantity, 0) END $$,
                'quantities are those of the counts of the line''s days');
SELECT is_empty($$ SELECT l.tenant_id, l.charge_id, l.period_start, l.amount_minor, x.exact FROM rated_at_last l
                     JOIN billing.charges c USING (plan_id, version, charge_id)
                    CROSS JOIN LATERAL (SELECT coalesce(sum(t.amount), 0) * l.share_days * 100 / l.share_of_days AS exact FROM billing.rate(c.price, l.quantity) AS t) AS x
                    WHERE l.amount_minor <> round(x.exact) $$, 'amounts are those of the tiers, rounded once');

-- Periods: each day that is covered, and no trial, is in one line of each fee of its plan, and in no two.
SELECT is_empty($$ SELECT a.tenant_id, a.charge_id, a.period_start, b.period_start FROM rated_at_last a JOIN rated_at_last b
                       ON a.subscription_id = b.subscription_id AND a.charge_id = b.charge_id AND a.period_start < b.period_start AND a.period_end > b.period_start
                    WHERE a.share_days > 0 AND b.share_days > 0 $$, 'lines of a charge do not overlap');
SELECT bag_eq($$ SELECT l.subscription_id, l.plan_id, d.day::date FROM rated_at_last l, generate_series(l.period_start, l.period_end - 1, interval '1 day') AS d (day)
                  WHERE l.charge_id = 'ahead' AND l.share_days > 0 AND d.day < '2026-07-01' $$,
              $$ SELECT p.subscription_id, p.plan_id, d.day::date FROM billing.subscription_phases p JOIN sim_subscriptions s ON s.subscription = p.subscription_id,
                        generate_series(p.starts, least(p.ends, '2026-07-01') - 1, interval '1 day') AS d (day)
                  WHERE NOT p.is_trial AND p.plan_id IN ('sim_1', 'sim_2') $$, 'and cover each day of their phase once');
SELECT is_empty($$ SELECT tenant_id, period_start, share_days FROM rated_at_last WHERE charge_id IN ('ahead', 'after') AND share_days NOT IN (0, period_end - period_start) $$, 'the share of a prorated fee is its days');

-- Money: what was posted is what it comes to, and the ledger says so.
SELECT is_empty($$ SELECT r.tenant_id, r.charge_id, r.period_start FROM billing.rated_lines r JOIN sim_subscriptions s ON s.tenant = r.tenant_id
                    GROUP BY r.tenant_id, r.subscription_id, r.plan_id, r.version, r.charge_id, r.period_start
                   HAVING sum(r.posted_minor) <> (array_agg(r.amount_minor ORDER BY r.revision DESC))[1] OR count(*) <> max(r.revision) OR count(DISTINCT r.rating_key) = 0 $$,
                'postings of a line add up to its amount, revisions have no gap');
SELECT is_empty($$ SELECT * FROM (SELECT tenant_id, sum(amount_minor) AS minor FROM rated_at_last GROUP BY tenant_id) AS l
                     FULL JOIN (SELECT b.tenant_id, b.balance_minor AS minor FROM billing.balances b JOIN sim_subscriptions s ON s.tenant = b.tenant_id WHERE b.ledger_account = 'unbilled_receivable') AS e USING (tenant_id)
                    WHERE coalesce(l.minor, 0) <> coalesce(e.minor, 0)
                   UNION ALL SELECT problem, 0, 0 FROM (SELECT problem FROM billing.check_rating() UNION ALL SELECT problem FROM billing.check_ledger()) AS p $$, 'and so do the accounts');
-- A fee of the last period but one, rated after the last period was: a day between the two takes nothing back.
SELECT billing.create_account('back') \g /dev/null
SELECT billing.subscribe('back', 'sim_1', '2026-02-01') AS subscription \gset
SELECT billing.change_plan('back', :'subscription', 'sim_2', '2026-02-15', today => '2026-02-10'),
       billing.cancel_subscription('back', :'subscription', '2026-03-01', today => '2026-02-10') \g /dev/null
SELECT billing.rate_batch('2026-02-20', 'back', 'back') \g /dev/null
SELECT is(ARRAY[billing.rate_batch('2026-03-02', 'back', 'back'), billing.rate_batch('2026-02-10', 'back', 'back')], '{2,0}'::bigint[], 'fees rated when their period closed stay, whatever day is rated next');
-- A subscription that was rated last many months before: a year's period goes on, is corrected, and is done with.
SELECT billing.create_plan('yearly', currency => 'EUR', period => '1 year') \g /dev/null
SELECT billing.add_charge('yearly', 'fee', price => '{"model":"flat","amount":"365"}', in_advance => true),
       billing.add_charge('yearly', 'use', meter => 'sim_sum', price => '{"model":"unit","unit":"0.5"}'), billing.publish_plan('yearly') \g /dev/null
SELECT billing.create_account('long') \g /dev/null
SELECT billing.subscribe('long', 'yearly', '2026-01-01') AS subscription \gset
CREATE FUNCTION pg_temp.long_lines() RETURNS TABLE (line text) LANGUAGE sql AS $$
    SELECT concat_ws(' ', r.charge_id, r.period_start, r.period_end, r.revision, r.quantity, r.amount_minor, r.posted_minor, r.rated_on)
      FROM billing.rated r WHERE r.tenant_id = 'long' ORDER BY r.charge_id $$;
SELECT billing.rate_batch('2026-01-10', 'long', 'long') \g /dev/null
SELECT results_eq('SELECT * FROM pg_temp.long_lines()', $$ VALUES ('fee 2026-01-01 2027-01-01 1 1 36500 36500 2026-01-10'), ('use 2026-01-01 2027-01-01 1 0 0 0 2026-01-10') $$, 'a year rated in January');
INSERT INTO billing.daily_counts VALUES ('2026-06-12', 'long', 'main', 'sim_sum', '{"kind":"a"}', 10, 1, '2026-06-12 12:00Z', 1000000);
INSERT INTO billing.count_windows VALUES (1000000, billing.current_incarnation(), billing.log_snapshot(), 1, 0, now());
INSERT INTO billing.count_sync_checkpoint_events (tenant_id, sequence, window_no, rows_processed, first_day, last_day, digest, counts_digest, prev_hash, self_hash, created_at)
VALUES ('long', 1, 1000000, 1, '2026-06-12', '2026-06-12', sha256(''), sha256(''), sha256(''), sha256(''), now());
SELECT is(ARRAY[billing.rate_batch('2026-06-15', 'long', 'long'), billing.rate_batch('2026-06-15', 'long', 'long'), billing.rate_batch('2026-05-01', 'long', 'long')], '{1,0,0}'::bigint[],
          'goes on in June, and takes nothing back for a day in May');
SELECT results_eq('SELECT * FROM pg_temp.long_lines()', $$ VALUES ('fee 2026-01-01 2027-01-01 1 1 36500 36500 2026-01-10'), ('use 2026-01-01 2027-01-01 2 10 500 500 2026-06-15') $$, 'with its usage');
SELECT billing.cancel_subscription('long', :'subscription', '2026-03-02', today => '2026-02-10') \g /dev/null
SELECT is(ARRAY[billing.rate_batch('2026-10-20', 'long', 'long'), billing.rate_batch('2026-10-21', 'long', 'long')], '{2,0}'::bigint[], 'an end moved back is found though all was rated past it, once');
SELECT results_eq('SELECT * FROM pg_temp.long_lines()', $$ VALUES ('fee 2026-01-01 2026-03-02 2 1 6000 -30500 2026-10-20'), ('use 2026-01-01 2026-03-02 3 0 0 -500 2026-10-20') $$, 'and corrected');
-- Nothing but fees in arrears: a period has no line until it closes, and is owed though the subscription ends on a day that all was rated up to, or before.
SELECT billing.create_plan(p, currency => 'EUR'), billing.add_charge(p, 'fee', price => jsonb_build_object('model', 'flat', 'amount', amount)), billing.publish_plan(p)
  FROM (VALUES ('arrears', '30'), ('arrears_more', '60')) AS v (p, amount) \g /dev/null
SELECT billing.create_account(t), billing.subscribe(t, 'arrears', '2026-08-01') FROM unnest('{ends_1,ends_2,ends_3}'::text[]) AS t \g /dev/null
CREATE FUNCTION pg_temp.cancelled(t text, effective date) RETURNS date LANGUAGE sql AS $$
    SELECT billing.cancel_subscription(t, s.subscription_id, effective, today => '2026-09-11') FROM billing.subscriptions s WHERE s.tenant_id = t $$;
CREATE FUNCTION pg_temp.ended_lines() RETURNS TABLE (line text) LANGUAGE sql AS $$
    SELECT concat_ws(' ', r.tenant_id, r.plan_id, r.period_start, r.period_end, r.amount_minor)
      FROM billing.rated r WHERE r.tenant_id ~ '^ends_' AND r.period_start > '2026-08-01' ORDER BY r.tenant_id, r.period_start $$;
SELECT is(billing.rate_batch('2026-09-11', 'ends_1', 'ends_3'), 3::bigint, 'August is rated');
SELECT pg_temp.cancelled('ends_1', '2026-09-11'), pg_temp.cancelled('ends_2', '2026-09-07'), pg_temp.cancelled('ends_3', '2026-09-21') \g /dev/null
SELECT is(ARRAY[billing.rate_batch('2026-09-11', 'ends_1', 'ends_3'), billing.rate_batch('2026-09-25', 'ends_1', 'ends_3'), billing.rate_batch('2026-09-26', 'ends_1', 'ends_3')], '{2,1,0}'::bigint[],
          'and then the days up to the end, once it has come');
SELECT results_eq('SELECT * FROM pg_temp.ended_lines()', $$ VALUES ('ends_1 arrears 2026-09-01 2026-09-11 1000'), ('ends_2 arrears 2026-09-01 2026-09-07 600'), ('ends_3 arrears 2026-09-01 2026-09-21 2000') $$,
                  'for each subscription');
SELECT billing.change_plan('ends_3', s.subscription_id, 'arrears_more', '2026-09-11', today => '2026-09-26') FROM billing.subscriptions s WHERE s.tenant_id = 'ends_3' \g /dev/null
SELECT is(ARRAY[billing.rate_batch('2026-09-26', 'ends_1', 'ends_3'), billing.rate_batch('2026-10-26', 'ends_1', 'ends_3')], '{2,0}'::bigint[], 'a plan changed after the end is found, once');
SELECT results_eq('SELECT * FROM pg_temp.ended_lines() OFFSET 2', $$ VALUES ('ends_3 arrears 2026-09-01 2026-09-11 1000'), ('ends_3 arrears_more 2026-09-11 2026-09-21 2000') $$, 'and rated');
-- A plan whose usage has a line already and whose fee has none, left for one that has none either, and never begun.
SELECT billing.create_plan('used', currency => 'EUR'), billing.add_charge('used', 'fee', price => '{"model":"flat","amount":"30"}'),
       billing.add_charge('used', 'use', meter => 'sim_sum', price => '{"model":"unit","unit":"0.5"}'), billing.publish_plan('used') \g /dev/null
SELECT billing.create_account('ends_4') \g /dev/null
SELECT billing.subscribe('ends_4', 'used', '2026-09-01') AS subscription \gset
SELECT billing.change_plan('ends_4', :'subscription', 'arrears', '2026-09-11', today => '2026-09-05'), billing.rate_batch('2026-09-15', 'ends_4', 'ends_4'),
       billing.cancel_subscription('ends_4', :'subscription', '2026-09-11', today => '2026-09-15') \g /dev/null
SELECT is(ARRAY[billing.rate_batch('2026-09-15', 'ends_4', 'ends_4'), billing.rate_batch('2026-09-16', 'ends_4', 'ends_4')], '{2,0}'::bigint[], 'a fee is found missing beside usage, once');
SELECT is((SELECT sum(amount_minor) FROM billing.rated WHERE tenant_id = 'ends_4'), 1000::numeric, 'and rated');
SELECT * FROM finish();
ROLLBACK;
