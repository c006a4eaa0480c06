-- Who may read the tables of invoicing and call its functions.

GRANT SELECT ON billing.invoices, billing.invoice_lines, billing.invoice_events TO billing_admin, billing_operator, billing_app, billing_tenant;
GRANT SELECT ON billing.invoice_runs, billing.number_series TO billing_admin, billing_operator;

GRANT EXECUTE ON FUNCTION billing.invoice_batch(date, text, text, uuid, boolean), billing.finalize_batch(date, text, text),
    billing.finalize_invoice(text, text), billing.void_invoice(text, text, text), billing.uuid_v7() TO billing_operator;
GRANT EXECUTE ON FUNCTION billing.invoice_document(text, text), billing.show_invoice(text, text) TO billing_operator, billing_auditor, billing_app, billing_tenant;
-- It works as long as a run does, so it is the application that asks it.
GRANT EXECUTE ON FUNCTION billing.preview_invoices(text, date) TO billing_operator, billing_auditor, billing_app;
GRANT EXECUTE ON FUNCTION billing.check_integrity() TO billing_operator, billing_auditor;
GRANT EXECUTE ON FUNCTION billing.tenant_batches(integer, text, text), billing.run_batch(date, text, text, uuid, boolean), billing.ensure_billing_partitions(date) TO billing_operator;
GRANT EXECUTE ON PROCEDURE billing.run_batches(date, uuid, boolean, integer, text, text), billing.run_rating(date, integer, text, text), billing.run_invoices(date, boolean, integer, text, text) TO billing_operator;
