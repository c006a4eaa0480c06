#!/usr/bin/perl
# Random SQL over the installed extension, and no backend crashes: every function of billing with arguments of every kind (null, empty, extreme,
# known and unknown keys), and sqlsmith's queries, as superuser, as a member of each role and as nobody in particular. No function
# that is called from outside may end in an internal error either, nor take CALL_SECONDS, or MEMORY.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../tap/lib", "$FindBin::Bin/lib";
use IPC::Run;
use Test::More;
use Soak qw(begin_soak figure is_long seconds_left seed soak_node);
use SoakQuery qw(query try_query wait_for_server);

my $CALL_SECONDS = 30;
my $MEMORY = 4_000_000_000; # bytes of address space of a backend

begin_soak(short => 10);
my $node = soak_node('random_sql', fsync => 'off', restart_after_crash => 'on', max_connections => 50, log_min_messages => 'log');
my $database = $node->connstr('postgres');
# Who asks for more is told so, and is found among the outcomes, instead of being killed, or worse.
system('prlimit', '--pid', $node->{_pid}, "--as=$MEMORY") == 0 or diag('without prlimit backends are not limited');

query(q{
SELECT billing.ensure_partitions('2026-01-01', '2026-05-01'), billing.ensure_partitions(current_date, current_date + 31);
SELECT billing.create_meter('requests', unit => 'request', dimensions => '{k}');
SELECT billing.create_plan('pro', currency => 'EUR'), billing.add_charge('pro', 'base', price => '{"model":"flat","amount":"49"}', in_advance => true),
       billing.add_charge('pro', 'requests', meter => 'requests', price => '{"model":"unit","unit":"0.11"}'), billing.publish_plan('pro');
SELECT billing.create_account('t' || n), billing.subscribe('t' || n, plan => 'pro', starts => '2026-01-01') FROM generate_series(1, 3) AS n;
SELECT billing.register_device('t1', 'd1', device_type => 'sensor', enrolled_from => '2026-01-01');
SELECT billing.record_usage('t' || n, 'requests', 'e' || n, n, '2026-01-05Z') FROM generate_series(1, 3) AS n;
SELECT billing.post_entry('t1', 'payment', 100, 'EUR', posted_on => '2026-01-05');
CALL billing.run_invoices('2026-02-01', finalize => true);
SELECT FROM billing.seal();
CREATE ROLE stranger LOGIN;
CREATE ROLE owner LOGIN IN ROLE billing_owner;
CREATE ROLE clerk LOGIN IN ROLE billing_admin, billing_operator, billing_auditor;
CREATE ROLE shop LOGIN IN ROLE billing_app, billing_tenant;
SELECT billing.grant_tenant_role('shop', 't1');

-- What calls are made of: for each type some literals, known keys among them.
CREATE TABLE pool (type regtype, literal text);
INSERT INTO pool
SELECT type::regtype, literal FROM (VALUES
    ('text', $$''$$), ('text', $$'t1'$$), ('text', $$'main'$$), ('text', $$'pro'$$), ('text', $$'requests'$$), ('text', $$'EUR'$$), ('text', $$'payment'$$), ('text', $$'base'$$), ('text', $$'e1'$$),
    ('text', $$'INV-2026-000001'$$), ('text', $$'d1'$$), ('text', $$'now'$$), ('text', $$'email'$$), ('text', $$'cover'$$), ('text', $$'count_sync'$$), ('text', $$'usage_records'$$), ('text', $$'ledger_entry'$$), ('text', $$'automatic'$$),
    ('text', $$repeat('x', 300)$$), ('text', $$repeat('[', 5000)$$), ('text', $$E'a\u0001b\n'$$), ('text', $$U&'\+01F600\0301'$$), ('text', $$'%s%n'$$), ('text', $$'{"a":1}'$$), ('text', $$'4111111111111111'$$),
    ('bigint', '0'), ('bigint', '1'), ('bigint', '-1'), ('bigint', '9223372036854775807'), ('bigint', '-9223372036854775808'),
    ('integer', '0'), ('integer', '1'), ('integer', '-1'), ('integer', '2147483647'), ('integer', '-2147483648'), ('integer', '12'), ('smallint', '1'), ('smallint', '-32768'),
    ('numeric', '0'), ('numeric', '1.5'), ('numeric', $$'NaN'$$), ('numeric', $$'-Infinity'$$), ('numeric', '99999999999999999999999999999999999999'), ('numeric', '1e-18'), ('numeric', $$'1e131071'$$), ('numeric', '-7'),
    ('boolean', 'true'), ('boolean', 'false'), ('date', $$'2026-02-01'$$), ('date', $$'infinity'$$), ('date', $$'-infinity'$$), ('date', $$'5874897-12-31'$$), ('date', $$'4713-01-01 BC'$$), ('date', $$'2026-01-31'$$), ('date', $$'9999-12-31'$$),
    ('timestamptz', $$'2026-02-01Z'$$), ('timestamptz', $$'infinity'$$), ('timestamptz', $$'-infinity'$$), ('timestamptz', $$'294276-12-31 23:59:59Z'$$), ('timestamptz', $$'4713-01-01 BC'$$),
    ('interval', $$'1 month'$$), ('interval', $$'-178000000 years'$$), ('interval', $$'0'$$), ('uuid', $$'00000000-0000-0000-0000-000000000000'$$), ('uuid', '(SELECT subscription_id FROM billing.subscriptions LIMIT 1)'),
    ('uuid', '(SELECT invoice_id FROM billing.invoices LIMIT 1)'), ('uuid', '(SELECT entry_id FROM billing.ledger_entries LIMIT 1)'),
    ('jsonb', $$'{}'$$), ('jsonb', $$'[]'$$), ('jsonb', $$'null'$$), ('jsonb', $$'"x"'$$), ('jsonb', $$'[{}]'$$), ('jsonb', $$'[null,[1]]'$$), ('jsonb', $$'{"model":"unit","unit":"1"}'$$), ('jsonb', $$'{"model":"graduated","tiers":[]}'$$),
    ('jsonb', $$'{"model":"volume","tiers":[{"up_to":"1e999","unit":"1"},{"unit":-1}]}'$$), ('jsonb', $$'{"k":"v"}'$$), ('jsonb', $$('{"a":' || repeat('[', 500) || repeat(']', 500) || '}')::jsonb$$),
    ('jsonb', $$'[{"tenant":"t1","meter":"requests","event_id":"e9","quantity":"1","occurred_at":"2026-01-06T00:00:00Z"}]'$$), ('jsonb', $$'[{"tenant":"t1","device":"d1","event_id":"c","event_type":"cover","effective_from":"2026-01-01"}]'$$),
    ('bytea', $$''$$), ('bytea', $$'\x00'$$), ('bytea', $$decode(repeat('ff', 32), 'hex')$$), ('text[]', $$'{}'$$), ('text[]', $$'{t1,NULL}'$$), ('text[]', $$'{{a,b},{c,d}}'$$), ('text[]', $$'[5:6]={a,b}'$$),
    ('bigint[]', $$'{}'$$), ('bigint[]', $$'{1,NULL}'$$), ('bigint[]', $$'{9223372036854775807,9223372036854775807}'$$), ('bigint[]', $$'{{1},{2}}'$$), ('numeric[]', $$'{NaN,1}'$$), ('timestamptz[]', $$'{infinity,2026-01-05Z}'$$), ('jsonb[]', $$ARRAY['{}'::jsonb,NULL]$$),
    ('bytea[]', $$ARRAY[''::bytea,NULL]$$), ('uuid[]', $$'{}'$$), ('uuid[]', $$ARRAY[NULL,'00000000-0000-0000-0000-000000000000'::uuid]$$), ('date[]', $$'{infinity,NULL}'$$), ('integer[]', $$'{}'$$), ('regclass', $$'pg_class'$$), ('regclass', $$'billing.usage_records'$$), ('regclass', '0'),
    ('xid8', $$'0'$$), ('xid8', $$'18446744073709551615'$$), ('pg_snapshot', $$'1:1:'$$), ('pg_snapshot', $$'10:20:10,14'$$), ('name', $$'billing'$$), ('"char"', $$'x'$$), ('oid', '0'), ('record', 'ROW(1,NULL)')) AS p (type, literal);
CREATE TABLE outcomes (role text, function text, state text, call text, message text);
GRANT INSERT, SELECT ON outcomes TO PUBLIC;
GRANT SELECT ON pool TO PUBLIC;

CREATE VIEW callable AS
SELECT p.oid, p.proname, p.prokind, p.proargtypes, p.pronargs, p.oid::regprocedure::text AS function, coalesce(obj_description(p.oid) LIKE 'Internal: %', false) AS is_internal FROM pg_proc p
 WHERE p.pronamespace = 'billing'::regnamespace AND p.prokind IN ('f', 'p') AND p.prorettype <> 'trigger'::regtype AND p.prorettype <> 'event_trigger'::regtype;
GRANT SELECT ON callable TO PUBLIC;

-- A call with random arguments, which is rolled back; what went wrong inside is kept.
CREATE PROCEDURE call_at_random(target oid) LANGUAGE plpgsql AS $$
DECLARE
    c     callable;
    sql   text;
    state text := '00000';
    told  text;
BEGIN
    SELECT * INTO c FROM callable WHERE oid = target;
    SELECT format('%s billing.%I(%s)', CASE c.prokind WHEN 'p' THEN 'CALL' ELSE 'SELECT' END, c.proname,
                  coalesce(string_agg(CASE WHEN random() < 0.12 OR a.literal IS NULL THEN 'NULL' ELSE a.literal END || '::' || a.type::regtype, ', ' ORDER BY a.n), ''))
      INTO sql
      FROM (SELECT t.n, t.type, (SELECT p.literal FROM pool p WHERE p.type = t.type ORDER BY random() + t.n * 0 LIMIT 1) AS literal FROM unnest(c.proargtypes) WITH ORDINALITY AS t (type, n)) AS a;
    BEGIN
        EXECUTE sql;
        RAISE EXCEPTION USING ERRCODE = 'ZZ000';
    EXCEPTION WHEN SQLSTATE 'ZZ000' THEN
        NULL;
    WHEN query_canceled OR assert_failure OR OTHERS THEN
        GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, told = MESSAGE_TEXT;
    END;
    INSERT INTO outcomes VALUES (session_user, c.function, state, sql, told);
END
$$;
});

my @roles = ([ 'superuser', undef ], map { [ $_, $_ ] } qw(owner clerk shop stranger));
my ($calls, $queries, $crashes) = (0, 0, 0);
# How often a backend ended by a signal, as the server's log says.
sub count_crashes
{
	my $log = PostgreSQL::Test::Utils::slurp_file($node->logfile);
	my @crashes = $log =~ /(server process \(PID \d+\) was terminated by signal.*(?:\n.*DETAIL:.*)?|.*PANIC:.*|.*TRAP:.*)/g;
	return @crashes;
}

sub run_as
{
	my ($role, $seconds, $input, @command) = @_;
	local $ENV{PGUSER} = $role // query('SELECT current_user');
	local $ENV{PGOPTIONS} = "-c statement_timeout=${seconds}s -c client_min_messages=error";
	my ($out, $error) = ('', '');
	my $succeeded = eval { IPC::Run::run(\@command, '<', \$input, '>', \$out, '2>', \$error, IPC::Run::timeout(3600)) };
	return ($succeeded, $out, $error);
}

my $smith = grep { -x "$_/sqlsmith" } split /:/, $ENV{PATH};
my $sqlsmith_note = $smith ? '' : ' (sqlsmith is not installed: calls only)';
print { Test::More->builder->failure_output } "SKIPPED: $0 has no sqlsmith; its queries did NOT run\n" if !$smith && is_long();
my $round = 0;
do
{
	for my $number (0 .. $#roles)
	{
		my ($name, $role) = @{ $roles[$number] };
		my $some = is_long() ? 1000 : 100;
		my $seed = ((seed() + 5 * $round + $number) % 1000) / 1000;
		my ($succeeded, $out, $error) = run_as($role, $CALL_SECONDS, <<"END", 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', $database);
SELECT setseed($seed) IS NULL;
SELECT format('CALL call_at_random(%s)', c.oid) FROM generate_series(1, 1 + $some / (SELECT count(*) FROM callable)) AS pass, callable c ORDER BY random() LIMIT $some \\gexec
END
		$calls += $some if $succeeded;
		ok($succeeded, "calls at random as $name") or diag($error) if $round == 0 || !$succeeded;
		wait_for_server() if !$succeeded;
		# The short form asks it as one of them.
		next if !$smith || !is_long() && $number != seed() % @roles;
		my $most = is_long() ? 500 : 12;
		# A query that takes long is ended by statement_timeout.
		($succeeded, $out, $error) = run_as($role, 2, '', 'timeout', is_long() ? 120 : 20, 'sqlsmith', '--target=' . $database . (defined $role ? " user=$role" : ''), '--seed=' . (seed() + $round), "--max-queries=$most", '--verbose');
		$queries += $most if $succeeded;
		wait_for_server();
	}
	$round++;
	my @found = count_crashes();
	diag(join "\n", @found) if @found > $crashes;
	$crashes = @found;
} while (is_long() && seconds_left() > 0);

is($crashes, 0, 'no backend crashed');
my $internal = query(q{SELECT string_agg(format('%s %s: %s', state, call, message), E'\n') FROM (SELECT DISTINCT ON (function, state) * FROM outcomes JOIN callable USING (function) WHERE NOT is_internal AND state ~ '^XX|^MB500|^P0004|^53|^57' ORDER BY function, state, length(call)) AS o});
is($internal, '', 'no internal error, and none that took too long or too much');
my ($reached, $functions, $answered) = split /\|/, query(q{SELECT (SELECT count(DISTINCT function) FROM outcomes), (SELECT count(*) FROM callable), (SELECT count(*) FROM outcomes WHERE state = '00000')});
diag("$calls calls of $reached of $functions functions, $answered answered");
is(query('SELECT * FROM billing.check_integrity()'), '', 'integrity');
figure('random SQL', figure => "$calls calls of billing's functions, $queries queries of sqlsmith$sqlsmith_note, as " . @roles . " roles: $crashes crashes", aim => '0 backend crashes', violations => $crashes);
$node->stop;
done_testing();
