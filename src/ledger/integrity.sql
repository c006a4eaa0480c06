-- What foreign keys would say of ledger_entries.

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
$$;
COMMENT ON FUNCTION billing.check_ledger() IS 'Internal: the part of billing.check_integrity() that the ledger answers for.';
