-- Records coverage events. Parameters as in coverage_check.sql. Returns how many are new. Entries get their ids in the order given.
WITH given AS MATERIALIZED (
SELECT DISTINCT ON (g.tenant, g.event_id) g.n, g.tenant, g.event_id, d.device_id, g.event_type, g.plan, g.starts, g.ends,
       billing.coverage_event_hash(g.tenant, g.event_id, d.device_id, g.event_type, g.plan, g.starts, g.ends) AS row_hash
  FROM unnest($1, $2, $3, $4, $5, $6, $7) WITH ORDINALITY AS g (tenant, device, event_id, event_type, plan, starts, ends, n)
  JOIN billing.devices d ON d.tenant_id = g.tenant AND d.device_key = g.device
 ORDER BY g.tenant, g.event_id, g.n
), known AS ( -- a second session with the same id waits here for the first
INSERT INTO billing.coverage_event_ids (tenant_id, event_id, row_hash, created_at)
SELECT tenant, event_id, row_hash, now() FROM given ORDER BY tenant, event_id
ON CONFLICT DO NOTHING
RETURNING tenant_id, event_id
), entry AS (
INSERT INTO billing.device_coverage_ledger (tenant_id, event_id, device_id, event_type, plan, effective_from, effective_to, row_hash)
SELECT g.tenant, g.event_id, g.device_id, g.event_type, g.plan, g.starts, g.ends, g.row_hash
  FROM given g JOIN known k ON k.tenant_id = g.tenant AND k.event_id = g.event_id
 ORDER BY g.n
RETURNING 1
)
SELECT count(*) FROM entry
