-- What foreign keys would say of ledger_entries, and what follows from them.

CREATE FUNCTION billing.balance_heads() RETURNS TABLE (tenant_id text, account_id text, currency text, window_no bigint, snapshot pg_snapshot)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT l.tenant_id, l.account_id, l.currency, l.window_no, w.snapshot
      FROM (SELECT s.tenant_id, s.account_id, s.currency, max(s.window_no) AS window_no FROM billing.balance_snapshots s GROUP BY 1, 2, 3) AS l
      JOIN billing.balance_windows w ON w.window_no = l.window_no
$$;
COMMENT ON FUNCTION billing.balance_heads() IS 'Internal: the last window that closed each account, per currency.';

CREATE FUNCTION billing.check_ledger() RETURNS TABLE (check_name text, tenant_id text, problem text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off AS $$
    SELECT 'entries move between their type''s accounts', e.tenant_id, format('entry %s of type %s debits %s and credits %s', e.entry_id, e.entry_type, e.debit_account, e.credit_account)
      FROM billing.ledger_entries e
      LEFT JOIN billing.entry_types t USING (entry_type)
     WHERE (e.debit_account, e.credit_account) IS DISTINCT FROM
           (CASE e.source WHEN 'reversal' THEN t.credit_account ELSE t.debit_account END,
            CASE e.source WHEN 'reversal' THEN t.debit_account ELSE t.credit_account END)
    UNION ALL
    SELECT 'entries have an account and a currency', e.tenant_id, format('entry %s names account %s and currency %s', e.entry_id, e.account_id, e.currency)
      FROM billing.ledger_entries e
     WHERE NOT EXISTS (SELECT FROM billing.accounts a WHERE a.tenant_id = e.tenant_id AND a.account_id = e.account_id)
        OR NOT EXISTS (SELECT FROM billing.currencies c WHERE c.currency = e.currency)
    UNION ALL
    SELECT 'entry ids are given once', e.tenant_id, format('entry %s is there %s times', e.entry_id, count(*))
      FROM billing.ledger_entries e GROUP BY e.tenant_id, e.entry_id HAVING count(*) > 1
    UNION ALL
    SELECT 'reversals undo their entry', r.tenant_id, format('reversal %s of %s', r.entry_id, r.source_id)
      FROM billing.ledger_entries r
      LEFT JOIN billing.ledger_entries e ON e.tenant_id = r.tenant_id AND e.entry_id = r.source_id
     WHERE r.source = 'reversal'
       AND (r.amount_minor, r.currency, r.debit_account, r.account_id) IS DISTINCT FROM (e.amount_minor, e.currency, e.credit_account, e.account_id)
    UNION ALL
    SELECT 'balance snapshots are sums of entries', d.tenant_id, format('account %s at window %s: %s in %s differs by %s', d.account_id, d.window_no, d.ledger_account, d.currency, sum(d.total))
      FROM (SELECT h.tenant_id, h.account_id, h.currency, h.window_no, s.ledger_account, s.total
              FROM billing.balance_heads() AS h
              JOIN billing.balance_snapshots s USING (tenant_id, account_id, currency, window_no)
            UNION ALL
            SELECT h.tenant_id, h.account_id, h.currency, h.window_no, v.ledger_account, v.total
              FROM billing.balance_heads() AS h
              JOIN billing.ledger_entries e USING (tenant_id, account_id, currency)
             CROSS JOIN LATERAL (VALUES (e.debit_account, -e.amount_minor), (e.credit_account, e.amount_minor)) AS v (ledger_account, total)
             WHERE pg_visible_in_snapshot(e.log_xid, h.snapshot)) AS d
     GROUP BY d.tenant_id, d.account_id, d.window_no, d.ledger_account, d.currency
    HAVING sum(d.total) <> 0
$$;
COMMENT ON FUNCTION billing.check_ledger() IS 'Internal: the part of billing.check_integrity() that the ledger answers for.';
