# verify_log() says nothing of an honest log, whatever is posted, counted and sealed beside it; and needs no more memory for more seals.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);
use BillingLoad qw(finish_writers script_counts start_writers);
use BillingTest qw(billing_node);

my $seed = $ENV{SEED} // time() * 1000 % 2**31;
my $seconds = $ENV{BESIDE_SECONDS} // 8;
diag("seed $seed, $seconds seconds");

my $node = billing_node('main');
$node->safe_psql('postgres', q{
SELECT billing.ensure_partitions('2026-01-01', '2026-03-01');
SELECT billing.create_meter('requests', unit => 'request');
SELECT billing.create_plan('plan', currency => 'EUR'), billing.add_charge('plan', 'base', price => '{"model":"flat","amount":"1"}'), billing.publish_plan('plan');
SELECT billing.create_account('t' || n), billing.subscribe('t' || n, plan => 'plan', starts => '2026-01-01') FROM generate_series(1, 20) AS n;
SELECT FROM billing.seal();
});
my $post = q{SELECT billing.post_entry('t' || :tenant, 'payment', :amount, 'EUR');};
my $use = q{SELECT billing.record_usage('t' || :tenant, 'requests', gen_random_uuid()::text, :amount, timestamptz '2026-01-01Z' + :day * interval '1 day');};
my $load = start_writers($node->connstr('postgres'), clients => 4, seconds => $seconds, seed => int $seed, writers => {
	post => [ 20, $post ],
	savepoints => [ 6, $BillingLoad::shapes{savepoints} =~ s/\bR\b/$post/gr ],
	slow => [ 1, $BillingLoad::shapes{slow} =~ s/\bR\b/$post/gr ],
	usage => [ 6, $use ],
	count => [ 1, 'SELECT FROM billing.sync_counts();' ],
	seal => [ 1, 'SELECT FROM billing.seal();' ],
});
my ($runs, $problems, $end) = (0, '', time() + $seconds);
while (time() < $end)
{
	# Half of them in a transaction that has posted already: its own rows are under an id that others do not see.
	my $own = $runs++ % 2 == 0 ? q{SELECT 1 FROM billing.post_entry('t1', 'payment', 1, 'EUR') \\g /dev/null} . "\n" : '';
	$problems .= $node->safe_psql('postgres', "BEGIN;\n$own SELECT * FROM billing.verify_log();\nCOMMIT;");
}
ok(finish_writers($load), 'the writers ended well') or diag($load->{error});
like($load->{out}, qr/number of failed transactions: 0 /, 'none of which failed');
my %done = script_counts($load);
cmp_ok($done{seal}, '>', 3, 'the log was sealed meanwhile');
is($problems, '', "and $runs times there was nothing to tell");
is($node->safe_psql('postgres', 'SELECT * FROM billing.verify_log()'), '', 'nor in the end');

# The most memory that a backend had, in kB, after it verified.
sub peak_memory
{
	my $status = $node->safe_psql('postgres', q{SELECT FROM billing.verify_log(); SELECT pg_read_file('/proc/' || pg_backend_pid() || '/status')});
	my ($peak) = $status =~ /^VmHWM:\s+(\d+) kB$/m or die "no VmHWM in $status";
	return $peak;
}
SKIP:
{
	skip 'no /proc here', 1 if !-e '/proc/self/status';
	my $before = peak_memory();
	$node->safe_psql('postgres', "SELECT FROM billing.seal(true);\n" x 400);
	my $more = peak_memory() - $before;
	cmp_ok($more, '<', 20_000, "400 more seals take no more memory: $more kB"); # 60 MB when each seal kept what it took.
}
diag(join ', ', map { "$done{$_} $_" } sort keys %done);
done_testing();
