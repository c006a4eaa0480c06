-- One tenant's amounts out of range do not keep the others from being billed. In a database of its own, because
-- run_invoices() needs transactions of its own.
SET client_min_messages = warning;
\set home :DBNAME
DROP DATABASE IF EXISTS regress_billing_left_out;
CREATE DATABASE regress_billing_left_out TEMPLATE template0 ENCODING 'UTF8';
\c regress_billing_left_out
SET timezone = 'UTC'; SET datestyle = ISO; SET client_min_messages = warning;
\set SHOW_CONTEXT never
CREATE EXTENSION billing;
SELECT billing.install() \g /dev/null
SELECT billing.ensure_partitions('2026-10-01', '2026-12-01') \g /dev/null
SELECT billing.create_meter('calls', unit => 'call'), billing.create_plan('pro', currency => 'EUR'),
       billing.add_charge('pro', 'calls', meter => 'calls', price => '{"model":"unit","unit":"1"}'), billing.publish_plan('pro') \g /dev/null
SELECT billing.create_account('t' || i, name => 'T' || i), billing.subscribe('t' || i, plan => 'pro', starts => '2026-10-01') FROM generate_series(1, 9) AS i \g /dev/null
-- t3's amount is beyond bigint; t7's events are each in range, and their sum is not.
SELECT billing.record_usage('t' || i, 'calls', 'e1', CASE i WHEN 3 THEN 90000000000000000000 WHEN 7 THEN 60000000000000000000 ELSE i END, '2026-10-05 00:00+00') FROM generate_series(1, 9) AS i \g /dev/null
SELECT billing.record_usage('t7', 'calls', 'e2', 60000000000000000000, '2026-10-06 00:00+00');

-- Seven invoices of as many euros as the tenant's number, gapless; t3 and t7 are named.
SET client_min_messages = notice;
CALL billing.run_invoices('2026-11-01', finalize => true, batch_tenants => 5);
\echo :LAST_ERROR_SQLSTATE
SELECT tenant_id, number, total_minor FROM billing.invoices ORDER BY number;

-- Corrected, the two follow: t3 by a correction of 89999999999999999997, t7 by taking its second event back and most of its first.
SELECT billing.record_usage('t3', 'calls', 'c1', -89999999999999999997, '2026-10-05 00:00+00', corrects => 'e1'),
       billing.record_usage('t7', 'calls', 'c1', -59999999999999999993, '2026-10-05 00:00+00', corrects => 'e1'),
       billing.record_usage('t7', 'calls', 'c2', -60000000000000000000, '2026-10-06 00:00+00', corrects => 'e2');
CALL billing.run_invoices('2026-11-01', finalize => true, batch_tenants => 5);
SELECT tenant_id, number, total_minor FROM billing.invoices WHERE tenant_id IN ('t3', 't7') ORDER BY number;
CALL billing.run_rating('2026-11-01', batch_tenants => 0);
\echo :LAST_ERROR_SQLSTATE
SELECT * FROM billing.check_integrity();
\c :home
DROP DATABASE regress_billing_left_out;
