-- The extension, its tables, and the month partitions that the demo writes to. Optional: pg_cron for the month end.
SELECT EXISTS (SELECT FROM pg_available_extensions WHERE name = 'pg_cron')
       AND current_setting('cron.database_name', true) IS NOT DISTINCT FROM current_database() AS has_cron \gset
CREATE EXTENSION billing;
\o /dev/null
SELECT billing.install();
SELECT billing.ensure_partitions('2026-06-01', '2027-01-01');
\if :has_cron
CREATE EXTENSION pg_cron;
SELECT cron.schedule('month-end', '10 0 1 * *', 'CALL billing.run_invoices(finalize => true)');
\endif
\o
SELECT count(*) FROM pg_class c WHERE c.relnamespace = 'billing'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition;
