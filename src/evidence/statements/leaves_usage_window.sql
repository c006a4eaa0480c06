-- Leaves of kind usage_window: a tenant's usage in one count window.
SELECT t.log_xid, t.tenant_id, t.sequence,
       billing.leaf_canon('usage_window', t.tenant_id, t.sequence, t.window_no, t.rows_processed, t.first_day, t.last_day, t.digest,
                          t.counts_digest, t.salt, t.prev_hash, t.self_hash, t.created_at) AS canon
  FROM ONLY billing.count_sync_checkpoint_events t
