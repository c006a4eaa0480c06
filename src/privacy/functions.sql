-- Personal data: stored encrypted, read by who may, erased so that nobody can.

CREATE FUNCTION billing.set_personal_data(tenant text, account text, field text, value text) RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'billing_set_personal_data';
COMMENT ON FUNCTION billing.set_personal_data(text, text, text, text) IS
'Stores a personal field of an account, encrypted, in the place of what was there; NULL takes it away. field and value: email, a text; phone, a text; address, JSON {"lines": [..], "city", "postal_code", "region", "country"}, of which postal_code and region may be missing; tax_numbers, JSON [{"country", "number"}, ..]. Countries are ISO 3166-1 alpha-2. Errors, none of which shows the value: MB400 unknown field or malformed value; MB422 it holds a card number; MB401, MB403, MB440 not a session of the tenant that may change things; MB440 account; MB470 the key file cannot be used; MB471 no key is configured; MB473 the subject was erased; MB425.';

CREATE FUNCTION billing.personal_data(tenant text, account text DEFAULT 'main', restricted boolean DEFAULT false) RETURNS jsonb
LANGUAGE C VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'billing_personal_data';
COMMENT ON FUNCTION billing.personal_data(text, text, boolean) IS
'The personal fields of an account, decrypted: an object with a member for each that is stored. restricted: after an erasure also those that are kept only because the law says so, for who must see them (a copy of an invoice, a tax audit). Errors: MB400 an argument is null; MB401, MB440 not a session of the tenant; MB440 account; MB470 the key file cannot be used, or the key is not in it; MB471 no key is configured; MB472 a ciphertext is not what was stored there; MB425.';

CREATE FUNCTION billing.erase_subject(tenant text, account text, reason text, today date DEFAULT (now() AT TIME ZONE 'UTC')::date,
                                      keep_years integer DEFAULT 10) RETURNS jsonb
LANGUAGE C VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'billing_erase_subject';
COMMENT ON FUNCTION billing.erase_subject(text, text, text, date, integer) IS
'Destroys the key of an account''s contact data, and restricts what stands on its invoices (address, tax numbers) until keep_years after its last invoice, or after today when it has subscriptions and no invoice yet; with neither, or when that time is over, it is destroyed too. Nothing more is stored for the account. Returns erasure_id, fields_destroyed, fields_restricted and purge_after, and again the same when called again. reason: kept as a hash only; 1 to 1000 characters. keep_years: 0 to 100. Ledger, invoices and evidence stay, and with them the account''s name and keys. Errors: MB400, MB417 today; MB440 account; MB425.';

CREATE FUNCTION billing.purge_subjects(today date DEFAULT (now() AT TIME ZONE 'UTC')::date) RETURNS integer
LANGUAGE C VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'billing_purge_subjects';
COMMENT ON FUNCTION billing.purge_subjects(date) IS
'Destroys the keys of restricted data whose time was over before today, all tenants'' in one statement, records an erasure for each, and returns how many. Where invoices were made since the erasure, the time is put off. Errors: MB400, MB417 today; MB425.';

CREATE FUNCTION billing.rewrap_data_keys("limit" integer DEFAULT NULL) RETURNS integer
LANGUAGE C VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'billing_rewrap_data_keys';
COMMENT ON FUNCTION billing.rewrap_data_keys(integer) IS
'Wraps data keys that are wrapped with another key of the file billing.field_key_file with its first, and returns how many; what they encrypt stays as it is. limit: at most so many, all when NULL. When it returns 0 the other keys can leave the file. Errors: MB400 a limit below 1; MB470 the key file cannot be used, or a key is not in it; MB471 no key is configured; MB472 a wrapped key is not what was stored there; MB425.';

CREATE FUNCTION billing.rewrap_data_key(tenant text, account text, purpose text, key_id text, wrapped_key bytea) RETURNS bytea
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'billing_rewrap_data_key';
COMMENT ON FUNCTION billing.rewrap_data_key(text, text, text, text, bytea) IS 'Internal: a data key wrapped with the first key of the file. Errors: as billing.rewrap_data_keys().';
