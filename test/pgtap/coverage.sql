-- Coverage: the rule of days, out of order and back-dated; disputes under both policies and each way out of them; refusals; indexes.
-- Windows are taken outside of transactions: test/isolation and test/tap have them. Here derive_coverage() says what they would.
BEGIN;
SET LOCAL timezone = 'UTC'; SET LOCAL datestyle = ISO; SET LOCAL client_min_messages = warning;
SELECT plan(83);

DO $$ BEGIN
    PERFORM billing.ensure_partitions('2024-01-01', '2024-05-01');
    PERFORM billing.create_account('c1');
    PERFORM billing.create_account('c1', account => 'lab');
    PERFORM billing.create_account('c2');
    PERFORM billing.create_account('c3');
END $$;

-- The days of a device as runs: "state[!] plan account from..to", where ! is counted.
CREATE FUNCTION pg_temp.runs(tenant text, key text, "from" date DEFAULT '2024-02-01', "to" date DEFAULT '2024-03-11') RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(format('%s%s %s %s %s..%s', state, CASE WHEN counted THEN '!' END, coalesce(plan, '-'), account, to_char(first, 'MM-DD'), to_char(last, 'MM-DD')), '; ' ORDER BY first)
      FROM (SELECT min(d.coverage_day) AS first, max(d.coverage_day) AS last, d.coverage_state AS state, d.is_counted AS counted, d.plan, d.account_id AS account
              FROM (SELECT s.*, s.coverage_day - row_number() OVER (PARTITION BY s.coverage_state, s.is_counted, s.plan, s.account_id ORDER BY s.coverage_day)::integer AS island
                      FROM billing.derive_coverage("from", "to", runs.tenant) s
                      JOIN billing.devices v ON v.tenant_id = s.tenant_id AND v.device_id = s.device_id AND v.device_key = key) AS d
             GROUP BY island, state, counted, d.plan, account) AS r
$$;
-- A call that is refused leaves nothing.
CREATE FUNCTION pg_temp.refuses(call text, code text, message text, what text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE before text := pg_temp.fact_count(); refusal text := 'nothing was refused'; BEGIN
    BEGIN
        EXECUTE 'SELECT billing.' || call;
    EXCEPTION WHEN OTHERS THEN
        refusal := SQLSTATE || ' ' || SQLERRM;
    END;
    RETURN NEXT is(refusal || CASE WHEN pg_temp.fact_count() = before THEN '' ELSE ', and something was written' END, code || ' ' || message, what);
END $$;
CREATE FUNCTION pg_temp.fact_count() RETURNS text LANGUAGE sql AS $$
    SELECT format('%s %s %s %s %s %s', (SELECT count(*) FROM billing.devices), (SELECT count(*) FROM billing.enrollments), (SELECT count(*) FROM billing.device_coverage_ledger),
                  (SELECT count(*) FROM billing.coverage_event_ids), (SELECT count(*) FROM billing.identity_claim_events), (SELECT count(*) FROM billing.coverage_policies))
$$;

-- ---- devices and enrollments ----
SELECT is(billing.register_device('c1', 'a', 'laptop', attestation => repeat('Ab', 32), enrolled_from => '2024-02-01', enrolled_to => '2024-03-11', plan => 'basic'), true, 'a new device');
SELECT is(billing.register_device('c1', 'a', 'laptop', attestation => repeat('ab', 32), enrolled_from => '2024-02-01', enrolled_to => '2024-03-11', plan => 'basic'), false, 'the same again is none');
SELECT is((SELECT device_id FROM billing.devices WHERE device_key = 'a'), billing.derive_id('device', 'c1', 'a'), 'its id is derived');
SELECT is(billing.register_devices('[{"tenant":"c1","device":"b","enrolled_from":"2024-02-01"},{"tenant":"c1","device":"b","enrolled_from":"2024-02-01"},{"tenant":"c2","device":"a"}]'), 2, 'several, one given twice');
SELECT is(pg_temp.runs('c1', 'a'), 'uncovered basic main 02-01..03-10', 'enrolled and not covered');
SELECT is(pg_temp.runs('c2', 'a'), NULL, 'not enrolled: no days');

-- ---- the rule: of the events in effect the latest recorded ----
SELECT is(billing.cover_device('c1', 'a', 'a1', '2024-02-28', '2024-03-02'), true, 'cover over the leap day');
SELECT is(pg_temp.runs('c1', 'a'), 'uncovered basic main 02-01..02-27; covered! basic main 02-28..03-01; uncovered basic main 03-02..03-10', '29 February is a day');
SELECT is(billing.cover_device('c1', 'a', 'a1', '2024-02-28', '2024-03-02'), false, 'the same event again is none');
SELECT is(billing.cover_device('c1', 'a', 'a2', '2024-02-10', '2024-02-20', 'gold'), true, 'one that begins earlier comes later');
SELECT is(pg_temp.runs('c1', 'a', '2024-02-09', '2024-03-03'), 'uncovered basic main 02-09..02-09; covered! gold main 02-10..02-19; uncovered basic main 02-20..02-27; covered! basic main 02-28..03-01; uncovered basic main 03-02..03-02',
          'spans that do not overlap do not care about their order');
SELECT is(billing.uncover_device('c1', 'a', 'a3', '2024-02-15', '2024-02-29'), true, 'back-dated, over two of them');
SELECT is(pg_temp.runs('c1', 'a', '2024-02-10', '2024-03-01'), 'covered! gold main 02-10..02-14; uncovered gold main 02-15..02-19; uncovered basic main 02-20..02-28; covered! basic main 02-29..02-29', 'the latest recorded wins');
SELECT is(billing.cover_device('c1', 'a', 'a4', '2024-02-17', '2024-02-18'), true, 'and a day of it back');
SELECT is(billing.change_device_plan('c1', 'a', 'a5', 'silver', '2024-02-12', '2024-03-01'), true, 'another plan says nothing about whether');
SELECT is(pg_temp.runs('c1', 'a', '2024-02-10', '2024-03-02'), 'covered! gold main 02-10..02-11; covered! silver main 02-12..02-14; uncovered silver main 02-15..02-16; covered! silver main 02-17..02-17; uncovered silver main 02-18..02-28; covered! silver main 02-29..02-29; covered! basic main 03-01..03-01',
          'plan and coverage are decided apart');
SELECT is(billing.enroll_device('c1', 'a', 'm1', '2024-02-11', '2024-02-13', account => 'lab'), true, 'it moves to another account for two days');
SELECT is(billing.withdraw_device('c1', 'a', 'm2', '2024-02-14', '2024-02-15'), true, 'and is out for one');
SELECT is(pg_temp.runs('c1', 'a', '2024-02-10', '2024-02-16'), 'covered! gold main 02-10..02-10; covered! gold lab 02-11..02-11; covered! silver lab 02-12..02-12; covered! silver main 02-13..02-13; uncovered silver main 02-15..02-15', 'as enrolled on the day');
SELECT is(billing.record_coverage('[{"tenant":"c1","device":"b","event_id":"b1","event_type":"cover","effective_from":"2024-02-05"},
                                    {"tenant":"c1","device":"b","event_id":"b2","event_type":"uncover","effective_from":"2024-02-07","effective_to":"2024-02-09"},
                                    {"tenant":"c1","device":"b","event_id":"b3","event_type":"cover","effective_from":"2024-02-08","effective_to":null},
                                    {"tenant":"c1","device":"b","event_id":"b1","event_type":"cover","effective_from":"2024-02-05"}]'), 3, 'in one batch the order given decides');
SELECT is(pg_temp.runs('c1', 'b', '2024-02-04', '2024-02-12'), 'uncovered - main 02-04..02-04; covered! - main 02-05..02-06; uncovered - main 02-07..02-07; covered! - main 02-08..02-11', 'the third hides the second');
CREATE TABLE public.source AS SELECT 'c1'::varchar AS tenant_id, 'b' AS device_key, n AS event_id, 'uncover' AS event_type, date '2024-02-09' + n AS effective_from, date '2024-02-10' + n AS effective_to, 'x' AS other
  FROM generate_series(1, 3) n;
SELECT is(billing.import_coverage('public.source')::text, '(3,0)', 'a table is imported');
SELECT is(billing.import_coverage('public.source')::text, '(0,3)', 'once');
SELECT is(pg_temp.runs('c1', 'b', '2024-02-08', '2024-02-15'), 'covered! - main 02-08..02-09; uncovered - main 02-10..02-12; covered! - main 02-13..02-14', 'as given');
SELECT is(billing.record_activity_proof('c1', 'b', sha256('seen'), '2024-02-09'), true, 'a proof of activity');
SELECT is(billing.record_activity_proof('c1', 'b', sha256('seen'), '2024-02-09'), false, 'once');

-- ---- refusals ----
SELECT r.line FROM (VALUES
    ($$register_device('c1', 'a', 'phone')$$, 'MB409', 'device "a" was registered with other content', 'a device of another type'),
    ($$register_device('c1', 'a', 'laptop', attestation => repeat('ab', 32), enrolled_from => '2024-02-02')$$, 'MB409', 'device "a" was registered with other content', 'enrolled otherwise'),
    ($$register_device('c9', 'x')$$, 'MB440', 'unknown account "main" of tenant "c9"', 'no such tenant'),
    ($$register_device('c1', ' ')$$, 'MB400', 'device must have 1 to 200 characters, not all blank', 'a blank key'),
    ($$register_device('c1', NULL)$$, 'MB400', 'device is null', 'no key'),
    ($$register_device('c1', 'x', attestation => 'zz')$$, 'MB400', 'attestation must be a SHA-256 in hex', 'no hash'),
    ($$register_device('c1', 'x', enrolled_from => '2024-02-02', enrolled_to => '2024-02-02')$$, 'MB417', 'device "x" cannot be enrolled from 2024-02-02 to 2024-02-02', 'no day'),
    ($$register_device('c1', 'x', plan => 'p')$$, 'MB400', 'an enrollment needs the day it begins', 'a plan without enrollment'),
    ($$register_device('c1', 'x', enrolled_from => '1999-12-31')$$, 'MB424', 'table "coverage_daily_state" has no partition for 1999-12', 'before the first month'),
    ($$register_devices('[{"tenant":"c1","device":"x"},{"tenant":"c1","device":"a","device_type":"tv"}]')$$, 'MB409', 'device 1 of 2: device "a" was registered with other content', 'all or none'),
    ($$enroll_device('c1', 'x', 'm3', '2024-02-02')$$, 'MB480', 'unknown device "x" of tenant "c1"', 'no such device'),
    ($$enroll_device('c1', 'a', 'm1', '2024-02-12')$$, 'MB409', 'enrollment "m1" was recorded with other content', 'another enrollment of the same id'),
    ($$enroll_device('c1', 'a', 'm3', '2024-02-12', account => 'x')$$, 'MB440', 'unknown account "x" of tenant "c1"', 'no such account'),
    ($$enroll_device('c1', 'a', 'm3', '2023-12-31')$$, 'MB424', 'table "coverage_daily_state" has no partition for 2023-12', 'before the first month'),
    ($$record_coverage('c1', 'a', 'x', 'pause', '2024-02-02')$$, 'MB482', 'coverage event "x" is of no known type: "pause"', 'no such type'),
    ($$record_coverage('c1', 'a', 'x', 'uncover', '2024-02-02', plan => 'p')$$, 'MB482', 'coverage event "x" uncovers and names a plan', 'a plan that is none'),
    ($$record_coverage('c1', 'a', 'x', 'change_plan', '2024-02-02')$$, 'MB482', 'coverage event "x" names no plan to change to', 'no plan'),
    ($$record_coverage('c1', 'a', 'x', 'cover', '2024-02-02', 'infinity')$$, 'MB417', 'coverage event "x" cannot be effective from 2024-02-02 to infinity', 'for ever is NULL'),
    ($$record_coverage('c2', 'b', 'x', 'cover', '2024-02-02')$$, 'MB480', 'unknown device "b" of tenant "c2"', 'of another tenant'),
    ($$record_coverage('c1', 'a', 'a1', 'cover', '2024-02-02')$$, 'MB409', 'coverage event "a1" was recorded with other content', 'the same id, other days'),
    ($$record_coverage('[{"tenant":"c1","device":"a","event_id":"x","event_type":"cover","effective_from":"2024-02-02"},{"tenant":"c1","device":"a","event_id":"x","event_type":"uncover","effective_from":"2024-02-02"}]')$$,
     'MB409', 'coverage event 1 of 2: coverage event "x" was recorded with other content', 'one batch, one id, two contents'),
    ($$record_coverage('[{"tenant":"c1","device":"a","event_id":"x","event_type":"cover","efective_from":"2024-02-02"}]')$$, 'MB400', 'coverage event 0 of 1: field "effective_from" is missing', 'misspelt'),
    ($$record_coverage('[{"tenant":"c1","device":"a","event_id":"x","event_type":"cover","effective_from":"2024-02-02","to":"x"}]')$$, 'MB400', 'coverage event 0 of 1: unknown field "to"', 'unknown'),
    ($$record_coverage('[{"tenant":"c1","device":"a","event_id":7,"event_type":"cover","effective_from":"2024-02-02"}]')$$, 'MB400', 'coverage event 0 of 1: field "event_id" must be a string', 'a number'),
    ($$record_coverage('[{"tenant":"c1","device":"a","event_id":"x","event_type":"cover","effective_from":"2024-02-30"}]')$$, '22008', 'date/time field value out of range: "2024-02-30"', 'no such day'),
    ($$claim_identity('c1', 'x', 'serial', 'S')$$, 'MB480', 'unknown device "x" of tenant "c1"', 'nobody claims'),
    ($$resolve_claim('c1', 'serial', 'S', 'split', actor => 'a', reason => 'r')$$, 'MB481', 'nobody of tenant "c1" claims serial "S"', 'nothing to resolve'),
    ($$set_coverage_policy('c1', 'free')$$, 'MB400', '"free" is no policy for disputes', 'no such policy'),
    ($$sync_coverage('5874897-12-31')$$, 'MB417', 'day 5874897-12-31 is too far ahead to derive coverage', 'what nobody lives to see'),
    ($$sync_coverage('infinity')$$, 'MB417', 'an infinite date is not a day', 'nor the last day'),
    ($$derive_coverage('2024-03-01', '5874897-12-31')$$, 'MB417', 'day 5874897-12-31 is too far ahead to derive coverage', 'nor derived'),
    ($$sync_coverage('2024-03-01')$$, 'MB427', 'coverage cannot be synced in this transaction', 'no window in a transaction that has written')
) AS t (call, code, message, what) CROSS JOIN LATERAL pg_temp.refuses(call, code, message, what) AS r (line);

-- ---- disputes ----
DO $$ BEGIN
    PERFORM billing.register_devices('[{"tenant":"c3","device":"x","enrolled_from":"2024-02-01"},{"tenant":"c3","device":"y","enrolled_from":"2024-02-01"},{"tenant":"c3","device":"z","enrolled_from":"2024-02-01"}]');
    PERFORM billing.cover_device('c3', k, k || 1, '2024-02-01', '2024-02-11') FROM unnest('{x,y,z}'::text[]) AS k;
    PERFORM billing.uncover_device('c3', 'x', 'x2', '2024-02-08', '2024-02-09');
END $$;
CREATE FUNCTION pg_temp.all_runs() RETURNS text LANGUAGE sql AS $$ SELECT string_agg(k || ' ' || pg_temp.runs('c3', k, '2024-02-01', '2024-02-11'), E'\n' ORDER BY k) FROM unnest('{x,y}'::text[]) AS k $$;
SELECT is(billing.claim_identity('c3', 'x', 'serial', 'S', '2024-02-01', 'anna') || ',' || billing.claim_identity('c3', 'y', 'serial', 'S', '2024-02-04') || ',' || billing.claim_identity('c3', 'y', 'serial', 'S', '2024-02-04'),
          'clean,disputed,disputed', 'two devices that claim one identity are in dispute');
SELECT is((SELECT string_agg(status || ' ' || disputed_from, ',') FROM billing.identity_claims WHERE tenant_id = 'c3'), 'disputed 2024-02-04,disputed 2024-02-04', 'both, from the later of their first days on');
SELECT is(pg_temp.all_runs(), 'x covered! - main 02-01..02-03; disputed! - main 02-04..02-07; uncovered - main 02-08..02-08; disputed! - main 02-09..02-10
y covered! - main 02-01..02-03; disputed - main 02-04..02-07; disputed! - main 02-08..02-08; disputed - main 02-09..02-10', 'bill once: the first to claim it, and when that is not covered the next');
SELECT is(billing.set_coverage_policy('c3', 'hold', 24, valid_from => '2024-02-06'), true, 'hold, from a day on');
SELECT is(pg_temp.runs('c3', 'x', '2024-02-01', '2024-02-11'), 'covered! - main 02-01..02-03; disputed! - main 02-04..02-05; disputed - main 02-06..02-07; uncovered - main 02-08..02-08; disputed - main 02-09..02-10', 'none is counted while on hold');
SAVEPOINT before;
SELECT billing.resolve_claim('c3', 'serial', 'S', 'split', actor => 'ben', reason => 'two') \g /dev/null
SELECT is(pg_temp.all_runs(), 'x covered! - main 02-01..02-07; uncovered - main 02-08..02-08; covered! - main 02-09..02-10
y covered! - main 02-01..02-10', 'split counts both back');
ROLLBACK TO before;
SELECT billing.resolve_claim('c3', 'serial', 'S', 'merge', 'y', actor => 'ben', reason => 'one') \g /dev/null
SELECT is(pg_temp.all_runs(), 'x covered! - main 02-01..02-03; covered - main 02-04..02-07; uncovered - main 02-08..02-08; covered - main 02-09..02-10
y covered! - main 02-01..02-10', 'merge counts the winner');
SELECT is((SELECT state || ' ' || (merged_into = (SELECT device_id FROM billing.devices WHERE tenant_id = 'c3' AND device_key = 'y')) FROM billing.devices WHERE tenant_id = 'c3' AND device_key = 'x'), 'merged true', 'the other is merged into it');
SELECT is(billing.claim_identity('c3', 'z', 'serial', 'S', '2024-02-09'), 'disputed', 'a third opens the dispute again');
SELECT is(pg_temp.runs('c3', 'y', '2024-02-01', '2024-02-11'), 'covered! - main 02-01..02-08; disputed - main 02-09..02-10', 'from its first day on; what was decided before stands');
ROLLBACK TO before;
SELECT is(billing.resolve_claim('c3', 'serial', 'S', 'transfer', 'y', '2024-02-07', 'ben', 'sold'), true, 'transfer');
SELECT is(billing.resolve_claim('c3', 'serial', 'S', 'transfer', 'y', '2024-02-07', 'ben', 'sold'), false, 'once');
SELECT is(pg_temp.all_runs(), 'x covered! - main 02-01..02-06; covered - main 02-07..02-07; uncovered - main 02-08..02-08; covered - main 02-09..02-10
y covered! - main 02-01..02-03; covered - main 02-04..02-06; covered! - main 02-07..02-10', 'the one before, the other from the day on');
SELECT throws_ok($$SELECT billing.resolve_claim('c3', 'serial', 'S', 'merge', 'y', actor => 'ben', reason => 'one')$$, 'MB421', 'serial "S" is not in dispute', 'what is decided stays decided');
SELECT billing.claim_identity('c3', 'z', 'serial', 'S', '2024-02-09') \g /dev/null
SELECT throws_ok($$SELECT billing.resolve_claim('c3', 'serial', 'S', 'merge', 'x', actor => 'ben', reason => 'one')$$, 'MB481', 'device "x" does not claim serial "S"', 'who lost it cannot win it');
SELECT is(billing.escalate_disputes(now() + interval '23 hours'), 0, 'within its SLA') ;
SELECT is(billing.escalate_disputes(now() + interval '24 hours'), 2, 'past it');
SELECT is(billing.escalate_disputes(now() + interval '25 hours'), 0, 'once');
SELECT is((SELECT string_agg(event_type || coalesce(' ' || resolution, '') || ' ' || effective_from, ', ' ORDER BY sequence) FROM billing.identity_claim_events WHERE tenant_id = 'c3'),
          'claimed 2024-02-01, claimed 2024-02-04, disputed 2024-02-04, disputed 2024-02-04, resolved transfer 2024-02-04, resolved transfer 2024-02-04, claimed 2024-02-09, disputed 2024-02-09, disputed 2024-02-09, escalated 2024-02-09, escalated 2024-02-09',
          'every step is an event');
SELECT is((SELECT string_agg(problem, ',') FROM billing.replay_coverage('c3')), NULL, 'in a chain that holds');
SELECT throws_ok('UPDATE billing.device_coverage_ledger SET plan = NULL', 'MB423', NULL, 'the ledger is append-only');
SELECT throws_ok('DELETE FROM billing.identity_claim_events', 'MB423', NULL, 'and so are claim events');

-- ---- what check_integrity() asks of coverage; query paths are in query_paths.sql ----
SELECT is_empty('SELECT * FROM billing.check_coverage()', 'nothing is wrong');
INSERT INTO billing.coverage_daily_state (tenant_id, device_id, coverage_day, account_id, coverage_state, is_counted, window_no)
VALUES ('c3', billing.derive_id('device', 'nobody'), '2024-02-10', 'gone', 'covered', true, 1);
INSERT INTO billing.device_coverage_ledger (tenant_id, event_id, device_id, event_type, effective_from, row_hash)
VALUES ('c3', 'odd', billing.derive_id('device', 'nobody'), 'cover', '2024-02-10', sha256(''));
INSERT INTO billing.coverage_windows (window_no, incarnation, snapshot, through, days_changed, usage_rows, synced_at) VALUES (7, billing.current_incarnation(), billing.log_snapshot(), '2024-02-10', 1, 1, now());
SELECT bag_eq('SELECT check_name, problem FROM billing.check_coverage()', format($$VALUES
    ('covered days are in the usage', 'account gone on 2024-02-10: 1 devices are counted, and usage says 0'), ('states have a device and an account', 'state of device %1$s on 2024-02-10 for account gone'),
    ('coverage events have a device', 'event odd names device %1$s'), ('windows of coverage follow one another', 'window 7 follows 0')$$, billing.derive_id('device', 'nobody')), 'each check finds something');

-- ---- what is derived goes to disk when it is large ----
CREATE FUNCTION pg_temp.peak_memory() RETURNS bigint LANGUAGE sql AS $$ SELECT substring(pg_read_file('/proc/self/status') FROM 'VmHWM:\s*(\d+) kB')::bigint $$;
DO $$ BEGIN
    PERFORM billing.create_account('c4');
    PERFORM billing.register_devices((SELECT jsonb_agg(jsonb_build_object('tenant', 'c4', 'device', n, 'enrolled_from', '2024-02-01')) FROM (SELECT 'd' || k AS n FROM generate_series(1, 250) AS k) AS d));
END $$;
SELECT pg_temp.peak_memory() AS before \gset
SELECT count(*) AS days FROM billing.derive_coverage('2024-02-01', '2034-02-01', 'c4') \gset
SELECT ok(:days = 250 * 3653 AND pg_temp.peak_memory() - :before < 120000, '900,000 days of devices take work_mem, of 64 MB, and no more'); -- 200 MB when all were kept
SELECT finish();
ROLLBACK;
