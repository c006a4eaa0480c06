#!/usr/bin/perl
# Money is conserved: while writers post in transactions whose sum is nothing, some of which roll back, and runs rate, invoice and
# void, readers at every isolation level total the ledger. In every snapshot debits are credits, what a transaction moved it moved
# whole, balances are the sums of the entries, and an invoice is there with its entry.
#
# POSTINGS: at most about so many (1,000,000).
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../tap/lib", "$FindBin::Bin/lib";
use Test::More;
use Time::HiRes qw(time);
use Soak qw(begin_soak figure is_long seconds_left seed soak_node);
use SoakQuery qw(finish_within query run_pgbench start_query);

begin_soak(short => 6);
my $postings = $ENV{POSTINGS} // 1_000_000;
my $tenants = 20;
my $node = soak_node('conservation', fsync => is_long() ? 'on' : 'off', max_connections => 50, max_wal_size => "'4GB'");

query(qq{
SELECT billing.ensure_partitions('2026-01-01', '2027-01-01');
SELECT billing.create_meter('requests', unit => 'request');
SELECT billing.create_plan('plan', currency => 'EUR'), billing.add_charge('plan', 'ahead', price => '{"model":"flat","amount":"49"}', in_advance => true),
       billing.add_charge('plan', 'requests', meter => 'requests', price => '{"model":"unit","unit":"0.0333"}'), billing.publish_plan('plan');
SELECT billing.create_account('t' || n), billing.subscribe('t' || n, plan => 'plan', starts => '2026-01-01') FROM generate_series(1, $tenants) AS n;
CREATE TABLE violations (level text, snapshots bigint NOT NULL, what text);

-- Everything that must hold in one snapshot, in one statement; NULL when it does.
-- What is posted by hand: cash and refunds of a tenant are moved by the same amount in one transaction, and so are disputes back.
CREATE FUNCTION violation() RETURNS text LANGUAGE sql STABLE AS \$\$
    WITH e AS MATERIALIZED (SELECT * FROM billing.ledger_entries),
    sides AS (SELECT tenant_id, account_id, currency, source, debit_account AS ledger_account, amount_minor FROM e
              UNION ALL SELECT tenant_id, account_id, currency, source, credit_account, -amount_minor FROM e),
    sums AS MATERIALIZED (SELECT tenant_id, account_id, currency, ledger_account, sum(amount_minor) AS total,
                                 sum(amount_minor) FILTER (WHERE source IN ('hand', 'reversal')) AS by_hand FROM sides GROUP BY 1, 2, 3, 4)
    SELECT string_agg(problem, '; ') FROM (
        SELECT format('%s: all accounts come to %s', currency, sum(total)) FROM sums GROUP BY currency HAVING sum(total) <> 0
        UNION ALL
        SELECT format('trial balance: %s debited, %s credited', sum(debit_minor), sum(credit_minor)) FROM billing.trial_balance GROUP BY currency HAVING sum(debit_minor) <> sum(credit_minor)
        UNION ALL
        SELECT format('%s: half a transaction, %s of %s by hand', tenant_id, by_hand, ledger_account) FROM sums WHERE ledger_account IN ('cash', 'disputes', 'receivable') AND by_hand <> 0
        UNION ALL
        SELECT format('%s: balance of %s is %s and not %s', s.tenant_id, s.ledger_account, billing.balance(s.tenant_id, s.currency, s.ledger_account, s.account_id), s.total)
          FROM sums s JOIN billing.ledger_accounts a USING (ledger_account)
         WHERE s.tenant_id IN (SELECT 't' || 1 + floor(random() * $tenants) FROM generate_series(1, 2))
           AND billing.balance(s.tenant_id, s.currency, s.ledger_account, s.account_id) <> CASE a.normal_side WHEN 'debit' THEN s.total ELSE -s.total END
        UNION ALL
        SELECT format('%s: invoices of %s, receivable %s', i.tenant_id, i.total, s.total - s.by_hand)
          FROM (SELECT tenant_id, account_id, currency, sum(total_minor) AS total FROM billing.invoices WHERE status = 'finalized' GROUP BY 1, 2, 3) AS i
          JOIN (SELECT tenant_id, account_id, currency, total, coalesce(by_hand, 0) AS by_hand FROM sums WHERE ledger_account = 'receivable') AS s USING (tenant_id, account_id, currency)
         WHERE i.total <> s.total - s.by_hand
        UNION ALL
        SELECT format('%s: rated %s, posted %s', r.tenant_id, r.total, p.total)
          FROM (SELECT tenant_id, sum(posted_minor) AS total FROM billing.rated_lines GROUP BY 1) AS r
          FULL JOIN (SELECT tenant_id, sum(CASE WHEN entry_type LIKE '%\\_correction' THEN -amount_minor ELSE amount_minor END) AS total FROM e WHERE source = 'rated_line' GROUP BY 1) AS p USING (tenant_id)
         WHERE coalesce(r.total, 0) <> coalesce(p.total, 0)) AS p (problem)
\$\$;
-- Looks again and again at one isolation level, a snapshot a statement or (repeatable read and above) twice in one, until told to stop.
CREATE TABLE stop (at timestamptz);
CREATE PROCEDURE read_on(level text) LANGUAGE plpgsql AS \$\$
DECLARE
    seen bigint := 0;
    problem text;
BEGIN
    LOOP
        FOR pass IN 1 .. CASE WHEN level LIKE 'read%' THEN 1 ELSE 2 END LOOP
            problem := violation();
            EXIT WHEN problem IS NOT NULL;
        END LOOP;
        seen := seen + 1;
        IF problem IS NOT NULL THEN
            ROLLBACK;
            INSERT INTO violations VALUES (level, seen, problem);
            RETURN;
        END IF;
        COMMIT;
        EXIT WHEN EXISTS (SELECT FROM stop);
        COMMIT;
    END LOOP;
    INSERT INTO violations VALUES (level, seen, NULL);
END
\$\$;
});

# Every transaction leaves cash, disputes and receivable where they were: by hand, amounts in are amounts out.
my $head = "\\set tenant random(1, $tenants)\n\\set amount random(1, 1000000000)\n\\set n random(1, 15)\n\\set day random(0, 364)\n";
my $post = sub { my ($type, $amount) = @_; return "billing.post_entry('t' || :tenant, '$type', $amount, 'EUR', posted_on => date '2026-01-01' + :day::integer)" };
my %writers = (
	# Charged and paid: receivable and cash; paid back: cash.
	'pairs@5' => $head . 'BEGIN;' . join('', map { "\nSELECT count(" . $post->($_, ':amount + g') . ') FROM generate_series(1, :n) AS g;' } qw(adjustment payment refund)) . "\nCOMMIT;\n",
	'disputes@3' => $head . 'BEGIN;' . join('', map { "\nSELECT count(" . $post->($_, ':amount') . ') FROM generate_series(1, :n);' } qw(chargeback_debit chargeback_reversal)) . "\nCOMMIT;\n",
	'reversed@2' => $head . "SELECT count(billing.reverse_entry('t' || :tenant, e, 'test', date '2026-01-01' + :day::integer)) FROM (SELECT "
	  . $post->('payment', ':amount') . ") AS p (e);\n",
	# Half a transaction that must never be seen.
	'rolled@1' => $head . "BEGIN;\nSELECT " . $post->('payment', ':amount') . ";\n\\sleep 1 ms\nROLLBACK;\n",
	'savepoint@1' => $head . "BEGIN;\nSAVEPOINT a;\nSELECT " . $post->('payment', ':amount') . ";\nROLLBACK TO a;\nSELECT " . $post->('adjustment', ':amount') . ";\n\\sleep 1 ms\nSELECT "
	  . $post->('payment', ':amount') . ";\nSELECT " . $post->('refund', ':amount') . ";\nCOMMIT;\n",
	'usage@1' => $head . "SELECT billing.record_usage('t' || :tenant, 'requests', gen_random_uuid()::text, :n, timestamptz '2026-01-01Z' + :day * interval '1 day');\n",
);
# The runs go through the year and then through it again, for the corrections; one in four voids an invoice.
sub start_run
{
	my ($n) = @_;
	my $day = sprintf('2026-%02d-%02d', 2 + int($n / 3) % 11, 1 + 9 * ($n % 3));
	my @more = (q{SELECT billing.void_invoice(number, 'test') FROM (SELECT number FROM billing.invoices WHERE status = 'finalized' ORDER BY random() LIMIT 1) AS i}, 'SELECT FROM billing.seal()', 'SELECT 1');
	return start_query("CALL billing.run_invoices('$day', finalize => true, batch_tenants => 7)", $more[ rand @more ]);
}

my @levels = ('read uncommitted', 'read committed', 'repeatable read', 'serializable');
my ($began, $round, $posted) = (time(), 0, 0);
my @readers = map { start_query("SET default_transaction_isolation = '$_'", "CALL read_on('$_')") } @levels;
my @errors;
while ($round == 0 || seconds_left() > 0 && $posted < $postings)
{
	my $left = int seconds_left();
	my $run = start_run($round++);
	my ($succeeded, $out, $error) = run_pgbench(\%writers, '-M', 'prepared', '-c', 8, '-T', $left < 1 ? 1 : $left < 10 ? $left : 10, '--random-seed=' . (seed() + $round));
	push @errors, $error if !$succeeded || $out !~ /number of failed transactions: 0 /;
	last if @errors;
	push @errors, $run->{error} if !finish_within(120, $run) || $run->{error} =~ /ERROR|FATAL/;
	$posted = query(q{SELECT count(*) FROM billing.ledger_entries});
}
query('INSERT INTO stop VALUES (now())');
ok(finish_within(300, @readers), 'the readers end') or diag(map { $_->{error} } @readers);
is(substr(join('', @errors), 0, 2000), '', 'writers and runs');
is(query(q{SELECT level, what FROM violations WHERE what IS NOT NULL}), '', 'in every snapshot money is conserved');
is(query(q{SELECT string_agg(level, ',' ORDER BY level) FROM violations WHERE snapshots > 0}), join(',', sort @levels), 'at every isolation level') or diag(map { $_->{error} } @readers);
is(query('SELECT violation()'), '', 'and in the last one');
is(query('SELECT * FROM billing.check_integrity()'), '', 'integrity');
my ($snapshots, $violations) = split /\|/, query('SELECT sum(snapshots), count(what) FROM violations');
diag(sprintf '%d postings in %.0f s', $posted, time() - $began);
figure('money is conserved', figure => "$posted/1,000,000 postings, $snapshots snapshots totalled at " . @levels . " isolation levels, $violations violations",
	aim => '1,000,000 postings, 0 violations', violations => $violations, done => $posted, wanted => 1_000_000);
$node->stop;
done_testing();
