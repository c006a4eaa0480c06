# Personal data with a key: which key files are refused, rotation that leaves ciphertexts as they are, ciphertexts that
# were moved or changed, erasure under which every old proof still verifies, and a restore into another cluster.
use strict;
use warnings;

use lib 'lib';
use File::Copy;
use File::Temp;
use MIME::Base64;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use BillingTest qw(billing_node close_session open_session sql_text);

my $keys = File::Temp->newdir;
my $key_file = "$keys/field.keys";

sub write_keys
{
	my (@lines) = @_;
	unlink $key_file;
	append_to_file($key_file, join('', map { "$_\n" } @lines));
	chmod 0600, $key_file or die;
	return;
}

sub new_key
{
	my ($id) = @_;
	my $key = `openssl rand -base64 32`;
	chomp $key;
	return "$id $key";
}

sub error_of
{
	my ($node, $sql) = @_;
	my ($status, $out, $error) = $node->psql('postgres', $sql, extra_params => [ '-v', 'VERBOSITY=verbose' ]);
	return $error;
}

system_or_bail('openssl', 'genpkey', '-algorithm', 'ed25519', '-out', "$keys/signing.pem");
chmod 0600, "$keys/signing.pem" or die;
my ($first, $second) = (new_key('k1'), new_key('2026-11_b'));
my $node = billing_node('privacy', 'billing.signing_key_file' => "'$keys/signing.pem'", 'billing.log_origin' => "'gpu.example'");
my $address = '{"lines":["Am Wall 1"],"city":"Ulm","country":"DE"}';
my $store = q{SELECT billing.set_personal_data('acme', 'main', 'email', 'ada@example.org')};
my $read = q{SELECT billing.personal_data('acme')};

sub pg { my ($sql) = @_; return $node->safe_psql('postgres', $sql) }

pg(q{SELECT billing.create_account(t) FROM unnest('{acme,bolt,crest}'::text[]) AS t; SELECT billing.create_account('acme', account => 'other')});

# No key: everything else works.
like(error_of($node, $store), qr/MB471.*HINT: .*billing\.field_key_file/s, 'without a key nothing personal is stored, and a hint says what to set');
is(pg($read), '{}', 'there being nothing, reading needs no key');
is(pg(q{SELECT billing.set_personal_data('acme', 'main', 'email', NULL)}), '', 'nor does taking away');
like(error_of($node, 'SELECT billing.rewrap_data_keys()'), qr/MB471/, 'nor is there anything to wrap with');
is(pg(q{SELECT billing.erase_subject('crest', 'main', 'asked', '2026-11-21') - 'erasure_id'}),
	'{"erased_on": "2026-11-21", "purge_after": null, "fields_destroyed": [], "fields_restricted": []}', 'erasing needs no key');

# Files that are not used.
$node->append_conf('postgresql.conf', "billing.field_key_file = '$key_file'");
$node->reload;
$node->poll_query_until('postgres', "SELECT current_setting('billing.field_key_file') <> ''") or die;
like(error_of($node, $store), qr/MB470.*the file cannot be opened/, 'no file');
write_keys($first);
chmod 0640, $key_file;
like(error_of($node, $store), qr/MB470.*mode is neither 0600 nor 0400/, 'a file that others can read');
rename $key_file, "$keys/real" or die;
chmod 0600, "$keys/real";
symlink "$keys/real", $key_file or die;
like(error_of($node, $store), qr/MB470.*symbolic link/, 'a symbolic link');
unlink $key_file;
mkdir $key_file or die;
like(error_of($node, $store), qr/MB470.*not a regular file/, 'a directory');
rmdir $key_file;
write_keys('x' x 5000);
like(error_of($node, $store), qr/MB470.*too large/, 'a large file');
foreach my $bad ([''], ['k1'], [ $first, '' ], [ $first, $first ], [ "$first=" ], [ map { $first =~ s/k1/k$_/r } 1 .. 17 ])
{
	write_keys(@$bad);
	like(error_of($node, $store), qr/MB470: field key file cannot be used: [a-z0-9 ,]+$/m, 'what is no file of keys: ' . substr($bad->[0], 0, 3));
}
write_keys($first);
my $inside = $node->data_dir . '/field.keys';
copy($key_file, $inside) or die;
chmod 0600, $inside;
$node->append_conf('postgresql.conf', "billing.field_key_file = '$inside'");
$node->reload;
$node->poll_query_until('postgres', "SELECT current_setting('billing.field_key_file') ~ 'data'") or die;
like(error_of($node, $store), qr/MB470.*inside the data directory/, 'a file in the data directory, which backups copy');
$node->append_conf('postgresql.conf', "billing.field_key_file = '$key_file'");
$node->reload;
$node->poll_query_until('postgres', "SELECT current_setting('billing.field_key_file') = '$key_file'") or die;
chmod 0400, $key_file;
is(pg($store), '', 'a file of mode 0400 is used');
is(pg(q{SELECT count(*) FROM billing.data_keys WHERE tenant_id = 'acme'}), '1', 'and one data key made');

# What is stored, and that it stands where it was stored.
pg("SELECT billing.set_personal_data(t, a, 'address', " . sql_text($address) . ") FROM (VALUES ('acme', 'main'), ('acme', 'other'), ('bolt', 'main')) AS v (t, a)");
pg(q{SELECT billing.set_personal_data('acme', 'main', 'phone', '+49 731 12345'), billing.set_personal_data('bolt', 'main', 'email', 'bo@example.org')});
my $whole = '{"email": "ada@example.org", "phone": "+49 731 12345", "address": {"city": "Ulm", "lines": ["Am Wall 1"], "country": "DE"}}';
is(pg($read), $whole, 'what is stored is read');
is(pg(q{SELECT count(*) FROM billing.personal_fields f WHERE convert_from(decode(replace(encode(f.ciphertext, 'hex'), '00', ''), 'hex'), 'LATIN1') ~ 'Wall|example'}), '0', 'and not in the table');
is(pg(q{SELECT count(DISTINCT f.ciphertext) = count(*) AND count(DISTINCT substr(f.ciphertext, 1, 24)) = count(*) FROM billing.personal_fields f}), 't', 'the same value is never the same bytes');

sub swapped
{
	my ($table, $column, $one, $other) = @_;
	my $error = error_of($node, "BEGIN; UPDATE billing.$table AS a SET ($column) = (SELECT $column FROM billing.$table AS b WHERE $other) WHERE $one; $read; SELECT billing.personal_data('bolt');");
	$error =~ /DETAIL:  (.*)/;
	return $error =~ /MB472/ ? 'refused' : $error || 'read';
}
my %places = (
	'another field' => [ 'personal_fields', 'ciphertext', q{tenant_id = 'acme' AND field = 'email'}, q{tenant_id = 'acme' AND field = 'phone'} ],
	'another account' => [ 'personal_fields', 'ciphertext', q{tenant_id = 'acme' AND account_id = 'main' AND field = 'address'}, q{account_id = 'other'} ],
	'another tenant' => [ 'personal_fields', 'ciphertext', q{tenant_id = 'acme' AND account_id = 'main' AND field = 'address'}, q{tenant_id = 'bolt' AND field = 'address'} ],
	'another tenant, key and all' => [ 'data_keys', 'wrapped_key', q{tenant_id = 'acme' AND account_id = 'main' AND purpose = 'invoice'}, q{tenant_id = 'bolt' AND purpose = 'invoice'} ],
	'another purpose\'s key' => [ 'data_keys', 'wrapped_key', q{tenant_id = 'acme' AND account_id = 'main' AND purpose = 'contact'}, q{tenant_id = 'acme' AND account_id = 'main' AND b.purpose = 'invoice'} ]);
is(swapped(@{ $places{$_} }), 'refused', "moved there from $_") foreach sort keys %places;
is(pg(q{BEGIN; UPDATE billing.personal_fields SET ciphertext = ciphertext WHERE tenant_id = 'acme'; } . $read), $whole, 'written as it was it is read');
like(error_of($node, 'BEGIN; UPDATE billing.personal_fields SET ciphertext = set_byte(ciphertext, 30, get_byte(ciphertext, 30) # 1); ' . $read), qr/MB472(?!.*Wall)/s, 'one bit changed');
like(error_of($node, q{BEGIN; UPDATE billing.data_keys SET key_id = '2026-11_b' WHERE tenant_id = 'acme'; } . $read), qr/MB470: field key "2026-11_b" is not in the key file/, 'a key id that the file has not');

# Rotation.
my $ciphertexts = q{SELECT md5(string_agg(f::text, '|' ORDER BY f.tenant_id, f.account_id, f.field)) FROM billing.personal_fields f};
my $before = pg($ciphertexts);
my $wrapped = pg(q{SELECT string_agg(k.wrapped_key::text, '|' ORDER BY k.tenant_id, k.account_id, k.purpose) FROM billing.data_keys k});
write_keys($second);
like(error_of($node, $read), qr/MB470: field key "k1" is not in the key file/, 'without the old key nothing is read');
like(error_of($node, 'SELECT billing.rewrap_data_keys()'), qr/MB470/, 'nor wrapped');
write_keys($second, $first);
is(pg($read), $whole, 'with both it is');
like(error_of($node, 'SELECT billing.rewrap_data_keys(0)'), qr/MB400/, 'a limit below 1 is refused');
is(pg('SELECT billing.rewrap_data_keys(2)'), '2', 'two data keys are wrapped with the new one');
is(pg($read), $whole, 'half way all is read');
is(pg('SELECT billing.rewrap_data_keys()'), '3', 'then the rest');
is(pg('SELECT billing.rewrap_data_keys()'), '0', 'and none is left');
is(pg($ciphertexts), $before, 'no ciphertext has changed');
isnt(pg(q{SELECT string_agg(k.wrapped_key::text, '|' ORDER BY k.tenant_id, k.account_id, k.purpose) FROM billing.data_keys k}), $wrapped, 'wrapped keys have');
write_keys($second);
is(pg($read), $whole, 'the old key can go');

# Two at once: the second waits, and finds nothing to do.
write_keys($first, $second);
my $session = open_session($node, 'BEGIN; SELECT billing.rewrap_data_keys()');
my $other = open_session($node, 'SELECT 1');
$other->{in} .= "SELECT 'did ' || billing.rewrap_data_keys();\n";
$other->{run}->pump_nb;
$node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'}) or die;
close_session($session, 'COMMIT');
close_session($other, 'SELECT 1');
like($other->{out}, qr/^did 0$/m, 'wrapped once by two at once');

# Erasure. Something is sealed before, and proved.
pg(q{SELECT billing.create_meter('calls', unit => 'call'), billing.create_plan('pro', currency => 'EUR'),
            billing.add_charge('pro', 'calls', meter => 'calls', price => '{"model":"unit","unit":"1"}'), billing.publish_plan('pro');
     SELECT billing.ensure_partitions('2026-09-01', '2026-12-01');
     SELECT billing.subscribe('acme', plan => 'pro', starts => '2026-09-01'), billing.subscribe('bolt', plan => 'pro', starts => '2026-10-01');
     SELECT billing.record_usage('acme', 'calls', 'e1', 7, '2026-09-05 00:00+00')});
pg(q{CALL billing.run_invoices('2026-10-01', finalize => true)});
pg('SELECT FROM billing.seal()');
my $invoice = pg(q{SELECT number FROM billing.invoices WHERE tenant_id = 'acme'});
my $entry = pg(q{SELECT format('%L, %L, %L', posted_on, tenant_id, entry_id) FROM billing.ledger_entries LIMIT 1});
my $bundle = pg("SELECT billing.evidence('$invoice')");
my $old_size = pg('SELECT max(tree_size) FROM billing.checkpoints');
append_to_file("$keys/log.vkey", pg('SELECT vkey FROM billing.signing_keys ORDER BY key_no DESC LIMIT 1') . "\n");
append_to_file("$keys/before.json", $bundle);

my $summary = pg(q{SELECT billing.erase_subject('acme', 'main', 'she asked', '2026-11-21')});
like($summary, qr/"purge_after": "2036-10-01", "fields_destroyed": \["email", "phone"\], "fields_restricted": \["address"\]/, 'contact data is destroyed, the address kept for ten years after the last invoice');
is(pg(q{SELECT billing.erase_subject('acme', 'main', 'again', '2027-11-21')}), $summary, 'again: the same');
is(pg(q{SELECT count(*) FROM billing.erasures WHERE tenant_id = 'acme'}), '1', 'recorded once');
is(pg(q{SELECT reason_hash = sha256(uuid_send(erasure_id) || 'she asked') FROM billing.erasures WHERE tenant_id = 'acme'}), 't', 'the reason is a hash that who knows it can check');
is(pg($read), '{}', 'nothing is read any more');
is(pg(q{SELECT billing.personal_data('acme', restricted => true)}), '{"address": {"city": "Ulm", "lines": ["Am Wall 1"], "country": "DE"}}', 'but what must be kept, when asked for');
like(pg(q{SELECT billing.personal_data('acme', 'other')}), qr/Wall/, 'another account is another subject');
is(pg(q{SELECT key_id IS NULL AND wrapped_key IS NULL AND destroyed_at IS NOT NULL FROM billing.data_keys WHERE tenant_id = 'acme' AND account_id = 'main' AND purpose = 'contact'}), 't', 'of the key there is only that it was destroyed');
like(error_of($node, $store), qr/MB473/, 'nothing is stored again');
like(error_of($node, "SELECT billing.set_personal_data('acme', 'main', 'address', " . sql_text($address) . ')'), qr/MB473/, 'nor what is restricted');
is(pg(q{SELECT billing.set_personal_data('acme', 'main', 'address', NULL); SELECT billing.personal_data('acme', restricted => true) ? 'address'}), "\nt", 'which cannot be taken away either');
like(error_of($node, q{DELETE FROM billing.erasures}), qr/MB423/, 'an erasure is for ever');

pg('SELECT FROM billing.seal()');
is(pg('SELECT * FROM billing.verify_log()'), '', 'the log holds');
like(pg(q{SELECT billing.prove_inclusion('erasure', tenant_id, erasure_id::text) FROM billing.erasures WHERE tenant_id = 'acme'}), qr/c2sp\.org\/tlog-proof/, 'the erasure is in it, provably');
like(pg("SELECT billing.prove_inclusion('ledger_entry', $entry)"), qr/c2sp\.org\/tlog-proof/, 'what was in it before is still proved');
isnt(pg("SELECT billing.prove_consistency($old_size)"), '', 'the log continues that of before');
is(pg("SELECT billing.evidence('$invoice')"), $bundle, 'the invoice\'s bundle is the same bytes');
command_ok([ 'billing-verify', "$keys/before.json", '--key', "$keys/log.vkey" ], 'and verifies offline');

# Purge: a later invoice puts it off.
pg(q{CALL billing.run_invoices('2026-11-01', finalize => true)});
pg(q{SELECT billing.record_usage('acme', 'calls', 'e2', 7, '2026-10-05 00:00+00')});
pg(q{SELECT FROM billing.sync_counts()});
pg(q{CALL billing.run_invoices('2026-11-01', finalize => true)});
my $last = pg(q{SELECT max(invoice_date) FROM billing.invoices WHERE tenant_id = 'acme'});
is(pg(q{SELECT billing.purge_subjects('2036-10-01')}), '0', 'on the last day it is still kept');
is(pg(q{SELECT billing.purge_subjects('2036-10-02')}), $last eq '2026-11-01' ? '0' : '1', 'then not, unless an invoice was made since');
is(pg(q{SELECT purge_after FROM billing.data_keys WHERE purge_after IS NOT NULL}), '2036-11-01', 'which puts it off');
is(pg(q{SELECT billing.purge_subjects('2036-11-02')}), '1', 'by as much');
is(pg(q{SELECT billing.purge_subjects('2036-11-02')}), '0', 'once');
is(pg(q{SELECT billing.personal_data('acme', restricted => true)}), '{}', 'nothing is left');
is(pg(q{SELECT cause, fields_destroyed, reason_hash IS NULL FROM billing.erasures WHERE erased_on = '2036-11-02'}), 'purge|{address}|t', 'and that is recorded');

# With a subscription and no invoice yet, ten years from today; with neither, at once.
like(pg(q{SELECT billing.erase_subject('bolt', 'main', 'x', '2026-11-21', keep_years => 7) - 'erasure_id'}), qr/"purge_after": "2033-1\d-\d+", "fields_destroyed": \["email"\], "fields_restricted": \["address"\]/, 'a subject whose invoices are to come');
like(pg(q{SELECT billing.erase_subject('acme', 'other', 'x', '2026-11-21') - 'erasure_id'}), qr/"purge_after": null, "fields_destroyed": \["address"\]/, 'a subject without invoices');
pg('SELECT FROM billing.seal()');
is(pg('SELECT * FROM billing.verify_log()'), '', 'the log holds');

# Elsewhere: the dump has no secrets in the clear, and with the key file all is read.
pg(q{SELECT billing.create_account('delta'); SELECT billing.set_personal_data('delta', 'main', 'email', 'di@example.org')});
my $dump = "$keys/dump.sql";
$node->command_ok([ 'pg_dump', '-f', $dump, $node->connstr('postgres') ], 'dumped');
unlike(slurp_file($dump), qr/example\.org|Am Wall/, 'nothing personal is in the dump');
my $elsewhere = PostgreSQL::Test::Cluster->new('elsewhere');
$elsewhere->init;
$elsewhere->append_conf('postgresql.conf', "billing.field_key_file = '$key_file'");
$elsewhere->start;
$elsewhere->command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-d', $elsewhere->connstr('postgres'), '-f', $dump ], 'restored');
is($elsewhere->safe_psql('postgres', q{SELECT billing.personal_data('delta')}), '{"email": "di@example.org"}', 'read there with the same key file');
done_testing();
