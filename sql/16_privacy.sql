-- Personal data without a key configured: what is refused, and what works all the same. With a key: test/tap, test/pgtap.
SET timezone = 'UTC'; SET datestyle = ISO;
\set SHOW_CONTEXT never
\set ON_ERROR_ROLLBACK on
BEGIN;
SELECT billing.create_account('acme'), billing.create_account('bolt') \g /dev/null

SELECT billing.set_personal_data('acme', 'main', 'email', 'ada@example.org');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.personal_data('acme');
SELECT billing.set_personal_data('acme', 'main', 'email', NULL);

-- What a value must be. No message shows it.
SELECT billing.set_personal_data('acme', 'main', 'email', 'ada.example.org');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.set_personal_data('acme', 'main', 'email', E'ada@example.org\n');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.set_personal_data('acme', 'main', 'phone', 'call me');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.set_personal_data('acme', 'main', 'address', '1 Main Street, York');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.set_personal_data('acme', 'main', 'address', '{"lines":["1 Main Street"],"city":"York","country":"UK."}');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.set_personal_data('acme', 'main', 'tax_numbers', '[]');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.set_personal_data('acme', 'main', 'tax_numbers', '[{"country":"DE","number":"de123"}]');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.set_personal_data('acme', 'main', 'email', repeat('a', 300));
\echo :LAST_ERROR_SQLSTATE
SELECT billing.set_personal_data('acme', 'main', 'address', '{"lines":["4242 4242 \u0034242 4242"],"city":"York","country":"GB"}');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.set_personal_data('acme', 'main', 'email', ' ');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.set_personal_data('acme', 'main', 'birthday', '1815-12-10');
\echo :LAST_ERROR_SQLSTATE

-- Arguments.
SELECT billing.set_personal_data(NULL, 'main', 'email', 'ada@example.org');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.set_personal_data('acme', NULL, 'email', 'ada@example.org');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.set_personal_data('acme', 'main', NULL, 'ada@example.org');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.set_personal_data('acme', 'other', 'email', 'ada@example.org');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.personal_data('nobody');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.personal_data(NULL);
\echo :LAST_ERROR_SQLSTATE
SELECT billing.rewrap_data_keys();
\echo :LAST_ERROR_SQLSTATE
SELECT billing.rewrap_data_keys(0);
\echo :LAST_ERROR_SQLSTATE

-- Erasure.
SELECT billing.erase_subject('acme', 'other', 'asked');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.erase_subject('acme', 'main', ' ');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.erase_subject('acme', 'main', repeat('x', 1001));
\echo :LAST_ERROR_SQLSTATE
SELECT billing.erase_subject('acme', 'main', NULL);
\echo :LAST_ERROR_SQLSTATE
SELECT billing.erase_subject('acme', 'main', 'asked', NULL);
\echo :LAST_ERROR_SQLSTATE
SELECT billing.erase_subject('acme', 'main', 'asked', 'infinity');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.erase_subject('acme', 'main', 'asked', '2026-11-21', keep_years => 101);
\echo :LAST_ERROR_SQLSTATE
SELECT billing.erase_subject('acme', 'main', 'asked', '2026-11-21') - 'erasure_id' AS summary;
SELECT billing.erase_subject('acme', 'main', 'asked again', '2026-11-22') - 'erasure_id' AS summary;
SELECT account_id, purpose, key_id, wrapped_key, destroyed_at IS NOT NULL AS destroyed FROM billing.data_keys ORDER BY purpose;
SELECT account_id, cause, fields_destroyed, fields_restricted, purge_after, erased_on FROM billing.erasures;
SELECT billing.set_personal_data('acme', 'main', 'email', 'ada@example.org');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.purge_subjects('2026-11-21');
SELECT billing.purge_subjects('infinity');
\echo :LAST_ERROR_SQLSTATE
DELETE FROM billing.erasures;
\echo :LAST_ERROR_SQLSTATE

-- Who may.
SET ROLE billing_tenant;
SELECT billing.set_personal_data('bolt', 'main', 'email', NULL);
\echo :LAST_ERROR_SQLSTATE
RESET ROLE;
SET ROLE billing_app;
SELECT billing.erase_subject('bolt', 'main', 'asked');
\echo :LAST_ERROR_SQLSTATE
SELECT count(*) FROM billing.personal_fields;
\echo :LAST_ERROR_SQLSTATE
RESET ROLE;
-- Who has a tenant: its own, and another one is as one that does not exist.
SET ROLE billing_app;
SELECT billing.personal_data('bolt');
\echo :LAST_ERROR_SQLSTATE
RESET ROLE;
SELECT billing.grant_tenant_role(session_user::text, 'bolt', 'app') \g /dev/null
SET ROLE billing_app;
SELECT billing.personal_data('bolt');
SELECT billing.set_personal_data('bolt', 'main', 'email', NULL);
SELECT billing.personal_data('acme');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.personal_data('nobody');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.personal_data('acme', 'nothing', true);
\echo :LAST_ERROR_SQLSTATE
SELECT billing.set_personal_data('acme', 'main', 'birthday', 'x');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.personal_data(NULL);
\echo :LAST_ERROR_SQLSTATE
SELECT count(*) FROM billing.erasures;
RESET ROLE;
SELECT billing.revoke_tenant_role(session_user::text), billing.grant_tenant_role(session_user::text, 'bolt', 'tenant') \g /dev/null
SET ROLE billing_app;
SELECT billing.set_personal_data('bolt', 'main', 'email', NULL);
\echo :LAST_ERROR_SQLSTATE
RESET ROLE;
SET ROLE billing_operator;
SELECT billing.personal_data('bolt');
SELECT count(*) FROM billing.data_keys;
\echo :LAST_ERROR_SQLSTATE
SELECT billing.rewrap_data_keys();
\echo :LAST_ERROR_SQLSTATE
RESET ROLE;
ROLLBACK;
