#!/usr/bin/perl
# The disk is full: that of a tablespace, where statements fail and the server goes on, or that of the write-ahead log, where the
# server ends. Once there is room again, what was acknowledged is there, and of what was written together all or nothing.
#
# The disks are two small tmpfs, mounted in a name space of this program's own; where that is not allowed it is skipped.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../tap/lib", "$FindBin::Bin/lib";
use Errno qw(ENOSPC);
use File::Temp;
use IPC::Run;
use Test::More;
use Time::HiRes qw(sleep time);

# Starts this program again where the disks are. The first name space may mount, but its user is root, as whom no server runs: so
# another one in it gives the user back.
BEGIN
{
	if (!defined $ENV{SOAK_DISKS} && !$^C)
	{
		my %size = (tablespace => '400m', wal => '320m');
		my $disks = File::Temp->newdir;
		chmod 0755, "$disks";
		mkdir "$disks/$_" or die for keys %size;
		my $mount = join ' && ', map { "mount -t tmpfs -o size=$size{$_},mode=0777 tmpfs '$disks/$_'" } sort keys %size;
		my $again = sprintf '%s && exec unshare --user --map-user=%d --map-group=%d', $mount, $>, (split / /, $))[0];
		my @unshare = qw(unshare --user --map-root-user --mount sh -c);
		if (system(@unshare, "($again true) 2>/dev/null") != 0)
		{
			print { Test::More->builder->failure_output } "SKIPPED: $0 may not mount a tmpfs here; it did NOT run\n";
			plan skip_all => 'no tmpfs can be mounted here';
		}
		$ENV{SOAK_DISKS} = "$disks";
		exit(system(@unshare, "$again \"\$@\"", 'sh', $^X, (map { "-I$_" } @INC), $0) == 0 ? 0 : 1);
	}
}

use PostgreSQL::Test::Utils;
use Soak qw(begin_soak figure is_sound seconds_left soak_node);

my $rounds_wanted = 60;
my $disks = $ENV{SOAK_DISKS};
my $scripts = PostgreSQL::Test::Utils::tempdir();
begin_soak(short => 12);
my $node = soak_node('full', wal_recycle => 'off', max_wal_size => "'48MB'", min_wal_size => "'32MB'", fsync => 'on');
$node->safe_psql('postgres', q{
SELECT billing.ensure_partitions('2026-01-01', '2026-05-01');
SELECT billing.create_meter('requests', unit => 'request');
SELECT billing.create_plan('pro', currency => 'EUR'), billing.add_charge('pro', 'base', price => '{"model":"flat","amount":"49"}', in_advance => true),
       billing.add_charge('pro', 'requests', meter => 'requests', price => '{"model":"unit","unit":"0.033"}'), billing.publish_plan('pro');
SELECT billing.create_account('t' || n), billing.subscribe('t' || n, plan => 'pro', starts => '2026-01-01') FROM generate_series(1, 10) AS n;
});
move_wal();
mkdir "$disks/tablespace/space" or die;
$node->safe_psql('template1', "CREATE TABLESPACE small LOCATION '$disks/tablespace/space'");

sub move_wal
{
	$node->stop;
	my $wal = $node->data_dir . '/pg_wal';
	system_or_bail('mv', $wal, "$disks/wal/pg_wal");
	symlink "$disks/wal/pg_wal", $wal or die;
	$node->start;
	return;
}

# Fills a disk but for so many bytes.
sub fill
{
	my ($disk, $left) = @_;
	open my $ballast, '>', "$disks/$disk/ballast" or die;
	my $block = 'x' x 65536;
	my $written = 0;
	while (my $more = syswrite $ballast, $block)
	{
		$written += $more;
	}
	$! == ENOSPC or die "ballast: $!";
	truncate $ballast, $written > $left ? $written - $left : 0 or die;
	close $ballast;
	return;
}

sub empty
{
	my ($disk) = @_;
	unlink "$disks/$disk/ballast" or die;
	return;
}

# Each answer is a line "KIND ID". A group is written by one statement.
my %does = (
	entries => q{SELECT 'entries ID' FROM (SELECT count(billing.post_entry('t' || n, 'payment', 100, 'EUR', memo => 'ID', posted_on => '2026-02-03')) FROM generate_series(1, 10) AS n) AS g;},
	usage => q{SELECT 'usage ID' FROM billing.record_usage_arrays(array_fill('tTENANT'::text, '{300}'), array_fill('requests'::text, '{300}'),
		(SELECT array_agg('ID/' || n) FROM generate_series(1, 300) AS n), array_fill(1::numeric, '{300}'), array_fill(timestamptz '2026-01-20Z', '{300}'));},
	bill => q{CALL billing.run_invoices('2026-02-01', finalize => true, batch_tenants => 2);},
	seal => q{SELECT FROM billing.seal(); SELECT 'published ' || seal_no || ' ' || md5(note) FROM billing.digest();},
	sync => q{SELECT FROM billing.sync_counts();});
my %rows_of = (entries => 10, usage => 300);
my %repeats = (entries => 3000, usage => 600, bill => 30, seal => 300, sync => 300);

sub start_client
{
	my ($database, $kind, $round) = @_;
	my $file = "$scripts/$kind.sql";
	unlink $file;
	append_to_file($file, join "\n", map { my $id = "$round.$_"; my $tenant = 1 + int rand 10; $does{$kind} =~ s/\bID\b/$id/gr =~ s/TENANT/$tenant/gr } 1 .. $repeats{$kind});
	my %client = (kind => $kind, out => '', error => '');
	$client{run} = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr($database), '-f', $file ], '>', \$client{out}, '2>', \$client{error});
	return \%client;
}

# Asks for room until there is none, or for some seconds: a table's next page, or the log's next segment.
sub is_alive
{
	my ($disk, $database) = @_;
	my $end = time() + 4;
	while (time() < $end)
	{
		my ($status) = $node->psql($database, $disk eq 'wal' ? 'SELECT pg_switch_wal()' : 'SELECT 1');
		return 0 if $status == 2;
		sleep 0.1;
		return 1 if $disk eq 'tablespace' && time() > $end - 2.5;
	}
	return 1;
}

my %total = map { $_ => 0 } qw(rounds acknowledged lost halves unpublished refused ended contradictions);

sub check_round
{
	my ($database, @clients) = @_;
	my (%there, %published, $lost, $halves);
	my %query = (
		entries => q{SELECT memo || ' ' || count(*) FROM billing.ledger_entries WHERE source = 'hand' GROUP BY memo},
		usage => q{SELECT split_part(event_id, '/', 1) || ' ' || count(*) FROM billing.usage_records GROUP BY split_part(event_id, '/', 1)});
	for my $kind (keys %query)
	{
		my $groups = $node->safe_psql($database, $query{$kind});
		$there{"$kind $1"} = $2 while $groups =~ /^(\S+) (\d+)$/mg;
		$halves += grep { /^$kind / && $there{$_} != $rows_of{$kind} } keys %there;
	}
	for my $client (@clients)
	{
		my @answers = grep { /^(entries|usage) / } split /\n/, $client->{out};
		$total{acknowledged} += @answers;
		$lost += grep { !$there{$_} } @answers;
		$published{$1} = $2 while $client->{out} =~ /^published (\d+) (\w+)$/mg;
		$total{refused}++ while $client->{error} =~ /No space left on device|could not extend/g;
		my @others = grep { !/No space left|could not extend|current transaction|server closed|connection|terminat|abnormal|recovery|before or while|crash|another server|shutting down|starting up/i } grep { /ERROR|FATAL/ } split /\n/, $client->{error};
		is("@others", '', "$client->{kind}: no error but of the disk");
	}
	my %notes = map { split /\|/ } split /\n/, $node->safe_psql($database, 'SELECT seal_no, md5(note) FROM billing.checkpoint_notes');
	my $unpublished = grep { ($notes{$_} // '') ne $published{$_} } keys %published;
	is($lost // 0, 0, "$database: nothing acknowledged is lost");
	is($halves // 0, 0, "$database: no half of a group");
	is($unpublished, 0, "$database: every checkpoint given out stands");
	$total{lost} += $lost // 0;
	$total{halves} += $halves // 0;
	$total{unpublished} += $unpublished;

	$node->safe_psql($database, $_) for 'SELECT FROM billing.sync_counts()', q{CALL billing.run_invoices('2026-02-01', finalize => true)}, 'SELECT FROM billing.seal(true)';
	my $problems = is_sound($node, $database, $database);
	is($problems, 0, "$database: all goes on, and nothing contradicts anything");
	$total{contradictions} += $problems;
	return;
}

sub run_round
{
	my ($disk) = @_;
	my $database = 'round_' . ++$total{rounds};
	$node->safe_psql('template1', "CREATE DATABASE $database TEMPLATE postgres TABLESPACE small");
	$node->safe_psql($database, 'CHECKPOINT');
	my @clients = map { start_client($database, $_, $total{rounds}) } qw(entries usage bill seal sync);
	sleep 0.1 + rand() * 0.5;
	fill($disk, $disk eq 'wal' ? int rand 20_000_000 : int rand 300_000);
	my $alive = is_alive($disk, $database);
	empty($disk);
	if ($alive)
	{
		sleep 0.3;
		$_->{run}->signal('TERM') for @clients;
	}
	$_->{run}->finish for @clients;
	if (!$alive || !kill 0, $node->{_pid})
	{
		$total{ended}++;
		$node->{_pid} = undef;
		$node->start;
	}
	check_round($database, @clients);
	$node->safe_psql('template1', "DROP DATABASE $database WITH (FORCE)");
	return;
}

while ($total{rounds} < 2 || seconds_left() > 0)
{
	run_round($total{rounds} % 2 ? 'wal' : 'tablespace');
}
cmp_ok($total{refused} + $total{ended}, '>', 0, 'the disks were full');
figure('full disk', aim => '60 rounds, 0 lost, 0 half-written groups', done => $total{rounds}, wanted => $rounds_wanted,
	figure => sprintf('%d/%d rounds, %d acknowledged groups: %d lost, %d halves; %d statements refused, %d ends of the server, %d contradictions', $total{rounds}, $rounds_wanted, @total{qw(acknowledged lost halves refused ended contradictions)}),
	violations => $total{lost} + $total{halves} + $total{unpublished} + $total{contradictions});
$node->stop;
done_testing();
