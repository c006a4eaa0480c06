-- Installing: before, once, again.
SET timezone = 'UTC'; SET datestyle = ISO;
SELECT billing.ensure_partitions('2026-01-01', '2026-02-01');
\echo :LAST_ERROR_SQLSTATE
SELECT regexp_replace(billing.install(), '\d+ modules', 'N modules') AS install;
SELECT billing.install();
SELECT billing.migrate();
