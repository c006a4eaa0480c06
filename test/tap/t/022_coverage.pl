# Coverage of devices, synced: random facts against a plain model, and machines of a real cloud by day, once keyed well and once
# badly. COVERAGE_SEED repeats a run's random choices.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use IO::Uncompress::Gunzip;
use List::Util qw(max min uniq);
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);
use Time::Local qw(timegm);
use BillingTest qw(billing_node sql_text);

my $seed = $ENV{COVERAGE_SEED} // time() * 1000 % 2**31;
srand $seed;
diag("seed $seed");

my $node = billing_node('main', shared_buffers => '256MB', fsync => 'off');
$node->safe_psql('postgres', q{
SELECT billing.ensure_partitions('2023-05-01', '2025-03-01');
SELECT billing.create_meter('covered_devices', unit => 'device-day', dimensions => '{plan,device_type}');
SELECT billing.create_plan('plan', currency => 'EUR'), billing.add_charge('plan', 'devices', meter => 'covered_devices', price => '{"model":"unit","unit":"0.05"}'),
       billing.publish_plan('plan');
});

sub subscribe
{
	my ($tenant, $account) = @_;
	return $node->safe_psql('postgres', "SELECT billing.create_account('$tenant', account => '$account'), billing.subscribe('$tenant', 'plan', '2023-05-01', account => '$account')");
}

sub any { return $_[ int rand @_ ] }

# ---- a plain model: lists in the order of recording, and days one by one ----

# Days count from 2024-02-01; day 28 is 29 February.
my ($days, $open) = (70, 1000);
my %model = map { $_ => { devices => {}, claims => {}, policies => [] } } qw(r1 r2);

sub day_text
{
	my ($day) = @_;
	my @date = gmtime(timegm(0, 0, 0, 1, 1, 2024) + $day * 86400);
	return sprintf '%d-%02d-%02d', $date[5] + 1900, $date[4] + 1, $date[3];
}

sub sql_day { return $_[0] == $open ? 'NULL' : "'" . day_text($_[0]) . "'" }

# The last element of a list that is in effect on the day, of those that a test lets pass.
sub last_on
{
	my ($list, $day, $test) = @_;
	for my $item (reverse @$list)
	{
		return $item if $item->{from} <= $day && $day < $item->{to} && $test->($item);
	}
	return;
}

sub base_state
{
	my ($device, $day) = @_;
	my $enrolled = last_on($device->{enrollments}, $day, sub { 1 });
	return if !$enrolled || !defined $enrolled->{account};
	my $covers = last_on($device->{events}, $day, sub { $_[0]{type} ne 'change_plan' });
	my $plan = last_on($device->{events}, $day, sub { defined $_[0]{plan} });
	return { account => $enrolled->{account}, plan => $plan ? $plan->{plan} : $enrolled->{plan}, covered => $covers && $covers->{type} eq 'cover' };
}

sub policy_on
{
	my ($tenant, $account, $day) = @_;
	for my $of ($account, '')
	{
		my @valid = sort { $b->{from} <=> $a->{from} } grep { $_->{account} eq $of && $_->{from} <= $day } @{ $model{$tenant}{policies} };
		return $valid[0]{policy} if @valid;
	}
	return 'bill_once';
}

# What a claim means on a day: undef when it does not matter, else [mode, event].
sub claim_mode
{
	my ($tenant, $claim, $day, $account) = @_;
	my $event = last_on($claim->{events}, $day, sub { 1 }) // return;
	return [ $event->{by}, $event ] if defined $event->{by};
	return [ policy_on($tenant, $account, $day), $event ];
}

sub claim_counts
{
	my ($tenant, $identity, $claim, $day) = @_;
	my $device = $claim->{device};
	my $mode = claim_mode($tenant, $claim, $day, base_state($model{$tenant}{devices}{$device}, $day)->{account}) // return (1, 0);
	my ($kind, $event) = @$mode;
	my $disputed = !defined $event->{by};
	return (0, $disputed) if $kind eq 'hold';
	return (1, 0) if $kind eq 'split';
	return ($device eq ($day >= $event->{moved} ? $event->{winner} : $event->{former}), 0) if $kind eq 'transfer';
	my @same;
	for my $other (@$identity)
	{
		my $state = base_state($model{$tenant}{devices}{ $other->{device} }, $day);
		next if !$state || !$state->{covered};
		my $their = claim_mode($tenant, $other, $day, $state->{account});
		push @same, $other if $their && $their->[0] eq $kind;
	}
	my $winner = $event->{winner} // '';
	my ($first) = sort { ($b->{device} eq $winner) <=> ($a->{device} eq $winner) || $a->{from} <=> $b->{from} || $a->{no} <=> $b->{no} } @same;
	return ($first->{device} eq $device, $disputed);
}

sub day_state
{
	my ($tenant, $name, $day) = @_;
	my $state = base_state($model{$tenant}{devices}{$name}, $day) // return;
	my ($counted, $disputed) = ($state->{covered} ? 1 : 0, 0);
	for my $identity (values %{ $model{$tenant}{claims} })
	{
		my ($claim) = grep { $_->{device} eq $name } @$identity;
		next if !$claim || !$state->{covered};
		my ($counts, $is_disputed) = claim_counts($tenant, $identity, $claim, $day);
		$counted &&= $counts ? 1 : 0;
		$disputed ||= $is_disputed;
	}
	return [ $state->{account}, !$state->{covered} ? 'uncovered' : $disputed ? 'disputed' : 'covered', $state->{plan} // '', $counted ];
}

# ---- random facts: each returns the call, and puts the same into the model ----

my ($event_no, $claim_no) = (0, 0);
my @device_names = map { "d$_" } 0 .. 7;
my @plans = ('basic', 'gold', undef);

sub random_span
{
	my $from = int rand $days;
	return ($from, rand() < 0.4 ? $open : $from + 1 + int rand 20);
}

sub random_enrollment
{
	my ($tenant, $name) = @_;
	my ($from, $to) = random_span();
	my $account = any('main', 'main', 'second', undef);
	my $plan = defined $account ? any(@plans) : undef;
	push @{ $model{$tenant}{devices}{$name}{enrollments} }, { from => $from, to => $to, account => $account, plan => $plan };
	my $id = 'e' . ++$event_no;
	return defined $account
	  ? sprintf "enroll_device('%s', '%s', '%s', %s, %s, '%s', %s)", $tenant, $name, $id, sql_day($from), sql_day($to), $account, sql_text($plan)
	  : sprintf "withdraw_device('%s', '%s', '%s', %s, %s)", $tenant, $name, $id, sql_day($from), sql_day($to);
}

sub random_coverage
{
	my ($tenant, $name) = @_;
	my ($from, $to) = random_span();
	my $type = any(qw(cover cover cover uncover change_plan));
	my $plan = $type eq 'cover' ? any(@plans) : $type eq 'uncover' ? undef : any('basic', 'gold');
	push @{ $model{$tenant}{devices}{$name}{events} }, { from => $from, to => $to, type => $type, plan => $plan };
	return sprintf "record_coverage('%s', '%s', '%s', '%s', %s, %s, %s)", $tenant, $name, 'c' . ++$event_no, $type, sql_day($from), sql_day($to), sql_text($plan);
}

# A new claim meets each standing one from the later of both first days on.
sub random_claim
{
	my ($tenant, $name) = @_;
	my $value = any(qw(v0 v1 v2 v3 v4));
	my $identity = $model{$tenant}{claims}{$value} //= [];
	return random_coverage($tenant, $name) if grep { $_->{device} eq $name } @$identity;
	my $new = { device => $name, from => int rand $days, no => ++$claim_no, events => [] };
	my @others = grep { !$_->{void} } @$identity;
	my $meets = sub {
		my ($claim, $from) = @_;
		return if defined $claim->{disputed} && $claim->{disputed} <= $from;
		$claim->{disputed} = $from;
		push @{ $claim->{events} }, { from => $from, to => $open };
	};
	$meets->($_, max($_->{from}, $new->{from})) for @others;
	$meets->($new, min(map { max($_->{from}, $new->{from}) } @others)) if @others;
	push @$identity, $new;
	return sprintf "claim_identity('%s', '%s', 'serial', '%s', %s)", $tenant, $name, $value, sql_day($new->{from});
}

sub random_resolution
{
	my ($tenant, $name) = @_;
	my ($value) = grep { grep { defined $_->{disputed} } @{ $model{$tenant}{claims}{$_} } } sort keys %{ $model{$tenant}{claims} };
	return random_coverage($tenant, $name) if !defined $value;
	my @party = grep { defined $_->{disputed} } @{ $model{$tenant}{claims}{$value} };
	my $by = any(qw(merge split transfer));
	my $winner = $by eq 'split' ? undef : any(@party)->{device};
	my $moved = $by eq 'transfer' ? int rand $days : undef;
	my ($former) = sort { $a->{from} <=> $b->{from} || $a->{no} <=> $b->{no} } grep { $_->{device} ne ($winner // '') } @party;
	for my $claim (@party)
	{
		push @{ $claim->{events} }, { from => delete $claim->{disputed}, to => $open, by => $by, winner => $winner, moved => $moved, former => $former->{device} };
		$claim->{void} = 1 if $by eq 'transfer' && $claim->{device} ne $winner;
	}
	return sprintf "resolve_claim('%s', 'serial', '%s', '%s', %s, %s, actor => 'a', reason => 'r')", $tenant, $value, $by, sql_text($winner),
	  defined $moved ? sql_day($moved) : 'NULL';
}

sub random_policy
{
	my ($tenant, $name) = @_;
	my %policy = (account => any('', 'main', 'second'), from => int rand $days, policy => any(qw(bill_once hold)));
	return random_coverage($tenant, $name) if grep { $_->{account} eq $policy{account} && $_->{from} == $policy{from} } @{ $model{$tenant}{policies} };
	push @{ $model{$tenant}{policies} }, \%policy;
	return sprintf "set_coverage_policy('%s', '%s', account => %s, valid_from => %s)", $tenant, $policy{policy},
	  $policy{account} eq '' ? 'NULL' : "'$policy{account}'", sql_day($policy{from});
}

sub random_call
{
	my ($tenant, $name) = (any(sort keys %model), any(@device_names));
	my $roll = rand;
	return random_enrollment($tenant, $name) if $roll < 0.25;
	return random_coverage($tenant, $name) if $roll < 0.65;
	return random_claim($tenant, $name) if $roll < 0.83;
	return random_resolution($tenant, $name) if $roll < 0.95;
	return random_policy($tenant, $name);
}

for my $tenant (sort keys %model)
{
	subscribe($tenant, $_) for qw(main second);
	for my $name (@device_names)
	{
		$model{$tenant}{devices}{$name} = { enrollments => [], events => [] };
		my $type = $name =~ /[0-3]/ ? 'laptop' : 'phone';
		$node->safe_psql('postgres', "SELECT billing.register_device('$tenant', '$name', '$type')");
	}
}
my ($through, $calls) = (0, 0);
for my $round (1 .. 40)
{
	my $sql = '';
	$sql .= 'SELECT billing.' . random_call() . ";\n" for 1 .. 1 + int rand 12;
	$calls += $sql =~ tr/;//;
	$through = min($days - 1, $through + int rand 4);
	$sql .= sprintf "SELECT billing.sync_coverage('%s');\n", day_text($through);
	$sql .= "SELECT billing.sync_counts();\n" if rand() < 0.3;
	$node->safe_psql('postgres', $sql);
}

my (@expected, %counts);
for my $tenant (sort keys %model)
{
	for my $name (@device_names)
	{
		for my $day (0 .. $through)
		{
			my $state = day_state($tenant, $name, $day) // next;
			push @expected, join '|', $tenant, $name, day_text($day), @$state;
			my $type = $name =~ /[0-3]/ ? 'laptop' : 'phone';
			$counts{ join '|', $tenant, $state->[0], day_text($day), $state->[2], $type }++ if $state->[3];
		}
	}
}

# The enrolled days of a source with the columns of coverage_daily_state, as the model writes them.
sub states
{
	my ($source) = @_;
	return $node->safe_psql('postgres', "SELECT s.tenant_id, device_key, coverage_day, s.account_id, coverage_state, coalesce(plan, ''), is_counted::integer
		FROM $source s JOIN billing.devices d USING (tenant_id, device_id) WHERE s.account_id IS NOT NULL AND tenant_id IN ('r1', 'r2') ORDER BY 1, 2, 3");
}

my $sync_counts = 'SELECT billing.sync_counts()';
$node->safe_psql('postgres', $sync_counts);
my $last = day_text($through);
my %states;
$states{ (split /\|/)[4] }++ for @expected;
diag(sprintf '%d calls, %d device-days: %s', $calls, scalar @expected, join ', ', map { "$states{$_} $_" } sort keys %states);
is(states('billing.coverage_daily_state'), join("\n", @expected), 'the synced days are those of the model');
is(states("billing.derive_coverage('2024-02-01', '$last'::date + 1)"), join("\n", @expected), 'and so are the derived ones');
is(join("\n", sort split /\n/, $node->safe_psql('postgres', q{SELECT tenant_id, account_id, day, coalesce(dimensions ->> 'plan', ''), dimensions ->> 'device_type', quantity
	FROM billing.daily_counts WHERE quantity <> 0})), join("\n", sort map { "$_|$counts{$_}" } keys %counts), 'the daily counts are those of the model');
is($node->safe_psql('postgres', 'SELECT * FROM billing.usage_set_aside'), '', 'no correction was set aside');
is($node->safe_psql('postgres', 'SELECT * FROM billing.replay_coverage()'), '', 'replay finds nothing');
is($node->safe_psql('postgres', 'SELECT * FROM billing.replay_count_sync()'), '', 'of counts neither');
is($node->safe_psql('postgres', 'SELECT * FROM billing.verify_log()') =~ /problem|differ/ ? 1 : 0, 0, 'nor does the log');

# What somebody edits, replay finds.
for my $edit (
	[ 'a day', q{UPDATE billing.coverage_daily_state SET is_counted = NOT is_counted WHERE coverage_state = 'covered' AND (tenant_id, device_id, coverage_day) =
		(SELECT tenant_id, device_id, coverage_day FROM billing.coverage_daily_state WHERE coverage_state = 'covered' LIMIT 1)}, 'device' ],
	[ 'a coverage event', q{ALTER TABLE billing.device_coverage_ledger DISABLE TRIGGER ALL; UPDATE billing.device_coverage_ledger SET plan = 'free' WHERE event_id =
		(SELECT min(event_id) FROM billing.device_coverage_ledger WHERE plan IS NOT NULL)}, 'row hash' ],
	[ 'a claim event', q{ALTER TABLE billing.identity_claim_events DISABLE TRIGGER ALL; UPDATE billing.identity_claim_events SET reason = 'x' WHERE sequence = 2 AND tenant_id = 'r1'}, 'claim event 2' ],
	[ 'usage', q{ALTER TABLE billing.usage_records DISABLE TRIGGER ALL; UPDATE billing.usage_records SET quantity = quantity + 1 WHERE event_id =
		(SELECT min(event_id) FROM billing.usage_records)}, 'devices are in the usage' ])
{
	my ($what, $sql, $finding) = @$edit;
	like($node->safe_psql('postgres', "BEGIN; $sql; SELECT problem FROM billing.replay_coverage(); ROLLBACK"), qr/$finding/, "replay finds $what that was edited");
}

# ---- machines of a cloud, by day ----

# Rows "observed_at,lifespan,region,sku,vm_id".
sub observed_rows
{
	my $path = ($ENV{DATA} // '') . '/assets/azure_vm_observations.csv.gz';
	if (defined $ENV{DATA} && -e $path)
	{
		my $in = IO::Uncompress::Gunzip->new($path) or die "$path: $!";
		my @lines = map { chomp; $_ } <$in>;
		return @lines[ 1 .. $#lines ];
	}
	print { Test::More->builder->failure_output } "SKIPPED: $0 has no assets/azure_vm_observations.csv.gz below the directory DATA; it generates machines instead\n";
	my @lines;
	for my $id (1 .. 1500)
	{
		for my $scope (1 .. 1 + int rand 4)
		{
			my $first = int rand 60;
			push @lines, sprintf '%s 12:00:00.000,short,%s,D8s_v5,%d', day_text($first + int rand 4), "region$scope", $id for 1 .. 1 + int rand 3;
		}
	}
	return @lines;
}

my @rows = observed_rows();
my (%seen, %scopes);
for my $row (@rows)
{
	my ($day, $scope, $id) = $row =~ /^([\d-]{10})[^,]*,(.*),([^,]*)$/ or die "odd row $row";
	$seen{"$scope,$id"}{$day} = 1;
	$scopes{$id}{"$scope,$id"} = 1;
}
my $device_days = 0;
my (%by_machine, %by_id);
for my $machine (sort keys %seen)
{
	my ($id) = $machine =~ /([^,]*)$/;
	for my $day (keys %{ $seen{$machine} })
	{
		$device_days++;
		$by_machine{$day}++;
		$by_id{$day}{$id} = 1;
	}
}
my $conflicts = grep { keys %{ $scopes{$_} } > 1 } keys %scopes;
my $bare_days = 0;
$bare_days += keys %$_ for values %by_id;
diag(sprintf '%d observations, %d devices, %d device-days; %d bare ids, %d of them conflicts, %d days by bare id', scalar @rows, scalar keys %seen, $device_days,
	scalar keys %scopes, $conflicts, $bare_days);
if (@rows == 93123)
{
	is(keys %seen, 43606, 'the real machines: 43,606 by scope and id');
	is(keys %scopes, 11865, 'and 11,865 bare ids');
}

my $files = "$ENV{TESTDIR}/tmp_check";
append_to_file("$files/devices.csv", join '', map { my @d = sort keys %{ $seen{$_} }; qq("$_",$d[0],$d[-1]\n) } sort keys %seen);
append_to_file("$files/days.csv", join '', map { my $m = $_; map { qq("$m",$_\n) } sort keys %{ $seen{$m} } } sort keys %seen);
$node->safe_psql('postgres', qq{
CREATE TABLE machines (machine text, first date, last date);
CREATE TABLE days (machine text, day date);
COPY machines FROM '$files/devices.csv' (FORMAT csv);
COPY days FROM '$files/days.csv' (FORMAT csv);
CREATE VIEW events AS SELECT t AS tenant_id, machine AS device_key, machine || '/' || day AS event_id, 'cover' AS event_type, day AS effective_from, day + 1 AS effective_to
  FROM days, unnest('{scoped,bare}'::text[]) AS t;
});
subscribe($_, 'main') for qw(scoped bare);

sub timed
{
	my ($what, $rows, $sql) = @_;
	my $start = time;
	my $answer = $node->safe_psql('postgres', $sql);
	my $seconds = time - $start;
	diag(sprintf '%-52s %7d rows %6.2f s %8d/s', $what, $rows, $seconds, $rows / $seconds);
	return $answer;
}

my $machines = keys %seen;
my $register = q{SELECT billing.register_devices(jsonb_agg(jsonb_build_object('tenant', '%s', 'device', machine, 'enrolled_from', first, 'enrolled_to', last + 1))) FROM machines};
is(timed("register $_", $machines, $register =~ s/%s/$_/r), $machines, "$_: every machine is new") for qw(scoped bare);
is(timed('import coverage, both', 2 * $device_days, q{SELECT imported || ',' || already_there FROM billing.import_coverage('events')}), 2 * $device_days . ',0', 'and every day of it');
is($node->safe_psql('postgres', q{SELECT imported || ',' || already_there FROM billing.import_coverage('events')}), '0,' . 2 * $device_days, 'importing again changes nothing');
my $claim = q{SELECT billing.claim_identities(jsonb_agg(jsonb_build_object('tenant', '%s', 'device', machine, 'identity_type', 'vm', 'identity_value', %s, 'claimed_on', first))) FROM machines};
is(timed('claims by scope and id', $machines, sprintf $claim, 'scoped', 'machine'), $machines, 'each is claimed by its whole key');
is(timed('claims by bare id', $machines, sprintf $claim, 'bare', q{substring(machine from '[^,]*$')}), $machines, 'or by its bare id');
is($node->safe_psql('postgres', q{SELECT tenant_id, count(DISTINCT identity_value) FROM billing.coverage_disputes WHERE tenant_id IN ('scoped', 'bare') GROUP BY 1}), $conflicts ? "bare|$conflicts" : '',
	'the same id in two scopes is two devices; keyed by the bare id it is a conflict');

my $end = (sort keys %by_machine)[-1];
my $enrolled = $node->safe_psql('postgres', 'SELECT sum(last - first + 1) FROM machines');
timed('sync coverage, everything (days of enrollment)', 2 * $enrolled, "SELECT * FROM billing.sync_coverage(greatest('$end', '$last'::date))");
timed('sync counts', 1, $sync_counts);
my $per_day = q{SELECT day, sum(quantity) FROM billing.daily_counts WHERE tenant_id = '%s' AND quantity <> 0 GROUP BY 1 ORDER BY 1};
is($node->safe_psql('postgres', sprintf $per_day, 'scoped'), join("\n", map { "$_|$by_machine{$_}" } sort keys %by_machine), 'billed per day as in the file, counted here');
is($node->safe_psql('postgres', sprintf $per_day, 'bare'), join("\n", map { "$_|" . keys %{ $by_id{$_} } } sort keys %by_id), 'in dispute: once per bare id and day');

# Some conflicts are resolved: these machines are counted one by one again.
my @split = (sort grep { keys %{ $scopes{$_} } > 1 } keys %scopes)[ 0 .. min($conflicts, 1000) - 1 ];
my %is_split = map { $_ => 1 } @split;
my $resolved = timed('resolve conflicts by split', scalar @split, q{SELECT count(billing.resolve_claim('bare', 'vm', identity_value, 'split', actor => 'test', reason => 'other scopes'))
	FROM (SELECT DISTINCT identity_value FROM billing.coverage_disputes WHERE tenant_id = 'bare' AND identity_value IN (} . join(',', map { sql_text($_) } @split) . ')) AS i');
is($resolved, scalar @split, 'resolved');
timed('sync coverage of the resolutions', scalar @split, "SELECT * FROM billing.sync_coverage('$end')");
$node->safe_psql('postgres', $sync_counts);
my %after;
for my $machine (keys %seen)
{
	my ($id) = $machine =~ /([^,]*)$/;
	$after{$_}{ $is_split{$id} ? $machine : $id } = 1 for keys %{ $seen{$machine} };
}
is($node->safe_psql('postgres', sprintf $per_day, 'bare'), join("\n", map { "$_|" . keys %{ $after{$_} } } sort keys %after), 'which counts them back');
is(timed('replay coverage', 2 * $enrolled, 'SELECT * FROM billing.replay_coverage()'), '', 'replay finds nothing');

# Rating and invoices read counts, and nothing of coverage.
my $scans = q{SELECT pg_stat_force_next_flush(); SELECT sum(seq_scan + coalesce(idx_scan, 0)) FROM pg_stat_user_tables WHERE schemaname = 'billing'
	AND relname ~ '^(coverage|device|enrollments|identity|activity)'};
sleep 2; # a session that has ended tells what it read a moment later
my $scans_before = $node->safe_psql('postgres', $scans);
timed('invoices', 1, "CALL billing.run_invoices('2024-11-01', finalize => true)");
is($node->safe_psql('postgres', $scans), $scans_before, 'invoices do not read coverage');
cmp_ok($node->safe_psql('postgres', q{SELECT count(*) FROM billing.invoices WHERE tenant_id = 'scoped' AND total_minor > 0}), '>', 0, 'and bill it');
is($node->safe_psql('postgres', q{SELECT sum(quantity) FROM billing.invoice_lines WHERE tenant_id = 'scoped' AND NOT is_correction}), $device_days, 'every device-day once');

# The cost follows what is new.
my $some = int $device_days / 100;
$node->safe_psql('postgres', "SELECT count(billing.record_coverage('scoped', machine, 'late/' || machine || day, 'uncover', day, day + 1)) FROM (SELECT * FROM days ORDER BY md5(machine || day) LIMIT $some) AS d");
$node->safe_psql('postgres', 'ANALYZE');
timed('sync coverage of 1 % late events', $some, "SELECT * FROM billing.sync_coverage('$end')");
timed('sync coverage of nothing', 1, "SELECT * FROM billing.sync_coverage('$end')");
$node->safe_psql('postgres', $sync_counts);
is($node->safe_psql('postgres', q{SELECT sum(quantity) FROM billing.daily_counts WHERE tenant_id = 'scoped'}), $device_days - $some, 'each late event is corrected');
is($node->safe_psql('postgres', 'SELECT * FROM billing.replay_coverage() UNION ALL SELECT tenant_id, problem FROM billing.replay_count_sync()'), '', 'and replays');

$node->stop;
done_testing();
