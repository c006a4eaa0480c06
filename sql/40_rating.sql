-- Rating: period to date, and only differences posted. In a database of its own, because syncing counts needs transactions of
-- its own. Every figure is worked out in the comment above it from the price and the quantity.
SET client_min_messages = warning;
\set home :DBNAME
DROP DATABASE IF EXISTS regress_billing_rating;
CREATE DATABASE regress_billing_rating TEMPLATE template0 ENCODING 'UTF8';
\c regress_billing_rating
SET timezone = 'UTC'; SET datestyle = ISO; SET client_min_messages = warning;
\set SHOW_CONTEXT never
CREATE EXTENSION billing;
SELECT billing.install() \g /dev/null
SELECT billing.ensure_partitions('2026-01-01', '2026-08-01') \g /dev/null

CREATE VIEW pg_temp.lines AS
SELECT r.tenant_id, r.period_start, r.period_end, r.plan_id, r.charge_id, r.revision AS rev, r.due_on, r.share_days || '/' || r.share_of_days AS share,
       r.quantity, r.amount_minor, r.posted_minor, r.rated_on
  FROM billing.rated_lines r LEFT JOIN billing.charges c USING (plan_id, version, charge_id)
 ORDER BY r.tenant_id, r.period_start, r.plan_id, c.position, r.revision;
CREATE VIEW pg_temp.entries AS
SELECT e.tenant_id, e.posted_on, r.charge_id, r.revision AS rev, e.entry_type, e.debit_account, e.credit_account, e.amount_minor, e.currency
  FROM billing.ledger_entries e JOIN billing.rated_lines r ON r.rated_line_id = e.source_id
 ORDER BY e.tenant_id, e.posted_on, r.period_start, r.charge_id, r.revision;
-- One event a day: its id is the day.
CREATE FUNCTION pg_temp.use(tenant text, meter text, day date, quantity numeric, dimensions jsonb DEFAULT '{}', corrects text DEFAULT NULL) RETURNS boolean
LANGUAGE sql AS $$ SELECT billing.record_usage(tenant, meter, event_id => day || coalesce(' corrects ' || corrects, '') || dimensions, quantity => quantity,
                                               occurred_at => day + time '12:00', dimensions => dimensions, corrects => corrects) $$;
CREATE FUNCTION pg_temp.sell(plan text, currency text, charges jsonb, period interval DEFAULT '1 month') RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM billing.create_plan(plan, currency => currency, period => period);
    PERFORM billing.add_charge(plan, c.value ->> 'id', c.value -> 'price', meter => c.value ->> 'meter', filter => coalesce(c.value -> 'filter', '{}'),
                               in_advance => coalesce((c.value ->> 'in_advance')::boolean, false), prorate => coalesce((c.value ->> 'prorate')::boolean, true))
       FROM jsonb_array_elements(charges) AS c;
    RETURN (billing.publish_plan(plan)).plan;
END
$$;
CREATE FUNCTION pg_temp.buy(tenant text, plan text, starts date, anchor text DEFAULT 'calendar', trial integer DEFAULT 0, ends date DEFAULT NULL) RETURNS uuid
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM billing.create_account(tenant);
    RETURN billing.subscribe(tenant, plan, starts, anchor => anchor, trial_days => trial, ends => ends);
END
$$;
SELECT billing.create_meter('u', unit => 'unit', dimensions => '{kind}'), billing.create_meter('hits', unit => 'hit', aggregation => 'count'),
       billing.create_meter('peak', unit => 'unit', aggregation => 'max'), billing.create_meter('level', unit => 'unit', aggregation => 'latest');

-- The quantity of a period, by aggregation: 4.5 + 8 + 9 + 2; 9; the two latest are at one time, and {"kind":"z"} sorts after {"kind":"a"}: 8.
-- Whatever their order.
SELECT a.aggregation, billing.quantity_of(a.aggregation, c.quantity, c.latest_at::timestamptz, c.dimensions::jsonb ORDER BY c.n) AS quantity,
       billing.quantity_of(a.aggregation, c.quantity, c.latest_at::timestamptz, c.dimensions::jsonb ORDER BY c.n DESC) AS other_way
  FROM unnest('{sum,count,max,latest}'::text[]) AS a (aggregation),
       (VALUES (1, 4.5, '2026-01-01Z', '{}'), (2, 8, '2026-01-03Z', '{"kind":"z"}'), (3, 9, '2026-01-02Z', '{}'), (4, 2, '2026-01-03Z', '{"kind":"a"}')) AS c (n, quantity, latest_at, dimensions)
 GROUP BY a.aggregation ORDER BY a.aggregation;
SELECT billing.quantity_of('sum', 1, now(), '{}') FROM generate_series(1, 0);
SELECT billing.quantity_of('sum', NULL, now(), '{}');
\echo :LAST_ERROR_SQLSTATE

-- All eight models on one quantity, 1234.5:
--   flat 12.34; unit 1234.5 x 0.0125 / 3 = 5.14375; graduated 100 x 0 + 900 x 0.05 + 1 + 234.5 x 0.0333 + 2 = 55.80885;
--   volume 1234.5 x 0.0333 + 2 = 43.10885; package 13 started hundreds x 1.50 = 19.50; percentage 1234.5 x 2.9 % + 0.30 = 36.1005;
--   graduated_percentage 1000 x 3 % + 234.5 x 1.5 % + 0.25 = 33.7675; stairstep: the third step, 49.
SELECT pg_temp.sell('models', 'EUR', '[
    {"id":"flat","price":{"model":"flat","amount":"12.34"}},
    {"id":"unit","meter":"u","price":{"model":"unit","unit":"0.0125","per":"3"}},
    {"id":"graduated","meter":"u","price":{"model":"graduated","tiers":[{"up_to":"100","unit":"0"},{"up_to":"1000","unit":"0.05","flat":"1"},{"up_to":null,"unit":"0.0333","flat":"2"}]}},
    {"id":"volume","meter":"u","price":{"model":"volume","tiers":[{"up_to":"100","unit":"0"},{"up_to":"1000","unit":"0.05","flat":"1"},{"up_to":null,"unit":"0.0333","flat":"2"}]}},
    {"id":"package","meter":"u","price":{"model":"package","unit":"1.50","per":"100"}},
    {"id":"percentage","meter":"u","price":{"model":"percentage","percent":"2.9","flat":"0.30"}},
    {"id":"graduated_percentage","meter":"u","price":{"model":"graduated_percentage","tiers":[{"up_to":"1000","percent":"3"},{"up_to":null,"percent":"1.5","flat":"0.25"}]}},
    {"id":"stairstep","meter":"u","price":{"model":"stairstep","tiers":[{"up_to":"10","flat":"9"},{"up_to":"1000","flat":"19"},{"up_to":null,"flat":"49"}]}},
    {"id":"at least","meter":"u","price":{"model":"unit","unit":"0.001","minimum":"5"}},
    {"id":"at most","meter":"u","price":{"model":"unit","unit":"1","maximum":"99.99"}}]');
SELECT pg_temp.buy('models', 'models', '2026-01-01') IS NOT NULL AS bought;
SELECT pg_temp.use('models', 'u', '2026-01-10', 1000), pg_temp.use('models', 'u', '2026-01-31', 234.5);
SELECT rows_counted, rows_set_aside FROM billing.sync_counts();
SELECT billing.rate_batch('2026-02-01', 'models', 'models');
SELECT charge_id, rev, due_on, share, quantity, amount_minor, posted_minor FROM pg_temp.lines WHERE tenant_id = 'models' AND period_start = '2026-01-01';
-- Sum: 1234 + 514 + 5581 + 4311 + 1950 + 3610 + 3377 + 4900 + 500 + 9999 = 35976.
SELECT sum(amount_minor) FROM pg_temp.entries WHERE tenant_id = 'models';
-- February has no usage: the fee and the minimum are owed all the same, the rest is nothing.
SELECT billing.rate_batch('2026-03-01', 'models', 'models');
SELECT charge_id, due_on, quantity, amount_minor FROM pg_temp.lines WHERE tenant_id = 'models' AND period_start = '2026-02-01';

-- Tiers cross days: 61.5 a day, rated each day by one tenant and once at the end by another. The month is 1906.5:
-- 900 x 0.05 + 906.5 x 0.0333 = 75.18645. On 2 January it was 123: 23 x 0.05 = 1.15.
SELECT pg_temp.sell('tiers', 'EUR', '[{"id":"use","meter":"u","price":{"model":"graduated","tiers":[{"up_to":"100","unit":"0"},{"up_to":"1000","unit":"0.05"},{"up_to":null,"unit":"0.0333"}]}}]');
SELECT pg_temp.buy('daily', 'tiers', '2026-01-01') IS NOT NULL AND pg_temp.buy('once', 'tiers', '2026-01-01') IS NOT NULL AS bought;
SELECT count(*) FILTER (WHERE pg_temp.use(t, 'u', '2026-01-01'::date + d, 61.5)) AS new FROM generate_series(0, 30) AS d, unnest('{daily,once}'::text[]) AS t;
SELECT rows_counted FROM billing.sync_counts();
SELECT sum(billing.rate_batch('2026-01-01'::date + d, 'daily', 'daily')) AS revisions FROM generate_series(0, 31) AS d;
SELECT billing.rate_batch('2026-02-01', 'once', 'once') AS revisions;
SELECT tenant_id, count(*) AS revisions, max(amount_minor) AS amount_minor, sum(posted_minor) AS posted_minor,
       (SELECT sum(amount_minor) FROM pg_temp.entries e WHERE e.tenant_id = l.tenant_id) AS ledger_minor,
       (SELECT count(*) FROM pg_temp.entries e WHERE e.tenant_id = l.tenant_id) AS entries
  FROM pg_temp.lines l WHERE tenant_id IN ('daily', 'once') GROUP BY tenant_id ORDER BY tenant_id;
SELECT rev, quantity, amount_minor, posted_minor, rated_on FROM pg_temp.lines WHERE tenant_id = 'daily' AND rev IN (1, 2, 3, 16, 17, 18, 31);
-- Rated on its last day the month is all there; one day later nothing has changed, and so it is for ever.
SELECT billing.rate_batch('2026-02-01', 'daily', 'once') AS again, billing.rate_batch('2026-01-15', 'daily', 'once') AS never_back;

-- A volume price that drops: 100 x 1.00 = 100.00; one more makes it 101 x 0.50 = 50.50, so 49.50 goes back.
SELECT pg_temp.sell('volume', 'EUR', '[{"id":"use","meter":"u","price":{"model":"volume","tiers":[{"up_to":"100","unit":"1"},{"up_to":null,"unit":"0.5"}]}}]');
SELECT pg_temp.buy('volume', 'volume', '2026-01-01') IS NOT NULL AS bought, pg_temp.use('volume', 'u', '2026-01-02', 100), pg_temp.use('volume', 'u', '2026-01-03', 1);
SELECT rows_counted FROM billing.sync_counts();
SELECT billing.rate_batch('2026-01-02', 'volume', 'volume'), billing.rate_batch('2026-01-03', 'volume', 'volume');
SELECT * FROM pg_temp.entries WHERE tenant_id = 'volume';
-- A correcting event takes 41 of the 100 back: 60 x 1.00 = 60.00, 9.50 more.
SELECT pg_temp.use('volume', 'u', '2026-01-02', -41, corrects => '2026-01-02{}');
SELECT rows_counted FROM billing.sync_counts();
SELECT billing.rate_batch('2026-01-03', 'volume', 'volume');
SELECT rev, quantity, amount_minor, posted_minor FROM pg_temp.lines WHERE tenant_id = 'volume';
SELECT ledger_account, balance_minor FROM billing.balances WHERE tenant_id = 'volume' ORDER BY 1;
-- A late event of a period that was rated to its end: 60 + 50 = 110 x 0.50 = 55.00, posted on the day it is rated.
SELECT billing.rate_batch('2026-02-01', 'volume', 'volume') AS nothing_new;
SELECT pg_temp.use('volume', 'u', '2026-02-10', 3), pg_temp.use('volume', 'u', '2026-01-31', 50);
SELECT rows_counted FROM billing.sync_counts();
SELECT billing.rate_batch('2026-02-10', 'volume', 'volume');
SELECT period_start, rev, due_on, quantity, amount_minor, posted_minor, rated_on FROM pg_temp.lines WHERE tenant_id = 'volume' AND (rev > 3 OR period_start = '2026-02-01');

-- Usage by dimension: each charge takes what its filter matches, one takes all.
SELECT pg_temp.sell('kinds', 'EUR', '[{"id":"a","meter":"u","filter":{"kind":"a"},"price":{"model":"unit","unit":"1"}},{"id":"b","meter":"u","filter":{"kind":"b"},"price":{"model":"unit","unit":"10"}},
                                      {"id":"all","meter":"u","price":{"model":"unit","unit":"100"}}]');
SELECT pg_temp.buy('kinds', 'kinds', '2026-01-01') IS NOT NULL AS bought, pg_temp.use('kinds', 'u', '2026-01-05', 2, '{"kind":"a"}'), pg_temp.use('kinds', 'u', '2026-01-05', 3, '{"kind":"b"}'),
       pg_temp.use('kinds', 'u', '2026-01-05', 4, '{"kind":"c"}'), pg_temp.use('kinds', 'u', '2026-01-05', 5);
-- Meters that do not add up: hits are 4 events, whatever their quantity, and one at midnight of 1 February is February's; the peak
-- of 7, 9 and 8 is 9; the level is the latest, 8, though 9 was recorded after it.
SELECT pg_temp.sell('meters', 'EUR', '[{"id":"hits","meter":"hits","price":{"model":"unit","unit":"1"}},{"id":"peak","meter":"peak","price":{"model":"unit","unit":"1"}},{"id":"level","meter":"level","price":{"model":"unit","unit":"1"}}]');
SELECT pg_temp.buy('meters', 'meters', '2026-01-01') IS NOT NULL AS bought;
SELECT m, d, pg_temp.use('meters', m, ('2026-01-' || d)::date, q) FROM unnest('{hits,peak,level}'::text[]) AS m, (VALUES ('10', 7), ('30', 8), ('20', 9)) AS v (d, q);
SELECT billing.record_usage('meters', 'hits', 'another', occurred_at => '2026-01-10 23:59:59.999999Z'), billing.record_usage('meters', 'hits', 'out', occurred_at => '2026-02-01 00:00Z');
SELECT rows_counted FROM billing.sync_counts();
SELECT billing.rate_batch('2026-02-01', 'kinds', 'kinds'), billing.rate_batch('2026-02-01', 'meters', 'meters');
SELECT tenant_id, charge_id, quantity, amount_minor FROM pg_temp.lines WHERE tenant_id IN ('kinds', 'meters');

-- Rounding, once and half away from zero, to the minor unit: JPY 0, EUR 2, KWD 3 decimals. At a half, at one below zero, where an
-- event of 1 is corrected by -2, and just below a half:
--   JPY 0.5 x 1 = 0.5 -> 1 and x -1 -> -1; EUR 0.005 x 1 -> 0.01 and -0.01; KWD 0.0005 -> 0.001 and -0.001;
--   x 0.999999999999999999 -> 0.
SELECT pg_temp.sell(c, c, jsonb_build_array(jsonb_build_object('id', 'use', 'meter', 'u', 'price', jsonb_build_object('model', 'unit', 'unit', p))))
  FROM (VALUES ('JPY', '0.5'), ('EUR', '0.005'), ('KWD', '0.0005')) AS v (c, p);
SELECT count(pg_temp.buy(c || s, c, '2026-01-01')) AS bought FROM unnest('{JPY,EUR,KWD}'::text[]) AS c, unnest('{+,-,.}'::text[]) AS s;
SELECT count(pg_temp.use(c || s, 'u', '2026-01-05', CASE s WHEN '.' THEN 0.999999999999999999 ELSE 1 END)) AS used FROM unnest('{JPY,EUR,KWD}'::text[]) AS c, unnest('{+,-,.}'::text[]) AS s;
SELECT count(pg_temp.use(c || '-', 'u', '2026-01-05', -2, corrects => '2026-01-05{}')) AS corrected FROM unnest('{JPY,EUR,KWD}'::text[]) AS c;
-- Eighteen decimals and the largest quantity: 10^-18 x 999999999999999999 = 0.999999999999999999 -> 1.00;
-- 99999999999999999999.999999999999999999 / 10^18 = 99.999... -> 100.00.
SELECT pg_temp.sell('large', 'EUR', '[{"id":"use","meter":"u","price":{"model":"unit","unit":"999999999999999999"}}]'), pg_temp.sell('small', 'EUR', '[{"id":"use","meter":"u","price":{"model":"unit","unit":"1","per":"1000000000000000000"}}]');
SELECT pg_temp.buy('decimals', 'large', '2026-01-01') IS NOT NULL AND pg_temp.buy('decimals2', 'small', '2026-01-01') IS NOT NULL AS bought;
SELECT pg_temp.use('decimals', 'u', '2026-01-05', 0.000000000000000001), pg_temp.use('decimals2', 'u', '2026-01-05', 99999999999999999999.999999999999999999);
SELECT rows_counted FROM billing.sync_counts();
SELECT sum(billing.rate_batch('2026-02-01', t, t)) FROM (SELECT c || s FROM unnest('{JPY,EUR,KWD}'::text[]) AS c, unnest('{+,-,.}'::text[]) AS s UNION ALL VALUES ('decimals'), ('decimals2')) AS v (t);
SELECT tenant_id, quantity, amount_minor FROM pg_temp.lines WHERE tenant_id ~ '^(JPY|EUR|KWD|decimals)';
SELECT tenant_id, entry_type, amount_minor, currency FROM pg_temp.entries WHERE tenant_id ~ '^(JPY|EUR|KWD)-';

-- An amount beyond bigint is refused and leaves nothing, not of the tenants before it in the batch either.
SELECT pg_temp.buy('over1', 'tiers', '2026-01-01') IS NOT NULL AND pg_temp.buy('over2', 'large', '2026-01-01') IS NOT NULL AS bought, pg_temp.use('over1', 'u', '2026-01-05', 200), pg_temp.use('over2', 'u', '2026-01-05', 100);
SELECT rows_counted FROM billing.sync_counts();
SELECT billing.rate_batch('2026-01-05', 'over1', 'over2');
\echo :LAST_ERROR_SQLSTATE
SELECT (SELECT count(*) FROM billing.rated_lines WHERE tenant_id LIKE 'over%') AS lines, (SELECT count(*) FROM billing.ledger_entries WHERE tenant_id LIKE 'over%') AS entries;
SELECT billing.rate_batch('2026-01-05', 'over1', 'over1') AS of_the_other;

-- Fees: a month of 31 days at 31.00, in advance and in arrears, whole and by days.
SELECT pg_temp.sell('fees', 'EUR', '[{"id":"advance","price":{"model":"flat","amount":"31"},"in_advance":true},{"id":"arrears","price":{"model":"flat","amount":"31"}},
                                     {"id":"whole","price":{"model":"flat","amount":"31"},"prorate":false}]'),
       pg_temp.sell('double', 'EUR', '[{"id":"advance","price":{"model":"flat","amount":"62"},"in_advance":true},{"id":"calls","meter":"u","price":{"model":"graduated","tiers":[{"up_to":"10","unit":"0"},{"up_to":null,"unit":"1"}]}}]'),
       pg_temp.sell('yearly', 'EUR', '[{"id":"fee","price":{"model":"flat","amount":"365"},"in_advance":true},{"id":"calls","meter":"u","price":{"model":"unit","unit":"1"}}]', '1 year');
-- The first calendar period is 17 of 31 days: 17.00; one that is not prorated is whole. In February 31.00 is for 28 of 28 days.
SELECT pg_temp.buy('partial', 'fees', '2026-01-15') IS NOT NULL AS bought;
SELECT billing.rate_batch('2026-01-14', 'partial', 'partial') AS before, billing.rate_batch('2026-01-15', 'partial', 'partial') AS first_day,
       billing.rate_batch('2026-01-31', 'partial', 'partial') AS last_day, billing.rate_batch('2026-02-01', 'partial', 'partial') AS day_after;
SELECT period_start, period_end, charge_id, due_on, share, amount_minor, rated_on FROM pg_temp.lines WHERE tenant_id = 'partial';
-- An anniversary on the 31st: to 28 February, to 31 March, to 30 April, always counted from the anchor, and always a whole period.
SELECT pg_temp.buy('last day', 'fees', '2026-01-31', 'anniversary') IS NOT NULL AS bought;
SELECT billing.rate_batch('2026-04-30', 'last day', 'last day');
SELECT period_start, period_end, charge_id, due_on, share, amount_minor FROM pg_temp.lines WHERE tenant_id = 'last day' AND charge_id <> 'whole';
-- A year from 15 March, in calendar terms from 1 March: 351 of 365 days: 351.00. Its usage falls due with the year.
SELECT pg_temp.buy('year', 'yearly', '2026-03-15') IS NOT NULL AS bought, pg_temp.use('year', 'u', '2026-05-05', 7);
SELECT rows_counted FROM billing.sync_counts();
SELECT billing.rate_batch('2026-06-01', 'year', 'year');
SELECT period_start, period_end, charge_id, due_on, share, quantity, amount_minor FROM pg_temp.lines WHERE tenant_id = 'year';

-- A trial of 14 days: its usage is metered and not charged; then 17 of 31 days, 17.00, due when the trial ends, and 5 calls less 10 free.
SELECT pg_temp.buy('trial', 'fees', '2026-01-01', trial => 14) IS NOT NULL AS bought, pg_temp.buy('trial2', 'double', '2026-01-01', trial => 14) IS NOT NULL AS bought2;
SELECT pg_temp.use('trial2', 'u', '2026-01-14', 100), pg_temp.use('trial2', 'u', '2026-01-15', 15);
SELECT rows_counted FROM billing.sync_counts();
SELECT billing.rate_batch('2026-01-14', 'trial', 'trial2') AS during, billing.rate_batch('2026-02-01', 'trial', 'trial2') AS after;
-- trial2: 62.00 x 17/31 = 34.00; of the 15 calls after the trial 5 are beyond the 10 free ones: 5.00.
SELECT tenant_id, period_start, period_end, charge_id, due_on, share, quantity, amount_minor FROM pg_temp.lines WHERE tenant_id LIKE 'trial%' AND period_start < '2026-02-01';

-- Changing the plan on 11 January. Before: 31.00 for January in advance. After: 10 of 31 days, 10.00, so that 21.00 go back, and
-- 21 of 31 days of the new plan, 62.00 x 21/31 = 42.00, due when the month closes. The new plan's tiers count from the change:
-- 12 calls less 10 free, 2.00; the 5 calls before it cost nothing, for the old plan has no charge for them.
SELECT pg_temp.buy('change', 'fees', '2026-01-01') AS change \gset
SELECT billing.rate_batch('2026-01-05', 'change', 'change');
SELECT pg_temp.use('change', 'u', '2026-01-10', 5);
SELECT billing.change_plan('change', :'change', 'double', '2026-01-11', today => '2026-01-11');
SELECT pg_temp.use('change', 'u', '2026-01-11', 12);
SELECT rows_counted FROM billing.sync_counts();
SELECT billing.rate_batch('2026-01-20', 'change', 'change'), billing.rate_batch('2026-02-01', 'change', 'change');
SELECT period_start, period_end, plan_id, charge_id, rev, due_on, share, quantity, amount_minor, posted_minor, rated_on FROM pg_temp.lines WHERE tenant_id = 'change' AND period_start < '2026-02-01';
SELECT posted_on, charge_id, rev, entry_type, amount_minor FROM pg_temp.entries WHERE tenant_id = 'change';
-- Back again while the month is still the current one: the segment of the other plan comes to nothing.
SELECT pg_temp.buy('back', 'fees', '2026-01-01') AS back \gset
SELECT billing.change_plan('back', :'back', 'double', '2026-01-11', today => '2026-01-11');
SELECT billing.rate_batch('2026-01-12', 'back', 'back');
SELECT billing.change_plan('back', :'back', 'fees', '2026-01-11', today => '2026-01-12');
SELECT billing.rate_batch('2026-01-13', 'back', 'back'), billing.rate_batch('2026-01-13', 'back', 'back') AS again;
SELECT period_start, period_end, plan_id, charge_id, rev, share, amount_minor, posted_minor FROM pg_temp.lines WHERE tenant_id = 'back';

-- Cancelling at the end of the period: whole. Now, on 10 January: 10 of 31 days of each fee that is prorated, 21.00 of the one in
-- advance goes back, and everything falls due on the 11th. After that there is nothing more.
SELECT pg_temp.buy('cancel', 'fees', '2026-01-01') AS cancel, pg_temp.buy('cancel2', 'fees', '2026-01-01') AS cancel2 \gset
SELECT billing.rate_batch('2026-01-10', 'cancel', 'cancel2');
SELECT billing.cancel_subscription('cancel', :'cancel', today => '2026-01-10'), billing.cancel_subscription('cancel2', :'cancel2', at => 'now', today => '2026-01-10');
SELECT billing.rate_batch('2026-01-11', 'cancel', 'cancel2'), billing.rate_batch('2026-02-01', 'cancel', 'cancel2'), billing.rate_batch('2026-06-01', 'cancel', 'cancel2') AS later;
SELECT tenant_id, period_start, period_end, charge_id, rev, due_on, share, amount_minor, posted_minor, rated_on FROM pg_temp.lines WHERE tenant_id LIKE 'cancel%';

-- Cancelled on 10 February to the first of the month, when its fee in advance was rated already: it goes back.
SELECT pg_temp.buy('cancel3', 'fees', '2026-01-01') AS cancel3 \gset
SELECT billing.rate_batch('2026-02-10', 'cancel3', 'cancel3');
SELECT billing.cancel_subscription('cancel3', :'cancel3', '2026-02-01', today => '2026-02-10');
SELECT billing.rate_batch('2026-02-10', 'cancel3', 'cancel3'), billing.rate_batch('2026-02-11', 'cancel3', 'cancel3') AS again;
SELECT period_start, period_end, charge_id, rev, due_on, share, amount_minor, posted_minor, rated_on FROM pg_temp.lines WHERE tenant_id = 'cancel3' AND charge_id = 'advance';

-- What is owed so far, with usage that no window has taken yet: 200 and 61.5 make 161.5 x 0.05 = 8.075. Nothing is written.
SELECT pg_temp.use('over1', 'u', '2026-01-06', 61.5);
SELECT plan_id, charge_id, period_start, period_end, quantity, amount_minor, currency FROM billing.current_charges('over1', '2026-01-06');
SELECT count(*) FROM billing.current_charges('nobody', '2026-01-06');
SELECT quantity, amount_minor FROM pg_temp.lines WHERE tenant_id = 'over1';
-- Unsynced hits count as synced ones will: a correction of 0 is no event, one of -1 takes one away: 1 + 1 + 0 - 1 = 1.
SELECT billing.record_usage('meters', 'hits', 'h1', occurred_at => '2026-03-02Z'), billing.record_usage('meters', 'hits', 'h2', occurred_at => '2026-03-02Z'),
       billing.record_usage('meters', 'hits', 'h3', 0, occurred_at => '2026-03-02Z', corrects => 'h1'), billing.record_usage('meters', 'hits', 'h4', -1, occurred_at => '2026-03-02Z', corrects => 'h1'),
       pg_temp.use('meters', 'peak', '2026-03-02', 4), pg_temp.use('meters', 'peak', '2026-03-03', 3), pg_temp.use('meters', 'level', '2026-03-02', 4), pg_temp.use('meters', 'level', '2026-03-03', 3);
CREATE TEMP TABLE unsynced AS SELECT charge_id, period_start, quantity, amount_minor FROM billing.current_charges('meters', '2026-03-05') WHERE period_start = '2026-03-01';
SELECT * FROM unsynced;
SELECT rows_counted FROM billing.sync_counts();
SELECT billing.rate_batch('2026-03-05', 'meters', 'meters');
SELECT charge_id, period_start, quantity, amount_minor FROM pg_temp.lines WHERE tenant_id = 'meters' AND period_start = '2026-03-01' EXCEPT SELECT * FROM unsynced;

-- A price tried on January's lines of the plan: 1906.5 x 0.04 = 76.26 against 75.19, and 200 x 0.04 = 8.00 against 5.00.
BEGIN;
SELECT tenant_id, period_start, quantity, existing_minor, candidate_minor, difference_minor, currency FROM billing.shadow_rate('tiers', 'use', '{"model":"unit","unit":0.04}', '2026-01-01');
SELECT pg_current_xact_id_if_assigned() IS NULL AS wrote_nothing;
COMMIT;
SELECT * FROM billing.shadow_rate('tiers', 'use', '{"model":"unit","unit":"-1"}', '2026-01-01');
\echo :LAST_ERROR_SQLSTATE
SELECT count(*) FROM billing.shadow_rate('tiers', 'other', '{"model":"unit","unit":"1"}', '2026-01-01');

-- All of it again: the same days for everybody write no row. Ends of batches are bytes, not words.
SELECT (SELECT count(*) FROM billing.rated_lines) AS lines, (SELECT count(*) FROM billing.ledger_entries) AS entries \gset before_
SELECT tenant_id, billing.rate_batch(max(rated_on), tenant_id, tenant_id) FROM billing.rated_lines WHERE tenant_id NOT LIKE 'over%' GROUP BY tenant_id HAVING billing.rate_batch(max(rated_on), tenant_id, tenant_id) <> 0;
SELECT (SELECT count(*) FROM billing.rated_lines) - :before_lines AS lines, (SELECT count(*) FROM billing.ledger_entries) - :before_entries AS entries;
-- Every line's postings add up to its amount, the ledger to the lines, and every revision has its own id.
SELECT count(*) AS lines, count(*) FILTER (WHERE amount <> posted) AS wrong, bool_and(ids = revisions) AS ids_differ
  FROM (SELECT (array_agg(amount_minor ORDER BY revision DESC))[1] AS amount, sum(posted_minor) AS posted, count(DISTINCT rated_line_id) AS ids, max(revision) AS revisions
          FROM billing.rated_lines GROUP BY tenant_id, subscription_id, charge_id, period_start) AS l;
SELECT tenant_id FROM billing.rated GROUP BY tenant_id, currency
HAVING sum(amount_minor) <> coalesce((SELECT balance_minor FROM billing.balances b WHERE b.tenant_id = rated.tenant_id AND b.currency = rated.currency AND ledger_account = 'unbilled_receivable'), 0);
SELECT * FROM billing.check_integrity();
-- Every tenant, in batches: all but the one that overflows are done; corrected, it follows.
SET client_min_messages = notice;
CALL billing.run_rating('2026-03-05', batch_tenants => 16);
\echo :LAST_ERROR_SQLSTATE
SELECT pg_temp.use('over2', 'u', '2026-01-05', -100, corrects => '2026-01-05{}');
CALL billing.run_rating('2026-03-05', batch_tenants => 16);
SELECT period_start, quantity, amount_minor FROM pg_temp.lines WHERE tenant_id IN ('over1', 'over2');
CALL billing.run_rating('2026-03-05', batch_tenants => 0);
\echo :LAST_ERROR_SQLSTATE
-- Parts of the tenants, by their bytes: all are in one of two that share a bound, and from the last to the first there is none.
CALL billing.run_rating('2026-03-06', last_tenant => 'kinds', batch_tenants => 100);
CALL billing.run_rating('2026-03-06', first_tenant => 'kinds', batch_tenants => 100);
CALL billing.run_rating('2026-03-06', first_tenant => 'Z', last_tenant => 'a', batch_tenants => 100);
CALL billing.run_rating('2026-03-06', first_tenant => 'a', last_tenant => 'Z');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.rate_batch('2026-03-06', 'kinds2', 'kinds');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.rate_batch('2026-03-06', chr(233), 'z');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.rate_batch('2026-03-06', '', repeat(chr(129412), 10000)) AS up_to_any;
SELECT count(*) AS locks_left FROM billing.tenant_locks;
\c :home
DROP DATABASE regress_billing_rating;
