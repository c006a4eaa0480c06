-- Batches, finalization, and invoices for people and machines. The procedures that go through all tenants are in runs.sql.

CREATE FUNCTION billing.guard_invoice() RETURNS trigger
LANGUAGE C AS 'MODULE_PATHNAME', 'billing_guard_invoice';
COMMENT ON FUNCTION billing.guard_invoice() IS 'Internal: trigger that lets a finalized invoice change only its status, along its transitions; else MB423.';

CREATE FUNCTION billing.guard_invoice_line() RETURNS trigger
LANGUAGE C AS 'MODULE_PATHNAME', 'billing_guard_invoice_line';
COMMENT ON FUNCTION billing.guard_invoice_line() IS 'Internal: trigger that refuses UPDATE of invoice lines, and DELETE unless the invoice is a draft, with MB423.';

-- Plain SQL without settings of its own, so that it is inlined into the statements that write events.
CREATE FUNCTION billing.chain_invoice_event(tenant text, invoice uuid, last_sequence integer, last_hash bytea, from_status text, to_status text,
                                            total_minor bigint, actor text, reason text, occurred_at timestamptz, document_hash bytea, salt uuid)
RETURNS TABLE (tenant_id text, invoice_id uuid, sequence integer, event_from text, event_to text, event_total bigint,
               event_actor text, event_reason text, event_at timestamptz, event_document bytea, event_salt uuid, prev_hash bytea, self_hash bytea)
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT $1, $2, coalesce($3, 0) + 1, $5, $6, $7, $8, $9, $10, $11, $12, coalesce($4, '\x0000000000000000000000000000000000000000000000000000000000000000'::bytea),
           billing.fingerprint_columns($1, $2, coalesce($3, 0) + 1, $5, $6, $7, $8, $9,
                               (extract(epoch FROM $10) * 1000000)::bigint, $11, $12, $4)
$$;
COMMENT ON FUNCTION billing.chain_invoice_event(text, uuid, integer, bytea, text, text, bigint, text, text, timestamptz, bytea, uuid) IS
'Internal: the next row of an invoice''s event chain, after the event with last_sequence and last_hash (NULL for the first). self_hash covers every column before it and prev_hash.';

CREATE FUNCTION billing.invoice_batch(due_by date, first_tenant text, last_tenant text, replay_id uuid, finalize boolean,
                                      OUT revisions bigint, OUT invoices bigint, OUT lines bigint, OUT finalized bigint)
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off SET enable_nestloop = off SET enable_mergejoin = off SET work_mem = '64MB'
AS 'MODULE_PATHNAME', 'billing_invoice_batch';
COMMENT ON FUNCTION billing.invoice_batch(date, text, text, uuid, boolean) IS
'Rates and bills the tenants from first_tenant to last_tenant (both included, in byte order) for everything due by due_by: makes or remakes their drafts and, if finalize, finalizes them, all in one transaction. Returns the numbers of rated revisions, drafts made, their lines, and invoices finalized; again with the same data it makes none. replay_id is kept in billing.invoice_runs. Waits for who rates or bills any of these tenants in another transaction. Errors: MB400 first_tenant after last_tenant, MB416, MB425, MB426, MB427.';

CREATE FUNCTION billing.finalize_batch(due_by date, first_tenant text, last_tenant text) RETURNS bigint
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off SET enable_nestloop = off SET work_mem = '64MB'
AS 'MODULE_PATHNAME', 'billing_finalize_batch';
COMMENT ON FUNCTION billing.finalize_batch(date, text, text) IS
'Finalizes the drafts dated up to due_by of the tenants from first_tenant to last_tenant, and returns their number. Waits for who rates or bills any of these tenants in another transaction. Errors: MB400 first_tenant after last_tenant, MB425, MB426, MB427.';

CREATE FUNCTION billing.finalize_invoice(invoice text, tenant text DEFAULT NULL) RETURNS text
LANGUAGE C VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off SET enable_nestloop = off SET work_mem = '64MB'
AS 'MODULE_PATHNAME', 'billing_finalize_invoice';
COMMENT ON FUNCTION billing.finalize_invoice(text, text) IS
'Finalizes one draft and returns its number: gapless within seller and year, unbilled_receivable becomes receivable, the invoice never changes again. invoice: its invoice_id, or its number when it is finalized already (a no-op). tenant narrows the search. Errors: MB400 null, or several sellers'' invoices have the number, MB421 it is paid, void or uncollectible, or an earlier draft of its account is not finalized; MB425, MB446 no such invoice.';

CREATE FUNCTION billing.void_invoice(invoice text, reason text, tenant text DEFAULT NULL) RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'billing_void_invoice';
COMMENT ON FUNCTION billing.void_invoice(text, text, text) IS
'Voids a finalized, unpaid invoice: it keeps its number, its amount goes back to unbilled_receivable, and the next run bills its lines again. invoice: number or invoice_id. Errors: MB400 no reason, MB421 not finalized, MB446 no such invoice.';

CREATE FUNCTION billing.invoice_document(invoice text, tenant text DEFAULT NULL) RETURNS jsonb
LANGUAGE C STABLE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off
AS 'MODULE_PATHNAME', 'billing_invoice_document';
COMMENT ON FUNCTION billing.invoice_document(text, text) IS
'One invoice as JSON: seller, customer, totals, and lines with quantity, price, tiers and amounts. Amounts *_minor are integers in minor units; quantities, prices and amounts in major units are strings. invoice: number or invoice_id. Errors: MB400, MB446.';

CREATE FUNCTION billing.preview_invoices(tenant text, due_by date DEFAULT (now() AT TIME ZONE 'UTC')::date) RETURNS jsonb
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off SET enable_nestloop = off SET work_mem = '64MB'
AS 'MODULE_PATHNAME', 'billing_preview_invoices';
COMMENT ON FUNCTION billing.preview_invoices(text, date) IS
'The drafts a run up to due_by would leave for a tenant, as an array of the documents of billing.invoice_document(). The real run does it, and is rolled back. Counts usage that has been synced.';

CREATE FUNCTION billing.show_invoice_line(document jsonb, line jsonb) RETURNS SETOF text
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    tier      jsonb;
    share     jsonb := line -> 'share';
    is_usage  boolean := line ->> 'meter' IS NOT NULL;
    what      text := (line ->> 'name') || CASE WHEN (line ->> 'correction')::boolean THEN ' (correction)' ELSE '' END;
    quantity  text := CASE WHEN is_usage THEN (line ->> 'quantity') || ' ' || (line ->> 'unit')
                           WHEN share -> 'days' <> share -> 'of' THEN format('%s of %s days', share ->> 'days', share ->> 'of')
                           ELSE '' END;
BEGIN
    RETURN NEXT format('%3s  %-34s %s - %s %30s %18s', line ->> 'line', what, line #>> '{period,start}', line #>> '{period,end}',
                       quantity, line ->> 'amount');
    IF is_usage THEN
        FOR tier IN SELECT * FROM jsonb_array_elements(coalesce(nullif(line -> 'tiers', 'null'), '[]')) LOOP
            RETURN NEXT format('       %-84s %21s', billing.tier_text(tier),
                               billing.at_least_places((tier ->> 'amount')::numeric, (document ->> 'exponent')::integer));
        END LOOP;
    END IF;
    IF (line ->> 'correction')::boolean THEN
        RETURN NEXT format('       now %s, billed before %s', billing.format_amount((line ->> 'rated_minor')::bigint, document ->> 'currency'),
                           billing.format_amount((line ->> 'billed_before_minor')::bigint, document ->> 'currency'));
    END IF;
END
$$;
COMMENT ON FUNCTION billing.show_invoice_line(jsonb, jsonb) IS 'Internal: the lines of text of one invoice line.';

CREATE FUNCTION billing.at_least_places(amount numeric, places integer) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS 'SELECT round(amount, greatest(min_scale(amount), places))::text';
COMMENT ON FUNCTION billing.at_least_places(numeric, integer) IS 'Internal: an exact amount with the decimals it has, and at least places of them.';

CREATE FUNCTION billing.tier_text(tier jsonb) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT format('from %s to %s: %s%s%s', coalesce(tier ->> 'from', '0'), coalesce(tier ->> 'to', 'any'), tier ->> 'quantity',
                  CASE WHEN tier ->> 'unit' IS NOT NULL THEN ' x ' || (tier ->> 'unit') || CASE WHEN tier ->> 'per' <> '1' THEN ' per ' || (tier ->> 'per') ELSE '' END ELSE '' END,
                  CASE WHEN coalesce(tier ->> 'flat', '0') <> '0' THEN ' + ' || (tier ->> 'flat') ELSE '' END)
$$;
COMMENT ON FUNCTION billing.tier_text(jsonb) IS 'Internal: one tier of an invoice line as text.';

CREATE FUNCTION billing.show_invoice(invoice text, tenant text DEFAULT NULL) RETURNS SETOF text
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    document jsonb := billing.invoice_document(invoice, tenant);
    rule     text := repeat('-', 113);
    line     jsonb;
BEGIN
    RETURN NEXT format('Invoice %s (%s)', coalesce(document ->> 'number', document ->> 'invoice_id'), document ->> 'status');
    RETURN NEXT format('from %s to %s (%s/%s)', document #>> '{seller,name}', document #>> '{customer,name}',
                       document #>> '{customer,tenant}', document #>> '{customer,account}');
    RETURN NEXT format('dated %s, due %s, for %s to %s (not included)', document ->> 'invoice_date', document ->> 'due_date',
                       document #>> '{period,start}', document #>> '{period,end}');
    RETURN NEXT rule;
    FOR line IN SELECT * FROM jsonb_array_elements(document -> 'lines') LOOP
        RETURN QUERY SELECT * FROM billing.show_invoice_line(document, line);
    END LOOP;
    RETURN NEXT rule;
    RETURN NEXT format('%113s', 'total  ' || billing.format_amount((document ->> 'total_minor')::bigint, document ->> 'currency'));
END
$$;
COMMENT ON FUNCTION billing.show_invoice(text, text) IS
'An invoice as a page of text, a row a line: per line its quantity, and per tier quantity, unit price and amount, so that a person can check it by hand. invoice: number or invoice_id. Errors as billing.invoice_document().';
