-- Checks of arguments that the create functions of several modules begin with.

CREATE FUNCTION billing.check_text(what text, given text, longest integer DEFAULT 200) RETURNS void
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF given IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'MB400', MESSAGE = format('%s is null', what);
    END IF;
    PERFORM billing.refuse_card(what, given);
    IF btrim(given) = '' OR length(given) > longest THEN
        RAISE EXCEPTION USING ERRCODE = 'MB400', MESSAGE = format('%s must have 1 to %s characters, not all blank', what, longest),
            DETAIL = format('Its length is %s.', length(given));
    END IF;
END
$$;
COMMENT ON FUNCTION billing.check_text(text, text, integer) IS 'Internal: refuses a key or name that is null, blank or longer than longest characters, or holds a card number. what: its name in the message. Errors: MB400, MB422.';

CREATE FUNCTION billing.check_day(what text, day date) RETURNS void
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF day IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'MB400', MESSAGE = format('%s is null', what);
    END IF;
    IF day < '0001-01-01' OR day > '9999-12-31' THEN
        RAISE EXCEPTION USING ERRCODE = 'MB417', MESSAGE = format('%s %s is not a day of the years 1 to 9999', what, day);
    END IF;
END
$$;
COMMENT ON FUNCTION billing.check_day(text, date) IS 'Internal: refuses a day that is null, infinite or outside the years 1 to 9999. what: its name in the message. Errors: MB400, MB417.';

CREATE FUNCTION billing.check_same(what text, key text, existing jsonb, wanted jsonb) RETURNS void
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    differences text;
BEGIN
    IF existing = wanted THEN
        RETURN;
    END IF;
    SELECT string_agg(format('%s is %s, not %s', w.key, coalesce(existing -> w.key, 'null'), w.value), '; ' ORDER BY w.key COLLATE "C")
      INTO differences
      FROM jsonb_each(wanted) AS w
     WHERE existing -> w.key IS DISTINCT FROM w.value;
    RAISE EXCEPTION USING ERRCODE = 'MB409', MESSAGE = format('%s "%s" exists with other content', what, check_same.key),
        DETAIL = format('Its %s.', differences);
END
$$;
COMMENT ON FUNCTION billing.check_same(text, text, jsonb, jsonb) IS 'Internal: what a create function does when the key exists: nothing when the content is the same, else MB409 naming each member of wanted that differs. existing and wanted: objects with the same members.';
