# Rows hashed by a process beside the session's: the same tree, whoever hashes, and nothing half done when it is ended.
use strict;
use warnings;

use lib 'lib';
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

use BillingTest qw(billing_node);

my $node = billing_node('hasher', max_prepared_transactions => 5);
$node->safe_psql('postgres', "SELECT billing.ensure_partitions('2026-01-01', '2026-04-01'); SELECT billing.create_account('t1')");

sub load_month
{
	my ($month, $rows) = @_;
	$node->safe_psql('postgres', "INSERT INTO billing.ledger_entries
		(posted_on, tenant_id, entry_id, account_id, entry_type, debit_account, credit_account, amount_minor, currency, source, source_id)
		SELECT date '2026-$month-01' + n % 28, 't1', gen_random_uuid(), 'main', 'payment', 'cash', 'receivable', n, 'EUR', 'hand',
		       '00000000-0000-0000-0000-000000000001' FROM generate_series(1, $rows) AS n");
	return;
}

# What a statement returns, and whether another process hashed.
sub run_with
{
	my ($workers, $sql) = @_;
	my ($status, $out, $error) = $node->psql('postgres', $sql,
		connstr => $node->connstr('postgres') . " options='-c client_min_messages=debug1 -c max_parallel_maintenance_workers=$workers'");
	is($status, 0, "$sql with $workers") or diag($error);
	return ($out, scalar($error =~ /another process hashes/));
}

# A process takes some milliseconds to come; on a busy machine a seal may be through before.
sub verify_helped
{
	for my $attempt (1 .. 10)
	{
		my ($problems, $helped) = run_with(2, 'SELECT * FROM billing.verify_log()');
		return $problems if $helped;
	}
	fail('no process came to hash');
	return;
}

load_month('01', 150_000);
run_with(2, 'SELECT billing.seal()');
load_month('02', 150_000);
my (undef, $helped) = run_with(0, 'SELECT billing.seal()');
ok(!$helped, 'max_parallel_maintenance_workers = 0: one process');
is(verify_helped(), '', 'what two processes and what one sealed is verified by two');
is((run_with(0, 'SELECT * FROM billing.verify_log()'))[0], '', 'and by one');
is($node->safe_psql('postgres', 'SELECT count(*) = (SELECT max(tree_size) >> 8 FROM billing.checkpoints) FROM billing.log_hashes WHERE level = 8'),
	't', 'every block has its hash');
is($node->safe_psql('postgres', 'SELECT count(*) = (SELECT max(tree_size) >> 16 FROM billing.checkpoints) FROM billing.log_hashes WHERE level = 16'),
	't', 'at both levels');

# Rows that were running when the log was sealed are looked for by their transactions, and not through the whole log.
sub rows_read
{
	return $node->safe_psql('postgres', "SELECT pg_stat_force_next_flush(); SELECT (SELECT sum(seq_tup_read) FROM pg_stat_user_tables WHERE schemaname = 'billing')
		+ (SELECT sum(idx_tup_read) FROM pg_stat_user_indexes WHERE schemaname = 'billing')") =~ s/^\n//r;
}
$node->safe_psql('postgres', q{BEGIN; SELECT billing.post_entry('t1', 'payment', 100, 'EUR'); PREPARE TRANSACTION 'slow'});
$node->safe_psql('postgres', q{SELECT billing.post_entry('t1', 'payment', 200, 'EUR')});
$node->safe_psql('postgres', $_) for 'ANALYZE billing.ledger_entries', 'SELECT billing.seal()', q{COMMIT PREPARED 'slow'};
my $before = rows_read();
$node->safe_psql('postgres', 'SELECT billing.seal(); SELECT pg_stat_force_next_flush()');
is($node->safe_psql('postgres', "SELECT leaves FROM billing.log_segments WHERE kind = 'ledger_entry' ORDER BY seal_no DESC LIMIT 1"), '1', 'what was running is sealed');
cmp_ok(rows_read() - $before, '<', 10_000, 'without reading the 300,000 entries before it');

# Each seal is entered where its rows are: from the log's beginning, 30 of them would read 60,000 pages more.
sub pages_verified
{
	my $pages = q{SELECT pg_stat_force_next_flush(); SELECT sum(idx_blks_read + idx_blks_hit) FROM pg_statio_user_indexes WHERE relname LIKE 'ledger_entries_%'};
	my $from = $node->safe_psql('postgres', $pages);
	$node->safe_psql('postgres', 'SELECT billing.verify_log(); SELECT pg_stat_force_next_flush()');
	return $node->safe_psql('postgres', $pages) =~ s/\s//gr - $from =~ s/\s//gr;
}
my $pages = pages_verified();
$node->safe_psql('postgres', q{SELECT billing.post_entry('t1', 'payment', 100, 'EUR')} . ";\nSELECT billing.seal();\n") foreach 1 .. 30;
$pages = pages_verified() - $pages;
cmp_ok($pages, '<', 5_000, "30 small seals are verified by $pages pages of indexes more");

# Runs verify_log() and calls &$with(pid) each time the process beside it is seen. Its output and what it says.
sub verify_disturbed
{
	my ($with) = @_;
	my ($stdout, $error) = ('', '');
	my $run = IPC::Run::start([ 'psql', '-XAt', '-d', $node->connstr('postgres') . " options='-c client_min_messages=debug1'",
		'-c', 'SELECT pg_backend_pid()', '-c', 'SELECT * FROM billing.verify_log()' ], '>', \$stdout, '2>', \$error);
	while ($run->pumpable)
	{
		$run->pump_nb;
		my ($leader) = $stdout =~ /^(\d+)$/m;
		my ($hasher) = $leader ? `ps -eo pid,args` =~ /^\s*(\d+) .*billing hasher of PID $leader\b/m : ();
		$with->($hasher) if $hasher;
		usleep(2000);
	}
	$run->finish;
	return ($stdout, $error);
}

# Stopped for a while, and ended, both in the middle. Attempts, for it may be through before it is found.
my ($output, $error) = ('', '');
for my $attempt (1 .. 20)
{
	my $stopped;
	($output, $error) = verify_disturbed(sub {
		my ($pid) = @_;
		return if $stopped++;
		kill 'STOP', $pid;
		usleep(300_000);
		kill 'CONT', $pid;
	});
	last if $error =~ /[1-9]\d* rows were hashed beside/;
}
like($error, qr/[1-9]\d* rows were hashed beside the other process/, 'who reads the rows hashes those that the other process has no time for');
like($output, qr/^\d+\n\z/, 'to the same tree');
for my $attempt (1 .. 20)
{
	(undef, $error) = verify_disturbed(sub { kill 'TERM', @_ });
	last if $error =~ /ERROR/;
}
like($error, qr/ERROR:  the process that hashes rows of the log has ended/, 'a process that is ended is told');
is(verify_helped(), '', 'and nothing came of it');

$node->safe_psql('postgres', 'ALTER TABLE billing.ledger_entries DISABLE TRIGGER ALL');
$node->safe_psql('postgres', "UPDATE billing.ledger_entries SET amount_minor = amount_minor + 1 WHERE posted_on = '2026-02-02' AND amount_minor = 29");
my $problems = verify_helped();
like($problems, qr/the rows have another root than was sealed/, 'a changed amount is found by two processes');
is((run_with(0, 'SELECT * FROM billing.verify_log()'))[0], $problems, 'and told by one in the same words');
$node->safe_psql('postgres', "UPDATE billing.ledger_entries SET amount_minor = amount_minor - 1 WHERE posted_on = '2026-02-02' AND amount_minor = 30");

# No worker process is free: one is taken by the server's own.
$node->append_conf('postgresql.conf', 'max_worker_processes = 1');
$node->restart;
load_month('03', 50_000);
(undef, $helped) = run_with(2, 'SELECT billing.seal()');
ok(!$helped, 'without a free worker the session hashes');
is($node->safe_psql('postgres', "SELECT leaves FROM billing.log_segments WHERE kind = 'ledger_entry' ORDER BY seal_no DESC LIMIT 1"), '50000', 'all rows');
unlike((run_with(2, 'SELECT * FROM billing.verify_log()'))[0], qr/root/, 'to the same tree');

done_testing();
