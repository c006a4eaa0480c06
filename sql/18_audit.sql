-- The audit log: what was before and after, who did it in whose role, by which call; and that nobody takes it back.
SET client_min_messages = warning;
SET timezone = 'UTC'; SET datestyle = ISO;
\set SHOW_CONTEXT never
BEGIN;
SELECT billing.install() \g /dev/null
\set ON_ERROR_ROLLBACK on
CREATE TEMP TABLE seen AS SELECT audit_id FROM billing.audit_log;
CREATE VIEW pg_temp.news AS
SELECT session_role = session_user AS by_session, acting_role, action, call, object_type, subject_tenant, object_key, before, after - '{created_at,published_at}'::text[] AS after, audit_id
  FROM billing.audit_log WHERE audit_id NOT IN (SELECT audit_id FROM seen) ORDER BY audit_id;
SELECT current_user AS me \gset

-- Made, changed, removed; what changes nothing leaves nothing, nor does what fails.
SELECT billing.create_account('audited', name => 'Audited Ltd'), billing.create_account('audited', name => 'Audited Ltd');
UPDATE billing.accounts SET name = name WHERE tenant_id = 'audited';
UPDATE billing.accounts SET name = 'Other' WHERE tenant_id = 'audited';
DELETE FROM billing.accounts WHERE tenant_id = 'audited';
SELECT billing.create_account('audited', legal_entity => 'none');
SAVEPOINT before;
SELECT billing.create_account('gone');
ROLLBACK TO before;
SELECT action, call, object_type, subject_tenant, object_key, before - 'created_at' AS before, after FROM pg_temp.news;
SELECT bool_and(by_session) AS by_session, bool_and(acting_role = :'me') AS as_me FROM pg_temp.news;
INSERT INTO seen SELECT audit_id FROM pg_temp.news;

-- The outermost call, however deep the row was written: within functions of the user's own, which are none of ours, and from C.
CREATE FUNCTION public.mine(text) RETURNS text LANGUAGE plpgsql AS 'BEGIN RETURN billing.create_product($1); END';
SELECT public.mine('deep');
DO $$ BEGIN PERFORM billing.create_product('within a block'); END $$;
SELECT billing.create_meter('audited', unit => 'call'), billing.create_plan('audited', currency => 'EUR'),
       billing.add_charge('audited', 'calls', meter => 'audited', price => '{"model":"unit","unit":"1"}');
SELECT (billing.publish_plan('audited')).version;
SELECT billing.draft_plan('audited'), billing.remove_charge('audited', 'calls');
SELECT billing.create_account('audited');
SELECT billing.subscribe('audited', 'audited', '2026-01-01') AS subscription \gset
SELECT billing.cancel_subscription('audited', :'subscription', effective => '2026-03-01', today => '2026-02-01');
SELECT billing.resume_subscription('audited', :'subscription', today => '2026-02-01');
SELECT billing.ensure_partitions('2041-01-01', '2041-02-01') > 0 AS made;
SET LOCAL search_path = billing, public;
SELECT create_product('found by search_path');
RESET search_path;
SELECT billing.rotate_signing_key('PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW');
SELECT action, call, object_type, before, after - '{created_at,starts,subscription_id,tenant_id,account_id,anchor,currency,period_months,version,position,filter,in_advance,prorate,price,price_hash,name,unit,dimensions,aggregation,log_xid,registered_at}'::text[] AS after
  FROM (SELECT action, call, object_type, before - '{plan_hash,log_xid,price_hash,price,created_at,subscription_id}'::text[] AS before, after - '{plan_hash,published_at,adopted_at}'::text[] AS after, audit_id FROM pg_temp.news) AS n ORDER BY audit_id;
INSERT INTO seen SELECT audit_id FROM pg_temp.news;

-- Who: the role in force outside of the call, whatever a transaction pooler sets; a definer function of the user's counts as its caller.
CREATE ROLE regress_billing_boss; GRANT billing_admin TO regress_billing_boss;
CREATE FUNCTION public.as_definer(text) RETURNS text LANGUAGE sql SECURITY DEFINER AS 'SELECT billing.create_product($1)';
GRANT EXECUTE ON FUNCTION public.as_definer(text) TO regress_billing_boss;
SET LOCAL ROLE regress_billing_boss;
SELECT billing.create_product('by role');
SELECT public.as_definer('by definer');
RESET ROLE;
SELECT set_config('role', 'regress_billing_boss', true);
SELECT set_config('application_name', 'pool 4242 4242 4242 4242', true);
SELECT billing.create_product('by setting');
SELECT set_config('application_name', 'pool', true);
SELECT billing.create_product('with a name');
SELECT count(*) >= 4 AS admins_read FROM billing.audit_log;
RESET ROLE;
SELECT n.by_session, n.acting_role, l.application_name, n.object_key FROM pg_temp.news n JOIN billing.audit_log l USING (audit_id) ORDER BY n.audit_id;

-- Nobody else reads it, and nobody changes it; the trigger stays in replica mode.
SET LOCAL ROLE billing_app;
SELECT count(*) FROM billing.audit_log;
SET LOCAL ROLE billing_tenant;
SELECT count(*) FROM billing.audit_log;
RESET ROLE;
UPDATE billing.audit_log SET acting_role = 'x';
\echo :LAST_ERROR_SQLSTATE
DELETE FROM billing.audit_log;
TRUNCATE billing.audit_log;
INSERT INTO seen SELECT audit_id FROM pg_temp.news;
SET LOCAL session_replication_role = replica;
UPDATE billing.products SET name = 'in replica mode' WHERE product_id = 'deep';
DELETE FROM billing.audit_log;
RESET session_replication_role;
SELECT action, call, object_type, before, after FROM pg_temp.news;
ROLLBACK;
