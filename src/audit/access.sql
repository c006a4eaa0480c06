-- The log names the operator's people: tenants and applications do not read it.
GRANT SELECT ON billing.audit_log TO billing_admin, billing_auditor;
