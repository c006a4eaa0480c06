# Published test cases of two other billing systems (Kill Bill and OpenMeter, both Apache-2.0), through our prices, our
# split and our calendar. Where their rule is not ours, the case asserts our result, and %rules says which it is.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use JSON::PP;
use PostgreSQL::Test::Utils;
use Test::More;
use BillingTest qw(billing_node data_file sql_text);

my $json = JSON::PP->new->canonical;
my $cases_expected = 67;
my @cases = map { $json->decode($_) } split /\n/, slurp_file(data_file('oracles/rating_cases.jsonl'));

# The rules of ours, and theirs.
my %rules = (
	minimum_from_the_start =>
	  'a minimum belongs to the period to date from its first rating on; they add it to the last part of a split period',
	volume_to_date =>
	  'volume is rated to date and the difference posted when the tier changes; they wait for the end of the period',
	zero_reaches_no_tier =>
	  'a quantity of zero reaches no tier, so an unused service costs nothing; they charge the first tier\'s flat amount',
	real_days =>
	  'a part is its days of the days of its own period, so the parts of a period add up to 1; they divide by 30',
	ties_by_position =>
	  'equal remainders go to the earlier part, as the caller ordered them; they go by key',
	not_rounded_down =>
	  'a quantity is priced exactly and rounded as an amount, once; they round units down before pricing');

# By case, our result and the rule it comes from.
my %ours = (
	'openmeter-0254' => [ '100', 'minimum_from_the_start' ],
	'openmeter-0263' => [ '100', 'minimum_from_the_start' ],
	'openmeter-0273' => [ '100', 'minimum_from_the_start' ],
	'openmeter-0287' => [ '150', 'volume_to_date' ],
	'openmeter-0288' => [ '0', 'zero_reaches_no_tier' ],
	'killbill-0127' => [ '0.741935484', 'real_days' ],
	'openmeter-0316' => [ '{2,2,1}', 'ties_by_position' ],
	'openmeter-0325' => [ '1.9', 'not_rounded_down' ]);

# How a case of each model is asked of us: each function returns [expression, their result], both as text.
my %models = (
	block_tiers_all => \&block_tiers_all,
	block_tiers_all_delta => \&block_tiers_delta,
	block_tiers_top => \&block_tiers_top,
	partial_period_fraction => \&period_fraction,
	billing_cycles_in_advance => \&cycles_in_advance,
	om_flat => \&flat_fee,
	om_unit => \&metered,
	om_package => \&metered,
	om_dynamic_multiplier => \&metered,
	om_tiered_graduated => \&metered,
	om_tiered_volume => \&metered,
	allocate_largest_remainder => \&split_parts,
	unit_conversion => \&converted);

sub price
{
	return sql_text($json->encode({@_})) . '::jsonb';
}

# What falls into each block tier is a package price of its own: started blocks, each at the tier's price.
sub block_tiers_all
{
	my ($case) = @_;
	my ($start, @parts) = (0);
	for my $tier (@{ $case->{params}{tiers} })
	{
		my $size = $tier->{max_blocks} < 0 ? "'Infinity'::numeric" : $tier->{max_blocks} * $tier->{block_size};
		my $price = price(model => 'package', unit => $tier->{price_per_block}, per => $tier->{block_size});
		push @parts, "billing.rate_amount($price, least(greatest($case->{input}{units} - $start, 0), $size), 2)";
		$start = $tier->{max_blocks} < 0 ? "'Infinity'::numeric" : $start + $size;
	}
	return [ join(' + ', @parts), $case->{expected}{amount} ];
}

# They subtract what was invoiced for the period before, as we do: period to date, and the difference is posted.
sub block_tiers_delta
{
	my ($case) = @_;
	my ($to_date) = @{ block_tiers_all($case) };
	return [ "$to_date - $case->{input}{already_invoiced}", $case->{expected}{amount_to_bill} ];
}

# The whole quantity is a package price at the tier reached; above the last, at the last.
sub block_tiers_top
{
	my ($case) = @_;
	my ($units, $end, $reached) = ($case->{input}{units}, 0);
	for my $tier (@{ $case->{params}{tiers} })
	{
		$reached = $tier;
		$end += $tier->{max_blocks} * $tier->{block_size};
		last if $tier->{max_blocks} < 0 || $units <= $end;
	}
	my $price = price(model => 'package', unit => $reached->{price_per_block}, per => $reached->{block_size});
	return [ "billing.rate_amount($price, $units, 2)", $case->{expected}{amount} ];
}

# A fraction at 9 decimals: the proration of a fee of 1 in a unit with exponent 9.
my $one_prorated = q{billing.rate_minor('{"model":"flat","amount":"1"}', 1, 9, %s, %s)};

sub period_fraction
{
	my ($case) = @_;
	my ($from, $to) = map { sql_text($case->{input}{$_}) . '::date' } qw(from_ to);
	my $share = sprintf $one_prorated, "$to - $from", 'cycle_end - cycle_start';
	return [ "(SELECT billing.format_minor($share, 9) FROM billing.cycle_containing($to, 1, $from))", $case->{expected}{fraction} ];
}

# Each cycle that began by the target day is billed; the first and last only for the days between start and end.
sub cycles_in_advance
{
	my ($case) = @_;
	my ($start, $end, $target) = map { sql_text($case->{input}{$_}) . '::date' } qw(start end target);
	my $anchor = "(date_trunc('month', $start) + interval '$case->{input}{bill_cycle_day} days' - interval '1 day')::date";
	my $share = sprintf $one_prorated, "least(cycle_end, $end) - greatest(cycle_start, $start)", 'cycle_end - cycle_start';
	my $cycles = "billing.cycles($anchor, 1, $start, least($target + 1, $end))";
	return [ "(SELECT billing.format_minor(sum($share)::bigint, 9) FROM $cycles)", $case->{expected}{cycles} ];
}

# A fixed fee through a subscription of 16 June: a period of its own is rated at its start and after its end; the middle
# of a split one is what rating posts between.
sub flat_fee
{
	my ($case) = @_;
	my $tenant = sql_text($case->{params}{payment_term});
	my $days = $case->{input}{line_mode} eq 'SinglePerPeriod' ? "'2026-06-16', '2026-07-16'" : "'2026-07-01'";
	return [
		"(SELECT coalesce(sum(posted_minor), 0) / 100.0 FROM billing.rated_lines WHERE tenant_id = $tenant AND rated_on IN ($days)"
		  . " AND period_start = '2026-06-16')",
		$case->{expected}{total}
	];
}

my $flat_fees = q{
SELECT billing.ensure_partitions('2026-06-01', '2026-09-01');
SELECT billing.create_plan(term, currency => 'USD'),
       billing.add_charge(term, 'fee', price => '{"model":"flat","amount":"100"}', in_advance => term = 'InAdvancePaymentTerm'),
       billing.publish_plan(term), billing.create_account(term),
       billing.subscribe(term, plan => term, starts => '2026-06-16', anchor => 'anniversary')
  FROM (VALUES ('InAdvancePaymentTerm'), ('InArrearsPaymentTerm')) AS t (term);
SELECT billing.rate_batch(day, 'I', 'J') FROM (VALUES (date '2026-06-16'), ('2026-07-01'), ('2026-07-16')) AS d (day) ORDER BY day;
};

sub tier
{
	my ($tier) = @_;
	return { up_to => $tier->{up_to}, unit => $tier->{unit} // '0', flat => $tier->{flat} // '0' };
}

# Their price as ours. A dynamic price is a factor on a quantity that is money already.
sub metered_price
{
	my ($case) = @_;
	my $params = $case->{params};
	my %minimum = defined $params->{min_spend} ? (minimum => $params->{min_spend}) : ();
	return price(model => 'unit', unit => $params->{amount} // $params->{multiplier}, %minimum)
	  if $case->{model} =~ /unit|dynamic/;
	return price(model => 'package', unit => $params->{amount}, per => $params->{package_size}, %minimum)
	  if $case->{model} =~ /package/;
	return price(model => $params->{mode}, tiers => [ map { tier($_) } @{ $params->{tiers} } ], %minimum);
}

# A part of a period comes to what the quantity to date costs less what was billed before.
sub metered
{
	my ($case) = @_;
	my ($price, $input) = (metered_price($case), $case->{input});
	my $amount = "cost($price, $input->{pre_usage} + $input->{usage})";
	$amount .= " - cost($price, $input->{pre_usage})" if $input->{pre_usage} ne '0';
	$amount .= " - $input->{previously_billed}" if defined $input->{previously_billed};
	return [ $amount, $case->{expected}{total} ];
}

# What a quantity costs, asked for twice: as one rounded number, and as the sum over the tiers. NULL if they differ.
my $cost = q{
CREATE FUNCTION cost(price jsonb, quantity numeric) RETURNS numeric LANGUAGE sql AS $$
    SELECT CASE WHEN round(t.total, 2) = c.amount THEN c.amount END
      FROM billing.rate_amount(price, quantity, 2) AS c (amount), (SELECT coalesce(sum(r.amount), 0) FROM billing.rate(price, quantity) AS r) AS t (total)
$$
};

# Their amounts by tier as "1:100,2:50", where a case has them for a whole period; they put unit and flat on two lines.
sub tier_amounts
{
	my ($case) = @_;
	my ($price, $input) = (metered_price($case), $case->{input});
	my %amounts;
	for my $line (@{ $case->{expected}{lines} })
	{
		$amounts{$1} += $line->{amount} if $line->{name} =~ /for tier (\d+)$/;
	}
	my @reached = grep { $amounts{$_} } sort keys %amounts;
	return if $input->{pre_usage} ne '0' || !@reached;
	return [
		"(SELECT string_agg(tier || ':' || trim_scale(amount), ',' ORDER BY tier) FROM billing.rate($price, $input->{usage}) WHERE amount <> 0)",
		join(',', map { "$_:$amounts{$_}" } @reached)
	];
}

sub split_parts
{
	my ($case) = @_;
	my ($input, $precision) = ($case->{input}, $case->{params}{precision});
	my $weights = join ',', map { $_->{weight} } @{ $input->{weights} };
	my @theirs = map { $_->{amount} =~ s/^[0.]+(?=\d)|\.//gr } @{ $case->{expected}{shares} };
	return [ "billing.split_amount(($input->{amount} * 10::numeric ^ $precision)::bigint, '{$weights}')", '{' . join(',', @theirs) . '}' ];
}

# Another unit is another price: multiplied, the price of one; divided, a price per block; rounded up, per started block.
sub converted
{
	my ($case) = @_;
	my ($op, $factor, $rounding) = @{ $case->{params} }{qw(op factor rounding)};
	my $price = price(
		model => $rounding eq 'ceiling' ? 'package' : 'unit',
		$op eq 'multiply' ? (unit => $factor) : (unit => '1', per => $factor));
	my $places = $rounding eq 'half_up' ? 0 : 9;
	return [ "billing.rate_amount($price, $case->{input}{units}, $places)", $case->{expected}{units} ];
}

# A number without trailing zeros; anything else as it is.
sub plain
{
	my ($text) = @_;
	return $text !~ /^-?\d+\.\d+$/ ? $text : $text =~ s/\.?0+$//r;
}

my $node = billing_node('oracles');
$node->safe_psql('postgres', $flat_fees);
$node->safe_psql('postgres', $cost);

my ($asserted, $differing) = (0, 0);
for my $case (@cases)
{
	my $question = $models{ $case->{model} };
	next if !ok(defined $question, "$case->{id}: there is a price for $case->{model}");
	my ($expression, $theirs) = @{ $question->($case) };
	my ($result, $rule) = @{ $ours{ $case->{id} } // [$theirs] };
	my $name = "$case->{id} $case->{model}, $case->{test}";

	is(plain($node->safe_psql('postgres', "SELECT $expression")), plain($result), defined $rule ? "$name: OURS: $rules{$rule}" : $name);
	if (defined $rule)
	{
		isnt(plain($theirs), plain($result), "$case->{id}: theirs is another");
		$differing++;
	}
	elsif ($case->{model} =~ /tiered/ && (my $tiers = tier_amounts($case)))
	{
		is($node->safe_psql('postgres', "SELECT $tiers->[0]"), $tiers->[1], "$case->{id}: and so by tier");
	}
	$asserted++;
}
is($asserted, $cases_expected, "all $cases_expected cases are asserted, $differing of them by a rule of ours");
is($differing, scalar keys %ours, 'every rule of ours has its case');

$node->stop;
done_testing();
