#!/usr/bin/perl
# At each point of each call that writes something fails, or is cancelled, or the server ends. After an error, and after a crash before the commit,
# nothing is changed, and the session goes on; after a crash that comes later all of it is there. A procedure that commits in between
# ends as one left in peace when it is called again.
#
# It needs the library of make FAULTS=1, whose own list of points says what there is to visit (src/server/fault.h).
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../tap/lib", "$FindBin::Bin/lib";
use IPC::Run;
use List::Util qw(shuffle);
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);
use Calls qw(all_calls_are_here calls make_state state_digest);
use Soak qw(begin_soak figure is_long is_sound seconds_left soak_node);

my $library = "$ENV{SOURCE_DIR}/build/faults/billing.so";
if (!-e $library)
{
	print { Test::More->builder->failure_output } "SKIPPED: $0 needs make FAULTS=1; it did NOT run\n";
	plan skip_all => 'there is no library with fault points';
}

begin_soak(short => 25);
my $node = soak_node('faults', restart_after_crash => 'on');

# From here on calls go to the other library. The schema is told, for it names the library.
my $take_library = qq{
UPDATE pg_proc SET probin = '$library' WHERE probin = '\$libdir/billing';
CREATE FUNCTION public.fault_points() RETURNS text LANGUAGE c AS '$library', 'billing_fault_points';
};
$node->safe_psql('template1', 'CREATE DATABASE bare');
$node->safe_psql('bare', $_) for 'CREATE EXTENSION billing', $take_library;
make_state($node);
all_calls_are_here($node);
$node->safe_psql('postgres', "$take_library SELECT billing.record_schema('fault points')");

my %calls = calls();
my $untouched = state_digest($node, 'postgres');
my (%visited, %listed, %of); # of: counts for the figure
$of{$_} = 0 for qw(errors crashes problems calls);

sub problem
{
	my ($what, $found, $expected) = @_;
	return if $found eq $expected;
	$of{problems}++;
	is($found, $expected, $what);
	return;
}

# How often a call comes to each point, from a line of fault_points() for each of its places.
sub read_hits
{
	my ($lines) = @_;
	my %hits;
	while ($lines =~ /^fault point (\d+) (.*)/mg)
	{
		$hits{$2} += $1;
		$listed{$2} = 1;
	}
	return map { $_ => $hits{$_} } grep { $hits{$_} } keys %hits;
}

sub set_fault
{
	return "SET billing.fault = '$_[0]'";
}

my $load = 'SELECT length(public.fault_points()) > 0';

# The places where a call is to fail: so many, chosen at random, and each point in the code, for they are few.
sub places
{
	my ($at_most, %hits) = @_;
	my @places = shuffle(map { my $point = $_; map { [ $point, $_ ] } 1 .. $hits{$point} } grep { $_ ne 'after commit' } sort keys %hits);
	return @places if @places <= $at_most;
	my @others = splice @places, $at_most;
	my %chosen = map { $_->[0] => 1 } @places;
	return (@places, grep { $_->[0] !~ /^(statement|command|before commit)$/ && !$chosen{ $_->[0] }++ } @others);
}

# An error or a cancel at each place, one after the other in one session, which then does what was asked.
sub fail_at_places
{
	my ($name, @places) = @_;
	my $script = "$load;\n";
	for my $place (@places)
	{
		my ($point, $n) = @$place;
		my $fault = rand() < 0.25 ? set_fault("$point:sleep:$n") . '; SET statement_timeout = 60' : set_fault("$point:error:$n");
		$script .= "$fault;\n$calls{$name};\nRESET statement_timeout;\n" . set_fault('') . ";\nSELECT 'state ' || soak.digest();\n";
	}
	$script .= "BEGIN;\n$calls{$name};\nSELECT 'goes on';\nROLLBACK;\n";
	my ($status, $out, $error) = $node->psql('postgres', $script, on_error_stop => 0);
	my @states = $out =~ /^state (\w+)$/mg;
	my $errors = () = $error =~ /ERROR:  (?:fault at|canceling statement due to statement timeout)/g;
	problem("$name: an error at each of " . @places . ' places', $errors, scalar @places);
	problem("$name: error at $places[$_][0] $places[$_][1] changes nothing", $states[$_] // 'none', $untouched) for 0 .. $#places;
	problem("$name: the session goes on", $out =~ /^goes on$/m ? 'yes' : $error =~ s/.*\n(?=.*ERROR)//sr, 'yes');
	$visited{ $_->[0] }++ for @places;
	$of{errors} += $errors;
	$untouched = state_digest($node, 'postgres'); # What was found once is not found again.
	return;
}

sub crash_at
{
	my ($database, $statement, $point, $n) = @_;
	$node->psql($database, "$load;\n" . set_fault("$point:crash:$n") . ";\n$statement;\n", on_error_stop => 0);
	my $end = time() + 120;
	while (system('pg_isready', '-q', '-h', $node->host, '-p', $node->port) != 0)
	{
		die 'the server did not come back' if time() > $end;
		sleep 0.05;
	}
	$of{crashes}++;
	$visited{$point}++;
	return;
}

sub in_copy
{
	my ($template, $work) = @_;
	$node->safe_psql('template1', "CREATE DATABASE copy TEMPLATE $template");
	$work->('copy');
	$node->safe_psql('template1', 'DROP DATABASE copy WITH (FORCE)');
	return;
}

sub visit_call
{
	my ($name) = @_;
	my ($status, $out, $error) = $node->psql('postgres', "$load;\n" . set_fault('none:error:1') . ";\nBEGIN;\n$calls{$name};\nROLLBACK;\nSELECT public.fault_points()");
	problem("$name: it can be called", $error, '');
	my %hits = read_hits($out);
	my @places = places(is_long() ? 25 : 6, %hits);
	fail_at_places($name, @places);
	for my $place ((shuffle(@places))[0], [ 'before commit', 1 ])
	{
		next if rand() < (is_long() ? 0.3 : 0.8);
		crash_at('postgres', $calls{$name}, @$place);
		problem("$name: a crash at $place->[0] $place->[1] changes nothing", state_digest($node, 'postgres'), $untouched);
	}
	return if !is_long() && rand() < 0.8;
	in_copy('postgres', sub {
		my ($copy) = @_;
		crash_at($copy, $calls{$name}, 'after commit', 1);
		problem("$name: after a crash past its commit it is there", state_digest($node, $copy) ne $untouched ? 'yes' : 'no', $name eq 'migrate' ? 'no' : 'yes');
		problem("$name: and nothing contradicts it", is_sound($node, $name, $copy), 0);
	});
	return;
}

# What was used and is owed, without what depends on when things happened.
my $outcome = q{SELECT md5(string_agg(o, E'\n' ORDER BY o)) FROM (
	SELECT c::text FROM (SELECT day, tenant_id, meter_id, quantity, events FROM billing.daily_counts) AS c
	UNION ALL SELECT r::text FROM (SELECT tenant_id, charge_id, period_start, period_end, quantity, amount_minor FROM billing.rated) AS r
	UNION ALL SELECT l::text FROM (SELECT l.tenant_id, l.charge_id, l.period_start, sum(l.amount_minor), count(DISTINCT i.number)
		FROM billing.invoice_lines l JOIN billing.invoices i USING (invoice_date, tenant_id, invoice_id) WHERE i.status = 'finalized' GROUP BY 1, 2, 3) AS l
	UNION ALL SELECT e::text FROM (SELECT tenant_id, entry_type, sum(amount_minor) FROM billing.ledger_entries GROUP BY 1, 2) AS e
	UNION ALL SELECT n::text FROM (SELECT count(DISTINCT number), max(number) FROM billing.invoices) AS n
	UNION ALL SELECT p::text FROM (SELECT relname FROM pg_class WHERE relnamespace = 'billing'::regnamespace AND relkind = 'r' AND relispartition) AS p) AS all_of_it (o)};

# A procedure fails somewhere, is called again, and ends as one that was left in peace. A job that failed waits before it is tried again.
sub visit_procedure
{
	my ($name) = @_;
	my ($expected, %hits);
	in_copy('postgres', sub {
		my ($copy) = @_;
		my (undef, $out) = $node->psql($copy, "$load;\n" . set_fault('none:error:1') . ";\n$calls{$name};\nSELECT public.fault_points()");
		%hits = read_hits($out);
		$expected = $node->safe_psql($copy, $outcome);
	});
	my @places = places(is_long() ? 3 : 1, %hits);
	for my $place (is_long() ? @places : $places[0])
	{
		my ($point, $n) = @$place;
		my $action = rand() < 0.5 ? 'error' : 'crash';
		in_copy('postgres', sub {
			my ($copy) = @_;
			if ($action eq 'crash') { crash_at($copy, $calls{$name}, $point, $n) }
			else
			{
				$node->psql($copy, "$load;\n" . set_fault("$point:error:$n") . ";\n$calls{$name}", on_error_stop => 0);
				$of{errors}++;
				$visited{$point}++;
			}
			problem("$name: $action at $point $n leaves nothing that contradicts", is_sound($node, $name, $copy), 0);
			my (undef, undef, $error) = $node->psql($copy, $calls{$name});
			return if $name =~ /JOB/;
			problem("$name: after $action at $point $n it goes on", $error =~ /ERROR.*/ ? $& : '', '');
			problem("$name: and ends as one left in peace", $node->safe_psql($copy, $outcome), $expected);
		});
	}
	return;
}

# Tables are made all or none.
sub visit_install
{
	my $install = 'SELECT billing.install()';
	my (undef, $out) = $node->psql('bare', "$load;\n" . set_fault('none:error:1') . ";\nBEGIN;\n$install;\nROLLBACK;\nSELECT public.fault_points()");
	my $tables = q{SELECT count(*) FROM pg_class WHERE relnamespace = 'billing'::regnamespace AND relkind <> 'c'};
	my @places = places(is_long() ? 25 : 6, read_hits($out));
	for my $place (is_long() ? @places : $places[0])
	{
		my ($point, $n) = @$place;
		my (undef, undef, $error) = $node->psql('bare', "$load;\n" . set_fault("$point:error:$n") . ";\n$install");
		problem("install: an error at $point $n", $error =~ /fault at/ ? 'yes' : $error, 'yes');
		problem("install: after an error at $point $n there is no table", $node->safe_psql('bare', $tables), 0);
		$of{errors}++;
		$visited{$point}++;
	}
	return if !is_long() && rand() < 0.7;
	crash_at('bare', $install, @{ $places[ rand @places ] });
	problem('install: after a crash there is no table', $node->safe_psql('bare', $tables), 0);
	in_copy('bare', sub {
		my ($copy) = @_;
		crash_at($copy, $install, 'after commit', 1);
		problem('install: after a crash past its commit there is nothing to do', $node->safe_psql($copy, $install) =~ /nothing to do/ ? 'yes' : 'no', 'yes');
		problem('install: and nothing contradicts it', is_sound($node, 'install', $copy), 0);
	});
	return;
}

# First what comes to the points in the code; in make soak then all the others.
visit_install();
my @few = qw(add_signature post_entry sync_counts seal finalize_invoice void_invoice set_personal_data rotate_signing_key rewrap_data_keys erase_subject purge_subjects evidence
  sync_coverage drop_month);
my %is_first = map { $_ => 1 } @few, 'RUN_INVOICES';
my @left = (shuffle(sort keys %is_first), is_long() ? shuffle(grep { !$is_first{$_} } sort keys %calls) : ());
while (@left && ($of{calls} < 4 || seconds_left() > 0))
{
	my $name = shift @left;
	if ($name =~ /^[A-Z_]+$/) { visit_procedure($name) }
	else                      { visit_call($name) }
	$of{calls}++;
}
diag('no time for ' . join ' ', @left) if @left;

my @missed = grep { !$visited{$_} } sort keys %listed;
is(join(', ', @missed), '', 'every point of the library was visited') if is_long() && !@left;
problem('nothing contradicts anything in the end', is_sound($node, 'at the end', 'postgres'), 0);
figure('fault points', aim => 'every point visited; an error or a crash changes nothing, or all is there', violations => $of{problems},
	figure => sprintf('%d/%d points, %d/%d calls: %d errors, %d crashes, %d inconsistencies', scalar(keys %visited), scalar(keys %listed), $of{calls}, scalar(keys %calls), @of{qw(errors crashes problems)}),
	done => $of{calls} + keys %visited, wanted => keys(%calls) + keys %listed);
$node->stop;
done_testing();
