-- One month of GPU allocations as they happen: opened, closed, and at its end what is still open is accrued. :month is its first day.
SET ROLE billing_operator;
\o /dev/null
SELECT billing.open_allocation(tenant_id, allocation_id, meter => 'gpu_time', units => units, opened_at => opened_at, dimensions => dimensions)
  FROM demo.allocations WHERE opened_at >= :'month'::date AND opened_at < :'month'::date + interval '1 month';
SELECT billing.close_allocation(tenant_id, allocation_id, closed_at => closed_at)
  FROM demo.allocations WHERE closed_at >= :'month'::date AND closed_at < :'month'::date + interval '1 month';
SELECT billing.accrue_allocations(until => :'month'::date + interval '1 month');
