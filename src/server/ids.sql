-- Ids, fingerprints and canonical JSON.

CREATE FUNCTION billing.uuid_v7() RETURNS uuid
    LANGUAGE c VOLATILE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'billing_uuid_v7';
COMMENT ON FUNCTION billing.uuid_v7() IS
    'A new UUID of version 7 (RFC 9562): milliseconds since 1970, then random. Within a session each is greater than the one before, also within a millisecond and when the clock steps back.';

CREATE FUNCTION billing.derive_id(kind text, VARIADIC parts text[]) RETURNS uuid
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'billing_derive_id';
COMMENT ON FUNCTION billing.derive_id(text, text[]) IS
    'The UUID of version 8 (RFC 9562) that belongs to a natural key: the first 16 bytes of SHA-256 over ''billing/v1/'' and the kind, then the parts, each encoded as billing.fingerprint() says. The same kind and parts always give the same id. A part may be NULL, which differs from an empty one; a NULL kind gives NULL. MB400 when the array has several dimensions.';

CREATE FUNCTION billing.fingerprint(VARIADIC parts text[]) RETURNS bytea
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'billing_fingerprint';
COMMENT ON FUNCTION billing.fingerprint(text[]) IS
    'SHA-256 (32 bytes) of a list of texts: each its length in 4 bytes, most significant first, then its bytes as stored; a NULL part is FFFFFFFF alone. Different lists never have the same encoding. MB400 when the array has several dimensions.';

CREATE FUNCTION billing.fingerprint_columns(VARIADIC columns "any") RETURNS bytea
    LANGUAGE c IMMUTABLE PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'billing_fingerprint_columns';
COMMENT ON FUNCTION billing.fingerprint_columns("any") IS
    'Internal: billing.fingerprint() of up to 24 columns as texts, whatever the session''s settings: text as stored, integers and numeric in decimal, dates as days since 1970-01-01, uuid with hyphens, bytea in hexadecimal. MB400 for another type.';

CREATE FUNCTION billing.derive_id_from(kind text, VARIADIC columns "any") RETURNS uuid
    LANGUAGE c IMMUTABLE PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'billing_derive_id_from';
COMMENT ON FUNCTION billing.derive_id_from(text, "any") IS
    'Internal: billing.derive_id() of up to 23 columns as texts, written as billing.fingerprint_columns() says. MB400 for another type.';

CREATE FUNCTION billing.canonical_json(document jsonb) RETURNS text
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'billing_canonical_json_text';
COMMENT ON FUNCTION billing.canonical_json(jsonb) IS
    'The document in canonical form (RFC 8785): members sorted by UTF-16 code units, numbers as ECMAScript prints the nearest double, no white space. MB400 for a number beyond the range of a double, and for more than 64 levels. Decimals that must stay exact belong in strings.';

CREATE FUNCTION billing.json_hash(document jsonb) RETURNS bytea
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'billing_json_hash';
COMMENT ON FUNCTION billing.json_hash(jsonb) IS
    'SHA-256 (32 bytes) of billing.canonical_json(document) in UTF-8. MB400 as there.';

CREATE FUNCTION billing.usage_leaf(meter_id text, event_id text, account_id text, occurred_at timestamptz,
                                   quantity numeric, dimensions jsonb, corrects_event_id text) RETURNS bytea
    LANGUAGE c IMMUTABLE PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'billing_usage_leaf';
COMMENT ON FUNCTION billing.usage_leaf(text, text, text, timestamptz, numeric, jsonb, text) IS
    'The leaf of a usage record in a Merkle tree (RFC 6962 2.1), whatever the session''s settings: SHA-256 (32 bytes) over a zero byte, ''billing/v1/usage'' and a line feed, then each argument that is not NULL: its position from 1 in 2 bytes, its type in 1 byte, its length in 4 bytes, most significant first, and its value. Types: 4 text as stored; 2 time, microseconds since 1970-01-01 UTC in 8 bytes; 3 quantity, plain decimal text without trailing zeros; 5 dimensions, canonical JSON (RFC 8785). MB400 for a time that is infinite or beyond 64 bits and for dimensions without canonical form, MB415 for a quantity that is NaN or infinite.';

CREATE FUNCTION billing.leaf_canon(kind text, VARIADIC columns "any") RETURNS bytea
    LANGUAGE c IMMUTABLE PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'billing_leaf_canon';
COMMENT ON FUNCTION billing.leaf_canon(text, "any") IS
    'The canonical bytes of a row of a kind, whatever the session''s settings: ''billing/v1/'', the kind and a line feed, then each column that is not NULL: its position from 1 in 2 bytes, its type in 1 byte, its length in 4 bytes, most significant first, and its value. Types: 1 integers, dates (days since 1970-01-01) and booleans in 8 bytes; 2 time, microseconds since 1970-01-01 UTC in 8 bytes; 3 numeric, plain decimal text without trailing zeros; 4 text as stored; 5 jsonb, canonical JSON (RFC 8785); 6 bytea, and uuid as 16 bytes. MB400 for another type and for what has no canonical form.';

CREATE FUNCTION billing.leaf_hash(canon bytea) RETURNS bytea
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'billing_leaf_hash';
COMMENT ON FUNCTION billing.leaf_hash(bytea) IS 'The hash of a leaf (RFC 6962 2.1): SHA-256 (32 bytes) over a zero byte and canon.';

CREATE FUNCTION billing.merkle_agg_step(internal, bytea) RETURNS internal
    LANGUAGE c IMMUTABLE PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'billing_merkle_agg_step';
COMMENT ON FUNCTION billing.merkle_agg_step(internal, bytea) IS 'Internal: adds a leaf to billing.merkle_agg().';

CREATE FUNCTION billing.merkle_agg_final(internal) RETURNS bytea
    LANGUAGE c IMMUTABLE PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'billing_merkle_agg_final';
COMMENT ON FUNCTION billing.merkle_agg_final(internal) IS 'Internal: the result of billing.merkle_agg().';

CREATE AGGREGATE billing.merkle_agg(bytea) (
    SFUNC = billing.merkle_agg_step,
    STYPE = internal,
    SSPACE = 2048,
    FINALFUNC = billing.merkle_agg_final,
    FINALFUNC_MODIFY = READ_ONLY,
    PARALLEL = SAFE
);
COMMENT ON AGGREGATE billing.merkle_agg(bytea) IS
    'The root (RFC 6962 2.1, 32 bytes) of the tree whose leaves have these hashes, in the order they arrive, so say ORDER BY within the call. Of no leaves: SHA-256 of nothing. MB400 for NULL and for what has not 32 bytes.';
