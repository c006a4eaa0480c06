-- Who may read the tables of catalog and call its functions.

GRANT SELECT ON billing.meters, billing.products, billing.plans, billing.plan_versions, billing.charges, billing.price_list
    TO billing_admin, billing_operator, billing_app, billing_tenant;

GRANT EXECUTE ON FUNCTION billing.add_charge(text, text, jsonb, text, jsonb, text, boolean, boolean, integer), billing.remove_charge(text, text, integer)
    TO billing_admin;
GRANT EXECUTE ON FUNCTION billing.create_meter(text, text, text, text[], text), billing.create_product(text, text),
    billing.create_plan(text, text, interval, text, text, boolean) TO billing_admin;
GRANT EXECUTE ON FUNCTION
    billing.is_price(jsonb), billing.normalize_price(jsonb), billing.price_hash(jsonb),
    billing.rate_minor(jsonb, numeric, integer, bigint, bigint), billing.rate_amount(jsonb, numeric, integer), billing.rate(jsonb, numeric),
    billing.split_amount(bigint, bigint[])
    TO billing_admin, billing_operator, billing_auditor, billing_app;
GRANT EXECUTE ON FUNCTION billing.draft_plan(text), billing.publish_plan(text), billing.retire_plan(text, integer) TO billing_admin;
GRANT EXECUTE ON FUNCTION billing.plan_document(text, integer) TO billing_admin, billing_operator, billing_app, billing_auditor;
