-- What came out. The invoice shown is of October, in EUR, and short; one of its GPU lines reaches the third tier.
SELECT to_regclass('cron.job') IS NOT NULL AS has_cron \gset
\pset format unaligned
\pset tuples_only on
\if :has_cron
SELECT format('pg_cron does the next ones: "%s" at %s (GMT): %s', jobname, schedule, command) FROM cron.job;
\else
\qecho pg_cron is not preloaded for this database, so no month end is scheduled.
\endif
CREATE VIEW demo.shown_invoice AS
SELECT i.number
  FROM billing.invoices i JOIN billing.invoice_lines l USING (invoice_date, tenant_id, invoice_id)
 WHERE i.invoice_date = '2026-11-01' AND i.currency = 'EUR'
 GROUP BY i.number, i.line_count
 ORDER BY bool_or(l.charge_id LIKE 'gpu-%' AND l.quantity > 180000000) AND bool_or(l.charge_id = 'bytes' AND l.quantity > 10000000) DESC,
       i.line_count, i.number
 LIMIT 1;
SELECT number FROM demo.shown_invoice \gset
SET ROLE billing_auditor;
\qecho
SELECT * FROM billing.show_invoice(:'number');
\qecho
\qecho The same as a document:
SELECT jsonb_pretty(billing.invoice_document(:'number'));
\pset tuples_only off
\pset format aligned
\pset footer off
\pset linestyle unicode
\pset border 1
\qecho
\qecho Machines: devices by their whole keys, days covered and billed, identities in conflict; and the conflicts there would be among bare ids
SELECT (SELECT count(*) FROM billing.devices) AS devices, (SELECT count(*) FROM billing.coverage_daily_state WHERE is_counted) AS device_days,
       (SELECT count(DISTINCT (tenant_id, identity_value)) FROM billing.coverage_disputes) AS conflicts,
       (SELECT count(*) FROM (SELECT split_part(device_key, '/', 4) FROM billing.devices GROUP BY 1 HAVING count(*) > 1) AS c) AS conflicts_of_bare_ids;
\qecho Invoices per currency, and of them those of October
SELECT i.currency, count(*) AS invoices, sum(i.line_count) AS lines, billing.format_amount(sum(i.total_minor)::bigint, i.currency) AS total,
       count(*) FILTER (WHERE i.invoice_date = '2026-11-01') AS of_october,
       billing.format_amount((sum(i.total_minor) FILTER (WHERE i.invoice_date = '2026-11-01'))::bigint, i.currency) AS october_total
  FROM billing.invoices i GROUP BY i.currency ORDER BY i.currency;
\qecho Trial balance
SELECT t.ledger_account, billing.format_amount(t.debit_minor, t.currency) AS debit, billing.format_amount(t.credit_minor, t.currency) AS credit,
       billing.format_amount(t.balance_minor, t.currency) AS balance
  FROM billing.trial_balance t ORDER BY t.currency, t.ledger_account;
