# A schema, first in the search_path, has something of its own for the operators, functions, aggregates and types of
# pg_catalog that take common types, and pg_temp has tables with our names: installing, every call and every table answer as
# without it, and nothing of it is ever reached.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $dir = PostgreSQL::Test::Utils::tempdir();
system_or_bail('openssl', 'genpkey', '-algorithm', 'ed25519', '-out', "$dir/signing.pem");
append_to_file("$dir/$_.keys", 'test' . ($_ eq 'token' ? ' HS256 ' : ' ') . `openssl rand -base64 32`) for qw(token field);
chmod 0600, map { "$dir/$_" } qw(signing.pem token.keys field.keys);
my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', "timezone = 'UTC'\nbilling.token_key_file = '$dir/token.keys'\nbilling.field_key_file = '$dir/field.keys'\n" .
	"billing.log_origin = 'example.org'\nbilling.signing_key_file = '$dir/signing.pem'\n");
$node->start;
$node->safe_psql('postgres', "CREATE ROLE plain LOGIN; CREATE DATABASE clean; CREATE DATABASE trapped;");

# ---- the traps, made by a plain user ----
$node->safe_psql('trapped', 'CREATE SCHEMA trap AUTHORIZATION plain; GRANT USAGE ON SCHEMA trap TO PUBLIC');
my $traps = <<'TRAPS';
CREATE TEMP TABLE counted (kind text, n bigint);
DO $do$
DECLARE
	common oidvector := (SELECT string_agg(t::regtype::oid::text, ' ') FROM unnest('{text,name,int2,int4,int8,numeric,date,timestamptz,timestamp,interval,jsonb,json,uuid,bytea,bool,regclass,oid,xid8,xid,pg_snapshot,
		text[],int4[],int8[],uuid[],bytea[],numeric[],jsonb[],float8,anyarray,anyelement,anycompatible,anycompatiblearray,anynonarray,record,varchar,bpchar,regtype,regrole,regprocedure,daterange,anyrange,inet,tid,"\"char\""}'::text[]) AS t)::oidvector;
	body text := $b$ LANGUAGE plpgsql AS $f$ BEGIN RAISE WARNING 'sprung: %s'; RAISE EXCEPTION 'sprung: %s'; END $f$ $b$;
	shadowed record;
	made bigint := 0;
BEGIN
	FOR shadowed IN SELECT o.oid, o.oprname, o.oprleft, o.oprright, o.oprresult FROM pg_operator o
			WHERE o.oprnamespace = 'pg_catalog'::regnamespace AND (o.oprleft = 0 OR o.oprleft = ANY (common)) AND o.oprright = ANY (common) LOOP
		BEGIN
			EXECUTE format('CREATE FUNCTION trap.operator_%s(%s%s) RETURNS %s ' || body, shadowed.oid, CASE WHEN shadowed.oprleft <> 0 THEN shadowed.oprleft::regtype || ', ' END,
				shadowed.oprright::regtype, shadowed.oprresult::regtype, replace(shadowed.oprname, '%', 'percent'), replace(shadowed.oprname, '%', 'percent'));
			EXECUTE format('CREATE OPERATOR trap.%s (%s RIGHTARG = %s, FUNCTION = trap.operator_%s)', shadowed.oprname,
				CASE WHEN shadowed.oprleft <> 0 THEN format('LEFTARG = %s,', shadowed.oprleft::regtype) END, shadowed.oprright::regtype, shadowed.oid);
			made := made + 1;
		EXCEPTION WHEN OTHERS THEN NULL;
		END;
	END LOOP;
	INSERT INTO counted VALUES ('operators', made);
	made := 0;
	FOR shadowed IN SELECT p.proname, p.proretset, p.prorettype, (SELECT string_agg(t::regtype::text, ', ' ORDER BY n) FROM unnest(p.proargtypes) WITH ORDINALITY AS a (t, n)) AS arguments
			 FROM pg_proc p WHERE p.pronamespace = 'pg_catalog'::regnamespace AND p.prokind IN ('f', 'w') AND p.proargtypes::oid[] <@ common::oid[] AND p.prorettype <> 'internal'::regtype LOOP
		BEGIN
			EXECUTE format('CREATE FUNCTION trap.%I(%s) RETURNS %s %s ' || body, shadowed.proname, shadowed.arguments, CASE WHEN shadowed.proretset THEN 'SETOF' END, shadowed.prorettype::regtype, shadowed.proname, shadowed.proname);
			made := made + 1;
		EXCEPTION WHEN OTHERS THEN NULL;
		END;
	END LOOP;
	INSERT INTO counted VALUES ('functions', made);
	made := 0;
	FOR shadowed IN SELECT p.oid, p.proname, coalesce((SELECT string_agg(t::regtype::text, ', ' ORDER BY n) FROM unnest(p.proargtypes) WITH ORDINALITY AS a (t, n)), '*') AS arguments
			 FROM pg_proc p WHERE p.pronamespace = 'pg_catalog'::regnamespace AND p.prokind = 'a' AND p.proargtypes::oid[] <@ common::oid[] LOOP
		BEGIN
			EXECUTE format('CREATE FUNCTION trap.step_%s(text%s) RETURNS text ' || body, shadowed.oid, CASE WHEN shadowed.arguments <> '*' THEN ', ' || shadowed.arguments END, shadowed.proname, shadowed.proname);
			EXECUTE format('CREATE AGGREGATE trap.%I(%s) (SFUNC = trap.step_%s, STYPE = text, INITCOND = '''')', shadowed.proname, shadowed.arguments, shadowed.oid);
			made := made + 1;
		EXCEPTION WHEN OTHERS THEN NULL;
		END;
	END LOOP;
	INSERT INTO counted VALUES ('aggregates', made);
	made := 0;
	FOR shadowed IN SELECT t.typname FROM pg_type t WHERE t.typnamespace = 'pg_catalog'::regnamespace AND t.oid = ANY (common) AND t.typtype IN ('b', 'r') AND t.typname !~ '^_' LOOP
		EXECUTE format('CREATE DOMAIN trap.%I AS pg_catalog.%I CHECK (VALUE IS NULL)', shadowed.typname, shadowed.typname);
		made := made + 1;
	END LOOP;
	INSERT INTO counted VALUES ('types', made);
END
$do$;
SELECT kind, n FROM counted ORDER BY kind;
TRAPS
my $made = $node->safe_psql('trapped', $traps, extra_params => [ '-U', 'plain' ]);
note $made;
my %made = map { split /\|/ } split /\n/, $made;
cmp_ok($made{operators}, '>', 400, "operators are shadowed: $made{operators}");
cmp_ok($made{functions}, '>', 1000, "functions are shadowed: $made{functions}");
cmp_ok($made{aggregates}, '>', 50, "aggregates are shadowed: $made{aggregates}");
cmp_ok($made{types}, '>', 20, "types are shadowed: $made{types}");
$node->safe_psql('postgres', 'ALTER DATABASE trapped SET search_path = trap, pg_temp, pg_catalog');
like(($node->psql('trapped', 'SELECT 1 + 1'))[2], qr/sprung: \+/, 'a trap that is reached springs');
like(($node->psql('trapped', q{SELECT count(*) FROM pg_class}))[2], qr/sprung: count/, 'an aggregate too');
like(($node->psql('trapped', q{SELECT 'x'::text}))[2], qr/violates check constraint/, 'and a type');

# ---- what is run in both databases; nothing here uses an operator or function that is not ours ----
# The tour of README.md, of whose statements those that are calls; then what it leaves out.
my $readme = slurp_file("$ENV{SOURCE_DIR}/README.md");
my @tour = grep { /^(?:SELECT billing\.|SELECT \* FROM billing\.|CALL|BEGIN|COMMIT|CREATE EXTENSION)/ && !/\bWHERE\b/ } map { s/^\s+//r } split /;\n/, join '', $readme =~ /```sql\n(.*?)```/sg;
cmp_ok(scalar @tour, '>', 20, 'the tour has calls');
my @staff = (
	q{SELECT billing.grant_tenant_role('plain', 'acme', 'app')}, q{SELECT billing.revoke_tenant_role('plain')}, q{SELECT billing.issue_token('acme', valid_for => '1 second') IS NULL},
	q{SELECT billing.create_currency('XCR', 'Credits', 2)}, q{SELECT billing.create_product('box', 'Box')},
	q{SELECT billing.post_entry('acme', 'payment', 100, 'EUR', memo => 'by hand')}, q{SELECT billing.accrue_allocations('2026-11-03Z')},
	q{SELECT billing.set_personal_data('acme', 'main', 'tax_numbers', '[{"country":"DE","number":"DE123456789"}]')}, q{SELECT billing.personal_data('acme')},
	q{SELECT billing.seal()}, q{SELECT billing.verify_log()}, q{SELECT * FROM billing.check_integrity()}, q{SELECT * FROM billing.replay_count_sync()}, q{SELECT billing.install()}, q{SELECT billing.migrate()},
	q{SELECT billing.ensure_partitions('2026-10-01', '2027-06-01')}, q{SELECT billing.draft_plan('pro')}, q{CALL billing.run_rating('2026-12-01')}, q{CALL billing.run_invoices('2026-12-01', finalize => true)},
	q{CALL billing.run_job('partitions', now => '2026-12-05Z')}, q{CALL billing.job_count_sync('2026-12-05Z')}, q{CALL billing.run_overdue_jobs('2026-12-05Z')}, q{CALL billing.job_verification('2026-12-05Z')},
	q{CALL billing.run_job('none')}, q{CALL billing.apply_retention('2026-12-05')}, q{SELECT billing.sync_coverage('2026-12-05')}, q{SELECT billing.replay_coverage()},
	q{SELECT billing.void_invoice('INV-2026-000003', 'mistake', 'acme')}, q{SELECT billing.erase_subject('acme', 'main', 'asked')}, q{SELECT billing.sync_counts()}, q{SELECT billing.seal()},
);
my @app = (
	q{SELECT billing.current_tenant()}, q{SELECT billing.record_usage('acme', 'requests', 'app1', 3, '2026-11-02Z')}, q{SELECT billing.record_usage('acme', 'requests', 'app1', 4, '2026-11-02Z')},
	q{SELECT billing.record_usage_arrays('{acme}', '{requests}', '{app2}', '{5}', '{2026-11-02Z}')}, q{SELECT billing.record_usage('[{"tenant":"acme","meter":"requests","event_id":"app3","occurred_at":"2026-11-02Z"}]')},
	q{SELECT billing.create_account('acme', account => 'lab')}, q{SELECT billing.subscribe('acme', plan => 'pro', starts => '2026-11-15', account => 'lab', trial_days => 5, idempotency_key => 'k')},
	q{SELECT billing.subscribe('acme', plan => 'none', starts => '2026-11-15')}, q{SELECT billing.open_allocation('acme', 'pod', 'tokens', 2, '2026-11-02Z', '{"model":"opus","direction":"output"}')}, q{SELECT billing.close_allocation('acme', 'pod', '2026-11-02 01:00Z')},
	q{SELECT * FROM billing.current_charges('acme', '2026-11-20')}, q{SELECT billing.preview_invoices('acme', '2026-12-01')}, q{SELECT billing.balance('acme', 'EUR')}, q{SELECT billing.invoice_document('INV-2026-000002')},
	q{SELECT billing.show_invoice('INV-2026-000002')}, q{SELECT billing.evidence('INV-2026-000002') IS NULL}, q{SELECT billing.evidence_csv('INV-2026-000002') IS NULL}, q{SELECT billing.evidence_month('acme', '2026-10-01') IS NULL},
	q{SELECT billing.personal_data('acme')}, q{SELECT billing.format_amount(123, 'EUR')}, q{SELECT * FROM billing.cycles('2026-01-31', 1, '2026-01-31', '2026-06-01')}, q{SELECT billing.split_amount(10, '{1,2}')},
	q{SELECT * FROM billing.rate('{"model":"graduated","tiers":[{"up_to":"10","unit":"1"},{"up_to":null,"unit":"2"}]}', 20)}, q{SELECT billing.plan_document('pro', 1)}, q{SELECT billing.canonical_json('{"b":1,"a":[1.50]}')},
	q{SELECT billing.register_device('acme', 'd1', enrolled_from => '2026-11-02')}, q{SELECT billing.cover_device('acme', 'd1', 'c1', '2026-11-03')}, q{SELECT billing.claim_identity('acme', 'd1', 'serial', 's1', '2026-11-03')},
	q{SELECT billing.record_usage('other', 'requests', 'x', 1)}, q{SELECT billing.set_personal_data('acme', 'main', 'email', 'pay@acme.example')},
);
my @loader = ("COPY billing.usage_records (tenant_id, meter_id, event_id, occurred_at, quantity) FROM STDIN;\nacme\trequests\tcopied\t2026-11-03 00:00Z\t2\n\\.\n",
	"COPY billing.usage_records (tenant_id, meter_id, event_id, occurred_at, quantity) FROM STDIN;\nacme\trequests\tcopied2\t2026-11-03 00:00Z\tNaN\n\\.\n");

# The output with what differs from run to run taken out.
sub answers
{
	my ($database, $before, @statements) = @_;
	my $script = "\\set VERBOSITY verbose\n$before\n" . join "\n", map { /^COPY/ ? $_ : s/\s*\n\s*/ /gr . ';' } @statements;
	my ($status, $out, $error) = $node->psql($database, $script, on_error_stop => 0);
	my @errors = grep { !/^LOCATION|^LINE|^ *\^|^CONTEXT|^SQL |^PL/ } split /\n/, $error;
	my $all = join "\n", $out, @errors;
	$all =~ s/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/UUID/g;
	$all =~ s/[0-9a-f]{64}/HASH/g;
	$all =~ s{[A-Za-z0-9+/]{40,}=+}{HASH}g;
	$all =~ s/psql:<stdin>:\d+: //g;
	$all =~ s/\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d\.\d+(?:\+00|Z)?/INSTANT/g;
	$all =~ s/INSTANT\|-?\d+/INSTANT|XID/g;
	return ($all, $error);
}

sub same
{
	my ($name, $before, @statements) = @_;
	my ($clean, $clean_error) = answers('clean', ref $before ? $before->('clean') : $before, @statements);
	my ($trapped, $error) = answers('trapped', ref $before ? $before->('trapped') : $before, @statements);
	unlike($error, qr/sprung|trap\b|violates check constraint "\w+_check"$/m, "$name: " . @statements . ' statements, no trap is reached');
	($trapped, $clean) = map { join "\n", sort split /\n/, $_ } $trapped, $clean if $name =~ /^every view/;
	is($trapped, $clean, "$name: and the answers are the same");
	return $clean;
}

my $clean = same('the tour', '', @tour);
unlike($clean, qr/does not exist|XX000/, 'which is the tour');

# Tables named as ours, and as those of the catalogue, in pg_temp, where a caller may make any.
my $shadow_tables = join "\n", map { "CREATE TEMP TABLE $_;" } split /\n/, $node->safe_psql('clean', q{SELECT format('%I (%s)', c.relname, string_agg(format('%I %s', a.attname, format_type(a.atttypid, NULL)), ', ' ORDER BY a.attnum))
	FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped WHERE c.relnamespace = 'billing'::regnamespace AND c.relkind IN ('r', 'p', 'v') AND NOT c.relispartition GROUP BY c.oid, c.relname});
$shadow_tables =~ s/ (text|date|uuid|bytea|jsonb|numeric|xid8|name|oid|pg_snapshot|inet|interval|regclass)(\[\])?(?=[,)])/ pg_catalog.$1@{[$2 \/\/ '']}/g;
$shadow_tables .= "\nCREATE TEMP TABLE pg_class (oid pg_catalog.oid, relname pg_catalog.name); CREATE TEMP TABLE pg_proc (oid pg_catalog.oid); CREATE TEMP TABLE pg_roles (rolname pg_catalog.name);";
my $as_app = sub {
	my ($database) = @_;
	my $token = $node->safe_psql($database, "SELECT billing.issue_token('acme')");
	return "$shadow_tables\nSET ROLE billing_app;\nSET billing.token = '$token';";
};
same('the application', $as_app, @app);
same('the loader', "$shadow_tables\nSET ROLE billing_loader;", @loader);
same('the staff', $shadow_tables, @staff);
same('the application again', $as_app, @app);
same('every view', '', map { "TABLE billing.$_" } grep { !/log_|check|signing|incarn|window|bundle|fingerprint|month/ } split /\n/, $node->safe_psql('clean', q{SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'billing'::regnamespace AND c.relkind = 'v' ORDER BY 1}));
same('every view, as a tenant', $as_app, map { "TABLE billing.$_" } split /\n/, $node->safe_psql('clean', q{SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'billing'::regnamespace AND c.relkind IN ('v') ORDER BY 1}));

# A procedure that commits cannot pin its search_path, so each stands above; those that others call, and that only call run_job(), go with them.
my $called = join "\n", @tour, @staff;
is(join(' ', grep { $called !~ /CALL billing\.$_\(/ } split /\n/, $node->safe_psql('clean', q{SELECT DISTINCT proname FROM pg_proc p
	WHERE pronamespace = 'billing'::regnamespace AND prokind = 'p' AND has_function_privilege('billing_operator', oid, 'EXECUTE') AND prosrc !~ '^\s*BEGIN\s+CALL billing[.]run_job[(][^;]*;\s+END\s*$'
	  AND NOT EXISTS (SELECT FROM pg_proc c WHERE c.prosrc LIKE '%CALL billing.' || p.proname || '(%')})),
	'', 'every procedure is called');
$node->stop;
done_testing();
