-- Follows rated_now: the revisions to write; parameters as there. The last count window is read here, and not before, so that
-- window_no says exactly which windows the quantity has in it.
, latest AS (
    SELECT DISTINCT ON (r.tenant_id, r.subscription_id, r.plan_id, r.version, r.charge_id, r.period_start) r.*
      FROM subscriptions s
      JOIN billing.rated_lines r ON r.tenant_id = s.tenant_id AND r.subscription_id = s.subscription_id AND r.period_start >= s.rate_from
     WHERE r.tenant_id BETWEEN $2 AND $3 AND r.period_start >= (SELECT min(rate_from) FROM subscriptions)
     ORDER BY r.tenant_id, r.subscription_id, r.plan_id, r.version, r.charge_id, r.period_start, r.revision DESC
), wanted AS (
    SELECT n.tenant_id, n.subscription_id, n.charge_id, n.period_start, n.account_id, n.plan_id, n.version, n.period_end,
           n.due_on, n.share_days, n.share_of_days, n.quantity, n.amount_minor, n.currency, n.price_hash, n.in_advance, n.meter_id, n.rate_to
      FROM rated_now n
    UNION ALL
    -- What was rated and is no longer charged, because a later change of terms took the segment away, comes to nothing.
    SELECT l.tenant_id, l.subscription_id, l.charge_id, l.period_start, l.account_id, l.plan_id, l.version, l.period_end,
           l.due_on, 0, l.share_of_days, 0, 0, l.currency, c.price_hash, c.in_advance, c.meter_id, s.rate_to
      FROM latest l
      JOIN subscriptions s USING (tenant_id, subscription_id)
      JOIN billing.charges c USING (plan_id, version, charge_id)
     WHERE NOT EXISTS (SELECT FROM rated_now n
                        WHERE n.tenant_id = l.tenant_id AND n.subscription_id = l.subscription_id
                          AND n.plan_id = l.plan_id AND n.version = l.version AND n.charge_id = l.charge_id AND n.period_start = l.period_start)
), keyed AS (
    SELECT w.*, billing.fingerprint(w.tenant_id, w.subscription_id::text, w.plan_id, w.version::text, w.charge_id,
                                    encode(w.price_hash, 'hex'), (w.period_start - DATE '1970-01-01')::text,
                                    (w.period_end - DATE '1970-01-01')::text, (w.due_on - DATE '1970-01-01')::text,
                                    w.share_days::text, w.share_of_days::text, w.quantity::text, w.amount_minor::text, w.currency) AS rating_key
      FROM wanted w
), new_lines AS (
    INSERT INTO billing.rated_lines (period_start, tenant_id, subscription_id, charge_id, revision, rated_line_id, account_id,
                                     plan_id, version, period_end, due_on, share_days, share_of_days, quantity, amount_minor,
                                     posted_minor, currency, rating_key, rated_on, window_no)
    SELECT k.period_start, k.tenant_id, k.subscription_id, k.charge_id, coalesce(l.revision, 0) + 1,
           billing.derive_id('rated_line', k.tenant_id, k.subscription_id::text, k.plan_id, k.version::text, k.charge_id,
                             (k.period_start - DATE '1970-01-01')::text, (coalesce(l.revision, 0) + 1)::text),
           k.account_id, k.plan_id, k.version, k.period_end, k.due_on, k.share_days, k.share_of_days, k.quantity, k.amount_minor,
           k.amount_minor - coalesce(l.amount_minor, 0), k.currency, k.rating_key, k.rate_to,
           (SELECT coalesce(max(w.window_no), 0) FROM billing.count_windows w)
      FROM keyed k
      LEFT JOIN latest l USING (tenant_id, subscription_id, plan_id, version, charge_id, period_start)
     WHERE l.rating_key IS DISTINCT FROM k.rating_key
     ORDER BY k.period_start, k.tenant_id, k.subscription_id, k.plan_id, k.version, k.charge_id
    RETURNING rated_line_id, tenant_id, account_id, plan_id, version, charge_id, posted_minor, currency, rated_on
)
