-- Follows rated_now: the revisions to write; parameters as there. The last count window is read here, and not before, so that
-- window_no says exactly which windows the quantity has in it.
, latest AS (
    SELECT DISTINCT ON (r.tenant_id, r.subscription_id, r.plan_id, r.version, r.charge_id, r.period_start)
           r.tenant_id, r.subscription_id, r.plan_id, r.version, r.charge_id, r.period_start, r.account_id, r.period_end, r.due_on,
           r.share_of_days, r.currency, r.revision, r.amount_minor, r.rating_key, s.rate_to
      FROM subscriptions s
      JOIN billing.rated_lines r ON r.tenant_id = s.tenant_id AND r.subscription_id = s.subscription_id AND r.period_start >= s.rate_from
     WHERE r.tenant_id BETWEEN $2 AND $3 AND r.period_start >= (SELECT min(rate_from) FROM subscriptions)
     ORDER BY r.tenant_id, r.subscription_id, r.plan_id, r.version, r.charge_id, r.period_start, r.revision DESC
), wanted AS (
    -- What was rated and is no longer charged, because a later change of terms took the segment away, comes to nothing.
    SELECT tenant_id, subscription_id, plan_id, version, charge_id, period_start,
           coalesce(n.account_id, l.account_id) AS account_id, coalesce(n.period_end, l.period_end) AS period_end,
           coalesce(n.due_on, l.due_on) AS due_on, coalesce(n.share_days, 0) AS share_days,
           coalesce(n.share_of_days, l.share_of_days) AS share_of_days, coalesce(n.quantity, 0) AS quantity,
           coalesce(n.amount_minor, 0) AS amount_minor, coalesce(n.currency, l.currency) AS currency,
           coalesce(n.rate_to, l.rate_to) AS rate_to, coalesce(l.revision, 0) AS revision, coalesce(l.amount_minor, 0) AS amount_before,
           l.rating_key AS key_before
      FROM rated_now n
      FULL JOIN latest l USING (tenant_id, subscription_id, plan_id, version, charge_id, period_start)
), keyed AS (
    SELECT w.*, billing.fingerprint_columns(w.tenant_id, w.subscription_id, w.plan_id, w.version, w.charge_id, c.price_hash, w.period_start,
                                            w.period_end, w.due_on, w.share_days, w.share_of_days, w.quantity, w.amount_minor, w.currency) AS rating_key
      FROM wanted w
      JOIN billing.charges c USING (plan_id, version, charge_id)
    OFFSET 0 -- or the hash would be computed to compare it, and again to write it
), new_lines AS (
    INSERT INTO billing.rated_lines (period_start, tenant_id, subscription_id, charge_id, revision, rated_line_id, account_id,
                                     plan_id, version, period_end, due_on, share_days, share_of_days, quantity, amount_minor,
                                     posted_minor, currency, rating_key, rated_on, window_no)
    SELECT k.period_start, k.tenant_id, k.subscription_id, k.charge_id, k.revision + 1,
           billing.derive_id_from('rated_line', k.tenant_id, k.subscription_id, k.plan_id, k.version, k.charge_id, k.period_start, k.revision + 1),
           k.account_id, k.plan_id, k.version, k.period_end, k.due_on, k.share_days, k.share_of_days, k.quantity, k.amount_minor,
           k.amount_minor - k.amount_before, k.currency, k.rating_key, k.rate_to,
           (SELECT coalesce(max(w.window_no), 0) FROM billing.count_windows w)
      FROM keyed k
     WHERE k.key_before IS DISTINCT FROM k.rating_key
     ORDER BY k.period_start, k.tenant_id, k.subscription_id, k.plan_id, k.version, k.charge_id
    RETURNING rated_line_id, tenant_id, account_id, plan_id, version, charge_id, posted_minor, currency, rated_on
)
