-- Follows usage_windows and window_roots: recomputes chains and daily counts, and returns what differs: tenant_id, window_no, problem.
-- $1: one tenant, or NULL for all, and then the windows' totals too.
, chain AS (
SELECT e.*, lag(e.sequence, 1, 0::bigint) OVER w AS sequence_before, lag(e.self_hash, 1, decode(repeat('00', 32), 'hex')) OVER w AS hash_before,
       lead(e.sequence) OVER w IS NULL AS is_last
  FROM billing.count_sync_checkpoint_events e WHERE $1 IS NULL OR e.tenant_id = $1
WINDOW w AS (PARTITION BY e.tenant_id ORDER BY e.sequence)
), recounted AS ( -- from rows, and in dropped months from what windows added: of equal times the later window has the latest
SELECT u.usage_day AS day, u.tenant_id, u.account_id, u.meter_id, u.dimensions,
       CASE m.aggregation WHEN 'sum' THEN sum(u.quantity) WHEN 'count' THEN sum(billing.usage_events(u.quantity, u.corrects_event_id))
            WHEN 'max' THEN max(u.quantity) ELSE (array_agg(u.quantity ORDER BY u.occurred_at DESC, u.counted_in DESC, u.event_id DESC))[1] END AS quantity,
       count(*) AS events, max(u.occurred_at) AS latest_at, max(u.counted_in) AS window_no
  FROM usage u
  LEFT JOIN billing.meters m ON m.meter_id = u.meter_id
 WHERE u.counted_in IS NOT NULL
 GROUP BY u.usage_day, u.tenant_id, u.account_id, u.meter_id, u.dimensions, m.aggregation
UNION ALL
SELECT c.day, c.tenant_id, c.account_id, c.meter_id, c.dimensions,
       CASE c.aggregation WHEN 'max' THEN max(c.quantity) WHEN 'latest' THEN (array_agg(c.quantity ORDER BY c.latest_at DESC, c.window_no DESC))[1]
            ELSE sum(c.quantity) END, sum(c.events), max(c.latest_at), max(c.window_no)
  FROM billing.usage_window_counts c
 WHERE $1 IS NULL OR c.tenant_id = $1
 GROUP BY c.day, c.tenant_id, c.account_id, c.meter_id, c.dimensions, c.aggregation
), problem AS (
SELECT coalesce(c.tenant_id, r.tenant_id) AS tenant_id, coalesce(c.window_no, r.window_no) AS window_no,
       CASE WHEN c.tenant_id IS NULL THEN format('%s usage rows belong to the window, which has no checkpoint', r.rows_processed)
            WHEN r.tenant_id IS NULL THEN format('checkpoint %s has no usage rows', c.sequence)
            WHEN r.rows_processed <> c.rows_processed THEN format('checkpoint %s has %s usage rows, and %s are there', c.sequence, c.rows_processed, r.rows_processed)
            WHEN r.digest IS DISTINCT FROM c.digest THEN format('checkpoint %s: the digest of its usage rows differs', c.sequence)
            WHEN i.counts_digest IS DISTINCT FROM c.counts_digest THEN format('checkpoint %s: the digest of its counts differs', c.sequence)
            WHEN (r.first_day, r.last_day) <> (c.first_day, c.last_day) THEN format('checkpoint %s: first or last day differs', c.sequence)
       END AS problem
  FROM replayed r FULL JOIN chain c ON c.tenant_id = r.tenant_id AND c.window_no = r.window_no
  LEFT JOIN recounted_window i ON i.tenant_id = r.tenant_id AND i.window_no = r.window_no
UNION ALL
SELECT tenant_id, window_no,
       CASE WHEN sequence <> sequence_before + 1 THEN format('checkpoint %s follows checkpoint %s', sequence, sequence_before)
            WHEN prev_hash <> hash_before THEN format('checkpoint %s: prev_hash is not the hash of the one before', sequence)
            WHEN self_hash <> billing.checkpoint_hash(tenant_id, sequence, window_no, rows_processed, first_day, last_day, digest, counts_digest, salt, prev_hash, created_at)
            THEN format('checkpoint %s: self_hash differs', sequence)
       END
  FROM chain
UNION ALL
SELECT coalesce(h.tenant_id, c.tenant_id), coalesce(h.window_no, c.window_no),
       CASE WHEN (h.sequence, h.window_no, h.self_hash) IS DISTINCT FROM (c.sequence, c.window_no, c.self_hash) THEN 'the head is not the last checkpoint of the chain' END
  FROM (SELECT * FROM billing.count_sync_checkpoints WHERE $1 IS NULL OR tenant_id = $1) AS h
  FULL JOIN (SELECT * FROM chain WHERE is_last) AS c ON c.tenant_id = h.tenant_id
UNION ALL
SELECT coalesce(d.tenant_id, r.tenant_id), coalesce(d.window_no, r.window_no),
       CASE WHEN (d.quantity, d.events, d.latest_at, d.window_no) IS DISTINCT FROM (r.quantity, r.events, r.latest_at, r.window_no)
            THEN format('daily count of %s, account "%s", meter "%s", dimensions %s: quantity %s of %s events, replayed %s of %s', to_char(coalesce(d.day, r.day), 'YYYY-MM-DD'),
                        coalesce(d.account_id, r.account_id), coalesce(d.meter_id, r.meter_id), coalesce(d.dimensions, r.dimensions),
                        coalesce(d.quantity, 0), coalesce(d.events, 0), coalesce(r.quantity, 0), coalesce(r.events, 0)) END
  FROM (SELECT * FROM billing.daily_counts WHERE $1 IS NULL OR tenant_id = $1) AS d
  FULL JOIN recounted r ON r.day = d.day AND r.tenant_id = d.tenant_id AND r.account_id = d.account_id AND r.meter_id = d.meter_id AND r.dimensions = d.dimensions
UNION ALL
SELECT s.tenant_id, s.window_no,
       CASE WHEN s.usage_day < (SELECT dropped_before FROM billing.partitioned_tables WHERE table_name = 'usage_records') THEN NULL
            WHEN u.tenant_id IS NULL THEN format('event "%s" was set aside, and is not there', s.event_id)
            WHEN s.window_no IS DISTINCT FROM u.window_no OR s.counted_in < s.window_no THEN format('event "%s" was set aside in another window than its own', s.event_id) END
  FROM (SELECT * FROM billing.usage_set_aside WHERE $1 IS NULL OR tenant_id = $1) AS s
  LEFT JOIN usage u ON u.usage_day = s.usage_day AND u.tenant_id = s.tenant_id AND u.meter_id = s.meter_id AND u.event_id = s.event_id
UNION ALL
SELECT NULL, w.window_no,
       CASE WHEN w.window_no <> lag(w.window_no, 1, 0::bigint) OVER (ORDER BY w.window_no) + 1 THEN 'the window before is not there'
            WHEN w.rows_counted <> coalesce(c.counted, 0) THEN format('%s usage rows were counted, and checkpoints have %s', w.rows_counted, coalesce(c.counted, 0))
            WHEN w.rows_set_aside <> coalesce(s.set_aside, 0) THEN format('%s usage rows were set aside, and %s are there', w.rows_set_aside, coalesce(s.set_aside, 0)) END
  FROM billing.count_windows w
  LEFT JOIN (SELECT window_no, sum(rows_processed) AS counted FROM chain GROUP BY window_no) AS c ON c.window_no = w.window_no
  LEFT JOIN (SELECT window_no, count(*) AS set_aside FROM billing.usage_set_aside GROUP BY window_no) AS s ON s.window_no = w.window_no
 WHERE $1 IS NULL
)
SELECT tenant_id, window_no, problem FROM problem WHERE problem IS NOT NULL ORDER BY tenant_id, window_no, problem
