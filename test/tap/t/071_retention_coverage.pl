# A leap year of coverage, billed month by month, long ago: its daily states go 180 days after the invoices were finalized and not a day
# before, everything that is kept still agrees, and nobody reaches behind what is gone.
use strict;
use warnings;

use lib 'lib';
use File::Temp;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

use BillingTest qw(billing_node close_session open_session);

my $dir = File::Temp->newdir;
system_or_bail('openssl', 'genpkey', '-algorithm', 'ed25519', '-out', "$dir/key.pem");
chmod 0600, "$dir/key.pem";
my $node = billing_node('main', 'billing.signing_key_file' => "'$dir/key.pem'", 'billing.log_origin' => "'gpu.example'");

sub value
{
	my ($sql, $database) = @_;
	return $node->safe_psql($database // 'postgres', $sql);
}

sub is_clean
{
	my ($what, $database) = @_;
	is(value("SELECT * FROM billing.$_()", $database), '', "$what: $_()") foreach qw(replay_coverage replay_count_sync check_integrity verify_log);
	return;
}

sub refusal
{
	my ($sql, $database) = @_;
	return ($node->psql($database // 'postgres', "\\set VERBOSITY verbose\n$sql"))[2];
}

# ---- a year ----
value($_) foreach
	q{SELECT billing.ensure_partitions('2024-01-01', '2027-12-01')},
	q{SELECT billing.create_meter('covered_devices', unit => 'device-day', dimensions => '{plan,device_type}'), billing.create_meter('calls', unit => 'call'), billing.create_plan('care', currency => 'EUR')},
	q{SELECT billing.add_charge('care', 'devices', meter => 'covered_devices', price => '{"model":"unit","unit":"0.05"}'), billing.add_charge('care', 'calls', meter => 'calls', price => '{"model":"unit","unit":"0.01"}')},
	q{SELECT billing.publish_plan('care')},
	q{SELECT billing.create_account(t), billing.subscribe(t, 'care', '2024-01-01') FROM unnest('{acme,globex}'::text[]) AS t},
	q{SELECT billing.create_account('empty')},
	q{SELECT billing.register_devices(jsonb_agg(jsonb_build_object('tenant', t, 'device', 'd' || n, 'device_type', CASE n % 2 WHEN 0 THEN 'laptop' ELSE 'phone' END, 'enrolled_from', '2024-01-01', 'enrolled_to', '2025-01-01', 'plan', 'basic')))
		FROM unnest('{acme,globex}'::text[]) AS t, generate_series(1, 60) AS n},
	q{SELECT billing.record_coverage(jsonb_agg(jsonb_build_object('tenant', t, 'device', 'd' || n, 'event_id', 'cover' || n, 'event_type', 'cover', 'effective_from', date '2024-01-01' + n % 50)))
		FROM unnest('{acme,globex}'::text[]) AS t, generate_series(1, 60) AS n};
foreach my $month (1 .. 12)
{
	my $first = sprintf '2024-%02d-01', $month;
	# Some go, some come under another plan; and something is said of the month before, which is billed already.
	value(qq{SELECT billing.record_coverage('acme', 'd' || n, 'month$month/' || n, CASE n % 3 WHEN 0 THEN 'uncover' WHEN 1 THEN 'change_plan' ELSE 'cover' END, date '$first' + n, date '$first' + n + 9,
			CASE n % 3 WHEN 0 THEN NULL ELSE 'plus' END) FROM generate_series($month, $month + 10) AS n});
	value(qq{SELECT billing.uncover_device('globex', 'd$month', 'late$month', date '$first' - 5, '$first')}) if $month > 1;
	value(qq{SELECT billing.claim_identity('globex', d, 'serial', 'S$month', '$first') FROM unnest('{d$month,d2$month}'::text[]) AS d}) if $month =~ /^[2345]$/;
	value(qq{SELECT billing.resolve_claim('globex', 'serial', 'S2', 'merge', 'd2', actor => 'ann', reason => 'one machine')}) if $month == 3;
	value(qq{SELECT billing.resolve_claim('globex', 'serial', 'S3', 'split', actor => 'ann', reason => 'two')}) if $month == 6;
	value(qq{SELECT billing.resolve_claim('globex', 'serial', 'S4', 'transfer', 'd24', '2024-04-20', actor => 'ann', reason => 'sold')}) if $month == 6;
	value("SELECT billing.sync_coverage((date '$first' + interval '1 month')::date - 1)");
	value('SELECT billing.sync_counts()');
	value("CALL billing.run_invoices((date '$first' + interval '1 month')::date, finalize => true)");
	value('SELECT billing.seal()');
}
is_clean('a year');
my $states = value('SELECT count(*) FROM billing.coverage_daily_state');
is($states, 2 * 60 * 366, 'a state for each device and day of the leap year');
my $billed = 'SELECT tenant_id, sum(quantity), sum(total_minor) FROM (SELECT tenant_id, invoice_id, total_minor FROM billing.invoices) AS i JOIN (SELECT invoice_id, sum(quantity) AS quantity FROM billing.invoice_lines GROUP BY 1) AS l USING (invoice_id) GROUP BY 1 ORDER BY 1';
my $billed_before = value($billed);

# ---- gates ----
my $finalized = q{(SELECT max((finalized_at AT TIME ZONE 'UTC')::date) FROM billing.invoices WHERE invoice_date = '2024-02-01')};
my $day = value("SELECT $finalized + 400");

# Every gate of January that is not open on a day, after statements that are undone.
sub gates
{
	my ($statements, $on) = @_;
	my (undef, $out, $error) = $node->psql('postgres', "SET client_min_messages = warning; BEGIN; $statements; SELECT 'gates ' || string_agg(coalesce(gate, 'none'), ',' ORDER BY gate) FROM billing.retention_plan("
		. ($on // "'$day'") . ") WHERE table_name = 'coverage_daily_state' AND month = '2024-01-01'; ROLLBACK");
	return $error || ($out =~ /^gates (.*)$/m)[0] // 'no such month';
}

is(gates('SELECT'), 'bundle', 'bundle: its invoices have none');
cmp_ok(value("SELECT billing.make_retention_bundles('$day')"), '>', 10, 'bundles are made');
is(gates('SELECT'), 'none', 'every gate is open');
is(gates('SELECT', "$finalized + 180"), 'none', '180 days after its invoices were finalized');
is(gates('SELECT', "$finalized + 179"), 'age', 'age: and not a day before');
foreach my $case (
	[ 'age', q{SELECT billing.set_retention('coverage_daily_state', '401 days')} ],
	[ 'hold', q{SELECT billing.place_legal_hold('globex', 'Doe v. Globex')} ],
	[ 'none', q{SELECT billing.place_legal_hold('empty', 'has no states')} ],
	[ 'unsynced', q{SELECT billing.uncover_device('acme', 'd9', 'late', '2024-01-15', '2024-01-20')} ],
	[ 'none', q{SELECT billing.uncover_device('acme', 'd9', 'late', '2024-02-15', '2024-02-20')} ],
	[ 'unsynced', q{SELECT billing.enroll_device('acme', 'd9', 'moved', '2024-01-10', plan => 'plus')} ],
	[ 'unsynced', q{SELECT billing.set_coverage_policy('globex', 'hold', valid_from => '2024-01-01')} ],
	[ 'disputes,unsynced', q{SELECT billing.claim_identity('acme', d, 'serial', 'X', '2024-01-02') FROM unnest('{d1,d2}'::text[]) AS d} ],
	[ 'unsynced', q{SELECT billing.record_usage('acme', 'covered_devices', 'own', 1, '2024-01-20Z')} ],
	[ 'none', q{SELECT billing.record_usage('acme', 'calls', 'c', 1, '2024-01-20Z')} ],
	[ 'set aside', q{INSERT INTO billing.usage_set_aside (usage_day, tenant_id, meter_id, event_id, reason, window_no) VALUES ('2024-01-20', 'acme', 'covered_devices', 'x', 'no subscription', 1)} ],
	[ 'unrated', q{SELECT billing.subscribe('empty', 'care', '2024-01-10')} ],
	[ 'uninvoiced', q{SELECT billing.void_invoice(i.number, 'wrong') FROM billing.invoices i WHERE tenant_id = 'acme' AND invoice_date = '2024-02-01'} ],
	[ 'proof', q{ALTER TABLE billing.evidence_bundles DISABLE TRIGGER USER; UPDATE billing.evidence_bundles b SET bundle = '{}' FROM billing.invoices i WHERE i.invoice_id = b.invoice_id AND i.invoice_date = '2024-02-01'} ])
{
	my ($gate, $statements) = @{$case};
	is(gates($statements), $gate, "$gate: $statements");
}
my $months = "SELECT string_agg(to_char(month, 'YYYY-MM ') || gate || ': ' || example, E'\\n' ORDER BY month, gate) FROM billing.retention_plan('$day') WHERE table_name = 'coverage_daily_state' AND decision = 'keep' AND month IN ('2024-05-01', '2024-06-01')";
is(value($months), qq{2024-05 disputes: serial "S5" of tenant "globex" is in dispute from 2024-05-01\n2024-06 disputes: serial "S5" of tenant "globex" is in dispute from 2024-05-01\n2024-06 order: 2024-05 stays},
	'disputes: who is to decide still can');

# Longer than they need, so that coverage goes alone.
value(qq{SELECT billing.set_retention(t, '10 years') FROM unnest('{usage_records,daily_counts}'::text[]) AS t});

# ---- beside those who record ----
my $drop = sub { return "SELECT billing.drop_month('coverage_daily_state', '$_[0]', '$day')" };
my $recording = open_session($node, q{BEGIN; SELECT billing.uncover_device('acme', 'd7', 'january', '2024-01-20', '2024-01-22')});
like(refusal($drop->('2024-01-01')), qr/55P03: canceling statement due to lock timeout/, 'who records keeps every month');
close_session($recording, 'COMMIT');
like(refusal($drop->('2024-01-01')), qr/MB460: month 2024-01 of table "coverage_daily_state" cannot be dropped\nDETAIL:  Gates that are not open: unsynced: coverage event "january" of tenant "acme" is in no window of coverage\./,
	'then the month waits until that is counted');
like(refusal(q{SELECT billing.drop_month('usage_records', '2024-01-01', '2040-01-01')}), qr/unsynced: coverage event "january"/, 'and so does the usage it is counted in');
value($_) foreach q{SELECT billing.sync_coverage('2024-12-31')}, 'SELECT billing.sync_counts()', q{CALL billing.run_invoices('2025-02-01', finalize => true)}, 'SELECT billing.seal()', "SELECT billing.make_retention_bundles('$day')";
$billed_before = value($billed);
is_clean('what was late');
my $old = open_session($node, 'BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1');

# ---- the drop ----
# What was changed by hand is not dropped.
$node->safe_psql('postgres', 'CREATE DATABASE changed TEMPLATE template0');
$node->command_ok([ 'bash', '-o', 'pipefail', '-c', 'pg_dump -Fc "' . $node->connstr('postgres') . '" | pg_restore --exit-on-error -d "' . $node->connstr('changed') . '"' ], 'a copy');
value(q{UPDATE billing.coverage_daily_state SET is_counted = false WHERE tenant_id = 'acme' AND coverage_day = '2024-01-31' AND device_id = billing.derive_id('device', 'acme', 'd3')}, 'changed');
is(value('SELECT check_name, problem FROM billing.check_integrity()', 'changed'), 'covered days are in the usage|account main on 2024-01-31: 40 devices are counted, and usage says 41', 'a state changed by hand shows');
like(refusal($drop->('2024-01-01'), 'changed'), qr/MB500: days that coverage counted are not in the usage recorded of it\nDETAIL:  One of them: account "main" of tenant "acme" on 2024-01-31: 40 against 41\./, 'and is not dropped');
value('DROP DATABASE changed');

my $started = time;
is(value("SET client_min_messages = warning; CALL billing.apply_retention('$day')"), '4', 'four months go; the rest waits for the dispute');
my $seconds = time - $started;
diag(sprintf 'dropped in a leap year: %s, in %.1f s', value(q{SELECT format('%s months, %s rows, %s bytes', count(*), sum(dropped_rows), sum(dropped_bytes)) FROM billing.retention_actions WHERE table_name = 'coverage_daily_state'}), $seconds);
is(value(q{SELECT month, action, dropped_rows, first_key ->> 0, last_key ->> 0, length(digest), keep FROM billing.retention_actions ORDER BY month}), join("\n", map { "2024-$_->[0]-01|drop|" . 120 * $_->[1] . "|2024-$_->[0]-01|2024-$_->[0]-$_->[1]|32|180 days" } [ '01', 31 ], [ '02', 29 ], [ '03', 31 ], [ '04', 30 ]),
	'each by an action, which is a leaf');
is(value(q{SELECT table_name, dropped_before FROM billing.partitioned_tables WHERE dropped_before IS NOT NULL}), 'coverage_daily_state|2024-05-01', 'what is closed');
is(value(q{SELECT billing.ensure_partitions('2023-12-01', '2025-01-01')}), value(q{SELECT count(*) - 1 FROM billing.partitioned_tables}), 'is not made again; the table has no month before it either');
is_clean('dropped');
value('SELECT billing.seal()');
is_clean('dropped and sealed');
is(value("CALL billing.apply_retention('$day')"), '0', 'again: nothing');

# ---- nobody reaches behind ----
my $closed = qr/MB424: (coverage event 0 of 1: )?month 2024-04 of table "coverage_daily_state" is closed\nDETAIL:  Retention dropped it; billing.retention_actions says when\./;
like(refusal($_), $closed, $_) foreach
	q{SELECT billing.uncover_device('acme', 'd1', 'too late', '2024-04-30', '2024-05-03')},
	q{SELECT billing.record_coverage('[{"tenant":"acme","device":"d1","event_id":"too late","event_type":"change_plan","plan":"plus","effective_from":"2024-04-01"}]')},
	q{SELECT billing.enroll_device('acme', 'd1', 'too late', '2024-04-30')},
	q{SELECT billing.withdraw_device('acme', 'd1', 'too late', '2024-04-30')},
	q{SELECT billing.register_device('acme', 'new', enrolled_from => '2024-04-30')};
is(value(q{SELECT billing.cover_device('acme', 'd1', 'cover1', '2024-01-02')}), 'f', 'the same event again is known all the same');
close_session($old, q{DO $$ BEGIN PERFORM billing.uncover_device('acme', 'd1', 'old', '2024-03-01', '2024-03-02'); EXCEPTION WHEN SQLSTATE 'MB424' THEN RAISE NOTICE 'refused'; END $$; COMMIT});
like($old->{error}, qr/NOTICE:  refused/, 'nor does a session whose snapshot is older than the drop');

# A dispute that begins behind keeps what was counted there, and decides from the first open day on.
my $counts = q{SELECT sum(quantity) FROM billing.daily_counts WHERE tenant_id = 'acme' AND meter_id = 'covered_devices' AND day >= '2024-03-01' AND day < '2024-05-01'};
my $april = value($counts);
value(q{SELECT billing.claim_identity('acme', d, 'serial', 'Y', '2024-03-01') FROM unnest('{d4,d14}'::text[]) AS d});
value($_) foreach q{SELECT billing.sync_coverage('2024-12-31')}, 'SELECT billing.sync_counts()';
is(value($counts), $april, 'a dispute from March on leaves March and April as they were');
is(value(q{SELECT min(coverage_day), count(*) > 200 FROM billing.coverage_daily_state WHERE tenant_id = 'acme' AND coverage_state = 'disputed'}), '2024-05-01|t', 'and is one from the first open day on');
value($_) foreach q{SELECT billing.resolve_claim('acme', 'serial', 'Y', 'split', actor => 'ann', reason => 'two')}, q{SELECT billing.resolve_claim('globex', 'serial', 'S5', 'merge', 'd5', actor => 'ann', reason => 'one')},
	q{SELECT billing.sync_coverage('2024-12-31')}, 'SELECT billing.sync_counts()', q{CALL billing.run_invoices('2025-03-01', finalize => true)}, 'SELECT billing.seal()', "SELECT billing.make_retention_bundles('$day')";
is(value($counts), $april, 'and so does its resolution');
is_clean('disputes');
$billed_before = value($billed);

# Usage goes first: then its days are closed as well, and states that are kept are left as they are.
value($_) foreach q{SELECT billing.set_retention('usage_records', '13 months'), billing.set_retention('coverage_daily_state', '3 years')};
is(value(qq{SELECT count(*) FROM billing.retention_plan('$day') WHERE decision = 'drop' AND table_name <> 'usage_records'}), '0', 'only usage is old enough');
my $of_usage = value("SET client_min_messages = warning; CALL billing.apply_retention('$day')");
cmp_ok($of_usage, '>=', 12, "$of_usage months of usage go");
is_clean('usage dropped');
like(refusal(q{SELECT billing.uncover_device('acme', 'd1', 'too late', '2024-12-31', '2025-01-03')}), qr/MB424: month 2024-12 of table "usage_records" is closed/, 'what cannot be counted any more is not recorded');
is(value(q{SELECT days_changed, usage_rows FROM billing.sync_coverage('2025-01-05')}), '0|0', 'and does not stop the sync');

# The rest, and the counts.
value($_) foreach q{SELECT billing.set_retention('coverage_daily_state', '180 days')}, q{SELECT billing.set_retention('daily_counts', '24 months')}, 'SELECT billing.seal()';
cmp_ok(value("SET client_min_messages = warning; CALL billing.apply_retention('$day')"), '>=', 8, 'months of states and counts go');
is(value(q{SELECT count(*) FROM billing.coverage_daily_state}), '0', 'no state is left');
is(value(q{SELECT sum(dropped_rows) FROM billing.retention_actions WHERE table_name = 'coverage_daily_state'}), $states, 'each went once');
diag(value(q{SELECT string_agg(format('%s: %s months, %s rows, %s bytes', table_name, months, rows, bytes), '; ' ORDER BY table_name) FROM (SELECT table_name, count(*) AS months, sum(dropped_rows) AS rows, sum(dropped_bytes) AS bytes FROM billing.retention_actions GROUP BY 1) AS a}));
is_clean('all dropped');
value('SELECT billing.seal()');
is_clean('all dropped and sealed');
is(value($billed), $billed_before, 'invoices are what they were');

$node->stop;
done_testing();
