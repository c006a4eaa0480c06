-- No card number is ever stored. Raising from within the CHECK, rather than answering false, keeps PostgreSQL from quoting the row.

CREATE FUNCTION billing.refuse_card(what text, value text) RETURNS boolean
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'billing_refuse_card_text';
COMMENT ON FUNCTION billing.refuse_card(text, text) IS 'Internal: true, or MB422 when the text holds a card number: 13 to 19 digits of an issuer that pass the Luhn check, in one piece or grouped as on a card, in any script. what: the column or argument, for the message, which never quotes the value. Errors: MB422.';

CREATE FUNCTION billing.refuse_card(what text, value jsonb) RETURNS boolean
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'billing_refuse_card_jsonb';
COMMENT ON FUNCTION billing.refuse_card(text, jsonb) IS 'Internal: the same for the keys, strings and numbers of a document, and for members called like a card''s number or security code that hold 3, 4 or 12 to 19 digits. Errors: MB422.';

CREATE FUNCTION billing.refuse_card(what text, value text[]) RETURNS boolean
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'billing_refuse_card_texts';
COMMENT ON FUNCTION billing.refuse_card(text, text[]) IS 'Internal: the same for each element of an array. Errors: MB422.';

CREATE FUNCTION billing.refuse_cards_in(relation text, VARIADIC columns text[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    EXECUTE format('ALTER TABLE billing.%I ADD CONSTRAINT %I CHECK (%s)', relation, relation || '_cards',
                   (SELECT string_agg(format('billing.refuse_card(%L, %I)', c.name, c.name), ' AND ' ORDER BY c.position)
                      FROM unnest(columns) WITH ORDINALITY AS c (name, position)));
END
$$;
COMMENT ON FUNCTION billing.refuse_cards_in(text, text[]) IS 'Internal: refuses card numbers in columns (text, jsonb or text[]) of a table of schema billing, by a CHECK: every one that a call can write a text into, unless it refers to one that is checked.';
