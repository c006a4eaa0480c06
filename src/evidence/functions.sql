-- Evidence: seals, proofs, keys, bundles.

CREATE FUNCTION billing.seal(heartbeat boolean DEFAULT false, OUT seal_no bigint, OUT tree_size bigint, OUT root_hash bytea,
                             OUT sealed_at timestamptz, OUT note text)
LANGUAGE C VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET enable_sort = off SET jit = off SET row_security = off
AS 'MODULE_PATHNAME', 'billing_seal';
COMMENT ON FUNCTION billing.seal(boolean) IS 'Appends every row of the log''s tables that was committed since the last seal, each exactly once whatever order transactions commit in, and makes a checkpoint, signed when billing.signing_key_file is set (note is NULL otherwise). Returns the last checkpoint. With nothing new it makes none, unless heartbeat. Must be the first in its transaction, which commits synchronously; one runs at a time, others wait. Errors: MB427 not READ COMMITTED, already writing, or in recovery; MB456 the key or the origin cannot be used; MB425; MB426.';

CREATE FUNCTION billing.prove_inclusion(kind text, VARIADIC key text[]) RETURNS text
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET enable_sort = off SET jit = off SET row_security = off
AS 'MODULE_PATHNAME', 'billing_prove_inclusion';
COMMENT ON FUNCTION billing.prove_inclusion(text, text[]) IS 'That a row is in the log, as a text that is checked offline (C2SP tlog-proof): its canonical bytes as the extra line, its index, the inclusion proof and the last signed checkpoint. kind and the parts of the key, as text, days as YYYY-MM-DD: ledger_entry (posted_on, tenant, entry_id), rated_line (period_start, tenant, subscription_id, plan, version, charge, revision), usage_window (tenant, sequence), invoice_event (tenant, invoice_id, sequence), plan_version (plan, version), erasure (tenant, erasure_id), audit_event (audit_id), retention_action (table, month), incarnation, signing_key, schema and checkpoint (their number). Errors: MB400 unknown kind, or another number of parts; MB453 no such row; MB454 not in a signed checkpoint yet; MB500 the row or its neighbours were changed; MB425.';

CREATE FUNCTION billing.prove_consistency(older_size bigint, newer_size bigint DEFAULT NULL) RETURNS text
LANGUAGE C VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET enable_sort = off SET jit = off SET row_security = off
AS 'MODULE_PATHNAME', 'billing_prove_consistency';
COMMENT ON FUNCTION billing.prove_consistency(bigint, bigint) IS 'That the log of newer_size leaves (a signed checkpoint''s, the last unless given) begins with the log of older_size leaves: the hashes of RFC 6962 2.1.2 in base64, each with a line feed; no line when the sizes are equal or older_size is 0. Errors: MB400 a size that is null or not one of the log; MB454 no signed checkpoint; MB425.';

CREATE FUNCTION billing.verify_log() RETURNS TABLE (seal_no bigint, problem text)
LANGUAGE C VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET enable_sort = off SET jit = off SET row_security = off
SET timezone = 'UTC' SET datestyle = 'ISO, YMD' SET intervalstyle = postgres
SET bytea_output = hex SET extra_float_digits = 1 SET quote_all_identifiers = off
AS 'MODULE_PATHNAME', 'billing_verify_log';
COMMENT ON FUNCTION billing.verify_log() IS 'Computes every leaf, root and signature of the log again, and what stands under its hashes: invoices and lines, terms, usage and counts, tables and functions. Lists what does not hold: no row is good. seal_no is NULL for what concerns no seal, 0 for keys. It reads every row of the log. Errors: MB425.';

CREATE FUNCTION billing.rotate_signing_key(vkey text, note text DEFAULT NULL) RETURNS integer
LANGUAGE C VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'billing_rotate_signing_key';
COMMENT ON FUNCTION billing.rotate_signing_key(text, text) IS 'Puts a verifier key (C2SP signed-note) in force and returns its number: from now on checkpoints must be signed with it. The key before signs that: note, whose text is "billing/v1/signing_key", a line feed, vkey and a line feed, or, when it is NULL, the server with the file it has. The first key needs no note. Errors: MB400 vkey is null; MB455 malformed, or not signed by the key before; MB456 the server has no key; MB425.';

CREATE FUNCTION billing.unsigned_checkpoint(OUT seal_no bigint, OUT body text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT c.seal_no, c.body
      FROM billing.checkpoints c
     WHERE NOT EXISTS (SELECT FROM billing.checkpoint_notes n WHERE n.seal_no >= c.seal_no)
     ORDER BY c.seal_no DESC LIMIT 1
$$;
COMMENT ON FUNCTION billing.unsigned_checkpoint() IS 'The newest checkpoint when it is not signed yet, for a signer outside the server: it checks billing.prove_consistency() with the last one it signed, signs body, and calls billing.add_signature().';

CREATE FUNCTION billing.add_signature(seal_no bigint, note text) RETURNS boolean
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'billing_add_signature';
COMMENT ON FUNCTION billing.add_signature(bigint, text) IS 'Stores a checkpoint''s signed note when the key in force signed it; false when it has one already. Errors: MB454 no such checkpoint; MB455 malformed, another text, or another key; MB456 no key is registered; MB425.';

CREATE FUNCTION billing.digest(standbys integer DEFAULT 0, OUT seal_no bigint, OUT note text)
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT n.seal_no, n.note
      FROM (SELECT c.seal_no, coalesce(lead(c.lsn) OVER (ORDER BY c.seal_no), pg_current_wal_flush_lsn()) AS committed_by
              FROM (SELECT * FROM billing.checkpoints ORDER BY seal_no DESC LIMIT 100) AS c) AS d
      JOIN billing.checkpoint_notes n ON n.seal_no = d.seal_no
     WHERE standbys <= 0 OR standbys <= (SELECT count(*) FROM pg_stat_get_wal_senders() AS w WHERE w.flush_lsn >= d.committed_by)
     ORDER BY n.seal_no DESC LIMIT 1
$$;
COMMENT ON FUNCTION billing.digest(integer) IS 'The last signed checkpoint that is flushed here and on so many standbys, to be kept elsewhere: what it commits to, no failover takes back. A checkpoint is visible only after it was flushed here. No row values when there is none.';

CREATE FUNCTION billing.evidence(invoice text, tenant text DEFAULT NULL) RETURNS text
LANGUAGE C VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET enable_sort = off SET jit = off SET row_security = off
AS 'MODULE_PATHNAME', 'billing_evidence';
COMMENT ON FUNCTION billing.evidence(text, text) IS 'The evidence bundle of a finalized invoice (doc/bundle.md): canonical JSON that recomputes its total offline and proves every row of it in the signed log. Made by the first call, and the same bytes for ever. invoice: number or invoice_id. Errors: MB400, MB421 a draft; MB446 no such invoice; MB454 its finalization is in no signed checkpoint yet; MB460 it draws on daily counts that retention dropped before it was made; MB500 rows were changed since; MB425.';

CREATE FUNCTION billing.evidence_month(tenant text, month date) RETURNS text
LANGUAGE C VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET enable_sort = off SET jit = off SET row_security = off
AS 'MODULE_PATHNAME', 'billing_evidence_month';
COMMENT ON FUNCTION billing.evidence_month(text, date) IS 'The evidence of a tenant''s month (doc/bundle.md): canonical JSON with the bundle of every invoice that has its invoice_date in it and is neither a draft nor void, by invoice_date, account and currency. Made by the first call, and the same bytes for ever, whatever is voided or dated back afterwards. month: any day of it, UTC. Errors: MB400 an argument is null; MB417 no day of the years 1 to 9999; MB446 no such invoice; MB421 a draft is dated in the month, or the last signed checkpoint was made before its end; MB454 an invoice''s finalization is in no signed checkpoint yet; MB500 rows were changed since; MB425.';

CREATE FUNCTION billing.evidence_csv(invoice text, tenant text DEFAULT NULL) RETURNS SETOF text
LANGUAGE C VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET enable_sort = off SET jit = off SET row_security = off
AS 'MODULE_PATHNAME', 'billing_evidence_csv';
COMMENT ON FUNCTION billing.evidence_csv(text, text) IS 'The lines of an invoice''s evidence bundle as CSV for people (RFC 4180; doc/bundle.md has the columns): a header, then a record for each line, in order. Amounts are in major units, exact; quantity is before the share; a period is [start, end). Nothing is told that is not, byte for byte, in the bundle, which is made when there is none. invoice: number or invoice_id. Errors: those of billing.evidence().';

CREATE FUNCTION billing.schema_fingerprint() RETURNS bytea
LANGUAGE C STABLE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' SET datestyle = 'ISO, YMD' SET intervalstyle = postgres
SET bytea_output = hex SET extra_float_digits = 1 SET quote_all_identifiers = off
AS 'MODULE_PATHNAME', 'billing_schema_fingerprint';
COMMENT ON FUNCTION billing.schema_fingerprint() IS 'Internal: SHA-256 over a sorted line for each function, relation, column, constraint, rule, policy, trigger and foreign child of schema billing. Partitions do not count, as long as they are like their parents.';

CREATE FUNCTION billing.record_schema(reason text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    last    record;
    present bytea := billing.schema_fingerprint();
BEGIN
    PERFORM billing.require_installed();
    PERFORM FROM billing.stage_locks WHERE stage = 'seal' FOR UPDATE;
    SELECT f.fingerprint_no, f.fingerprint INTO last FROM billing.schema_fingerprints f ORDER BY f.fingerprint_no DESC LIMIT 1;
    IF last.fingerprint = present THEN
        RETURN false;
    END IF;
    INSERT INTO billing.schema_fingerprints (fingerprint_no, fingerprint, reason)
    VALUES (coalesce(last.fingerprint_no, 0) + 1, present, record_schema.reason);
    RETURN true;
END
$$;
COMMENT ON FUNCTION billing.record_schema(text) IS 'Records the fingerprint of tables and functions, where it changed, as a leaf of the log: after ALTER EXTENSION UPDATE (billing.migrate() does it) and after changes made by hand. Until then billing.verify_log() reports them. reason: kept for people. True when it had changed. Errors: MB425.';
