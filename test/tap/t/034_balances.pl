# Balances under load: writers of every kind, closings at the same time, some of them killed, and readers at each isolation level, who find
# in each snapshot that balances are the sums of entries. BALANCES_SECONDS says how long, BALANCES_SEED repeats a run's random choices.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);
use BillingLoad qw(finish_writers start_session start_writers);
use BillingTest qw(billing_node);

my $seed = $ENV{BALANCES_SEED} // time() * 1000 % 2**31;
my $seconds = $ENV{BALANCES_SECONDS} // 8;
srand $seed;
diag("seed $seed, $seconds seconds");

my $node = billing_node('main', max_prepared_transactions => 20, synchronous_commit => 'off');
$node->safe_psql('postgres', q{
SELECT billing.ensure_partitions('2026-01-01', '2026-04-01');
SELECT billing.create_account('t' || n) FROM generate_series(1, 20) AS n;
CREATE TABLE wrong (reader text, tenant_id text, ledger_account text, balance bigint, summed bigint);
CREATE TABLE looked (reader text, balances bigint);
-- One statement, one snapshot: what the balances are by the call and by the entries.
CREATE FUNCTION look(reader text) RETURNS void LANGUAGE sql AS $$
    WITH a AS MATERIALIZED (
        SELECT b.tenant_id, b.ledger_account, billing.balance(b.tenant_id, b.currency, b.ledger_account) AS balance,
               CASE (SELECT l.normal_side FROM billing.ledger_accounts l WHERE l.ledger_account = b.ledger_account) WHEN 'debit' THEN b.balance_minor ELSE -b.balance_minor END AS summed
          FROM billing.balances b), differing AS (
        INSERT INTO wrong SELECT reader, a.* FROM a WHERE a.balance IS DISTINCT FROM a.summed)
    INSERT INTO looked SELECT reader, count(*) FROM a
$$;});

# Tenant t1 is busy: half of the entries are its.
my $post = q{SELECT billing.post_entry('t' || CASE WHEN :pause > 100 THEN 1 ELSE :tenant END, (ARRAY['payment','adjustment','refund','admin_credit'])[1 + :amount % 4], :amount, 'EUR',
	posted_on => date '2026-01-01' + :day);};
my %writers = (plain => [ 12, 'R' ], map { $_ => [ 2, $BillingLoad::shapes{$_} ] } qw(slow aborted savepoints prepared));
$writers{at_once} = [ 2, q{SELECT count(billing.post_entry('t1', 'payment', i, 'EUR', posted_on => '2026-03-01')) FROM generate_series(1, :pause) AS i;} ];
$writers{reader} = [ 2, q{SELECT look('read committed');} ];
$writers{snapshot_reader} = [ 1, qq{BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT look('repeatable read');\n\\sleep :pause ms\nSELECT look('later in its snapshot'); $post SELECT look('after its own entry'); COMMIT;} ];
my %scripts = map { $_ => [ $writers{$_}[0], $writers{$_}[1] =~ s/\bR\b/$post/gr ] } keys %writers;

# Complete ones, of accounts with some entries, and some that post in the same transaction.
sub start_closing
{
	my $close = 'SELECT FROM billing.close_balances(' . (1, 1, 5, 50)[ rand 4 ] . ');';
	my $own = q{SELECT billing.post_entry('t2', 'payment', 7, 'EUR', posted_on => '2026-03-02');};
	return start_session($node->connstr('postgres'), rand() < 0.7 ? $close : "BEGIN; $close $own COMMIT;");
}

my $writing = start_writers($node->connstr('postgres'), clients => 10, seconds => $seconds, seed => int $seed, writers => \%scripts);
my ($closings, $kills, $end) = (0, 0, time() + $seconds);
while (time() < $end)
{
	my @running = map { start_closing() } 1 .. 2;
	sleep rand() * 0.1;
	$kills += $node->safe_psql('postgres', q{SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE query LIKE '%close_balances(%' AND pid <> pg_backend_pid()})
	  if rand() < 0.3;
	$_->finish for @running;
	$closings += @running;
}
ok(finish_writers($writing), 'writers') or diag($writing->{error});
like($writing->{out}, qr/number of failed transactions: 0 /, 'none of which failed');

my ($entries, $windows, $partial, $overtaken) = split /\|/, $node->safe_psql('postgres', q{SELECT (SELECT count(*) FROM billing.ledger_entries), count(*), count(*) FILTER (WHERE NOT is_complete),
	count(*) FILTER (WHERE EXISTS (SELECT pg_snapshot_xip(snapshot))) FROM billing.balance_windows});
my $looked = $node->safe_psql('postgres', q{SELECT string_agg(reader || ': ' || balances, ', ' ORDER BY reader) FROM (SELECT reader, sum(balances) AS balances FROM looked GROUP BY reader) AS l});
diag("$entries entries, $windows windows, $partial of busy accounts only, $overtaken ended while others were writing; $closings closings, $kills killed; balances read by $looked");
cmp_ok($_, '>', 0, 'windows of each kind, some while others were writing') for $partial, $windows - $partial, $overtaken;
is(() = $looked =~ /: [1-9]/g, 4, 'balances were read at each level');
is($node->safe_psql('postgres', 'SELECT * FROM wrong'), '', 'and each was the sum of its entries');
my $check = q{SELECT look('at the end'); SELECT * FROM wrong; SELECT * FROM billing.check_integrity()};
is($node->safe_psql('postgres', $check), "", 'as they are at the end');
$node->safe_psql('postgres', 'SELECT FROM billing.close_balances()');
is($node->safe_psql('postgres', 'SELECT accounts FROM billing.close_balances()'), '0', 'closed, there is nothing more to close');
is($node->safe_psql('postgres', 'SELECT sum(total) FROM billing.balance_snapshots s WHERE window_no = (SELECT max(window_no) FROM billing.balance_snapshots b WHERE b.tenant_id = s.tenant_id)'), '0',
	'and the last snapshots add up to nothing');

# What a crash takes, it takes of entries and windows alike.
$node->safe_psql('postgres', q{SELECT billing.post_entry('t3', 'payment', n, 'EUR', posted_on => '2026-03-03') FROM generate_series(1, 20) AS n});
$node->safe_psql('postgres', 'SELECT FROM billing.close_balances()');
$node->stop('immediate');
$node->start;
is($node->safe_psql('postgres', $check), '', 'after a crash they are right too');

# A snapshot that was tampered with is found, and made right by summing anew.
$node->safe_psql('postgres', q{ALTER TABLE billing.balance_snapshots DISABLE TRIGGER ALL; UPDATE billing.balance_snapshots s SET total = total + 1 WHERE tenant_id = 't1' AND ledger_account = 'cash'
	AND window_no = (SELECT max(window_no) FROM billing.balance_snapshots b WHERE b.tenant_id = 't1'); ALTER TABLE billing.balance_snapshots ENABLE ALWAYS TRIGGER refuse_change;
	ALTER TABLE billing.balance_snapshots ENABLE ALWAYS TRIGGER refuse_truncate});
like($node->safe_psql('postgres', 'SELECT check_name, tenant_id, problem FROM billing.check_integrity()'),
	qr/^balance snapshots are sums of entries\|t1\|account main at window \d+: cash in EUR differs by 1$/, 'a wrong snapshot is found');
is($node->safe_psql('postgres', 'SELECT accounts FROM billing.close_balances(anew => true)'), '20', 'all are summed anew');
is($node->safe_psql('postgres', $check), '', 'and right again');

$node->stop;
done_testing();
