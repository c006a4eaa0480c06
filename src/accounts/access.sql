-- Who may read the tables of accounts and call its functions.

GRANT SELECT ON billing.legal_entities TO billing_admin, billing_operator;
GRANT SELECT ON billing.accounts TO billing_admin, billing_operator, billing_app, billing_tenant;

GRANT EXECUTE ON FUNCTION billing.create_legal_entity(text, text, text, text, text, integer) TO billing_admin;
GRANT EXECUTE ON FUNCTION billing.create_account(text, text, text, text) TO billing_admin, billing_app;
