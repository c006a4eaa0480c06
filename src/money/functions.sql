-- Custom units, and amounts as people read them.

CREATE FUNCTION billing.create_currency(currency text, name text, exponent integer) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    existing jsonb;
BEGIN
    PERFORM billing.require_installed();
    PERFORM billing.refuse_card('currency', create_currency.currency);
    IF create_currency.currency IS NULL OR create_currency.currency !~ '^[A-Z][A-Z0-9_]{2,15}$' THEN
        RAISE EXCEPTION USING ERRCODE = 'MB400', MESSAGE = format('"%s" cannot be a currency', create_currency.currency),
            DETAIL = 'A currency is 3 to 16 of A-Z, 0-9 and _, beginning with a letter.';
    END IF;
    PERFORM billing.check_text('currency name', create_currency.name);
    IF create_currency.exponent IS NULL OR create_currency.exponent NOT BETWEEN 0 AND 18 THEN
        RAISE EXCEPTION USING ERRCODE = 'MB400', MESSAGE = format('exponent %s is not between 0 and 18', coalesce(create_currency.exponent::text, 'null')),
            DETAIL = 'The exponent is the number of decimals of a currency''s minor unit.';
    END IF;
    INSERT INTO billing.currencies (currency, name, exponent)
    VALUES (create_currency.currency, create_currency.name, create_currency.exponent)
    ON CONFLICT ON CONSTRAINT currencies_pkey DO NOTHING;
    IF NOT FOUND THEN
        SELECT jsonb_build_object('name', c.name, 'exponent', c.exponent) INTO existing
          FROM billing.currencies c WHERE c.currency = create_currency.currency;
        PERFORM billing.check_same('currency', create_currency.currency, existing,
                                   jsonb_build_object('name', create_currency.name, 'exponent', create_currency.exponent));
    END IF;
    RETURN create_currency.currency;
END
$$;
COMMENT ON FUNCTION billing.create_currency(text, text, integer) IS
'Adds a custom unit of money (credits, points) and returns it. currency: 3 to 16 of A-Z, 0-9 and _, beginning with a letter. name: for people. exponent: decimals of its minor unit, 0 to 18; it never changes. Again with the same content: nothing to do. Errors: MB400 malformed, MB409 exists with other content, MB425.';

CREATE FUNCTION billing.format_minor(amount_minor bigint, exponent integer) RETURNS text
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'billing_format_minor';
COMMENT ON FUNCTION billing.format_minor(bigint, integer) IS
'An amount in minor units as plain decimal text with exactly exponent decimals (0 to 18): format_minor(123450, 2) is 1234.50. Errors: MB400 exponent out of range.';

CREATE FUNCTION billing.format_grouped(amount_minor bigint, exponent integer) RETURNS text
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'billing_format_grouped';
COMMENT ON FUNCTION billing.format_grouped(bigint, integer) IS
'As billing.format_minor(), with thousands separated by commas: format_grouped(123450, 2) is 1,234.50. Errors: MB400 exponent out of range.';

CREATE FUNCTION billing.format_amount(amount_minor bigint, currency text) RETURNS text
LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    places integer := (SELECT c.exponent FROM billing.currencies c WHERE c.currency = format_amount.currency);
BEGIN
    PERFORM billing.refuse_card('currency', format_amount.currency);
    IF places IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'MB442', MESSAGE = format('unknown currency "%s"', format_amount.currency),
            HINT = 'billing.currencies lists the currencies; billing.create_currency() adds a custom unit.';
    END IF;
    RETURN billing.format_grouped(amount_minor, places) || ' ' || format_amount.currency;
END
$$;
COMMENT ON FUNCTION billing.format_amount(bigint, text) IS
'An amount in minor units of a currency for people: format_amount(123450, ''EUR'') is 1,234.50 EUR. Errors: MB442 unknown currency.';
