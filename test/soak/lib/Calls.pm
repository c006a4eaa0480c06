# The public calls that write, each as one statement with something to do, and the state they find: three months of usage, coverage
# and invoices, with drafts, claims, holds and personal data. A public function that is not here fails the test that asks.
package Calls;

use strict;
use warnings;

use Exporter 'import';
use PostgreSQL::Test::Utils;
use Test::More;
use BillingTest qw(sign_outside sql_text);

our @EXPORT_OK = qw(calls all_calls_are_here make_state state_digest tenants);

our $tenants = 12;

# What has no place among the calls, and why.
my %left_out = (
	install => 'a test of its own: it needs a database without tables',
	preview_invoices => 'undoes what it does', issue_token => 'writes nothing',
	(map { $_ => 'pg_cron' } qw(schedule_jobs unschedule_jobs)),
	(map { $_ => 'one of cover_device() and record_coverage()' } qw(enroll_device uncover_device change_device_plan withdraw_device)),
	adopt_cluster => 'does nothing but in another cluster',
	(map { $_ => 'reads' } qw(derive_coverage digest evidence_csv health_at personal_data prove_consistency prove_inclusion replay_count_sync
		replay_coverage schedule_jobs_script shadow_rate show_invoice unschedule_jobs_script uuid_v7 verify_log)),
	rate_batch => 'run_rating()', finalize_batch => 'run_invoices()', invoice_batch => 'run_invoices()',
);

my $subscription = q{(SELECT subscription_id FROM billing.subscriptions WHERE tenant_id = 't%d' ORDER BY starts LIMIT 1)};

sub subscription
{
	return sprintf $subscription, $_[0];
}

# What a plain call does, as name => statement. Those in capitals end their transactions themselves. mark: a word in what is made
# once, so that a call can be made again; day: of what happens in March.
sub calls
{
	my (%given) = @_;
	my ($mark, $day) = ($given{mark} // '', $given{day} // '09');
	my %calls = call_texts();
	s/MARK/$mark/g, s/2026-03-09/2026-03-$day/g for values %calls;
	return %calls;
}

sub call_texts
{
	my $until = '2026-04-01';
	return (
		post_entry => q{SELECT billing.post_entry('t1', 'payment', 100, 'EUR', posted_on => '2026-03-05', memo => 'paidMARK', idempotency_key => 'soakMARK')},
		reverse_entry => q{SELECT billing.reverse_entry('t1', (SELECT entry_id FROM billing.ledger_entries WHERE memo = 'to reverse'), 'mistake', posted_on => '2026-03-06')},
		record_usage => q{SELECT billing.record_usage('t1', 'requests', 'oneMARK', 3, '2026-03-09 10:00Z')},
		'record_usage of many' => q{SELECT billing.record_usage(jsonb_agg(jsonb_build_object('tenant', 't' || n % 12 + 1, 'meter', 'requests', 'event_id', 'manyMARK/' || n, 'quantity', n,
			'occurred_at', '2026-03-09T10:00:00Z'))) FROM generate_series(1, 500) AS n},
		record_usage_arrays => q{SELECT billing.record_usage_arrays(array_agg('t' || n % 12 + 1), array_agg('requests'::text), array_agg('arrayMARK/' || n), array_agg(n::numeric),
			array_agg(timestamptz '2026-02-09Z')) FROM generate_series(1, 500) AS n},
		import_usage => q{SELECT billing.import_usage('public.usage_source')},
		sync_counts => 'SELECT billing.sync_counts()',
		sync_coverage => "SELECT billing.sync_coverage('2026-03-09')",
		seal => 'SELECT billing.seal(true)',
		close_balances => 'SELECT billing.close_balances()',
		RUN_RATING => "CALL billing.run_rating('2026-03-10', batch_tenants => 3)",
		RUN_INVOICES => "CALL billing.run_invoices('$until', finalize => true, batch_tenants => 3)",
		finalize_invoice => q{SELECT billing.finalize_invoice(invoice_id::text, tenant_id) FROM billing.invoices WHERE tenant_id = 't2' AND status = 'draft' ORDER BY invoice_date LIMIT 1},
		void_invoice => q{SELECT billing.void_invoice(number, 'wrong address', tenant_id) FROM billing.invoices WHERE tenant_id = 't3' AND status = 'finalized' ORDER BY number LIMIT 1},
		evidence => q{SELECT length(billing.evidence(number, tenant_id)) FROM billing.invoices WHERE tenant_id = 't4' AND status = 'finalized' ORDER BY number LIMIT 1},
		evidence_month => q{SELECT length(billing.evidence_month('t5', '2026-02-01'))},
		make_retention_bundles => q{SELECT billing.make_retention_bundles('2030-01-01')},
		create_account => q{SELECT billing.create_account('newMARK', name => 'New')},
		create_product => q{SELECT billing.create_product('productMARK')},
		create_meter => q{SELECT billing.create_meter('otherMARK', unit => 'x')},
		create_currency => q{SELECT billing.create_currency('POINT', 'Points', 2)},
		create_legal_entity => q{SELECT billing.create_legal_entity('asia', 'Asia KK', country => 'JP', invoice_series => 'JP')},
		create_plan => q{SELECT billing.create_plan('freshMARK', currency => 'EUR')},
		add_charge => q{SELECT billing.add_charge('next', 'extra', price => '{"model":"flat","amount":"1"}')},
		remove_charge => q{SELECT billing.remove_charge('next', 'base')},
		publish_plan => q{SELECT billing.publish_plan('next')},
		draft_plan => q{SELECT billing.draft_plan('pro')},
		retire_plan => q{SELECT billing.retire_plan('pro', 1)},
		subscribe => q{SELECT billing.subscribe('free', plan => 'pro', starts => '2026-03-01', idempotency_key => 'subMARK')},
		change_plan => "SELECT billing.change_plan('t1', @{[ subscription(1) ]}, 'max', effective => '2026-04-01', today => '2026-03-10')",
		cancel_subscription => "SELECT billing.cancel_subscription('t1', @{[ subscription(1) ]}, today => '2026-03-10')",
		resume_subscription => "SELECT billing.resume_subscription('t6', @{[ subscription(6) ]}, today => '2026-03-10')",
		set_renewal => "SELECT billing.set_renewal('t8', @{[ subscription(8) ]}, 'manual')",
		renew_subscription => "SELECT billing.renew_subscription('t8', @{[ subscription(8) ]}, '2026-03-10')",
		renew_subscriptions => "SELECT billing.renew_subscriptions('2026-03-31')",
		open_allocation => q{SELECT billing.open_allocation('t1', 'pod-2MARK', meter => 'gpu', units => 2, opened_at => '2026-03-05 00:00Z')},
		close_allocation => q{SELECT billing.close_allocation('t1', 'pod-1', closed_at => '2026-03-06 06:30Z')},
		accrue_allocations => q{SELECT billing.accrue_allocations('2026-03-08 00:00Z')},
		register_device => q{SELECT billing.register_device('t1', 'phoneMARK', enrolled_from => '2026-02-01')},
		register_devices => q{SELECT billing.register_devices(jsonb_agg(jsonb_build_object('tenant', 't2', 'device', 'dMARK/' || n, 'enrolled_from', '2026-02-01'))) FROM generate_series(1, 100) AS n},
		cover_device => q{SELECT billing.cover_device('t1', 'a', 'cover againMARK', '2026-02-20', '2026-02-25', 'gold')},
		record_coverage => q{SELECT billing.record_coverage('[{"tenant":"t1","device":"a","event_id":"j1MARK","event_type":"uncover","effective_from":"2026-02-10"},{"tenant":"t1","device":"b","event_id":"j2MARK","event_type":"cover","effective_from":"2026-02-10"}]')},
		import_coverage => q{SELECT billing.import_coverage('public.coverage_source')},
		record_activity_proof => q{SELECT billing.record_activity_proof('t1', 'a', sha256('proofMARK'), '2026-02-05')},
		claim_identity => q{SELECT billing.claim_identity('t1', 'c', 'serial', 'S1MARK', '2026-02-02')},
		claim_identities => q{SELECT billing.claim_identities('[{"tenant":"t1","device":"c","identity_type":"mac","identity_value":"M1MARK"},{"tenant":"t1","device":"a","identity_type":"mac","identity_value":"M1MARK"}]')},
		resolve_claim => q{SELECT billing.resolve_claim('t1', 'serial', 'S1', 'merge', winner => 'a', actor => 'clerk', reason => 'seen')},
		escalate_disputes => q{SELECT billing.escalate_disputes('2031-01-01Z')},
		set_coverage_policy => q{SELECT billing.set_coverage_policy('t1', dispute_sla_hours => 24)},
		set_personal_data => q{SELECT billing.set_personal_data('t2', 'main', 'email', 'b' || chr(64) || 'mail.example')},
		erase_subject => q{SELECT billing.erase_subject('t1', 'main', 'asked', today => '2026-03-10')},
		purge_subjects => q{SELECT billing.purge_subjects('2060-01-01')},
		rewrap_data_keys => q{SELECT billing.rewrap_data_keys()},
		place_legal_hold => q{SELECT billing.place_legal_hold('t1', 'Doe v. Acme')},
		release_legal_hold => q{SELECT billing.release_legal_hold((SELECT hold_id FROM billing.legal_holds WHERE reason = 'old' AND released_by IS NULL), 'settled')},
		set_retention => q{SELECT billing.set_retention('usage_records', '2 months')},
		drop_month => q{SELECT billing.make_retention_bundles('2030-01-01'), billing.drop_month('usage_records', '2025-12-01', '2030-01-01')},
		APPLY_RETENTION => q{CALL billing.apply_retention('2030-01-01')},
		ensure_partitions => q{SELECT billing.ensure_partitions('2026-06-01', '2026-08-01')},
		migrate => 'SELECT billing.migrate()',
		record_schema => q{DO $$ BEGIN ALTER TABLE billing.accounts ADD COLUMN crm_id text; PERFORM billing.record_schema('by hand'); END $$},
		rotate_signing_key => q{SELECT billing.rotate_signing_key((SELECT vkey FROM public.next_key))},
		add_signature => 'SELECT billing.add_signature(seal_no, note) FROM public.signed_outside',
		grant_tenant_role => q{SELECT billing.grant_tenant_role('soak_tenant', 't2')},
		revoke_tenant_role => q{SELECT billing.revoke_tenant_role('soak_other')},
		set_job => q{SELECT billing.set_job('sealing', enabled => false)},
		(map { uc "job_$_" => "CALL billing.job_$_('2026-03-10 12:00Z')" } qw(count_sync rating invoice_run sealing partitions renewals escalation personal_data verification)),
		JOB_RETENTION => "CALL billing.job_retention('2030-01-01 12:00Z')",
		RUN_JOB => "CALL billing.run_job('rating', '2026-03-10 13:00Z')",
		RUN_OVERDUE_JOBS => "CALL billing.run_overdue_jobs('2026-03-11 12:00Z')");
}

# Fails when a public function that writes is neither called nor left out.
sub all_calls_are_here
{
	my ($node) = @_;
	my %calls = calls();
	my $text = join "\n", values %calls;
	my @missing = grep { $text !~ /\bbilling\.$_\(/ && !$left_out{$_} } split /\n/, $node->safe_psql('postgres', q{
		SELECT DISTINCT p.proname FROM pg_proc p
		 WHERE p.pronamespace = 'billing'::regnamespace AND p.provolatile = 'v' AND p.prokind IN ('f', 'p')
		   AND coalesce(obj_description(p.oid, 'pg_proc'), '') NOT LIKE 'Internal: %' ORDER BY 1});
	is("@missing", '', 'every public call that writes is in test/soak/lib/Calls.pm, or left out there with a reason');
	return;
}

my $catalogue = qq{
SELECT billing.ensure_partitions('2025-12-01', '2026-06-01');
SELECT billing.create_meter('requests', unit => 'request'), billing.create_meter('seats', unit => 'seat', aggregation => 'max'),
       billing.create_meter('gpu', unit => 'GPU-second'), billing.create_meter('covered_devices', unit => 'device-day', dimensions => '{plan,device_type}');
SELECT billing.create_plan(p, currency => 'EUR'), billing.add_charge(p, 'base', price => '{"model":"flat","amount":"49"}', in_advance => true),
       billing.add_charge(p, 'requests', meter => 'requests', price => '{"model":"graduated","tiers":[{"up_to":"1000","unit":"0"},{"up_to":null,"unit":"0.013"}]}'),
       billing.add_charge(p, 'seats', meter => 'seats', price => '{"model":"volume","tiers":[{"up_to":"10","unit":"7"},{"up_to":null,"unit":"6"}]}'),
       billing.add_charge(p, 'gpu', meter => 'gpu', price => '{"model":"unit","unit":"2","per":"3600"}'),
       billing.add_charge(p, 'devices', meter => 'covered_devices', price => '{"model":"unit","unit":"0.1"}')
  FROM unnest('{pro,max,next}'::text[]) AS p;
SELECT billing.publish_plan(p) FROM unnest('{pro,max}'::text[]) AS p;
SELECT billing.create_account('t' || n, name => 'Tenant ' || n),
       billing.subscribe('t' || n, plan => 'pro', starts => '2025-12-01', ends => CASE WHEN n = 8 THEN date '2026-04-01' END) FROM generate_series(1, $tenants) AS n;
SELECT billing.create_account('free');
SELECT billing.cancel_subscription('t6', @{[ subscription(6) ]}, today => '2026-03-09');
SELECT billing.set_renewal('t8', @{[ subscription(8) ]}, 'automatic', months => 1, notice_days => 10);
SELECT billing.post_entry('t1', 'payment', 500, 'EUR', memo => 'to reverse', posted_on => '2026-02-05');
SELECT billing.open_allocation('t1', 'pod-1', meter => 'gpu', units => 0.5, opened_at => '2026-02-27 22:00Z');
SELECT billing.register_device('t1', d, enrolled_from => '2026-02-01') FROM unnest('{a,b,c}'::text[]) AS d;
SELECT billing.cover_device('t1', 'a', 'covered', '2026-02-03', NULL, 'basic');
SELECT billing.claim_identity('t1', d, 'serial', 'S1', '2026-02-02') FROM unnest('{a,b}'::text[]) AS d;
SELECT billing.set_personal_data('t1', 'main', 'email', 'a' || chr(64) || 'mail.example');
SELECT billing.set_personal_data('t9', 'main', 'email', 'i' || chr(64) || 'mail.example');
SELECT billing.set_personal_data('t9', 'main', 'tax_numbers', '[{"country":"DE","number":"DE123456789"}]');
SELECT billing.erase_subject('t9', 'main', 'asked', today => '2026-02-10');
SELECT billing.place_legal_hold('free', 'old'), billing.set_retention('usage_records', '1 month', dispute_days => 0);
CREATE ROLE soak_tenant;
CREATE ROLE soak_other;
SELECT billing.grant_tenant_role('soak_other', 't1');
CREATE TABLE public.usage_source AS SELECT 't' || n % 12 + 1 AS tenant_id, 'requests'::text AS meter_id, 'imported' || n AS event_id,
       timestamptz '2026-03-08Z' AS occurred_at, n::numeric AS quantity FROM generate_series(1, 500) AS n;
CREATE TABLE public.coverage_source AS SELECT 't1'::text AS tenant_id, 'b'::text AS device_key, 'imported' || n AS event_id, 'cover'::text AS event_type,
       date '2026-02-01' + n AS effective_from FROM generate_series(1, 20) AS n;
};

sub month_of_usage
{
	my ($month, $days) = @_;
	return qq{
SELECT billing.record_usage(jsonb_agg(jsonb_build_object('tenant', 't' || n, 'meter', m, 'event_id', concat_ws('/', m, '$month', d), 'quantity', n * 7 + d,
       'occurred_at', timestamptz '$month 09:00Z' + d * interval '1 day')))
  FROM generate_series(1, $tenants) AS n, unnest('{requests,seats}'::text[]) AS m, generate_series(0, $days) AS d;
SELECT FROM billing.sync_counts();
};
}

# The tables' rows, and with what else a call may change, as one line that is the same when nothing was changed.
my $digest = q{
CREATE SCHEMA soak;
CREATE FUNCTION soak.rows_digest() RETURNS text LANGUAGE plpgsql SET search_path = pg_catalog SET timezone = 'UTC' AS $$
DECLARE
	parts text := '';
	part  text;
	named regclass;
BEGIN
	FOR named IN SELECT oid FROM pg_class WHERE relnamespace = 'billing'::regnamespace AND relkind = 'r' ORDER BY relname COLLATE "C" LOOP
		EXECUTE format('SELECT sum(hashtextextended(t::text, 0)) || '' '' || count(*) FROM %s AS t', named) INTO part;
		parts := concat(parts, named, part);
	END LOOP;
	RETURN md5(parts);
END $$;
CREATE FUNCTION soak.digest() RETURNS text LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
	RETURN md5(soak.rows_digest() || (SELECT string_agg(c::text, '' ORDER BY c.relname, c.relkind, c.relacl::text) FROM (SELECT relname, relkind, relacl, relowner FROM pg_class WHERE relnamespace = 'billing'::regnamespace) AS c)
		|| (SELECT string_agg(p.oid::regprocedure || coalesce(p.proacl::text, ''), '' ORDER BY p.oid) FROM pg_proc p WHERE p.pronamespace = 'billing'::regnamespace)
		|| (SELECT count(*) || coalesce(string_agg(setconfig::text, ''), '') FROM pg_db_role_setting) || (SELECT count(*) FROM pg_auth_members));
END $$;
};

# Another signing key is asked for what the log would be signed with, and told in the hint; its verifier key goes to public.next_key.
# A second key for personal data is put before the first, so that there is something to wrap again.
sub make_new_keys
{
	my ($node) = @_;
	my $signing = $node->safe_psql('postgres', 'SHOW billing.signing_key_file');
	my $field = $node->safe_psql('postgres', 'SHOW billing.field_key_file');
	my $old = slurp_file($field);
	my $umask = umask 077;
	system_or_bail('openssl', 'genpkey', '-algorithm', 'ed25519', '-out', "$signing.next");
	unlink $field;
	append_to_file($field, 'k2 ' . `openssl rand -base64 32` . $old);
	umask $umask;
	$node->safe_psql('postgres', "ALTER SYSTEM SET billing.signing_key_file = '$signing.next'");
	$node->safe_psql('postgres', 'SELECT pg_reload_conf(), pg_sleep(0.2)');
	my (undef, undef, $error) = $node->psql('postgres', 'SELECT billing.seal(true)');
	$node->safe_psql('postgres', 'ALTER SYSTEM RESET billing.signing_key_file');
	$node->safe_psql('postgres', 'SELECT pg_reload_conf(), pg_sleep(0.2)');
	my ($vkey) = $error =~ /rotate_signing_key\('([^']+)'\)/ or die "no hint of a key in $error";
	$node->safe_psql('postgres', "CREATE TABLE public.next_key AS SELECT text '$vkey' AS vkey");
	return;
}

# The newest checkpoint waits for who signs outside the server. What he signs, with the key there is, is in public.signed_outside.
sub leave_unsigned
{
	my ($node) = @_;
	my $key_file = $node->safe_psql('postgres', 'SHOW billing.signing_key_file');
	$node->safe_psql('postgres', "ALTER SYSTEM SET billing.signing_key_file = ''");
	$node->safe_psql('postgres', 'SELECT pg_reload_conf(), pg_sleep(0.2)');
	$node->safe_psql('postgres', 'SELECT FROM billing.seal(true)');
	my ($note) = sign_outside($key_file, $node->safe_psql('postgres', 'SELECT body FROM billing.unsigned_checkpoint()'));
	$node->safe_psql('postgres', 'CREATE TABLE public.signed_outside AS SELECT seal_no, ' . sql_text($note) . ' AS note FROM billing.unsigned_checkpoint()');
	$node->safe_psql('postgres', 'ALTER SYSTEM RESET billing.signing_key_file');
	$node->safe_psql('postgres', 'SELECT pg_reload_conf(), pg_sleep(0.2)');
	return;
}

# Fills database postgres of a node.
sub make_state
{
	my ($node) = @_;
	$node->safe_psql('postgres', $_)
	  for $catalogue, month_of_usage('2025-12-01', 27), q{CALL billing.run_invoices('2026-01-01', finalize => true)},
	  month_of_usage('2026-01-01', 27), q{SELECT FROM billing.sync_coverage('2026-01-31')}, q{CALL billing.run_invoices('2026-02-01', finalize => true)},
	  'SELECT billing.seal()',
	  month_of_usage('2026-02-01', 27), q{SELECT FROM billing.sync_coverage('2026-02-28')}, q{CALL billing.run_invoices('2026-03-01', finalize => false)},
	  'SELECT billing.seal()', q{SELECT billing.cover_device('t1', 'b', 'after', '2026-02-13')},
	  q{SELECT billing.record_usage('t1', 'requests', 'uncounted', 3, '2026-03-02Z')}, $digest;
	leave_unsigned($node);
	make_new_keys($node);
	return;
}

sub state_digest
{
	my ($node, $database) = @_;
	return $node->safe_psql($database, 'SELECT soak.digest()');
}

1;
