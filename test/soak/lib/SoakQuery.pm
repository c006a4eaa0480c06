# What the long tests share about asking the server: it is named by the environment, as soak_node() sets it.
package SoakQuery;

use strict;
use warnings;

use Exporter 'import';
use File::Temp;
use IPC::Run;
use Time::HiRes qw(sleep time);

our @EXPORT_OK = qw(finish_within query run_pgbench start_query try_query wait_for_server);

# Statements in one session: (whether they succeeded, what they printed, errors).
sub try_query
{
	my ($sql) = @_;
	my ($out, $error) = ('', '');
	# A psql that cannot connect reads nothing, and writing to it then dies.
	my $succeeded = eval { IPC::Run::run([ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-v', 'VERBOSITY=verbose', '-f', '-' ], '<', \$sql, '>', \$out, '2>', \$error) };
	$error .= $@;
	chomp $out;
	return ($succeeded, $out, $error);
}

# The same, and what they print; an error is the end of the test.
sub query
{
	my ($sql) = @_;
	my ($succeeded, $out, $error) = try_query($sql);
	$succeeded or die "$sql: $error";
	return $out;
}

# Statements, each its own -c, in a session of their own that runs meanwhile: { run, out, error }.
sub start_query
{
	my (@statements) = @_;
	my %session = (out => '', error => '', statements => [@statements]);
	$session{run} = IPC::Run::start([ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-v', 'VERBOSITY=verbose', map { ('-c', $_) } @statements ],
		'<', \undef, '>', \$session{out}, '2>', \$session{error});
	return \%session;
}

# Waits for such sessions together, so that none blocks on a full pipe; whether all ended in time. Those that did not are killed.
sub finish_within
{
	my ($seconds, @sessions) = @_;
	my $end = time() + $seconds;
	my @left = @sessions;
	while (@left && time() < $end)
	{
		@left = grep { $_->{run}->pump_nb; $_->{run}->pumpable } @left;
		sleep 0.01 if @left;
	}
	$_->{run}->kill_kill for @left;
	$_->{run}->finish for @sessions;
	return !@left;
}

# pgbench with scripts { name => text }, each as often as the others unless its name ends in @weight. What it printed.
sub run_pgbench
{
	my ($scripts, @options) = @_;
	my $directory = File::Temp->newdir;
	my @files;
	for my $name (sort keys %$scripts)
	{
		my ($plain, $weight) = split /@/, $name;
		open my $file, '>', "$directory/$plain.sql" or die;
		print $file $scripts->{$name};
		close $file or die;
		push @files, '-f', "$directory/$plain.sql" . ($weight ? "\@$weight" : '');
	}
	my ($out, $error) = ('', '');
	my $succeeded = IPC::Run::run([ 'pgbench', '-n', '-j', 2, @options, @files ], '>', \$out, '2>', \$error);
	return ($succeeded, $out, $error);
}

# After a crash: until the server answers again.
sub wait_for_server
{
	for (1 .. 600)
	{
		my ($succeeded) = try_query('SELECT 1');
		return 1 if $succeeded;
		sleep 0.1;
	}
	die 'the server does not come back';
}

1;
