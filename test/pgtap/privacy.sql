-- Personal data: random calls on random accounts against a plain table of what should be stored, keys changing all the
-- while. The seed is printed, and taken from psql's variable seed when that is set. The key file is the cluster's.
\ir seed.psql
SELECT current_setting('billing.field_key_file', true) IN ('') IS NOT FALSE AS no_key \gset
\if :no_key
SELECT plan(1);
SELECT skip('the cluster has no field key', 1);
SELECT * FROM finish();
ROLLBACK;
\q
\endif
SELECT plan(13);
SELECT diag('privacy: seed ' || :'seed');
SELECT setseed(:seed) IS NOT NULL \g /dev/null
SELECT billing.create_account('privacy' || t, account => a) FROM generate_series(1, 5) AS t, unnest('{main,other}'::text[]) AS a \g /dev/null

CREATE TEMP TABLE stored (tenant text, account text, field text, value jsonb, PRIMARY KEY (tenant, account, field));
CREATE TEMP TABLE erased (tenant text, account text, PRIMARY KEY (tenant, account));
CREATE FUNCTION pg_temp.random_value(field text) RETURNS text LANGUAGE sql AS $$
    SELECT CASE field WHEN 'email' THEN format('ä%s"@example.org', trunc(random() * 1e9)) WHEN 'phone' THEN format('+49 %s', 10000 + trunc(random() * 1e9))
                      WHEN 'address' THEN jsonb_build_object('lines', jsonb_build_array('Straße ' || random()), 'city', repeat('x', 1 + floor(random() * 200)::integer), 'country', 'DE')::text
                      ELSE jsonb_build_array(jsonb_build_object('number', trunc(random() * 1e9)::text, 'country', 'FR'))::text END
$$;
CREATE FUNCTION pg_temp.one_call() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    t text := 'privacy' || 1 + floor(random() * 5)::integer;
    a text := CASE WHEN random() < 0.5 THEN 'main' ELSE 'other' END;
    f text := (ARRAY['email', 'phone', 'address', 'tax_numbers'])[1 + floor(random() * 4)::integer];
    v text := CASE WHEN random() < 0.8 THEN pg_temp.random_value(f) END;
BEGIN
    IF random() < 0.003 THEN
        PERFORM billing.erase_subject(t, a, 'random', '2026-11-21');
        INSERT INTO erased VALUES (t, a) ON CONFLICT DO NOTHING;
        DELETE FROM stored s WHERE s.tenant = t AND s.account = a;
        RETURN;
    END IF;
    BEGIN
        PERFORM billing.set_personal_data(t, a, f, v);
        IF v IS NOT NULL AND EXISTS (SELECT FROM erased e WHERE e.tenant = t AND e.account = a) THEN
            RAISE EXCEPTION 'stored for % %, who was erased', t, a;
        END IF;
    EXCEPTION WHEN SQLSTATE 'MB473' THEN
        IF v IS NULL OR NOT EXISTS (SELECT FROM erased e WHERE e.tenant = t AND e.account = a) THEN
            RAISE;
        END IF;
        RETURN;
    END;
    DELETE FROM stored s WHERE s.tenant = t AND s.account = a AND s.field = f;
    INSERT INTO stored SELECT t, a, f, CASE WHEN f IN ('email', 'phone') THEN to_jsonb(v) ELSE v::jsonb END WHERE v IS NOT NULL;
END
$$;
CREATE TEMP VIEW wanted AS
SELECT a.tenant_id, a.account_id, coalesce((SELECT jsonb_object_agg(s.field, s.value) FROM stored s WHERE s.tenant = a.tenant_id AND s.account = a.account_id), '{}') AS data
  FROM billing.accounts a WHERE a.tenant_id LIKE 'privacy%';
CREATE TEMP VIEW differences AS
SELECT * FROM wanted w WHERE billing.personal_data(w.tenant_id, w.account_id) <> w.data;

SELECT lives_ok($$ SELECT pg_temp.one_call() FROM generate_series(1, 800) $$, '800 random calls');
SELECT is_empty('TABLE differences', 'each account has what was stored for it last');
SELECT cmp_ok((SELECT count(*) FROM stored), '>', 0::bigint, 'there is something stored');
SELECT set_eq($$ SELECT tenant_id, account_id, field FROM billing.personal_fields WHERE tenant_id LIKE 'privacy%' $$, 'SELECT tenant, account, field FROM stored', 'and nothing else');
SELECT is_empty($$ SELECT * FROM billing.data_keys k WHERE k.tenant_id LIKE 'privacy%' AND (k.destroyed_at IS NOT NULL) <> EXISTS (SELECT FROM erased e WHERE e.tenant = k.tenant_id AND e.account = k.account_id) $$,
                'keys are destroyed for those who were erased and for nobody else');
SELECT set_eq($$ SELECT tenant_id, account_id FROM billing.erasures WHERE tenant_id LIKE 'privacy%' $$, 'TABLE erased', 'an erasure is recorded for each');
SELECT is((SELECT count(*) FROM billing.erasures WHERE tenant_id LIKE 'privacy%'), (SELECT count(*) FROM erased), 'one');
SELECT is((SELECT count(DISTINCT substr(c, 1, 24)) FROM (SELECT ciphertext FROM billing.personal_fields UNION ALL SELECT wrapped_key FROM billing.data_keys WHERE wrapped_key IS NOT NULL) AS b (c)),
          (SELECT count(*) FROM (SELECT FROM billing.personal_fields UNION ALL SELECT FROM billing.data_keys WHERE wrapped_key IS NOT NULL) AS b), 'no nonce twice');

-- Wherever a ciphertext or a wrapped key is moved to, it is refused.
CREATE FUNCTION pg_temp.is_refused(change text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE change;
    PERFORM billing.personal_data(w.tenant_id, w.account_id) FROM wanted w;
    RAISE SQLSTATE 'MB500';
EXCEPTION
    WHEN SQLSTATE 'MB472' THEN RETURN true;
    WHEN SQLSTATE 'MB500' THEN RETURN false;
END
$$;
SELECT is_empty($$ SELECT f.*, o.* FROM (SELECT * FROM billing.personal_fields WHERE tenant_id LIKE 'privacy%' ORDER BY random() LIMIT 12) AS f
                     JOIN billing.personal_fields o ON o.ciphertext <> f.ciphertext
                    WHERE NOT pg_temp.is_refused(format('UPDATE billing.personal_fields SET ciphertext = %L WHERE (tenant_id, account_id, field) = (%L, %L, %L)',
                                                        o.ciphertext, f.tenant_id, f.account_id, f.field)) $$, 'a ciphertext of another row');
SELECT is_empty($$ SELECT k.*, o.* FROM billing.data_keys k JOIN billing.data_keys o ON o.wrapped_key <> k.wrapped_key
                    WHERE EXISTS (SELECT FROM billing.personal_fields f WHERE f.tenant_id = k.tenant_id AND f.account_id = k.account_id AND f.purpose = k.purpose)
                      AND NOT pg_temp.is_refused(format('UPDATE billing.data_keys SET wrapped_key = %L WHERE (tenant_id, account_id, purpose) = (%L, %L, %L)',
                                                        o.wrapped_key, k.tenant_id, k.account_id, k.purpose)) $$, 'a key of another subject or purpose');
SELECT is_empty($$ SELECT f.*, n FROM (SELECT * FROM billing.personal_fields WHERE tenant_id LIKE 'privacy%' ORDER BY random() LIMIT 1) AS f, generate_series(0, 8 * length(f.ciphertext) - 1) AS n
                    WHERE NOT pg_temp.is_refused(format('UPDATE billing.personal_fields SET ciphertext = %L WHERE (tenant_id, account_id, field) = (%L, %L, %L)',
                                                        set_bit(f.ciphertext, n, 1 - get_bit(f.ciphertext, n)), f.tenant_id, f.account_id, f.field)) $$, 'one with any bit changed');
SELECT is_empty($$ SELECT f.*, n FROM (SELECT * FROM billing.personal_fields WHERE tenant_id LIKE 'privacy%' ORDER BY random() LIMIT 1) AS f, generate_series(41, length(f.ciphertext) - 1) AS n
                    WHERE NOT pg_temp.is_refused(format('UPDATE billing.personal_fields SET ciphertext = %L WHERE (tenant_id, account_id, field) = (%L, %L, %L)',
                                                        substr(f.ciphertext, 1, n), f.tenant_id, f.account_id, f.field)) $$, 'one that was cut');
SELECT is_empty('TABLE differences', 'and what was not moved is read as before');
SELECT * FROM finish();
ROLLBACK;
