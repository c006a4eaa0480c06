#!/usr/bin/perl
# A database is dumped while it is written to and sealed, in each of pg_dump's ways, into a cluster whose transaction ids are lower.
# What is restored has the rows, hashes, roots and policies of the dump's snapshot, and syncs and seals there miss nothing.
# What of the catalogue comes back, and what is refused before adoption: test/tap/t/030_dump_restore.pl.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../tap/lib", "$FindBin::Bin/lib";
use List::Util qw(shuffle);
use PostgreSQL::Test::Utils;
use Test::More;
use BillingLoad qw(finish_writers start_session start_writers);
use BillingTest qw(close_session open_session);
use Calls qw(make_state);
use Soak qw(begin_soak figure is_long is_sound seconds_left seed soak_node);

begin_soak(short => 5);
my $dir = PostgreSQL::Test::Utils::tempdir();
my $source = soak_node('source');
$source->safe_psql('postgres', q{SET synchronous_commit = off; DO $$ BEGIN FOR i IN 1..20000 LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END $$});
make_state($source);
my %keys = map { $_ => "'" . $source->safe_psql('postgres', "SHOW $_") . "'" } qw(billing.signing_key_file billing.field_key_file);

my %ways = (
	plain => [ [ '-Fp' ], sub { [ 'psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-d', $_[0], '-f', $_[1] ] } ],
	custom => [ [ '-Fc' ], sub { [ 'pg_restore', '--exit-on-error', '-d', @_ ] } ],
	parallel => [ [ '-Fd', '-j2' ], sub { [ 'pg_restore', '--exit-on-error', '-j2', '-d', @_ ] } ],
	single => [ [ '-Fc' ], sub { [ 'pg_restore', '--exit-on-error', '--single-transaction', '-d', @_ ] } ]);

my $policies = q{SELECT string_agg(p::text, E'\n' ORDER BY p::text) FROM pg_policies AS p WHERE schemaname = 'billing'};
my $roots = q{SELECT seal_no, tree_size, encode(root_hash, 'hex') FROM billing.checkpoints ORDER BY seal_no};
my %total = map { $_ => 0 } qw(restores rows differences);

sub same
{
	my ($found, $expected, $what) = @_;
	$total{differences}++ if $found ne $expected;
	is($found, $expected, $what);
	return;
}

# Dumps what a session sees, and returns what that is.
sub dump_snapshot
{
	my ($way) = @_;
	my $session = open_session($source, "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 'snapshot ' || pg_export_snapshot(); SELECT 'rows ' || soak.rows_digest(); $policies; $roots");
	my ($snapshot) = $session->{out} =~ /^snapshot (\S+)$/m;
	$source->command_ok([ 'pg_dump', @{ $ways{$way}[0] }, "--snapshot=$snapshot", '-f', "$dir/$way", $source->connstr('postgres') ], "$way: dumped");
	close_session($session, 'ROLLBACK');
	return $session->{out} =~ /^snapshot \S+\nrows (\S+)\n(.*)\nready/ms;
}

sub restore
{
	my ($fresh, $way) = @_;
	my ($rows, $others) = dump_snapshot($way);
	my $to = "$way$total{restores}";
	$fresh->safe_psql('template1', "CREATE DATABASE $to TEMPLATE template0");
	$fresh->command_ok($ways{$way}[1]->($fresh->connstr($to), "$dir/$way"), "$way: restored");
	$total{restores}++;
	same($fresh->safe_psql($to, 'SELECT soak.rows_digest()'), $rows, "$way: the rows of the snapshot");
	same($fresh->safe_psql($to, "$policies; $roots"), $others, "$way: its policies and roots");
	cmp_ok($fresh->safe_psql($to, 'SELECT pg_current_xact_id()'), '<', $fresh->safe_psql($to, 'SELECT billing.highest_log_xid()'), "$way: transaction ids are lower");

	$fresh->safe_psql($to, $_)
	  for q{SELECT billing.adopt_cluster('restored')}, q{SELECT billing.post_entry('t1', 'payment', 7, 'EUR', posted_on => '2026-03-20')}, 'SELECT FROM billing.sync_counts()', 'SELECT FROM billing.seal(true)';
	same($fresh->safe_psql($to, q{SELECT (SELECT count(*) FROM billing.ledger_entries) - (SELECT sum(leaves) FROM billing.log_segments WHERE kind = 'ledger_entry')}), 0, "$way: the next seal misses nothing");
	same(is_sound($fresh, $way, $to), 0, "$way: nothing contradicts anything");
	$total{rows} += $fresh->safe_psql($to, 'SELECT (SELECT count(*) FROM billing.ledger_entries) + (SELECT count(*) FROM billing.usage_records)');
	$fresh->safe_psql('template1', "DROP DATABASE $to");
	PostgreSQL::Test::Utils::system_or_bail('rm', '-rf', "$dir/$way");
	return;
}

# Writers of every kind, who may be in the middle when a dump begins, and a sealer.
sub start_load
{
	my ($seconds) = @_;
	my $entry = q{billing.post_entry('t' || 1 + :tenant % 12, 'payment', :amount, 'EUR', posted_on => '2026-03-07')};
	my %writers = map { $_ => [ 1, $BillingLoad::shapes{$_} =~ s/\bNAME\b/$_/gr =~ s/\bR\b/SELECT $entry;/gr =~ s/\bP\b/PERFORM $entry;/gr ] } qw(slow savepoints prepared);
	$writers{usage} = [ 1, q{SELECT billing.record_usage('t1', 'requests', gen_random_uuid()::text, :amount, timestamptz '2026-01-01Z' + :day * interval '1 day');} ];
	$writers{seal} = [ 1, "SELECT FROM billing.seal();\n\\sleep :pause ms" ];
	$writers{sync} = [ 1, "SELECT FROM billing.sync_counts();\n\\sleep :pause ms" ];
	return start_writers($source->connstr('postgres'), clients => 4, seconds => $seconds, seed => seed(), writers => \%writers);
}

my $fresh = soak_node('fresh', %keys);
$fresh->safe_psql('postgres', 'CREATE ROLE soak_tenant; CREATE ROLE soak_other');
my @ways = shuffle(sort keys %ways);
while ($total{restores} < (is_long() ? 4 : 1) || seconds_left() > 0)
{
	my $load = start_load(4);
	restore($fresh, $ways[ $total{restores} % @ways ]);
	ok(finish_writers($load), 'the writers ended well') or diag $load->{error};
}
my $ways_done = $total{restores} < @ways ? $total{restores} : @ways;
figure('dump and restore', aim => 'all four ways, rows, hashes, roots and policies equal, the next seal misses nothing', done => $ways_done, wanted => scalar @ways,
	figure => "$ways_done/@{[ scalar @ways ]} ways, $total{restores} restores under load, of $total{rows} rows in all: $total{differences} differences", violations => $total{differences});
$_->stop for $fresh, $source;
done_testing();
