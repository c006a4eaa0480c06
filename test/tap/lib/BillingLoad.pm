# Load for tests of races: writers of many kinds, run by pgbench, and sessions that may be killed. It needs no
# PostgreSQL::Test::Cluster, only a connection string.
package BillingLoad;

use strict;
use warnings;

use Exporter 'import';
use File::Temp;
use IPC::Run;

our @EXPORT_OK = qw(finish_writers script_counts start_session start_writers);

# Each kind of writer as pgbench runs it: R writes a row.
our %shapes = (
	plain => 'R',
	slow => "BEGIN; R\n\\sleep :pause ms\nR COMMIT;",
	aborted => "BEGIN; R\n\\sleep :pause ms\nROLLBACK;",
	savepoints => "BEGIN; R SAVEPOINT a; R ROLLBACK TO a; R SAVEPOINT b; R RELEASE b;\n\\sleep :pause ms\nCOMMIT;",
	prepared => "BEGIN; R PREPARE TRANSACTION 'writer NAME :client_id';\n\\sleep :pause ms\nCOMMIT PREPARED 'writer NAME :client_id';",
	exceptions => 'DO $$ BEGIN BEGIN P RAISE division_by_zero; EXCEPTION WHEN division_by_zero THEN P END; END $$;',
);

# How many rows a transaction of each leaves.
our %rows_left = (plain => 1, slow => 2, aborted => 0, savepoints => 3, prepared => 1, exceptions => 1);

# Starts pgbench with writers for some seconds. writers: name => [ weight, script ]. Each script finds :tenant (1 to 20), :amount,
# :day (0 to 58) and :pause (1 to 200).
sub start_writers
{
	my ($connection, %load) = @_;
	my %run = (scripts => File::Temp->newdir, names => [ sort keys %{ $load{writers} } ]);
	my @scripts;
	for my $name (@{ $run{names} })
	{
		my ($weight, $body) = @{ $load{writers}{$name} };
		my $script = "\\set tenant random(1, 20)\n\\set amount random(1, 1000)\n\\set day random(0, 58)\n\\set pause random(1, 200)\n$body";
		open my $file, '>', "$run{scripts}/$name.sql" or die;
		print $file join("\n", map { s/(?<=;)\s*(?=\S)/\n/gr } split /\n/, $script) . "\n";
		close $file or die;
		push @scripts, '-f', "$run{scripts}/$name.sql\@$weight";
	}
	# Into files: nobody empties a pipe until the end, and a full one would stop every writer.
	$run{session} = IPC::Run::start([ 'pgbench', '-n', '-M', 'simple', '-c', $load{clients}, '-j', 2, '-T', $load{seconds}, "--random-seed=$load{seed}",
		@scripts, $connection ], '>', "$run{scripts}/out", '2>', "$run{scripts}/error");
	return \%run;
}

# Waits for the writers; whether pgbench ended well. out and error are then what it printed.
sub finish_writers
{
	my ($run) = @_;
	my $ended_well = $run->{session}->finish;
	for my $stream (qw(out error))
	{
		open my $file, '<', "$run->{scripts}/$stream" or die;
		local $/;
		$run->{$stream} = <$file> // '';
	}
	return $ended_well;
}

# What pgbench says it committed of each script: name => transactions.
sub script_counts
{
	my ($run) = @_;
	my @counts = $run->{out} =~ /^SQL script \d+:.*?^ - (\d+) transactions/gms;
	@counts = $run->{out} =~ /number of transactions actually processed: (\d+)/ if @{ $run->{names} } == 1;
	my %counts;
	@counts{ @{ $run->{names} } } = @counts;
	return %counts;
}

# A session for one statement, or for several separated by semicolons.
sub start_session
{
	my ($connection, $sql) = @_;
	my ($out, $error) = ('', '');
	return IPC::Run::start([ 'psql', '-XAtq', '-d', $connection, '-c', $sql ], '>', \$out, '2>', \$error);
}

1;
