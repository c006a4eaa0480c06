# doc/reference.md says what the comments in the database say: make doc makes it anew.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->start;

$ENV{PGHOST} = $node->host;
$ENV{PGPORT} = $node->port;
$ENV{PGDATABASE} = 'postgres';
chdir $ENV{SOURCE_DIR} or die "cannot enter $ENV{SOURCE_DIR}: $!";
my $made = `doc/reference.sh`;
is($?, 0, 'doc/reference.sh works');
chomp($made);
chomp(my $kept = slurp_file('doc/reference.md'));
my @made = split /\n/, $made;
my @kept = split /\n/, $kept;
my ($line) = grep { ($made[$_] // '') ne ($kept[$_] // '') } 0 .. ($#made > $#kept ? $#made : $#kept);
ok(!defined $line, 'doc/reference.md is up to date')
  or diag "line $line is \"" . ($kept[$line] // '') . "\" and should be \"" . ($made[$line] // '') . '"; run make doc';

$node->stop;
done_testing();
