#!/usr/bin/perl
# One invoice per period: thirty-two runs at once over the same month end, in different batches, some of which only sync, rate or draft;
# some are terminated, and now and then a backend is killed so that the server restarts. Then one more run, and each account has
# exactly one invoice of the day, every line once, and numbers have no gap. Some take all tenants and some a part of them.
#
# PERIODS: at most so many (100, in the short form 2). SESSIONS: runs at once (32).
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../tap/lib", "$FindBin::Bin/lib";
use Test::More;
use Time::HiRes qw(sleep);
use Soak qw(begin_soak figure is_long seconds_left soak_node);
use SoakQuery qw(finish_within query start_query try_query wait_for_server);

begin_soak(short => 15);
my $periods = $ENV{PERIODS} // (is_long() ? 100 : 2);
my $sessions = $ENV{SESSIONS} // 32;
my $tenants = 24;
my $node = soak_node('invoices', fsync => 'on', max_connections => 100, restart_after_crash => 'on');
my ($month, $year) = (1, 2026);

sub day_of { return sprintf('%04d-%02d-01', $year + int(($_[0] + $month - 1) / 12), ($_[0] + $month - 1) % 12 + 1) }

# Two sellers, so that two series of numbers are taken from at once; fees in advance and in arrears, and usage.
query(qq{
SELECT billing.ensure_partitions('2026-01-01', '2026-03-01');
SELECT billing.create_legal_entity('other', name => 'Other', invoice_series => 'OTH');
SELECT billing.create_meter('requests', unit => 'request');
SELECT billing.create_plan('plan', currency => 'EUR'),
       billing.add_charge('plan', 'ahead', price => '{"model":"flat","amount":"49"}', in_advance => true),
       billing.add_charge('plan', 'after', price => '{"model":"flat","amount":"7.77"}'),
       billing.add_charge('plan', 'requests', meter => 'requests', price => '{"model":"graduated","tiers":[{"up_to":"10","unit":"0"},{"up_to":null,"unit":"0.0333"}]}'),
       billing.publish_plan('plan');
SELECT billing.create_account('t' || n, legal_entity => CASE n % 3 WHEN 0 THEN 'other' ELSE 'default' END), billing.subscribe('t' || n, plan => 'plan', starts => '2026-01-01')
  FROM generate_series(1, $tenants) AS n;
});

sub any { return $_[ int rand @_ ] }

# The arguments of a part of the tenants, of all, or of one half.
sub part
{
	my ($first, $last) = sort map { 't' . (1 + int rand $tenants) } 1, 2;
	return any('', ", first_tenant => '$first', last_tenant => '$last'", ", last_tenant => 't19'", ", first_tenant => 't2'");
}

# What a session does about a day, each statement by itself.
sub work
{
	my ($day) = @_;
	my $batch = 1 + int rand 30;
	my $final = any(qw(true true true false));
	my $part = part();
	return any(("CALL billing.run_invoices('$day', finalize => $final, batch_tenants => $batch$part)") x 3,
		"CALL billing.run_rating('$day', batch_tenants => $batch$part)",
		'SELECT FROM billing.sync_counts()',
		"SELECT FROM billing.invoice_batch('$day', 't1', 't2', billing.uuid_v7(), $final)",
		"SELECT FROM billing.finalize_batch('$day', 't', 'u')");
}

# Ends one of the working backends: politely, or (rarely, for each costs a recovery) as the kernel would.
my %killed = (terminated => 0, crashed => 0);
sub end_one
{
	my ($hard) = @_;
	my ($succeeded, $pid) = try_query(q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND query ~ 'billing\.'
		ORDER BY random() LIMIT 1});
	return if !$succeeded || !$pid;
	if ($hard)
	{
		$killed{crashed} += kill 'KILL', $pid;
		return;
	}
	my ($asked, $answer) = try_query("SELECT pg_terminate_backend($pid)");
	$killed{terminated}++ if $asked && $answer eq 't';
	return;
}

# Errors that a run may end with: terminated, the server restarting, and what two of them at once may tell each other to try again.
my $expected_error = qr/57P01|57P02|57P03|40001|40P01|server closed the connection|connection to server|could not receive data/;

sub run_period
{
	my ($n) = @_;
	my $day = day_of($n);
	query(qq{SELECT billing.ensure_partitions('$day', '$day'::date + 40);
SELECT billing.record_usage(jsonb_agg(jsonb_build_object('tenant', 't' || t, 'meter', 'requests', 'event_id', t || 'e' || e, 'quantity', t + e,
	'occurred_at', (date '$day' - interval '1 month' + e * interval '30 hours') AT TIME ZONE 'UTC'))) FROM generate_series(1, $tenants) AS t, generate_series(0, 19) AS e});
	my @running = map { start_query(work($day)) } 1 .. $sessions;
	sleep rand 0.2;
	my $crash = is_long() ? rand() < 0.1 : $n == 2;
	for my $kill (1 .. 1 + int rand $sessions / 4)
	{
		end_one($crash && $kill == 1);
		sleep rand 0.1;
	}
	ok(finish_within(300, @running), "$day: the runs end") or die 'they hang';
	my @bad = grep { $_->{error} =~ /ERROR|FATAL|PANIC/ && $_->{error} !~ $expected_error } @running;
	is(join("\n", map { "$_->{statements}[0]: $_->{error}" } @bad), '', "$day: no other error than by killing");
	wait_for_server();
	query("CALL billing.run_invoices('$day', finalize => true)");
	is(query(qq{SELECT count(*), count(DISTINCT i.tenant_id), count(DISTINCT i.number), min(i.status), max(i.status)
		FROM billing.invoices i WHERE i.invoice_date = '$day'}), "$tenants|$tenants|$tenants|finalized|finalized", "$day: one invoice for each account");
	return;
}

# Twenty months have a database of their own, for a run is planned over every month there is. What all of its days come to:
sub check_life
{
	my ($days) = @_;
	# Usage that was not counted yet when its month was billed is on the next invoice.
	query("CALL billing.run_invoices('" . day_of($days) . "', finalize => true)");
	is(query(qq{SELECT i.invoice_date, i.tenant_id, count(*) FROM billing.invoices i GROUP BY 1, 2 HAVING count(*) <> 1}), '', 'no account has two of a day');
	is(query(qq{SELECT count(*), count(*) FILTER (WHERE status = 'finalized') FROM billing.invoices}), join('|', ($tenants * ($days + 1)) x 2), 'as many invoices as accounts and days');
	is(query(q{SELECT tenant_id, charge_id, period_start, count(*) FROM billing.invoice_lines GROUP BY 1, 2, 3 HAVING count(*) <> 1}), '', 'each period of each charge is billed once');
	is(query(q{SELECT charge_id, count(*) FROM billing.invoice_lines GROUP BY 1 ORDER BY 1}), "after|" . $tenants * $days . "\nahead|" . $tenants * ($days + 1) . "\nrequests|" . $tenants * ($days - 1),
		'and none is missing');
	is(query(q{SELECT n.series FROM billing.number_series n JOIN (SELECT legal_entity_id, regexp_replace(number, '-\d+$', '') AS series, count(*) AS n, count(DISTINCT number) AS d,
		max(regexp_replace(number, '^.*-', '')::bigint) AS top FROM billing.invoices GROUP BY 1, 2) AS i USING (legal_entity_id, series)
		WHERE (i.n, i.d, i.top) IS DISTINCT FROM (n.last_number, n.last_number, n.last_number)}), '', 'numbers without gap or repeat');
	is(query('SELECT sum(quantity) FROM billing.usage_records'), query('SELECT sum(quantity) FROM billing.daily_counts'), 'usage is counted once');
	is(query(q{SELECT (SELECT sum(total_minor) FROM billing.invoices) - (SELECT balance_minor FROM billing.trial_balance WHERE ledger_account = 'receivable')}), '0', 'the ledger has what the invoices say');
	is(query('SELECT count(*) FROM billing.tenant_locks'), '0', 'no lock on tenants is left');
	is(query('SELECT * FROM billing.check_integrity()'), '', 'integrity');
	is(query('SELECT * FROM billing.replay_count_sync()'), '', 'replay');
	return;
}

my ($done, $life) = (0, 0);
query("CALL billing.run_invoices('2026-01-01', finalize => true)");
while ($done == 0 || $done < $periods && seconds_left() > 0)
{
	local $ENV{PGDATABASE} = 'template1';
	query('CREATE DATABASE life_' . ++$life . ' TEMPLATE postgres');
	$ENV{PGDATABASE} = "life_$life";
	my $n = 0;
	while ($n == 0 || $n < 20 && $done < $periods && seconds_left() > 0)
	{
		run_period(++$n);
		$done++;
	}
	check_life($n + 1);
	$ENV{PGDATABASE} = 'template1';
	query("DROP DATABASE life_$life WITH (FORCE)");
}
my $wrong = grep { !$_ } Test::More->builder->summary;
figure('one invoice per period', figure => "$done/100 periods of $tenants accounts, $sessions runs at once, $killed{terminated} terminated, $killed{crashed} crashes, $wrong wrong",
	aim => '100 periods, exactly one each, numbers without gap or repeat', violations => $wrong, done => $done, wanted => 100);
$node->stop;
done_testing();
