#!/usr/bin/perl
# The same call again changes nothing: sixty-four sessions make the same calls with the same keys, in nearly the same order, so that
# they race; some with another body, some in transactions that roll back, some at REPEATABLE READ. Of each key one body wins and gives one
# answer and one row; every other body is refused.
#
# KEYS: how many of each kind, SESSIONS: how many sessions, when not 1,000 and 64, in the short form 25 and 12.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../tap/lib", "$FindBin::Bin/lib";
use Test::More;
use Time::HiRes qw(time);
use Soak qw(begin_soak figure is_long seconds_left soak_node);
use SoakQuery qw(finish_within query start_query);

begin_soak(short => 6);
my $keys = $ENV{KEYS} // (is_long() ? 1000 : 25);
my $sessions = $ENV{SESSIONS} // (is_long() ? 64 : 12);
my $node = soak_node('idempotency', fsync => is_long() ? 'on' : 'off', max_connections => 100);

query(q{
SELECT billing.ensure_partitions('2026-01-01', '2026-03-01');
SELECT billing.create_meter('requests', unit => 'request');
SELECT billing.create_plan('plan', currency => 'EUR'), billing.add_charge('plan', 'base', price => '{"model":"flat","amount":"1"}'), billing.publish_plan('plan');
SELECT billing.create_account('t' || n) FROM generate_series(0, 9) AS n;
SELECT billing.subscribe('t' || n, plan => 'plan', starts => '2026-01-01') FROM generate_series(0, 9) AS n;
SELECT billing.register_device('t' || n, 'device', device_type => 'sensor', enrolled_from => '2026-01-01') FROM generate_series(0, 9) AS n;
CREATE TABLE kinds (kind text PRIMARY KEY, has_one_answer boolean NOT NULL, every integer NOT NULL, call text NOT NULL);
CREATE TABLE answers (session integer NOT NULL, kind text NOT NULL, key integer NOT NULL, body integer NOT NULL, answer text NOT NULL);
-- %1$s tenant, %2$s key, %3$s body, %4$s the next key. A body of 3 is nobody's. The dearer calls are made with every fourth key.
INSERT INTO kinds VALUES
    ('post_entry', true, 1, $$SELECT billing.post_entry(%1$L, 'payment', %3$s, 'EUR', posted_on => '2026-01-02', idempotency_key => 'k%2$s')$$),
    ('subscribe', true, 4, $$SELECT billing.subscribe(%1$L, 'plan', date '2026-01-01' + %3$s, idempotency_key => 'k%2$s')$$),
    ('record_usage', false, 1, $$SELECT billing.record_usage(%1$L, 'requests', 'k%2$s', %3$s, '2026-01-05 12:00Z')$$),
    ('record_coverage', false, 1, $$SELECT billing.cover_device(%1$L, 'device', 'k%2$s', date '2026-01-01' + %3$s)$$),
    ('create_account', true, 4, $$SELECT billing.create_account('k%2$s', name => 'body %3$s')$$),
    -- Two events a batch, one of them also in the batch before; in either order.
    ('batch', false, 4, $$SELECT billing.record_usage(jsonb_build_array(jsonb_build_object('tenant', 't0', 'meter', 'requests', 'event_id', 'b%2$s', 'quantity', %3$s, 'occurred_at', '2026-01-06T00:00:00Z'),
                                                                     jsonb_build_object('tenant', 't0', 'meter', 'requests', 'event_id', 'b%4$s', 'quantity', %3$s, 'occurred_at', '2026-01-06T00:00:00Z')))$$),
    ('arrays', false, 4, $$SELECT billing.record_usage_arrays('{t1,t1}', '{requests,requests}', '{a%4$s,a%2$s}', '{%3$s,%3$s}', '{2026-01-06Z,2026-01-06Z}')$$);

-- What a call answers, or the SQLSTATE that refused it.
CREATE FUNCTION attempt(call text, key integer, body integer) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    answer text;
BEGIN
    EXECUTE format(call, 't' || key % 10, key, body, key + 4) INTO answer;
    RETURN answer;
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE;
END
$$;

-- What one session does: every kind with every key, nearly in order, each in a transaction. After the deadline it stops.
CREATE PROCEDURE race(session integer, keys integer, deadline timestamptz) LANGUAGE plpgsql AS $$
DECLARE
    target record;
    what   text;
    chosen integer;
BEGIN
    FOR target IN SELECT k.kind, k.call, n FROM kinds k, generate_series(1, keys) AS n WHERE n % k.every = 0 ORDER BY n + 4 * random(), random() LOOP
        EXIT WHEN clock_timestamp() > deadline;
        LOOP
            chosen := 1 + (random() < 0.2)::integer;
            what := attempt(target.call, target.n, chosen);
            IF what IN ('40001', '40P01') THEN
                INSERT INTO answers VALUES (session, target.kind, 0, chosen, what);
                COMMIT;
            ELSIF random() < 0.1 THEN
                -- Nobody has heard the answer.
                ROLLBACK;
            ELSE
                INSERT INTO answers VALUES (session, target.kind, target.n, chosen, what);
                COMMIT;
                EXIT;
            END IF;
        END LOOP;
    END LOOP;
END
$$;
});

# The short form makes all its calls, however slow the machine is.
my $budget = is_long() ? int(seconds_left() * 0.8) : 60;
my $began = time();
# One in eight waits for the disk, and makes others wait for it; if all did, they would wait for nothing else.
my @running = map
{
	start_query('SET default_transaction_isolation = ' . ($_ % 4 ? "'read committed'" : "'repeatable read'"), 'SET synchronous_commit = ' . ($_ % 8 ? 'off' : 'on'),
		"CALL race($_, $keys, now() + interval '$budget s')")
} 1 .. $sessions;
ok(finish_within(2 * $budget + 120, @running), 'the sessions end');
is(substr(join('', map { $_->{error} } @running), 0, 2000), '', 'without errors');

my ($calls, $complete) = split /\|/, query(qq{SELECT (SELECT count(*) FROM answers),
	(SELECT count(*) FROM (SELECT kind, key FROM answers JOIN kinds USING (kind) WHERE key > 0 AND every = 1 GROUP BY 1, 2 HAVING count(DISTINCT session) = $sessions) AS d) / (SELECT count(*) FROM kinds WHERE every = 1)});
is(query(q{SELECT kind, answer, count(*) FROM answers WHERE answer ~ '^[0-9A-Z]{5}$' AND answer NOT IN ('MB409', '40001') GROUP BY 1, 2}), '', 'nothing is refused but another body, and no call deadlocks');
# Once any body was accepted, that is the one.
my $lost = query(q{SELECT count(*) FROM (SELECT kind, key
	FROM (SELECT *, min(body) FILTER (WHERE answer <> 'MB409') OVER (PARTITION BY kind, key) AS won FROM answers WHERE key > 0 AND kind NOT IN ('batch', 'arrays')) AS a
	GROUP BY 1, 2 HAVING count(DISTINCT body) FILTER (WHERE answer <> 'MB409') <> 1 OR bool_or((answer = 'MB409') IS DISTINCT FROM (body <> won))) AS l});
is($lost, '0', 'of each key one body is accepted, always');
my $answers = query(q{SELECT count(*) FROM (SELECT kind, key FROM answers JOIN kinds USING (kind) WHERE key > 0 AND answer <> 'MB409' GROUP BY 1, 2, has_one_answer
	HAVING CASE WHEN has_one_answer THEN count(DISTINCT answer) <> 1 ELSE kind NOT IN ('batch', 'arrays') AND count(*) FILTER (WHERE answer = 'true') <> 1 END) AS d});
is($answers, '0', 'and gets one answer');
# Rows, and how many were told to be new.
my $duplicates = query(q{
SELECT count(*) FROM (
SELECT 'post_entry' AS kind, count(*), count(DISTINCT entry_id) FROM billing.ledger_entries WHERE source = 'hand'
UNION ALL SELECT 'subscribe', count(*), count(*) FROM billing.subscriptions WHERE starts > '2026-01-01'
UNION ALL SELECT 'record_usage', count(*), count(DISTINCT event_id) FROM billing.usage_records WHERE event_id LIKE 'k%'
UNION ALL SELECT 'record_coverage', count(*), count(DISTINCT event_id) FROM billing.device_coverage_ledger
UNION ALL SELECT 'create_account', count(*), count(*) FROM billing.accounts WHERE tenant_id LIKE 'k%') AS rows (kind, n, d)
JOIN (SELECT kind, count(DISTINCT key) AS keys FROM answers WHERE key > 0 GROUP BY 1) AS k USING (kind) WHERE (n, d) IS DISTINCT FROM (keys, keys)});
is($duplicates, '0', 'as many rows as keys');
for my $of ([ 'batch', 'b' ], [ 'arrays', 'a' ])
{
	is(query("SELECT (SELECT coalesce(sum(answer::integer), 0) FROM answers WHERE kind = '$of->[0]' AND answer NOT IN ('MB409', '40001')) - (SELECT count(*) FROM billing.usage_records WHERE event_id LIKE '$of->[1]%')"),
		'0', "$of->[0]: what was told to be new is what is there");
}

# Later: the same again has the same answer and adds no row, any other body is refused.
my $again = query(q{
SELECT count(*) FROM (SELECT DISTINCT ON (kind, key) kind, key, body, answer, call, has_one_answer FROM answers JOIN kinds USING (kind)
	WHERE key > 0 AND answer <> 'MB409' AND kind NOT IN ('batch', 'arrays') ORDER BY kind, key) AS a
 WHERE attempt(call, key, body) IS DISTINCT FROM CASE WHEN has_one_answer THEN answer ELSE 'false' END OR attempt(call, key, 3 - body) <> 'MB409' OR attempt(call, key, 3) <> 'MB409'});
is($again, '0', 'later the same body has its answer, and every other is refused');
is(query(q{SELECT count(*) FROM (SELECT DISTINCT kind, call, key FROM answers JOIN kinds USING (kind) WHERE kind IN ('batch', 'arrays') AND key > 0) AS k WHERE attempt(call, key, 3) <> 'MB409'}), '0', 'in batches too');
is($node->safe_psql('postgres', 'SELECT FROM billing.sync_counts(); SELECT * FROM billing.check_integrity()'), '', 'integrity');
my $retried = query(q{SELECT count(*) FROM answers WHERE key = 0});
diag(sprintf '%d calls answered in %.0f s, %d to be repeated', $calls, time() - $began, $retried);
figure('idempotency', figure => "$sessions/64 sessions x $complete/1,000 keys, 7 kinds of call, $calls calls, " . ($lost + $answers + $duplicates + $again) . ' duplicates or other bodies',
	aim => '64 x 1,000, 0 duplicates, other bodies refused', violations => $lost + $answers + $duplicates + $again, done => $complete * $sessions, wanted => 64_000);
$node->stop;
done_testing();
