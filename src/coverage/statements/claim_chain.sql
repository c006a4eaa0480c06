-- Goes after what happened to claims: appends it to each tenant's chain, whose heads are locked, and returns how many claims are new
-- and how many events there were.
, numbered AS MATERIALIZED (
SELECT h.*, i.sequence + row_number() OVER (PARTITION BY h.tenant_id ORDER BY h.position) AS sequence, i.self_hash AS head_hash, now() AS occurred_at,
       gen_random_uuid() AS salt, coalesce(h.actor, session_user::text) AS who
  FROM happened h
  JOIN billing.identity_claim_heads i ON i.tenant_id = h.tenant_id
), chained AS (
SELECT n.*, billing.chain_hash(n.head_hash, billing.claim_event_hash(n.tenant_id, n.sequence, n.event_type, n.identity_type, n.identity_value, n.device_id,
                                   n.from_status, n.to_status, n.effective_from, n.resolution, n.winner_id, n.former_id, n.moved_on, n.who, n.reason, n.occurred_at, n.salt))
            OVER (PARTITION BY n.tenant_id ORDER BY n.sequence ROWS UNBOUNDED PRECEDING) AS self_hash
  FROM numbered n
), event AS (
INSERT INTO billing.identity_claim_events (tenant_id, sequence, event_type, identity_type, identity_value, device_id, from_status, to_status, effective_from,
                                           resolution, winner_id, former_id, moved_on, actor, reason, occurred_at, salt, prev_hash, self_hash)
SELECT tenant_id, sequence, event_type, identity_type, identity_value, device_id, from_status, to_status, effective_from, resolution, winner_id, former_id,
       moved_on, who, reason, occurred_at, salt, lag(self_hash, 1, head_hash) OVER (PARTITION BY tenant_id ORDER BY sequence), self_hash
  FROM chained ORDER BY tenant_id, sequence
RETURNING tenant_id, sequence, self_hash, event_type
), head AS (
UPDATE billing.identity_claim_heads h SET sequence = e.sequence, self_hash = e.self_hash
  FROM (SELECT DISTINCT ON (tenant_id) * FROM event ORDER BY tenant_id, sequence DESC) AS e
 WHERE h.tenant_id = e.tenant_id
)
SELECT count(*) FILTER (WHERE event_type = 'claimed'), count(*) FROM event
