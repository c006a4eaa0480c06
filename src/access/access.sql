-- Who may call the functions of access.

GRANT SELECT ON billing.tenant_roles TO billing_admin, billing_operator;

-- Row security asks it as whoever reads.
GRANT EXECUTE ON FUNCTION billing.current_tenant(), billing.current_token_subject()
    TO billing_admin, billing_operator, billing_auditor, billing_app, billing_loader, billing_tenant;
GRANT EXECUTE ON FUNCTION billing.issue_token(text, text, interval, text, text) TO billing_operator;
GRANT EXECUTE ON FUNCTION billing.grant_tenant_role(text, text, text, text), billing.revoke_tenant_role(text) TO billing_admin;
