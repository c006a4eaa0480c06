-- One invoice as a JSON document. $1 tenant, $2 invoice id, $3 its date, by which the other months are not opened.
SELECT jsonb_build_object(
           'number', i.number, 'invoice_id', i.invoice_id, 'status', i.status, 'invoice_date', i.invoice_date, 'due_date', i.due_date,
           'period', jsonb_build_object('start', i.period_start, 'end', i.period_end),
           'seller', jsonb_build_object('legal_entity', e.legal_entity_id, 'name', e.name, 'country', e.country),
           'customer', jsonb_build_object('tenant', i.tenant_id, 'account', i.account_id, 'name', a.name),
           'currency', i.currency, 'exponent', c.exponent, 'subtotal_minor', i.subtotal_minor, 'tax_minor', i.tax_minor, 'total_minor', i.total_minor,
           'total', billing.format_minor(i.total_minor, c.exponent),
           'lines', (
               SELECT jsonb_agg(jsonb_build_object(
                          'line', l.line_no, 'subscription', l.subscription_id, 'plan', l.plan_id, 'version', l.version,
                          'charge', l.charge_id, 'name', h.name, 'meter', h.meter_id, 'unit', m.unit, 'filter', h.filter,
                          'period', jsonb_build_object('start', l.period_start, 'end', l.period_end),
                          'share', jsonb_build_object('days', l.share_days, 'of', l.share_of_days),
                          'quantity', l.quantity::text, 'price', h.price, 'tiers', t.tiers,
                          'rated_minor', l.rated_minor, 'billed_before_minor', l.billed_minor, 'amount_minor', l.amount_minor,
                          'amount', billing.format_minor(l.amount_minor, c.exponent), 'correction', l.is_correction,
                          'rated_line', l.rated_line_id) ORDER BY l.line_no)
                 FROM billing.invoice_lines l
                 JOIN billing.charges h USING (plan_id, version, charge_id)
                 LEFT JOIN billing.meters m USING (meter_id)
                CROSS JOIN LATERAL (
                     SELECT jsonb_agg(jsonb_build_object('tier', r.tier, 'from', r."from"::text, 'to', r."to"::text, 'quantity', r.quantity::text,
                                                         'unit', r.unit::text, 'per', r.per::text, 'flat', r.flat::text, 'amount', r.amount::text) ORDER BY r.tier) AS tiers
                       FROM billing.rate(h.price, l.quantity) AS r) AS t
                WHERE l.invoice_date = $3 AND l.tenant_id = $1 AND l.invoice_id = $2))
  FROM billing.invoices i
  JOIN billing.accounts a USING (tenant_id, account_id)
  JOIN billing.legal_entities e ON e.legal_entity_id = i.legal_entity_id
  JOIN billing.currencies c USING (currency)
 WHERE i.invoice_date = $3 AND i.tenant_id = $1 AND i.invoice_id = $2
