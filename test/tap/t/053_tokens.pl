# The programs of doc/tokens.md, as they are printed there, in the languages this machine has: the server takes their tokens.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use MIME::Base64 qw(encode_base64 decode_base64);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use BillingTest qw(billing_node);

my $dir = PostgreSQL::Test::Utils::tempdir();

# RFC 8037 A.1, the private key followed by the public one.
my $pair = 'nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2DXWpgBgrEKt9VL/tPJZAc6DuFy89qmIyWvAhpo9wdRGg==';
my $secret = encode_base64(join('', map { chr(int(rand(256))) } 1 .. 32), '');
append_to_file("$dir/keys", "h HS256 $secret\ne EdDSA " . encode_base64(substr(decode_base64($pair), 32), '') . "\n");
chmod 0600, "$dir/keys";
my $node = billing_node('main', 'billing.token_key_file' => "'$dir/keys'");

my %runs = (python => [ 'py', 'python3' ], javascript => [ 'js', 'node' ], go => [ 'go', 'go', 'run' ]);
my $manual = slurp_file("$ENV{SOURCE_DIR}/doc/tokens.md");
my $count = 0;
while ($manual =~ /```(\w+)\n(.*?)```/sg)
{
	my ($language, $program) = ($1, $2);
	my ($suffix, @command) = @{ $runs{$language} };
	$count++;
	my @keys = $program =~ /EdDSA.*HS256|HS256.*EdDSA/s ? ([ h => $secret ], [ e => $pair ]) : $program =~ /EdDSA/ ? ([ e => $pair ]) : ([ h => $secret ]);
	SKIP:
	{
		skip "there is no $command[0] here", scalar @keys if system("command -v $command[0] >/dev/null 2>&1") != 0;
		my $file = "$dir/program$count.$suffix";
		append_to_file($file, $program);
		local $ENV{GOCACHE} = "$dir/go";
		for my $key (@keys)
		{
			my ($token, $error) = run_command([ @command, $file, @{$key}, "b\xC3\xA4r \"1\"" ]);
			is($node->safe_psql('postgres', "SET billing.token = '$token'; SELECT billing.current_tenant()"), "b\xC3\xA4r \"1\"",
				"program $count, $language, key $key->[0]") or diag $error;
		}
	}
}
is($count, 4, 'all programs were tried');

my ($status, $out, $error) = $node->psql('postgres', "SELECT billing.issue_token('x', key_id => 'e')");
like($error, qr/token cannot be issued: the key only verifies/, 'with a public key nobody makes a token');
$node->stop;
done_testing();
