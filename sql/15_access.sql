-- Whose session it is: what is refused, in which words, and what the rule of row security makes.
-- Tokens that verify need a key file, so they are in test/pgtap/access.sql; here sessions stand for a tenant by their login.
\set VERBOSITY terse
BEGIN;
\set ON_ERROR_ROLLBACK on
SET LOCAL client_min_messages = warning;
SELECT billing.install() \g /dev/null
SELECT billing.create_account('acme', name => 'Acme') AS account, billing.create_account('bolt') AS account;

-- Nobody's session.
SELECT billing.current_tenant(), billing.current_token_subject();
SET LOCAL ROLE billing_app;
SELECT billing.current_tenant(), billing.current_token_subject();
SELECT tenant_id FROM billing.accounts;
\set VERBOSITY default
SELECT billing.create_account('acme');
\echo :LAST_ERROR_SQLSTATE
\set VERBOSITY terse

-- A setting is no identity.
SET LOCAL billing.token = 'acme';
SHOW billing.token;
SELECT count(*) FROM pg_settings WHERE name = 'billing.token';
SELECT billing.current_tenant();
\echo :LAST_ERROR_SQLSTATE
SELECT tenant_id FROM billing.accounts;
\echo :LAST_ERROR_SQLSTATE
SELECT billing.create_account('acme');
\echo :LAST_ERROR_SQLSTATE
SET LOCAL billing.token = 'a.b.c';
SELECT billing.current_tenant();
SET LOCAL billing.token = 'eyJhbGciOiJub25lIn0.e30.';
SELECT billing.current_tenant();
RESET billing.token;
SET billing.token_key_file = 'elsewhere';
\set VERBOSITY sqlstate
SHOW billing.token_key_file;
\set VERBOSITY default
SELECT billing.issue_token('acme');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.grant_tenant_role('billing_app', 'acme');
\echo :LAST_ERROR_SQLSTATE
SELECT * FROM billing.tenant_roles;
\echo :LAST_ERROR_SQLSTATE
RESET ROLE;

-- A login that stands for a tenant.
SELECT billing.grant_tenant_role(session_user, 'acme');
SELECT billing.grant_tenant_role(session_user, 'acme');
\set VERBOSITY default
SELECT billing.grant_tenant_role('no such role', 'acme');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.grant_tenant_role(session_user, 'acme', 'admin');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.grant_tenant_role(session_user, ' ');
\echo :LAST_ERROR_SQLSTATE
SELECT tenant, role, comment, granted_at = now() AS now FROM billing.tenant_roles WHERE role_name = session_user;
SET LOCAL ROLE billing_app;
SELECT billing.current_tenant(), billing.current_token_subject();
SELECT tenant_id, name FROM billing.accounts;
SELECT billing.balance('acme', 'EUR');
SELECT billing.create_account('acme');
\echo :LAST_ERROR_SQLSTATE
-- A tenant that is, and one that is not.
SELECT billing.balance('bolt', 'EUR');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.balance('none', 'EUR');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.balance(NULL, 'EUR');
\echo :LAST_ERROR_SQLSTATE
RESET ROLE;
SELECT billing.revoke_tenant_role(session_user);
SELECT billing.grant_tenant_role(session_user, 'acme', 'app');
SET LOCAL ROLE billing_app;
SELECT billing.create_account('acme', name => 'Acme');
SELECT billing.record_usage('[{"tenant":"acme","meter":"m","event_id":"1"},{"tenant":"bolt","meter":"m","event_id":"2"}]');
\echo :LAST_ERROR_SQLSTATE
\set VERBOSITY terse
RESET ROLE;
SELECT billing.revoke_tenant_role(session_user), billing.revoke_tenant_role(session_user), billing.revoke_tenant_role(NULL);

-- What the rule makes of a table.
SELECT * FROM unnest(billing.tenant_policies('billing.accounts')) AS policy;
SELECT billing.protect_tables();
DROP POLICY staff_reads ON billing.accounts;
SELECT billing.protect_table('billing.accounts'), billing.protect_table('billing.accounts');
ROLLBACK;
