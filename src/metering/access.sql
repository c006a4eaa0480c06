-- Who may read the tables of metering and call its functions.

GRANT SELECT ON billing.usage_records, billing.daily_counts, billing.allocations TO billing_admin, billing_operator, billing_app, billing_tenant;
GRANT SELECT ON billing.usage_set_aside, billing.metering_backlog, billing.count_windows TO billing_admin, billing_operator;
-- What COPY may fill in; the rest has defaults. Rows that do not resolve are set aside by the next sync.
GRANT INSERT (tenant_id, meter_id, event_id, account_id, occurred_at, quantity, dimensions, attribution, correlation_id, corrects_event_id)
    ON billing.usage_records TO billing_loader;

GRANT EXECUTE ON FUNCTION billing.open_allocation(text, text, text, numeric, timestamptz, jsonb, text), billing.close_allocation(text, text, timestamptz)
    TO billing_app, billing_operator;
GRANT EXECUTE ON FUNCTION billing.accrue_allocations(timestamptz) TO billing_operator;
GRANT EXECUTE ON FUNCTION billing.record_usage(text, text, text, numeric, timestamptz, jsonb, text, jsonb, text, text) TO billing_app;
-- A loader is trusted with the usage of every tenant.
GRANT EXECUTE ON FUNCTION billing.record_usage(jsonb), billing.record_usage_arrays(text[], text[], text[], numeric[], timestamptz[], jsonb[], text[])
    TO billing_app, billing_loader;
GRANT EXECUTE ON FUNCTION billing.import_usage(regclass), billing.is_usage(text, text, text, text, numeric, jsonb, jsonb, text, text) TO billing_loader;
GRANT EXECUTE ON FUNCTION billing.sync_counts() TO billing_operator;
GRANT EXECUTE ON FUNCTION billing.replay_count_sync(text) TO billing_operator, billing_auditor;
