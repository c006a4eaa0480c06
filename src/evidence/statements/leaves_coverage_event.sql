-- Leaves of kind coverage_event. The entry's id has random bits, so that nobody can guess the rest.
SELECT t.log_xid, t.tenant_id, t.event_id,
       billing.leaf_canon('coverage_event', t.tenant_id, t.event_id, t.created_at, t.entry_id, t.device_id, t.event_type, t.plan, t.effective_from,
                          t.effective_to, t.row_hash) AS canon
  FROM billing.device_coverage_ledger t
