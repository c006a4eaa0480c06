# Logins of their own, as applications have them: every way to put something into billing.token, keys that rotate, and
# what a login cannot do to become another tenant.
use strict;
use warnings;

use FindBin;
use IPC::Run;
use lib "$FindBin::Bin/../lib";
use MIME::Base64 qw(encode_base64);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use BillingTest qw(billing_node);

my $dir = PostgreSQL::Test::Utils::tempdir();
my %secret = map { $_ => encode_base64(join('', map { chr(int(rand(256))) } 1 .. 32), '') } qw(one two);

# Writes the key file, first key first, with a mode.
sub write_keys
{
	my ($mode, @ids) = @_;
	unlink "$dir/keys";
	append_to_file("$dir/keys", join('', map { "$_ HS256 $secret{$_}\n" } @ids));
	chmod $mode, "$dir/keys";
	return;
}

write_keys(0600, 'one');
my $node = billing_node('main', 'billing.token_key_file' => "'$dir/keys'");
my $staff = sub { return $node->safe_psql('postgres', $_[0]); };
$staff->(q{
SELECT billing.create_account('alpha'), billing.create_account('beta');
CREATE ROLE shop LOGIN IN ROLE billing_app;
CREATE ROLE report LOGIN IN ROLE billing_tenant;
CREATE ROLE feeder LOGIN IN ROLE billing_loader;
CREATE DATABASE other;
CREATE TABLE public.notes (tenant_id text);
GRANT CREATE ON SCHEMA public TO shop;
});
$node->safe_psql('other', 'CREATE EXTENSION billing; SELECT billing.install()');

sub token { my ($tenant, $rest) = @_; return $staff->("SELECT billing.issue_token('$tenant'" . ($rest // '') . ')'); }

# What a login sees: tenants, or the error's code and message. Options of the connection may come before.
sub seen_by
{
	my ($login, $before, $query, %environment) = @_;
	local %ENV = (%ENV, %environment);
	my ($status, $out, $error) = $node->psql('postgres', "\\set VERBOSITY verbose\n$before\n" .
		($query // q{SELECT coalesce(string_agg(tenant_id, ',' ORDER BY tenant_id), 'nothing') FROM billing.accounts;}), extra_params => [ '-U', $login ]);
	return $error =~ /ERROR:  (\S+: .*)/ ? $1 : $out;
}

my $alpha = token('alpha');
my $beta = token('beta');
is(seen_by('shop', ''), 'nothing', 'without a token no rows');
is(seen_by('shop', "SET billing.token = '$alpha';"), 'alpha', 'SET');
is(seen_by('shop', "SELECT set_config('billing.token', '$beta', false) IS NULL;\n"), "f\nbeta", 'set_config');
is(seen_by('shop', '', undef, PGOPTIONS => "-c billing.token=$alpha"), 'alpha', 'PGOPTIONS');
is(seen_by('shop', "SET billing.token = '$beta';", undef, PGOPTIONS => "-c billing.token=$alpha"), 'beta', 'and SET after it');
is(seen_by('shop', "BEGIN; SET LOCAL billing.token = '$alpha'; COMMIT;"), 'nothing', 'SET LOCAL ends with its transaction');
is(seen_by('shop', "SET billing.token = '$alpha'; DISCARD ALL;"), 'nothing', 'and DISCARD ALL clears it');
$staff->("ALTER ROLE report SET billing.token = '$alpha'");
is(seen_by('report', ''), 'alpha', 'ALTER ROLE SET');
$staff->("ALTER ROLE report RESET billing.token; ALTER DATABASE postgres SET billing.token = '$beta'");
is(seen_by('report', ''), 'beta', 'ALTER DATABASE SET');
$staff->("ALTER DATABASE postgres RESET billing.token");
like(seen_by('shop', "SELECT billing.current_tenant() \\g /dev/null\nCREATE FUNCTION public.as_beta() RETURNS text LANGUAGE sql SET billing.token = 'beta' AS 'SELECT billing.current_tenant()';", 'SELECT public.as_beta();'),
	qr/\AMB401: token in billing.token is refused: it is malformed/, 'a function with a SET clause is no way');
like(seen_by('shop', "SET billing.token = 'alpha';"), qr/\AMB401/, 'a setting that any SQL can change is no identity');
like(seen_by('shop', '', undef, PGOPTIONS => '-c billing.token=alpha'), qr/\AMB401/, 'nor in PGOPTIONS');
like(seen_by('shop', 'ALTER SYSTEM SET billing.token = 1;'), qr/\A42501/, 'nor for ALTER SYSTEM');
my (undef, undef, $refused) = $node->psql('postgres', "SELECT billing.uuid_v7();\nALTER SYSTEM SET billing.token = 'x'");
like($refused, qr/parameter ".*" cannot be changed/, 'which a superuser has no use of either');
is($node->safe_psql('other', "SELECT billing.create_account('alpha')"), 'main', 'another database');
my (undef, undef, $error) = $node->psql('other', "SET billing.token = '$alpha'; SELECT billing.current_tenant()");
like($error, qr/token in billing.token is refused: it is for another database/, 'does not take a token of this one');

# Nobody becomes somebody else.
for my $way ('SET SESSION AUTHORIZATION postgres', 'SET ROLE billing_operator', 'SET ROLE billing_owner', 'GRANT billing_operator TO shop', 'ALTER ROLE shop BYPASSRLS',
	'ALTER TABLE billing.accounts DISABLE ROW LEVEL SECURITY', 'DROP POLICY tenant_rows ON billing.accounts', q{SELECT pg_read_file('} . "$dir/keys" . q{')},
	q{SELECT billing.issue_token('beta')}, 'TABLE billing.tenant_roles', 'COPY billing.tenant_roles FROM STDIN', 'COPY billing.accounts FROM STDIN',
	'SHOW billing.token_key_file', q{SELECT lo_import('/etc/passwd')})
{
	like(seen_by('shop', "SET billing.token = '$alpha';\nSELECT billing.current_tenant() \\g /dev/null", "$way;"), qr/\A42501: /, "refused: $way");
}
is(seen_by('shop', "SET row_security = off; SET billing.token = '$alpha';"), '42501: query would be affected by row-level security policy for table "accounts"',
	'row_security = off is refused, and no way around it');
is(seen_by('shop', "SET billing.token = '$alpha';", 'COPY billing.accounts (tenant_id) TO STDOUT;'), 'alpha', 'COPY TO has own rows only');
like(seen_by('shop', "SET billing.token = '$alpha';", 'EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT * FROM billing.accounts;'), qr/actual rows=1/, 'EXPLAIN counts own rows only');
like(seen_by('shop', "SET billing.token = '$alpha';", "SELECT * FROM billing.accounts WHERE 1 / (tenant_id <> 'beta')::int = 1;"), qr/\Aalpha/, 'an error in a condition tells nothing of other rows');
is(seen_by('shop', "SET billing.token = '$alpha';", "CREATE TABLE public.probe (t text, a text, FOREIGN KEY (t, a) REFERENCES billing.accounts);"),
	'42501: permission denied for table accounts', 'no foreign key to probe with');
is(seen_by('shop', "SET billing.token = '$alpha';", q{SELECT count(*) FROM pg_stats WHERE schemaname = 'billing' AND most_common_vals IS NOT NULL;}), '0',
	'statistics of tables with row security are not shown');

# Loaders.
is(seen_by('feeder', '', "COPY billing.usage_records (tenant_id, meter_id, event_id, occurred_at, quantity) FROM STDIN;\n\\.\n"),
	'0A000: COPY FROM not supported with row-level security', 'a member of billing_loader cannot COPY');
is(seen_by('feeder', 'SET ROLE billing_loader;', "COPY billing.usage_records (tenant_id, meter_id, event_id, occurred_at, quantity) FROM STDIN;\n\\.\n"),
	'', 'until it sets that role');
$staff->('ALTER ROLE feeder SET role = billing_loader');
is(seen_by('feeder', '', "COPY billing.usage_records (tenant_id, meter_id, event_id, occurred_at, quantity) FROM STDIN;\n\\.\n"), '', 'or has it as its setting');

# Rotation: a new key issues, the old one verifies until it is gone; a session that is open sees each change.
sub reload { $node->reload; sleep 1; return; }
write_keys(0600, 'two', 'one');
reload();
my $gamma = token('alpha', ", subject => 'new key'");
isnt((split /\./, $gamma)[0], (split /\./, $alpha)[0], 'the first key of the new file issues');
is(seen_by('shop', "SET billing.token = '$alpha';"), 'alpha', 'the old key still verifies');
is(seen_by('shop', "SET billing.token = '$gamma';"), 'alpha', 'and the new one');
my ($shop_in, $shop_out, $shop_error) = ('', '', '');
my $shop = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres') . ' user=shop', '-f', '-' ], '<', \$shop_in, '>', \$shop_out, '2>', \$shop_error, IPC::Run::timeout(60));
$shop_in .= "SET billing.token = '$alpha'; SELECT billing.current_tenant();\n";
$shop->pump until $shop_out =~ /alpha/;
write_keys(0600, 'two');
reload();
$shop_in .= "SELECT billing.current_tenant();\n\\q\n";
$shop->finish;
like($shop_error, qr/no key has its key id/, 'without the old key its tokens end, also where one was verified before');
is(seen_by('shop', "SET billing.token = '$gamma';"), 'alpha', 'those of the new one do not');

# What a key file must be.
my @faults = (
	[ sub { write_keys(0640, 'two') }, 'the file\'s mode is neither 0600 nor 0400' ],
	[ sub { unlink "$dir/keys"; symlink "$dir/elsewhere", "$dir/keys" }, 'the file is a symbolic link' ],
	[ sub { unlink "$dir/keys" }, 'the file cannot be opened' ],
	[ sub { write_keys(0600) }, 'the file is empty' ],
	[ sub { append_to_file("$dir/keys", "# canary-4417\nk HS256 Y2FuYXJ5LTQ0MTc=\n") }, 'an HS256 key has not 32 to 128 bytes, or an EdDSA key not 32 or 64' ],
	[ sub { unlink "$dir/keys"; append_to_file("$dir/keys", 'canary-4417' x 500); chmod 0600, "$dir/keys" }, 'the file is too large' ]);
for my $fault (@faults)
{
	$fault->[0]->();
	reload();
	is(seen_by('shop', "SET billing.token = '$gamma';"), "MB470: token keys cannot be used: $fault->[1]", $fault->[1]);
}
unlink "$dir/keys";
write_keys(0400, 'two');
reload();
is(seen_by('shop', "SET billing.token = '$gamma';"), 'alpha', 'and a file put right is used again');
unlike(slurp_file($node->logfile), qr/canary-4417|Y2FuYXJ5LTQ0MTc/, 'no message shows what is in a key file');

# Preloaded, the file cannot be another one before a restart.
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'billing'");
$node->restart;
is(seen_by('shop', "SET billing.token = '" . token('beta') . "';"), 'beta', 'preloaded too');
$node->append_conf('postgresql.conf', "billing.token_key_file = '/nowhere'");
reload();
is(seen_by('shop', "SET billing.token = '" . token('beta') . "';"), 'beta', 'where the file is that of the server\'s start');

$node->stop;
done_testing();
