-- Who may call the functions of ledger.

GRANT EXECUTE ON FUNCTION billing.post_entry(text, text, bigint, text, text, text, date, text), billing.reverse_entry(text, uuid, text, date) TO billing_operator;
GRANT EXECUTE ON FUNCTION billing.balance(text, text, text, text) TO billing_operator, billing_auditor;
