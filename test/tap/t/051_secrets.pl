# Nothing secret reaches the server's log, with every kind of logging on, nor an error text: keys, tokens, personal data,
# whether a call succeeds or fails, by either protocol. Each canary is looked for as text, in hex, in base 64, and as the
# row of numbers that a parse tree prints.
use strict;
use warnings;

use lib 'lib';
use File::Temp;
use MIME::Base64;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use BillingTest qw(billing_node sql_text);

my $keys = File::Temp->newdir;
my $wrapping = join '', map { chr(33 + $_ * 5 % 90) } 1 .. 32;
append_to_file("$keys/field.keys", 'k1 ' . encode_base64($wrapping, '') . "\n");
system_or_bail('openssl', 'genpkey', '-algorithm', 'ed25519', '-out', "$keys/signing.pem");
my $token_key = join '', map { chr(34 + $_ * 7 % 90) } 1 .. 32;
append_to_file("$keys/token.keys", 'h1 HS256 ' . encode_base64($token_key, '') . "\n");
chmod 0600, "$keys/field.keys", "$keys/signing.pem", "$keys/token.keys" or die;
my $pem = slurp_file("$keys/signing.pem");
my ($der) = map { decode_base64($_) } $pem =~ /-----\n(.*)\n-----/s;

my $email = 'canary.mail@secret.example';
my $phone = '+49 555 7654321';
my $line = '77 Canary Lane';
my $number = 'DE999888777';
my $reason = 'canary moved to Elba';
my $signature = 'Y2FuYXJ5LXNpZ25hdHVyZQ';
my $token = "eyJhbGciOiJIUzI1NiJ9.eyJ0ZW5hbnQiOiJhY21lIn0.$signature";
my $address = qq({"lines":["$line"],"city":"Ulm","country":"DE"});
my $taxes = qq([{"country":"DE","number":"$number"}]);
my %canary = (
	'the e-mail address' => $email,
	'the phone' => $phone,
	'the address' => $line,
	'the tax number' => $number,
	'the reason' => $reason,
	'the token' => $signature,
	'the key of tokens' => $token_key,
	'the wrapping key' => $wrapping,
	'the signing key' => substr($der, -32),
);

my $node = billing_node(
	'secrets',
	shared_preload_libraries => "'billing'",
	'billing.field_key_file' => "'$keys/field.keys'",
	'billing.token_key_file' => "'$keys/token.keys'",
	'billing.signing_key_file' => "'$keys/signing.pem'",
	'billing.log_origin' => "'gpu.example'");

# The extension and one value are there: now everything is logged that can be.
$node->safe_psql('postgres', "SELECT billing.create_account('acme'), billing.create_account('bolt')");
$node->safe_psql('postgres', "SELECT billing.ensure_partitions('2026-10-01', '2026-12-01')");
$node->append_conf('postgresql.conf', <<'END');
log_min_messages = debug5
log_min_error_statement = debug5
log_statement = all
log_min_duration_statement = 0
log_duration = on
log_parameter_max_length = -1
log_parameter_max_length_on_error = -1
log_error_verbosity = verbose
debug_print_parse = on
debug_print_rewritten = on
debug_print_plan = on
log_lock_waits = on
deadlock_timeout = 100ms
END
$node->reload;
$node->poll_query_until('postgres', "SELECT current_setting('debug_print_plan') = 'on'") or die;

my $log_from = -s $node->logfile;
my $errors = '';
my $calls = 0;

# Runs statements in one session, whatever fails, and keeps the error texts.
sub run
{
	my ($sql) = @_;
	my ($status, $out, $error) = $node->psql('postgres', $sql, on_error_stop => 0, extra_params => [ '-v', 'VERBOSITY=verbose', '-v', 'SHOW_CONTEXT=always' ]);
	# psql repeats the line of the statement that it was given itself.
	$errors .= join '', grep { !/^(?:LINE \d+: | *\^)/ } map { "$_\n" } split /\n/, $error;
	$calls++;
	return $out;
}

sub set
{
	my ($field, $value, $function) = @_;
	return ($function // 'billing.set_personal_data') . "('acme', 'main', " . sql_text($field) . ', ' . sql_text($value) . ')';
}

my %value = (email => $email, phone => $phone, address => $address, tax_numbers => $taxes);
foreach my $field (sort keys %value)
{
	my $call = set($field, $value{$field});
	run("SELECT $call");
	run("DO \$\$ BEGIN PERFORM $call; END \$\$");
	run("DO \$do\$ BEGIN EXECUTE \$x\$ SELECT $call \$x\$; END \$do\$");
	run("DO \$do\$ BEGIN EXECUTE \$x\$ SELECT $call, 1/0 \$x\$; END \$do\$");
	run("PREPARE store(text) AS SELECT billing.set_personal_data('acme', 'main', '$field', \$1); EXECUTE store(" . sql_text($value{$field}) . ')');
	run("PREPARE \"Odd One\"(text) AS SELECT billing.set_personal_data('nobody', 'main', '$field', \$1);\nEXECUTE \"Odd One\"(" . sql_text($value{$field}) . ')');
	run("PREPARE store(text, integer) AS SELECT billing.set_personal_data('acme', 'main', '$field', \$1); EXECUTE store(1, " . sql_text($value{$field}) . ')');
	run("EXPLAIN ANALYZE VERBOSE SELECT $call");
	run("SELECT $call, 1 / (random() * 0)::integer");
	run("SELECT $call || " . sql_text($value{$field}) . '::integer::text');
	run("SELECT $call || x");
	run("SELECT $call SELECT");
	run("SELECT 'x', $call, '$value{$field}");
	run("SELECT billing.set_personal_data('acme', 'main', '$field', " . sql_text($value{$field}) . ', 1)');
	run("SELECT billing.set_personal_data('acme', " . sql_text($field) . ', ' . sql_text($value{$field}) . ", 'main')");
	run('SELECT ' . set($field, "$value{$field}\x01"));
	run('SELECT ' . set($field, $value{$field} . 'x' x 9000));
	run('SELECT ' . set('email', $value{$field} . '<'));
	run('SELECT ' . set('address', $value{$field} . '<'));
	run("SET ROLE billing_tenant; SELECT $call");
	run("BEGIN; SELECT billing.lock_account('acme', 'main'); SAVEPOINT a; SELECT $call; ROLLBACK TO a; SELECT $call; COMMIT");
	run("BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY; SELECT $call; COMMIT");
	run("SET statement_timeout = 1; SELECT $call, pg_sleep(1)");
	run("CREATE TEMP TABLE kept AS SELECT $call; SELECT " . set($field, undef) . "; SELECT $call");
}

# What an application's own function is given: its text and arguments are its own, what it calls is ours.
run('CREATE FUNCTION public.keep(value text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN PERFORM billing.set_personal_data(\'acme\', \'main\', \'email\', value); END $$');
run("SELECT set_config('app.value', string_agg(chr(c), ''), false) IS NOT NULL FROM unnest('{" . join(',', unpack 'C*', $email) . "}'::integer[]) AS c; SELECT public.keep(current_setting('app.value'))");

# By the extended protocol, where values are parameters.
my %script = (
	stored => 'SELECT billing.set_personal_data(\'acme\', \'main\', \'email\', :email);',
	failing => 'SELECT billing.set_personal_data(\'nobody\', \'main\', \'email\', :email);',
	malformed => 'SELECT billing.set_personal_data(\'acme\', \'main\', \'phone\', :email);',
	beside => 'SELECT billing.set_personal_data(\'acme\', \'main\', \'email\', :email), 1 / length(substr(:email, 1, 0));',
	cast => 'SELECT billing.set_personal_data(\'acme\', \'main\', \'email\', :email), :email::integer;',
	erased => 'SELECT billing.erase_subject(\'nobody\', \'main\', :reason);',
	token => 'SELECT set_config(\'billing.token\', :token, true);');
foreach my $name (sort keys %script)
{
	foreach my $mode ('extended', 'prepared')
	{
		my $file = "$keys/$name.sql";
		unlink $file;
		append_to_file($file, "$script{$name}\n");
		my ($out, $error) = run_command([
			'pgbench', '-n', '-t', '2', '-M', $mode, '-f', $file, '-D', "email=$email", '-D', "reason=$reason",
			'-D', "token=$token", '-h', $node->host, '-p', $node->port, 'postgres' ]);
		$errors .= "$error\n";
		$calls++;
	}
}

# Reading, and errors about what was read.
like(run("SELECT billing.personal_data('acme')"), qr/\Q$line\E/, 'who asks for it gets it');
run("SELECT (billing.personal_data('acme') ->> 'email')::integer");
run("SELECT jsonb_object_keys(billing.personal_data('acme') -> 'email')");
run("SELECT billing.personal_data('acme') FROM generate_series(1, 2) ORDER BY 1; SELECT billing.personal_data('nobody')");
run("DO \$\$ DECLARE v text := billing.personal_data('acme') ->> 'phone'; BEGIN RAISE EXCEPTION 'seen: \"%\"', v; END \$\$");

# Tokens, as a setting and as an argument, quoted and not.
foreach my $statement ("SET billing.token = '$token'", "SET SESSION \"billing\".\"token\" TO '$token'", "SET billing.token = $token",
	"SELECT set_config('billing.token', '$token', false)", "BEGIN; SET LOCAL billing.token = '$token'; SELECT 1/0; COMMIT",
	"SELECT '$token'::integer", "SELECT \"$token\"", "SELECT '$token'", "/* $token */ SELECT 1/0", "ALTER ROLE postgres SET billing.token = '$token'",
	"ALTER ROLE postgres RESET billing.token", "DO \$\$ BEGIN RAISE NOTICE 'seen $token'; RAISE WARNING 'seen $token' USING DETAIL = '$token', HINT = '$token'; END \$\$",
	"PREPARE p(text) AS SELECT \$1; EXECUTE p('$token')", "COPY (SELECT '$token') TO '/nowhere/$token'")
{
	run($statement);
}
{
	local $ENV{PGOPTIONS} = "-c billing.token=$token";
	run('SELECT 1/0');
}

# Tokens that hold: issued, used, changed, under a key that is not there.
my $issued = run("SELECT billing.issue_token('acme')");
like($issued, qr/^eyJ[\w-]+\.[\w-]+\.[\w-]+$/, 'a token is issued');
($canary{'the issued token'}) = $issued =~ /\.([\w-]+)$/;
(my $changed = $issued) =~ s/\.\K([\w-])([\w-]+)$/$2$1/;
($canary{'the changed token'}) = $changed =~ /\.([\w-]+)$/;
foreach my $given ($issued, $changed, $token, substr($issued, 0, -3), "$issued.x")
{
	run("SET billing.token = '$given'; SET ROLE billing_app; SELECT billing.current_tenant(); SELECT billing.personal_data('acme'); SELECT billing.personal_data('bolt'); SELECT count(*) FROM billing.erasures");
	run("SELECT set_config('billing.token', '$given', false); SET ROLE billing_app; SELECT " . set('email', $email) . "; SELECT 1/0");
}
run("SELECT billing.issue_token('acme', 'owner'); SELECT billing.issue_token('acme', valid_for => '1 day'); SELECT billing.issue_token('acme'), 1 / (random() * 0)::integer");
run("SELECT billing.issue_token('acme')::integer");

# Keys: used, missing, changed.
run('SELECT * FROM billing.seal(true)');
run("SELECT billing.rewrap_data_keys(); SELECT billing.rewrap_data_key('acme', 'main', 'contact', 'k1', '\\x00'); SHOW billing.field_key_file");
run("UPDATE billing.personal_fields SET ciphertext = ciphertext || '\\x00' WHERE field = 'phone'; SELECT billing.personal_data('acme')");
run("DELETE FROM billing.personal_fields WHERE field = 'phone'");
append_to_file("$keys/field.keys", 'k1 ' . encode_base64($wrapping, '') . "\n");
run("SELECT billing.personal_data('acme')");
unlink "$keys/field.keys";
append_to_file("$keys/field.keys", "k1 $wrapping\n");
chmod 0600, "$keys/field.keys";
run("SELECT billing.personal_data('acme')");
unlink "$keys/signing.pem";
append_to_file("$keys/signing.pem", substr($pem, 0, -8));
chmod 0600, "$keys/signing.pem";
run('SELECT * FROM billing.seal(true)');

# Erased.
run("SELECT billing.erase_subject('acme', 'main', '$reason', 'today', -1)");
run("SELECT billing.erase_subject('acme', 'main', '$reason', '$reason')");
run("SELECT billing.erase_subject('acme', 'main', '$reason')");
run('SELECT billing.purge_subjects()');
run('SELECT ' . set('email', $email));
run("SELECT billing.personal_data('acme', restricted => true)");
$node->stop;

my $log = substr slurp_file($node->logfile), $log_from;
cmp_ok(length $log, '>', 1_000_000, "$calls calls wrote " . length($log) . ' bytes of log, all kinds of logging on');
like($log, qr/statement: /, 'statements among them');
like($log, qr/DETAIL:  \[withheld\]/, 'with what is secret withheld');
like($log, qr/set_personal_data\('?nobody|set_personal_data\(\$1|statement: SELECT billing\.personal_data\('acme'\)/, 'and what is not secret readable');
unlike($log, qr/constvalue/, 'no constant of a parse tree or plan');

# Trees are printed in lines of a fixed length.
(my $flat = $log) =~ s/\s+/ /g;

foreach my $name (sort keys %canary)
{
	my $secret = $canary{$name};
	my %form = (text => $secret, hex => unpack('H*', $secret), 'base 64' => encode_base64($secret, ''), numbers => join(' ', unpack 'c*', $secret));
	foreach my $form (sort keys %form)
	{
		my $where = $form eq 'numbers' ? $flat : $log;
		my $found = index $where, $form{$form};
		is($found < 0 ? '' : substr($where, ($found < 300 ? 0 : $found - 300), 400), '', "$name is not in the log as $form");
		is(index($errors, $form{$form}), -1, 'nor in an error text');
	}
}
done_testing();
