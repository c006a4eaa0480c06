-- Marks the claims in dispute that are past their SLA, once. $1 the time. Goes before claim_chain.sql.
WITH due AS (
SELECT d.tenant_id, d.identity_type, d.identity_value, d.device_id, d.disputed_from, d.due_at
  FROM billing.coverage_disputes d WHERE d.escalated_at IS NULL AND d.due_at <= $1
), marked AS (
UPDATE billing.identity_claims c SET escalated_at = $1
  FROM due d
 WHERE c.tenant_id = d.tenant_id AND c.identity_type = d.identity_type AND c.identity_value = d.identity_value AND c.device_id = d.device_id
), happened AS (
SELECT d.tenant_id, row_number() OVER (ORDER BY d.due_at, d.identity_type, d.identity_value, d.device_id) AS position, 'escalated' AS event_type, d.identity_type,
       d.identity_value, d.device_id, 'disputed' AS from_status, 'disputed' AS to_status, d.disputed_from AS effective_from, NULL AS resolution,
       NULL::uuid AS winner_id, NULL::uuid AS former_id, NULL::date AS moved_on, 'billing' AS actor,
       format('past its SLA since %s', to_char(d.due_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')) AS reason
  FROM due d
)
