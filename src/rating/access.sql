-- Who may read the tables of rating and call its functions.

GRANT SELECT ON billing.rated_lines, billing.rated TO billing_admin, billing_operator, billing_app, billing_tenant;

GRANT EXECUTE ON FUNCTION billing.rate_batch(date, text, text) TO billing_operator;
GRANT EXECUTE ON FUNCTION billing.shadow_rate(text, text, jsonb, date) TO billing_operator, billing_admin, billing_auditor;
GRANT EXECUTE ON FUNCTION billing.current_charges(text, date) TO billing_operator, billing_auditor, billing_app, billing_tenant;
