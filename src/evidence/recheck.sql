-- Whether what was given out still proves what it says, before anything that it rests on is let go.

CREATE FUNCTION billing.bundle_problem(bundle text, tenant text, invoice uuid, note text, vkey text) RETURNS text
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'billing_bundle_problem';
COMMENT ON FUNCTION billing.bundle_problem(text, text, uuid, text, text) IS 'Internal: what the offline verifier finds wrong with a bundle, by its own code: NULL when it is valid, signed by the key vkey, of that invoice, and under the checkpoint whose signed note is given. Errors: 53200 out of memory.';
