-- Follows rated_now: what rating up to $1 would still change in periods that begin before $4. Columns: tenant_id, subscription_id,
-- charge_id, period_start, period_end.
, newest_line AS (
    SELECT DISTINCT ON (r.tenant_id, r.subscription_id, r.plan_id, r.version, r.charge_id, r.period_start) r.*
      FROM billing.rated_lines r
     WHERE r.period_start < $4 AND r.tenant_id BETWEEN $2 AND $3
     ORDER BY r.tenant_id, r.subscription_id, r.plan_id, r.version, r.charge_id, r.period_start, r.revision DESC
)
SELECT n.tenant_id, n.subscription_id, n.charge_id, n.period_start, n.period_end
  FROM rated_now n
  LEFT JOIN newest_line l USING (tenant_id, subscription_id, plan_id, version, charge_id, period_start)
 WHERE n.period_start < $4
   AND (l.quantity, l.amount_minor, l.share_days, l.share_of_days, l.period_end, l.due_on)
       IS DISTINCT FROM (n.quantity, n.amount_minor, n.share_days, n.share_of_days, n.period_end, n.due_on)
UNION ALL
SELECT l.tenant_id, l.subscription_id, l.charge_id, l.period_start, l.period_end
  FROM newest_line l
  JOIN subscriptions s USING (tenant_id, subscription_id)
 WHERE l.period_start >= s.rate_from AND l.share_days > 0
   AND NOT EXISTS (SELECT FROM rated_now n
                    WHERE n.tenant_id = l.tenant_id AND n.subscription_id = l.subscription_id
                      AND n.plan_id = l.plan_id AND n.version = l.version AND n.charge_id = l.charge_id AND n.period_start = l.period_start)
