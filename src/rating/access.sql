-- Who may call the functions of rating.

GRANT EXECUTE ON FUNCTION billing.rate_batch(date, text, text) TO billing_operator;
GRANT EXECUTE ON FUNCTION billing.shadow_rate(text, text, jsonb, date) TO billing_operator, billing_admin, billing_auditor;
GRANT EXECUTE ON FUNCTION billing.current_charges(text, date) TO billing_app, billing_operator, billing_auditor;
