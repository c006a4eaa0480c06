-- The lines of an invoice, what they bill, and where that is in the log. $1 invoice date, $2 tenant, $3 invoice. A row a line: canon,
-- key of the rated line, key of its entry (NULL when it posted nothing), key of the plan version, and, of a line that draws on counts,
-- the rated line's window_no, first day and last day (NULL otherwise).
SELECT @line_canon@,
       ARRAY[to_char(l.period_start, 'YYYY-MM-DD'), l.tenant_id, l.subscription_id::text, l.plan_id, l.version::text, l.charge_id, r.revision::text],
       CASE WHEN r.posted_minor <> 0 THEN ARRAY[to_char(r.rated_on, 'YYYY-MM-DD'), l.tenant_id, billing.derive_id('entry', l.rated_line_id::text)::text] END,
       ARRAY[l.plan_id, l.version::text],
       CASE WHEN h.meter_id IS NOT NULL AND l.share_days > 0 THEN r.window_no END AS window_no,
       CASE WHEN h.meter_id IS NOT NULL AND l.share_days > 0 THEN l.period_start END AS first_day,
       CASE WHEN h.meter_id IS NOT NULL AND l.share_days > 0 THEN l.period_end - 1 END AS last_day
  FROM billing.invoice_lines l
  JOIN billing.rated_lines r ON r.tenant_id = l.tenant_id AND r.subscription_id = l.subscription_id AND r.plan_id = l.plan_id
                            AND r.version = l.version AND r.charge_id = l.charge_id
                            AND r.period_start = l.period_start AND r.rated_line_id = l.rated_line_id
  JOIN billing.charges h ON h.plan_id = l.plan_id AND h.version = l.version AND h.charge_id = l.charge_id
 WHERE l.invoice_date = $1 AND l.tenant_id = $2 AND l.invoice_id = $3
 ORDER BY l.line_no
