-- Inference tokens of all tenants, recorded in JSON batches of 1,000 events. Prints how many were new.
SET ROLE billing_loader;
SELECT coalesce(sum(billing.record_usage(b.batch)), 0)
  FROM (SELECT jsonb_agg(jsonb_build_object('tenant', e.tenant_id, 'meter', e.meter_id, 'event_id', e.event_id, 'quantity', e.quantity::text,
                                            'occurred_at', e.occurred_at, 'dimensions', e.dimensions)) AS batch
          FROM (SELECT *, row_number() OVER () - 1 AS n FROM demo.token_events) AS e
         GROUP BY e.n / 1000) AS b;
