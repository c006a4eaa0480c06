-- Who may read the tables of contracts and call its functions.

GRANT SELECT ON billing.subscriptions, billing.subscription_phases TO billing_admin, billing_operator, billing_app, billing_tenant;
-- DROP EXTENSION CASCADE takes the view along, which calls a function of it, and leaves the tables.
DO $$
BEGIN
    IF to_regclass('billing.current_subscriptions') IS NOT NULL THEN
        GRANT SELECT ON billing.current_subscriptions TO billing_admin, billing_operator, billing_app, billing_tenant;
    END IF;
END
$$;

GRANT EXECUTE ON FUNCTION billing.cycles(date, integer, date, date), billing.cycle_containing(date, integer, date)
    TO billing_admin, billing_operator, billing_auditor, billing_app, billing_tenant;
-- Row security asks it as whoever reads.
GRANT EXECUTE ON FUNCTION billing.visible_plan_versions() TO billing_admin, billing_operator, billing_auditor, billing_app, billing_tenant;
GRANT EXECUTE ON FUNCTION billing.subscribe(text, text, date, text, text, date, integer, integer, text),
    billing.change_plan(text, uuid, text, date, text, integer, date), billing.cancel_subscription(text, uuid, date, text, date),
    billing.resume_subscription(text, uuid, date) TO billing_admin, billing_app;
GRANT EXECUTE ON FUNCTION billing.subscription_status(text, uuid, date) TO billing_admin, billing_operator, billing_auditor, billing_app, billing_tenant;
GRANT EXECUTE ON FUNCTION billing.status_on(date, date, date, date) TO billing_admin, billing_operator, billing_auditor, billing_app, billing_tenant;

GRANT SELECT ON billing.renewal_events TO billing_admin, billing_operator, billing_app, billing_tenant;
GRANT EXECUTE ON FUNCTION billing.set_renewal(text, uuid, text, integer, integer), billing.renew_subscription(text, uuid, date) TO billing_admin, billing_app;
GRANT EXECUTE ON FUNCTION billing.renew_subscriptions(date) TO billing_admin, billing_operator;
