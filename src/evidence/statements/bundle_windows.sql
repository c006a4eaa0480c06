-- Follows usage_windows ($1 tenant, $2 and $3 the windows' first and last day): the windows of a bundle with what they counted. $4 and $5 the
-- first and last sequence. A row a window: its key, the canonical bytes of its counts, whether these have the digest.
SELECT ARRAY[e.tenant_id, e.sequence::text], c.canons, c.root = e.counts_digest
  FROM billing.count_sync_checkpoint_events e
  JOIN (SELECT k.window_no, array_agg(k.canon ORDER BY k.place) AS canons, billing.merkle_agg(billing.leaf_hash(k.canon) ORDER BY k.place) AS root
          FROM (SELECT i.window_no,
                       billing.leaf_canon('count', i.day, i.account_id, i.meter_id, i.dimensions, i.aggregation, i.quantity, i.events, i.latest_at) AS canon,
                       row_number() OVER (PARTITION BY i.window_no
                                          ORDER BY i.day, i.account_id, i.meter_id, billing.canonical_json(i.dimensions) COLLATE "C") AS place
                  FROM increment i) AS k
         GROUP BY k.window_no) AS c ON c.window_no = e.window_no
 WHERE e.tenant_id = $1 AND e.sequence BETWEEN $4 AND $5
 ORDER BY e.sequence
