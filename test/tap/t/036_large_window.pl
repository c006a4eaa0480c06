# A window whose rows fit into memory and one whose rows do not come to the same: counts, digests, rows set aside and taken back. Each
# is counted in both ways, and rolled back before the other. LARGE_WINDOW_SEED repeats a run's random rows.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);
use BillingTest qw(billing_node);

my $seed = $ENV{LARGE_WINDOW_SEED} // time() * 1000 % 1_000_000;
diag("seed $seed");

my $node = billing_node('main');
$node->safe_psql('postgres', q{
SELECT billing.ensure_partitions('2026-01-01', '2026-03-01');
SELECT billing.create_meter('a sum', unit => 'u', dimensions => '{region,tier}'), billing.create_meter('b count', unit => 'u', aggregation => 'count', dimensions => '{region}'),
       billing.create_meter('c max', unit => 'u', aggregation => 'max'), billing.create_meter('d latest', unit => 'u', aggregation => 'latest', dimensions => '{region}');
SELECT billing.create_plan('plan', currency => 'EUR'), billing.add_charge('plan', 'base', price => '{"model":"flat","amount":"1"}'), billing.publish_plan('plan');
SELECT billing.create_account('t' || n) FROM generate_series(1, 6) AS n;
SELECT billing.create_account('t1', account => 'other');
SELECT billing.subscribe('t' || n, plan => 'plan', starts => '2026-01-01') FROM generate_series(1, 5) AS n;
SELECT billing.subscribe('t1', account => 'other', plan => 'plan', starts => '2026-01-15');
});

# Of quantities some have 38 digits, whose sums leave 128 bits; of times many are equal; of names some are known only later.
sub load
{
	my ($part, $rows) = @_;
	return $node->safe_psql('postgres', "SELECT setseed(($seed + $part) / 1000003.0);" . qq{
INSERT INTO billing.usage_records (tenant_id, meter_id, event_id, account_id, occurred_at, quantity, dimensions, attribution, corrects_event_id)
SELECT 't' || ceil(random() ^ 3 * 7), (ARRAY['a sum', 'b count', 'c max', 'd latest', 'e later'])[ceil(random() * 4.02)], '$part-' || chr(97 + n % 26) || n,
       CASE WHEN random() < 0.1 THEN 'other' ELSE 'main' END, timestamptz '2026-01-30Z' - floor(random() ^ 2 * 2000) * interval '17 minutes',
       (ARRAY['0', '1', '-1', '2.50', '-0.25', '7.000000000000000001', '99999999999999999999.999999999999999999', '12345678901234567890'])[ceil(random() * 8)]::numeric,
       (ARRAY['{}', '{"region": "eu"}', '{"tier": "1", "region": "\\u00e9\\u4e2d"}', '{"region": "eu-west"}', '{"region": 1}'])[ceil(random() ^ 2 * 5)]::jsonb,
       CASE WHEN random() < 0.1 THEN '{"app": "x"}'::jsonb END,
       CASE WHEN random() < 0.4 THEN '$part-' || chr(97 + (n - 1) % 26) || n - 1 WHEN random() < 0.01 THEN '$part-' || chr(97 + n % 26) || n END
  FROM generate_series(1, $rows) AS n
ON CONFLICT DO NOTHING});
}

# What must not change a byte: only those in memory are counted with it.
my $settings = q{SET DateStyle = 'German, DMY'; SET TimeZone = 'Pacific/Apia'; SET extra_float_digits = -15; SET bytea_output = 'escape';};

my $outcome = q{
SELECT * FROM billing.sync_counts();
RESET ALL;
SELECT d.day, d.tenant_id, d.account_id, d.meter_id, d.dimensions, CASE m.aggregation WHEN 'max' THEN trim_scale(d.quantity) ELSE d.quantity END, d.events, d.latest_at, d.window_no
  FROM billing.daily_counts d JOIN billing.meters m USING (meter_id) ORDER BY 1, 2, 3, 4, 5;
SELECT * FROM billing.usage_set_aside ORDER BY 1, 2, 3, 4;
SELECT tenant_id, sequence, window_no, rows_processed, first_day, last_day, digest, counts_digest FROM billing.count_sync_checkpoint_events ORDER BY 1, 2;
SELECT tenant_id, sequence, window_no FROM billing.count_sync_checkpoints ORDER BY 1;
SELECT window_no, rows_counted, rows_set_aside FROM billing.count_windows ORDER BY 1;
};

# Counts the window as it is done with so much memory, and returns what came of it.
sub count_window
{
	my ($memory, $by_sql, $end) = @_;
	$node->safe_psql('postgres', "ALTER FUNCTION billing.sync_counts() SET work_mem = '$memory'");
	my ($result, $out, $err) = $node->psql('postgres', "SET client_min_messages = debug1;" . ($by_sql ? '' : $settings) . " BEGIN; $outcome; $end;", on_error_stop => 1);
	is($result, 0, "$memory: counted") or diag($err);
	is($err =~ /count window is counted by SQL/ ? 1 : 0, $by_sql, "$memory: " . ($by_sql ? 'by SQL' : 'in memory'));
	return $out;
}

sub compare_window
{
	my ($name, $keep) = @_;
	my $large = count_window('64kB', 1, 'ROLLBACK');
	my $small = count_window('64MB', 0, 'ROLLBACK');
	is($small, $large, "$name: the same in memory and by SQL");
	is(count_window($keep eq 'large' ? ('64kB', 1) : ('64MB', 0), 'COMMIT'), $large, "$name: and kept");
	is($node->safe_psql('postgres', 'SELECT * FROM billing.replay_count_sync()'), '', "$name: the replay finds no difference");
	return $large;
}

load(1, 6000);
my $first = compare_window('first window', 'small');
my $reasons = $node->safe_psql('postgres', 'SELECT DISTINCT reason FROM billing.usage_set_aside ORDER BY 1');
is($reasons, join("\n", 'invalid dimensions', 'invalid itself', 'invalid negative quantity', 'no subscription on the day', 'unknown account', 'unknown event to correct',
	'unknown meter'), 'every reason to set a row aside occurs');

# What was missing comes, and more rows.
$node->safe_psql('postgres', q{
SELECT billing.create_meter('e later', unit => 'u', dimensions => '{region,tier}');
SELECT billing.create_account('t7');
SELECT billing.subscribe(t, plan => 'plan', starts => '2026-01-01') FROM unnest('{t6,t7}'::text[]) AS t;
});
load(2, 6000);
compare_window('second window', 'large');
cmp_ok($node->safe_psql('postgres', 'SELECT count(*) FROM billing.usage_set_aside WHERE counted_in = 2'), '>', 0, 'rows set aside are counted');
is($node->safe_psql('postgres', "SELECT bool_or(abs(quantity) > 2 * 10 ^ 20::numeric AND scale(quantity) = 18) FROM billing.daily_counts"), 't', 'sums leave 128 bits');

$node->safe_psql('postgres', "ALTER FUNCTION billing.sync_counts() SET work_mem = '64MB'");
is($node->safe_psql('postgres', 'SELECT * FROM billing.sync_counts()'), '2|0|0', 'nothing new is nothing');
$node->stop;
done_testing();
