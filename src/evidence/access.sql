-- Who may call the functions of evidence.

GRANT EXECUTE ON FUNCTION billing.seal(boolean), billing.evidence(text, text), billing.evidence_month(text, date), billing.evidence_csv(text, text) TO billing_operator;
GRANT EXECUTE ON FUNCTION billing.unsigned_checkpoint(), billing.add_signature(bigint, text) TO billing_operator, billing_admin;
GRANT EXECUTE ON FUNCTION billing.rotate_signing_key(text, text), billing.record_schema(text) TO billing_admin;
GRANT EXECUTE ON FUNCTION billing.prove_inclusion(text, text[]), billing.prove_consistency(bigint, bigint), billing.verify_log(), billing.digest(integer),
    billing.evidence(text, text), billing.evidence_month(text, date), billing.evidence_csv(text, text) TO billing_auditor;
