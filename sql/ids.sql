-- Ids, fingerprints, canonical JSON and leaves, each against bytes written out here.
SET timezone = 'UTC'; SET datestyle = ISO;

-- Version 7: version and variant, the present, strictly increasing within a session.
SELECT bool_and(id::text ~ '^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$') AS version_7,
       bool_and(before IS NULL OR before < id) AS increasing, count(DISTINCT id)
  FROM (SELECT id, lag(id) OVER (ORDER BY i) AS before
          FROM (SELECT i, billing.uuid_v7() AS id FROM generate_series(1, 20000) i) made) pairs;
SELECT abs(extract(epoch FROM clock_timestamp()) * 1000 - ('x' || lpad(left(replace(billing.uuid_v7()::text, '-', ''), 12), 16, '0'))::bit(64)::bigint) < 60000 AS is_now;

-- Derived ids: SHA-256 over the parts with version 8 and the variant set.
WITH hash AS (
    SELECT sha256('\x00000012'::bytea || 'billing/v1/invoice' || '\x0000000161ffffffff00000000'::bytea) AS h
)
SELECT billing.derive_id('invoice', 'a', NULL, '')
     = encode(substr(set_byte(set_byte(h, 6, 128 | (get_byte(h, 6) & 15)), 8, 128 | (get_byte(h, 8) & 63)), 1, 16), 'hex')::uuid AS derived
  FROM hash;
SELECT billing.derive_id('invoice', 'a', 'b') AS id;
SELECT count(DISTINCT id) = count(*) AS distinct_ids
  FROM (VALUES (billing.derive_id('invoice', 'a', 'b')), (billing.derive_id('invoice', 'ab')), (billing.derive_id('invoice', 'a', 'b', NULL)),
               (billing.derive_id('invoice', 'a', 'b', '')), (billing.derive_id('invoice', 'b', 'a')), (billing.derive_id('run', 'a', 'b')),
               (billing.derive_id('invoice', VARIADIC '{}'))) AS ids (id);
SELECT billing.derive_id('invoice', VARIADIC ARRAY['a', 'b']) = billing.derive_id('invoice', 'a', 'b') AS same;
SELECT billing.derive_id(NULL, 'a') IS NULL AS null_kind;
SELECT billing.derive_id('invoice', VARIADIC '{{a,b},{c,d}}');
\echo :LAST_ERROR_SQLSTATE

-- Fingerprints: also of more parts than fit on the stack, of a long part, and after a refused call.
SELECT billing.fingerprint('ab', NULL, '') = sha256('\x000000026162ffffffff00000000') AS encoded;
SELECT billing.fingerprint(VARIADIC '{}') = sha256('') AS of_nothing;
SELECT billing.fingerprint(VARIADIC NULL) IS NULL AS of_null;
SELECT billing.fingerprint('€') = sha256('\x00000003e282ac') AS utf8;
SELECT billing.fingerprint(VARIADIC array_agg(i::text ORDER BY i)) = sha256(string_agg('\x00000001'::bytea || i::text::bytea, '' ORDER BY i)) AS many
  FROM generate_series(0, 9) i, generate_series(1, 4);
SELECT billing.fingerprint(repeat('x', 100000), 'y') = sha256('\x000186a0'::bytea || repeat('x', 100000)::bytea || '\x0000000179') AS long;
SELECT billing.fingerprint(VARIADIC '{{a},{b}}');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.fingerprint(VARIADIC ('[5:6]={a,b}'::text[])) = billing.fingerprint('a', 'b') AS other_bounds;

-- Of columns: as of their texts, whatever the session's settings.
SET datestyle = 'SQL, DMY'; SET bytea_output = 'escape'; SET extra_float_digits = 0;
SELECT billing.fingerprint_columns('é'::text, NULL::text, -7, 9223372036854775807, date '1969-12-31', '0190b0a0-0000-7000-8000-0000000000ab'::uuid,
                                   '\x00ff'::bytea, sha256(''), 12.50, 0::numeric)
     = billing.fingerprint('é', NULL, '-7', '9223372036854775807', '-1', '0190b0a0-0000-7000-8000-0000000000ab',
                           '00ff', encode(sha256(''), 'hex'), '12.50', '0') AS as_texts,
       billing.fingerprint_columns(sha256('') || sha256('')) = billing.fingerprint(encode(sha256('') || sha256(''), 'hex')) AS long_bytes,
       billing.derive_id_from('line', 'a'::text, 1, date '2026-01-31') = billing.derive_id('line', 'a', '1', '20484') AS id_as_texts,
       billing.derive_id_from(NULL, 1) IS NULL AS null_kind;
RESET datestyle; RESET bytea_output; RESET extra_float_digits;
SELECT billing.fingerprint_columns(1.5::float8);
\echo :LAST_ERROR_SQLSTATE
SELECT billing.fingerprint_columns(VARIADIC '{a,b}'::text[]);
\echo :LAST_ERROR_SQLSTATE
SELECT billing.derive_id_from('line', 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24);
\echo :LAST_ERROR_SQLSTATE

-- Canonical JSON (RFC 8785).
SELECT document, billing.canonical_json(document) AS canonical
  FROM (VALUES ('{}'::jsonb), ('[]'), ('null'), ('"a\u000f\n\"\\/"'), ('{"b": 1.50, "a": [1e3, 1e-7, 333333333.33333329, -0.0]}'),
               ('{"peach": 1, "péché": 2, "pêche": 3, "sin": 4}'), ('{"1": {"f": {"f": "hi", "F": 5}, "\n": 56.0}, "10": {}, "": "empty"}'),
               ('123456789012345678901234'), ('9007199254740993'), ('0.000001'), ('1e21')) AS documents (document);
SELECT convert_to(billing.canonical_json('{"\ufb33": 1, "\ud83d\ude02": 2, "\u20ac": 3}'), 'UTF8') AS utf16_order;
SELECT billing.canonical_json('{"amount": 1e309}');
\echo :LAST_ERROR_SQLSTATE
SELECT length(billing.canonical_json((repeat('[', 64) || repeat(']', 64))::jsonb)) AS deepest;
SELECT billing.canonical_json((repeat('[', 65) || repeat(']', 65))::jsonb);
\echo :LAST_ERROR_SQLSTATE
SELECT billing.json_hash('{"b": 1.0, "a": "€"}') = sha256(convert_to('{"a":"€","b":1}', 'UTF8')) AS hashed;
SELECT billing.json_hash('[-1e400]');
\echo :LAST_ERROR_SQLSTATE

-- The root over rows, in the order asked for, as RFC 6962 2.1 writes it.
CREATE TEMP TABLE tree AS
SELECT n, billing.leaf_hash(decode(lpad(to_hex(n), 2, '0'), 'hex')) AS leaf FROM generate_series(1, 3) n;
SELECT leaf = sha256('\x0001') AS leaf_as_written FROM tree WHERE n = 1;
SELECT billing.merkle_agg(leaf ORDER BY n) = sha256('\x01'::bytea || sha256('\x01'::bytea || sha256('\x0001') || sha256('\x0002')) || sha256('\x0003')) AS ordered,
       billing.merkle_agg(leaf ORDER BY n) <> billing.merkle_agg(leaf ORDER BY n DESC) AS order_counts,
       billing.merkle_agg(leaf) FILTER (WHERE n = 2) = sha256('\x0002') AS of_one,
       billing.merkle_agg(leaf) FILTER (WHERE n = 4) = sha256('') AS of_none
  FROM tree;
SELECT billing.merkle_agg(NULL);
SELECT billing.merkle_agg('\x01');
SELECT count(DISTINCT root) AS roots
  FROM (SELECT i % 1000 AS g, billing.merkle_agg(sha256(decode(lpad(to_hex(i), 8, '0'), 'hex')) ORDER BY i) AS root
          FROM generate_series(1, 20000) i GROUP BY i % 1000) groups;

-- Canonical bytes: every type, NULL left out, empty text not.
SELECT billing.leaf_canon('k', 1::smallint, -2) = 'billing/v1/k\012'::bytea || '\x00010100000008000000000000000100020100000008fffffffffffffffe' AS integers,
       billing.leaf_canon('k', true, DATE '1970-01-02') = 'billing/v1/k\012'::bytea || '\x000101000000080000000000000001000201000000080000000000000001' AS boolean_and_day,
       billing.leaf_canon('k', timestamptz '1970-01-01 00:00:01+00', 10.500) = 'billing/v1/k\012'::bytea || '\x0001020000000800000000000f42400002030000000431302e35' AS time_and_decimal,
       billing.leaf_canon('k', NULL::text, ''::text, '{"b": 1, "a": []}'::jsonb) = 'billing/v1/k\012'::bytea || '\x000204000000000003050000000e' || '{"a":[],"b":1}' AS text_and_json,
       billing.leaf_canon('k', '\x00ff'::bytea, '00000000-0000-0000-0000-0000000000ff'::uuid)
     = 'billing/v1/k\012'::bytea || '\x0001060000000200ff00020600000010000000000000000000000000000000ff' AS bytes;
SELECT billing.leaf_canon('k', '1 day'::interval);
SELECT billing.leaf_canon('k', 'infinity'::date);
SELECT billing.leaf_canon('k', 'infinity'::timestamptz);
SELECT billing.leaf_canon('k', 'NaN'::numeric);
SELECT billing.leaf_canon(NULL, 1);
SELECT billing.leaf_canon('k', VARIADIC ARRAY[1]);

-- The leaf of a usage record: bytes written out, and no setting changes it.
CREATE TEMP TABLE leaf AS
SELECT billing.usage_leaf('gpu', 'e1', '', '2026-01-01 00:00:00+00', 1500.2500, '{"model": "A100", "gpus": 8.0}', NULL) AS hash;
SELECT hash = sha256('\x00'::bytea || E'billing/v1/usage\n' || '\x00010400000003'::bytea || 'gpu' || '\x00020400000002'::bytea || 'e1' || '\x00030400000000'::bytea
                     || '\x000402000000080006474846204000'::bytea || '\x00050300000007'::bytea || '1500.25'
                     || '\x00060500000019'::bytea || '{"gpus":8,"model":"A100"}') AS as_written
  FROM leaf;
SET timezone = 'Asia/Kathmandu'; SET datestyle = 'SQL, DMY'; SET extra_float_digits = -15;
SELECT hash = billing.usage_leaf('gpu', 'e1', '', '01/01/2026 05:45:00', 1500.25, '{"gpus": 8, "model": "A100"}', NULL) AS same FROM leaf;
RESET extra_float_digits; SET timezone = 'UTC'; SET datestyle = ISO;
SELECT billing.usage_leaf(NULL, NULL, NULL, NULL, NULL, NULL, NULL) = sha256('\x00'::bytea || E'billing/v1/usage\n') AS of_nulls;
SELECT count(DISTINCT l) = count(*) AS each_value_counts
  FROM (VALUES (billing.usage_leaf('m', 'e', 'a', '2026-01-01', 1, '{}', 'c')),
               (billing.usage_leaf('n', 'e', 'a', '2026-01-01', 1, '{}', 'c')),
               (billing.usage_leaf('m', 'f', 'a', '2026-01-01', 1, '{}', 'c')),
               (billing.usage_leaf('m', 'e', 'b', '2026-01-01', 1, '{}', 'c')),
               (billing.usage_leaf('m', 'e', NULL, '2026-01-01', 1, '{}', 'c')),
               (billing.usage_leaf('m', 'e', 'a', '2026-01-01 00:00:00.000001', 1, '{}', 'c')),
               (billing.usage_leaf('m', 'e', 'a', '1969-12-31 23:59:59', 1, '{}', 'c')),
               (billing.usage_leaf('m', 'e', 'a', '2026-01-01', -1, '{}', 'c')),
               (billing.usage_leaf('m', 'e', 'a', '2026-01-01', 1, '{"x": 1}', 'c')),
               (billing.usage_leaf('m', 'e', 'a', '2026-01-01', 1, NULL, 'c')),
               (billing.usage_leaf('m', 'e', 'a', '2026-01-01', 1, '{}', 'd')),
               (billing.usage_leaf('m', 'e', 'a', '2026-01-01', 1, '{}', NULL))) AS leaves (l);
SELECT billing.usage_leaf('m', 'e', 'a', 'infinity', 1, '{}', NULL);
\echo :LAST_ERROR_SQLSTATE
SELECT billing.usage_leaf('m', 'e', 'a', '294270-01-01', 1, '{}', NULL);
\echo :LAST_ERROR_SQLSTATE
SELECT billing.usage_leaf('m', 'e', 'a', '2026-01-01', 'NaN', '{}', NULL);
\echo :LAST_ERROR_SQLSTATE
SELECT billing.usage_leaf('m', 'e', 'a', '2026-01-01', '-infinity', '{}', NULL);
\echo :LAST_ERROR_SQLSTATE
SELECT billing.usage_leaf('m', 'e', 'a', '2026-01-01', 1, '{"x": 1e999}', NULL);
\echo :LAST_ERROR_SQLSTATE
DROP TABLE leaf;
