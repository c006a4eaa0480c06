# Runs of one period at the same time, over different batches: each invoice is made once, by one of them, and numbered once.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use IPC::Run;
use Test::More;
use Time::HiRes qw(sleep);
use BillingTest qw(billing_node close_session open_session);

my $tenants = 40;
my $node = billing_node('main', log_statement => 'none');
$node->safe_psql('postgres', qq{
SELECT billing.ensure_partitions('2026-09-01', '2027-03-01');
SELECT billing.create_meter('requests', unit => 'request');
SELECT billing.create_plan('pro', currency => 'EUR'),
       billing.add_charge('pro', 'base', price => '{"model":"flat","amount":"49"}', in_advance => true),
       billing.add_charge('pro', 'requests', meter => 'requests', price => '{"model":"unit","unit":"0.11"}'), billing.publish_plan('pro');
SELECT billing.create_account('t' || n), billing.subscribe('t' || n, plan => 'pro', starts => '2026-09-01') FROM generate_series(1, $tenants) AS n;
SELECT billing.record_usage(jsonb_agg(jsonb_build_object('tenant', 't' || n, 'meter', 'requests', 'event_id', d::text, 'quantity', n, 'occurred_at', d)))
  FROM generate_series(1, $tenants) AS n, generate_series(timestamptz '2026-09-01 12:00Z', '2026-11-30 12:00Z', '1 day') AS d;
});

# What a session takes for the others to wait for it.
my %lock = (
	'the tenants' => q{SELECT billing.rate_batch('2026-09-01', '', 'z')},
	'one tenant' => q{SELECT billing.rate_batch('2026-09-01', 't39', 't39')},
	'count sync' => q{SELECT FROM billing.stage_locks WHERE stage = 'count_sync' FOR UPDATE});

# One session holds a lock until the others wait for it, so that they are really at it together.
sub hold
{
	my ($lock, $waiters, $work) = @_;
	my $holder = open_session($node, "BEGIN; $lock{$lock}");
	my @running = $work->();
	my ($waiting, $tries) = (0, 0);
	while ($waiting < $waiters && $tries++ < 600)
	{
		sleep 0.05;
		$waiting = $node->safe_psql('postgres', "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'CALL %'");
	}
	is($waiting, $waiters, "$waiters runs wait for $lock");
	close_session($holder, 'COMMIT');
	return @running;
}

sub start_run
{
	my ($call) = @_;
	my %run = (call => $call, out => '', notices => '');
	$run{session} = IPC::Run::start([ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('postgres'), '-c', $call ],
		'>', \$run{out}, '2>', \$run{notices});
	return \%run;
}

# Runs them at once and returns the invoices made and finalized as each run tells it.
sub run_together
{
	my ($lock, @calls) = @_;
	my @runs = hold($lock, scalar @calls, sub { return map { start_run($_) } @calls });
	my ($made, $finalized) = (0, 0);
	for my $run (@runs)
	{
		ok($run->{session}->finish, $run->{call}) or diag($run->{notices});
		while ($run->{notices} =~ /: (\d+) invoices made, \d+ lines, (\d+) finalized/g)
		{
			$made += $1;
			$finalized += $2;
		}
	}
	return ($made, $finalized);
}

sub state_is
{
	my ($status, $dates, $name) = @_;
	is($node->safe_psql('postgres', q{SELECT status, count(*), count(DISTINCT (tenant_id, account_id, invoice_date)), count(DISTINCT number)
		FROM billing.invoices GROUP BY status}), "$status|" . $tenants * $dates . '|' . $tenants * $dates . '|' . ($status eq 'draft' ? 0 : $tenants * $dates),
		"$name: one invoice per account and day");
	is($node->safe_psql('postgres', 'SELECT * FROM billing.check_integrity()'), '', "$name: integrity");
	is($node->safe_psql('postgres', 'SELECT * FROM billing.replay_count_sync()'), '', "$name: usage counted once");
	return;
}

# 1 September and 1 October are due: a fee in advance, and then usage and the next fee.
my ($made, $finalized) = run_together('the tenants', q{CALL billing.run_invoices('2026-10-01')}, q{CALL billing.run_invoices('2026-10-01', batch_tenants => 7)});
is($made, 2 * $tenants, 'two runs of drafts made each one once');
state_is('draft', 2, 'drafts');

($made, $finalized) = run_together('the tenants',
	q{CALL billing.run_invoices('2026-10-01', finalize => true, batch_tenants => 3)}, q{CALL billing.run_invoices('2026-10-01', finalize => true, batch_tenants => 11)});
is("$made, $finalized", '0, ' . 2 * $tenants, 'two runs that finalize: each invoice by one of them');
state_is('finalized', 2, 'finalized');

# From the very beginning, count sync included, and four of them.
($made, $finalized) = run_together('count sync', map { "CALL billing.run_invoices('2026-12-01', finalize => true, batch_tenants => $_)" } 4, 5, 6, 40);
is("$made, $finalized", join(', ', (2 * $tenants) x 2), 'four runs over two months: each invoice by one of them');
state_is('finalized', 4, 'two months later');
# One more month by two sessions, half of the tenants each; one half has a tenant that somebody works on.
my $halves = 'CALL billing.run_invoices(%s, finalize => true, batch_tenants => 8, %s)';
my $holder = open_session($node, "BEGIN; $lock{'one tenant'}");
my @halves = map { start_run(sprintf $halves, q{'2027-01-01'}, $_) } q{last_tenant => 't25'}, q{first_tenant => 't26'};
ok($halves[0]{session}->finish, 'half of the tenants is done') or diag($halves[0]{notices});
is($node->safe_psql('postgres', q{SELECT count(*), max(tenant_id) FROM billing.invoices WHERE invoice_date = '2027-01-01' AND tenant_id <= 't25'}), '18|t25', 'while the other half waits');
is($node->safe_psql('postgres', q{SELECT count(*) FROM billing.invoices WHERE invoice_date = '2027-01-01' AND tenant_id >= 't39'}), '0', 'for a tenant that is locked');
close_session($holder, 'COMMIT');
ok($halves[1]{session}->finish, 'and then goes on') or diag($halves[1]{notices});
state_is('finalized', 5, 'by halves');
is($node->safe_psql('postgres', q{SELECT series, last_number FROM billing.number_series ORDER BY series}), join("\n", 'INV-2026|' . 4 * $tenants, "INV-2027|$tenants"), 'numbers have no gap');
is($node->safe_psql('postgres', 'SELECT count(*) FROM billing.tenant_locks'), '0', 'no lock was left behind');

$node->stop;
done_testing();
