# Count windows under load: writers of every kind, syncs at the same time, some of them killed. Each committed row is counted
# once. WINDOWS_SECONDS says how long, WINDOWS_SEED repeats a run's random choices.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);
use BillingLoad qw(finish_writers start_session start_writers);
use BillingTest qw(billing_node);

my $seed = $ENV{WINDOWS_SEED} // time() * 1000 % 2**31;
my $seconds = $ENV{WINDOWS_SECONDS} // 8;
srand $seed;
diag("seed $seed, $seconds seconds");

my $node = billing_node('main', max_prepared_transactions => 20, synchronous_commit => 'off');
$node->safe_psql('postgres', q{
SELECT billing.ensure_partitions('2026-01-01', '2026-03-01');
SELECT billing.create_meter('requests', unit => 'request');
SELECT billing.create_plan('plan', currency => 'EUR'), billing.add_charge('plan', 'base', price => '{"model":"flat","amount":"1"}'), billing.publish_plan('plan');
SELECT billing.create_account('t' || n), billing.subscribe('t' || n, plan => 'plan', starts => '2026-01-01') FROM generate_series(1, 20) AS n;
});

# Each writer as pgbench runs it: how often, and what. R records one event.
my $record = q{SELECT billing.record_usage('t' || :tenant, 'requests', gen_random_uuid()::text, :amount, timestamptz '2026-01-01Z' + :day * interval '1 day');};
my %writers = (
	plain => [ 6, 'R' ],
	slow => [ 3, $BillingLoad::shapes{slow} ],
	aborted => [ 1, $BillingLoad::shapes{aborted} ],
	savepoints => [ 2, $BillingLoad::shapes{savepoints} ],
	prepared => [ 2, $BillingLoad::shapes{prepared} ],
	repeated => [ 2, q{SELECT billing.record_usage('t' || :tenant, 'requests', 'same ' || :amount, 1, '2026-01-01Z');} ],
	array => [ 2, q{SELECT billing.record_usage_arrays(array_agg('t' || 1 + i % 20), array_agg('requests'::text), array_agg(gen_random_uuid()::text),
		array_agg(i), array_agg(timestamptz '2026-02-01Z')) FROM generate_series(1, :pause) AS i;} ],
);

sub start_load
{
	my %scripts = map { $_ => [ $writers{$_}[0], $writers{$_}[1] =~ s/\bR\b/$record/gr ] } keys %writers;
	return start_writers($node->connstr('postgres'), clients => 12, seconds => $seconds, seed => int $seed, writers => \%scripts);
}

# Half of them write after their window, in the same transaction: those rows belong to a later one.
sub start_sync
{
	my $own = $record =~ s/:tenant/int4(1 + random() * 19)/r =~ s/:amount/7/r =~ s/:day/3/r;
	my $sql = rand() < 0.5 ? 'SELECT FROM billing.sync_counts();' : "BEGIN; SELECT FROM billing.sync_counts(); $own COMMIT;";
	return start_session($node->connstr('postgres'), $sql);
}

my $writing = start_load();
my ($syncs, $kills, $end) = (0, 0, time() + $seconds);
while (time() < $end)
{
	my @running = map { start_sync() } 1 .. 3;
	sleep rand() * 0.05;
	$kills += $node->safe_psql('postgres', q{SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE query LIKE '%sync_counts()%' AND pid <> pg_backend_pid()})
	  if rand() < 0.3;
	$_->finish for @running;
	$syncs += @running;
}
ok(finish_writers($writing), 'writers') or diag($writing->{error});
like($writing->{out}, qr/number of failed transactions: 0 /, 'none of which failed');

my $sync = 'SELECT rows_counted, rows_set_aside FROM billing.sync_counts()';
$node->safe_psql('postgres', $sync);
is($node->safe_psql('postgres', $sync), '0|0', 'nothing is left');
is($node->safe_psql('postgres', q{SELECT (SELECT count(*) FROM billing.usage_records) - (SELECT sum(rows_counted) FROM billing.count_windows)}), '0', 'as many rows counted as written');
is($node->safe_psql('postgres', q{SELECT count(*) FROM (SELECT tenant_id, usage_day, sum(quantity), count(*) FROM billing.usage_records GROUP BY 1, 2
	EXCEPT SELECT tenant_id, day, quantity, events FROM billing.daily_counts) AS d}), '0', 'and every day adds up');
is($node->safe_psql('postgres', 'SELECT * FROM billing.replay_count_sync()'), '', 'replay finds nothing');

my ($rows, $windows, $overtaken) = split /\|/, $node->safe_psql('postgres', q{SELECT (SELECT count(*) FROM billing.usage_records), count(*),
	count(*) FILTER (WHERE EXISTS (SELECT pg_snapshot_xip(snapshot))) FROM billing.count_windows});
diag("$rows rows in $windows windows, $overtaken of which ended while others were writing; $syncs syncs, $kills killed");
cmp_ok($overtaken, '>', 0, 'windows ended while others were writing');

# A window that was seen must not be lost: the commit was synchronous, whatever the session said. Whatever writes were lost in the
# crash, what is left replays.
$node->safe_psql('postgres', q{SET synchronous_commit = off; SELECT billing.record_usage('t1', 'requests', 'before the crash', 1, '2026-01-05Z')});
$windows = $node->safe_psql('postgres', 'SET synchronous_commit = off; SELECT window_no FROM billing.sync_counts()');
$node->stop('immediate');
$node->start;
is($node->safe_psql('postgres', 'SELECT max(window_no) FROM billing.count_windows'), $windows, 'a window survives a crash');
is($node->safe_psql('postgres', 'SELECT * FROM billing.replay_count_sync()'), '', 'and replays');

$node->stop;
done_testing();
