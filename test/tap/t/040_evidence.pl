# Evidence with a key: checkpoints are signed, bundles stay the same bytes, keys are refused, handed over and never shown,
# and what only somebody outside can tell, who kept a checkpoint, he can.
use strict;
use warnings;

use lib 'lib';
use Digest::SHA qw(sha256);
use File::Temp;
use MIME::Base64;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use BillingTest qw(billing_node sql_text);

my $keys = File::Temp->newdir;

sub make_key
{
	my ($name) = @_;
	my $file = "$keys/$name.pem";
	system_or_bail('openssl', 'genpkey', '-algorithm', 'ed25519', '-out', $file);
	chmod 0600, $file or die;
	return $file;
}

# The verifier key (C2SP signed-note) of a key file under a name.
sub vkey_of
{
	my ($file, $name) = @_;
	my $der = `openssl pkey -in $file -pubout -outform DER`;
	my $key = "\x01" . substr($der, -32);
	return join '+', $name, unpack('H8', sha256("$name\n$key")), encode_base64($key, '');
}

sub error_of
{
	my ($node, $sql) = @_;
	my ($status, $out, $error) = $node->psql('postgres', $sql, extra_params => ['-v', 'VERBOSITY=verbose']);
	return $error;
}

# Whether the hashes lead from the older root to the newer (RFC 9162 2.1.4.2).
sub is_consistent
{
	my ($older, $newer, @proof) = @_;
	return !@proof && $older->{root} eq $newer->{root} if $older->{size} == $newer->{size};
	my ($first, $last) = ($older->{size} - 1, $newer->{size} - 1);
	unshift @proof, $older->{root} if ($older->{size} & ($older->{size} - 1)) == 0;
	while ($first & 1) { $first >>= 1; $last >>= 1 }
	my $old_hash = my $new_hash = shift @proof // return 0;
	foreach my $hash (@proof)
	{
		return 0 if $last == 0;
		if ($first & 1 || $first == $last)
		{
			$old_hash = sha256("\x01$hash$old_hash");
			$new_hash = sha256("\x01$hash$new_hash");
			while (!($first & 1) && $first) { $first >>= 1; $last >>= 1 }
		}
		else { $new_hash = sha256("\x01$new_hash$hash") }
		$first >>= 1;
		$last >>= 1;
	}
	return $last == 0 && $old_hash eq $older->{root} && $new_hash eq $newer->{root};
}

sub kept_checkpoint
{
	my ($node) = @_;
	my (undef, $size, $root) = split /\n/, $node->safe_psql('postgres', 'SELECT note FROM billing.digest()');
	return { size => $size, root => decode_base64($root) };
}

sub proof_from
{
	my ($node, $size) = @_;
	return map { decode_base64($_) } split /\n/, $node->safe_psql('postgres', "SELECT billing.prove_consistency($size)");
}

my $first_key = make_key('first');
my $node = billing_node('main', 'billing.signing_key_file' => "'$first_key'", 'billing.log_origin' => "'gpu.example'");
my $seal = 'SELECT seal_no FROM billing.seal()';

$node->safe_psql('postgres', $_) foreach
	q{SELECT billing.ensure_partitions('2025-12-01', '2026-04-01')},
	q{SELECT billing.create_meter('calls', unit => 'call'), billing.create_plan('pro', currency => 'EUR')},
	q{SELECT billing.add_charge('pro', 'calls', meter => 'calls', price => '{"model":"unit","unit":"0.10"}')},
	q{SELECT billing.publish_plan('pro'), billing.create_account('acme', name => 'Acme'), billing.subscribe('acme', 'pro', '2026-01-01')},
	q{SELECT billing.record_usage('acme', 'calls', 'e' || n, n, timestamptz '2026-01-10 12:00Z' + n * interval '1 hour') FROM generate_series(1, 300) n},
	q{CALL billing.run_invoices('2026-02-01', finalize => true)};

# Bundles.
my $number = $node->safe_psql('postgres', 'SELECT number FROM billing.invoices');
my $evidence = "SELECT billing.evidence('$number')";
like(error_of($node, $evidence), qr/MB454.*is not sealed yet/, 'no evidence before the seal');
$node->safe_psql('postgres', $seal);
my $bundle = $node->safe_psql('postgres', $evidence);
like($bundle, qr/^\{"checkpoint":"gpu\.example/, 'a bundle under the first seal');
$node->safe_psql('postgres', q{SELECT billing.post_entry('acme', 'payment', 100, 'EUR')});
$node->safe_psql('postgres', $seal);
$node->restart;
ok($node->safe_psql('postgres', $evidence) eq $bundle, 'the same bytes after another seal and a restart');
SKIP:
{
	my $verifier = ($ENV{SOURCE_DIR} // '') . '/test/verify/verify.py';
	skip 'the second verifier is not here', 1 unless -e $verifier;
	append_to_file("$keys/bundle.json", $bundle);
	command_ok([ 'python3', $verifier, "$keys/bundle.json" ], 'the second verifier finds it valid');
}

# Months and CSV. The second account pays in yen; a draft, a month that is not over and an invoice that is not sealed are refused.
sub month_of
{
	my ($month) = @_;
	return "SELECT billing.evidence_month('acme', '$month')";
}
$node->safe_psql('postgres', $_) foreach
	q{SELECT billing.create_account('acme', account => 'lab "2"', name => 'Lab'), billing.create_plan('a,b', currency => 'JPY')},
	q{SELECT billing.add_charge('a,b', 'rent', price => '{"model":"flat","amount":"1000"}')},
	q{SELECT billing.publish_plan('a,b'), billing.subscribe('acme', 'a,b', '2026-01-01', account => 'lab "2"')};
my $month = $node->safe_psql('postgres', month_of('2026-02-01'));
like($month, qr/^\{"bundles":\[\Q$bundle\E\],"format":"billing-month\/v1","month":"2026-02","tenant":"acme"\}$/, 'a month holds the bundles as they are');
$node->safe_psql('postgres', q{CALL billing.run_invoices('2026-03-01')});
like(error_of($node, month_of('2026-03-31')), qr/MB421.*has a draft of 2026-03-01/, 'no month with a draft in it');
ok($node->safe_psql('postgres', month_of('2026-02-28')) eq $month, 'nor does one that comes later change a month given out');
$node->safe_psql('postgres', q{CALL billing.run_invoices('2026-03-01', finalize => true)});
like(error_of($node, month_of('2026-03-31')), qr/MB454.*is not sealed yet/, 'no month before its invoices are sealed');
$node->safe_psql('postgres', $seal);
my @bundles = $node->safe_psql('postgres', month_of('2026-03-31')) =~ /"consistency"/g;
my $invoices = $node->safe_psql('postgres', q{SELECT count(*) FROM billing.invoices WHERE invoice_date >= '2026-03-01'});
is(scalar @bundles, $invoices, 'every invoice of the month is in it');
is($node->safe_psql('postgres', q{SELECT invoice_ids = (SELECT array_agg(invoice_id ORDER BY account_id) FROM billing.invoices WHERE invoice_date >= '2026-03-01')
	FROM billing.evidence_months WHERE month = '2026-03-01'}), 't', 'in order');
is($node->safe_psql('postgres', "SELECT billing.evidence_csv('$number')"),
	"number,line,plan,version,charge,period_start,period_end,share_days,share_of_days,quantity,rated,billed_before,amount,currency,correction\n"
	. "$number,1,pro,1,calls,2026-01-01,2026-02-01,31,31,45150,4515.00,0.00,4515.00,EUR,false", 'a bundle as CSV');
like($node->safe_psql('postgres', q{SELECT billing.evidence_csv(number) FROM billing.invoices WHERE currency = 'JPY' AND invoice_date = '2026-02-01'}) . "\n"
	. $node->safe_psql('postgres', q{SET datestyle = 'SQL, DMY'; SELECT billing.evidence_csv(number) FROM billing.invoices WHERE currency = 'JPY' ORDER BY invoice_date LIMIT 2}),
	qr/^INV-\d+-\d+,1,"a,b",1,rent,2026-\d\d-01,2026-\d\d-01,\d\d,\d\d,1,1000,0,1000,JPY,false$/m, 'a currency without minor units, and a text with a comma');
$node->safe_psql('postgres', $_) foreach
	q{SELECT billing.ensure_partitions(date_trunc('month', now())::date, (date_trunc('month', now()) + interval '2 months')::date)},
	q{SELECT billing.create_account('late'), billing.create_plan('ahead', currency => 'EUR'), billing.add_charge('ahead', 'fee', price => '{"model":"flat","amount":"1"}', in_advance => true)},
	q{SELECT billing.publish_plan('ahead'), billing.subscribe('late', 'ahead', date_trunc('month', now())::date)},
	q{SELECT billing.invoice_batch(date_trunc('month', now())::date, 'late', 'late', billing.uuid_v7(), true)}, $seal;
like(error_of($node, q{SELECT billing.evidence_month('late', date_trunc('month', now())::date)}), qr/MB421.*is not over at the last checkpoint/, 'no month that is not over');
my $tampered = error_of($node, qq{BEGIN; ALTER TABLE billing.invoice_lines DISABLE TRIGGER USER; UPDATE billing.invoice_lines SET amount_minor = amount_minor + 1,
	rated_minor = rated_minor + 1; SELECT billing.evidence_csv('$number')});
like($tampered, qr/MB500.*are not what its evidence says/, 'and nothing that the bundle does not say');
SKIP:
{
	my $verifier = ($ENV{SOURCE_DIR} // '') . '/test/verify/verify.py';
	skip 'the second verifier is not here', 1 unless -e $verifier;
	append_to_file("$keys/month.json", $node->safe_psql('postgres', month_of('2026-03-01')));
	command_ok([ 'python3', $verifier, "$keys/month.json" ], 'the second verifier finds the month valid');
}

# Keys that are refused.
sub with_key_file
{
	my ($file) = @_;
	$node->append_conf('postgresql.conf', "billing.signing_key_file = '$file'");
	$node->reload;
	return error_of($node, 'SELECT billing.seal(true)');
}
chmod 0644, my $open_key = make_key('open');
symlink $first_key, "$keys/link.pem";
append_to_file("$keys/garbage.pem", 'canary-7719');
chmod 0600, "$keys/garbage.pem";
system_or_bail('cp', '-p', $first_key, $node->data_dir . '/inside.pem');
my $second_key = make_key('second');
like(with_key_file($open_key), qr/MB456.*mode/, 'a key that others may read is refused');
like(with_key_file("$keys/link.pem"), qr/MB456.*symbolic link/, 'a symbolic link is refused');
like(with_key_file($node->data_dir . '/inside.pem'), qr/MB456.*data directory/, 'a key inside the data directory is refused');
like(with_key_file("$keys/garbage.pem"), qr/MB456.*no Ed25519/, 'what is no key is refused');
like(with_key_file("$keys/none.pem"), qr/MB456.*cannot be opened/, 'a missing file is refused');
like(with_key_file($second_key), qr/MB456.*is not the registered one/, 'another key is refused');
unlike(slurp_file($node->logfile), qr/canary-7719/, 'no message shows what is in a key file');
like(error_of($node, "SELECT billing.uuid_v7(); SET billing.signing_key_file = 'x'"), qr/55P02/, 'no session sets the file');
is(with_key_file($first_key), '', 'the first key signs again');
like(error_of($node, "SET billing.signing_key_file = '$second_key'; SELECT billing.seal(true)"), qr/\A.*WARNING.*55P02(?!.*MB)/s, 'nor before the library is loaded');

# Handing over.
my $origin = (split /\n/, $node->safe_psql('postgres', 'SELECT note FROM billing.digest()'))[0];
my $new_vkey = vkey_of($second_key, $origin);
is($node->safe_psql('postgres', "SELECT billing.rotate_signing_key('$new_vkey')"), 2, 'the first key puts the second in force');
like(with_key_file($first_key), qr/MB456/, 'the first key is no more in force');
is(with_key_file($second_key), '', 'the second signs');
is($node->safe_psql('postgres', 'SELECT * FROM billing.verify_log()'), '', 'the log holds over both keys');

# What a thief with the database and the key can do: the log holds by itself, and an outside checkpoint contradicts it.
my $kept = kept_checkpoint($node);
my @tables = qw(checkpoints checkpoint_notes log_segments log_blocks log_hashes evidence_bundles evidence_months ledger_entries);
my $guards_off = join ';', map { "ALTER TABLE billing.$_ DISABLE TRIGGER USER" } @tables;
my $guards_on = q{DO $$ DECLARE g record; BEGIN FOR g IN SELECT tgrelid::regclass AS r, tgname AS n FROM pg_trigger
	WHERE tgenabled = 'D' AND NOT tgisinternal LOOP EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER %I', g.r, g.n); END LOOP; END $$};
$node->safe_psql('postgres', "$seal") foreach 1 .. 2;
my @proof = proof_from($node, $kept->{size});
ok(is_consistent($kept, kept_checkpoint($node), @proof), 'an honest log goes on from the kept checkpoint');
my $rolled_back = $node->safe_psql('postgres', "BEGIN; $guards_off; CREATE TEMP TABLE last AS SELECT max(seal_no) AS seal_no FROM billing.checkpoints;"
	. join('', map { "DELETE FROM billing.$_ t USING last WHERE t.seal_no = last.seal_no;" } qw(checkpoint_notes log_segments checkpoints))
	. "$guards_on; SELECT (SELECT count(*) FROM billing.verify_log()), max(tree_size) FROM billing.checkpoints; ROLLBACK");
my ($problems, $size_left) = split /\|/, $rolled_back;
is($problems, 0, 'the newest checkpoint taken away: the log alone tells nothing');
cmp_ok($size_left, '<', kept_checkpoint($node)->{size}, 'a kept checkpoint is larger than what is left');
$node->safe_psql('postgres', "BEGIN; $guards_off; UPDATE billing.ledger_entries SET amount_minor = amount_minor + 1;"
	. 'TRUNCATE billing.checkpoints, billing.checkpoint_notes, billing.log_segments, billing.log_blocks, billing.log_hashes, billing.evidence_bundles, billing.evidence_months;'
	. "$guards_on; COMMIT");
$node->safe_psql('postgres', 'SELECT billing.seal(true)') foreach 1 .. 12;
is($node->safe_psql('postgres', 'SELECT * FROM billing.verify_log()'), '', 'rewritten and signed with the stolen key: the log alone tells nothing');
my $forged = kept_checkpoint($node);
cmp_ok($forged->{size}, '>=', $kept->{size}, 'and it is long enough');
ok(!is_consistent($kept, $forged, proof_from($node, $kept->{size})), 'the kept checkpoint tells: no proof leads from it');

# Writers of all kinds while the log is sealed: every entry is in exactly one seal.
append_to_file("$keys/post.sql", q{\set n random(1, 20)
BEGIN;
SELECT billing.post_entry('acme', 'payment', 100, 'EUR');
SAVEPOINT s;
SELECT billing.post_entry('acme', 'payment', 200, 'EUR');
ROLLBACK TO s;
SELECT pg_sleep(:n / 1000.0);
SELECT billing.post_entry('acme', 'payment', 300, 'EUR');
COMMIT;
});
append_to_file("$keys/seal.sql", "SELECT billing.seal();\n");
my $seconds = $ENV{SOAK_SECONDS} // 6;
my $sealer = IPC::Run::start([ 'pgbench', '-n', '-T', $seconds, '-c', 2, '-f', "$keys/seal.sql", $node->connstr('postgres') ], '>', \my $sealed, '2>', \my $noise);
$node->run_log([ 'pgbench', '-n', '-T', $seconds, '-c', 8, '-f', "$keys/post.sql", $node->connstr('postgres') ]);
$sealer->finish;
$node->safe_psql('postgres', 'SELECT billing.seal()');
my ($rows, $leaves, $seals) = split /\|/, $node->safe_psql('postgres', q{SELECT (SELECT count(*) FROM billing.ledger_entries),
	(SELECT sum(leaves) FROM billing.log_segments WHERE kind = 'ledger_entry'), (SELECT count(*) FROM billing.checkpoints)});
note("$rows entries in $seals seals");
is($leaves, $rows, 'as many leaves as entries: none missed, none twice');
is($node->safe_psql('postgres', 'SELECT * FROM billing.verify_log()'), '', 'every seal holds, recomputed');

# Blocks of many small segments, and of rows that were running when the seal before was made: each proof leads to the signed root.
is($node->safe_psql('postgres', q{SELECT count(*) FILTER (WHERE billing.prove_inclusion('ledger_entry', posted_on::text, tenant_id, entry_id::text) IS NULL)
	FROM (SELECT * FROM billing.ledger_entries ORDER BY entry_id LIMIT 2000) AS e}), '0', 'entries anywhere in it are proved');
is($node->safe_psql('postgres', q{SELECT count(billing.prove_inclusion('checkpoint', seal_no::text)) - max(seal_no)
	FROM billing.checkpoints WHERE seal_no < (SELECT max(seal_no) FROM billing.checkpoints)}), '0', 'and every checkpoint but the last');

# Dumped and restored into a cluster whose transaction ids are lower: another origin, one log.
my $restored = PostgreSQL::Test::Cluster->new('restored');
$restored->init;
$restored->append_conf('postgresql.conf', "timezone = 'UTC'\nbilling.signing_key_file = '$second_key'\nbilling.log_origin = 'gpu.example'\n");
$restored->start;
$node->command_ok([ 'pg_dump', '-Fc', '-f', "$keys/dump", $node->connstr('postgres') ], 'dumped');
$restored->command_ok([ 'pg_restore', '--exit-on-error', '-d', $restored->connstr('postgres'), "$keys/dump" ], 'restored');
like(error_of($restored, $seal), qr/MB426/, 'the other cluster seals nothing before it is adopted');
$restored->safe_psql('postgres', q{SELECT billing.adopt_cluster('restore')});
my $before = kept_checkpoint($restored);
$restored->safe_psql('postgres', q{SELECT billing.post_entry('acme', 'payment', 500, 'EUR')});
$restored->safe_psql('postgres', $seal);
like($restored->safe_psql('postgres', 'SELECT note FROM billing.digest()'), qr{^gpu\.example/billing/\d+/2\n}, 'the next incarnation has its own origin');
ok(is_consistent($before, kept_checkpoint($restored), proof_from($restored, $before->{size})), 'and the log goes on');
is($restored->safe_psql('postgres', 'SELECT * FROM billing.verify_log()'), '', 'which holds');

# A row killed below every trigger.
SKIP:
{
	my ($status) = $restored->psql('postgres', 'CREATE EXTENSION pg_surgery');
	skip 'there is no pg_surgery here', 1 if $status != 0;
	my ($partition, $place) = split /\|/, $restored->safe_psql('postgres', 'SELECT tableoid::regclass, ctid FROM billing.ledger_entries ORDER BY log_xid LIMIT 1');
	$restored->safe_psql('postgres', "SELECT heap_force_kill('$partition', ARRAY['$place']::tid[])");
	like($restored->safe_psql('postgres', 'SELECT problem FROM billing.verify_log()'), qr/rows of kind "ledger_entry"/, 'the segment of a row killed by heap_force_kill() tells');
}

done_testing();
