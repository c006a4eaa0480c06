#!/usr/bin/perl
# Periods tile, whatever the clock on the wall says: one seller in every time zone that has a daylight change, customers whose periods
# are counted from the 1st to the 31st and from 29 February, 400 days over a leap year, and runs by sessions that live in those zones,
# at the hours when their clocks change. No gap, no overlap, each period billed once, each event in the period of its UTC day.
#
# ZONES: how many zones (all of them, in the short form 31).
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../tap/lib", "$FindBin::Bin/lib";
use Test::More;
use Soak qw(begin_soak figure is_long soak_node);
use SoakQuery qw(query try_query);

begin_soak(short => 25);
my $node = soak_node('periods', fsync => 'off', shared_buffers => "'128MB'");
my ($first, $last) = ('2027-12-31', '2029-02-03');

# A zone changes its clocks when its offset is not the same on all days of 2028.
my @zones = split /\n/, query(q{SELECT z.name FROM pg_timezone_names z WHERE z.name !~ '^(posix|right)/' AND z.name NOT IN ('localtime', 'posixrules')
	AND EXISTS (SELECT FROM generate_series(timestamptz '2028-01-01Z', '2028-12-31Z', '5 days') AS t WHERE t AT TIME ZONE z.name - t AT TIME ZONE 'UTC' <> '2028-01-01Z'::timestamptz AT TIME ZONE z.name - '2028-01-01Z'::timestamptz AT TIME ZONE 'UTC')
	ORDER BY 1});
cmp_ok(scalar @zones, '>', 100, scalar(@zones) . ' zones with a daylight change');
my $number_of_zones = @zones;
@zones = map { $zones[ $_ * $number_of_zones / 31 ] } 0 .. 30 if !is_long() && !$ENV{ZONES};
@zones = @zones[ 0 .. $ENV{ZONES} - 1 ] if $ENV{ZONES};

# The rule, without billing: month n of an anchor, counted from the anchor, clamped to the month's last day.
query(q{
CREATE FUNCTION month_from(anchor date, n integer) RETURNS date LANGUAGE sql IMMUTABLE AS $$
    SELECT least(date_trunc('month', anchor::timestamp + n * interval '1 month')::date + extract(day FROM anchor)::integer - 1,
                 (date_trunc('month', anchor::timestamp + n * interval '1 month') + interval '1 month')::date - 1)
$$;
});

# The calendar alone: every anchor of a leap year and the year after, every length, 400 days and more, in sessions of every zone.
my $calendar = q{
SELECT count(*), count(*) FILTER (WHERE c.cycle_start <> month_from(a, k * m) OR c.cycle_end <> month_from(a, (k + 1) * m)), md5(string_agg(c::text, ',' ORDER BY a, m, k))
  FROM generate_series(timestamp '2028-01-01', '2028-03-31', '1 day') AS t, date(t) AS a, unnest('{1,3,12}'::integer[]) AS m,
       LATERAL (SELECT cycle_start, cycle_end, (row_number() OVER ())::integer - 1 AS k FROM billing.cycles(a, m, a, a + 1200)) AS c};
my %answers;
for my $zone (@zones)
{
	my ($cycles, $wrong, $hash) = split /\|/, query("SET timezone = '$zone';\n$calendar");
	is($wrong, 0, "$zone: cycles are months from the anchor") if $wrong;
	push @{ $answers{"$cycles|$hash"} }, $zone;
}
is(scalar(keys %answers), 1, 'the calendar is the same in every zone') or diag(join "\n", map { "$_: @{ $answers{$_} }[0 .. 3]" } keys %answers);
is(query(q{SELECT count(*) FROM generate_series(timestamp '2028-01-01', '2028-03-31', '1 day') AS t, date(t) AS a, unnest('{1,3,12}'::integer[]) AS m, generate_series(0, 1200) AS n,
	LATERAL billing.cycle_containing(a, m, a + n) AS c, LATERAL (SELECT * FROM billing.cycles(a, m, a + n, a + n + 1)) AS one
	WHERE NOT (a + n >= c.cycle_start AND a + n < c.cycle_end) OR (one.cycle_start, one.cycle_end) <> (c.cycle_start, c.cycle_end)}), '0', 'each day is in one cycle');

# One account in each zone: its seller prints dates there; periods from the 1st to the 31st and 29 February, of 1, 3 and 12 months.
my $plans = "('month', 1), ('quarter', 3), ('year', 12)";
query(qq{
SELECT billing.ensure_partitions('$first', '$last'::date + 40);
SELECT billing.create_meter('requests', unit => 'request');
SELECT billing.create_plan(p, currency => 'EUR', period => make_interval(months => m)),
       billing.add_charge(p, 'ahead', price => '{"model":"flat","amount":"90"}', in_advance => true), billing.add_charge(p, 'after', price => '{"model":"flat","amount":"7.77"}'),
       billing.add_charge(p, 'requests', meter => 'requests', price => '{"model":"unit","unit":"0.01"}'), billing.publish_plan(p) FROM (VALUES $plans) AS p (p, m);
CREATE TABLE customers (tenant text PRIMARY KEY, zone text, plan text, months integer, starts date, subscription uuid);
INSERT INTO customers SELECT 'c' || n, zone, plan, months, CASE WHEN n % 32 = 31 THEN date '2028-02-29' ELSE date '2028-01-01' + (n % 32)::integer END
  FROM (SELECT row_number() OVER () - 1 AS n, zone FROM unnest('{@{[ join ',', @zones ]}}'::text[]) AS zone) AS z
 CROSS JOIN LATERAL (SELECT CASE WHEN n % 7 = 3 THEN 'quarter' WHEN n % 13 = 5 THEN 'year' ELSE 'month' END) AS p (plan) JOIN (VALUES $plans) AS v (plan, months) USING (plan);
SELECT billing.create_legal_entity('e' || tenant, name => tenant, time_zone => zone, invoice_series => 'Z' || substr(tenant, 2)) FROM customers;
SELECT billing.create_account(tenant, legal_entity => 'e' || tenant) FROM customers;
UPDATE customers SET subscription = billing.subscribe(tenant, plan, starts, anchor => 'anniversary');
});

# Usage at every local midnight and half an hour to both sides of it, as a client in the zone writes it, and at the hours of UTC midnight.
my ($step, $every) = is_long() ? (10, 1) : (33, 4);
sub record_days
{
	my ($from) = @_;
	query(join ";\n", map
	{
		my $zone = $_;
		qq{SET timezone = '$zone';
WITH c AS (SELECT * FROM customers WHERE zone = '$zone'),
     instants AS (SELECT DISTINCT tenant, at::timestamptz FROM c, generate_series(timestamp '$from', timestamp '$from' + interval '@{[ $step - 1 ]} days', '$every day') AS d,
         LATERAL (VALUES (d::text), ((d - interval '30 minutes')::text), ((d + interval '30 minutes')::text), ((d + interval '150 minutes')::text),
                         ((d AT TIME ZONE 'UTC')::text), ((d AT TIME ZONE 'UTC' - interval '1 microsecond')::text)) AS v (at)
         WHERE (at::timestamptz AT TIME ZONE 'UTC')::date >= starts)
SELECT billing.record_usage(jsonb_agg(jsonb_build_object('tenant', tenant, 'meter', 'requests', 'event_id', extract(epoch FROM at)::text, 'occurred_at', at::text))) FROM instants HAVING count(*) > 0}
	} @zones);
	return;
}

# Some days at a time: usage, then a run by a session of one zone, on a day of its own choice.
my @days = split /\n/, query("SELECT d::date FROM generate_series(timestamp '2028-01-01', '2029-02-03', '$step days') AS d");
for my $day (@days)
{
	record_days($day);
	my $zone = $zones[ rand @zones ];
	my $due = query("SELECT date '$day' + " . int rand $step);
	my ($succeeded, $out, $error) = try_query("SET timezone = '$zone';\nCALL billing.run_invoices('$due', finalize => true)");
	ok($succeeded, "to $due by a session in $zone") or diag($error);
}
my $end = '2029-02-14';
query("SET timezone = 'Pacific/Auckland';\nSELECT billing.ensure_partitions('2029-01-01', '2029-04-01');\nCALL billing.run_invoices('$end', finalize => true)");

# What is due of each charge, by the rule alone.
query(qq{
CREATE VIEW periods AS
SELECT tenant, months, starts, month_from(starts, k * months) AS period_start, month_from(starts, (k + 1) * months) AS period_end FROM customers, generate_series(0, 14) AS k;
CREATE VIEW due AS
SELECT tenant, charge, period_start, period_end FROM periods, unnest('{ahead,after,requests}'::text[]) AS charge
 WHERE CASE charge WHEN 'ahead' THEN period_start ELSE period_end END <= '$end';
CREATE VIEW billed AS
SELECT l.tenant_id AS tenant, l.charge_id AS charge, l.period_start, l.period_end, sum(l.amount_minor) AS amount_minor, count(*) FILTER (WHERE NOT l.is_correction) AS lines, min(i.invoice_date) AS invoice_date
  FROM billing.invoice_lines l JOIN billing.invoices i USING (invoice_date, tenant_id, invoice_id) WHERE i.status <> 'void' GROUP BY 1, 2, 3, 4;
});
my $periods = query('SELECT count(*) FROM due');
my $wrong = query(q{SELECT count(*) FROM due FULL JOIN billed USING (tenant, charge, period_start, period_end) WHERE lines IS DISTINCT FROM 1});
is($wrong, 0, "each of $periods periods is billed once") or diag(query(q{SELECT due, billed FROM due FULL JOIN billed USING (tenant, charge, period_start, period_end) WHERE lines IS DISTINCT FROM 1 LIMIT 10}));
my $dates = query(q{SELECT count(*) FROM billed WHERE charge <> 'requests' AND invoice_date <> CASE charge WHEN 'ahead' THEN period_start ELSE period_end END});
is($dates, 0, 'on the day it is due');
my $gaps = query(q{SELECT count(*) FROM (SELECT period_start, lag(period_end) OVER (PARTITION BY tenant, charge ORDER BY period_start) AS before, min(period_start) OVER (PARTITION BY tenant, charge) = starts AS begins
	FROM billed JOIN customers USING (tenant)) AS p WHERE before <> period_start OR NOT begins});
is($gaps, 0, 'no gap and no overlap');
my $amounts = query(qq{SELECT count(*) FROM billed b WHERE b.amount_minor <> CASE charge WHEN 'ahead' THEN 9000 WHEN 'after' THEN 777
	ELSE (SELECT count(*) FROM billing.usage_records u WHERE u.tenant_id = b.tenant AND u.occurred_at >= b.period_start::timestamp AT TIME ZONE 'UTC' AND u.occurred_at < b.period_end::timestamp AT TIME ZONE 'UTC') END});
is($amounts, 0, 'whole fees, and the usage of the UTC days');
is(query('SELECT * FROM billing.check_integrity()'), '', 'integrity');
is(query('SELECT * FROM billing.replay_count_sync()'), '', 'replay');
my $events = query('SELECT count(*) FROM billing.usage_records');
figure('periods tile', figure => @zones . "/$number_of_zones zones, anchors 1 to 31 and 29 February, 400 days, $events events; $periods periods, " . ($wrong + $dates + $gaps + $amounts) . ' wrong',
	aim => 'every zone, 400 days: no gap, no overlap, each billed once', violations => $wrong + $dates + $gaps + $amounts, done => scalar @zones, wanted => $number_of_zones);
$node->stop;
done_testing();
