-- Goes after derive.sql: compares what has been synced with what the facts say. $1 tenant or NULL. Rows: tenant_id, problem.
, state AS MATERIALIZED (
SELECT * FROM derived
), counted AS (
SELECT s.tenant_id, s.coverage_day, s.account_id,
       jsonb_strip_nulls(jsonb_build_object('plan', CASE WHEN 'plan' = ANY (m.dimensions) THEN s.plan END,
                                            'device_type', CASE WHEN 'device_type' = ANY (m.dimensions) THEN d.device_type END)) AS dimensions, count(*) AS quantity
  FROM state s
  JOIN billing.devices d ON d.tenant_id = s.tenant_id AND d.device_id = s.device_id
  JOIN billing.meters m ON m.meter_id = 'covered_devices'
 WHERE s.is_counted
 GROUP BY 1, 2, 3, 4
), problem AS (
SELECT coalesce(s.tenant_id, t.tenant_id) AS tenant_id,
       format('device %s on %s: %s, counted %s, and the events say %s, counted %s', coalesce(s.device_id, t.device_id), to_char(coalesce(s.coverage_day, t.coverage_day), 'YYYY-MM-DD'),
              coalesce(t.coverage_state, 'nothing'), coalesce(t.is_counted, false), coalesce(s.coverage_state, 'nothing'), coalesce(s.is_counted, false)) AS problem
  FROM state s
  FULL JOIN (SELECT * FROM billing.coverage_daily_state WHERE coverage_day >= (SELECT billing.coverage_floor()) AND ($1 IS NULL OR tenant_id = $1)) AS t
         ON t.tenant_id = s.tenant_id AND t.device_id = s.device_id AND t.coverage_day = s.coverage_day
 WHERE (t.tenant_id IS NULL OR s.tenant_id IS NOT NULL OR t.account_id IS NOT NULL)
   AND (s.account_id, s.coverage_state, s.plan, s.is_counted) IS DISTINCT FROM (t.account_id, t.coverage_state, t.plan, t.is_counted)
UNION ALL
SELECT coalesce(c.tenant_id, u.tenant_id), format('account "%s" on %s, dimensions %s: %s devices are in the usage, and %s are counted', coalesce(c.account_id, u.account_id),
              to_char(coalesce(c.coverage_day, u.usage_day), 'YYYY-MM-DD'), coalesce(c.dimensions, u.dimensions), coalesce(u.quantity, 0), coalesce(c.quantity, 0))
  FROM counted c
  FULL JOIN (SELECT tenant_id, usage_day, account_id, dimensions, sum(quantity) AS quantity FROM billing.usage_records
              WHERE meter_id = 'covered_devices' AND event_id LIKE 'coverage/%' AND usage_day >= (SELECT billing.coverage_floor()) AND ($1 IS NULL OR tenant_id = $1)
              GROUP BY 1, 2, 3, 4) AS u
         ON u.tenant_id = c.tenant_id AND u.usage_day = c.coverage_day AND u.account_id = c.account_id AND u.dimensions = c.dimensions
 WHERE coalesce(c.quantity, 0) <> coalesce(u.quantity, 0)
UNION ALL
SELECT l.tenant_id, format('coverage event "%s": its row hash differs', l.event_id)
  FROM billing.device_coverage_ledger l
 WHERE ($1 IS NULL OR l.tenant_id = $1)
   AND l.row_hash <> billing.coverage_event_hash(l.tenant_id, l.event_id, l.device_id, l.event_type, l.plan, l.effective_from, l.effective_to)
UNION ALL
SELECT c.tenant_id, format('claim event %s does not follow the one before', c.sequence)
  FROM (SELECT e.*, lag(e.sequence, 1, 0::bigint) OVER chain AS last_sequence, lag(e.self_hash, 1, decode(repeat('00', 32), 'hex')) OVER chain AS last_hash
          FROM billing.identity_claim_events e WHERE $1 IS NULL OR e.tenant_id = $1
        WINDOW chain AS (PARTITION BY e.tenant_id ORDER BY e.sequence)) AS c
 WHERE (c.sequence, c.prev_hash, c.self_hash) IS DISTINCT FROM (c.last_sequence + 1, c.last_hash,
       sha256(c.prev_hash || billing.claim_event_hash(c.tenant_id, c.sequence, c.event_type, c.identity_type, c.identity_value, c.device_id, c.from_status, c.to_status,
                                                      c.effective_from, c.resolution, c.winner_id, c.former_id, c.moved_on, c.actor, c.reason, c.occurred_at, c.salt)))
UNION ALL
SELECT h.tenant_id, 'the head of the claim events is not the last of the chain'
  FROM billing.identity_claim_heads h
  LEFT JOIN LATERAL (SELECT e.sequence, e.self_hash FROM billing.identity_claim_events e WHERE e.tenant_id = h.tenant_id ORDER BY e.sequence DESC LIMIT 1) AS e ON true
 WHERE ($1 IS NULL OR h.tenant_id = $1) AND (coalesce(e.sequence, 0), e.self_hash) IS DISTINCT FROM (h.sequence, CASE WHEN h.sequence > 0 THEN h.self_hash END)
)
SELECT tenant_id, problem FROM problem ORDER BY tenant_id, problem
