-- Who may read the tables of contracts and call its functions.

GRANT SELECT ON billing.subscriptions, billing.subscription_phases, billing.current_subscriptions TO billing_admin, billing_operator;

GRANT EXECUTE ON FUNCTION billing.cycles(date, integer, date, date), billing.cycle_containing(date, integer, date)
    TO billing_admin, billing_operator, billing_auditor, billing_app;
GRANT EXECUTE ON FUNCTION billing.subscribe(text, text, date, text, text, date, integer, integer, text),
    billing.change_plan(text, uuid, text, date, text, integer, date), billing.cancel_subscription(text, uuid, date, text, date),
    billing.resume_subscription(text, uuid, date) TO billing_admin, billing_app;
GRANT EXECUTE ON FUNCTION billing.subscription_status(text, uuid, date) TO billing_admin, billing_app, billing_operator, billing_auditor;
GRANT EXECUTE ON FUNCTION billing.status_on(date, date, date, date) TO billing_admin, billing_operator, billing_auditor;

GRANT SELECT ON billing.renewal_events TO billing_admin, billing_operator, billing_app, billing_tenant;
GRANT EXECUTE ON FUNCTION billing.set_renewal(text, uuid, text, integer, integer), billing.renew_subscription(text, uuid, date) TO billing_admin, billing_app;
GRANT EXECUTE ON FUNCTION billing.renew_subscriptions(date) TO billing_admin, billing_operator;
