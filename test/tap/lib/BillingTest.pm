# What several tests need: a node with the tables installed, public data where there is some, a session that stays open,
# and the table hashes.
package BillingTest;

use strict;
use warnings;

use Digest::SHA qw(sha256);
use Exporter 'import';
use File::Temp;
use IPC::Run;
use MIME::Base64;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);

our @EXPORT_OK = qw(billing_node close_session data_file kill_server open_session relation_hashes sign_outside sql_text);

# A started node whose database postgres has the extension and its tables.
sub billing_node
{
	my ($name, %config) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);
	$node->init;
	$node->append_conf('postgresql.conf', "timezone = 'UTC'\nlog_min_messages = warning\n");
	$node->append_conf('postgresql.conf', "$_ = $config{$_}\n") for sort keys %config;
	$node->start;
	$node->safe_psql('postgres', 'CREATE EXTENSION billing; SELECT billing.install()');
	return $node;
}

# Kills a node's postmaster and every child it has, and no other process: it is stopped first, so that it has no more of them.
sub kill_server
{
	my ($node) = @_;
	my $postmaster = $node->{_pid};
	kill 'STOP', $postmaster;
	my @children = split ' ', slurp_file("/proc/$postmaster/task/$postmaster/children");
	kill 'KILL', @children;
	$node->kill9;
	sleep 0.01 while grep { -e "/proc/$_" } $postmaster, @children;
	return;
}

# A file below DATA, or the end of the test: what cannot run says so where the skipped are counted.
sub data_file
{
	my ($relative) = @_;
	my $path = ($ENV{DATA} // '') . "/$relative";
	return $path if defined $ENV{DATA} && -e $path;
	print { Test::More->builder->failure_output } "SKIPPED: $0 needs $relative below the directory DATA; it did NOT run\n";
	plan skip_all => "there is no $relative below the directory DATA";
}

# A string or undef as an SQL literal.
sub sql_text
{
	my ($value) = @_;
	return 'NULL' if !defined $value;
	return "'" . ($value =~ s/'/''/gr) . "'";
}

# A session that has run some statements and waits, inside their transaction if they began one.
sub open_session
{
	my ($node, $statements) = @_;
	my %session = (in => "$statements;\n\\echo ready\n", out => '', error => '');
	my @psql = ('psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('postgres'), '-f', '-');
	$session{run} = IPC::Run::start(\@psql, '<', \$session{in}, '>', \$session{out}, '2>', \$session{error},
		IPC::Run::timeout(180));
	$session{run}->pump until $session{out} =~ /^ready$/m || !$session{run}->pumpable;
	$session{error} eq '' or die "the session ended: $session{error}";
	return \%session;
}

# The last statements of such a session. It is told to quit: servers started meanwhile keep its standard input open.
sub close_session
{
	my ($session, $statements) = @_;
	$session->{in} .= "$statements;\n\\q\n";
	$session->{run}->finish or die "the session failed: $session->{error}";
	return;
}

# The note of a body (C2SP signed-note) as a signer outside the server makes it, with the openssl command and a file with an Ed25519 key;
# and the verifier key of who signed.
sub sign_outside
{
	my ($key_file, $body) = @_;
	my ($name) = split /\n/, $body;
	my $to_sign = File::Temp->new;
	print $to_sign $body;
	$to_sign->flush;
	my $key = "\x01" . substr(`openssl pkey -in $key_file -pubout -outform DER`, -32);
	my $id = substr(sha256("$name\n$key"), 0, 4);
	my $signature = `openssl pkeyutl -sign -rawin -inkey $key_file -in $to_sign`;
	return ("$body\n\xe2\x80\x94 $name " . encode_base64($id . $signature, '') . "\n", join('+', $name, unpack('H8', $id), encode_base64($key, '')));
}

# "table|rows|hash" of every table of schema billing, partitions apart; the order of rows does not count.
sub relation_hashes
{
	my ($node, $database) = @_;
	my $tables = q{SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'billing'::regnamespace
		AND c.relkind = 'r' ORDER BY c.relname COLLATE "C"};
	my @selects = map
	{
		qq{SELECT '$_' AS name, count(*), md5(coalesce(string_agg(md5(t::text), '' ORDER BY md5(t::text)), '')) FROM billing."$_" t}
	} split /\n/, $node->safe_psql($database, $tables);
	return $node->safe_psql($database, join("\nUNION ALL\n", @selects) . "\nORDER BY name");
}

1;
