-- Roots over rows some of which are gone: what retention keeps of a month, and what a replay puts it together with.

CREATE FUNCTION billing.merkle_range_step(internal, bigint, bytea) RETURNS internal
    LANGUAGE c IMMUTABLE PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'billing_merkle_range_step';
COMMENT ON FUNCTION billing.merkle_range_step(internal, bigint, bytea) IS 'Internal: adds a leaf to billing.merkle_range().';

CREATE FUNCTION billing.merkle_range_final(internal) RETURNS bytea
    LANGUAGE c IMMUTABLE PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'billing_merkle_range_final';
COMMENT ON FUNCTION billing.merkle_range_final(internal) IS 'Internal: the result of billing.merkle_range().';

CREATE AGGREGATE billing.merkle_range(bigint, bytea) (
    SFUNC = billing.merkle_range_step,
    STYPE = internal,
    SSPACE = 4400,
    FINALFUNC = billing.merkle_range_final,
    FINALFUNC_MODIFY = READ_ONLY,
    PARALLEL = SAFE
);
COMMENT ON AGGREGATE billing.merkle_range(bigint, bytea) IS
    'Internal: what must be kept of leaves that stand one after the other in a tree, the first of them at the number given (from 0), so that its root can be computed without them: of each of the largest complete subtrees within, from left to right, its level in a byte and its hash (RFC 6962 2.1). NULL of no leaves. MB400 for what is no hash.';

CREATE FUNCTION billing.merkle_join_step(internal, bytea) RETURNS internal
    LANGUAGE c IMMUTABLE PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'billing_merkle_join_step';
COMMENT ON FUNCTION billing.merkle_join_step(internal, bytea) IS 'Internal: adds a leaf or a range to billing.merkle_join().';

CREATE FUNCTION billing.merkle_join_final(internal) RETURNS bytea
    LANGUAGE c IMMUTABLE PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'billing_merkle_join_final';
COMMENT ON FUNCTION billing.merkle_join_final(internal) IS 'Internal: the result of billing.merkle_join().';

CREATE AGGREGATE billing.merkle_join(bytea) (
    SFUNC = billing.merkle_join_step,
    STYPE = internal,
    SSPACE = 2048,
    FINALFUNC = billing.merkle_join_final,
    FINALFUNC_MODIFY = READ_ONLY,
    PARALLEL = SAFE
);
COMMENT ON AGGREGATE billing.merkle_join(bytea) IS
    'Internal: the root of the tree made of leaves'' hashes (32 bytes each) and of ranges from billing.merkle_range(), in the order they arrive. NULL of nothing, and when a range does not belong where it stands: then leaves are missing or too many before it.';
