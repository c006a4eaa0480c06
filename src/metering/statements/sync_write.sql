-- One count window: what it comes to (rejected, taken, increment, root) into daily_counts, usage_set_aside, each tenant's chain, and
-- count_windows. Writes nothing when it is empty. $1 window_no, $2 snapshot, $3 from_xid, $4 to_xid, $5 waiting, $6 incarnation, as
-- sync_edges.sql gave them, $7 the time. Returns rows_counted and rows_set_aside, or no row. Goes after WITH, or after sync_large.sql.
set_aside AS (
INSERT INTO billing.usage_set_aside (usage_day, tenant_id, meter_id, event_id, reason, window_no)
SELECT usage_day, tenant_id, meter_id, event_id, reason, $1 FROM rejected
), taken_back AS (
UPDATE billing.usage_set_aside s SET counted_in = $1
  FROM taken r
 WHERE s.counted_in IS NULL AND s.usage_day = r.usage_day AND s.tenant_id = r.tenant_id AND s.meter_id = r.meter_id AND s.event_id = r.event_id
), counted AS (
INSERT INTO billing.daily_counts AS d (day, tenant_id, account_id, meter_id, dimensions, quantity, events, latest_at, window_no)
SELECT day, tenant_id, account_id, meter_id, dimensions, quantity, events, latest_at, $1
  FROM increment
 ORDER BY 1, 2, 3, 4, 5
ON CONFLICT (day, tenant_id, account_id, meter_id, dimensions) DO UPDATE
   SET quantity = CASE (SELECT m.aggregation FROM billing.meters m WHERE m.meter_id = excluded.meter_id)
                  WHEN 'max' THEN greatest(d.quantity, excluded.quantity)
                  WHEN 'latest' THEN CASE WHEN excluded.latest_at >= d.latest_at THEN excluded.quantity ELSE d.quantity END
                  ELSE d.quantity + excluded.quantity END,
       events = d.events + excluded.events, latest_at = greatest(d.latest_at, excluded.latest_at), window_no = excluded.window_no
), link AS (
INSERT INTO billing.count_sync_checkpoint_events (tenant_id, sequence, window_no, rows_processed, first_day, last_day, digest, counts_digest, salt, prev_hash, self_hash, created_at)
SELECT n.*, billing.checkpoint_hash(n.tenant_id, n.sequence, n.window_no, n.rows_processed, n.first_day, n.last_day, n.digest, n.counts_digest, n.salt, n.prev_hash, $7), $7
  FROM (SELECT r.tenant_id, coalesce(h.sequence, 0) + 1 AS sequence, $1 AS window_no, r.rows_processed, r.first_day, r.last_day, r.digest,
               r.counts_digest, gen_random_uuid() AS salt,
               coalesce(h.self_hash, decode(repeat('00', 32), 'hex')) AS prev_hash
          FROM root r
          LEFT JOIN billing.count_sync_checkpoints h ON h.tenant_id = r.tenant_id
         ORDER BY r.tenant_id) AS n
RETURNING tenant_id, sequence, window_no, self_hash
), head AS (
INSERT INTO billing.count_sync_checkpoints (tenant_id, sequence, window_no, self_hash, updated_at)
SELECT tenant_id, sequence, window_no, self_hash, $7 FROM link
ON CONFLICT (tenant_id) DO UPDATE
   SET sequence = excluded.sequence, window_no = excluded.window_no, self_hash = excluded.self_hash, updated_at = excluded.updated_at
)
INSERT INTO billing.count_windows (window_no, incarnation, snapshot, rows_counted, rows_set_aside, synced_at)
SELECT $1, $6, $2, t.counted, t.set_aside, $7
  FROM (SELECT (SELECT coalesce(sum(rows_processed), 0) FROM root)::bigint AS counted, (SELECT count(*) FROM rejected) AS set_aside) AS t
 WHERE t.counted + t.set_aside > 0
RETURNING rows_counted, rows_set_aside
