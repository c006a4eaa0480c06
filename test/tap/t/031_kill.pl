# The server is killed between any two statements, again and again, while clients record usage, sync and bill. Every
# restart finds what was acknowledged and nothing half done, and in the end all has come out as in a run left in peace.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use IPC::Run;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);
use BillingTest qw(billing_node kill_server);

my $seed = $ENV{SEED} // int(time);
srand $seed;
diag("seed $seed");

my $rounds = 12;
my $tenants = 24;
my $repeats = 15;
my $dir = PostgreSQL::Test::Utils::tempdir();

# Each month's rounds end with its invoices; the last run also bills what came late, with the next advance fee.
my @months = qw(2026-09 2026-10 2026-11);
my @due = qw(2026-10-01 2026-11-01 2026-12-01);
my $last_due = '2027-01-01';

my $setup = qq{
SELECT billing.ensure_partitions('2026-09-01', '2027-04-01');
SELECT billing.create_meter('requests', unit => 'request'), billing.create_meter('seats', unit => 'seat', aggregation => 'max');
SELECT billing.create_plan('pro', currency => 'EUR'),
       billing.add_charge('pro', 'base', price => '{"model":"flat","amount":"49"}', in_advance => true),
       billing.add_charge('pro', 'requests', meter => 'requests',
           price => '{"model":"graduated","tiers":[{"up_to":"100","unit":"0"},{"up_to":null,"unit":"0.033"}]}'),
       billing.add_charge('pro', 'seats', meter => 'seats', price => '{"model":"volume","tiers":[{"up_to":"10","unit":"7"},{"up_to":null,"unit":"6"}]}'),
       billing.publish_plan('pro');
SELECT billing.create_account('t' || n), billing.subscribe('t' || n, plan => 'pro', starts => '2026-09-01') FROM generate_series(1, $tenants) AS n;
};

sub connection
{
	my ($node) = @_;
	return [ 'psql', '-XAtq', '-d', $node->connstr('postgres') ];
}

# The events of one round: all tenants, a quarter of a month, four times a day, two meters; the same in every run.
sub events
{
	my ($round) = @_;
	my ($month, $quarter) = ($months[ int($round / 4) ], $round % 4);
	my @events;
	for my $time (map { my $day = $quarter * 7 + $_; map { sprintf '%s-%02d %02d:00Z', $month, $day, $_ } 0, 6, 12, 18 } 1 .. 7)
	{
		for my $tenant (1 .. $tenants)
		{
			push @events, [ "t$tenant", 'requests', $time, 3 + $tenant ], [ "t$tenant", 'seats', $time, $tenant + $round % 4 ];
		}
	}
	return @events;
}

sub record_call
{
	my ($tenant, $meter, $time, $quantity) = @{ $_[0] };
	return "SELECT billing.record_usage('$tenant', '$meter', '$meter/$time', $quantity, '$time');";
}

# A client is a script that psql goes through until it ends or the server does.
sub start_client
{
	my ($node, $name, @statements) = @_;
	my %client = (out => '', error => '');
	append_to_file("$dir/$name", join("\n", @statements) . "\n");
	$client{run} = IPC::Run::start([ @{ connection($node) }, '-f', "$dir/$name" ], '>', \$client{out}, '2>', \$client{error});
	return \%client;
}

# Both recorders take half the events of this round, and again those of the one before, of which some were lost; over and
# over, so that the end of the server finds them at it.
sub start_clients
{
	my ($node, $round) = @_;
	my $due = $due[ int($round / 4) ];
	my @events = ($round > 0 ? events($round - 1) : (), events($round));
	my @halves = ([ map { $events[$_] } grep { $_ % 2 } 0 .. $#events ], [ map { $events[$_] } grep { $_ % 2 == 0 } 0 .. $#events ]);
	my @recorders = map { start_client($node, "record-$round-$_", (map { record_call($_) } @{ $halves[$_] }) x $repeats) } 0, 1;
	$recorders[$_]{events} = $halves[$_] for 0, 1;
	return (
		@recorders,
		start_client($node, "sync-$round", ('SELECT billing.sync_counts();') x 60),
		start_client($node, "bill-$round", ("CALL billing.run_invoices('$due', finalize => true, batch_tenants => 5);") x 20));
}

sub all_there
{
	my ($node, $events) = @_;
	my $ids = join ',', map { "('$_->[0]', '$_->[1]', '$_->[1]/$_->[2]', $_->[3])" } @{$events};
	return '0' if !@{$events};
	return $node->safe_psql('postgres',
		"SELECT count(*) FROM billing.usage_records JOIN (VALUES $ids) AS e (tenant_id, meter_id, event_id, quantity) USING (tenant_id, meter_id, event_id, quantity)");
}

# Everything once more, and the bill up to the last day: what a round lost comes late and is billed as a correction.
sub finish
{
	my ($node) = @_;
	for my $round (0 .. $rounds - 1)
	{
		my @elements = map { sprintf '{"tenant":"%s","meter":"%s","event_id":"%2$s/%s","quantity":"%s","occurred_at":"%3$s"}', @{$_} } events($round);
		$node->safe_psql('postgres', "SELECT billing.record_usage('[" . join(',', @elements) . "]')");
	}
	$node->safe_psql('postgres', "CALL billing.run_invoices('$_', finalize => true)") for @due, $last_due;
	return;
}

# What tenants used and owe, without what depends on when things happened: windows, revisions, which invoice bills it.
my %outcomes = (
	'daily counts' => 'SELECT day, tenant_id, meter_id, quantity, events FROM billing.daily_counts',
	'rated lines' => 'SELECT tenant_id, charge_id, period_start, period_end, quantity, amount_minor FROM billing.rated',
	'billed per charge and period' => q{SELECT l.tenant_id, l.charge_id, l.period_start, sum(l.amount_minor)
		FROM billing.invoice_lines l JOIN billing.invoices i USING (invoice_date, tenant_id, invoice_id)
		WHERE i.status = 'finalized' GROUP BY l.tenant_id, l.charge_id, l.period_start},
	'balances' => q{SELECT a.tenant_id, l.ledger_account, billing.balance(a.tenant_id, 'EUR', l.ledger_account)
		FROM billing.accounts a, billing.ledger_accounts l},
	'invoices per account and day' => 'SELECT tenant_id, account_id, invoice_date, count(*) FROM billing.invoices GROUP BY 1, 2, 3');

sub outcome
{
	my ($node, $query) = @_;
	return $node->safe_psql('postgres', "SELECT string_agg(o::text, E'\\n' ORDER BY o::text) FROM ($query) AS o");
}

sub is_sound
{
	my ($node, $when) = @_;
	is($node->safe_psql('postgres', 'SELECT * FROM billing.check_integrity() LIMIT 5'), '', "$when: no orphan, and everything adds up");
	is($node->safe_psql('postgres', 'SELECT * FROM billing.replay_count_sync() LIMIT 5'), '', "$when: each usage row counted once");
	return;
}

my $calm = billing_node('calm', log_statement => 'none');
$calm->safe_psql('postgres', $setup);
finish($calm);
is_sound($calm, 'left in peace');
my %expected = map { $_ => outcome($calm, $outcomes{$_}) } keys %outcomes;
$calm->stop;

my $node = billing_node('killed', log_statement => 'none');
$node->safe_psql('postgres', $setup);
my $lost = 0;
for my $round (0 .. $rounds - 1)
{
	my $mode = $round % 2 ? 'SIGKILL' : 'immediate stop';
	my $delay = 0.02 + 0.8 * rand() * rand();
	my @clients = start_clients($node, $round);
	sleep $delay;
	if ($mode eq 'SIGKILL') { kill_server($node) }
	else                    { $node->stop('immediate') }
	$_->{run}->finish for @clients;
	$node->start;

	my ($acknowledged, $there) = (0, 0);
	for my $client (@clients[ 0, 1 ])
	{
		my $answers = () = $client->{out} =~ /^[tf]$/mg;
		my $events = @{ $client->{events} };
		my $answered = $answers < $events ? $answers : $events;
		$acknowledged += $answered;
		$there += all_there($node, [ @{ $client->{events} }[ 0 .. $answered - 1 ] ]);
		$lost++ if $answers < $events * $repeats;
	}
	my $when = sprintf 'round %d, %s after %d ms', $round + 1, $mode, $delay * 1000;
	is($there, $acknowledged, "$when: all $acknowledged acknowledged events are there");
	is_sound($node, $when);
	unlike($clients[3]{error}, qr/ERROR/, "$when: billing met no error but the end of its server");
}
cmp_ok($lost, '>', 0, "$lost recorders of " . 2 * $rounds . ' were cut short');
note($node->safe_psql('postgres', q{SELECT format('%s invoices finalized, %s windows and %s revisions in all rounds',
	(SELECT count(*) FROM billing.invoices WHERE status = 'finalized'), (SELECT count(*) FROM billing.count_windows), (SELECT count(*) FROM billing.rated_lines))}));

finish($node);
is_sound($node, 'after the last run');
is(outcome($node, $outcomes{$_}), $expected{$_}, "as in the run left in peace: $_") for sort keys %outcomes;
my $numbers = $node->safe_psql('postgres',
	q{SELECT count(number), count(DISTINCT number), min(number), max(number) FROM billing.invoices WHERE invoice_date < '2027-01-01'});
my $invoices = $tenants * 4;
is($numbers, sprintf('%d|%d|INV-2026-000001|INV-2026-%06d', $invoices, $invoices, $invoices), 'one number per invoice, without gap');

$node->stop;
done_testing();
