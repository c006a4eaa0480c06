-- Who may what with personal data. The wrapped keys and ciphertexts are for nobody but the auditor.
GRANT EXECUTE ON FUNCTION billing.set_personal_data(text, text, text, text) TO billing_admin, billing_operator, billing_app;
GRANT EXECUTE ON FUNCTION billing.personal_data(text, text, boolean) TO billing_admin, billing_operator, billing_app, billing_tenant;
GRANT EXECUTE ON FUNCTION billing.erase_subject(text, text, text, date, integer), billing.purge_subjects(date) TO billing_admin, billing_operator;
GRANT EXECUTE ON FUNCTION billing.rewrap_data_keys(integer) TO billing_admin;
GRANT SELECT ON billing.data_keys, billing.personal_fields TO billing_auditor;
GRANT SELECT ON billing.erasures TO billing_admin, billing_operator, billing_auditor, billing_app, billing_tenant;
