# Two made-up years: every gate closed by itself, months dropped, and everything that was proved before still proved; and what a
# superuser takes without retention is told. The years begin the year after next, so that what is finalized today is past disputes then.
use strict;
use warnings;

use lib 'lib';
use File::Temp;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use BillingTest qw(billing_node close_session open_session relation_hashes);

my $dir = File::Temp->newdir;
system_or_bail('openssl', 'genpkey', '-algorithm', 'ed25519', '-out', "$dir/key.pem");
chmod 0600, "$dir/key.pem";
my $node = billing_node('main', 'billing.signing_key_file' => "'$dir/key.pem'", 'billing.log_origin' => "'gpu.example'");
my $year = 1900 + (gmtime)[5] + 2;
my $next = $year + 1;
my $today = ($year + 2) . '-03-01';

sub value
{
	my ($sql, $database) = @_;
	return $node->safe_psql($database // 'postgres', $sql);
}

# What was clean is clean.
sub is_clean
{
	my ($what, $database) = @_;
	is(value("SELECT * FROM billing.$_()", $database), '', "$what: $_()") foreach qw(replay_count_sync check_integrity verify_log);
	return;
}

# What install() made for the present has no rows in it, and goes at once.
is(value('SELECT billing.make_retention_bundles()'), '0', 'nothing to prove');
value("SET client_min_messages = warning; CALL billing.apply_retention('$today')");
is(value("SELECT sum(dropped_rows), count(*) > 10, bool_and(digest = sha256('')) FROM billing.retention_actions"), '0|t|t', 'empty months go');
my $actions_of_usage = q{SELECT count(*) FROM billing.retention_actions WHERE table_name = 'usage_records'};
my $actions = value($actions_of_usage);
is_clean('empty months');

# ---- two years ----
value($_) foreach
	qq{SELECT billing.ensure_partitions('$year-01-01', '} . ($year + 3) . q{-01-01')},
	q{SELECT billing.create_meter('calls', unit => 'call', dimensions => '{region}'), billing.create_meter('seats', unit => 'seat', aggregation => 'max'),
	         billing.create_meter('disk', unit => 'GB', aggregation => 'latest'), billing.create_meter('logins', unit => 'login', aggregation => 'count'),
	         billing.create_plan('pro', currency => 'EUR')},
	q{SELECT billing.add_charge('pro', m, meter => m, price => '{"model":"unit","unit":"0.10"}') FROM unnest('{calls,seats,disk,logins}'::text[]) AS m},
	q{SELECT billing.add_charge('pro', 'base', price => '{"model":"flat","amount":"5"}', in_advance => true), billing.publish_plan('pro')},
	qq{SELECT billing.create_account('acme'), billing.subscribe('acme', 'pro', '$year-01-01'), billing.create_account('other'),
	          billing.create_account('globex'), billing.subscribe('globex', 'pro', '$year-01-15', anchor => 'anniversary')};
foreach my $month (0 .. 23)
{
	my $first = sprintf '%d-%02d-01', $year + int($month / 12), $month % 12 + 1;
	value(qq{SELECT billing.record_usage(jsonb_agg(jsonb_build_object('tenant', t, 'meter', m, 'event_id', m || x, 'quantity', 1 + x % 7,
			'occurred_at', timestamptz '$first 00:00Z' + interval '15 days' + x * interval '17 hours',
			'dimensions', CASE m WHEN 'calls' THEN jsonb_build_object('region', x % 3 || '') ELSE '{}' END)))
		FROM generate_series(0, 20) x, unnest('{acme,globex}'::text[]) t, unnest('{calls,seats,disk,logins}'::text[]) m WHERE NOT (m = 'calls' AND x = 13)});
	# Usage of the month before, in the same window: a window is in two months, and one of them goes first.
	value(qq{SELECT billing.record_usage(t, m, 'late', 9, timestamptz '$first 11:00Z' - interval '4 days')
		FROM unnest('{acme,globex}'::text[]) t, unnest('{calls,seats,disk,logins}'::text[]) m}) if $month > 0;
	value(qq{COPY billing.usage_records (tenant_id, meter_id, event_id, occurred_at, quantity) FROM STDIN;\nacme\textra\te1\t$first 10:00Z\t3\n\\.\n}) if $month == 2;
	value(q{SELECT billing.create_meter('extra', unit => 'x')}) if $month == 3;
	value('SELECT billing.sync_counts()');
	value(qq{CALL billing.run_invoices((date '$first' + interval '1 month')::date, finalize => true)});
	value('SELECT billing.seal()');
}
is(value('SELECT count(*) FROM billing.usage_set_aside WHERE counted_in IS NOT NULL'), '1', 'a row was set aside in one window and counted in another');
is_clean('two years');

# ---- gates ----
# The gates of a month after statements that are undone.
sub gates
{
	my ($table, $month, $statements, $day) = @_;
	my (undef, $out, $error) = $node->psql('postgres', "SET client_min_messages = warning; BEGIN; CREATE TEMP TABLE done AS $statements;
		SELECT 'gates ' || string_agg(coalesce(gate, 'none'), ',' ORDER BY gate) FROM billing.retention_plan('" . ($day // $today) . "')
		 WHERE table_name = '$table' AND month = '$month'; ROLLBACK");
	return $error || ($out =~ /^gates (.*)$/m)[0] // 'no such month';
}

sub unguarded
{
	my ($statement) = @_;
	return "SELECT; ALTER TABLE billing.evidence_bundles DISABLE TRIGGER USER; $statement";
}

my ($first, $second) = ("$year-01-01", "$year-02-01");
is(gates('usage_records', $first, 'SELECT'), 'bundle', 'bundle: its invoices have no bundle yet');
my $made = value("SELECT billing.make_retention_bundles('$today')");
ok($made > 20, "$made bundles are made of months that are old enough");
is(value("SELECT billing.make_retention_bundles('$today')"), '0', 'once');
is(gates('usage_records', $_, 'SELECT'), 'none', "every gate of usage of $_ is open") foreach $first, $second, "$next-01-01";
my $acme = qq{(SELECT number FROM billing.invoices WHERE tenant_id = 'acme' AND invoice_date = '$second')};
foreach my $case (
	[ 'age', q{SELECT billing.set_retention('usage_records', '26 months')} ],
	[ 'hold', q{SELECT billing.place_legal_hold('acme', 'Doe v. Acme')} ],
	[ 'hold', q{SELECT billing.place_legal_hold(NULL, 'audit')} ],
	[ 'none', q{SELECT billing.place_legal_hold('other', 'has no rows in it')} ],
	[ 'none', q{SELECT billing.release_legal_hold(billing.place_legal_hold('other', 'x'), 'y')} ],
	[ 'unsynced', qq{SELECT billing.record_usage('acme', 'calls', 'new', 1, '$year-01-20Z')} ],
	[ 'set aside', qq{SELECT; INSERT INTO billing.usage_set_aside (usage_day, tenant_id, meter_id, event_id, reason, window_no) VALUES ('$year-01-20', 'acme', 'gone', 'x', 'unknown meter', 1)} ],
	[ 'accrued', qq{SELECT billing.open_allocation('acme', 'vm', meter => 'calls', opened_at => '$year-01-31 23:59Z')} ],
	[ 'sealed', qq{SELECT; INSERT INTO billing.count_sync_checkpoint_events (tenant_id, sequence, window_no, rows_processed, first_day, last_day, digest, counts_digest, prev_hash, self_hash, created_at)
		SELECT tenant_id, 1000, 1000, 1, '$year-01-20', '$year-01-20', digest, counts_digest, self_hash, self_hash, now() FROM billing.count_sync_checkpoints JOIN billing.count_sync_checkpoint_events USING (tenant_id, sequence, self_hash) WHERE tenant_id = 'acme'} ],
	[ 'unrated', qq{SELECT billing.subscribe('other', 'pro', '$year-01-10')} ],
	[ 'uninvoiced', qq{SELECT; SELECT billing.void_invoice($acme, 'wrong')} ],
	[ 'draft', qq{SELECT; SELECT billing.void_invoice(number, 'wrong') FROM billing.invoices WHERE tenant_id = 'acme' ORDER BY invoice_date DESC; SELECT FROM billing.invoice_batch('} . ($year + 2) . q{-01-01', 'acme', 'acme', billing.uuid_v7(), false)} ],
	[ 'disputes', q{SELECT billing.set_retention('usage_records', '13 months', dispute_days => 3650)} ],
	[ 'bundle', unguarded(qq{DELETE FROM billing.evidence_bundles b USING billing.invoices i WHERE i.invoice_id = b.invoice_id AND i.number = $acme}) ],
	[ 'proof', unguarded(qq{UPDATE billing.evidence_bundles b SET bundle = regexp_replace(bundle, '"index":"(\\d+)"', '"index":"\\11"') FROM billing.invoices i WHERE i.invoice_id = b.invoice_id AND i.number = $acme}) ],
	[ 'proof', unguarded(qq{UPDATE billing.evidence_bundles b SET bundle = o.bundle FROM billing.invoices i, billing.evidence_bundles o WHERE i.invoice_id = b.invoice_id AND i.number = $acme AND o.invoice_id <> b.invoice_id}) ])
{
	my ($gate, $statements) = @{$case};
	is(gates('usage_records', $first, $statements), $gate, "$gate: $statements");
}
is(gates('usage_records', $first, 'SELECT', "$next-02-28"), 'age', 'age: a day early');
is(gates('usage_records', $second, unguarded("UPDATE billing.evidence_bundles b SET bundle = '{}' FROM billing.invoices i WHERE i.invoice_id = b.invoice_id AND i.number = $acme")), 'order',
	'order: an older month stays');
is(gates('daily_counts', $first, 'SELECT'), 'usage', 'usage: counts wait for usage');
is(gates('invoices', $first, 'SELECT'), 'kept', 'kept: what is never dropped');
my $refusal = sub { return ($node->psql('postgres', $_[0]))[2]; };
like($refusal->("\\set VERBOSITY verbose\nSELECT billing.drop_month('daily_counts', '$first', '$today')"), qr/MB460: month $year-01 of table "daily_counts" cannot be dropped\nDETAIL:  Gates that are not open: usage: usage up to $year-02-14/,
	'by hand a gate is an error that names it');
like($refusal->("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT billing.drop_month('usage_records', '$first', '$today')"), qr/cannot be dropped in this transaction/, 'an old snapshot sees no gate');

# ---- the drop ----
my %bundles = map { my ($number, $tenant) = split /\|/; $number => [ $tenant, value("SELECT billing.evidence('$number')") ] }
	split /\n/, value('SELECT number, tenant_id FROM billing.invoices JOIN billing.evidence_bundles USING (tenant_id, invoice_id)');
my $vkey = value('SELECT vkey FROM billing.signing_keys');

sub verifies
{
	my ($bundle, $what) = @_;
	my ($out, $error) = ('', '');
	IPC::Run::run([ 'billing-verify', '-', '--key', $vkey ], '<', \$bundle, '>', \$out, '2>', \$error);
	return is($? >> 8, 0, $what) || diag($out . $error);
}

# Who reads the table keeps its months, for now.
my $reader = open_session($node, 'BEGIN; SELECT count(*) FROM billing.usage_records');
like($refusal->("CALL billing.apply_retention('$today')"), qr/WARNING:  usage_records of $year-01-01 stays: canceling statement due to lock timeout/, 'a month in use stays, with a warning');
is(value($actions_of_usage), $actions, 'nothing of it went');
close_session($reader, 'COMMIT');

my $rated = value('SELECT count(*) FROM billing.rated_lines');
is(value("SET client_min_messages = warning; CALL billing.apply_retention('$today')"), '15', 'thirteen months of usage and two of counts go');
diag($_) foreach "dropped in two simulated years:",
	split /\n/, value(q{SELECT format('%s: %s months, %s rows, %s bytes', table_name, count(*), sum(dropped_rows), sum(dropped_bytes)) FROM billing.retention_actions WHERE dropped_rows > 0 GROUP BY table_name ORDER BY table_name});
diag(value(q{SELECT format('kept of it: %s parts of windows, %s counts', (SELECT count(*) FROM billing.usage_window_parts), (SELECT count(*) FROM billing.usage_window_counts))}));
is(value("SELECT table_name, dropped_before FROM billing.partitioned_tables WHERE dropped_before IS NOT NULL ORDER BY 1"),
	"coverage_daily_state|$next-09-01\ndaily_counts|$year-03-01\nusage_records|$next-02-01\nusage_window_counts|$year-03-01", 'what is closed');
is_clean('dropped');
is(value("CALL billing.apply_retention('$today')"), '0', 'again: nothing');
value('SELECT billing.seal()');
is_clean('dropped and sealed');
verifies($bundles{$_}[1], "bundle of $_, made before") foreach sort keys %bundles;
is(value("SELECT count(*) FROM billing.evidence_bundles b WHERE billing.evidence(b.invoice_id::text) <> b.bundle"), '0', 'asked again they have the same bytes');
foreach my $number (split /\n/, value("SELECT number FROM billing.invoices WHERE tenant_id = 'globex' AND invoice_date = '$next-03-15'"))
{
	ok(!exists $bundles{$number}, "$number has no bundle yet, and draws on a window that had usage of a month that is gone");
	verifies(value("SELECT billing.evidence('$number')"), 'it is made, and holds');
}
like(value(q{SELECT billing.prove_inclusion('usage_window', 'acme', '1')}), qr/^c2sp.org\/tlog-proof/, 'a window whose usage is gone is proved');
like(value(qq{SELECT billing.prove_inclusion('retention_action', 'usage_records', '$first')}), qr/^c2sp.org\/tlog-proof/, 'and so is what went');
like($refusal->("SELECT billing.record_usage('acme', 'calls', 'calls0', 1, '$year-01-16Z', dimensions => '{\"region\":\"0\"}')"), qr/month $year-01 of table "usage_records" is closed/,
	'an event that was dropped does not come again');
is(value("SELECT billing.ensure_partitions('$year-01-01', '$next-12-01')"), '0', 'nor its month');
value('CALL billing.run_invoices(\'' . ($year + 2) . "-01-01', finalize => true)");
is(value('SELECT count(*) FROM billing.rated_lines'), $rated, 'rating again changes nothing');

# Usage comes late, and rating goes back over the months that are left.
value("SELECT billing.record_usage('acme', 'calls', 'very late', 100, '$next-02-10Z')");
value('SELECT billing.sync_counts()');
value('CALL billing.run_invoices(\'' . ($year + 2) . "-02-15', finalize => true)");
value('SELECT billing.seal()');
is(value("SELECT posted_minor FROM billing.rated_lines WHERE tenant_id = 'acme' AND charge_id = 'calls' AND period_start = '$next-02-01' ORDER BY revision DESC LIMIT 1"), '1000', 'late usage is a correction of its own month');
is(value("SELECT count(*) FROM billing.rated_lines WHERE revision > 1 AND period_start < '$next-01-01' AND posted_minor < 0"), '0', 'and of no month whose counts are gone');
is_clean('late usage');

# ---- dump and restore ----
$node->safe_psql('postgres', 'CREATE DATABASE restored');
$node->command_ok([ 'bash', '-o', 'pipefail', '-c', 'pg_dump -Fc "' . $node->connstr('postgres') . '" | pg_restore --exit-on-error -d "' . $node->connstr('restored') . '"' ], 'dump and restore');
is(relation_hashes($node, 'restored'), relation_hashes($node, 'postgres'), 'rows are the same');
is_clean('restored', 'restored');
is(value("SELECT billing.ensure_partitions('$year-01-01', '$next-12-01')", 'restored'), '0', 'closed months stay closed');
is(value("SELECT billing.make_retention_bundles('" . ($year + 2) . "-05-01') > 0", 'restored'), 't', 'restored: the next months need bundles');
is(value("SET client_min_messages = warning; CALL billing.apply_retention('" . ($year + 2) . "-05-01')", 'restored'), '6', 'restored: and go');
is_clean('restored and dropped', 'restored');

# Bundles are there before counts go. An invoice made anew afterwards can have none, and that is said.
value("SELECT billing.void_invoice(number, 'wrong') FROM billing.invoices WHERE tenant_id = 'acme' AND invoice_date = '$year-03-01'", 'restored');
value("CALL billing.run_invoices('" . ($year + 2) . "-03-15', finalize => true)", 'restored');
value('SELECT billing.seal()', 'restored');
my $anew = value("SELECT invoice_id FROM billing.invoice_lines WHERE tenant_id = 'acme' AND charge_id = 'calls' AND period_start = '$year-02-01' ORDER BY invoice_date DESC LIMIT 1", 'restored');
like(($node->psql('restored', "\\set VERBOSITY verbose\nSELECT billing.evidence('$anew')"))[2], qr/MB460: daily counts that the invoice draws on are dropped/, 'an invoice of counts that are gone has no bundle');

# ---- what a superuser takes ----
sub attack
{
	my ($what, $told, $statements) = @_;
	$node->safe_psql('postgres', 'CREATE DATABASE attacked TEMPLATE postgres');
	value("BEGIN; CREATE TEMP TABLE t AS SELECT tgrelid::regclass AS r, tgname, CASE tgenabled WHEN 'A' THEN 'ENABLE ALWAYS' ELSE 'ENABLE' END AS how FROM pg_trigger JOIN pg_class c ON c.oid = tgrelid WHERE NOT tgisinternal AND relnamespace = 'billing'::regnamespace;
		DO \$\$ DECLARE g record; BEGIN FOR g IN SELECT * FROM t LOOP EXECUTE format('ALTER TABLE ONLY %s DISABLE TRIGGER %I', g.r, g.tgname); END LOOP; END \$\$; $statements;
		DO \$\$ DECLARE g record; BEGIN FOR g IN SELECT * FROM t JOIN pg_class c ON c.oid = r LOOP EXECUTE format('ALTER TABLE ONLY %s %s TRIGGER %I', g.r, g.how, g.tgname); END LOOP; END \$\$; COMMIT", 'attacked');
	like(value('SELECT problem FROM billing.verify_log()', 'attacked'), $told, $what);
	$node->safe_psql('postgres', 'DROP DATABASE attacked');
	return;
}
my $there = "usage_records_${next}_02";
attack('a month of usage dropped without retention', qr/usage of tenant .*: checkpoint \d+ has \d+ usage rows/, "DROP TABLE billing.$there");
attack('the same, and closed', qr/table "usage_records" is closed before $next-03, and no retention action says so/,
	"DROP TABLE billing.$there; UPDATE billing.partitioned_tables SET dropped_before = '$next-03-01' WHERE table_name = 'usage_records'");
attack('a month of counts', qr/daily count of $next-02-/, "DROP TABLE billing.daily_counts_${next}_02");
attack('a month of the summary', qr/daily count of $year-03-/, "DROP TABLE billing.usage_window_counts_${year}_03");
attack('an action erased', qr/what was kept of the usage of $year-01 is not as retention recorded it/, "DELETE FROM billing.retention_actions WHERE month = '$first' AND table_name = 'usage_records'");
attack('the same: it was a leaf', qr/rows of kind "retention_action"/, "DELETE FROM billing.retention_actions WHERE month = '$first' AND table_name = 'usage_records'");
attack('an action that says more', qr/the rows have another root than was sealed/, "UPDATE billing.retention_actions SET dropped_rows = dropped_rows + 1 WHERE month = '$first' AND table_name = 'usage_records'");
attack('a part changed', qr/what was kept of the usage of $year-03 is not as retention recorded it/, "UPDATE billing.usage_window_parts SET usage_rows = usage_rows + 1 WHERE month = '$year-03-01'");
attack('a part taken', qr/usage of tenant .*checkpoint \d+ has \d+ usage rows/, "DELETE FROM billing.usage_window_parts WHERE month = '$year-03-01' AND tenant_id = 'acme'");
attack('a count of the summary changed', qr/the digest of its counts differs/, "UPDATE billing.usage_window_counts SET quantity = quantity + 1 WHERE day = (SELECT min(day) FROM billing.usage_window_counts)");
attack('a month that is gone made again', qr/partition usage_records_${year}_01 is there, and retention dropped its month/,
	"CREATE TABLE billing.usage_records_${year}_01 PARTITION OF billing.usage_records FOR VALUES FROM ('$first 00:00Z') TO ('$second 00:00Z')");

# What was changed before is not laundered by a drop.
$node->safe_psql('postgres', 'CREATE DATABASE changed TEMPLATE postgres');
value("SELECT billing.make_retention_bundles('" . ($year + 2) . "-04-01')", 'changed');
value("ALTER TABLE billing.$there DISABLE TRIGGER USER; UPDATE billing.$there SET quantity = quantity + 1 WHERE event_id = 'calls3' AND tenant_id = 'acme'; ALTER TABLE billing.$there ENABLE ALWAYS TRIGGER refuse_change", 'changed');
my (undef, $out, $error) = $node->psql('changed', "CALL billing.apply_retention('" . ($year + 2) . "-04-01')");
like($error, qr/WARNING:  usage_records of $next-02-01 stays: what is kept of a month does not give what was counted of it/, 'usage changed after it was counted is not dropped');
is(value("SELECT to_regclass('billing.$there') IS NOT NULL", 'changed'), 't', 'it is still there');

done_testing();
