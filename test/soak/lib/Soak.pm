# What the long tests share. A program of test/soak runs for SOAK_SECONDS, or for the seconds of its short form, which make check
# runs; SEED repeats its random choices. Each property it tests is a figure, which make soak collects in its table.
package Soak;

use strict;
use warnings;

use Exporter 'import';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);
use BillingTest qw(billing_node);

our @EXPORT_OK = qw(begin_soak figure is_sound is_long seconds_left seed soak_node);

my ($seed, $end);

# Begins, and returns how many seconds there are. short: those of the form that make check runs.
sub begin_soak
{
	my (%default) = @_;
	my $seconds = $ENV{SOAK_SECONDS} // $default{short};
	$seed = int($ENV{SEED} // time() * 1000 % 2**31);
	$end = time() + $seconds;
	srand $seed;
	diag("seed $seed, $seconds seconds");
	return $seconds;
}

# Whether this is make soak rather than make check.
sub is_long
{
	return defined $ENV{SOAK_SECONDS};
}

sub seed
{
	return $seed;
}

sub seconds_left
{
	return $end - time();
}

# A line of the table, and a test that nothing broke the property. Of what the aim counts, `done` are done of `wanted`: with
# fewer the property held as far as it went.
sub figure
{
	my ($property, %of) = @_;
	my $met = $of{violations} ? 'NO' : ($of{done} // 0) < ($of{wanted} // 0) ? 'so far' : 'yes';
	note("figure: $property | $of{figure} | $of{aim} | $met");
	is($of{violations}, 0, "$property: $of{figure}");
	return;
}

# A node as BillingTest makes it, with keys for the log, for personal data and for tokens. What connects as the environment says
# connects to it.
sub soak_node
{
	my ($name, %config) = @_;
	my $keys = PostgreSQL::Test::Utils::tempdir();
	my $umask = umask 077;
	PostgreSQL::Test::Utils::system_or_bail('openssl', 'genpkey', '-algorithm', 'ed25519', '-out', "$keys/signing.pem");
	for my $of ([ 'field.keys', 'k1' ], [ 'token.keys', 'test HS256' ])
	{
		my $secret = `openssl rand -base64 32`;
		PostgreSQL::Test::Utils::append_to_file("$keys/$of->[0]", "$of->[1] $secret");
	}
	umask $umask;
	my $node = billing_node($name,
		'billing.log_origin' => "'example.org'",
		'billing.signing_key_file' => "'$keys/signing.pem'",
		'billing.field_key_file' => "'$keys/field.keys'",
		'billing.token_key_file' => "'$keys/token.keys'",
		max_prepared_transactions => 20,
		log_statement => 'none',
		%config);
	@ENV{qw(PGHOST PGPORT PGDATABASE)} = ($node->host, $node->port, 'postgres');
	return $node;
}

# How many problems the product's own checks find, which are printed (20 at most): nothing contradicts anything, the counts are those of the
# rows, and what the log recomputes is what it holds.
sub is_sound
{
	my ($node, $when, $database) = @_;
	my $problems = $node->safe_psql($database // 'postgres', q{
		SELECT 'integrity', c::text FROM billing.check_integrity() AS c
		UNION ALL SELECT 'replay', r::text FROM billing.replay_count_sync() AS r
		UNION ALL SELECT 'log', v::text FROM billing.verify_log() AS v LIMIT 20});
	diag("$when: $problems") if $problems ne '';
	return $problems eq '' ? 0 : scalar(split /\n/, $problems);
}

1;
