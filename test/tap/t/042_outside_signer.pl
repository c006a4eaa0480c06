# The server holds no key: a signer outside it signs what it is given. And what a digest promises of standbys.
use strict;
use warnings;

use lib 'lib';
use File::Temp;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use BillingTest qw(billing_node sign_outside sql_text);

my $keys = File::Temp->newdir;
my $key_file = "$keys/signer.pem";
system_or_bail('openssl', 'genpkey', '-algorithm', 'ed25519', '-out', $key_file);

sub signed_note
{
	my ($body) = @_;
	return (sign_outside($key_file, $body))[0];
}

sub unsigned_body
{
	my ($node) = @_;
	return $node->safe_psql('postgres', 'SELECT body FROM billing.unsigned_checkpoint()');
}

my $node = billing_node('outside', wal_level => 'replica', max_wal_senders => 5);
$node->append_conf('postgresql.conf', "billing.log_origin = 'gpu.example'");
$node->reload;

my $seal = $node->safe_psql('postgres', 'SELECT seal_no, note IS NULL FROM billing.seal()');
is($seal, '1|t', 'without a key the checkpoint is not signed');
my $body = unsigned_body($node);
like($body, qr{\Agpu\.example/billing/\d+/1\n\d+\n[A-Za-z0-9+/]{43}=\n\z}, 'and its body is for the signer: origin, size, root');
is($node->safe_psql('postgres', 'SELECT count(note) FROM billing.digest()'), '0', 'nothing unsigned is a digest');

my ($note, $vkey) = sign_outside($key_file, $body);
is($node->safe_psql('postgres', "SELECT billing.rotate_signing_key('$vkey')"), '1', 'the first key is trusted as it comes');
(my $forged = $note) =~ s/\n\d+\n/\n9\n/;
my ($status, $out, $error) = $node->psql('postgres', 'SELECT billing.add_signature(1, ' . sql_text($forged) . ')', extra_params => [ '-v', 'VERBOSITY=verbose' ]);
like($error, qr/MB455/, 'the signature of another body is refused');
is($node->safe_psql('postgres', 'SELECT billing.add_signature(1, ' . sql_text($note) . ')'), 't', 'the signed note is taken');
is($node->safe_psql('postgres', 'SELECT billing.add_signature(1, ' . sql_text($note) . ')'), 'f', 'once');
is($node->safe_psql('postgres', 'SELECT note FROM billing.digest()'), $note, 'and is the digest');

# A standby.
is($node->safe_psql('postgres', 'SELECT count(note) FROM billing.digest(1)'), '0', 'with no standby nothing is on one');
$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;
$node->safe_psql('postgres', 'SELECT billing.seal(true)');
$node->safe_psql('postgres', 'SELECT billing.add_signature(2, ' . sql_text(signed_note(unsigned_body($node))) . ')');
$node->safe_psql('postgres', 'SELECT billing.seal(true)');
$node->wait_for_catchup($standby, 'flush', $node->lsn('flush'));
is($node->safe_psql('postgres', 'SELECT seal_no FROM billing.digest(1)'), '2', 'what the standby has flushed is');
is($node->safe_psql('postgres', 'SELECT count(note) FROM billing.digest(2)'), '0', 'but not on two');
is($standby->safe_psql('postgres', 'SELECT seal_no FROM billing.checkpoint_notes ORDER BY 1 DESC LIMIT 1'), '2', 'and it is there');
($status, $out, $error) = $standby->psql('postgres', 'SELECT billing.seal()', extra_params => [ '-v', 'VERBOSITY=verbose' ]);
like($error, qr/MB427/, 'a standby seals nothing');

$standby->stop;
$node->stop;
done_testing();
