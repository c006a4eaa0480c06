#!/usr/bin/perl
# The public calls that write are cancelled wherever they happen to be, by statement_timeout and by pg_cancel_backend(), several sessions
# at once. What was answered is there, what was cancelled is not, and nothing contradicts anything. Those that take from the others what they
# need (@last) come at the end of a round, one by one, cancelled later and later until they are done; in the short form one of them.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../tap/lib", "$FindBin::Bin/lib";
use IPC::Run;
use PostgreSQL::Test::Utils;
use Test::More;
use Calls qw(calls make_state state_digest);
use Soak qw(begin_soak figure is_long is_sound seconds_left seed soak_node);

my $sessions = 4;
my $cancels_wanted = 10_000;
my $dir = PostgreSQL::Test::Utils::tempdir();

begin_soak(short => 12);
my $node = soak_node('cancel');
make_state($node);

# A plan is for sale no more, a table has a column more, all jobs run, months of usage go, and at last the server's key does not sign any more.
my @last = qw(JOB_VERIFICATION retire_plan record_schema RUN_OVERDUE_JOBS make_retention_bundles drop_month APPLY_RETENTION JOB_RETENTION rotate_signing_key);
my @often = ('post_entry', 'record_usage', 'record_usage of many', 'record_usage_arrays', 'sync_counts', 'seal', 'RUN_RATING', 'RUN_INVOICES', 'register_devices', 'sync_coverage');

# What a call of a mark leaves, and how many of it.
my %leaves = (
	post_entry => [ 1, q{SELECT memo FROM billing.ledger_entries WHERE memo LIKE 'paid%'}, qr/^paid(.*)$/ ],
	record_usage => [ 1, q{SELECT event_id FROM billing.usage_records WHERE event_id LIKE 'one%'}, qr/^one(.*)$/ ],
	'record_usage of many' => [ 500, q{SELECT event_id FROM billing.usage_records WHERE event_id LIKE 'many%'}, qr{^many(.*)/} ],
	record_usage_arrays => [ 500, q{SELECT event_id FROM billing.usage_records WHERE event_id LIKE 'array%'}, qr{^array(.*)/} ],
	register_devices => [ 100, q{SELECT device_key FROM billing.devices WHERE device_key LIKE 'd%'}, qr{^d(.*)/} ],
	create_account => [ 1, q{SELECT tenant_id FROM billing.accounts WHERE tenant_id LIKE 'new%'}, qr/^new(.*)$/ ]);

my ($marks, $cancels, $calls_made, $problems) = (0, 0, 0, 0);
my (%cancelled, %unexpected);

# A session's script: a call, then a line "call MARK SQLSTATE NAME".
sub write_script
{
	my ($file, $statements) = @_;
	my %names = calls();
	delete @names{@last};
	my @names = sort keys %names;
	my $script = '';
	for (1 .. $statements)
	{
		my $mark = '_' . ++$marks;
		my $name = rand() < 0.5 ? $often[ rand @often ] : $names[ rand @names ];
		my %calls = calls(mark => $mark, day => sprintf '%02d', 1 + rand 28);
		my $timeout = rand() < 0.9 ? 1 + int(100 * rand() * rand() * rand()) : 0;
		$script .= "SET statement_timeout = $timeout;\n$calls{$name};\n\\echo call $mark :SQLSTATE $name\n";
	}
	unlink $file;
	append_to_file($file, $script);
	return;
}

# SQLSTATEs that tell of the state of things, of a cancel, or of two that waited for each other.
sub is_expected
{
	my ($sqlstate) = @_;
	return $sqlstate =~ /^(00000|57014|40P01|55P03|MB4..)$/;
}

sub check_model
{
	my ($database, %answers) = @_; # mark => [ sqlstate, name ]
	for my $name (sort keys %leaves)
	{
		my ($count, $query, $pattern) = @{ $leaves{$name} };
		my %there;
		$there{ ($_ =~ $pattern)[0] // '' }++ for split /\n/, $node->safe_psql($database, $query);
		for my $mark (grep { $answers{$_}[1] eq $name } keys %answers)
		{
			my $expected = $answers{$mark}[0] eq '00000' ? $count : 0;
			next if ($there{$mark} // 0) == $expected;
			$problems++;
			is($there{$mark} // 0, $expected, "$name $mark, answered with $answers{$mark}[0]");
		}
	}
	return;
}

# Cancels a call a little later each time, until it is done. Cancelled, it has changed nothing, unless it ends transactions of its own;
# one look tells that of every cancel before it.
sub cancel_until_done
{
	my ($database, $name) = @_;
	my %calls = calls();
	my $ends_its_own = $name =~ /^[A-Z_]+$/;
	my $before = $ends_its_own ? '' : state_digest($node, $database);
	for (my $timeout = 1; ; $timeout += 1 + int rand 1 + $timeout)
	{
		$calls_made++;
		my (undef, undef, $error) = $node->psql($database, "SET statement_timeout = $timeout;\n$calls{$name}", on_error_stop => 0, extra_params => [ '-v', 'VERBOSITY=verbose' ]);
		my ($sqlstate) = $error =~ /ERROR:  (\w{5}):/;
		if (($sqlstate // '') ne '57014')
		{
			$unexpected{"$sqlstate of $name, alone"}++ if $sqlstate && !is_expected($sqlstate);
			return;
		}
		$cancels++;
		$cancelled{$name}++;
		next if $ends_its_own || rand() < 0.7 || state_digest($node, $database) eq $before;
		$problems++;
		fail("$database: $name, cancelled after $timeout ms, changes nothing");
		return;
	}
}

sub cancel_the_last
{
	my ($database) = @_;
	$node->safe_psql($database, q{SELECT billing.release_legal_hold(hold_id, 'done') FROM billing.legal_holds WHERE released_by IS NULL});
	cancel_until_done($database, $_) for is_long() ? @last : $last[ rand @last ];
	my $found = is_sound($node, "$database, without what was taken away", $database);
	is($found, 0, "$database: nor after those that take something away");
	$problems += $found;
	return;
}

sub run_round
{
	my ($database, $statements) = @_;
	my %answers;
	$node->safe_psql('template1', "CREATE DATABASE $database TEMPLATE postgres");
	unlink "$dir/canceller.sql";
	append_to_file("$dir/canceller.sql", "\\set pause random(1, 30)\n\\sleep :pause ms\nSELECT pg_cancel_backend(pid) FROM pg_stat_activity"
		. " WHERE application_name = 'psql' AND datname = '$database' AND state = 'active' ORDER BY random() LIMIT 1;\n");
	my $canceller = IPC::Run::start([ 'pgbench', '-n', '-T', 600, '-f', "$dir/canceller.sql", '--random-seed=' . seed(), $node->connstr('postgres') ], '>', \my $out, '2>', \my $noise);
	my @running;
	for my $number (1 .. $sessions)
	{
		write_script("$dir/$number.sql", $statements);
		my %session = (out => '', error => '');
		$session{run} = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr($database), '-f', "$dir/$number.sql" ], '>', \$session{out}, '2>', \$session{error});
		push @running, \%session;
	}
	$_->{run}->finish for @running;
	$canceller->kill_kill;
	for my $session (@running)
	{
		$answers{$1} = [ $2, $3 ] while $session->{out} =~ /^call (\S+) (\S+) (.*)$/mg;
		diag($session->{error} =~ /(.*ERROR:.*(?:must never|internal|XX000|duplicate|deadlock).*)/) if $session->{error} =~ /internal|XX000/;
	}
	for my $answer (values %answers)
	{
		$calls_made++;
		$cancels++ if $answer->[0] eq '57014';
		$cancelled{ $answer->[1] }++ if $answer->[0] eq '57014';
		$unexpected{"$answer->[0] of $answer->[1]"}++ if !is_expected($answer->[0]);
	}
	check_model($database, %answers);
	my $found = is_sound($node, $database, $database);
	# What was cut short is taken up again.
	$node->safe_psql($database, $_) for q{SELECT FROM billing.sync_counts()}, q{CALL billing.run_invoices('2026-04-01', finalize => true)}, 'SELECT FROM billing.seal(true)';
	$found += is_sound($node, "$database, taken up again", $database);
	is($found, 0, "$database: nothing contradicts anything after $cancels cancels in all");
	$problems += $found;
	cancel_the_last($database);
	$node->safe_psql('template1', "DROP DATABASE $database WITH (FORCE)");
	return;
}

my $round = 0;
while ($round < 1 || seconds_left() > 0)
{
	$round++;
	run_round("round_$round", is_long() ? 800 : 60);
}
is(join(', ', map { "$_: $unexpected{$_}" } sort keys %unexpected), '', 'no call failed but by a cancel, or by the state of things');
note(join ', ', map { "$_ $cancelled{$_}" } sort keys %cancelled);
figure('cancel anywhere', aim => '10,000 cancels, 0 inconsistencies', violations => $problems + keys %unexpected,
	figure => "$cancels/10,000 cancels of $calls_made calls, " . keys(%cancelled) . '/' . keys(%{ { calls() } }) . " kinds: $problems inconsistencies", done => $cancels, wanted => $cancels_wanted);
$node->stop;
done_testing();
