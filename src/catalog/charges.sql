-- What a draft charges for.

CREATE FUNCTION billing.check_filter(meter text, filter jsonb) RETURNS void
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    known       text[] := (SELECT m.dimensions FROM billing.meters m WHERE m.meter_id = meter);
    unknown_key text;
    odd_key     text;
BEGIN
    PERFORM billing.refuse_card('meter', meter), billing.refuse_card('filter', filter);
    IF meter IS NOT NULL AND known IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'MB441', MESSAGE = format('unknown meter "%s"', meter);
    END IF;
    IF filter IS NULL OR jsonb_typeof(filter) <> 'object' THEN
        RAISE EXCEPTION USING ERRCODE = 'MB419', MESSAGE = 'a filter must be an object of dimensions', DETAIL = format('It is %s.', coalesce(filter::text, 'null'));
    END IF;
    IF meter IS NULL AND filter <> '{}' THEN
        RAISE EXCEPTION USING ERRCODE = 'MB419', MESSAGE = 'a fixed fee has no dimensions to filter by', DETAIL = format('The filter is %s.', filter);
    END IF;
    SELECT min(f.key) FILTER (WHERE f.key <> ALL (known)), min(f.key) FILTER (WHERE jsonb_typeof(f.value) <> 'string') INTO unknown_key, odd_key
      FROM jsonb_each(filter) AS f;
    IF unknown_key IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'MB419', MESSAGE = format('"%s" is not a dimension of meter "%s"', unknown_key, meter),
            DETAIL = CASE WHEN known = '{}' THEN 'It has none.' ELSE format('It has %s.', array_to_string(known, ', ')) END;
    END IF;
    IF odd_key IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'MB419', MESSAGE = format('value of "%s" in the filter is not a string', odd_key),
            DETAIL = format('It is %s.', filter -> odd_key);
    END IF;
END
$$;
COMMENT ON FUNCTION billing.check_filter(text, jsonb) IS 'Internal: refuses a filter unless it is an object of strings whose keys are dimensions of the meter; without a meter it must be empty. Errors: MB419, MB441.';

CREATE FUNCTION billing.check_terms(meter text, price jsonb, in_advance boolean, prorate boolean) RETURNS void
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF price IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'MB410', MESSAGE = 'a charge needs a price';
    END IF;
    IF in_advance IS NULL OR prorate IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'MB400', MESSAGE = 'in_advance and prorate must be true or false';
    END IF;
    IF meter IS NULL AND price ->> 'model' <> 'flat' THEN
        RAISE EXCEPTION USING ERRCODE = 'MB400', MESSAGE = format('a price of model %s needs a meter', price ->> 'model'),
            DETAIL = 'Without a meter a charge is a fixed fee per period, of model flat.';
    END IF;
    IF meter IS NOT NULL AND in_advance THEN
        RAISE EXCEPTION USING ERRCODE = 'MB400', MESSAGE = 'usage cannot be charged in advance',
            DETAIL = 'Its quantity is known at the end of the period.';
    END IF;
END
$$;
COMMENT ON FUNCTION billing.check_terms(text, jsonb, boolean, boolean) IS 'Internal: refuses combinations that no charge can have. price: normalized. Errors: MB400, MB410.';

CREATE FUNCTION billing.charge_content(name text, meter text, filter jsonb, price jsonb, in_advance boolean, prorate boolean) RETURNS jsonb
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT jsonb_build_object('name', name, 'meter', meter, 'filter', filter, 'price', price, 'in_advance', in_advance, 'prorate', prorate)
$$;
COMMENT ON FUNCTION billing.charge_content(text, text, jsonb, jsonb, boolean, boolean) IS 'Internal: what makes two charges the same.';

CREATE FUNCTION billing.add_charge(plan text, charge text, price jsonb, meter text DEFAULT NULL, filter jsonb DEFAULT '{}', name text DEFAULT NULL,
                                   in_advance boolean DEFAULT false, prorate boolean DEFAULT true, version integer DEFAULT NULL) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    shown    text := coalesce(add_charge.name, charge);
    terms    jsonb := billing.normalize_price(add_charge.price);
    draft    integer;
    existing jsonb;
BEGIN
    PERFORM billing.require_installed();
    PERFORM billing.check_text('charge', charge);
    PERFORM billing.check_text('charge name', shown);
    PERFORM billing.check_filter(meter, add_charge.filter);
    PERFORM billing.check_terms(meter, terms, add_charge.in_advance, add_charge.prorate);
    draft := billing.lock_draft(plan, add_charge.version);
    INSERT INTO billing.charges (plan_id, version, charge_id, name, meter_id, filter, price, price_hash, in_advance, prorate, position)
    SELECT plan, draft, charge, shown, meter, add_charge.filter, terms, billing.price_hash(terms), add_charge.in_advance, add_charge.prorate,
           coalesce(max(c.position), 0) + 1
      FROM billing.charges c WHERE c.plan_id = plan AND c.version = draft
    ON CONFLICT ON CONSTRAINT charges_pkey DO NOTHING;
    IF NOT FOUND THEN
        SELECT billing.charge_content(c.name, c.meter_id, c.filter, c.price, c.in_advance, c.prorate) INTO existing
          FROM billing.charges c WHERE c.plan_id = plan AND c.version = draft AND c.charge_id = charge;
        PERFORM billing.check_same('charge', charge, existing,
            billing.charge_content(shown, meter, add_charge.filter, terms, add_charge.in_advance, add_charge.prorate));
    END IF;
    RETURN charge;
END
$$;
COMMENT ON FUNCTION billing.add_charge(text, text, jsonb, text, jsonb, text, boolean, boolean, integer) IS
'Adds a charge to the draft of a plan and returns its key. price: the price document, see billing.rate(); numbers in it are stored as strings. meter: what is charged for; without one it is a fixed fee per period, of model flat. filter: object of strings; usage is charged when its dimensions contain it. name: for people, the key unless given. in_advance: a fixed fee is due at the start of its period. prorate: a fixed fee for part of a period is charged by days. version: of the draft, which is the newest. Two charges of a plan may take the same usage, and both charge it. Again with the same content: nothing to do. Errors: MB400 malformed, MB409 exists with other content, MB410 to MB414 price, MB419 filter, MB420 not a draft, MB425, MB441 meter, MB443 plan or version.';

CREATE FUNCTION billing.remove_charge(plan text, charge text, version integer DEFAULT NULL) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    draft integer;
BEGIN
    PERFORM billing.require_installed();
    draft := billing.lock_draft(plan, remove_charge.version);
    DELETE FROM billing.charges c WHERE c.plan_id = plan AND c.version = draft AND c.charge_id = charge;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'MB444', MESSAGE = format('version %s of plan "%s" has no charge "%s"', draft, plan, charge);
    END IF;
    RETURN charge;
END
$$;
COMMENT ON FUNCTION billing.remove_charge(text, text, integer) IS
'Removes a charge from the draft of a plan and returns its key. version: of the draft, which is the newest. Errors: MB420 not a draft, MB425, MB443 plan or version, MB444 no such charge.';
