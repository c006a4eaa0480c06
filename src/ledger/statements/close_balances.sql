-- One window of balances: for each account with enough new entries its last snapshot and the entries since that one, which may be
-- older than the window. Writes nothing when there is none. $1 window_no, $2 snapshot, $3 since, $4 incarnation, as close_edges.sql gave
-- them, $5 whether all accounts, $6 whether anew, $7 entries that are enough, $8 the time. Returns the number of accounts, or no row.
WITH recent AS MATERIALIZED (
SELECT e.tenant_id, e.account_id, e.currency
  FROM billing.ledger_entries e
 WHERE e.log_xid >= coalesce(pg_snapshot_xmin($3), '0') AND e.log_xid < pg_snapshot_xmax($2)
   AND pg_visible_in_snapshot(e.log_xid, $2) AND NOT coalesce(pg_visible_in_snapshot(e.log_xid, $3), false)
 GROUP BY e.tenant_id, e.account_id, e.currency
HAVING count(*) >= $7
), closing AS MATERIALIZED (
SELECT r.*, h.window_no, h.snapshot
  FROM recent r
  LEFT JOIN LATERAL (SELECT s.window_no, w.snapshot
                       FROM billing.balance_snapshots s
                       JOIN billing.balance_windows w ON w.window_no = s.window_no
                      WHERE s.tenant_id = r.tenant_id AND s.account_id = r.account_id AND s.currency = r.currency AND NOT $6
                      ORDER BY s.window_no DESC LIMIT 1) AS h ON true
), part AS (
SELECT c.tenant_id, c.account_id, c.currency, t.ledger_account, t.total
  FROM closing c
 CROSS JOIN LATERAL ( -- summed here, so that it stays one index range for each account
       SELECT v.ledger_account, sum(v.total) AS total
         FROM billing.ledger_entries e
        CROSS JOIN LATERAL (VALUES (e.debit_account, e.amount_minor), (e.credit_account, -e.amount_minor)) AS v (ledger_account, total)
        WHERE e.tenant_id = c.tenant_id AND e.account_id = c.account_id AND e.currency = c.currency
          AND e.log_xid >= coalesce(pg_snapshot_xmin(c.snapshot), '0')
          AND pg_visible_in_snapshot(e.log_xid, $2) AND NOT coalesce(pg_visible_in_snapshot(e.log_xid, c.snapshot), false)
        GROUP BY v.ledger_account) AS t
UNION ALL
SELECT c.tenant_id, c.account_id, c.currency, l.ledger_account, l.total
  FROM closing c
 CROSS JOIN LATERAL (SELECT s.ledger_account, s.total FROM billing.balance_snapshots s
                      WHERE s.tenant_id = c.tenant_id AND s.account_id = c.account_id AND s.currency = c.currency AND s.window_no = c.window_no
                     OFFSET 0) AS l
), closed AS (
INSERT INTO billing.balance_snapshots (tenant_id, account_id, currency, window_no, ledger_account, total)
SELECT p.tenant_id, p.account_id, p.currency, $1, p.ledger_account, sum(p.total)
  FROM part p
 GROUP BY p.tenant_id, p.account_id, p.currency, p.ledger_account
 ORDER BY p.tenant_id, p.account_id, p.currency, p.ledger_account
)
INSERT INTO billing.balance_windows (window_no, incarnation, snapshot, is_complete, accounts, closed_at)
SELECT $1, $4, $2, $5, n.accounts, $8
  FROM (SELECT count(*) AS accounts FROM closing) AS n
 WHERE n.accounts > 0
RETURNING accounts
