-- Whose session it is, and that it reaches no row of another tenant, on whatever way.
\unset ECHO
\set QUIET 1
BEGIN;
SET LOCAL client_min_messages = warning;
SET LOCAL timezone = 'UTC';
SELECT no_plan();

-- ---- two tenants with everything a tenant has, month after month ----
SELECT billing.ensure_partitions('2024-01-01', '2024-06-01') \g /dev/null
SELECT billing.create_meter('a-calls', unit => 'call'), billing.create_plan('a-pro', 'EUR'),
       billing.add_charge('a-pro', 'base', price => '{"model":"flat","amount":"49"}', in_advance => true),
       billing.add_charge('a-pro', 'calls', meter => 'a-calls', price => '{"model":"unit","unit":"0.5"}'),
       billing.create_meter('a-held', unit => 's'), billing.publish_plan('a-pro') \g /dev/null
SELECT billing.create_account(t), billing.subscribe(t, plan => 'a-pro', starts => '2024-01-01'),
       billing.record_usage(t, 'a-calls', 'e' || n, n, '2024-01-05Z'),
       billing.open_allocation(t, 'pod' || n, 'a-held', 1, '2024-01-06Z')
  FROM unnest('{alpha,beta}'::text[]) WITH ORDINALITY AS x (t, n) \g /dev/null
-- What takes a window cannot run in a test's transaction, so the count is made by hand.
INSERT INTO billing.daily_counts (day, tenant_id, account_id, meter_id, dimensions, quantity, events, latest_at, window_no)
SELECT '2024-01-05', t, 'main', 'a-calls', '{}', n, 1, '2024-01-05Z', 1 FROM unnest('{alpha,beta}'::text[]) WITH ORDINALITY AS x (t, n);
SELECT billing.register_device(t, d, enrolled_from => '2024-01-01'), billing.cover_device(t, d, d, '2024-01-05'), billing.claim_identity(t, d, 'serial', 's', '2024-01-05'),
       billing.record_activity_proof(t, d, sha256('seen'), '2024-01-05'), billing.set_coverage_policy(t, 'hold', valid_from => '2024-01-01')
  FROM unnest('{alpha,beta}'::text[]) AS t, unnest('{d1,d2}'::text[]) AS d \g /dev/null
INSERT INTO billing.coverage_daily_state SELECT tenant_id, device_id, '2024-01-05', 'main', 'disputed', NULL, false, 1 FROM billing.devices WHERE tenant_id IN ('alpha', 'beta');
INSERT INTO billing.renewal_events (tenant_id, subscription_id, sequence, event, term_ends, today)
SELECT s.tenant_id, s.subscription_id, 1, 'notice', '2024-06-01', '2024-05-01' FROM billing.subscriptions s WHERE s.tenant_id IN ('alpha', 'beta');
SELECT billing.rate_batch('2024-02-01', 'alpha', 'beta') \g /dev/null
SELECT * FROM billing.invoice_batch('2024-02-01', 'alpha', 'beta', billing.uuid_v7(), true) \g /dev/null
SELECT billing.erase_subject(t, 'main', 'asked', '2024-02-02') FROM unnest('{alpha,beta}'::text[]) AS t \g /dev/null
SELECT max(number) FILTER (WHERE tenant_id = 'alpha') AS alpha_number, max(number) FILTER (WHERE tenant_id = 'beta') AS beta_number,
       max(invoice_id::text) FILTER (WHERE tenant_id = 'beta') AS beta_invoice
  FROM billing.invoices WHERE tenant_id IN ('alpha', 'beta') \gset
SELECT subscription_id AS alpha_subscription FROM billing.subscriptions WHERE tenant_id = 'alpha' \gset
SELECT subscription_id AS beta_subscription FROM billing.subscriptions WHERE tenant_id = 'beta' \gset

CREATE TEMP TABLE readable AS
SELECT c.oid::regclass::text AS relation
  FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id'
 WHERE c.relnamespace = 'billing'::regnamespace AND c.relkind IN ('r', 'p', 'v') AND NOT c.relispartition AND has_table_privilege('billing_tenant', c.oid, 'SELECT');
GRANT SELECT ON readable TO PUBLIC;
CREATE FUNCTION pg_temp.read_of(tenant text) RETURNS TABLE (relation text, rows bigint, foreign_rows bigint) LANGUAGE plpgsql AS $$
BEGIN
    FOR relation IN SELECT r.relation FROM readable r LOOP
        EXECUTE format('SELECT count(*), count(*) FILTER (WHERE tenant_id <> %L) FROM %s', tenant, relation) INTO rows, foreign_rows;
        RETURN NEXT;
    END LOOP;
END
$$;
SELECT ok((SELECT count(*) FROM readable) >= 15, 'a tenant reads many tables');
SELECT is_empty($$SELECT * FROM pg_temp.read_of('alpha') WHERE foreign_rows = 0 AND relation !~ 'evidence'$$, 'of which each has rows of others, for all that staff sees');

-- ---- tokens: made by the server, and by a second implementation that can make false ones ----
CREATE FUNCTION pg_temp.url(bytes bytea) RETURNS text LANGUAGE sql AS $$ SELECT rtrim(translate(encode(bytes, 'base64'), E'+/\n', '-_'), '=') $$;
CREATE FUNCTION pg_temp.hmac(key bytea, message bytea) RETURNS bytea LANGUAGE plpgsql AS $$
DECLARE
    inner_key bytea := key || decode(repeat('00', 64 - length(key)), 'hex');
    outer_key bytea := inner_key;
BEGIN
    FOR i IN 0..63 LOOP
        inner_key := set_byte(inner_key, i, get_byte(inner_key, i) # 54);
        outer_key := set_byte(outer_key, i, get_byte(outer_key, i) # 92);
    END LOOP;
    RETURN sha256(outer_key || sha256(inner_key || message));
END
$$;
SELECT split_part(pg_read_file(current_setting('billing.token_key_file')), ' ', 1) AS kid,
       rtrim(split_part(pg_read_file(current_setting('billing.token_key_file')), ' ', 3), E'\n') AS key \gset
SELECT set_config('access_test.key', :'key', true), set_config('access_test.kid', :'kid', true) \g /dev/null
CREATE FUNCTION pg_temp.token(claims jsonb, header jsonb DEFAULT '{}', key text DEFAULT current_setting('access_test.key')) RETURNS text LANGUAGE sql AS $$
    SELECT input || '.' || pg_temp.url(pg_temp.hmac(decode(key, 'base64'), convert_to(input, 'UTF8')))
      FROM (SELECT pg_temp.url(convert_to((jsonb_build_object('alg', 'HS256', 'kid', current_setting('access_test.kid')) || header)::text, 'UTF8')) || '.' ||
                   pg_temp.url(convert_to((jsonb_build_object('tenant', 'alpha', 'role', 'app', 'exp', floor(extract(epoch FROM clock_timestamp()) + 100)::bigint)
                                           || claims)::text, 'UTF8')) AS input) AS made
$$;
CREATE FUNCTION pg_temp.tenant_of(token text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('billing.token', token, true);
    RETURN coalesce(billing.current_tenant(), 'none');
EXCEPTION WHEN SQLSTATE 'MB401' THEN
    IF sqlerrm || '|' || current_setting('billing.token', true) ~ '^$' OR length(token) > 5 AND position(right(token, 12) IN sqlerrm) > 0 THEN
        RETURN 'the message shows the token';
    END IF;
    RETURN 'MB401 ' || split_part(sqlerrm, ': ', 2);
END
$$;
SELECT is(pg_temp.tenant_of(billing.issue_token('alpha')), 'alpha', 'a token names its tenant');
SELECT is(pg_temp.tenant_of(pg_temp.token('{"tenant":"bêta \"x\""}')), 'bêta "x"', 'one made elsewhere too');
SELECT is(pg_temp.tenant_of(pg_temp.token(jsonb_build_object('aud', current_database()))), 'alpha', 'for this database');
SELECT is(pg_temp.tenant_of(''), 'none', 'no token, no tenant');
SELECT is(pg_temp.tenant_of(pg_temp.token(claims, header)), 'MB401 ' || problem, what) FROM (VALUES
    ('{"exp":1}'::jsonb, '{}'::jsonb, 'it has expired', 'an old token'),
    (jsonb_build_object('exp', floor(extract(epoch FROM clock_timestamp()))::bigint), '{}', 'it has expired', 'one that expires now'),
    (jsonb_build_object('exp', floor(extract(epoch FROM clock_timestamp()))::bigint + 400), '{}', 'it expires more than 300 seconds from now', 'one that is good for too long'),
    ('{"aud":"other"}', '{}', 'it is for another database', 'one for another database'),
    ('{"tenant":null}', '{}', 'it is malformed', 'a null tenant'),
    ('{"role":"admin"}', '{}', 'it is malformed', 'an unknown role'),
    ('{}', '{"kid":"gone"}', 'no key has its key id', 'an unknown key'),
    ('{}', '{"alg":"none"}', 'its algorithm is not that of its key', 'no algorithm'),
    ('{}', '{"alg":"EdDSA"}', 'its algorithm is not that of its key', 'another algorithm'),
    ('{}', '{"crit":["exp"]}', 'it is malformed', 'a header field that means something')
) AS t (claims, header, problem, what);
SELECT is(pg_temp.tenant_of(pg_temp.token('{}', key => encode(sha256('guess'), 'base64'))), 'MB401 its signature does not hold', 'another key');
SELECT is(pg_temp.tenant_of(split_part(a, '.', 1) || '.' || split_part(b, '.', 2) || '.' || split_part(a, '.', 3)), 'MB401 its signature does not hold', 'the claims of another token')
  FROM (SELECT billing.issue_token('alpha') AS a, billing.issue_token('beta') AS b) AS two;
SELECT is(pg_temp.tenant_of(left(t, -1)), 'MB401 it is malformed', 'a token cut short') FROM billing.issue_token('alpha') AS t;
SELECT is(pg_temp.tenant_of(t || E'\n'), 'MB401 it is malformed', 'one with something after it') FROM billing.issue_token('alpha') AS t;
SELECT is(pg_temp.tenant_of('alpha'), 'MB401 it is malformed', 'a tenant''s name is no token');
SELECT is(pg_temp.tenant_of(repeat('x', 5000)), 'MB401 it is malformed', 'nor is what is long');
SELECT set_config('billing.token', billing.issue_token('alpha', valid_for => '1 second'), true) \g /dev/null
SELECT is(billing.current_tenant(), 'alpha', 'a token for a second');
SELECT pg_sleep(1.1) \g /dev/null
SELECT throws_ok('SELECT billing.current_tenant()', 'MB401', 'token in billing.token is refused: it has expired', 'that was verified before, has expired');
SELECT set_config('billing.token', billing.issue_token('alpha', subject => 'jo'), true) \g /dev/null
SELECT is(billing.current_token_subject(), 'jo', 'a token says who asks');
SELECT set_config('billing.token', '', true) \g /dev/null
SELECT throws_ok(call, 'MB400', message, message) FROM (VALUES
    ($$SELECT billing.issue_token('')$$, 'the tenant cannot be in a token'),
    ($$SELECT billing.issue_token(NULL)$$, 'a token needs a tenant, a role and how long it is valid'),
    ($$SELECT billing.issue_token('a', 'admin')$$, '"admin" is no role of a token'),
    ($$SELECT billing.issue_token('a', valid_for => '301 s')$$, 'a token is valid for 1 to 300 whole seconds'),
    ($$SELECT billing.issue_token('a', valid_for => '0 s')$$, 'a token is valid for 1 to 300 whole seconds'),
    ($$SELECT billing.issue_token('a', valid_for => '1.5 s')$$, 'a token is valid for 1 to 300 whole seconds'),
    ($$SELECT billing.issue_token('a', valid_for => '1 day')$$, 'a token is valid for 1 to 300 whole seconds'),
    ($$SELECT billing.issue_token('a', subject => '')$$, 'the subject cannot be in a token'),
    ($$SELECT billing.issue_token('a', key_id => 'gone')$$, 'there is no token key "gone"')
) AS t (call, message);

-- ---- row security: from here on the session is a login's that has only billing_app, or billing_tenant ----
CREATE ROLE access_test_app LOGIN IN ROLE billing_app;
CREATE ROLE access_test_tenant LOGIN IN ROLE billing_tenant;
SELECT billing.issue_token('alpha') AS alpha, billing.issue_token('beta') AS beta, billing.issue_token('alpha', 'tenant') AS reader, billing.issue_token('nobody') AS nobody \gset

SET LOCAL SESSION AUTHORIZATION access_test_tenant;
SELECT is_empty($$SELECT * FROM pg_temp.read_of('alpha') WHERE rows > 0$$, 'without a token there are no rows');
SET LOCAL billing.token = :'nobody';
SELECT is_empty($$SELECT * FROM pg_temp.read_of('alpha') WHERE rows > 0$$, 'nor with one of a tenant that does not exist');
SET LOCAL billing.token = :'alpha';
SELECT is_empty($$SELECT * FROM pg_temp.read_of('alpha') WHERE rows = 0 AND relation !~ 'evidence'$$, 'with a token there are rows in each table');
SELECT is_empty($$SELECT * FROM pg_temp.read_of('alpha') WHERE foreign_rows > 0$$, 'none of another tenant');
PREPARE mine AS SELECT bool_and(tenant_id = 'alpha'), bool_and(tenant_id = 'beta') FROM billing.invoices;
SELECT results_eq('mine', 'VALUES (true, false)', 'a prepared statement');
SAVEPOINT before_beta;
SET LOCAL billing.token = :'beta';
SELECT results_eq('mine', 'VALUES (false, true)', 'run again with another token, is the other tenant''s');
ROLLBACK TO before_beta;
SELECT results_eq('mine', 'VALUES (true, false)', 'and after a rollback to a savepoint the first one''s again');
SET LOCAL plan_cache_mode = force_generic_plan;
SELECT results_eq('mine', 'VALUES (true, false)', 'by a generic plan too');
SET LOCAL billing.token = :'beta';
SELECT results_eq('mine', 'VALUES (false, true)', 'for both');
SET LOCAL billing.token = :'alpha';
SET LOCAL plan_cache_mode = auto;
SET LOCAL parallel_setup_cost = 0; SET LOCAL parallel_tuple_cost = 0; SET LOCAL min_parallel_table_scan_size = 0;
-- Named force_parallel_mode before PostgreSQL 16.
SELECT name AS parallel_always FROM pg_settings WHERE name IN ('force_parallel_mode', 'debug_parallel_query') \gset
SET LOCAL :parallel_always = on;
SELECT results_eq($$SELECT bool_and(tenant_id = 'alpha') FROM billing.usage_records$$, 'VALUES (true)', 'in parallel workers');
SET LOCAL :parallel_always = off;
DECLARE of_alpha CURSOR FOR SELECT tenant_id = 'alpha' FROM billing.ledger_entries LIMIT 3;
SELECT results_eq('FETCH 1 FROM of_alpha', 'VALUES (true)', 'a cursor');
SET LOCAL billing.token = :'beta';
SELECT results_eq('FETCH ALL FROM of_alpha', 'VALUES (true), (true)', 'stays with the token of its first row');
SET LOCAL billing.token = :'alpha';
CREATE FUNCTION pg_temp.leak(text) RETURNS boolean LANGUAGE plpgsql COST 0.0000001 AS $$ BEGIN RAISE EXCEPTION 'saw %', $1; END $$;
SELECT throws_ok($$SELECT count(*) FROM billing.accounts WHERE pg_temp.leak(tenant_id)$$, 'P0001', 'saw alpha', 'a function in the condition sees only own rows');
SELECT is_empty($$SELECT * FROM billing.accounts WHERE tenant_id = 'beta'$$, 'nor does asking for the other help');
SELECT throws_ok($$SELECT * FROM billing.invoices_2024_01$$, '42501', NULL, 'a partition is not read by its own name');
SELECT throws_ok($$SELECT * FROM billing.idempotency_keys$$, '42501', NULL, 'nor what is internal');
SELECT throws_ok($$INSERT INTO billing.accounts (tenant_id, name) VALUES ('alpha', 'x')$$, '42501', NULL, 'and nothing is written');
SELECT throws_ok($$SELECT billing.create_account('alpha', account => 'more')$$, '42501', NULL, 'a reader has no calls that change');

-- ---- functions: another tenant is a tenant that does not exist ----
SET LOCAL SESSION AUTHORIZATION access_test_app;
CREATE FUNCTION pg_temp.failure(call text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    code text; message text; detail text; hint text;
BEGIN
    EXECUTE call;
    RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS code = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    RETURN concat_ws('|', code, message, detail, hint);
END
$$;
CREATE TEMP TABLE calls (call text, changes boolean, own_works boolean);
INSERT INTO calls VALUES
    ($$SELECT billing.create_account('@')$$, true, true),
    ($$SELECT billing.create_account('@', account => 'lab')$$, true, true),
    (format($$SELECT billing.subscribe('@', plan => 'a-pro', starts => '2024-01-01', account => 'lab')$$), true, true),
    (format($$SELECT billing.change_plan('@', %L, 'a-pro', today => '2024-01-02')$$, :'beta_subscription'), true, false),
    (format($$SELECT billing.change_plan('@', %L, 'a-pro', today => '2024-01-02')$$, :'alpha_subscription'), true, true),
    (format($$SELECT billing.cancel_subscription('@', %L, today => '2024-01-02')$$, :'beta_subscription'), true, false),
    (format($$SELECT billing.resume_subscription('@', %L, '2024-01-02')$$, :'beta_subscription'), true, false),
    (format($$SELECT billing.set_renewal('@', %L, 'none')$$, :'beta_subscription'), true, false),
    (format($$SELECT billing.set_renewal('@', %L, 'none')$$, :'alpha_subscription'), true, true),
    (format($$SELECT billing.renew_subscription('@', %L, '2024-01-02')$$, :'beta_subscription'), true, false),
    (format($$SELECT billing.subscription_status('@', %L)$$, :'beta_subscription'), false, false),
    (format($$SELECT billing.subscription_status('@', %L)$$, :'alpha_subscription'), false, true),
    ($$SELECT billing.record_usage('@', 'a-calls', 'new', 1, '2024-01-07Z')$$, true, true),
    ($$SELECT billing.record_usage('[{"tenant":"alpha","meter":"a-calls","event_id":"n1","occurred_at":"2024-01-07Z"},{"tenant":"@","meter":"a-calls","event_id":"n2","occurred_at":"2024-01-07Z"}]')$$, true, true),
    ($$SELECT billing.record_usage_arrays('{alpha,@}', '{a-calls,a-calls}', '{n3,n4}', '{1,1}', '{2024-01-07Z,2024-01-07Z}')$$, true, true),
    ($$SELECT billing.open_allocation('@', 'box', 'a-held', 1, '2024-01-07Z')$$, true, true),
    ($$SELECT billing.close_allocation('@', 'pod2', '2024-01-08Z')$$, true, false),
    ($$SELECT billing.close_allocation('@', 'pod1', '2024-01-08Z')$$, true, true),
    ($$SELECT * FROM billing.current_charges('@', '2024-01-09')$$, false, true),
    ($$SELECT billing.balance('@', 'EUR')$$, false, true),
    (format($$SELECT billing.invoice_document(%L, '@')$$, :'beta_number'), false, false),
    (format($$SELECT billing.invoice_document(%L, '@')$$, :'beta_invoice'), false, false),
    (format($$SELECT billing.invoice_document(%L, '@')$$, :'alpha_number'), false, true),
    (format($$SELECT billing.show_invoice(%L, '@')$$, :'alpha_number'), false, true),
    ($$SELECT billing.preview_invoices('@', '2024-02-01')$$, false, true),
    (format($$SELECT billing.evidence(%L, '@')$$, :'alpha_number'), false, false),
    (format($$SELECT billing.evidence_csv(%L, '@')$$, :'alpha_number'), false, false),
    ($$SELECT billing.set_personal_data('@', 'main', 'phone', '+49 30 123456')$$, true, false),
    ($$SELECT billing.personal_data('@')$$, false, true),
    ($$SELECT billing.evidence_month('@', '2024-01-01')$$, false, false),
    ($$SELECT billing.register_device('@', 'new', enrolled_from => '2024-01-07')$$, true, true),
    ($$SELECT billing.register_devices('[{"tenant":"alpha","device":"n1"},{"tenant":"@","device":"n2"}]')$$, true, true),
    ($$SELECT billing.enroll_device('@', 'd1', 'new', '2024-01-07')$$, true, true),
    ($$SELECT billing.withdraw_device('@', 'd1', 'out', '2024-01-07')$$, true, true),
    ($$SELECT billing.record_coverage('@', 'd1', 'new', 'cover', '2024-01-07')$$, true, true),
    ($$SELECT billing.record_coverage('[{"tenant":"alpha","device":"d1","event_id":"n1","event_type":"cover","effective_from":"2024-01-07"},{"tenant":"@","device":"d1","event_id":"n2","event_type":"cover","effective_from":"2024-01-07"}]')$$, true, true),
    ($$SELECT billing.cover_device('@', 'd1', 'new2', '2024-01-07')$$, true, true),
    ($$SELECT billing.uncover_device('@', 'd1', 'new3', '2024-01-07')$$, true, true),
    ($$SELECT billing.change_device_plan('@', 'd1', 'new4', 'gold', '2024-01-07')$$, true, true),
    ($$SELECT billing.record_activity_proof('@', 'd1', sha256('new'), '2024-01-07')$$, true, true),
    ($$SELECT billing.claim_identity('@', 'd1', 'serial', 'new', '2024-01-07')$$, true, true),
    ($$SELECT billing.claim_identities('[{"tenant":"@","device":"d1","identity_type":"serial","identity_value":"n"}]')$$, true, true);
SELECT is_empty($$SELECT p.oid::regprocedure FROM pg_proc p
                    WHERE p.pronamespace = 'billing'::regnamespace AND p.provolatile <> 'i' AND p.proargnames && '{tenant,tenants,events,invoice}'
                      AND (has_function_privilege('billing_app', p.oid, 'EXECUTE') OR has_function_privilege('billing_tenant', p.oid, 'EXECUTE'))
                      AND NOT EXISTS (SELECT FROM calls c WHERE c.call LIKE '% billing.' || p.proname || '(%')$$, 'every call that finds a tenant is tried here');
SET LOCAL billing.token = :'alpha';
SELECT is(pg_temp.failure(replace(call, '@', 'beta')), replace(pg_temp.failure(replace(call, '@', 'n*one')), 'n*one', 'beta'), 'another tenant is as none: ' || call) FROM calls;
SELECT matches(pg_temp.failure(replace(call, '@', 'beta')), '^MB440\|unknown tenant "beta"\|+Create its account', 'in these words: ' || call) FROM calls;
SELECT is(pg_temp.failure(replace(call, '@', 'alpha')) = 'no error', own_works, 'one''s own: ' || call) FROM calls;
SET LOCAL billing.token = :'reader';
SELECT is(pg_temp.failure(replace(call, '@', 'alpha')) ~ '^MB403\|the session of tenant "alpha" may only read', changes, 'a token that reads: ' || call) FROM calls;
SET LOCAL billing.token = '';
SELECT matches(pg_temp.failure(replace(call, '@', 'alpha')), '^MB440\|the session has no tenant\|+Set billing.token', 'without a token: ' || call) FROM calls;
SET LOCAL billing.token = 'x';
SELECT matches(pg_temp.failure(replace(call, '@', 'alpha')), '^MB401\|token in billing.token is refused: it is malformed', 'with a false one: ' || call) FROM calls;
SET LOCAL billing.token = :'alpha';
SELECT is(pg_temp.failure(replace(call, '@', :'beta_number')), replace(pg_temp.failure(replace(call, '@', 'n*one')), 'n*one', :'beta_number'), 'by a number alone, another''s invoice is as none: ' || call)
  FROM (VALUES ($$SELECT billing.invoice_document('@')$$), ($$SELECT billing.show_invoice('@')$$), ($$SELECT billing.evidence('@')$$), ($$SELECT billing.evidence_csv('@')$$)) AS t (call);
SELECT is(pg_temp.failure(format('SELECT billing.invoice_document(%L)', :'beta_invoice')),
          replace(pg_temp.failure(format('SELECT billing.invoice_document(%L)', '00000000-0000-7000-8000-000000000000')), '00000000-0000-7000-8000-000000000000', :'beta_invoice'), 'and by its id');
SELECT is(billing.invoice_document(:'alpha_number') #>> '{customer,tenant}', 'alpha', 'one''s own is found without naming the tenant');
SELECT throws_ok(format('SELECT billing.%s', call), '42501', NULL, 'no call for a tenant: ' || call) FROM (VALUES
    ($$issue_token('beta')$$), ($$grant_tenant_role('access_test_app', 'beta')$$), ($$require_tenant('alpha', true)$$), ($$protect_tables()$$), ($$protect_table('billing.accounts')$$),
    ($$finalize_invoice('x')$$), ($$post_entry('alpha', 'credit', 1, 'EUR')$$), ($$check_integrity()$$), ($$import_usage('pg_class')$$)) AS t (call);
-- A definer function of the application's own makes nobody staff.
RESET SESSION AUTHORIZATION;
CREATE FUNCTION public.access_test_by_owner(t text) RETURNS bigint LANGUAGE sql SECURITY DEFINER AS $$ SELECT billing.balance(t, 'EUR') $$;
SET LOCAL SESSION AUTHORIZATION access_test_app;
SET LOCAL billing.token = :'alpha';
SELECT throws_ok($$SELECT public.access_test_by_owner('beta')$$, 'MB440', NULL, 'who calls counts, not who owns the function between');

-- ---- plans: what was agreed with others, and what is still being written ----
RESET SESSION AUTHORIZATION;
SET LOCAL billing.token = '';
SELECT billing.create_plan(p, 'EUR', is_private => p <> 'a-public'), billing.add_charge(p, 'base', price => '{"model":"flat","amount":"9"}'), billing.publish_plan(p)
  FROM unnest('{a-public,a-alpha,a-beta}'::text[]) AS p \g /dev/null
SELECT billing.draft_plan('a-public'), billing.draft_plan('a-alpha'), billing.create_plan('a-new', 'EUR'),
       billing.add_charge('a-new', 'base', price => '{"model":"flat","amount":"8"}') \g /dev/null
SELECT billing.subscribe('alpha', 'a-alpha', '2024-01-01'), billing.subscribe('beta', 'a-beta', '2024-01-01') \g /dev/null
CREATE FUNCTION pg_temp.plans_read() RETURNS TABLE (plan text, version integer, source text) LANGUAGE sql AS $$
    SELECT plan_id, NULL::integer, 'plans' FROM billing.plans WHERE plan_id ~ '^a-' UNION ALL
    SELECT plan_id, v.version, 'versions' FROM billing.plan_versions v WHERE plan_id ~ '^a-' UNION ALL
    SELECT plan_id, c.version, 'charges' FROM billing.charges c WHERE plan_id ~ '^a-' AND charge_id = 'base' UNION ALL
    SELECT plan_id, l.version, 'list' FROM billing.price_list l WHERE plan_id ~ '^a-' AND charge_id = 'base' UNION ALL
    SELECT p, n, 'document' FROM unnest('{a-pro,a-public,a-alpha,a-beta,a-new}'::text[]) AS p, generate_series(1, 2) AS n WHERE billing.plan_document(p, n) IS NOT NULL
$$;
CREATE FUNCTION pg_temp.plans_as(of_tenant text, drafts boolean DEFAULT false) RETURNS TABLE (plan text, version integer, source text) LANGUAGE sql AS $$
    SELECT v.plan, CASE WHEN s.source <> 'plans' THEN v.version END, s.source
      FROM (VALUES ('a-pro', 1, false, NULL), ('a-public', 1, false, NULL), ('a-public', 2, true, NULL), ('a-alpha', 1, false, 'alpha'), ('a-alpha', 2, true, 'alpha'),
                   ('a-beta', 1, false, 'beta'), ('a-new', 1, true, NULL)) AS v (plan, version, is_draft, tenant),
           unnest('{plans,versions,charges,list,document}'::text[]) AS s (source)
     WHERE (v.tenant IS NULL OR v.tenant = of_tenant OR of_tenant = 'all') AND (NOT v.is_draft OR drafts)
       AND (s.source <> 'plans' OR v.version = 1)
$$;
SELECT bag_eq('SELECT * FROM pg_temp.plans_read()', $$SELECT * FROM pg_temp.plans_as('all', true)$$, 'staff reads all plans and drafts');
SET LOCAL SESSION AUTHORIZATION access_test_app;
SET LOCAL billing.token = :'alpha';
SELECT bag_eq('SELECT * FROM pg_temp.plans_read()', $$SELECT * FROM pg_temp.plans_as('alpha')$$, 'a tenant reads no draft, and of private plans its own');
SET LOCAL billing.token = :'beta';
SELECT bag_eq('SELECT * FROM pg_temp.plans_read()', $$SELECT * FROM pg_temp.plans_as('beta')$$, 'and so does the other');
SET LOCAL billing.token = :'nobody';
SELECT bag_eq('SELECT * FROM pg_temp.plans_read()', $$SELECT * FROM pg_temp.plans_as('nobody')$$, 'one without a subscription reads what all may');
SET LOCAL billing.token = '';
SELECT bag_eq('SELECT * FROM pg_temp.plans_read()', $$SELECT * FROM pg_temp.plans_as('nobody')$$, 'and so does nobody''s session');
SET LOCAL billing.token = :'alpha';
SELECT is(pg_temp.failure(replace(call, '@', 'a-beta')), replace(pg_temp.failure(replace(call, '@', 'a-none')), 'a-none', 'a-beta'), 'another''s plan is as none: ' || call)
  FROM (VALUES ($$SELECT billing.subscribe('alpha', '@', '2024-03-01')$$), ($$SELECT billing.subscribe('alpha', '@', '2024-03-01', version => 1)$$),
               (format($$SELECT billing.change_plan('alpha', %L, '@', today => '2024-01-02')$$, :'alpha_subscription'))) AS t (call);
SELECT matches(pg_temp.failure($$SELECT billing.subscribe('alpha', 'a-beta', '2024-03-01')$$), '^MB443\|unknown plan "a-beta"', 'in these words');
SELECT is(pg_temp.failure(format($$SELECT billing.change_plan('alpha', %L, 'a-alpha', today => '2024-01-02')$$, :'alpha_subscription')), 'no error', 'its own it may choose');

-- ---- staff, and changes of what somebody is ----
RESET SESSION AUTHORIZATION;
SELECT is(pg_temp.failure($$SELECT billing.balance('beta', 'EUR')$$), 'no error', 'a superuser is bound to no tenant');
SET LOCAL ROLE billing_app;
SELECT is(pg_temp.failure($$SELECT billing.balance('beta', 'EUR')$$), 'MB440|unknown tenant "beta"||Create its account: billing.create_account(tenant, name => ...).', 'until it is by SET ROLE');
RESET ROLE;
GRANT billing_operator TO access_test_app;
SET LOCAL SESSION AUTHORIZATION access_test_app;
SELECT is(pg_temp.failure($$SELECT billing.balance('beta', 'EUR')$$), 'no error', 'who becomes an operator is not');
SELECT ok((SELECT count(DISTINCT tenant_id) FROM billing.accounts) > 1, 'and reads all');
RESET SESSION AUTHORIZATION;
REVOKE billing_operator FROM access_test_app;
SET LOCAL SESSION AUTHORIZATION access_test_app;
SELECT matches(pg_temp.failure($$SELECT billing.balance('beta', 'EUR')$$), '^MB440', 'until that is taken back');
SET LOCAL billing.token = '';
RESET SESSION AUTHORIZATION;
SELECT billing.grant_tenant_role('access_test_app', 'beta', 'app'), billing.grant_tenant_role('access_test_tenant', 'beta', comment => 'their BI tool') \g /dev/null
SELECT throws_ok($$SELECT billing.grant_tenant_role('access_test_app', 'alpha', 'app')$$, 'MB409', NULL, 'a login stands for one tenant');
SET LOCAL SESSION AUTHORIZATION access_test_app;
SELECT is(billing.current_tenant(), 'beta', 'a login that stands for a tenant needs no token');
SELECT is((SELECT array_agg(DISTINCT tenant_id) FROM billing.ledger_entries), '{beta}', 'reads its rows');
SELECT is(billing.record_usage('beta', 'a-calls', 'by-role', 1, '2024-01-07Z'), true, 'and changes what is its own');
SET LOCAL billing.token = :'alpha';
SELECT is(billing.current_tenant(), 'alpha', 'but a token is stronger');
SET LOCAL billing.token = '';
SET LOCAL SESSION AUTHORIZATION access_test_tenant;
SELECT is(billing.current_tenant(), 'beta', 'one that reads');
RESET SESSION AUTHORIZATION;
SELECT is(billing.revoke_tenant_role('access_test_app'), true, 'and a mapping taken back');
SELECT is(billing.revoke_tenant_role('access_test_app'), false, 'once');
SET LOCAL SESSION AUTHORIZATION access_test_app;
SELECT is(billing.current_tenant(), NULL, 'is gone at once');
RESET SESSION AUTHORIZATION;

-- ---- the policy is evaluated once, and an index condition ----
SET LOCAL SESSION AUTHORIZATION access_test_tenant;
SET LOCAL billing.token = :'alpha';
SET LOCAL enable_seqscan = off;
CREATE FUNCTION pg_temp.plan_of(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$ BEGIN RETURN QUERY EXECUTE 'EXPLAIN (COSTS OFF) ' || query; END $$;
-- The value found once is written $0 up to PostgreSQL 16 and (InitPlan 1).col1 since.
SELECT set_has($$SELECT replace(replace(btrim(line), ' (returns $0)', ''), '(InitPlan 1).col1', '$0')
                   FROM pg_temp.plan_of('SELECT * FROM billing.subscriptions') AS p (line)$$,
               $$VALUES ('InitPlan 1'), ('Index Cond: (tenant_id = $0)')$$, 'row security uses the index on tenant_id, with a value found once');
RESET SESSION AUTHORIZATION;
GRANT billing_operator TO access_test_tenant;
SET LOCAL SESSION AUTHORIZATION access_test_tenant;
SELECT set_hasnt($$SELECT btrim(line) FROM pg_temp.plan_of('SELECT * FROM billing.subscriptions') AS p (line)$$, $$VALUES ('Index Cond: (tenant_id = $0)')$$, 'which a policy with OR for staff does not');
RESET SESSION AUTHORIZATION;

-- ---- loaders ----
CREATE ROLE access_test_loader LOGIN IN ROLE billing_loader;
SET LOCAL SESSION AUTHORIZATION access_test_loader;
SELECT throws_ok($$INSERT INTO billing.usage_records (tenant_id, meter_id, event_id, occurred_at, quantity) VALUES ('alpha', 'a-calls', 'load', '2024-01-08Z', 1)$$, '42501',
                 'new row violates row-level security policy for table "usage_records"', 'a member of billing_loader does not bypass row security');
SET LOCAL ROLE billing_loader;
SELECT lives_ok($$INSERT INTO billing.usage_records (tenant_id, meter_id, event_id, occurred_at, quantity) VALUES ('alpha', 'a-calls', 'load', '2024-01-08Z', 1)$$, 'until it sets that role');
COPY billing.usage_records (tenant_id, meter_id, event_id, occurred_at, quantity) FROM STDIN;
alpha	a-calls	load2	2024-01-08Z	1
beta	a-calls	load2	2024-01-08Z	1
\.
SELECT is(billing.record_usage('[{"tenant":"alpha","meter":"a-calls","event_id":"j","occurred_at":"2024-01-08Z"},{"tenant":"beta","meter":"a-calls","event_id":"j","occurred_at":"2024-01-08Z"}]'), 2, 'a loader records for many tenants');
SELECT throws_ok('SELECT * FROM billing.usage_records', '42501', NULL, 'and reads none');
RESET ROLE;
RESET SESSION AUTHORIZATION;
SELECT is((SELECT count(*) FROM billing.usage_records WHERE event_id IN ('load', 'load2')), 3::bigint, 'all three rows are there');

SELECT * FROM finish();
ROLLBACK;
