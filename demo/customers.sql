-- 200 tenants, on the three plans in turn, from the first month of the input on. Again: nothing new.
SET ROLE billing_admin;
\o /dev/null
SELECT billing.create_account(tenant, name => 'Customer ' || n, legal_entity => 'cloud')
  FROM generate_series(1, 200) AS n, format('tenant-%s', to_char(n, 'FM000')) AS tenant;
SELECT billing.subscribe(tenant, plan => ('{metered,fixed,hybrid}'::text[])[n % 3 + 1], starts => (SELECT min(first_day) FROM demo.months),
                         idempotency_key => 'sign-up')
  FROM generate_series(1, 200) AS n, format('tenant-%s', to_char(n, 'FM000')) AS tenant;
\o
SELECT count(*) FROM billing.subscriptions;
