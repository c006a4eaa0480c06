-- What a window has to derive again: the days that its rows are about, and the days newly passed of every device enrolled; not days before
-- the first month kept. Goes before derive.sql. $1 window_no, $2 snapshot, $3 from_xid, $4 to_xid, $5 waiting, $6 incarnation, $7 last_through, $8 through.
WITH edge AS (
SELECT $2::pg_snapshot AS snapshot
), touched AS (
SELECT r.tenant_id, r.device_id, r.effective_from AS starts, least(r.effective_to, $8 + 1) AS ends
  FROM billing.device_coverage_ledger r
 WHERE (r.log_xid >= $3 AND r.log_xid < $4 OR r.log_xid = ANY ($5)) AND pg_visible_in_snapshot(r.log_xid, $2)
UNION ALL
SELECT r.tenant_id, r.device_id, r.enrolled_from, least(r.enrolled_to, $8 + 1)
  FROM billing.enrollments r
 WHERE (r.log_xid >= $3 AND r.log_xid < $4 OR r.log_xid = ANY ($5)) AND pg_visible_in_snapshot(r.log_xid, $2)
UNION ALL
SELECT r.tenant_id, r.device_id, r.effective_from, $8 + 1
  FROM billing.identity_claim_events r
 WHERE (r.log_xid >= $3 AND r.log_xid < $4 OR r.log_xid = ANY ($5)) AND pg_visible_in_snapshot(r.log_xid, $2) AND r.event_type IN ('disputed', 'resolved')
UNION ALL
SELECT r.tenant_id, c.device_id, r.valid_from, $8 + 1
  FROM billing.coverage_policies r
  JOIN billing.identity_claim_events c ON c.tenant_id = r.tenant_id AND c.event_type = 'disputed'
 WHERE (r.log_xid >= $3 AND r.log_xid < $4 OR r.log_xid = ANY ($5)) AND pg_visible_in_snapshot(r.log_xid, $2)
UNION ALL
SELECT r.tenant_id, r.device_id, $7 + 1, $8 + 1
  FROM billing.enrollments r
 WHERE $8 > $7 AND r.enrolled_from <= $8 AND (r.enrolled_to IS NULL OR r.enrolled_to > $7 + 1)
), affected AS (
SELECT tenant_id, device_id, greatest(starts, (SELECT billing.coverage_floor())) AS starts, ends FROM touched
)
