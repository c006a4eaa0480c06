-- Follows rated_now: what one tenant owes so far.
SELECT n.account_id, n.subscription_id, n.plan_id, n.charge_id, n.period_start, n.period_end, n.quantity, n.amount_minor, n.currency
  FROM rated_now n
  JOIN billing.charges c USING (plan_id, version, charge_id)
 ORDER BY n.account_id, n.subscription_id, n.period_start, c.position
