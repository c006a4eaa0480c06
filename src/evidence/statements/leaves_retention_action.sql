-- Leaves of kind retention_action: partitions that retention dropped.
SELECT t.log_xid, t.table_name, t.month,
       billing.leaf_canon('retention_action', t.table_name, t.month, t.action, t.dropped_rows, t.dropped_bytes, t.first_key, t.last_key, t.digest,
                          t.keep, t.actor, t.dropped_at) AS canon
  FROM ONLY billing.retention_actions t
