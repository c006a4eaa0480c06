-- The input files as tables, and as what the public calls take. Its rows name no customer: each is given to one of 200
-- tenants by a hash, and its time is moved into 2026, so that the last month is October.
CREATE SCHEMA demo;

CREATE UNLOGGED TABLE demo.nodes (sn text, cpu_milli bigint, memory_mib bigint, gpus integer, model text);
CREATE UNLOGGED TABLE demo.pods (
    name text, cpu_milli bigint, memory_mib bigint, num_gpu integer, gpu_milli integer, gpu_spec text, qos text, pod_phase text,
    creation_time bigint, deletion_time bigint, scheduled_time bigint);
CREATE UNLOGGED TABLE demo.code_requests (line_no integer GENERATED ALWAYS AS IDENTITY, requested_at text, context_tokens bigint, generated_tokens bigint);
CREATE UNLOGGED TABLE demo.conv_requests (LIKE demo.code_requests INCLUDING IDENTITY);
CREATE UNLOGGED TABLE demo.web_requests (
    line_no integer, requested_at timestamptz, client text, method text, path text, status integer, bytes_out bigint);
CREATE UNLOGGED TABLE demo.observations (observed_at timestamp, lifespan text, region text, sku text, vm_id text);

CREATE FUNCTION demo.pick(key text, choices bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE AS $$ SELECT ('x' || left(md5(key), 8))::bit(32)::bigint % choices $$;

CREATE FUNCTION demo.tenant(key text) RETURNS text
LANGUAGE sql IMMUTABLE AS $$ SELECT 'tenant-' || to_char(demo.pick(key, 200) + 1, 'FM000') $$;

-- A GPU model's share of the numbers 0 to "number of GPUs in the cluster" - 1.
CREATE VIEW demo.gpu_models AS
SELECT model, sum(sum(gpus)) OVER (ORDER BY model) - sum(gpus) AS first_gpu, sum(sum(gpus)) OVER (ORDER BY model) AS next_gpu
  FROM demo.nodes WHERE gpus > 0 GROUP BY model;

-- Pods that were scheduled and hold GPUs. Second 0 of the trace is the start of 4 June; its 150th day is 31 October.
CREATE MATERIALIZED VIEW demo.allocations AS
SELECT demo.tenant(p.name) AS tenant_id, p.name AS allocation_id, p.num_gpu * p.gpu_milli AS units, jsonb_build_object('model', m.model) AS dimensions,
       timestamptz '2026-06-04 00:00+00' + p.scheduled_time * interval '1 second' AS opened_at,
       timestamptz '2026-06-04 00:00+00' + p.deletion_time * interval '1 second' AS closed_at
  FROM demo.pods p
  JOIN demo.gpu_models m ON demo.pick('gpu of ' || p.name, (SELECT max(next_gpu) FROM demo.gpu_models)::bigint) BETWEEN m.first_gpu AND m.next_gpu - 1
 WHERE p.scheduled_time IS NOT NULL AND p.num_gpu > 0
  WITH NO DATA;

-- Two events per inference request. Times have seven decimals, of which six are kept.
CREATE MATERIALIZED VIEW demo.token_events AS
SELECT demo.tenant(r.model || '/' || r.line_no) AS tenant_id, e.meter_id, format('%s/%s', r.model, r.line_no) AS event_id, e.quantity,
       left(r.requested_at, 26)::timestamp AT TIME ZONE 'UTC' + (date '2026-10-01' - date '2023-11-01') * interval '1 day' AS occurred_at,
       jsonb_build_object('model', r.model) AS dimensions
  FROM (SELECT 'code' AS model, * FROM demo.code_requests UNION ALL SELECT 'conv', * FROM demo.conv_requests) AS r
 CROSS JOIN LATERAL (VALUES ('token_input', r.context_tokens), ('token_output', r.generated_tokens)) AS e (meter_id, quantity)
  WITH NO DATA;

-- A request, and its bytes where the log has them. A line said twice in the log was two requests.
CREATE MATERIALIZED VIEW demo.web_events AS
SELECT demo.tenant(w.client) AS tenant_id, e.meter_id, format('web/%s', w.line_no) AS event_id, e.quantity,
       w.requested_at + (date '2026-10-01' - date '2015-05-01') * interval '1 day' AS occurred_at
  FROM demo.web_requests w
 CROSS JOIN LATERAL (VALUES ('requests', 1), ('bytes', w.bytes_out)) AS e (meter_id, quantity)
 WHERE e.quantity IS NOT NULL
  WITH NO DATA;

-- A machine on a day it was seen. A vm_id means something only within its lifespan, region and sku. The last day becomes 31 October, and days
-- before June are left out.
CREATE MATERIALIZED VIEW demo.machine_days AS
SELECT DISTINCT demo.tenant(format('%s/%s/%s/%s', lifespan, region, sku, vm_id)) AS tenant_id, format('%s/%s/%s/%s', lifespan, region, sku, vm_id) AS device_key, sku AS device_type,
       vm_id, observed_at::date + (date '2026-10-31' - date '2024-09-23') AS day
  FROM demo.observations
 WHERE observed_at::date + (date '2026-10-31' - date '2024-09-23') >= '2026-06-01'
  WITH NO DATA;

CREATE VIEW demo.machines AS
SELECT tenant_id, device_key, device_type, vm_id, min(day) AS first_day, max(day) + 1 AS end_day FROM demo.machine_days GROUP BY 1, 2, 3, 4;

CREATE VIEW demo.coverage_events AS
SELECT tenant_id, device_key, format('%s@%s', device_key, day) AS event_id, 'cover' AS event_type, day AS effective_from, day + 1 AS effective_to FROM demo.machine_days;

CREATE VIEW demo.months AS
SELECT generate_series(date_trunc('month', (SELECT min(opened_at) FROM demo.allocations) AT TIME ZONE 'UTC'), '2026-10-01', interval '1 month')::date AS first_day;

GRANT USAGE ON SCHEMA demo TO PUBLIC;
GRANT SELECT ON ALL TABLES IN SCHEMA demo TO PUBLIC;
