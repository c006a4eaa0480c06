-- What must hold of rated lines, and between them and the ledger.

CREATE FUNCTION billing.check_rating() RETURNS TABLE (check_name text, tenant_id text, problem text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off AS $$
    SELECT 'postings add up to the amount', r.tenant_id, format('charge %s of subscription %s from %s: posted %s, revisions 1 to %s, amount %s', r.charge_id, r.subscription_id,
                                                                r.period_start, sum(r.posted_minor), max(r.revision), (array_agg(r.amount_minor ORDER BY r.revision DESC))[1])
      FROM billing.rated_lines r
     GROUP BY r.tenant_id, r.subscription_id, r.plan_id, r.version, r.charge_id, r.period_start
    HAVING sum(r.posted_minor) <> (array_agg(r.amount_minor ORDER BY r.revision DESC))[1] OR count(*) <> max(r.revision)
    UNION ALL
    SELECT 'rated lines have a subscription and a charge', r.tenant_id, format('rated line %s', r.rated_line_id)
      FROM billing.rated_lines r
     WHERE NOT EXISTS (SELECT FROM billing.subscriptions s WHERE s.tenant_id = r.tenant_id AND s.subscription_id = r.subscription_id AND s.account_id = r.account_id)
        OR NOT EXISTS (SELECT FROM billing.charges c WHERE (c.plan_id, c.version, c.charge_id) = (r.plan_id, r.version, r.charge_id))
    UNION ALL
    SELECT 'amounts are price times quantity', r.tenant_id, format('rated line %s says %s', r.rated_line_id, r.amount_minor)
      FROM billing.rated_lines r
      JOIN billing.charges c USING (plan_id, version, charge_id)
      JOIN billing.currencies u USING (currency)
     WHERE r.amount_minor <> CASE WHEN r.share_days = 0 THEN 0 ELSE billing.rate_minor(c.price, r.quantity, u.exponent, r.share_days, r.share_of_days) END
    UNION ALL
    SELECT 'differences are posted', coalesce(r.tenant_id, e.tenant_id), format('rated line %s posted %s, entry %s of %s', r.rated_line_id, r.posted_minor, e.entry_id, e.amount_minor)
      FROM (SELECT * FROM billing.rated_lines WHERE posted_minor <> 0) AS r
      FULL JOIN (SELECT * FROM billing.ledger_entries WHERE source = 'rated_line') AS e ON e.tenant_id = r.tenant_id AND e.source_id = r.rated_line_id
     WHERE (abs(r.posted_minor), r.currency, r.account_id, r.posted_minor < 0) IS DISTINCT FROM
           (e.amount_minor, e.currency, e.account_id, e.entry_type LIKE '%\_correction')
$$;
COMMENT ON FUNCTION billing.check_rating() IS 'Internal: the part of billing.check_integrity() that rating answers for.';
