-- Who may read the tables of coverage and call its functions.

GRANT SELECT ON billing.devices, billing.enrollments, billing.activity_proofs, billing.device_coverage_ledger, billing.identity_claims, billing.identity_claim_events,
    billing.coverage_policies, billing.coverage_daily_state, billing.coverage_disputes TO billing_admin, billing_operator, billing_app, billing_tenant;
GRANT SELECT ON billing.coverage_windows, billing.coverage_backlog TO billing_admin, billing_operator;

GRANT EXECUTE ON FUNCTION billing.register_device(text, text, text, text, text, date, date, text), billing.register_devices(jsonb),
    billing.enroll_device(text, text, text, date, date, text, text), billing.withdraw_device(text, text, text, date, date),
    billing.record_coverage(text, text, text, text, date, date, text), billing.record_coverage(jsonb), billing.cover_device(text, text, text, date, date, text),
    billing.uncover_device(text, text, text, date, date), billing.change_device_plan(text, text, text, text, date, date),
    billing.record_activity_proof(text, text, bytea, date), billing.claim_identity(text, text, text, text, date, text, text), billing.claim_identities(jsonb)
    TO billing_app, billing_operator;
GRANT EXECUTE ON FUNCTION billing.resolve_claim(text, text, text, text, text, date, text, text), billing.escalate_disputes(timestamptz), billing.sync_coverage(date),
    billing.derive_coverage(date, date, text) TO billing_operator;
GRANT EXECUTE ON FUNCTION billing.replay_coverage(text), billing.derive_coverage(date, date, text) TO billing_operator, billing_auditor;
GRANT EXECUTE ON FUNCTION billing.set_coverage_policy(text, text, integer, text, date) TO billing_admin;
GRANT EXECUTE ON FUNCTION billing.import_coverage(regclass) TO billing_loader;
