-- Of the accounts and days in payer those that exist: payer_no, and whether a subscription is there on the day; one may come several times.
SELECT p.payer_no, s.tenant_id IS NOT NULL
  FROM payer p
  JOIN billing.accounts a ON a.tenant_id = p.tenant_id AND a.account_id = p.account_id
  LEFT JOIN billing.subscriptions s ON s.tenant_id = p.tenant_id AND s.account_id = p.account_id AND s.starts <= p.day AND (s.ends IS NULL OR s.ends > p.day)
