-- Who may read the tables of metering and call its functions.

GRANT INSERT (tenant_id, meter_id, event_id, account_id, occurred_at, quantity, dimensions, attribution, correlation_id, corrects_event_id)
    ON billing.usage_records TO billing_loader;

GRANT EXECUTE ON FUNCTION billing.open_allocation(text, text, text, numeric, timestamptz, jsonb, text), billing.close_allocation(text, text, timestamptz)
    TO billing_app, billing_operator;
GRANT EXECUTE ON FUNCTION billing.accrue_allocations(timestamptz) TO billing_operator;
GRANT EXECUTE ON FUNCTION billing.record_usage(text, text, text, numeric, timestamptz, jsonb, text, jsonb, text, text), billing.record_usage(jsonb),
    billing.record_usage_arrays(text[], text[], text[], numeric[], timestamptz[], jsonb[], text[]) TO billing_app;
GRANT EXECUTE ON FUNCTION billing.import_usage(regclass), billing.is_usage(text, numeric, jsonb, jsonb) TO billing_loader;
GRANT EXECUTE ON FUNCTION billing.sync_counts() TO billing_operator;
GRANT EXECUTE ON FUNCTION billing.replay_count_sync(text) TO billing_operator, billing_auditor;
