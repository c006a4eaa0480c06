-- Leaves of kind invoice_event. Actor and reason are told by their salted hashes: they may name people.
SELECT t.log_xid, t.tenant_id, t.invoice_id, t.sequence,
       billing.leaf_canon('invoice_event', t.tenant_id, t.invoice_id, t.sequence, t.from_status, t.to_status, t.total_minor,
                          sha256(uuid_send(t.salt) || convert_to(t.actor, 'UTF8')),
                          CASE WHEN t.reason IS NOT NULL THEN sha256(uuid_send(t.salt) || convert_to(t.reason, 'UTF8')) END,
                          t.occurred_at, t.document_hash, t.salt, t.prev_hash, t.self_hash) AS canon
  FROM ONLY billing.invoice_events t
