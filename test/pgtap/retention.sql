-- Retention: who may shorten what, holds, what is closed for good, and roots over rows that are gone. The gates of the plan need windows
-- and seals, which have transactions of their own: test/tap/t/070_retention.pl.
BEGIN;
SET timezone = 'UTC'; SET datestyle = ISO;
SELECT plan(48);

DO $$ BEGIN
    PERFORM billing.ensure_partitions('2021-01-01', '2021-04-01');
    PERFORM billing.create_meter('ret-calls', unit => 'call');
    PERFORM billing.create_plan('ret-plan', currency => 'EUR');
    PERFORM billing.add_charge('ret-plan', 'calls', meter => 'ret-calls', price => '{"model":"unit","unit":"1"}');
    PERFORM billing.publish_plan('ret-plan');
    PERFORM billing.create_account('ret-a');
    PERFORM billing.subscribe('ret-a', plan => 'ret-plan', starts => '2021-01-01');
END $$;

CREATE FUNCTION pg_temp.refuses(call text, code text, message text, what text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE refusal text := 'nothing was refused'; BEGIN
    BEGIN
        EXECUTE 'SELECT billing.' || call;
    EXCEPTION WHEN OTHERS THEN
        refusal := SQLSTATE || ' ' || SQLERRM;
    END;
    RETURN NEXT is(refusal, code || ' ' || message, what);
END $$;

-- ---- policies ----
SELECT set_eq('SELECT table_name, keep, legal_floor, dispute_days FROM billing.retention_policies WHERE kept_because IS NULL',
              $$ VALUES ('usage_records', interval '13 months', interval '0', 120), ('daily_counts', '24 months', '24 months', 120),
                        ('coverage_daily_state', '180 days', '180 days', 0) $$, 'what can be dropped, and when');
SELECT set_eq($$ SELECT table_name FROM billing.retention_policies WHERE legal_floor = interval '7 years' AND keep = legal_floor $$,
              '{invoices,invoice_lines,invoice_runs,identity_claim_events,count_sync_checkpoint_events,rated_lines,ledger_entries}'::text[], 'seven years');
SELECT is(billing.set_retention('daily_counts', '3 years'), interval '24 months', 'longer needs no reason, and the call says what it was');
SELECT is((SELECT keep FROM billing.retention_policies WHERE table_name = 'daily_counts'), interval '3 years', 'it is longer');
SELECT is(billing.set_retention('daily_counts', '24 months'), interval '3 years', 'back to the legal floor neither');
SELECT pg_temp.refuses($$set_retention('daily_counts', '23 months')$$, 'MB460', 'policy "daily_counts" cannot be shortened to 1 year 11 mons', 'below it does');
SELECT pg_temp.refuses($$set_retention('daily_counts', '720 days')$$, 'MB460', 'policy "daily_counts" cannot be shortened to 720 days', '720 days are not 24 months');
SELECT pg_temp.refuses($$set_retention('daily_counts', '730 days')$$, 'MB460', 'policy "daily_counts" cannot be shortened to 730 days', 'nor 730, in a leap year');
SELECT is(billing.set_retention('daily_counts', '731 days'), interval '24 months', '731 are');
SELECT pg_temp.refuses($$set_retention('daily_counts', '1 year', '  ')$$, 'MB400', 'reason must have 1 to 2000 characters, not all blank', 'a blank reason is none');
SELECT is(billing.set_retention('daily_counts', '1 year', 'order of the court of 3 May'), interval '731 days', 'with a reason it is shortened');
SELECT is((SELECT (actor, reason, value_before, value_after)::text FROM billing.retention_decisions ORDER BY decision_id DESC LIMIT 1),
          (session_user::text, 'order of the court of 3 May', '731 days, disputed for 120 days', '1 year, disputed for 120 days')::text, 'which is recorded');
SELECT is((SELECT count(*) FROM billing.retention_decisions WHERE subject = 'policy "daily_counts"'), 4::bigint, 'as every change is, and no refusal');
SELECT is(billing.set_retention('usage_records', '1 month', dispute_days => 30), interval '13 months', 'raw usage has its gates and no floor');
SELECT is((SELECT dispute_days FROM billing.retention_policies WHERE table_name = 'usage_records'), 30, 'the dispute window is a setting');
SELECT pg_temp.refuses($$set_retention('usage_records', '1 month', dispute_days => -1)$$, 'MB400', 'usage_records cannot be kept for 1 mon, disputed for -1 days', 'not a negative one');
SELECT pg_temp.refuses($$set_retention('usage_records', '0')$$, 'MB400', 'usage_records cannot be kept for 00:00:00, disputed for 30 days', 'nothing is kept for no time');
SELECT pg_temp.refuses($$set_retention('usage_records', NULL)$$, 'MB400', 'usage_records cannot be kept for null, disputed for 30 days', 'nor for null');
SELECT pg_temp.refuses($$set_retention('accounts', '1 year')$$, 'MB400', 'unknown retention policy "accounts"', 'what has no policy');
SELECT throws_ok('DELETE FROM billing.retention_decisions', 'MB423', NULL, 'decisions stay');
SELECT throws_ok('TRUNCATE billing.retention_actions', 'MB423', NULL, 'actions stay');

-- ---- holds ----
SELECT billing.place_legal_hold('ret-a', 'Doe v. Acme') AS hold \gset
SELECT is((SELECT (tenant_id, reason, placed_by, released_by)::text FROM billing.legal_holds WHERE hold_id = :'hold'), ('ret-a', 'Doe v. Acme', session_user::text, NULL::text)::text, 'a hold stands');
SELECT is((SELECT value_after FROM billing.retention_decisions WHERE subject = 'hold ' || :'hold'), 'tenant "ret-a"', 'and is recorded');
SELECT ok(billing.release_legal_hold(:'hold', 'settled'), 'it is released');
SELECT ok(NOT billing.release_legal_hold(:'hold', 'settled'), 'once');
SELECT is((SELECT released_by FROM billing.legal_holds WHERE hold_id = :'hold'), session_user::text, 'by whom is kept');
SELECT is((SELECT count(*) FROM billing.retention_decisions WHERE subject = 'hold ' || :'hold'), 2::bigint, 'and recorded');
SELECT billing.place_legal_hold(NULL, 'everything') \g /dev/null
SELECT is((SELECT tenant_id FROM billing.legal_holds WHERE reason = 'everything'), '', 'a hold on all has no tenant');
SELECT pg_temp.refuses($$place_legal_hold('ret-nobody', 'x')$$, 'MB440', 'unknown tenant "ret-nobody"', 'nobody to hold');
SELECT pg_temp.refuses($$place_legal_hold('ret-a', NULL)$$, 'MB400', 'reason is null', 'a hold has a reason');
SELECT pg_temp.refuses($$release_legal_hold('00000000-0000-0000-0000-000000000000', 'x')$$, 'MB461', 'unknown legal hold 00000000-0000-0000-0000-000000000000', 'no such hold');

-- ---- what is closed ----
SELECT ok(billing.record_usage('ret-a', 'ret-calls', 'e1', 1, '2021-01-15Z'), 'a month that is there');
UPDATE billing.partitioned_tables SET dropped_before = '2021-02-01' WHERE table_name = 'usage_records';
ALTER TABLE billing.usage_records DETACH PARTITION billing.usage_records_2021_01;
DROP TABLE billing.usage_records_2021_01;
SELECT is(billing.ensure_partitions('2021-01-01', '2021-04-01'), 0, 'a month that was dropped is not made again');
SELECT is(billing.ensure_partitions('2020-11-01', '2021-04-01'), (SELECT 2 * count(*)::integer - 2 FROM billing.partitioned_tables), 'nor one before it, for this table');
SELECT pg_temp.refuses($$record_usage('ret-a', 'ret-calls', 'e1', 1, '2021-01-15Z')$$, 'MB424', 'month 2021-01 of table "usage_records" is closed', 'an event of it is refused, the same one too');
SELECT pg_temp.refuses($$require_partition('usage_records', '2021-01-31')$$, 'MB424', 'month 2021-01 of table "usage_records" is closed', 'and told so wherever a month is asked for');

-- ---- one month by hand ----
SELECT pg_temp.refuses($$drop_month('usage_records', '2019-01-01', '2026-01-01')$$, 'MB460', 'there is no month 2019-01-01 of table "usage_records" to drop', 'a month that is not there');
SELECT pg_temp.refuses($$drop_month('accounts', '2021-02-01', '2026-01-01')$$, 'MB460', 'there is no month 2021-02-01 of table "accounts" to drop', 'a table without months');
SELECT pg_temp.refuses($$drop_month('invoices', '2021-02-01', '2050-01-01')$$, 'MB460', 'month 2021-02 of table "invoices" cannot be dropped', 'a table that stays');
SELECT pg_temp.refuses($$drop_month('usage_records', '2021-02-01', '2050-01-01')$$, 'MB461', 'month 2021-02 of table "usage_records" cannot be dropped', 'a hold on all');

-- ---- roots over leaves that are gone ----
SELECT setseed(0.5);
CREATE TEMP TABLE leaf AS SELECT i, sha256(i::text::bytea) AS hash FROM generate_series(0, 199) AS i;
SELECT is_empty($$
    SELECT s.size, a.first, b.next
      FROM generate_series(1, 199, 9) AS s (size), generate_series(0, 198, 11) AS a (first), generate_series(1, 199, 13) AS b (next)
     WHERE a.first < b.next AND b.next <= s.size
       AND (SELECT billing.merkle_agg(hash ORDER BY i) FROM leaf WHERE i < s.size) IS DISTINCT FROM
           (SELECT billing.merkle_join(piece ORDER BY place)
              FROM (SELECT i AS place, hash AS piece FROM leaf WHERE i < s.size AND i NOT BETWEEN a.first AND b.next - 1
                    UNION ALL SELECT a.first, billing.merkle_range(i, hash ORDER BY i) FROM leaf WHERE i BETWEEN a.first AND b.next - 1) AS p) $$,
    'a range stands for its leaves in any tree');
SELECT is((SELECT billing.merkle_join(piece ORDER BY place)
             FROM (SELECT i AS place, hash AS piece FROM leaf WHERE i < 3
                   UNION ALL SELECT 4, billing.merkle_range(i, hash ORDER BY i) FROM leaf WHERE i BETWEEN 4 AND 9) AS p), NULL, 'but not in another place: there is no root');
SELECT is((SELECT billing.merkle_join(hash ORDER BY i) FROM leaf), (SELECT billing.merkle_agg(hash ORDER BY i) FROM leaf), 'leaves alone are a tree too');
SELECT is((SELECT billing.merkle_range(i, hash) FROM leaf WHERE false), NULL, 'no leaves, no range');

-- ---- who may ----
CREATE FUNCTION pg_temp.may(role_name text) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(p.proname, ' ' ORDER BY p.proname) FROM pg_proc p
     WHERE p.pronamespace = 'billing'::regnamespace AND p.proname ~ 'retention|legal_hold|drop_month' AND p.proname !~ '^job_' AND has_function_privilege(role_name, p.oid, 'EXECUTE')
$$;
SELECT is(pg_temp.may('billing_admin'), 'apply_retention drop_month make_retention_bundles place_legal_hold release_legal_hold retention_plan set_retention', 'an admin decides');
SELECT is(pg_temp.may('billing_operator'), 'apply_retention drop_month make_retention_bundles retention_plan', 'an operator carries it out');
SELECT is(pg_temp.may('billing_auditor'), 'retention_plan', 'an auditor looks');
SELECT is(coalesce(pg_temp.may('billing_app'), '') || coalesce(pg_temp.may('billing_tenant'), '') || coalesce(pg_temp.may('billing_loader'), ''), '', 'nobody else');
SELECT * FROM finish();
ROLLBACK;
