-- Who sells and who pays.

CREATE FUNCTION billing.check_legal_entity(country text, invoice_series text, time_zone text, payment_days integer) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM billing.refuse_card('country', country), billing.refuse_card('invoice series', invoice_series), billing.refuse_card('time zone', time_zone);
    IF country !~ '^[A-Z]{2}$' THEN
        RAISE EXCEPTION USING ERRCODE = 'MB400', MESSAGE = format('"%s" cannot be a country', country),
            DETAIL = 'A country is an ISO 3166-1 code of two capital letters.';
    END IF;
    IF invoice_series IS NULL OR invoice_series !~ '^[A-Z0-9]{1,12}$' THEN
        RAISE EXCEPTION USING ERRCODE = 'MB400', MESSAGE = format('"%s" cannot be an invoice series', invoice_series),
            DETAIL = 'A series is 1 to 12 of A-Z and 0-9.';
    END IF;
    IF time_zone IS NULL OR NOT EXISTS (SELECT FROM pg_timezone_names z WHERE z.name = time_zone) THEN
        RAISE EXCEPTION USING ERRCODE = 'MB400', MESSAGE = format('unknown time zone "%s"', time_zone),
            HINT = 'pg_timezone_names lists the time zones, for example Europe/Berlin.';
    END IF;
    IF payment_days IS NULL OR payment_days NOT BETWEEN 0 AND 365 THEN
        RAISE EXCEPTION USING ERRCODE = 'MB400', MESSAGE = format('%s payment days are not between 0 and 365', coalesce(payment_days::text, 'null'));
    END IF;
END
$$;
COMMENT ON FUNCTION billing.check_legal_entity(text, text, text, integer) IS 'Internal: preconditions of billing.create_legal_entity(). Errors: MB400.';

CREATE FUNCTION billing.create_legal_entity(legal_entity text, name text, country text DEFAULT NULL, invoice_series text DEFAULT 'INV',
                                            time_zone text DEFAULT 'UTC', payment_days integer DEFAULT 30) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
    existing jsonb;
BEGIN
    PERFORM billing.require_installed();
    PERFORM billing.check_text('legal entity', legal_entity);
    PERFORM billing.check_text('legal entity name', name);
    PERFORM billing.check_legal_entity(country, invoice_series, time_zone, payment_days);
    INSERT INTO billing.legal_entities (legal_entity_id, name, country, invoice_series, time_zone, payment_days)
    VALUES (legal_entity, name, country, invoice_series, time_zone, payment_days)
    ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
        SELECT jsonb_build_object('name', e.name, 'country', e.country, 'invoice_series', e.invoice_series, 'time_zone', e.time_zone,
                                  'payment_days', e.payment_days) INTO existing
          FROM billing.legal_entities e WHERE e.legal_entity_id = legal_entity;
        PERFORM billing.check_same('legal entity', legal_entity, existing,
            jsonb_build_object('name', name, 'country', country, 'invoice_series', invoice_series, 'time_zone', time_zone,
                               'payment_days', payment_days));
    END IF;
    RETURN legal_entity;
END
$$;
COMMENT ON FUNCTION billing.create_legal_entity(text, text, text, text, text, integer) IS
'Makes a seller and returns its key. name: registered, printed on invoices. country: ISO 3166-1 alpha-2. invoice_series: 1 to 12 of A-Z and 0-9, first part of its invoice numbers. time_zone: for printed dates; periods are UTC days all the same. payment_days: 0 to 365, from invoice date to due date. Again with the same content: nothing to do. Errors: MB400 malformed, MB409 exists with other content, MB425.';

CREATE FUNCTION billing.create_account(tenant text, name text DEFAULT NULL, account text DEFAULT 'main', legal_entity text DEFAULT 'default') RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    shown    text := coalesce(create_account.name, tenant);
    existing jsonb;
BEGIN
    PERFORM billing.require_installed();
    PERFORM billing.refuse_card('legal entity', legal_entity);
    PERFORM billing.require_tenant(tenant, true);
    PERFORM billing.check_text('tenant', tenant);
    PERFORM billing.check_text('account', account);
    PERFORM billing.check_text('account name', shown);
    IF NOT EXISTS (SELECT FROM billing.legal_entities e WHERE e.legal_entity_id = legal_entity) THEN
        RAISE EXCEPTION USING ERRCODE = 'MB448', MESSAGE = format('unknown legal entity "%s"', legal_entity);
    END IF;
    INSERT INTO billing.accounts (tenant_id, account_id, name, legal_entity_id) VALUES (tenant, account, shown, legal_entity)
    ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
        SELECT jsonb_build_object('name', a.name, 'legal_entity', a.legal_entity_id) INTO existing
          FROM billing.accounts a WHERE a.tenant_id = tenant AND a.account_id = account;
        PERFORM billing.check_same('account', tenant || '/' || account, existing,
                                   jsonb_build_object('name', shown, 'legal_entity', legal_entity));
    END IF;
    RETURN account;
END
$$;
COMMENT ON FUNCTION billing.create_account(text, text, text, text) IS
'Makes an account, which gets its own invoices, and returns its key within the tenant. tenant: the key the application already uses for its customer. name: for people, the tenant''s key unless given. legal_entity: the seller that bills it. Again with the same content: nothing to do. Errors: MB400 malformed, MB409 exists with other content, MB425, MB448 legal entity.';
