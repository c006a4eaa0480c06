#!/usr/bin/perl
# Beyond what an amount can hold there is an error, and never a wrap: prices times quantities against PostgreSQL's own numeric, sums at the
# borders of bigint through every call that adds (postings, balances, rating, invoices, their totals), quantities of 38 digits.
#
# What is refused changes nothing: after each refusal the ledger is what it was.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../tap/lib", "$FindBin::Bin/lib";
use Test::More;
use Soak qw(begin_soak figure is_long seconds_left seed soak_node);
use SoakQuery qw(query try_query);

begin_soak(short => 4);
my $node = soak_node('overflow', fsync => 'off');
my $most = '9223372036854775807';
my ($tried, $violations) = (0, 0);

query(qq{
SELECT billing.ensure_partitions('2026-01-01', '2026-05-01'), billing.ensure_partitions(current_date, current_date + 31);
SELECT billing.create_currency('WEI', 'Wei', 18), billing.create_meter('m', unit => 'unit'), billing.create_meter('top', unit => 'unit', aggregation => 'max');
SELECT billing.create_plan('wei', currency => 'WEI'), billing.add_charge('wei', 'one', meter => 'm', price => '{"model":"unit","unit":"1"}'),
       billing.add_charge('wei', 'two', price => '{"model":"flat","amount":"9.223372036854775807"}'), billing.add_charge('wei', 'peak', meter => 'top', price => '{"model":"unit","unit":"0.000000000000000001"}'),
       billing.publish_plan('wei');
SELECT billing.create_plan('eur', currency => 'EUR'), billing.add_charge('eur', 'much', meter => 'm', price => '{"model":"unit","unit":"999999999999999999"}'), billing.publish_plan('eur');
-- A price times a quantity in numeric, rounded half away from zero; NULL when it is beyond bigint.
CREATE FUNCTION exact(cost numeric, exponent integer, share numeric, of numeric) RETURNS bigint LANGUAGE sql IMMUTABLE AS \$\$
    SELECT CASE WHEN n BETWEEN -${most} - 1 AND $most THEN n::bigint END
      FROM (SELECT sign(cost) * div(abs(cost) * 10::numeric ^ exponent * share * 2 + of, 2 * of) AS n) AS r
\$\$;
-- What a call says: its answer, or NULL for MB416. Any other error is one.
CREATE FUNCTION rated(price jsonb, quantity numeric, exponent integer, share bigint, of bigint) RETURNS bigint LANGUAGE plpgsql AS \$\$
BEGIN
    RETURN billing.rate_minor(price, quantity, exponent, share, of);
EXCEPTION WHEN SQLSTATE 'MB416' THEN
    RETURN NULL;
END
\$\$;
-- A decimal of up to that many digits before and after the point, often all nines or a one and zeros.
CREATE FUNCTION any_number(before integer, after integer) RETURNS numeric LANGUAGE sql VOLATILE AS \$\$
    SELECT trim_scale(CASE floor(random() * 4) WHEN 0 THEN ('0' || repeat('9', b) || '.' || repeat('9', a))::numeric WHEN 1 THEN 10::numeric ^ greatest(b - 1, 0)
                                    ELSE trunc(random()::numeric * (10::numeric ^ b - 1), a) END)
      FROM (SELECT floor(random() * (before + 1))::integer AS b, floor(random() * (after + 1))::integer AS a) AS d
\$\$;
});

# Prices: what is told is exact, or too large.
my $count = is_long() ? 20_000 : 1_000;
my $round = 0;
do
{
	my $wrong = query('SELECT setseed(' . ((seed() + $round) % 1000) / 1000 . qq{) \\g /dev/null
WITH draws AS MATERIALIZED (SELECT any_number(18, 18) AS unit, any_number(20, 18) * CASE WHEN random() < 0.3 THEN -1 ELSE 1 END AS quantity, floor(1 + any_number(6, 0)) AS per, floor(random() * 19)::integer AS exponent,
                      floor(random() * 367)::bigint AS share, 1 + floor(random() * 366)::bigint AS of FROM generate_series(1, $count)),
     costs AS (SELECT d.*, v.price, v.cost FROM draws d, LATERAL (VALUES
         (jsonb_build_object('model', 'unit', 'unit', d.unit::text, 'per', d.per::text), NULL::numeric),
         (jsonb_build_object('model', 'flat', 'amount', d.unit::text), d.unit),
         (jsonb_build_object('model', 'package', 'unit', d.unit::text, 'per', d.per::text), sign(d.quantity) * (div(abs(d.quantity), d.per) + (mod(abs(d.quantity), d.per) > 0)::integer) * d.unit),
         (jsonb_build_object('model', 'stairstep', 'tiers', jsonb_build_array(jsonb_build_object('up_to', '1', 'flat', '1'), jsonb_build_object('flat', d.unit::text))),
          sign(d.quantity) * CASE WHEN abs(d.quantity) > 1 THEN d.unit WHEN d.quantity = 0 THEN 0 ELSE 1 END)) AS v (price, cost))
SELECT count(*) || coalesce(min(' such as ' || costs), '') FROM costs
 WHERE rated(price, quantity, exponent, share, of) IS DISTINCT FROM CASE price ->> 'model' WHEN 'unit' THEN exact(quantity * unit, exponent, share, of * per) ELSE exact(cost, exponent, share, of) END});
	is($wrong, 0, 4 * $count . ' prices: exact, or MB416');
	$violations++ if $wrong ne '0';
	$tried += 4 * $count;
	$round++;
} while (is_long() && seconds_left() > 30);

# A call that must be refused, with the SQLSTATEs it may be refused by, and no change of money.
sub money
{
	return query(q{SELECT (SELECT count(*) || ',' || coalesce(sum(amount_minor), 0) FROM billing.ledger_entries), (SELECT count(*) || ',' || coalesce(sum(quantity), 0) FROM billing.usage_records),
		(SELECT coalesce(sum(total_minor), 0) FROM billing.invoices), (SELECT coalesce(sum(amount_minor::numeric), 0) FROM billing.rated_lines)});
}

sub is_refused
{
	my ($sql, $codes, $name) = @_;
	my $before = money();
	my ($succeeded, $out, $error) = try_query($sql);
	$tried++;
	my $good = !$succeeded && $error =~ /^(?:psql:<stdin>:\d+: )?ERROR:  (?:$codes):/m && money() eq $before;
	$violations++ if !$good;
	ok($good, $name) or diag("$sql: answered '$out', $error, before $before, after " . money());
	return;
}

sub is_right
{
	my ($sql, $expected, $name) = @_;
	$tried++;
	my ($succeeded, $out, $error) = try_query($sql);
	$violations++ if !is($succeeded ? $out : $error, $expected, $name);
	return;
}

# Usage: what cannot be a quantity is refused at the door, by every door.
for my $quantity ('99999999999999999999999999999999999999', '100000000000000000000', '-100000000000000000000', '0.' . '0' x 18 . '1', 'NaN', 'Infinity', '-Infinity', '1e131071')
{
	query("SELECT billing.create_account('door') \\g /dev/null\nSELECT billing.subscribe('door', 'eur', '2026-01-01', idempotency_key => 'door') \\g /dev/null");
	is_refused("SELECT billing.record_usage('door', 'm', 'e', '$quantity', '2026-01-05Z')", 'MB415', "record_usage of $quantity");
	is_refused("SELECT billing.record_usage('[{\"tenant\":\"door\",\"meter\":\"m\",\"event_id\":\"e\",\"quantity\":\"$quantity\",\"occurred_at\":\"2026-01-05T00:00:00Z\"}]')", 'MB415|MB400|22P02|22003', "as JSON, $quantity");
	is_refused("SELECT billing.record_usage_arrays('{door}', '{m}', '{e}', ARRAY['$quantity'::numeric], '{2026-01-05Z}')", 'MB415', "as an array, $quantity");
	is_refused("INSERT INTO billing.usage_records (tenant_id, meter_id, event_id, account_id, occurred_at, quantity) VALUES ('door', 'm', 'e', 'main', '2026-01-05Z', '$quantity')", '23514|MB415|MB422', "by the loader, $quantity");
}
for my $units ('999999999999.9999999999999', '1000000000000', 'NaN', 'Infinity', '0')
{
	is_refused("SELECT billing.open_allocation('door', 'a', 'm', '$units', '2026-01-05Z')", 'MB415', "an allocation of $units units");
}

# The greatest that may be: counted, and either rated exactly or left out by name, while all others are billed.
query(q{
SELECT billing.create_account(t), billing.subscribe(t, 'wei', '2026-01-01') FROM unnest('{fits,line,sum,peak}'::text[]) AS t;
SELECT billing.create_account('eur'), billing.subscribe('eur', 'eur', '2026-01-01');
SELECT billing.record_usage('fits', 'm', 'a', 9.223372036854775807, '2026-01-05Z'),        -- the largest amount there is
       billing.record_usage('line', 'm', 'a', 9.223372036854775808, '2026-01-05Z'),        -- one more
       billing.record_usage('sum', 'm', 'e' || n, 99999999999999999999.999999999999999999, '2026-01-05Z') FROM generate_series(1, 1) AS n;
SELECT billing.record_usage('sum', 'm', 'e' || n, 99999999999999999999.999999999999999999, '2026-01-05Z') FROM generate_series(2, 300) AS n;
SELECT billing.record_usage('peak', 'top', 'a', 99999999999999999999.999999999999999999, '2026-01-05Z'), billing.record_usage('eur', 'm', 'a', 1, '2026-01-05Z');
});
is_right(q{SELECT FROM billing.sync_counts(); SELECT sum(quantity), events FROM billing.daily_counts WHERE tenant_id = 'sum' GROUP BY events}, '29999999999999999999999.999999999999999700|300', 'a count of 300 of the largest quantities is exact');
my ($succeeded, $out, $error) = try_query(q{CALL billing.run_rating('2026-01-20', batch_tenants => 100)});
ok(!$succeeded && $error =~ /MB416: 4 of 6 tenants left out.*Their amounts are out of range: eur, line, peak, sum\./s, 'rating leaves out who is out of range, and says whom') or do { $violations++; diag($error) };
is_right(q{SELECT tenant_id, amount_minor FROM billing.rated WHERE charge_id = 'one' AND amount_minor <> 0}, "fits|$most", 'and rates the others, to the last unit');
is_refused(qq{SELECT * FROM billing.current_charges('$_', '2026-01-20')}, 'MB41[56]', "current charges of $_") for qw(line sum peak eur);
is_refused(qq{SELECT billing.preview_invoices('$_', '2026-02-01')}, 'MB41[56]|22003', "preview of $_") for qw(fits line sum peak eur);
is_refused(qq{SELECT billing.rate_batch('2026-01-20', 'a', 'z')}, 'MB41[56]|22003', 'a batch with them');

# Two lines that fit, and their total does not.
($succeeded, $out, $error) = try_query(q{CALL billing.run_invoices('2026-02-01', finalize => true, batch_tenants => 100)});
ok(!$succeeded && $error =~ /MB416.*eur, fits, line, peak, sum/s, 'an invoice whose total does not fit is left out by name') or do { $violations++; diag($error) };
is_right(q{SELECT count(*) FROM billing.invoices WHERE tenant_id IN ('fits', 'line', 'sum', 'peak', 'eur')}, '0', 'and not made');
# A correction takes it back in range: then it is billed.
query(q{SELECT billing.record_usage('fits', 'm', 'b', -9.223372036854775807, '2026-01-05Z', corrects => 'a'), billing.record_usage('line', 'm', 'b', -9.223372036854775808, '2026-01-05Z', corrects => 'a')});
($succeeded, $out, $error) = try_query(q{CALL billing.run_invoices('2026-02-01', finalize => true, batch_tenants => 100)});
ok(!$succeeded && $error =~ /of range: eur, peak, sum\./, 'a correction brings them back') or do { $violations++; diag($error) };
is_right(q{SELECT tenant_id, status, total_minor FROM billing.invoices WHERE tenant_id IN ('fits', 'line') ORDER BY 1}, "fits|finalized|$most\nline|finalized|$most", 'and they are billed');
is_right(q{SELECT billing.balance('fits', 'WEI')}, $most, 'owed to the last unit');

# Sums in the ledger: each entry fits, what they add up to does not.
is_refused("SELECT billing.post_entry('$_->[0]', 'payment', $_->[1], 'EUR', posted_on => '2026-01-05')", $_->[2], "posting $_->[1]")
  for [ 'eur', '9223372036854775808', '22003|42883' ], [ 'eur', -1, 'MB400' ], [ 'eur', 0, 'MB400' ], [ 'eur', '(-9223372036854775808)', 'MB400' ];
query(qq{SELECT billing.post_entry('eur', 'adjustment', $most, 'EUR', posted_on => '2026-01-05')});
is_right(q{SELECT billing.balance('eur', 'EUR')}, $most, 'a balance of the largest amount');
query(q{SELECT billing.post_entry('eur', 'adjustment', 1, 'EUR', posted_on => '2026-01-05')});
is_refused(q{SELECT billing.balance('eur', 'EUR')}, '22003|MB416', 'a balance of one more');
is_refused(q{SELECT billing.balance('eur', 'EUR', 'revenue')}, '22003|MB416', 'on the other side too');
is_refused(q{SELECT sum(balance_minor) FROM billing.balances}, '22003|MB416', 'the view of balances');
is_refused(q{SELECT sum(balance_minor) FROM billing.trial_balance}, '22003|MB416', 'the trial balance');
query(q{SELECT billing.post_entry('eur', 'payment', 1, 'EUR', posted_on => '2026-01-06')});
is_right(q{SELECT billing.balance('eur', 'EUR')}, $most, 'paid down to it, there is a balance again');
query(qq{SELECT billing.create_account('low'); SELECT billing.post_entry('low', 'payment', $most, 'EUR', posted_on => '2026-01-05'), billing.post_entry('low', 'payment', 1, 'EUR', posted_on => '2026-01-05')});
is_right(q{SELECT billing.balance('low', 'EUR')}, '-9223372036854775808', 'the lowest balance');

# Splitting and formatting at the borders.
is_right("SELECT billing.split_amount($most, '{1,1}')", '{4611686018427387904,4611686018427387903}', 'the largest amount in two');
is_right("SELECT billing.split_amount(-9223372036854775808, '{1,1,1}')", '{-3074457345618258603,-3074457345618258603,-3074457345618258602}', 'the lowest in three');
is_right("SELECT (SELECT sum(p) FROM unnest(billing.split_amount($most, '{$most,$most,1}')) AS p)", $most, 'the largest weights that fit');
is_refused("SELECT billing.split_amount($most, '{$most,$most,2}')", 'MB416', 'and more');
is_right('SELECT billing.format_minor(-9223372036854775808, 18)', '-9.223372036854775808', 'the lowest amount as text');
for my $days ('infinity', '-infinity', '5874897-12-31', '4713-01-01 BC')
{
	is_refused("SELECT billing.subscribe('low', 'eur', '$days')", 'MB417', "a subscription from $days");
	is_refused("SELECT * FROM billing.cycles('$days', 1, '2026-01-01', '2026-02-01')", 'MB417', "cycles from $days");
	is_refused("SELECT billing.post_entry('low', 'payment', 1, 'EUR', posted_on => '$days')", 'MB417|MB424', "an entry on $days");
}
is(query('SELECT * FROM billing.check_integrity()'), '', 'integrity') or $violations++;
is(query('SELECT * FROM billing.replay_count_sync()'), '', 'replay') or $violations++;
figure('overflow', figure => "$tried cases at the borders, $violations wrong", aim => 'an error, never a wrap', violations => $violations);
$node->stop;
done_testing();
