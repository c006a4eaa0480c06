-- Two plans with a fee of the same key, one in advance and one in arrears, changed on a period's first day: what the first
-- posted is taken back where it was posted, and not on the accounts of the second.
BEGIN;
SET LOCAL client_min_messages = warning;
SELECT plan(6);

SELECT billing.ensure_partitions('2026-10-01', '2027-01-01') \g /dev/null
SELECT billing.create_plan('early', currency => 'EUR'), billing.add_charge('early', 'fee', price => '{"model":"flat","amount":"30"}', in_advance => true),
       billing.publish_plan('early'), billing.create_plan('late', currency => 'EUR'),
       billing.add_charge('late', 'fee', price => '{"model":"flat","amount":"45"}'), billing.publish_plan('late'),
       billing.create_account('change', name => 'Change') \g /dev/null
SELECT billing.subscribe('change', plan => 'early', starts => '2026-11-01') AS subscription \gset

SELECT is(billing.rate_batch('2026-11-01', 'change', 'change'), 1::bigint, 'the fee in advance is rated on the first day');
SELECT is(billing.balance('change', 'EUR', 'deferred_revenue'), 3000::bigint, 'and deferred');
SELECT billing.change_plan('change', :'subscription', 'late', '2026-11-01', today => '2026-11-01') \g /dev/null
SELECT billing.rate_batch('2026-12-01', 'change', 'change') \g /dev/null
SELECT is(billing.balance('change', 'EUR', 'deferred_revenue'), 0::bigint, 'the change takes it back from deferred revenue');
SELECT is(billing.balance('change', 'EUR', 'revenue'), 4500::bigint, 'and the fee in arrears is revenue');
SELECT is((SELECT string_agg(format('%s %s: %s, posted %s', plan_id, revision, amount_minor, posted_minor), '; ' ORDER BY plan_id, revision)
             FROM billing.rated_lines WHERE tenant_id = 'change'),
          'early 1: 3000, posted 3000; early 2: 0, posted -3000; late 1: 4500, posted 4500', 'each plan version has its own line');
SELECT is_empty($$SELECT * FROM billing.check_integrity() WHERE tenant_id = 'change'$$, 'the books agree');

SELECT * FROM finish();
ROLLBACK;
