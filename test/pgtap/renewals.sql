-- Renewals: whatever is agreed and however unevenly the call comes, terms tile, each is renewed once and in time, phases follow, and
-- no usage is charged twice. Random subscriptions against a plain model; the seed is printed, and taken from psql's variable seed.
\ir seed.psql
SELECT plan(12);
SELECT diag('renewals: seed ' || :'seed');
SELECT setseed(:seed) IS NOT NULL \g /dev/null
SELECT billing.create_meter('term_calls', unit => 'call') \g /dev/null
SELECT billing.create_plan(p, currency => 'EUR'), billing.add_charge(p, 'fee', price => '{"model":"flat","amount":"1"}') FROM unnest('{term_fee,term_use}'::text[]) AS p \g /dev/null
SELECT billing.add_charge('term_use', 'calls', meter => 'term_calls', price => '{"model":"unit","unit":"1"}') \g /dev/null
SELECT billing.publish_plan(p) FROM unnest('{term_fee,term_use}'::text[]) AS p \g /dev/null

-- A term ends where one that began on some day would, or on any day.
CREATE TEMP TABLE agreed (subscription uuid PRIMARY KEY, tenant text, renewal text, months integer, notice integer, starts date, first_end date, trial_ends date);
CREATE FUNCTION pg_temp.agree(n integer) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    a  agreed;
    id text := 'term' || n;
BEGIN
    a.tenant := id;
    a.renewal := ('{automatic,automatic,automatic,manual,none}'::text[])[1 + floor(random() * 5)::int];
    a.months := ('{1,1,2,3,12}'::integer[])[1 + floor(random() * 5)::int];
    a.notice := floor(random() * 40)::int;
    a.starts := CASE WHEN random() < 0.3 THEN date '2028-02-29' - 31 * floor(random() * 3)::int ELSE date '2027-10-01' + floor(random() * 160)::int END;
    a.first_end := CASE WHEN random() < 0.7 THEN (billing.cycle_containing(a.starts, a.months, a.starts)).cycle_end ELSE a.starts + 10 + floor(random() * 90)::int END;
    PERFORM billing.create_account(id);
    a.subscription := billing.subscribe(id, plan => 'term_use', starts => a.starts, ends => a.first_end, anchor => CASE WHEN random() < 0.5 THEN 'calendar' ELSE 'anniversary' END,
                                        trial_days => CASE WHEN random() < 0.3 THEN 1 + floor(random() * 80)::int ELSE 0 END);
    SELECT s.trial_ends INTO a.trial_ends FROM billing.subscriptions s WHERE s.subscription_id = a.subscription;
    PERFORM billing.set_renewal(id, a.subscription, a.renewal, a.months, a.notice);
    INSERT INTO agreed SELECT a.*;
END
$$;
SELECT pg_temp.agree(n) FROM generate_series(1, 120) AS n \g /dev/null
SELECT is((SELECT count(*)::int FROM billing.subscriptions s JOIN agreed a ON a.subscription = s.subscription_id
            WHERE (s.renewal, s.renewal_months, s.notice_days) IS DISTINCT FROM (a.renewal, CASE WHEN a.renewal <> 'none' THEN a.months END, CASE WHEN a.renewal <> 'none' THEN a.notice END)),
          0, 'agreed as told');

-- Days on which the call comes: now each day, now after weeks.
CREATE TEMP TABLE calls AS
SELECT day::date AS today FROM generate_series(date '2027-10-01', date '2029-06-01', interval '1 day') AS day WHERE random() < 0.1 OR extract(month FROM day) = 5 AND random() < 0.9;
CREATE TEMP TABLE answers AS SELECT 0::bigint AS renewed, 0::bigint AS noticed, 0::bigint AS refused, NULL::date AS today WHERE false;
DO $$
DECLARE
    day date;
BEGIN
    FOR day IN SELECT today FROM calls ORDER BY today LOOP
        INSERT INTO answers SELECT r.*, day FROM billing.renew_subscriptions(day) AS r;
        INSERT INTO answers SELECT r.*, day FROM billing.renew_subscriptions(day) AS r;
    END LOOP;
END
$$;
SELECT ok((SELECT sum(renewed) FROM answers) > 300 AND (SELECT sum(noticed) FROM answers) > 5, 'terms were renewed and notices raised');
SELECT is_empty($$ SELECT today, count(*) FROM answers WHERE renewed + noticed + refused > 0 GROUP BY 1 HAVING count(*) > 1 $$, 'the second call of a day does nothing');

-- The model: the calendar, from the anchor that the first end fits.
CREATE TEMP TABLE model AS
SELECT a.*, f.anchor, c.cycle_start AS term_ends, c.cycle_end AS next_ends,
       (SELECT min(k.today) FROM calls k WHERE k.today >= c.cycle_start - a.notice) AS renewed_on
  FROM agreed a
 CROSS JOIN LATERAL (SELECT CASE WHEN (billing.cycle_containing(a.starts, a.months, a.first_end)).cycle_start = a.first_end THEN a.starts ELSE a.first_end END AS anchor) AS f
 CROSS JOIN LATERAL billing.cycles(f.anchor, a.months, a.first_end, date '2032-01-01') AS c
 WHERE a.renewal = 'automatic';
SELECT bag_eq($$ SELECT e.subscription_id, e.term_ends, e.next_ends, e.today FROM billing.renewal_events e WHERE e.event = 'renewed' $$,
              $$ SELECT subscription, term_ends, next_ends, renewed_on FROM model WHERE renewed_on IS NOT NULL $$, 'each term is renewed once, by the first call of its window');
SELECT is_empty($$ SELECT e.subscription_id, e.sequence FROM (SELECT *, lag(next_ends) OVER w AS before, lag(sequence, 1, 0) OVER w AS last FROM billing.renewal_events
                     WINDOW w AS (PARTITION BY tenant_id, subscription_id ORDER BY sequence)) AS e
                    WHERE e.event = 'renewed' AND (e.before <> e.term_ends OR e.sequence <> e.last + 1) $$, 'terms tile, in the order of their sequence');
SELECT bag_eq($$ SELECT e.subscription_id, e.term_ends, e.today FROM billing.renewal_events e WHERE e.event = 'notice' $$,
              $$ SELECT a.subscription, a.first_end, min(k.today) FROM agreed a JOIN calls k ON k.today >= a.first_end - a.notice AND k.today < a.first_end
                  WHERE a.renewal = 'manual' GROUP BY 1, 2 $$, 'a manual one is told once, in its window');
SELECT is_empty($$ SELECT a.subscription, s.ends FROM agreed a JOIN billing.subscriptions s ON s.subscription_id = a.subscription
                    WHERE s.ends <> coalesce((SELECT max(m.next_ends) FROM model m WHERE m.subscription = a.subscription AND m.renewed_on IS NOT NULL), a.first_end) $$,
                'its end is that of the last term, and the rest ended as agreed');

-- Phases: one trial and one paid at most, tiling [starts, ends).
SELECT is_empty($$ SELECT s.subscription_id FROM billing.subscriptions s JOIN agreed a ON a.subscription = s.subscription_id
                    WHERE ARRAY(SELECT (p.starts, p.ends, p.is_trial)::text FROM billing.subscription_phases p WHERE p.tenant_id = s.tenant_id AND p.subscription_id = s.subscription_id ORDER BY p.starts)
                       <> ARRAY(SELECT (f.starts, f.ends, f.is_trial)::text
                                  FROM (VALUES (s.starts, least(s.ends, greatest(s.trial_ends, s.starts)), true), (greatest(s.starts, s.trial_ends), s.ends, false)) AS f (starts, ends, is_trial)
                                 WHERE f.starts < f.ends AND (f.is_trial = false OR s.trial_ends IS NOT NULL) ORDER BY f.starts) $$, 'phases tile what is covered');

-- Two of one account whose new terms would overlap: the open one stays, and both of a pair that would come to overlap are refused.
SELECT billing.create_account(t) FROM unnest('{clash,pair}'::text[]) AS t \g /dev/null
SELECT billing.set_renewal('clash', billing.subscribe('clash', plan => 'term_use', starts => '2028-01-01', ends => '2028-02-01'), 'automatic', 1, 3),
       billing.subscribe('clash', plan => 'term_use', starts => '2028-02-10') \g /dev/null
SELECT billing.set_renewal('pair', billing.subscribe('pair', plan => 'term_use', starts => '2028-01-01', ends => '2028-02-01'), 'automatic', 1, 3),
       billing.set_renewal('pair', billing.subscribe('pair', plan => 'term_use', starts => '2028-01-01', ends => '2028-02-01', trial_days => 31), 'automatic', 1, 3) \g /dev/null
SELECT results_eq($$ SELECT renewed, refused FROM billing.renew_subscriptions('2028-01-30') $$, $$ VALUES (0::bigint, 3::bigint) $$, 'who would charge usage twice is refused');
SELECT is((SELECT string_agg(tenant_id, ' ' ORDER BY tenant_id, subscription_id) FROM billing.renewal_events WHERE event = 'refused'), 'clash pair pair', 'once each');
SELECT billing.set_renewal('pair', s.subscription_id, 'none') FROM billing.subscriptions s WHERE s.tenant_id = 'pair' AND s.trial_ends IS NOT NULL \g /dev/null
SELECT results_eq($$ SELECT renewed, refused FROM billing.renew_subscriptions('2028-01-31') $$, $$ VALUES (1::bigint, 0::bigint) $$, 'with the other out of the way it is renewed');
SELECT results_eq($$ SELECT renewed, refused FROM billing.renew_subscriptions('2028-02-01') $$, $$ VALUES (0::bigint, 0::bigint) $$, 'past its end the refused one has lapsed');
SELECT * FROM finish();
ROLLBACK;
