-- What of retention who may read and call.

GRANT SELECT ON billing.retention_policies, billing.retention_decisions, billing.legal_holds, billing.retention_actions TO billing_admin, billing_operator;
GRANT EXECUTE ON FUNCTION billing.set_retention(text, interval, text, integer), billing.place_legal_hold(text, text), billing.release_legal_hold(uuid, text)
    TO billing_admin;
GRANT EXECUTE ON FUNCTION billing.retention_plan(date) TO billing_admin, billing_operator, billing_auditor;
GRANT EXECUTE ON FUNCTION billing.drop_month(text, date, date), billing.make_retention_bundles(date, integer) TO billing_admin, billing_operator;
GRANT EXECUTE ON PROCEDURE billing.apply_retention(date, integer) TO billing_admin, billing_operator;
