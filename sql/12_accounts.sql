-- Who sells and who pays.
SET timezone = 'UTC'; SET datestyle = ISO;
\set SHOW_CONTEXT never
\set ON_ERROR_ROLLBACK on
BEGIN;

SELECT legal_entity_id, name, country, invoice_series, time_zone, payment_days FROM billing.legal_entities;
SELECT billing.create_legal_entity('de', 'Acme Cloud GmbH', country => 'DE', invoice_series => 'ACME', time_zone => 'Europe/Berlin', payment_days => 14);
SELECT billing.create_legal_entity('de', 'Acme Cloud GmbH', country => 'DE', invoice_series => 'ACME', time_zone => 'Europe/Berlin', payment_days => 14);
SELECT billing.create_legal_entity('plain', 'Plain Ltd', payment_days => 0);

SELECT billing.create_legal_entity('de', 'Acme Cloud AG', country => 'DE', invoice_series => 'ACME', time_zone => 'Europe/Berlin', payment_days => 30);
\echo :LAST_ERROR_SQLSTATE
SELECT billing.create_legal_entity('de', 'Acme Cloud GmbH', invoice_series => 'ACME', time_zone => 'Europe/Berlin', payment_days => 14);
\echo :LAST_ERROR_SQLSTATE
SELECT billing.create_legal_entity('', 'x');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.create_legal_entity('x', NULL);
\echo :LAST_ERROR_SQLSTATE
SELECT billing.create_legal_entity('x', 'x', country => 'de');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.create_legal_entity('x', 'x', country => 'DEU');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.create_legal_entity('x', 'x', invoice_series => 'AB-C');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.create_legal_entity('x', 'x', invoice_series => 'ABCDEFGHIJ123');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.create_legal_entity('x', 'x', invoice_series => NULL);
\echo :LAST_ERROR_SQLSTATE
SELECT billing.create_legal_entity('x', 'x', time_zone => 'Mars/Olympus');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.create_legal_entity('x', 'x', time_zone => 'UTC+2');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.create_legal_entity('x', 'x', payment_days => -1);
\echo :LAST_ERROR_SQLSTATE
SELECT billing.create_legal_entity('x', 'x', payment_days => 366);
\echo :LAST_ERROR_SQLSTATE

SELECT billing.create_account('acme', name => 'Acme GmbH');
SELECT billing.create_account('acme', name => 'Acme GmbH');
SELECT billing.create_account('acme', name => 'Acme research', account => 'research', legal_entity => 'de');
SELECT billing.create_account('bolt');
SELECT tenant_id, account_id, name, legal_entity_id FROM billing.accounts ORDER BY tenant_id, account_id;

SELECT billing.create_account('acme', name => 'Acme AG', legal_entity => 'de');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.create_account('acme', account => 'x', legal_entity => 'fr');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.create_account('acme', account => 'x', legal_entity => NULL);
\echo :LAST_ERROR_SQLSTATE
SELECT billing.create_account(NULL);
\echo :LAST_ERROR_SQLSTATE
SELECT billing.create_account(' ');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.create_account(repeat('t', 201));
\echo :LAST_ERROR_SQLSTATE
SELECT billing.create_account('acme', account => '');
\echo :LAST_ERROR_SQLSTATE
SELECT count(*) FROM billing.accounts;

-- Who may: a tenant's session makes its accounts, and no sellers, and reads its own.
SELECT billing.grant_tenant_role(session_user, 'crest', 'app');
SET ROLE billing_app;
SELECT billing.create_account('crest');
SELECT billing.create_legal_entity('x', 'x');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.create_account('acme');
\echo :LAST_ERROR_SQLSTATE
SELECT tenant_id, account_id FROM billing.accounts;
RESET ROLE;
ROLLBACK;
