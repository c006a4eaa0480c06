# The extension brings code and no table; install() makes the tables once, and a restart keeps them.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->start;

# Tables of schema billing, and those among them that belong to the extension.
my $tables = q{SELECT count(*) FROM pg_class WHERE relnamespace = 'billing'::regnamespace AND relkind IN ('r', 'p')};
my $members = q{SELECT count(*) FROM pg_depend WHERE classid = 'pg_class'::regclass AND deptype = 'e'
	AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'billing')};

$node->safe_psql('postgres', 'CREATE EXTENSION billing');
is($node->safe_psql('postgres', $tables), '0', 'CREATE EXTENSION makes no table');

$node->safe_psql('postgres', 'SELECT billing.install()');
my $count = $node->safe_psql('postgres', $tables);
cmp_ok($count, '>', 0, 'install() makes tables');
is($node->safe_psql('postgres', $members), '0', 'no table belongs to the extension');

my $steps = $node->safe_psql('postgres', 'SELECT count(*) FROM billing.schema_migrations');
$node->safe_psql('postgres', 'SELECT billing.install()');
is($node->safe_psql('postgres', $tables), $count, 'a second install() makes nothing');
is($node->safe_psql('postgres', 'SELECT count(*) FROM billing.schema_migrations'), $steps, 'and records nothing');

$node->restart;
is($node->safe_psql('postgres', $tables), $count, 'the tables are there after a restart');

$node->safe_psql('postgres', 'DROP EXTENSION billing CASCADE');
is($node->safe_psql('postgres', $tables), $count, 'dropping the extension drops no table');

$node->safe_psql('postgres', 'CREATE EXTENSION billing; SELECT billing.install()');
is($node->safe_psql('postgres', $tables), $count, 'and the next one finds them');

$node->stop;
done_testing();
