-- Leaves of kind rated_line.
SELECT t.log_xid, t.period_start, t.tenant_id, t.subscription_id, t.plan_id, t.version, t.charge_id, t.revision,
       billing.leaf_canon('rated_line', t.tenant_id, t.rated_line_id, t.subscription_id, t.charge_id, t.period_start, t.revision, t.account_id,
                          t.plan_id, t.version, t.period_end, t.due_on, t.share_days, t.share_of_days, t.quantity, t.amount_minor,
                          t.posted_minor, t.currency, t.rating_key, t.rated_on, t.window_no, t.rated_at) AS canon
  FROM billing.rated_lines t
