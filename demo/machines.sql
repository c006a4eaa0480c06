-- Machines seen by day: registered for as long as they were seen, covered on the days they were, each known by its whole key.
SET ROLE billing_operator;
\o /dev/null
SELECT billing.register_devices(jsonb_agg(jsonb_build_object('tenant', tenant_id, 'device', device_key, 'device_type', device_type, 'enrolled_from', first_day, 'enrolled_to', end_day)))
  FROM demo.machines;
SELECT billing.claim_identities(jsonb_agg(jsonb_build_object('tenant', tenant_id, 'device', device_key, 'identity_type', 'vm', 'identity_value', device_key, 'claimed_on', first_day)))
  FROM demo.machines;
SET ROLE billing_loader;
SELECT billing.import_coverage('demo.coverage_events');
