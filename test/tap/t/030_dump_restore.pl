# A dump restored is the same database: every row, index, policy, trigger and constraint, in each of pg_dump's ways, into
# another cluster and into another database of the same one. Billing then goes on there: nothing is missed or counted twice.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use BillingTest qw(billing_node close_session open_session relation_hashes);

my $dir = PostgreSQL::Test::Utils::tempdir();

my $catalogue = q{
SELECT billing.ensure_partitions('2026-08-01', '2027-03-01');
SELECT billing.create_currency('CREDIT', 'Credits', 4), billing.create_legal_entity('asia', 'Asia KK', country => 'JP', invoice_series => 'JP');
SELECT billing.create_meter('requests', unit => 'request'), billing.create_meter('seats', unit => 'seat', aggregation => 'max'),
       billing.create_meter('tokens', unit => 'token', dimensions => '{model,direction}'),
       billing.create_meter('gpu', unit => 'GPU-second', dimensions => '{model}');
SELECT billing.create_plan(p.plan, currency => p.currency),
       billing.add_charge(p.plan, 'base', price => '{"model":"flat","amount":"49"}', in_advance => true),
       billing.add_charge(p.plan, 'requests', meter => 'requests',
           price => '{"model":"graduated","tiers":[{"up_to":"1000","unit":"0"},{"up_to":null,"unit":"0.013"}]}'),
       billing.add_charge(p.plan, 'seats', meter => 'seats', price => '{"model":"volume","tiers":[{"up_to":"10","unit":"7"},{"up_to":null,"unit":"6"}]}'),
       billing.add_charge(p.plan, 'out', meter => 'tokens', filter => '{"direction":"output"}', price => '{"model":"unit","unit":"15","per":"1000"}'),
       billing.add_charge(p.plan, 'gpu', meter => 'gpu', price => '{"model":"package","unit":"2","per":"3600"}'),
       billing.publish_plan(p.plan)
  FROM (VALUES ('pro', 'EUR'), ('pro_jp', 'JPY'), ('pro_credit', 'CREDIT')) AS p (plan, currency);
SELECT billing.create_account('acme', name => 'Acme'), billing.create_account('acme', account => 'lab'),
       billing.create_account('tokyo', legal_entity => 'asia'), billing.create_account('old');
SELECT billing.subscribe('acme', plan => 'pro', starts => '2026-09-01', idempotency_key => 'first'),
       billing.subscribe('acme', account => 'lab', plan => 'pro_credit', starts => '2026-09-10'),
       billing.subscribe('tokyo', plan => 'pro_jp', starts => '2026-09-17', anchor => 'anniversary'),
       billing.subscribe('old', plan => 'pro', starts => '2026-09-01', ends => '2026-10-20', trial_days => 10);
ALTER TABLE billing.accounts ADD COLUMN crm_id text DEFAULT 'none';
UPDATE billing.accounts SET crm_id = 'CRM-' || tenant_id;
};

# A day's usage of every meter for every account and day, as one array; event ids end in a mark.
sub usage
{
	my ($from, $to, $mark) = @_;
	return qq{
SELECT billing.record_usage(jsonb_agg(jsonb_build_object('tenant', a.tenant, 'account', a.account, 'meter', m.meter,
           'event_id', concat_ws('/', m.meter, a.account, d.day::date, '$mark'), 'quantity', (m.base + extract(day FROM d.day) * m.step)::text,
           'occurred_at', d.day + interval '13 hours', 'dimensions', m.dimensions)))
  FROM generate_series(timestamptz '$from 00:00Z', timestamptz '$to 00:00Z' - interval '1 day', interval '1 day') AS d (day)
 CROSS JOIN (VALUES ('acme', 'main', date '2026-09-01', date 'infinity'), ('acme', 'lab', '2026-09-10', 'infinity'),
                    ('tokyo', 'main', '2026-09-17', 'infinity'), ('old', 'main', '2026-09-01', '2026-10-20')) AS a (tenant, account, starts, ends)
 CROSS JOIN (VALUES ('requests', 100, 7.5, '{}'::jsonb), ('seats', 3, 0.5, '{}'), ('tokens', 900, 11, '{"model":"opus","direction":"output"}')) AS m (meter, base, step, dimensions)
 WHERE d.day >= a.starts AND d.day < a.ends;
};
}

my $history = usage('2026-09-01', '2026-10-01', 'a') . q{
SELECT billing.open_allocation('acme', 'pod-1', meter => 'gpu', units => 0.5, opened_at => '2026-09-30 22:00Z', dimensions => '{"model":"H100"}'),
       billing.open_allocation('tokyo', 'pod-2', meter => 'gpu', opened_at => '2026-10-05 00:00Z'),
       billing.close_allocation('acme', 'pod-1', closed_at => '2026-10-02 06:30Z');
CALL billing.run_invoices('2026-10-01', finalize => true);
} . usage('2026-10-01', '2026-11-01', 'a') . q{
SELECT billing.accrue_allocations('2026-11-01 00:00Z');
SELECT billing.record_usage('acme', 'requests', 'fix', -50, '2026-09-12 09:00Z', corrects => 'requests/main/2026-09-12/a');
SELECT billing.record_usage('tokyo', 'requests', 'late', 5000, '2026-09-29 09:00Z');
SELECT billing.post_entry('acme', 'payment', 4900, 'EUR', memo => 'bank', posted_on => '2026-10-10', idempotency_key => 'bank-1');
CALL billing.run_invoices('2026-11-01', finalize => false);
SELECT billing.finalize_invoice(invoice_id::text, tenant_id) FROM billing.invoices WHERE status = 'draft' AND tenant_id IN ('acme', 'old') ORDER BY invoice_date;
SELECT billing.void_invoice(number, 'wrong address', 'old') FROM billing.invoices WHERE tenant_id = 'old' AND number IS NOT NULL ORDER BY number DESC LIMIT 1;
CALL billing.run_invoices('2026-11-01', finalize => false);
COPY billing.usage_records (tenant_id, meter_id, event_id, occurred_at, quantity) FROM STDIN;
acme	gone	x1	2026-10-03 10:00:00+00	1
nobody	requests	x2	2026-10-03 10:00:00+00	2
\.
};

# Rows that no window has taken when the dump is made; one more is of a transaction that windows have passed over.
my $waiting = usage('2026-11-01', '2026-11-08', 'b') . usage('2026-11-01', '2026-11-02', 'c') . q{
SELECT billing.record_usage('acme', 'requests', 'one more', 1, '2026-11-03 10:00Z');
};

# What of the catalog must come back. Names of owners and grantees, not oids; nothing in the order it was made.
my %listings = (
	columns => q{SELECT a.attrelid::regclass, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attgenerated, a.attcollation::regcollation,
		pg_get_expr(d.adbin, d.adrelid), a.attacl::text, col_description(a.attrelid, a.attnum)
		FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
		WHERE c.relnamespace = 'billing'::regnamespace AND c.relkind IN ('r', 'p', 'v') AND a.attnum > 0 AND NOT a.attisdropped},
	relations => q{SELECT c.oid::regclass, c.relkind, c.relowner::regrole, c.relrowsecurity, c.relforcerowsecurity, pg_get_expr(c.relpartbound, c.oid),
		pg_get_partkeydef(c.oid), obj_description(c.oid, 'pg_class'), CASE c.relkind WHEN 'v' THEN pg_get_viewdef(c.oid) END, c.reloptions,
		(SELECT string_agg(concat_ws(' ', x.grantee::regrole, x.privilege_type, x.is_grantable), ',' ORDER BY x.grantee::regrole::text, x.privilege_type)
		   FROM aclexplode(c.relacl) AS x)
		FROM pg_class c WHERE c.relnamespace = 'billing'::regnamespace AND c.relkind IN ('r', 'p', 'v')},
	indexes => q{SELECT i.indexrelid::regclass, pg_get_indexdef(i.indexrelid), i.indisvalid, i.indisunique, i.indisclustered, h.inhparent::regclass
		FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid LEFT JOIN pg_inherits h ON h.inhrelid = i.indexrelid
		WHERE c.relnamespace = 'billing'::regnamespace},
	constraints => q{SELECT conrelid::regclass, conname, pg_get_constraintdef(oid), convalidated FROM pg_constraint WHERE connamespace = 'billing'::regnamespace},
	triggers => q{SELECT t.tgrelid::regclass, t.tgname, pg_get_triggerdef(t.oid), t.tgenabled, t.tgparentid <> 0
		FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid WHERE c.relnamespace = 'billing'::regnamespace AND t.tgconstraint = 0},
	policies => q{SELECT * FROM pg_policies WHERE schemaname = 'billing'},
	'members of the extension' => q{SELECT pg_describe_object(classid, objid, objsubid) FROM pg_depend
		WHERE refclassid = 'pg_extension'::regclass AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'billing') AND deptype = 'e'});

sub listing
{
	my ($node, $database, $what) = @_;
	return $node->safe_psql($database,
		"SET search_path = pg_catalog; SELECT string_agg(l::text, E'\\n' ORDER BY l::text) FROM ($listings{$what}) AS l");
}

# Transactions that do nothing but take an id.
sub burn_ids
{
	my ($node, $count) = @_;
	$node->safe_psql('postgres', "SET synchronous_commit = off; DO \$\$ BEGIN FOR i IN 1..$count LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END \$\$");
	return;
}

# The way from the source's database to an empty one, each as a list of commands.
my %ways = (
	single => sub { my ($from, $to) = @_;
		return [ 'pg_dump', '-Fc', '-f', "$dir/single", $from ], [ 'pg_restore', '--exit-on-error', '--single-transaction', '-d', $to, "$dir/single" ]; },
	plain => sub { my ($from, $to) = @_;
		return [ 'pg_dump', '-f', "$dir/plain.sql", $from ], [ 'psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-d', $to, '-f', "$dir/plain.sql" ]; },
	custom => sub { my ($from, $to) = @_;
		return [ 'bash', '-o', 'pipefail', '-c', qq{pg_dump -Fc "$from" | pg_restore --exit-on-error -d "$to"} ]; },
	parallel => sub { my ($from, $to) = @_;
		return [ 'pg_dump', '-Fd', '-j2', '-f', "$dir/parallel", $from ], [ 'pg_restore', '--exit-on-error', '-j2', '-d', $to, "$dir/parallel" ]; });

sub restore
{
	my ($way, $from, $to, $database) = @_;
	$to->safe_psql('postgres', "CREATE DATABASE $database");
	$to->command_ok($_, "$way: " . join(' ', @{$_}[0, 1])) for $ways{$way}->($from->connstr('postgres'), $to->connstr($database));
	return;
}

sub same_as
{
	my ($source, $node, $database) = @_;
	is(relation_hashes($node, $database), $source->{hashes}, "$database: rows and hashes of every table");
	is(listing($node, $database, $_), $source->{$_}, "$database: $_") for sort keys %listings;
	return;
}

# Usage, a sync and a month's invoices, as a tenant would see them; nothing in it depends on the cluster.
my $next_month = usage('2026-11-20', '2026-12-01', 'b') . q{
CALL billing.run_invoices('2026-12-01', finalize => true);
};
my $outcome = q{
SELECT 'invoice', tenant_id, account_id, invoice_date, attempt, status, number, total_minor FROM billing.invoices
UNION ALL SELECT 'count', tenant_id, account_id, day, events::int, meter_id, dimensions::text, quantity::bigint FROM billing.daily_counts
ORDER BY 1, 2, 3, 4, 5, 6, 7};

sub goes_on
{
	my ($node, $database, $unsynced) = @_;
	my $value = sub { return $node->safe_psql($database, $_[0]); };

	is($value->('SELECT rows_counted, rows_set_aside FROM billing.sync_counts()'), "$unsynced|0", "$database: the first sync takes what had been waiting");
	is($value->('SELECT rows_counted, rows_set_aside FROM billing.sync_counts()'), '0|0', "$database: and the second nothing");
	my $invoices = $value->('SELECT count(*), max(created_at) FROM billing.invoices');
	my ($status, $out, $notices) = $node->psql($database, q{CALL billing.run_invoices('2026-11-01')});
	is($value->('SELECT count(*), max(created_at) FROM billing.invoices'), $invoices, "$database: run_invoices() makes no new one");
	like($notices, qr/to 2026-11-01: .* tenants: 0 invoices made, 0 lines, 0 finalized/, "$database: and says so");

	$value->($next_month);
	is($value->('SELECT count(*) FROM billing.replay_count_sync()'), '0', "$database: a replay finds every row in one window");
	is($value->('SELECT count(*) FROM billing.check_integrity()'), '0', "$database: integrity");
	is($value->('SELECT (SELECT count(*) FROM billing.usage_records) - (SELECT count(*) FROM billing.usage_set_aside WHERE counted_in IS NULL)'),
		$value->('SELECT sum(events) FROM billing.daily_counts'), "$database: nothing missed, nothing doubled");
	return $value->($outcome);
}

sub is_refused
{
	my ($node, $database, $call) = @_;
	my ($status, $out, $error) = $node->psql($database, "\\set VERBOSITY verbose\n$call");
	like($error, qr/ERROR:  MB426: /, "$database: refused before billing.adopt_cluster(): $call");
	return;
}

# The source, with higher transaction ids than a fresh cluster has.
my $source_node = billing_node('source', max_prepared_transactions => 5);
burn_ids($source_node, 30000);
$source_node->safe_psql('postgres', $catalogue);
my $slow = open_session($source_node, q{BEGIN; SELECT billing.record_usage('acme', 'requests', 'slow', 3, '2026-11-02 10:00Z')});
$source_node->safe_psql('postgres', $history);
$source_node->safe_psql('postgres', 'SELECT billing.sync_counts()');
close_session($slow, 'COMMIT');
$source_node->safe_psql('postgres', $waiting);
my $unsynced = $source_node->safe_psql('postgres',
	"SELECT count(*) FROM billing.usage_records WHERE usage_day >= '2026-11-01' AND tenant_id <> 'nobody'");
cmp_ok($unsynced, '>', 60, "$unsynced usage rows wait for the next window");
like($source_node->safe_psql('postgres', 'SELECT snapshot FROM billing.count_windows ORDER BY window_no DESC LIMIT 1'),
	qr/:\d+\z/, 'and a transaction was running when the last one was taken');
$slow = open_session($source_node, q{BEGIN; SELECT billing.record_usage('acme', 'requests', 'never', 3, '2026-11-02 10:00Z')});

my %source = map { $_ => listing($source_node, 'postgres', $_) } keys %listings;
isnt($source{$_}, '', "the source has $_") for grep { $_ ne 'policies' } sort keys %listings;
$source{hashes} = relation_hashes($source_node, 'postgres');
for my $table (qw(usage_records_2026_09 usage_set_aside invoices_2026_10 invoice_lines_2026_11 rated_lines_2026_10 ledger_entries_2026_10 idempotency_keys allocations))
{
	like($source{hashes}, qr/^$table\|[1-9]/m, "the source has rows in $table");
}

my $fresh = PostgreSQL::Test::Cluster->new('fresh');
$fresh->init;
$fresh->append_conf('postgresql.conf', "timezone = 'UTC'\n");
$fresh->start;

for my $way (qw(single plain custom parallel))
{
	restore($way, $source_node, $fresh, $way);
	same_as(\%source, $fresh, $way);
}
restore('custom', $source_node, $source_node, 'copy');
same_as(\%source, $source_node, 'copy');
close_session($slow, 'ROLLBACK');
my $expected = goes_on($source_node, 'postgres', $unsynced);
is(goes_on($source_node, 'copy', $unsynced), $expected, 'copy: the same invoices and counts, without adoption');

for my $way (qw(single plain custom parallel))
{
	is_refused($fresh, $way, q{SELECT billing.record_usage('acme', 'requests', 'new', 1, '2026-11-21 10:00Z')});
	is_refused($fresh, $way, q{SELECT billing.sync_counts()});
	is_refused($fresh, $way, q{CALL billing.run_invoices('2026-11-01')});
	is(relation_hashes($fresh, $way), $source{hashes}, "$way: and nothing is written");
	my $highest = $fresh->safe_psql($way, 'SELECT billing.highest_log_xid()');
	burn_ids($fresh, $highest) if $way eq 'parallel';
	cmp_ok($fresh->safe_psql('postgres', 'SELECT pg_current_xact_id()'), $way eq 'parallel' ? '>' : '<', $highest,
		"$way: transaction ids " . ($way eq 'parallel' ? 'above' : 'below') . ' those in the dump');
	is($fresh->safe_psql($way, q{SELECT billing.adopt_cluster('restored')}), '2', "$way: adopted");
	is($fresh->safe_psql($way, q{SELECT billing.adopt_cluster('again')}), '2', "$way: once");
	is(goes_on($fresh, $way, $unsynced), $expected, "$way: the same invoices and counts as in the source");
}

$fresh->stop;
$source_node->stop;
done_testing();
