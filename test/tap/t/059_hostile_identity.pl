# Who somebody else would like to be: tokens bent in every way, mappings, roles, and what a login can take away with it.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Digest::SHA qw(hmac_sha256);
use JSON::PP;
use MIME::Base64 qw(decode_base64 encode_base64url);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use BillingTest qw(sql_text);
use HostileTenant qw(attempted hostile_node print_counts run_script seed_tenants sql_array token_for);

my $mark = $HostileTenant::foreign_mark;
my $node = hostile_node('main');
seed_tenants($node);
$node->safe_psql('postgres', 'CREATE DATABASE other');
$node->safe_psql('other', 'CREATE EXTENSION billing; SELECT billing.install()');
my ($id, $secret) = (split / /, $node->safe_psql('postgres', q{SELECT trim(pg_read_file(current_setting('billing.token_key_file')), E'\n')}))[ 0, 2 ];

# A token of claims and header fields put in the place of the right ones; undef takes one away.
sub made
{
	my ($claims, $header, $key, $signed_by) = @_;
	my %claims = (tenant => 'bravo', role => 'app', exp => time + 100, %{ $claims // {} });
	my %header = (alg => 'HS256', kid => $id, %{ $header // {} });
	for my $fields (\%claims, \%header) { delete $fields->{$_} for grep { !defined $fields->{$_} } keys %$fields; }
	my $input = encode_base64url(encode_json(\%header)) . '.' . encode_base64url(encode_json(\%claims));
	return "$input." . encode_base64url($signed_by // hmac_sha256($input, $key // decode_base64($secret)));
}

# Which of these tokens make somebody of a login: "number|tenant", by a loop in the server.
sub accepted
{
	my ($login, @tokens) = @_;
	my @attempts = ({ lines => [ "SELECT string_agg(n || '|' || tenant, ',') FROM (SELECT n, of_$login.tenant_by(t) AS tenant FROM unnest(" . sql_array(@tokens) . ') WITH ORDINALITY AS x (t, n)) AS y WHERE tenant IS NOT NULL;' ] });
	my $error = run_script($node, $login, "CREATE OR REPLACE FUNCTION of_$login.tenant_by(token text) RETURNS text LANGUAGE plpgsql AS \$\$
		BEGIN PERFORM set_config('billing.token', token, true); RETURN billing.current_tenant() || (SELECT count(*) FROM billing.accounts);
		EXCEPTION WHEN SQLSTATE 'MB401' THEN RETURN NULL; END \$\$;", \@attempts);
	$attempts[0]{state} eq '00000' or die $error;
	return map { my ($n, $tenant) = split /\|/; "$tenant by $tokens[ $n - 1 ]" } split /,/, $attempts[0]{out} =~ s/\s//gr;
}

my ($alpha, $bravo) = map { token_for($node, $_) } qw(alpha bravo);
is(scalar(accepted('h_app', $alpha, $bravo, made())), 3, 'good tokens are taken, also those made here');
my @alphabet = ('A' .. 'Z', 'a' .. 'z', 0 .. 9, '-', '_', '.', '=', '+', '/', ' ', "\t", "\x7f");
for my $login (qw(h_app h_tenant))
{
	my $try = sub { my ($class, @tokens) = @_; attempted($class, $login, scalar @tokens, accepted($login, @tokens)); };
	$try->('a token cut short', map { (substr($bravo, 0, $_), substr($bravo, length($bravo) - $_)) } 1 .. length($bravo) - 1);
	for my $part (0 .. 9)
	{
		my @changed;
		for my $position (grep { $_ % 10 == $part } 0 .. length($bravo) - 1)
		{
			my $byte = substr $bravo, $position, 1;
			push @changed, map { my $t = $bravo; substr($t, $position, 1) = $_; $t } grep { $_ ne $byte } @alphabet;
			push @changed, (map { my $t = $bravo; substr($t, $position, 0) = $_; $t } qw(A . =)), do { my $t = $bravo; substr($t, $position, 1) = ''; $t };
		}
		$try->('a byte changed, put in or taken away', @changed);
	}
	my @a = split /\./, $alpha;
	my @b = split /\./, $bravo;
	$try->('parts of two tokens', grep { $_ ne $alpha && $_ ne $bravo } map { my $x = $_; map { my $y = $_; map { "$x.$y.$_" } $a[2], $b[2], '', 'e30' } $a[1], $b[1], '' } $a[0], $b[0], '', 'e30');
	$try->('other headers and claims', made({ exp => time - 1 }), made({ exp => time }), made({ exp => time + 400 }), made({ exp => 2**62 }), made({ exp => '9' x 30 }), made({ exp => -1 }), made({ exp => undef }), made({ exp => time + 100.5 }),
		made({ exp => '' . (time + 100) . 'x' }), made({ tenant => undef }), made({ tenant => '' }), made({ tenant => [ 'bravo' ] }), made({ tenant => { a => 1 } }), made({ role => 'admin' }), made({ role => undef }), made({ aud => 'other' }),
		made({ aud => '' }), made({ aud => [ 'other' ] }), made({}, { alg => 'none' }), made({}, { alg => 'none' }, undef, ''), made({}, { alg => 'None' }, undef, ''), made({}, { alg => 'hs256' }), made({}, { alg => 'HS512' }), made({}, { alg => 'EdDSA' }),
		made({}, { alg => 'RS256' }), made({}, { alg => undef }), made({}, { kid => 'gone' }), made({}, { kid => undef }), made({}, { kid => '../token' }), made({}, { kid => '' }), made({}, { crit => ['exp'] }), made({}, { jwk => { k => 'AAAA' } }),
		made({}, { typ => 'at+jwt' }), made({}, {}, ''), made({}, {}, 'x' x 32), made({}, {}, "\0" x 32), made({}, {}, $secret), made({}, {}, undef, ''), made({}, {}, undef, "\0" x 32), 'bravo', '{"tenant":"bravo"}', 'a.b.c', '..', 'x' x 5000);
	# Repeated fields of JSON: no reader may take the other one.
	my $twice = encode_base64url(qq({"alg":"HS256","kid":"$id"})) . '.' . encode_base64url('{"tenant":"alpha","tenant":"bravo","role":"app","exp":' . (time + 100) . '}');
	$try->('other headers and claims', "$twice." . encode_base64url(hmac_sha256($twice, decode_base64($secret))));
}

# Replayed after it expired, in a session that had verified it.
my $short = $node->safe_psql('postgres', q{SELECT billing.issue_token('bravo', valid_for => '1 second')});
my @replay = map { { lines => [$_] } } "SET billing.token = '$short';", 'SELECT pg_sleep(1.2);', 'SELECT * FROM billing.accounts;', 'SELECT billing.current_tenant();';
run_script($node, 'h_app', '', \@replay);
attempted('replayed after expiry', 'h_app', 2, map { "$_->{state} $_->{out}" } grep { $_->{state} ne 'MB401' } @replay[ 2, 3 ]);
my ($status, $out, $error) = $node->psql('other', "SET billing.token = '$bravo'; SELECT billing.current_tenant()");
like($error, qr/it is for another database/, 'another database does not take it');

# A key file of one's own, named before the library is loaded and knows that this is not for everybody.
my $own_secret = 'x' x 32;
my $own_file = PostgreSQL::Test::Utils::tempdir() . '/own.keys';
append_to_file($own_file, "$id HS256 " . MIME::Base64::encode_base64($own_secret));
chmod 0600, $own_file;
my $forged = made({}, {}, $own_secret);
my @own_keys;
for my $way ("SET billing.token_key_file = '$own_file';", "SELECT set_config('billing.token_key_file', '$own_file', false);", 'SELECT 1;')
{
	local $ENV{PGOPTIONS} = "-c billing.token_key_file=$own_file" if $way eq 'SELECT 1;';
	my @attempts = map { { lines => [$_] } } $way, "SET billing.token = '$forged';", 'SELECT billing.current_tenant();', 'SELECT * FROM billing.accounts;';
	run_script($node, 'h_app', '', \@attempts);
	push @own_keys, map { "$way $_->{state} $_->{out}" } grep { $_->{state} ne 'MB401' } @attempts[ 2, 3 ];
}
attempted('a key file of one\'s own', 'h_app', 6, @own_keys);

# A login that stands for a tenant, until that is taken back; in an open session too.
$node->safe_psql('postgres', q{SELECT billing.grant_tenant_role('h_tenant', 'alpha')});
my @mapped = map { { lines => [$_] } } 'SELECT * FROM billing.accounts;', "SET billing.token = 'x';", 'SELECT * FROM billing.accounts;', 'RESET billing.token; SET ROLE billing_tenant;', 'SELECT * FROM billing.accounts;', 'RESET ROLE;';
run_script($node, 'h_tenant', '', \@mapped);
like($mapped[0]{out}, qr/alpha/, 'a mapped login has its tenant');
is($mapped[2]{state}, 'MB401', 'not by a bad token, though');
attempted('mapped login', 'h_tenant', 3, map { $_->{out} } grep { $_->{out} =~ $mark } @mapped);
$node->safe_psql('postgres', q{SELECT billing.revoke_tenant_role('h_tenant')});
my @gone = ({ lines => ['SELECT * FROM billing.accounts;'] });
run_script($node, 'h_tenant', '', \@gone);
attempted('mapping taken back', 'h_tenant', 1, grep { length } $gone[0]{out});

# To become somebody else, for each role there is; and to read what is not a table of ours.
my @roles = split /\n/, $node->safe_psql('postgres', q{SELECT rolname FROM pg_roles WHERE rolname !~ '^h_'});
my @global = ('SELECT * FROM pg_authid;', 'SELECT * FROM pg_shadow;', 'SELECT * FROM pg_statistic;', 'SELECT * FROM pg_largeobject;', 'SELECT * FROM pg_hba_file_rules;', 'SELECT * FROM pg_file_settings;', 'SHOW billing.token_key_file;',
	'SHOW billing.signing_key_file;', 'SHOW billing.field_key_file;', q{SELECT pg_read_file('postgresql.conf');}, q{SELECT pg_read_binary_file('PG_VERSION');}, q{SELECT pg_ls_dir('.');}, q{COPY pg_class TO '/dev/null';}, q{COPY (SELECT 1) TO PROGRAM 'cat';},
	q{SELECT lo_import('PG_VERSION');}, q{SELECT lo_export(1, '/dev/null');}, q{CREATE FUNCTION pg_temp.c() RETURNS text LANGUAGE c AS '$libdir/billing', 'billing_current_tenant';}, q{CREATE FUNCTION pg_temp.i() RETURNS text LANGUAGE internal AS 'current_user';},
	q{LOAD 'pageinspect';}, 'CREATE EXTENSION pageinspect;', 'DROP EXTENSION billing CASCADE;', 'ALTER EXTENSION billing DROP FUNCTION billing.current_tenant();', 'CREATE SCHEMA billing2;', 'CREATE TABLE billing.mine ();',
	'CREATE FUNCTION billing.mine() RETURNS text LANGUAGE sql AS $f$ SELECT 1 $f$;', 'ALTER FUNCTION billing.current_tenant() RENAME TO mine;', 'ALTER DATABASE postgres SET search_path = public;', q{ALTER SYSTEM SET billing.token = 'x';}, 'SET session_replication_role = replica;',
	'SET billing.token_key_file = 1;', 'CHECKPOINT;', 'CREATE ROLE mine;', 'ALTER ROLE CURRENT_USER BYPASSRLS;', 'ALTER ROLE CURRENT_USER SUPERUSER;', 'CREATE SUBSCRIPTION mine CONNECTION $c$host=nowhere$c$ PUBLICATION p;', 'CREATE PUBLICATION mine FOR TABLE billing.accounts;',
	'CREATE PUBLICATION mine FOR ALL TABLES;', 'CREATE EVENT TRIGGER mine ON ddl_command_start EXECUTE FUNCTION f();', q{SELECT pg_create_logical_replication_slot('mine', 'test_decoding');}, q{SELECT * FROM pg_logical_slot_peek_changes('mine', NULL, NULL);},
	(map { ("SET ROLE $_;", "SET SESSION AUTHORIZATION $_;", "GRANT $_ TO CURRENT_USER;", "CREATE SCHEMA mine AUTHORIZATION $_;", "ALTER ROLE $_ PASSWORD 'x';", "REASSIGN OWNED BY $_ TO CURRENT_USER;") } @roles));
for my $login (qw(h_app h_tenant))
{
	my $own = $login eq 'h_app' ? 'billing_app' : 'billing_tenant';
	my @attempts = map { { lines => [$_] } } grep { !/^(?:SET ROLE|REASSIGN OWNED BY) $own\b/ } @global;
	run_script($node, $login, "SET billing.token = '$alpha';\nSELECT billing.current_tenant();", \@attempts);
	attempted('becoming somebody else', $login, scalar @attempts, map { "@{ $_->{lines} } $_->{state} $_->{out}" } grep { $_->{state} eq '00000' } @attempts);
}

# A dump, of everything and of what the login may read.
for my $login (qw(h_app h_tenant))
{
	my @tables = split /\n/, $node->safe_psql('postgres', "SELECT c.oid::regclass FROM pg_class c WHERE relnamespace = 'billing'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition AND has_table_privilege('$login', c.oid, 'SELECT')");
	my @leaks;
	for my $options ([], ['--enable-row-security'], [ '--enable-row-security', '--data-only', '--inserts', '--load-via-partition-root', map { ('-t', $_) } @tables ])
	{
		local $ENV{PGOPTIONS} = "-c billing.token=$alpha";
		my ($dump, $said) = ('', '');
		IPC::Run::run([ 'pg_dump', '-d', $node->connstr('postgres') . " user=$login", @$options ], '>', \$dump, '2>', \$said);
		push @leaks, grep { /$mark/ } split /\n/, "$dump$said";
	}
	attempted('pg_dump', $login, 3, @leaks);
}
print_counts();
$node->stop;
done_testing();
