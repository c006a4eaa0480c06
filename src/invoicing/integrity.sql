-- What must hold of invoices, and the call that asks every module.

CREATE FUNCTION billing.check_invoices() RETURNS TABLE (check_name text, tenant_id text, problem text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off AS $$
    SELECT 'lines add up to their invoice', coalesce(i.tenant_id, l.tenant_id), format('invoice %s: %s lines of %s against %s of %s', coalesce(i.invoice_id, l.invoice_id), l.lines, l.total, i.line_count, i.subtotal_minor)
      FROM billing.invoices i
      FULL JOIN (SELECT invoice_date, tenant_id, invoice_id, count(*) AS lines, max(line_no) AS last_line, sum(amount_minor) AS total, min(currency) AS currency, max(currency) AS other
                   FROM billing.invoice_lines GROUP BY invoice_date, tenant_id, invoice_id) AS l USING (invoice_date, tenant_id, invoice_id)
     WHERE (i.line_count, i.line_count, i.subtotal_minor, i.currency, i.currency) IS DISTINCT FROM (l.lines, l.last_line, l.total, l.currency, l.other)
    UNION ALL
    SELECT 'lines bill a rated line', l.tenant_id, format('line %s of invoice %s', l.line_no, l.invoice_id)
      FROM billing.invoice_lines l
     WHERE NOT EXISTS (SELECT FROM billing.rated_lines r
                        WHERE r.period_start = l.period_start AND r.tenant_id = l.tenant_id AND r.subscription_id = l.subscription_id AND r.plan_id = l.plan_id AND r.version = l.version AND r.charge_id = l.charge_id
                          AND r.rated_line_id = l.rated_line_id AND r.amount_minor = l.rated_minor AND r.currency = l.currency)
    UNION ALL
    SELECT 'one invoice per account, currency and day', i.tenant_id, format('%s on %s in %s', i.account_id, i.invoice_date, i.currency)
      FROM billing.invoices i WHERE i.status <> 'void'
     GROUP BY i.tenant_id, i.account_id, i.invoice_date, i.currency HAVING count(*) > 1
    UNION ALL
    SELECT 'finalized totals are posted', coalesce(i.tenant_id, e.tenant_id), format('invoice %s of %s, posted %s', coalesce(i.invoice_id, e.source_id), i.total_minor, e.posted)
      FROM (SELECT * FROM billing.invoices WHERE status <> 'draft' AND total_minor <> 0) AS i
      FULL JOIN (SELECT tenant_id, source_id, sum(CASE debit_account WHEN 'receivable' THEN amount_minor ELSE -amount_minor END) AS posted
                   FROM billing.ledger_entries WHERE source = 'invoice' GROUP BY tenant_id, source_id) AS e ON e.tenant_id = i.tenant_id AND e.source_id = i.invoice_id
     WHERE e.posted IS DISTINCT FROM CASE i.status WHEN 'void' THEN 0 ELSE i.total_minor END
$$;
COMMENT ON FUNCTION billing.check_invoices() IS 'Internal: the part of billing.check_integrity() about invoices, their lines and their entries.';

CREATE FUNCTION billing.check_invoice_records() RETURNS TABLE (check_name text, tenant_id text, problem text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off AS $$
    SELECT 'numbers are gapless', NULL::text, format('series %s of %s: %s invoices, %s different numbers from %s to %s, counter at %s', n.series, n.legal_entity_id, i.invoices, i.numbers, i.first, i.last, n.last_number)
      FROM billing.number_series n
      FULL JOIN (SELECT legal_entity_id, regexp_replace(number, '-\d+$', '') AS series, count(*) AS invoices, count(DISTINCT number) AS numbers,
                        min(regexp_replace(number, '^.*-', '')::bigint) AS first, max(regexp_replace(number, '^.*-', '')::bigint) AS last
                   FROM billing.invoices WHERE number IS NOT NULL GROUP BY 1, 2) AS i USING (legal_entity_id, series)
     WHERE (1, n.last_number, n.last_number, n.last_number) IS DISTINCT FROM (i.first, i.last, i.invoices, i.numbers)
    UNION ALL
    SELECT 'event chains hold', e.tenant_id, format('event %s of invoice %s', e.sequence, e.invoice_id)
      FROM (SELECT *, lag(ev.sequence) OVER chain AS last_sequence, lag(ev.self_hash) OVER chain AS last_hash
              FROM billing.invoice_events ev WINDOW chain AS (PARTITION BY ev.tenant_id, ev.invoice_id ORDER BY ev.sequence)) AS e
     CROSS JOIN LATERAL billing.chain_invoice_event(e.tenant_id, e.invoice_id, e.last_sequence, e.last_hash, e.from_status, e.to_status, e.total_minor, e.actor, e.reason, e.occurred_at, e.document_hash, e.salt) AS c
     WHERE (c.sequence, c.prev_hash, c.self_hash) IS DISTINCT FROM (e.sequence, e.prev_hash, e.self_hash)
    UNION ALL
    SELECT 'events tell the status', i.tenant_id, format('invoice %s is %s, its last event says %s', i.invoice_id, i.status, e.to_status)
      FROM billing.invoices i
      LEFT JOIN (SELECT DISTINCT ON (ev.tenant_id, ev.invoice_id) * FROM billing.invoice_events ev ORDER BY ev.tenant_id, ev.invoice_id, ev.sequence DESC) AS e USING (tenant_id, invoice_id)
     WHERE e.to_status IS DISTINCT FROM i.status
    UNION ALL
    SELECT 'invoices come from a run', i.tenant_id, format('invoice %s', i.invoice_id)
      FROM billing.invoices i
     WHERE NOT EXISTS (SELECT FROM billing.invoice_runs r WHERE r.invoice_date = i.invoice_date AND r.tenant_id = i.tenant_id AND r.invoice_id = i.invoice_id)
$$;
COMMENT ON FUNCTION billing.check_invoice_records() IS 'Internal: the part of billing.check_integrity() about numbers, events and runs.';

CREATE FUNCTION billing.check_integrity() RETURNS TABLE (check_name text, tenant_id text, problem text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT * FROM billing.check_metering()
    UNION ALL SELECT * FROM billing.check_coverage()
    UNION ALL SELECT * FROM billing.check_rating()
    UNION ALL SELECT * FROM billing.check_ledger()
    UNION ALL SELECT * FROM billing.check_invoices()
    UNION ALL SELECT * FROM billing.check_invoice_records()
$$;
COMMENT ON FUNCTION billing.check_integrity() IS
'Looks at everything that constraints do not enforce: parents of the tables without foreign keys, covered days against the usage recorded of them, postings against rated lines, lines against invoices, totals against the ledger, numbers without gap, hash chains. One row per problem, naming the check and the tenant; no rows is good. It reads every row: for a quiet hour.';
