-- Everything that has been synced and is kept. Goes before derive.sql. $1 tenant or NULL.
WITH last AS (
SELECT snapshot, through FROM billing.coverage_windows ORDER BY window_no DESC LIMIT 1
), edge AS (
SELECT (SELECT snapshot FROM last) AS snapshot
), affected AS (
SELECT r.tenant_id, r.device_id, greatest(min(r.enrolled_from), (SELECT billing.coverage_floor())) AS starts, (SELECT through + 1 FROM last) AS ends
  FROM billing.enrollments r
 WHERE ($1 IS NULL OR r.tenant_id = $1) AND pg_visible_in_snapshot(r.log_xid, (SELECT snapshot FROM last))
 GROUP BY r.tenant_id, r.device_id
)
