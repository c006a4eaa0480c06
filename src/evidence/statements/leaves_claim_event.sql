-- Leaves of kind claim_event. Identity, actor and reason are told by their salted hashes: they may name people.
SELECT t.log_xid, t.tenant_id, t.sequence,
       billing.leaf_canon('claim_event', t.tenant_id, t.sequence, t.event_type, t.identity_type, sha256(uuid_send(t.salt) || convert_to(t.identity_value, 'UTF8')),
                          t.device_id, t.from_status, t.to_status, t.effective_from, t.resolution, t.winner_id, t.former_id, t.moved_on,
                          sha256(uuid_send(t.salt) || convert_to(t.actor, 'UTF8')),
                          CASE WHEN t.reason IS NOT NULL THEN sha256(uuid_send(t.salt) || convert_to(t.reason, 'UTF8')) END,
                          t.occurred_at, t.salt, t.prev_hash, t.self_hash) AS canon
  FROM ONLY billing.identity_claim_events t
