# What a superuser can do to the log, each in a fresh copy of one honest database, committed, and the layer that must tell.
#
# An attack that leaves the guards off is told by the schema's fingerprint already; those here put them back, so that only the
# layer named is left to tell.
use strict;
use warnings;

use lib 'lib';
use Digest::SHA qw(sha256);
use File::Temp;
use IPC::Run;
use MIME::Base64;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use BillingTest qw(billing_node);

my $keys = File::Temp->newdir;
my ($key, $thief) = map { my $file = "$keys/$_.pem"; system_or_bail('openssl', 'genpkey', '-algorithm', 'ed25519', '-out', $file); chmod 0600, $file; $file } qw(operator thief);
my $node = billing_node('main', 'billing.signing_key_file' => "'$key'", 'billing.log_origin' => "'gpu.example'");
$node->safe_psql('postgres', $_) foreach
	q{SELECT billing.ensure_partitions('2025-12-01', '2027-01-01')},
	q{SELECT billing.create_meter('calls', unit => 'call'), billing.create_plan('pro', currency => 'EUR')},
	q{SELECT billing.add_charge('pro', 'calls', meter => 'calls', price => '{"model":"unit","unit":"0.10"}')},
	q{SELECT billing.publish_plan('pro'), billing.create_account('acme', name => 'Acme'), billing.subscribe('acme', 'pro', '2026-01-01')},
	q{SELECT billing.record_usage('acme', 'calls', 'e' || n, n, timestamptz '2026-01-10 12:00Z' + n * interval '1 hour') FROM generate_series(1, 300) n},
	q{CALL billing.run_invoices('2026-02-01', finalize => true)},
	q{SELECT FROM billing.seal()},
	q{SELECT billing.post_entry('acme', 'payment', 100 * n, 'EUR', memo => 'rent ' || n, posted_on => '2026-02-03') FROM generate_series(1, 600) n},
	q{SELECT FROM billing.seal()};
my $number = $node->safe_psql('postgres', 'SELECT number FROM billing.invoices');
my $bundle = $node->safe_psql('postgres', "SELECT billing.evidence('$number')");
my $vkey = vkey_of($key, (split /\n/, note_of('postgres'))[0]);

sub vkey_of
{
	my ($file, $name) = @_;
	my $public = "\x01" . substr(`openssl pkey -in $file -pubout -outform DER`, -32);
	return join '+', $name, unpack('H8', sha256("$name\n$public")), encode_base64($public, '');
}

sub note_of
{
	my ($database) = @_;
	return decode_base64($node->safe_psql($database, q{SELECT encode(convert_to(note, 'UTF8'), 'base64') FROM billing.digest()}));
}

sub write_file
{
	my ($file, $text) = @_;
	open my $handle, '>:raw', $file or die "$file: $!";
	print $handle $text;
	close $handle or die;
	return $file;
}

# Exit status and what was printed.
sub run_program
{
	my ($input, @command) = @_;
	my ($out, $error) = ('', '');
	IPC::Run::run(\@command, '<', \$input, '>', \$out, '2>', \$error);
	return ($? >> 8, "$out$error");
}

# The witness has accepted the honest log so far.
sub witness
{
	my ($database, $kept_size, $state) = @_;
	my (undef, $proof) = $node->psql($database, "SELECT billing.prove_consistency($kept_size)");
	return run_program(note_of($database), 'billing-verify', 'witness', $state, '--key', $vkey,
		'--proof', write_file("$keys/proof", ($proof // '') =~ s/\n*\z/\n/r));
}

my $honest_size = (split /\n/, note_of('postgres'))[1];
mkdir "$keys/witness";
my ($status, $told) = run_program(note_of('postgres'), 'billing-verify', 'witness', "$keys/witness", '--key', $vkey);
is($status, 0, 'a witness keeps the honest checkpoint') or diag($told);
is($node->safe_psql('postgres', 'SELECT * FROM billing.verify_log()'), '', 'the honest log holds');
is((run_program('', 'billing-verify', write_file("$keys/honest.json", $bundle), '--key', $vkey))[0], 0, 'so does the bundle');

# Statements with the guards of a table and its partitions off, and on again.
sub unguarded
{
	my ($statements) = @_;
	return qq{DO \$off\$ DECLARE g record; BEGIN CREATE TEMP TABLE off AS SELECT tgrelid, tgname, tgenabled FROM pg_trigger WHERE NOT tgisinternal;
		FOR g IN SELECT DISTINCT tgrelid::regclass AS r FROM off WHERE tgrelid::regclass::text LIKE 'billing.%' LOOP EXECUTE format('ALTER TABLE ONLY %s DISABLE TRIGGER USER', g.r); END LOOP; END \$off\$;
		$statements;
		DO \$on\$ DECLARE g record; BEGIN FOR g IN SELECT tgrelid::regclass AS r, tgname, tgenabled FROM off WHERE tgrelid::regclass::text LIKE 'billing.%' AND tgenabled <> 'D'
		LOOP EXECUTE format('ALTER TABLE ONLY %s ENABLE %s TRIGGER %I', g.r, CASE g.tgenabled WHEN 'A' THEN 'ALWAYS' WHEN 'R' THEN 'REPLICA' ELSE '' END, g.tgname); END LOOP; END \$on\$};
}

# Columns of an entry made from the one with memo 'rent 8'; the rest is given.
sub forged_entry
{
	my ($relation, $xid, $id) = @_;
	return qq{INSERT INTO $relation (posted_on, tenant_id, entry_id, account_id, entry_type, debit_account, credit_account, amount_minor, currency, source, source_id, log_xid)
		SELECT posted_on, tenant_id, '00000000-0000-0000-0000-0000000000$id', account_id, entry_type, debit_account, credit_account, 77, currency, source, source_id, $xid
		  FROM billing.ledger_entries WHERE memo = 'rent 8'};
}

my %layers = (
	'root' => qr/the rows have another root than was sealed/,
	'segment' => qr/rows of kind "\w+" from leaf \d+, and \d+ from leaf \d+ were sealed/,
	'block' => qr/stored hashes or positions differ from the rows/,
	'chain' => qr/usage of tenant/,
	'document' => qr/is not as it was finalized/,
	'terms' => qr/terms of version \d+ of plan "pro" are not as they were published/,
	'checkpoint' => qr/the checkpoint is missing|has another root|has another size/,
	'signature' => qr/the checkpoint's note does not hold/,
	'schema fingerprint' => qr/tables or functions are not as recorded/,
	'count of rows' => qr/rows of kind "\w+" are in no seal, or found by no index/,
);
my $raise = 'UPDATE billing.ledger_entries SET amount_minor = amount_minor + 1 WHERE memo = \'rent 7\'';
my $catalogue = 'SET allow_system_table_mods = on';
my @attacks = (
	[ 'root', 'an UPDATE with triggers disabled', unguarded($raise) ],
	[ 'block', 'the same', unguarded($raise) ],
	[ 'schema fingerprint', 'a trigger left disabled', 'ALTER TABLE billing.ledger_entries DISABLE TRIGGER ALL' ],
	[ 'schema fingerprint', 'a trigger of a partition left disabled', 'ALTER TABLE billing.ledger_entries_2026_02 DISABLE TRIGGER ALL' ],
	[ 'root', 'session_replication_role and triggers that do not stand in it', q{DO $$ DECLARE r record; BEGIN
		FOR r IN SELECT tgrelid::regclass AS t FROM pg_trigger WHERE tgname = 'refuse_change' AND tgrelid::regclass::text LIKE 'billing.ledger_entries%' LOOP
			EXECUTE format('ALTER TABLE ONLY %s ENABLE TRIGGER refuse_change', r.t); END LOOP; END $$;
		SET session_replication_role = replica;} . $raise . q{; SET session_replication_role = origin; DO $$ DECLARE r record; BEGIN
		FOR r IN SELECT tgrelid::regclass AS t FROM pg_trigger WHERE tgname = 'refuse_change' AND tgrelid::regclass::text LIKE 'billing.ledger_entries%' LOOP
			EXECUTE format('ALTER TABLE ONLY %s ENABLE ALWAYS TRIGGER refuse_change', r.t); END LOOP; END $$} ],
	[ 'root', 'catalogue edits: tgenabled, and put back', "$catalogue; UPDATE pg_trigger SET tgenabled = 'D' WHERE tgname = 'refuse_change'; $raise; UPDATE pg_trigger SET tgenabled = 'A' WHERE tgname = 'refuse_change'" ],
	[ 'schema fingerprint', 'catalogue edits: tgenabled of a partition', "$catalogue; UPDATE pg_trigger SET tgenabled = 'D' WHERE tgrelid = 'billing.ledger_entries_2026_02'::regclass" ],
	[ 'schema fingerprint', 'catalogue edits: relhastriggers', "$catalogue; UPDATE pg_class SET relhastriggers = false WHERE oid = 'billing.checkpoints'::regclass" ],
	[ 'schema fingerprint', 'catalogue edits: relhastriggers of a partition', "$catalogue; UPDATE pg_class SET relhastriggers = false WHERE oid = 'billing.ledger_entries_2026_02'::regclass" ],
	[ 'schema fingerprint', 'catalogue edits: the body of a function', "$catalogue; UPDATE pg_proc SET prosrc = 'SELECT 1' WHERE oid = 'billing.unsigned_checkpoint'::regproc" ],
	[ 'schema fingerprint', 'catalogue edits: the C symbol of the guard', "$catalogue; UPDATE pg_proc SET prosrc = 'billing_log_xid' WHERE oid = 'billing.refuse_change'::regproc" ],
	[ 'schema fingerprint', 'catalogue edits: a trigger deleted', "$catalogue; DELETE FROM pg_trigger WHERE tgname = 'refuse_change' AND tgrelid = 'billing.invoice_events'::regclass" ],
	[ 'schema fingerprint', 'catalogue edits: a default of log_xid', "$catalogue; ALTER TABLE billing.ledger_entries ALTER log_xid SET DEFAULT '5'" ],
	[ 'root', 'ALTER COLUMN TYPE USING', 'ALTER TABLE billing.ledger_entries ALTER COLUMN source_id TYPE uuid USING gen_random_uuid()' ],
	[ 'root', 'ALTER COLUMN TYPE USING of a time', q{ALTER TABLE billing.invoice_events ALTER COLUMN occurred_at TYPE timestamptz USING occurred_at + interval '1 day'} ],
	[ 'root', 'a row hash recomputed over changed content', unguarded(q{UPDATE billing.count_sync_checkpoint_events
		SET rows_processed = 99, self_hash = billing.checkpoint_hash(tenant_id, sequence, window_no, 99, first_day, last_day, digest, counts_digest, salt, prev_hash, created_at)}) ],
	[ 'chain', 'the same', unguarded(q{UPDATE billing.count_sync_checkpoint_events
		SET rows_processed = 99, self_hash = billing.checkpoint_hash(tenant_id, sequence, window_no, 99, first_day, last_day, digest, counts_digest, salt, prev_hash, created_at)}) ],
	[ 'chain', 'a usage record changed', unguarded(q{UPDATE billing.usage_records SET quantity = 1 WHERE event_id = 'e99'}) ],
	[ 'document', 'an invoice\'s line changed', unguarded('UPDATE billing.invoice_lines SET quantity = quantity - 1') ],
	[ 'terms', 'a price changed', unguarded(q{UPDATE billing.charges SET price = '{"model":"unit","unit":"0.11"}', price_hash = billing.price_hash('{"model":"unit","unit":"0.11"}')}) ],
	[ 'segment', 'a row deleted', unguarded(q{DELETE FROM billing.ledger_entries WHERE memo = 'rent 300'}) ],
	[ 'segment', 'a back-dated insert into a sealed transaction', forged_entry('billing.ledger_entries', 'log_xid', '01') ],
	[ 'segment', 'a back-dated insert into a rolled back transaction', forged_entry('billing.ledger_entries', "(log_xid::text::bigint - 1)::text::xid8", '01') ],
	[ 'count of rows', 'an insert under a transaction id that will not come', forged_entry('billing.ledger_entries', "'9000000000000000000'::xid8", '01') ],
	[ 'count of rows', 'a back-dated insert that no index has', "$catalogue; UPDATE pg_index SET indisready = false WHERE indrelid = 'billing.ledger_entries_2026_02'::regclass;"
		. forged_entry('billing.ledger_entries', 'log_xid', '01') . "; UPDATE pg_index SET indisready = true WHERE indrelid = 'billing.ledger_entries_2026_02'::regclass" ],
	[ 'schema fingerprint', 'an INHERITS child with phantom rows', q{CREATE TABLE public.phantom () INHERITS (billing.count_sync_checkpoint_events);
		INSERT INTO public.phantom SELECT * FROM ONLY billing.count_sync_checkpoint_events} ],
	[ 'segment', 'a phantom partition with back-dated rows', q{CREATE TABLE billing.phantom (LIKE billing.ledger_entries INCLUDING DEFAULTS INCLUDING CONSTRAINTS);}
		. forged_entry('billing.phantom', 'log_xid', '01') . q{; UPDATE billing.phantom SET posted_on = '2030-01-01';
		ALTER TABLE billing.ledger_entries ATTACH PARTITION billing.phantom FOR VALUES FROM ('2030-01-01') TO ('2030-02-01')} ],
	[ 'schema fingerprint', 'a phantom partition in another schema', q{CREATE TABLE public.phantom (LIKE billing.ledger_entries INCLUDING DEFAULTS INCLUDING CONSTRAINTS);
		ALTER TABLE billing.ledger_entries ATTACH PARTITION public.phantom FOR VALUES FROM ('2030-01-01') TO ('2030-02-01')} ],
	[ 'segment', 'a partition detached', 'ALTER TABLE billing.ledger_entries DETACH PARTITION billing.ledger_entries_2026_02' ],
	[ 'schema fingerprint', 'a RULE that drops postings', 'CREATE RULE forget AS ON INSERT TO billing.ledger_entries DO INSTEAD NOTHING' ],
	[ 'schema fingerprint', 'a RULE of a partition', 'CREATE RULE forget AS ON INSERT TO billing.ledger_entries_2026_02 DO INSTEAD NOTHING' ],
	[ 'schema fingerprint', 'a trigger that drops postings', q{CREATE FUNCTION public.forget() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
		CREATE TRIGGER a BEFORE INSERT ON billing.ledger_entries FOR EACH ROW EXECUTE FUNCTION public.forget()} ],
	[ 'schema fingerprint', 'a trigger of a partition that drops postings', q{CREATE FUNCTION public.forget() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
		CREATE TRIGGER a BEFORE INSERT ON billing.ledger_entries_2026_02 FOR EACH ROW EXECUTE FUNCTION public.forget()} ],
	[ 'schema fingerprint', 'the same, hidden as if it were of a foreign key', qq{CREATE FUNCTION public.forget() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
		CREATE TRIGGER a BEFORE INSERT ON billing.ledger_entries_2026_02 FOR EACH ROW EXECUTE FUNCTION public.forget();
		$catalogue; UPDATE pg_trigger SET tgisinternal = true WHERE tgname = 'a'} ],
	[ 'schema fingerprint', 'the guard of a partition under a condition', q{DROP TRIGGER refuse_truncate ON billing.ledger_entries_2026_02;
		CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON billing.ledger_entries_2026_02 FOR EACH STATEMENT WHEN (false) EXECUTE FUNCTION billing.refuse_change('ledger_entries_2026_02');
		ALTER TABLE billing.ledger_entries_2026_02 ENABLE ALWAYS TRIGGER refuse_truncate} ],
	[ 'schema fingerprint', 'a policy of a partition', 'CREATE POLICY hide ON billing.ledger_entries_2026_02 USING (amount_minor < 100)' ],
	[ 'checkpoint', 'a root written anew', unguarded(q{UPDATE billing.checkpoints SET root_hash = sha256('') WHERE seal_no = 1}) ],
	[ 'checkpoint', 'a checkpoint in the middle taken away', unguarded(q{DELETE FROM billing.checkpoint_notes WHERE seal_no = 1; ALTER TABLE billing.evidence_bundles DROP CONSTRAINT evidence_bundles_seal_no_fkey; DELETE FROM billing.checkpoints WHERE seal_no = 1}) ],
	[ 'block', 'a stored hash replaced', unguarded(q{UPDATE billing.log_hashes SET hash = sha256('') WHERE node = 0}) ],
	[ 'signature', 'a note of the thief', unguarded(q{UPDATE billing.checkpoint_notes SET note = replace(note, E'\n\n', E'0\n\n') WHERE seal_no = 2}) ],
);

my $copies = 0;
sub fresh_copy
{
	my $name = 'copy_' . ++$copies;
	$node->safe_psql('template1', "CREATE DATABASE $name TEMPLATE postgres");
	return $name;
}

foreach my $attack (@attacks)
{
	my ($layer, $name, $sql) = @$attack;
	my $copy = fresh_copy();
	my ($failed, undef, $error) = $node->psql($copy, "BEGIN; $sql; COMMIT", extra_params => [ '-v', 'ON_ERROR_STOP=1' ]);
	if ($failed) { fail("$layer: $name: the attack itself failed: $error") }
	else { like($node->safe_psql($copy, 'SELECT problem FROM billing.verify_log()'), $layers{$layer}, "$layer: $name") }
	$node->safe_psql('template1', "DROP DATABASE $copy WITH (FORCE)");
}
# Guards: what is refused at once, to a superuser as well.
sub is_refused
{
	my ($name, $sql, $state) = @_;
	my (undef, undef, $error) = $node->psql('postgres', $sql, extra_params => [ '-v', 'VERBOSITY=verbose' ]);
	like($error, qr/$state/, "guard: $name");
}
is_refused('UPDATE', $raise, 'MB423');
is_refused('DELETE', 'DELETE FROM billing.checkpoints', 'MB423');
is_refused('TRUNCATE of a partition', 'TRUNCATE billing.ledger_entries_2026_02', 'MB423');
is_refused('session_replication_role', "SET session_replication_role = replica; $raise", 'MB423');
is_refused('a policy that hides rows from the verifier', q{BEGIN; ALTER TABLE billing.ledger_entries ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
	CREATE POLICY hide ON billing.ledger_entries USING (amount_minor < 100); SELECT * FROM billing.verify_log(); ROLLBACK}, '42501');

# The row's leaf: a proof of a changed row cannot be made.
{
	my $copy = fresh_copy();
	my $id = $node->safe_psql($copy, q{SELECT entry_id FROM billing.ledger_entries WHERE memo = 'rent 7'});
	$node->safe_psql($copy, 'BEGIN;' . unguarded($raise) . '; COMMIT');
	my (undef, undef, $error) = $node->psql($copy, "SELECT billing.prove_inclusion('ledger_entry', '2026-02-03', 'acme', '$id')", extra_params => [ '-v', 'VERBOSITY=verbose' ]);
	like($error, qr/MB500/, 'row leaf: a changed row is not proved');
}

# verify_log() replaced, so that it finds nothing, and a forged bundle stored: both verifiers are outside the database.
{
	my $copy = fresh_copy();
	$node->safe_psql($copy, q{CREATE OR REPLACE FUNCTION billing.verify_log() RETURNS TABLE (seal_no bigint, problem text) LANGUAGE sql AS 'SELECT NULL::bigint, NULL::text WHERE false'});
	$node->safe_psql($copy, 'BEGIN;' . unguarded(q{UPDATE billing.evidence_bundles SET bundle = regexp_replace(bundle, '"canon":"Y', '"canon":"A')}) . '; COMMIT');
	$node->safe_psql($copy, 'BEGIN;' . unguarded($raise) . '; COMMIT');
	is($node->safe_psql($copy, 'SELECT * FROM billing.verify_log()'), '', 'a replaced verify_log() tells nothing');
	my $forged = $node->safe_psql($copy, "SELECT billing.evidence('$number')");
	isnt($forged, $bundle, 'and a stored bundle is forged');
	my $file = write_file("$keys/forged.json", $forged);
	is((run_program('', 'billing-verify', $file, '--key', $vkey))[0], 1, 'offline verifier: a replaced verify_log() and a forged bundle');
	SKIP:
	{
		my $second = ($ENV{SOURCE_DIR} // '') . '/test/verify/verify.py';
		skip 'the second verifier is not here', 1 unless -e $second;
		is((run_program('', 'python3', $second, $file, '--key', $vkey))[0], 1, 'second verifier: likewise');
	}
	my (undef, $problems) = $node->psql($copy, q{CREATE FUNCTION public.verify_again() RETURNS TABLE (seal_no bigint, problem text) LANGUAGE C SET row_security = off
		AS '$libdir/billing', 'billing_verify_log'; SELECT problem FROM public.verify_again()});
	like($problems, $layers{'schema fingerprint'}, 'schema fingerprint: the library itself tells of a replaced verify_log()');
	like($problems, $layers{root}, 'root: and of the rows');
}

# The whole chain written anew. The copies' checkpoints, then what witnesses and holders of the operator's key say.
my @log_tables = qw(checkpoints checkpoint_notes log_segments log_blocks log_hashes evidence_bundles);
sub with_key
{
	my ($file) = @_;
	$node->append_conf('postgresql.conf', "billing.signing_key_file = '$file'");
	$node->reload;
	$node->poll_query_until('postgres', "SELECT current_setting('billing.signing_key_file') = '$file'") or die;
}

# From the start, with another amount, and as long as the honest one or longer.
sub rewrite
{
	my ($copy, $also) = @_;
	$node->safe_psql($copy, 'CREATE TABLE public.kept AS SELECT * FROM billing.checkpoint_notes');
	$node->safe_psql($copy, 'BEGIN;' . unguarded("$raise; TRUNCATE " . join(', ', map { "billing.$_" } @log_tables) . $also) . '; COMMIT');
	$node->safe_psql($copy, 'SELECT FROM billing.seal(true)') for 1 .. 6;
}

{
	my $copy = fresh_copy();
	with_key('');
	rewrite($copy, '');
	$node->safe_psql($copy, 'BEGIN;' . unguarded('INSERT INTO billing.checkpoint_notes SELECT * FROM public.kept') . '; COMMIT');
	like($node->safe_psql($copy, 'SELECT problem FROM billing.verify_log()'), $layers{signature}, 'signature: the whole chain rewritten without the key, the old notes put back');
}
{
	my $copy = fresh_copy();
	with_key($thief);
	rewrite($copy, ', billing.signing_keys');
	my ($refused, $said) = run_program(note_of($copy), 'billing-verify', 'witness', "$keys/witness", '--key', $vkey);
	isnt($refused, 0, 'signature: the whole chain rewritten with a key of the thief: not the operator\'s') or diag($said);
}
{
	my $copy = fresh_copy();
	with_key($key);
	rewrite($copy, '');
	is($node->safe_psql($copy, 'SELECT * FROM billing.verify_log()'), '', 'the whole chain rewritten with the stolen key: the log alone tells nothing');
	my ($refused, $said) = witness($copy, $honest_size, "$keys/witness");
	is($refused, 1, 'outside checkpoint: the whole chain rewritten with the stolen key') or diag($said);
}
{
	my $copy = fresh_copy();
	$node->safe_psql($copy, 'BEGIN;' . unguarded(join ';', map { "DELETE FROM billing.$_ WHERE seal_no = (SELECT max(seal_no) FROM public.newest)" } qw(checkpoint_notes log_segments log_blocks checkpoints))
		=~ s/\ADO/CREATE TABLE public.newest AS SELECT max(seal_no) AS seal_no FROM billing.checkpoints; DO/r . '; COMMIT');
	is($node->safe_psql($copy, 'SELECT problem FROM billing.verify_log()'), '', 'the newest checkpoint rolled back: the log alone tells nothing');
	my ($refused, $said) = run_program(note_of($copy), 'billing-verify', 'witness', "$keys/witness", '--key', $vkey);
	is($refused, 1, 'outside checkpoint: the newest checkpoint rolled back') or diag($said);
}

# Below SQL.
SKIP:
{
	my $copy = fresh_copy();
	my ($missing) = $node->psql($copy, 'CREATE EXTENSION pg_surgery');
	skip 'there is no pg_surgery here', 2 if $missing;
	my ($partition, $place) = split /\|/, $node->safe_psql($copy, q{SELECT tableoid::regclass, ctid FROM billing.ledger_entries WHERE memo = 'rent 9'});
	$node->safe_psql($copy, "SELECT heap_force_kill('$partition', ARRAY['$place']::tid[])");
	my $problems = $node->safe_psql($copy, 'SELECT problem FROM billing.verify_log()');
	like($problems, $layers{segment}, 'segment: heap_force_kill()');
	like($problems, $layers{root}, 'root: the same');
}

# An honest log goes on.
$node->safe_psql('postgres', q{SELECT billing.post_entry('acme', 'payment', 5, 'EUR')});
$node->safe_psql('postgres', 'SELECT FROM billing.seal()');
($status, $told) = witness('postgres', $honest_size, "$keys/witness");
is($status, 0, 'the witness still accepts the honest log') or diag($told);
done_testing();
