# Fourteen months, 29 February 2028 among them, in seconds: usage every few days, some of it late, and the jobs run at uneven
# intervals with gaps of weeks. Whatever was missed, every period is billed exactly once. Time is a parameter; the seed is
# printed, and taken from SEED when that is set.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;
use Time::HiRes qw(time);
use BillingTest qw(billing_node);

my $seed = $ENV{SEED} // int(rand(1_000_000));
diag("year: seed $seed");
srand($seed);
my $began = time;
my $node = billing_node('main', fsync => 'off', log_statement => 'none', shared_buffers => "'64MB'");
my ($first, $last) = ('2027-12-25', '2029-02-10');

# Anniversaries on the 1st, 29th, 30th and 31st; months, a quarter and a year; in advance and in arrears; terms that renew.
$node->safe_psql('postgres', qq{
SELECT billing.create_meter('requests', unit => 'request'), billing.create_meter('gpu', unit => 'second');
SELECT billing.create_plan('month', currency => 'EUR'), billing.create_plan('quarter', currency => 'EUR', period => '3 months'),
       billing.create_plan('year', currency => 'EUR', period => '1 year');
SELECT billing.add_charge(p, 'base', price => '{"model":"flat","amount":"90"}', in_advance => true),
       billing.add_charge(p, 'after', price => '{"model":"flat","amount":"7.77"}'),
       billing.add_charge(p, 'requests', meter => 'requests',
           price => '{"model":"graduated","tiers":[{"up_to":"100","unit":"0"},{"up_to":null,"unit":"0.0333"}]}'),
       billing.add_charge(p, 'gpu', meter => 'gpu', price => '{"model":"unit","unit":"0.01","per":"3600"}'),
       billing.publish_plan(p) FROM unnest('{month,quarter,year}'::text[]) AS p;
SELECT billing.ensure_partitions('$first', '$last');
SELECT billing.create_account(p || a), billing.subscribe(p || a, plan => p, anchor => 'anniversary', starts => s.starts)
  FROM unnest('{month,quarter,year}'::text[]) AS p,
       (VALUES (1, date '2028-01-01'), (29, '2028-01-29'), (30, '2028-01-30'), (31, '2028-01-31'), (290, '2028-02-29')) AS s (a, starts);
SELECT billing.create_account('calendar'), billing.subscribe('calendar', plan => 'month', starts => '2028-01-17');
-- Terms: of one month from the 31st, and of a year from 29 February that ends; one that is not renewed.
SELECT billing.create_account(t) FROM unnest('{term,leap,ends}'::text[]) AS t;
SELECT billing.set_renewal('term', billing.subscribe('term', plan => 'month', starts => '2027-12-31', ends => '2028-01-31', anchor => 'anniversary'),
                           'automatic', months => 1, notice_days => 5);
SELECT billing.set_renewal('leap', billing.subscribe('leap', plan => 'month', starts => '2028-02-29', ends => '2028-03-29', anchor => 'anniversary'),
                           'automatic', months => 1, notice_days => 10);
SELECT billing.set_renewal('ends', billing.subscribe('ends', plan => 'month', starts => '2028-01-15', ends => '2028-07-15', anchor => 'anniversary'), 'manual');
SELECT billing.open_allocation('calendar', 'gpu-1', 'gpu', units => 8, opened_at => '2028-01-20 13:00Z');
});

# Usage of a day, by whoever is subscribed on it; now and then a correction of weeks ago.
my $events = 0;
sub record_usage
{
	my ($day) = @_;
	$events++;
	my $late = int(rand(4)) == 0 ? int(rand(40)) : 0;
	$node->safe_psql('postgres', qq{
SELECT billing.record_usage(jsonb_agg(jsonb_build_object('tenant', s.tenant_id, 'meter', 'requests', 'event_id', 'e$events', 'quantity', 10 + length(s.tenant_id),
           'occurred_at', (date '$day' - $late)::text || 'T12:00:00Z')))
  FROM billing.subscriptions s WHERE s.starts <= date '$day' - $late AND (s.ends IS NULL OR s.ends > date '$day' - $late) HAVING count(*) > 0});
	return;
}

# Either job by job in an order of its own, or what is overdue, as pg_cron would call it.
my ($ticks, $runs) = (0, 0);
sub run_jobs
{
	my ($day) = @_;
	my $at = "$day " . sprintf('%02d:%02d:00+00', int(rand(24)), int(rand(60)));
	$ticks++;
	my @calls = ("CALL billing.run_overdue_jobs('$at')");
	@calls = map { "CALL billing.job_$_('$at')" } sort { rand() <=> 0.5 } qw(partitions renewals count_sync rating invoice_run sealing) if rand() < 0.4;
	my ($status, $out, $error) = $node->psql('postgres', join(";\n", @calls), on_error_stop => 1);
	ok(0, "jobs on $day: $error") if $status != 0 || $error =~ /WARNING|ERROR/;
	$runs += @calls;
	return;
}

my @days = split /\n/, $node->safe_psql('postgres', "SELECT d::date FROM generate_series(date '2028-01-01', '2029-02-10', '1 day') AS d");
my ($until_usage, $until_jobs) = (0, 0);
for my $day (@days)
{
	if ($until_usage-- <= 0)
	{
		record_usage($day);
		$until_usage = int(rand(7));
	}
	if ($until_jobs-- <= 0)
	{
		run_jobs($day);
		$until_jobs = rand() < 0.15 ? 15 + int(rand(20)) : 1 + int(rand(9));
	}
}
# The end: everything that fell due by the last day is final.
my ($status, $out, $error) = $node->psql('postgres', "CALL billing.run_overdue_jobs('2029-02-12 23:00Z')");
is("$status $error" =~ /WARNING|ERROR/ ? $error : 0, 0, 'the last run');
$node->safe_psql('postgres', "CALL billing.job_$_('2029-02-12 23:30Z')") for qw(invoice_run sealing verification);
diag(sprintf('%d days, %d events of usage, jobs run at %d of them, %.0f s', scalar @days, $events, $ticks, time - $began));
cmp_ok(scalar @days, '>=', 400, 'four hundred days');

# What each subscription and charge owes a line for, from the calendar alone: the periods of its terms that have fallen due.
$node->safe_psql('postgres', q{
CREATE VIEW due AS
SELECT s.tenant_id, c.charge_id, greatest(y.cycle_start, s.starts) AS starts, least(y.cycle_end, s.ends) AS ends
  FROM billing.subscriptions s
  JOIN billing.subscription_phases p USING (tenant_id, subscription_id)
  JOIN billing.charges c USING (plan_id, version)
 CROSS JOIN LATERAL billing.cycles(s.anchor, s.period_months, s.starts, least(s.ends, '2029-02-12')) AS y
 WHERE CASE WHEN c.in_advance THEN greatest(y.cycle_start, s.starts) ELSE least(y.cycle_end, s.ends) END <= '2029-02-11'
   AND c.meter_id IS NULL;
CREATE VIEW billed AS
SELECT l.tenant_id, l.charge_id, l.period_start AS starts, l.period_end AS ends, l.amount_minor, l.is_correction, i.status, i.number
  FROM billing.invoice_lines l JOIN billing.invoices i USING (invoice_date, tenant_id, invoice_id);
});
my $lines_wrong = q{SELECT tenant_id, charge_id, starts, ends, due, lines FROM
	(SELECT tenant_id, charge_id, starts, ends, count(*) AS due FROM due GROUP BY 1, 2, 3, 4) AS d
	FULL JOIN (SELECT tenant_id, charge_id, starts, ends, count(*) AS lines FROM billed WHERE charge_id IN ('base', 'after') GROUP BY 1, 2, 3, 4) AS b
	USING (tenant_id, charge_id, starts, ends)
	WHERE due IS DISTINCT FROM 1 OR lines IS DISTINCT FROM 1 ORDER BY 1, 2, 3};
cmp_ok($node->safe_psql('postgres', 'SELECT count(*) FROM due'), '>', 200, 'many periods fell due');
is($node->safe_psql('postgres', $lines_wrong), '', 'each of them is on exactly one invoice');
is($node->safe_psql('postgres', q{SELECT tenant_id, charge_id, starts, ends, before FROM
	(SELECT DISTINCT tenant_id, charge_id, starts, ends, lag(ends) OVER (PARTITION BY tenant_id, charge_id ORDER BY starts) AS before
	   FROM billed WHERE charge_id IN ('base', 'after')) AS t WHERE before <> starts}), '', 'the periods tile');
is($node->safe_psql('postgres', q{SELECT starts FROM billed WHERE tenant_id = 'month31' AND charge_id = 'base' ORDER BY starts LIMIT 4}),
	"2028-01-31\n2028-02-29\n2028-03-31\n2028-04-30", 'the 31st in a leap year');
is($node->safe_psql('postgres', q{SELECT starts, ends FROM billed WHERE tenant_id = 'year290' AND charge_id = 'base'}), '2028-02-29|2029-02-28', 'a year from 29 February');

# Usage: what was recorded is counted, and what was counted by the end of a period is billed with it or as a correction of it.
is($node->safe_psql('postgres', q{SELECT count(*) FROM billing.usage_set_aside WHERE counted_in IS NULL}), '0', 'no usage is set aside');
is($node->safe_psql('postgres', q{SELECT r.tenant_id, r.charge_id, r.period_start, r.amount_minor, b.billed
	FROM billing.rated r
	LEFT JOIN (SELECT tenant_id, charge_id, starts, sum(amount_minor) AS billed FROM billed GROUP BY 1, 2, 3) AS b
	  ON (b.tenant_id, b.charge_id, b.starts) = (r.tenant_id, r.charge_id, r.period_start)
	-- What came late for a closed period is on the next invoice; by now every monthly one had its.
	WHERE (r.tenant_id LIKE 'month%' OR r.tenant_id IN ('calendar', 'term', 'leap')) AND r.period_end <= '2028-12-01'
	  AND r.amount_minor <> coalesce(b.billed, 0)}), '', 'invoices add up to what was rated');
is($node->safe_psql('postgres', q{SELECT (SELECT sum(amount_minor) FROM billing.rated) - (SELECT sum(amount_minor) FROM billed WHERE status = 'finalized')}),
	$node->safe_psql('postgres', q{SELECT sum(CASE WHEN debit_account = 'unbilled_receivable' THEN amount_minor ELSE -amount_minor END)
		FROM billing.ledger_entries WHERE 'unbilled_receivable' IN (debit_account, credit_account)}), 'what is rated and not invoiced is unbilled receivable');
cmp_ok($node->safe_psql('postgres', 'SELECT count(*) FROM billed WHERE is_correction'), '>', 0, 'some usage came late enough for a correction');
is($node->safe_psql('postgres', q{SELECT sum(quantity) FROM billing.daily_counts WHERE meter_id = 'gpu'}),
	$node->safe_psql('postgres', q{SELECT trim_scale(8 * extract(epoch FROM timestamptz '2029-02-12Z' - '2028-01-20 13:00Z'))}), 'eight GPUs, to the second');

# Renewals: terms follow one another, each once.
is($node->safe_psql('postgres', q{SELECT min(term_ends), count(*), count(DISTINCT term_ends), bool_and(next_ends IS NOT DISTINCT FROM following) FROM
	(SELECT *, coalesce(lead(term_ends) OVER (ORDER BY sequence), next_ends) AS following FROM billing.renewal_events WHERE tenant_id = 'term') AS e}),
	'2028-01-31|13|13|t', 'a monthly term renewed thirteen times, without gap');
is($node->safe_psql('postgres', q{SELECT string_agg(term_ends::text, ' ' ORDER BY sequence) FROM billing.renewal_events WHERE tenant_id = 'term' AND sequence <= 4}),
	'2028-01-31 2028-02-29 2028-03-31 2028-04-30', 'its days are those of the 31st');
is($node->safe_psql('postgres', q{SELECT event, term_ends FROM billing.renewal_events WHERE tenant_id = 'ends'}), 'notice|2028-07-15', 'a manual one was told once');
is($node->safe_psql('postgres', q{SELECT max(ends) FROM billed WHERE tenant_id = 'ends'}), '2028-07-15', 'and ended');

# The books.
is($node->safe_psql('postgres', q{SELECT status, count(DISTINCT number) = count(*) FROM billing.invoices WHERE invoice_date <= '2029-02-11' GROUP BY 1}), 'finalized|t', 'every invoice is final');
is($node->safe_psql('postgres', q{SELECT i.series, i.n = s.last_number AND i.n = i.highest FROM billing.number_series s
	JOIN (SELECT regexp_replace(number, '-\d+$', '') AS series, count(*) AS n, max(regexp_replace(number, '^.*-', '')::bigint) AS highest
	        FROM billing.invoices WHERE number IS NOT NULL GROUP BY 1) AS i USING (series) ORDER BY 1}), "INV-2027|t\nINV-2028|t\nINV-2029|t", 'numbers without gap');
is($node->safe_psql('postgres', q{SELECT i.currency, i.total = e.posted FROM
	(SELECT currency, sum(total_minor) AS total FROM billing.invoices WHERE status = 'finalized' GROUP BY 1) AS i
	JOIN (SELECT currency, sum(CASE WHEN debit_account = 'receivable' THEN amount_minor ELSE -amount_minor END) AS posted
	        FROM billing.ledger_entries WHERE 'receivable' IN (debit_account, credit_account) GROUP BY 1) AS e USING (currency)}), 'EUR|t', 'the ledger says what the invoices say');
is($node->safe_psql('postgres', 'SELECT * FROM billing.check_integrity()'), '', 'integrity');
is($node->safe_psql('postgres', 'SELECT * FROM billing.replay_count_sync()'), '', 'replay');
is($node->safe_psql('postgres', 'SELECT * FROM billing.verify_log()'), '', 'the log');
is($node->safe_psql('postgres', q{SELECT stage, backlog FROM billing.health_at('2029-02-12 23:31Z') WHERE stage LIKE '%\_%s' AND stage ~ 'mismatch|problem' ORDER BY 1}),
	"coverage_mismatches|0\nintegrity_problems|0\nlog_problems|0\nreplay_mismatches|0", 'and so says the verification job');
is($node->safe_psql('postgres', q{SELECT count(*) FILTER (WHERE status <> 'succeeded'), count(*) >= } . $runs . q{ FROM billing.job_runs}), '0|t', 'no run failed');

done_testing();
