-- The canonical bytes of invoice i in a currency c.
billing.leaf_canon('invoice', i.tenant_id, i.invoice_id, i.account_id, i.legal_entity_id, i.currency, c.exponent, i.attempt, i.number,
                   i.invoice_date, i.period_start, i.period_end, i.due_date, i.line_count, i.content_hash, i.subtotal_minor, i.tax_minor,
                   i.total_minor, i.finalized_at)
