-- Who may read the tables of money and call its functions.

GRANT SELECT ON billing.currencies TO billing_admin, billing_operator, billing_app, billing_tenant;

GRANT EXECUTE ON FUNCTION billing.create_currency(text, text, integer) TO billing_admin;
GRANT EXECUTE ON FUNCTION billing.format_minor(bigint, integer), billing.format_grouped(bigint, integer), billing.format_amount(bigint, text)
    TO billing_admin, billing_operator, billing_app, billing_auditor, billing_tenant;
