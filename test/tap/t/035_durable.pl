# What posts, seals or takes a window is flushed when it is answered, in a session with synchronous_commit = off too. Nothing else
# writes here, and the writer of the write-ahead log sleeps: whatever is not flushed at the commit is not flushed for a while.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib", "$FindBin::Bin/../../soak/lib";
use Test::More;
use BillingTest qw(kill_server);
use Calls qw(calls);
use Soak qw(soak_node);

my $node = soak_node('durable', autovacuum => 'off', wal_writer_delay => "'10s'", wal_level => 'minimal', max_wal_senders => 0);
$node->safe_psql('postgres', q{
SELECT billing.ensure_partitions('2026-01-01', '2026-06-01');
SELECT billing.create_meter('requests', unit => 'request'), billing.create_meter('covered_devices', unit => 'device-day', dimensions => '{plan,device_type}');
SELECT billing.create_plan('pro', currency => 'EUR'), billing.add_charge('pro', 'requests', meter => 'requests', price => '{"model":"unit","unit":"1"}'), billing.publish_plan('pro');
SELECT billing.create_account('t' || n), billing.subscribe('t' || n, plan => 'pro', starts => '2026-01-01') FROM generate_series(1, 3) AS n;
SELECT billing.record_usage('t' || n, 'requests', 'e', 3, '2026-02-05Z') FROM generate_series(1, 3) AS n;
SELECT billing.post_entry('t1', 'payment', 500, 'EUR', memo => 'to reverse', posted_on => '2026-02-05');
SELECT billing.sync_counts();
CALL billing.run_invoices('2026-03-01', finalize => false);
SELECT billing.finalize_invoice(invoice_id::text, tenant_id) FROM billing.invoices WHERE tenant_id = 't3';
SELECT billing.record_usage('t1', 'requests', 'late', 3, '2026-03-05Z');
});

# The bytes of the log that are not flushed when a call has been answered; the header of the next page (24 or 40) is nothing.
sub unflushed
{
	my ($call) = @_;
	my $out = $node->safe_psql('postgres', "SET synchronous_commit = off;\n$call;\nSELECT 'left ' || pg_current_wal_insert_lsn() - pg_current_wal_flush_lsn()");
	return $out =~ /^left (\d+)$/m ? $1 > 40 ? $1 : 0 : "no answer in $out";
}

my %calls = calls();
cmp_ok(unflushed($calls{record_usage}), '>', 0, 'usage is as durable as the session asks');
is(unflushed($calls{$_}), 0, "$_ is durable") for qw(post_entry reverse_entry sync_counts sync_coverage RUN_RATING finalize_invoice void_invoice seal);

kill_server($node);
$node->start;
is($node->safe_psql('postgres', q{SELECT count(*) FROM billing.ledger_entries WHERE memo IN ('paid', 'mistake')}), 2, 'and there after the end of the server');
is($node->safe_psql('postgres', 'SELECT (SELECT count(*) FROM billing.checkpoint_notes), (SELECT count(*) FROM billing.verify_log())'), '1|0', 'as the checkpoint is');
$node->stop;
done_testing();
