-- How many rows the window has, up to $5 of each table. $1 snapshot, $2 from_xid, $3 to_xid, $4 waiting, as sync_edges.sql gave them.
SELECT (SELECT count(*) FROM (SELECT FROM billing.device_coverage_ledger r WHERE (r.log_xid >= $2 AND r.log_xid < $3 OR r.log_xid = ANY ($4)) AND pg_visible_in_snapshot(r.log_xid, $1) LIMIT $5) AS l)
     + (SELECT count(*) FROM (SELECT FROM billing.enrollments r WHERE (r.log_xid >= $2 AND r.log_xid < $3 OR r.log_xid = ANY ($4)) AND pg_visible_in_snapshot(r.log_xid, $1) LIMIT $5) AS e)
     + (SELECT count(*) FROM (SELECT FROM billing.identity_claim_events r WHERE (r.log_xid >= $2 AND r.log_xid < $3 OR r.log_xid = ANY ($4)) AND pg_visible_in_snapshot(r.log_xid, $1) LIMIT $5) AS c)
     + (SELECT count(*) FROM (SELECT FROM billing.coverage_policies r WHERE (r.log_xid >= $2 AND r.log_xid < $3 OR r.log_xid = ANY ($4)) AND pg_visible_in_snapshot(r.log_xid, $1) LIMIT $5) AS p)
