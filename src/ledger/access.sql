-- Who may read the tables of ledger and call its functions.

GRANT SELECT ON billing.ledger_entries, billing.ledger_accounts, billing.entry_types, billing.balances TO billing_admin, billing_operator, billing_app, billing_tenant;
GRANT SELECT ON billing.trial_balance, billing.balance_windows, billing.balance_snapshots TO billing_admin, billing_operator;

GRANT EXECUTE ON FUNCTION billing.post_entry(text, text, bigint, text, text, text, date, text), billing.reverse_entry(text, uuid, text, date) TO billing_operator;
GRANT EXECUTE ON FUNCTION billing.balance(text, text, text, text) TO billing_operator, billing_auditor, billing_app, billing_tenant;
GRANT EXECUTE ON FUNCTION billing.close_balances(integer, boolean) TO billing_operator;
