# The canonical bytes of rows as the server makes them, by the statements that sealing uses, beside an independent computation: random rows of
# every kind, written and hashed under settings that change how values are read and printed.
use strict;
use warnings;

use lib 'lib';
use File::Temp;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $source = $ENV{SOURCE_DIR} // '../..';
my $seed = $ENV{SEED} // time() % 2**31;
my $rows = $ENV{CANONICAL_ROWS} // 1700; # of each kind in each encoding
diag("seed $seed");

if (!IPC::Run::run([ 'python3', '-c', 'import sys; sys.exit(sys.version_info < (3, 9))' ], '2>', \my $missing))
{
	print { Test::More->builder->failure_output } "SKIPPED: no Python 3.9 here; $0 did NOT run\n";
	plan skip_all => 'there is no Python 3.9';
}
my $files = File::Temp->newdir;
chmod 0755, $files;

# A locale whose numbers have a decimal comma; few machines have one, and nothing here may be installed.
mkdir "$files/locale";
my $has_locale = IPC::Run::run([ 'localedef', '-i', 'de_DE', '-f', 'UTF-8', "$files/locale/de_DE.UTF-8" ], '>', \my $ignored, '2>', \my $why);
local $ENV{LOCPATH} = "$files/locale" if $has_locale;
my $german = $has_locale ? "SET lc_numeric = 'de_DE.UTF-8'; SET lc_time = 'de_DE.UTF-8'; SET lc_monetary = 'de_DE.UTF-8';" : '';
diag('no locale with a decimal comma here') if !$has_locale;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--no-locale', '--encoding=UTF8' ]);
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION billing; SELECT billing.install()');

sub read_statement
{
	my ($file) = @_;
	return slurp_file("$source/src/$file");
}

# The expression that makes the leaf or the canonical bytes, as it stands in a statement.
sub expression
{
	my ($file, $function) = @_;
	my ($found) = read_statement($file) =~ /(billing\.\Q$function\E[^)]*\))/ or die "no $function in $file";
	return $found;
}

# Kinds whose statement names its table: that is put aside for one without constraints and guards. The others are expressions
# over a row.
my %log = map { read_statement("evidence/statements/leaves_$_.sql") =~ /FROM (?:ONLY )?(billing\.\w+) t\s*\z/ or die $_; $_ => $1 }
	map { m{leaves_(\w+)\.sql\z} } glob "$source/src/evidence/statements/leaves_*.sql";
my %parts = (
	invoice => [ 'invoices', 'ADD exponent integer', read_statement('invoicing/statements/invoice_canon.sql'), 'i CROSS JOIN LATERAL (SELECT i.exponent) AS c' ],
	invoice_line => [ 'invoice_lines', '', read_statement('invoicing/statements/line_canon.sql'), 'l' ],
	count => [ 'daily_counts', 'ADD aggregation text, ADD log_xid xid8', expression('metering/statements/sync_large.sql', q{leaf_canon('count'}), '' ],
	usage => [ 'usage_records', '', expression('metering/statements/sync_large.sql', 'usage_leaf('), '' ],
);
my (@make, %leaves, %table);
while (my ($kind, $table) = each %log)
{
	my ($name) = $table =~ /\.(\w+)/;
	push @make, "ALTER TABLE $table RENAME TO ${name}_aside; CREATE TABLE $table (LIKE billing.${name}_aside)";
	$table{$kind} = $table;
	$leaves{$kind} = 'SELECT q.log_xid, billing.leaf_hash(q.canon) AS leaf FROM (' . read_statement("evidence/statements/leaves_$kind.sql") . ') AS q';
}
while (my ($kind, $part) = each %parts)
{
	my ($name, $more, $expression, $from) = @$part;
	$table{$kind} = "public.rows_$kind";
	push @make, "CREATE TABLE public.rows_$kind (LIKE billing.$name)", $more && "ALTER TABLE public.rows_$kind $more";
	my $leaf = $kind eq 'usage' ? $expression : "billing.leaf_hash($expression)";
	$leaves{$kind} = "SELECT log_xid, $leaf AS leaf FROM public.rows_$kind $from";
}
my @kinds = sort keys %table;
push @make, q{CREATE TABLE public.expected (kind text, number bigint, leaf bytea)};
$node->safe_psql('postgres', join(";\n", grep { $_ } @make));
my $listed = join ' UNION ALL ', map { "SELECT '$_' AS kind, '$table{$_}'::regclass AS relation" } @kinds;
$node->safe_psql('postgres', qq{DO \$\$ DECLARE c record; BEGIN FOR c IN SELECT k.relation, a.attname FROM ($listed) AS k JOIN pg_attribute a ON a.attrelid = k.relation
	WHERE a.attnum > 0 AND a.attnotnull LOOP EXECUTE format('ALTER TABLE %s ALTER %I DROP NOT NULL', c.relation, c.attname); END LOOP; END \$\$});
my $columns = $node->safe_psql('postgres', qq{SELECT k.kind, a.attname, format_type(a.atttypid, a.atttypmod) FROM ($listed) AS k
	JOIN pg_attribute a ON a.attrelid = k.relation AND a.attnum > 0 AND NOT a.attisdropped ORDER BY k.kind, a.attnum});

my %settings = (
	UTF8 => '',
	LATIN1 => "SET datestyle = 'German, DMY'; SET timezone = 'Asia/Kathmandu'; SET intervalstyle = 'sql_standard'; SET extra_float_digits = -15; SET bytea_output = 'escape'; $german",
	SJIS => "SET datestyle = 'SQL, MDY'; SET timezone = 'Pacific/Apia'; SET intervalstyle = 'iso_8601'; SET extra_float_digits = 3; $german",
	EUC_JP => "SET datestyle = 'Postgres, DMY'; SET timezone = 'America/St_Johns'; SET intervalstyle = 'postgres_verbose'; SET extra_float_digits = -5; SET bytea_output = 'escape';",
	BIG5 => "SET datestyle = 'ISO, MDY'; SET timezone = 'Africa/Monrovia'; SET quote_all_identifiers = on; SET standard_conforming_strings = off; $german",
);
my %codec = (UTF8 => 'utf-8', LATIN1 => 'latin-1', SJIS => 'shift_jis', EUC_JP => 'euc_jp', BIG5 => 'big5');
my @encodings = sort keys %settings;
IPC::Run::run([ 'python3', '-B', "$source/test/verify/server_rows.py", "$files", $rows, $seed, map { "$_:$codec{$_}" } @encodings ], '<', \"$columns\n")
	or die 'no rows were made: what is missing stands above';

# Each file under the settings of its encoding; all rows then under those of each. They are read whatever a setting says of quotes.
foreach my $encoding (@encodings)
{
	$node->safe_psql('postgres', join ';', "SET client_encoding = '$encoding'; $settings{$encoding}",
		map { "COPY $table{$_} FROM '$files/$_.$encoding'" } @kinds);
}
$node->safe_psql('postgres', join ';', map { "CREATE TEMP TABLE e (number bigint, leaf bytea); COPY e FROM '$files/$_.leaves'; INSERT INTO public.expected SELECT '$_', e.* FROM e; DROP TABLE e" } @kinds);
is($node->safe_psql('postgres', 'SELECT count(DISTINCT leaf) >= 100000 FROM public.expected'), 't', 'a hundred thousand rows') if $rows >= 1700;
foreach my $encoding (@encodings)
{
	my @told = split /\n/, $node->safe_psql('postgres', join ';', "SET client_encoding = '$encoding'; $settings{$encoding}",
		map { qq{SELECT '$_', count(*), count(*) FILTER (WHERE s.leaf IS DISTINCT FROM e.leaf), min(e.number) FILTER (WHERE s.leaf IS DISTINCT FROM e.leaf)
			FROM ($leaves{$_}) AS s FULL JOIN (SELECT * FROM public.expected WHERE kind = '$_') AS e ON e.number = s.log_xid::text::bigint} } @kinds);
	is($_, (split /\|/)[0] . '|' . $rows * @encodings . '|0|', "$encoding: leaves of kind " . (split /\|/)[0]) foreach @told;
	is(scalar @told, scalar @kinds, "$encoding: each kind");
}
done_testing();
