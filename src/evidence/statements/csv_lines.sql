-- The lines of a bundle as records of RFC 4180. $1 invoice date, $2 tenant, $3 invoice, $4 the bundle. A row a line: the record, and whether the
-- invoice and the line are, byte for byte, those in the bundle.
SELECT (SELECT string_agg(CASE WHEN f.value ~ E'[",\r\n]' THEN '"' || replace(f.value, '"', '""') || '"' ELSE f.value END, ',' ORDER BY f.place)
          FROM unnest(ARRAY[i.number, l.line_no::text, l.plan_id, l.version::text, l.charge_id,
                            to_char(l.period_start, 'YYYY-MM-DD'), to_char(l.period_end, 'YYYY-MM-DD'), l.share_days::text, l.share_of_days::text,
                            trim_scale(l.quantity)::text, (l.rated_minor || 'e-' || c.exponent)::numeric::text,
                            (l.billed_minor || 'e-' || c.exponent)::numeric::text, (l.amount_minor || 'e-' || c.exponent)::numeric::text,
                            l.currency, l.is_correction::text]) WITH ORDINALITY AS f (value, place)),
       (decode(b.invoice ->> 'canon', 'base64') = @invoice_canon@
        AND decode(e.canon, 'base64') = @line_canon@) IS TRUE
  FROM (SELECT $4::jsonb -> 'invoice' OFFSET 0) AS b (invoice)
 CROSS JOIN jsonb_array_elements_text(b.invoice -> 'lines') WITH ORDINALITY AS e (canon, line_no)
  LEFT JOIN billing.invoices i ON i.invoice_date = $1 AND i.tenant_id = $2 AND i.invoice_id = $3
  LEFT JOIN billing.currencies c ON c.currency = i.currency
  LEFT JOIN billing.invoice_lines l ON l.invoice_date = $1 AND l.tenant_id = $2 AND l.invoice_id = $3 AND l.line_no = e.line_no
 ORDER BY e.line_no
