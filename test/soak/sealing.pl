#!/usr/bin/perl
# The log is sealed while writers of every kind write: each committed row is in exactly one seal. Sealers and count syncs are
# killed at random; a session in another database holds a transaction open for a third of the time.
#
# What is counted is independent of the sealer: pgbench's own count of what was committed, and of each row the first stored
# snapshot that sees it.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../tap/lib", "$FindBin::Bin/lib";
use IPC::Run;
use Test::More;
use Time::HiRes qw(sleep time);
use BillingLoad qw(finish_writers script_counts start_session start_writers);
use Soak qw(begin_soak figure seed soak_node);

my $seconds = begin_soak(short => 5);
my $node = soak_node('sealing', fsync => 'on');
my $connection = $node->connstr('postgres');

sub query
{
	my ($sql) = @_;
	my ($out, $error) = ('', '');
	IPC::Run::run([ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', $connection, '-f', '-' ], '<', \$sql, '>', \$out, '2>', \$error)
		or die "$sql: $error";
	chomp $out;
	return $out;
}

sub terminate
{
	my ($statement) = @_;
	return query("SELECT count(*) FILTER (WHERE pg_terminate_backend(pid)) FROM pg_stat_activity
		WHERE state = 'active' AND query LIKE '%$statement%' AND pid <> pg_backend_pid()");
}

query(q{
SELECT billing.ensure_partitions('2026-01-01', '2026-03-01');
SELECT billing.create_meter('requests', unit => 'request');
SELECT billing.create_plan('plan', currency => 'EUR'), billing.add_charge('plan', 'base', price => '{"model":"flat","amount":"1"}'), billing.publish_plan('plan');
SELECT billing.create_account('t' || n), billing.subscribe('t' || n, plan => 'plan', starts => '2026-01-01') FROM generate_series(1, 20) AS n;
});

# Every kind of writer twice: R becomes a call as a statement, P as a line of PL/pgSQL.
my %call = (
	entries => q{billing.post_entry('t' || :tenant, 'payment', :amount, 'EUR')},
	usage => q{billing.record_usage('t' || :tenant, 'requests', gen_random_uuid()::text, :amount, timestamptz '2026-01-01Z' + :day * interval '1 day')},
);
my %weight = (plain => 6, slow => 3, aborted => 1, savepoints => 2, prepared => 2, exceptions => 2);
my %writers;
for my $table (keys %call)
{
	for my $shape (keys %weight)
	{
		my $script = $BillingLoad::shapes{$shape} =~ s/\bNAME\b/$table/gr =~ s/\bR\b/SELECT $call{$table};/gr =~ s/\bP\b/PERFORM $call{$table};/gr;
		$writers{"$table $shape"} = [ $weight{$shape}, $script ];
	}
}

my $writing = start_writers($connection, clients => 16, seconds => $seconds, seed => seed(), writers => \%writers);
my $foreign = start_session($node->connstr('template1'), 'BEGIN; SELECT pg_current_xact_id(); SELECT pg_sleep(' . $seconds / 3 . '); COMMIT');
my %started = (seal => 0, sync_counts => 0);
my %killed = (seal => 0, sync_counts => 0);
my $end = time() + $seconds;
while (time() < $end)
{
	my @running;
	for my $job (qw(seal seal sync_counts))
	{
		push @running, start_session($connection, "SELECT FROM billing.$job()");
		$started{$job}++;
	}
	if (rand() < 0.4)
	{
		sleep rand() * 0.06;
		my $job = rand() < 0.7 ? 'seal' : 'sync_counts';
		$killed{$job} += terminate("billing.$job()");
	}
	$_->finish for @running;
}
ok(finish_writers($writing), 'the writers ended well') or diag $writing->{error};
like($writing->{out}, qr/number of failed transactions: 0 /, 'no transaction failed');
$foreign->finish;
query('SELECT FROM billing.sync_counts()');
query('SELECT FROM billing.seal(true)') for 1 .. 2;

# Acknowledged: what pgbench counted, times what a transaction of the kind leaves.
my %committed = script_counts($writing);
for my $table (qw(entries usage))
{
	my $expected = 0;
	$expected += $committed{"$table $_"} * $BillingLoad::rows_left{$_} for keys %weight;
	my $relation = { entries => 'ledger_entries', usage => 'usage_records' }->{$table};
	is(query("SELECT count(*) FROM billing.$relation"), $expected, "as many $table as were acknowledged: $expected");
}

# Of each transaction id the first seal that sees it, sought from the first seal that ends after it. What a kind's rows come to
# by seal, beside what was sealed. First the rows in one seal too few, then in one too many.
sub missed_and_doubled
{
	my ($relation, $kind) = @_;
	return split /\|/, query(qq{
CREATE TEMP TABLE edges AS SELECT seal_no, pg_snapshot_xmax(snapshot) AS edge, snapshot FROM billing.checkpoints;
CREATE INDEX ON edges (edge, seal_no);
CREATE UNIQUE INDEX ON edges (seal_no);
ANALYZE edges;
WITH ids AS (SELECT log_xid, count(*) AS rows FROM billing.$relation GROUP BY log_xid),
     expected AS (SELECT s.seal_no, sum(i.rows) AS rows
                    FROM ids i
                    LEFT JOIN LATERAL (SELECT e.seal_no FROM (SELECT f.seal_no FROM edges f WHERE f.edge > i.log_xid ORDER BY f.edge, f.seal_no LIMIT 1) AS first
                                         JOIN edges e ON e.seal_no >= first.seal_no AND pg_visible_in_snapshot(i.log_xid, e.snapshot)
                                        ORDER BY e.seal_no LIMIT 1) AS s ON true
                   GROUP BY s.seal_no),
     sealed AS (SELECT seal_no, leaves AS rows FROM billing.log_segments WHERE kind = '$kind')
SELECT coalesce(sum(greatest(coalesce(e.rows, 0) - coalesce(s.rows, 0), 0)), 0), coalesce(sum(greatest(coalesce(s.rows, 0) - coalesce(e.rows, 0), 0)), 0)
  FROM expected e FULL JOIN sealed s USING (seal_no)});
}

my ($all_missed, $all_doubled) = (0, 0);
for my $of ([ 'ledger_entries', 'ledger_entry' ], [ 'count_sync_checkpoint_events', 'usage_window' ], [ 'checkpoints', 'checkpoint' ])
{
	my ($missed, $doubled) = missed_and_doubled(@$of);
	$missed-- if $of->[0] eq 'checkpoints'; # The last one belongs to the next seal.
	$all_missed += $missed;
	$all_doubled += $doubled;
	is("missed $missed, doubled $doubled", 'missed 0, doubled 0', "$of->[0]: each row in exactly one seal");
}
my $counted = query(q{SELECT (SELECT count(*) FROM billing.usage_records) - (SELECT sum(rows_counted) FROM billing.count_windows),
	(SELECT count(*) FROM billing.usage_records) - (SELECT sum(rows_processed) FROM billing.count_sync_checkpoint_events),
	(SELECT sum(quantity) FROM billing.usage_records) - (SELECT sum(quantity) FROM billing.daily_counts)});
is($counted, '0|0|0', 'usage_records: each row in exactly one count window, as many as in their leaves');
is(query('SELECT * FROM billing.verify_log()'), '', 'every leaf, root and window holds, recomputed');

note query(q{SELECT format('%s entries, %s usage records; %s seals of %s leaves, %s of them with writers in progress; %s count windows',
	(SELECT count(*) FROM billing.ledger_entries), (SELECT count(*) FROM billing.usage_records), count(*), max(tree_size),
	count(*) FILTER (WHERE EXISTS (SELECT pg_snapshot_xip(snapshot))), (SELECT count(*) FROM billing.count_windows)) FROM billing.checkpoints});
note "$started{seal} seals started, $killed{seal} killed; $started{sync_counts} syncs started, $killed{sync_counts} killed";
figure('sealed exactly once', figure => "$seconds/1,800 s, 16 writers, $killed{seal} sealers killed, missed $all_missed, doubled $all_doubled",
	aim => '1800 s, missed = doubled = 0', violations => $all_missed + $all_doubled, done => $seconds, wanted => 1800);
$node->stop;
done_testing();
