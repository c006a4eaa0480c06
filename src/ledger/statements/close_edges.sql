-- The edges of the next window of balances: window_no, snapshot (what is closed), since (what is closed already: of the last complete
-- window, or of the last when not all accounts are asked for; NULL for nothing), incarnation. $1 whether all accounts, $2 whether anew.
SELECT coalesce((SELECT max(w.window_no) FROM billing.balance_windows w), 0) + 1, billing.window_edge(),
       (SELECT w.snapshot FROM billing.balance_windows w WHERE NOT $2 AND (w.is_complete OR NOT $1) ORDER BY w.window_no DESC LIMIT 1),
       billing.current_incarnation()
