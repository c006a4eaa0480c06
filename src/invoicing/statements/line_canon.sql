-- The canonical bytes of invoice line l.
billing.leaf_canon('invoice_line', l.tenant_id, l.invoice_id, l.line_no, l.rated_line_id, l.subscription_id, l.plan_id, l.version,
                   l.charge_id, l.period_start, l.period_end, l.share_days, l.share_of_days, l.quantity, l.rated_minor, l.billed_minor,
                   l.amount_minor, l.currency, l.is_correction)
