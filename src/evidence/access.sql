-- Who may read the tables of evidence and call its functions.

GRANT SELECT ON billing.evidence_bundles, billing.evidence_months TO billing_admin, billing_operator, billing_app, billing_tenant;

GRANT EXECUTE ON FUNCTION billing.seal(boolean) TO billing_operator;
GRANT EXECUTE ON FUNCTION billing.evidence(text, text), billing.evidence_month(text, date), billing.evidence_csv(text, text)
    TO billing_operator, billing_auditor, billing_app, billing_tenant;
GRANT EXECUTE ON FUNCTION billing.unsigned_checkpoint(), billing.add_signature(bigint, text) TO billing_operator, billing_admin;
GRANT EXECUTE ON FUNCTION billing.rotate_signing_key(text, text), billing.record_schema(text) TO billing_admin;
GRANT EXECUTE ON FUNCTION billing.prove_inclusion(text, text[]), billing.prove_consistency(bigint, bigint), billing.verify_log(), billing.digest(integer)
    TO billing_auditor;
