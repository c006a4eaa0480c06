#!/usr/bin/perl
# The server is killed under load, again and again: what a session was told to be committed is there, once. Half of the sessions
# have synchronous_commit = off, which for postings, seals and what reads them changes nothing: what anybody saw of the ledger,
# and every checkpoint that digest() gave out, is still there. Usage recorded with it off may be lost, but never counted twice.
#
# A life is some cycles in a database of its own, so that all of it is checked after each crash.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../tap/lib", "$FindBin::Bin/lib";
use IPC::Run;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);
use BillingTest qw(kill_server);
use Soak qw(begin_soak figure is_sound seconds_left soak_node);

my $cycles_of_life = 50;
my $cycles_wanted = 500;
my $tenants = 8;
my @months = map { sprintf '2026-%02d-01', $_ } 1 .. 9;

begin_soak(short => 12);
my $dir = PostgreSQL::Test::Utils::tempdir();

# The writer of the write-ahead log sleeps long, so that what is not flushed at once is lost.
my $node = soak_node('crash', wal_writer_delay => "'10s'", max_connections => 40);
$node->safe_psql('postgres', qq{
SELECT billing.ensure_partitions('2026-01-01', '2026-12-01');
SELECT billing.create_meter('requests', unit => 'request');
SELECT billing.create_plan('pro', currency => 'EUR'),
       billing.add_charge('pro', 'base', price => '{"model":"flat","amount":"49"}', in_advance => true),
       billing.add_charge('pro', 'requests', meter => 'requests',
           price => '{"model":"graduated","tiers":[{"up_to":"100","unit":"0"},{"up_to":null,"unit":"0.033"}]}'),
       billing.publish_plan('pro');
SELECT billing.create_account('t' || n), billing.subscribe('t' || n, plan => 'pro', starts => '2026-01-01') FROM generate_series(1, $tenants) AS n;
});

my ($life, $database, $cycle) = (0, undef, 0);
my (%acknowledged, %published, %seen); # of this life
my %total = map { $_ => 0 } qw(acknowledged lost doubled checkpoints unpublished contradictions);

# What each kind of session does, over and over; each answer it gets is a line "KIND ID". ID is filled in, once for each.
my %does = (
	post => q{SELECT 'post ID' FROM billing.post_entry('TENANT', 'payment', 100 + RANDOM, 'EUR', memo => 'ID', posted_on => 'MONTH', idempotency_key => 'ID');},
	reverse => q{SELECT e AS entry FROM billing.post_entry('TENANT', 'refund', 5, 'EUR', memo => 'ID', posted_on => 'MONTH', idempotency_key => 'ID') AS e \gset
SELECT 'reverse ID' FROM billing.reverse_entry('TENANT', :'entry', 'undo ID', posted_on => 'MONTH');},
	prepare => q{BEGIN;
SELECT FROM billing.post_entry('TENANT', 'payment', 1, 'EUR', memo => 'ID', posted_on => 'MONTH');
PREPARE TRANSACTION 'ID';
SELECT 'prepare ID';
COMMIT PREPARED 'ID';},
	usage => q{SELECT 'usage ID' FROM billing.record_usage('TENANT', 'requests', 'ID', 1 + RANDOM, 'MONTH 07:00Z');},
	sync => q{SELECT 'seen windows ' || window_no FROM billing.sync_counts();},
	seal => q{SELECT FROM billing.seal();
SELECT 'published ' || seal_no || ' ' || md5(note) FROM billing.digest();},
	rate => q{CALL billing.run_rating('MONTH', batch_tenants => 3);},
	bill => q{CALL billing.run_invoices('MONTH', finalize => true, batch_tenants => 3);
SELECT 'invoice ' || number || '/' || total_minor FROM billing.invoices WHERE status = 'finalized';},
	look => q{SELECT 'seen entries ' || count(*) FROM billing.ledger_entries;},
);
my %statements = (post => 1500, reverse => 700, prepare => 500, usage => 1500, sync => 200, seal => 200, rate => 40, bill => 25, look => 400);

# A psql that goes through its script until that ends or the server does.
sub start_client
{
	my ($kind, $number, $durable) = @_;
	my $month = $months[ int($cycle % $cycles_of_life * @months / $cycles_of_life) ];
	my $script = 'SET synchronous_commit = ' . ($durable ? 'on' : 'off') . ";\n";
	for my $i (1 .. $statements{$kind})
	{
		my $tenant = 't' . (1 + int rand $tenants);
		my $random = int rand 50;
		$script .= $does{$kind} =~ s/\bID\b/$cycle.$number.$i/gr =~ s/\bTENANT\b/$tenant/gr =~ s/\bMONTH\b/$month/gr =~ s/\bRANDOM\b/$random/gr;
		$script .= "\n";
	}
	my $file = "$dir/$number.sql";
	unlink $file;
	append_to_file($file, $script);
	my %client = (kind => $kind, durable => $durable, out => '', error => '');
	$client{run} = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr($database), '-f', $file ], '>', \$client{out}, '2>', \$client{error});
	return \%client;
}

# Often sessions of one kind alone, whose commits no other session flushes.
sub start_clients
{
	my @kinds = sort keys %does;
	my @chosen = rand() < 0.3 ? (qw(post reverse prepare usage rate bill))[ rand 6 ] : grep { rand() < 0.5 } @kinds;
	my $all_lazy = rand() < 0.5;
	push @chosen, 'look', 'post' if @chosen != 1;
	my $number = 0;
	return map { start_client($_, $number++, !$all_lazy && rand() < 0.5) } @chosen;
}

sub note_answers
{
	my (@clients) = @_;
	for my $client (@clients)
	{
		for my $line (split /\n/, $client->{out})
		{
			my ($kind, $what, $more) = split / /, $line;
			if ($kind eq 'published') { $published{$what} = $more }
			elsif ($kind eq 'seen') { $seen{$what} = $more if $more > ($seen{$what} // 0) }
			elsif ($kind eq 'invoice') { $seen{invoices}{$what} = 1 }
			elsif ($kind eq 'usage' && !$client->{durable}) { next }
			else { $acknowledged{"$kind $what"} = 1 }
		}
		my @errors = grep { /ERROR:/ } split /\n/, $client->{error};
		is(scalar @errors, 0, "cycle $cycle, $client->{kind}: no error but the end of the server") or diag $errors[0];
	}
	return;
}

# What the database has of what was acknowledged, each as often as it is there.
sub what_is_there
{
	my %there;
	$there{$_}++ for split /\n/, $node->safe_psql($database, q{
		SELECT CASE e.source WHEN 'reversal' THEN replace(e.memo, 'undo', 'reverse') ELSE 'entry ' || e.memo END FROM billing.ledger_entries e WHERE e.source IN ('hand', 'reversal')
		UNION ALL SELECT 'usage ' || event_id FROM billing.usage_records});
	for my $post (grep { /^entry/ } keys %there)
	{
		$there{ $post =~ s/entry/$_/r } = $there{$post} for qw(post prepare);
	}
	return %there;
}

sub check_life
{
	$node->safe_psql($database, "COMMIT PREPARED '$_'")
	  for split /\n/, $node->safe_psql($database, q{SELECT gid FROM pg_prepared_xacts WHERE database = current_database()});
	my %there = what_is_there();
	my @lost = grep { !$there{$_} } keys %acknowledged;
	my @doubled = grep { $there{$_} > 1 } keys %there;
	my %invoices = map { $_ => 1 } split /\n/, $node->safe_psql($database, q{SELECT number || '/' || total_minor FROM billing.invoices WHERE number IS NOT NULL});
	push @lost, grep { !$invoices{$_} } keys %{ $seen{invoices} // {} };
	my ($entries, $windows) = split /\|/, $node->safe_psql($database, 'SELECT (SELECT count(*) FROM billing.ledger_entries), (SELECT coalesce(max(window_no), 0) FROM billing.count_windows)');
	push @lost, "$seen{entries} entries were seen, of which $entries are left" if ($seen{entries} // 0) > $entries;
	push @lost, "window $seen{windows} was seen, and $windows is the last" if ($seen{windows} // 0) > $windows;
	my %notes = map { split /\|/ } split /\n/, $node->safe_psql($database, 'SELECT seal_no, md5(note) FROM billing.checkpoint_notes');
	my @unpublished = grep { ($notes{$_} // '') ne $published{$_} } keys %published;

	is("@lost[0 .. ($#lost < 5 ? $#lost : 5)]", '', "cycle $cycle: nothing acknowledged or seen is lost");
	is("@doubled[0 .. ($#doubled < 5 ? $#doubled : 5)]", '', "cycle $cycle: nothing is there twice");
	is("@unpublished", '', "cycle $cycle: every checkpoint given out stands");
	$total{lost} += @lost;
	$total{doubled} += @doubled;
	$total{unpublished} += @unpublished;

	# What was lost is not missed again after the next crash.
	delete @acknowledged{@lost};
	delete @published{@unpublished};
	%seen = (entries => $entries, windows => $windows);

	$node->safe_psql($database, 'SELECT FROM billing.sync_counts()');
	$node->safe_psql($database, 'SELECT FROM billing.seal(true)');
	my $problems = is_sound($node, "cycle $cycle", $database);
	is($problems, 0, "cycle $cycle: syncs and seals go on, and nothing contradicts anything");
	$total{contradictions} += $problems;
	return;
}

sub end_life
{
	$total{acknowledged} += keys %acknowledged;
	$total{checkpoints} += keys %published;
	(%acknowledged, %published, %seen) = ();
	$node->safe_psql('postgres', "DROP DATABASE $database");
	return;
}

sub begin_life
{
	$database = 'life_' . ++$life;
	$node->safe_psql('template1', "CREATE DATABASE $database TEMPLATE postgres");
	return;
}

my %kills = (KILL => 0, immediate => 0);
while ($cycle < 3 || seconds_left() > 0)
{
	begin_life() if $cycle % $cycles_of_life == 0;
	my @clients = start_clients();
	sleep 0.05 + 0.6 * rand() * rand();
	my $how = rand() < 0.8 ? 'KILL' : 'immediate';
	if ($how eq 'KILL') { kill_server($node) }
	else                { $node->stop('immediate') }
	$kills{$how}++;
	$_->{run}->finish for @clients;
	$node->start;
	$cycle++;
	note_answers(@clients);
	check_life();
	end_life() if $cycle % $cycles_of_life == 0;
}
end_life() if $cycle % $cycles_of_life;
note("$kills{KILL} times SIGKILL to the postmaster and its children, $kills{immediate} immediate stops");
figure('acknowledged postings survive', aim => '500 cycles, 0 lost, 0 doubled, 0 published checkpoints lost',
	figure => "$cycle/$cycles_wanted cycles, $total{acknowledged} acknowledged: $total{lost} lost, $total{doubled} doubled; "
	  . "$total{checkpoints} published checkpoints: $total{unpublished} lost; $total{contradictions} contradictions",
	violations => $total{lost} + $total{doubled} + $total{unpublished} + $total{contradictions}, done => $cycle, wanted => $cycles_wanted);
$node->stop;
done_testing();
