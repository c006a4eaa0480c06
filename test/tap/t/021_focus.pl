# A real bill in the FOCUS 1.0 format: what its provider says a quantity costs by list price is what our price says, to
# the tenth decimal, as an exact amount and as minor units of a custom currency.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use IO::Uncompress::Gunzip qw(gunzip $GunzipError);
use PostgreSQL::Test::Utils;
use Test::More;
use BillingTest qw(billing_node data_file);

my $bill = data_file('cloud_bills/focus_sample.csv.gz');
my $rows_expected = 941;

# All columns are text on the way in, and numeric from there on.
my $csv = PostgreSQL::Test::Utils::tempdir() . '/bill.csv';
gunzip($bill => $csv) or die "cannot read $bill: $GunzipError";
my ($header) = split /\r?\n/, slurp_file($csv), 2;
my $columns = join ', ', map { "$_ text" } split /,/, $header;

my $node = billing_node('focus');
$node->safe_psql('postgres', qq{
SELECT billing.create_currency('USD_E10', 'US dollar at ten decimals', 10);
CREATE TABLE bill ($columns);
\\copy bill FROM '$csv' (FORMAT csv, HEADER, NULL 'NULL')
CREATE VIEW aws AS
SELECT "Id" AS id, billing.normalize_price(jsonb_build_object('model', 'unit', 'unit', "ListUnitPrice")) AS price,
       "PricingQuantity"::numeric AS quantity, "ListUnitPrice"::numeric AS unit_price, "ListCost"::numeric AS list_cost
  FROM bill WHERE "ProviderName" = 'AWS' AND "ListUnitPrice" IS NOT NULL;
});
my ($without_price, $count, $exact) = split /\|/, $node->safe_psql('postgres', q{
SELECT (SELECT count(*) FROM bill WHERE "ProviderName" = 'AWS' AND "ListUnitPrice" IS NULL), count(*),
       count(*) FILTER (WHERE quantity * unit_price = list_cost) FROM aws});
is($count, $rows_expected, "rows of AWS with a list price; $without_price more has none");
cmp_ok($exact, '<', $count, "only $exact of them are the exact product: the others are rounded");

my $wrong = q{SELECT string_agg(format('%s: %s x %s is %s, and the bill says %s', id, quantity, unit_price, ours, list_cost), E'\n')
	FROM (SELECT aws.*, %s AS ours FROM aws) AS a WHERE ours IS DISTINCT FROM list_cost};
my $minor = q{billing.rate_minor(price, quantity, (SELECT exponent FROM billing.currencies WHERE currency = 'USD_E10'))};
my %ways = (
	'billing.rate_amount() at ten decimals' => 'billing.rate_amount(price, quantity, 10)',
	'billing.rate_minor() in a currency with exponent 10' => "billing.format_minor($minor, 10)::numeric",
	'the sum of billing.rate(), rounded' => '(SELECT round(coalesce(sum(amount), 0), 10) FROM billing.rate(price, quantity))');
for my $way (sort keys %ways)
{
	is($node->safe_psql('postgres', $wrong =~ s/%s AS ours/$ways{$way} AS ours/r), '', "$way gives ListCost in all $count rows");
}
isnt($node->safe_psql('postgres', $wrong =~ s/%s AS ours/trunc(quantity * unit_price, 10) AS ours/r),
	'', 'which truncation would not');

$node->stop;
done_testing();
