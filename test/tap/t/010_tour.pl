# The tour of README.md runs as it is printed there, and says what it said before (expected/tour.out).
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $readme = slurp_file("$ENV{SOURCE_DIR}/README.md");
my $tour = join '', $readme =~ /```sql\n(.*?)```/sg;
cmp_ok(length $tour, '>', 2000, 'README.md has a tour in SQL');

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', "timezone = 'UTC'");
$node->start;

my ($out, $err);
my $code = $node->psql('postgres', $tour, stdout => \$out, stderr => \$err, on_error_stop => 1,
	extra_params => [ '-P', 'format=aligned', '-P', 'tuples_only=off', '-P', 'footer=on' ]);
is($code, 0, 'every statement of the tour works') or diag $err;

# What differs from run to run: ids made by chance, and how many partitions were there already.
$out =~ s/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/UUID/g;
$out =~ s/(ensure_partitions \n-+\n +)\d+/$1N/;
my $expected = slurp_file("$ENV{SOURCE_DIR}/test/tap/expected/tour.out");
is($out, $expected, 'and answers as expected') or append_to_file("$ENV{TESTDIR}/tmp_check/log/tour.out", $out);

$node->stop;
done_testing();
