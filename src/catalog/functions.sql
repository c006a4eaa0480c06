-- What is sold: meters, products, plans and their charges.

CREATE FUNCTION billing.check_dimensions(dimensions text[]) RETURNS void
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    fault text;
BEGIN
    fault := CASE
        WHEN dimensions IS NULL THEN 'The list is null.'
        WHEN array_ndims(dimensions) > 1 THEN 'The list has more than one level.'
        WHEN cardinality(dimensions) > 32 THEN format('%s were given, and 32 are the most.', cardinality(dimensions))
        WHEN EXISTS (SELECT FROM unnest(dimensions) AS d (key) WHERE coalesce(length(d.key), 0) NOT BETWEEN 1 AND 200)
            THEN 'A key is null, empty or longer than 200 characters.'
        WHEN (SELECT count(DISTINCT d.key) FROM unnest(dimensions) AS d (key)) < cardinality(dimensions) THEN 'A key is listed twice.'
    END;
    IF fault IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'MB419', MESSAGE = 'dimensions must be a list of different keys', DETAIL = fault;
    END IF;
END
$$;
COMMENT ON FUNCTION billing.check_dimensions(text[]) IS 'Internal: refuses dimensions of a meter that are not up to 32 different keys of 1 to 200 characters. Errors: MB419.';

CREATE FUNCTION billing.create_meter(meter text, unit text, aggregation text DEFAULT 'sum', dimensions text[] DEFAULT '{}', name text DEFAULT NULL)
RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    keys     text[];
    shown    text := coalesce(create_meter.name, meter);
    existing jsonb;
BEGIN
    PERFORM billing.require_installed();
    PERFORM billing.refuse_card('aggregation', create_meter.aggregation);
    PERFORM billing.check_text('meter', meter);
    PERFORM billing.check_text('meter name', shown);
    PERFORM billing.check_text('unit', create_meter.unit);
    IF create_meter.aggregation IS NULL OR create_meter.aggregation NOT IN ('sum', 'count', 'max', 'latest') THEN
        RAISE EXCEPTION USING ERRCODE = 'MB400', MESSAGE = format('unknown aggregation "%s"', create_meter.aggregation),
            DETAIL = 'An aggregation is sum, count, max or latest.';
    END IF;
    PERFORM billing.check_dimensions(create_meter.dimensions);
    keys := ARRAY(SELECT d.key FROM unnest(create_meter.dimensions) AS d (key) ORDER BY d.key COLLATE "C");
    INSERT INTO billing.meters (meter_id, name, unit, aggregation, dimensions)
    VALUES (meter, shown, create_meter.unit, create_meter.aggregation, keys)
    ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
        SELECT jsonb_build_object('name', m.name, 'unit', m.unit, 'aggregation', m.aggregation, 'dimensions', m.dimensions) INTO existing
          FROM billing.meters m WHERE m.meter_id = meter;
        PERFORM billing.check_same('meter', meter, existing,
            jsonb_build_object('name', shown, 'unit', create_meter.unit, 'aggregation', create_meter.aggregation, 'dimensions', keys));
    END IF;
    RETURN meter;
END
$$;
COMMENT ON FUNCTION billing.create_meter(text, text, text, text[], text) IS
'Makes a meter, something that is measured, and returns its key. unit: of one quantity, singular. aggregation: sum, count, max or latest. dimensions: keys that an event''s dimensions may have, up to 32. name: for people, the key unless given. A meter never changes; again with the same content: nothing to do. Errors: MB400 malformed, MB409 exists with other content, MB419 dimensions, MB425.';

CREATE FUNCTION billing.create_product(product text, name text DEFAULT NULL) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    shown    text := coalesce(create_product.name, product);
    existing jsonb;
BEGIN
    PERFORM billing.require_installed();
    PERFORM billing.check_text('product', product);
    PERFORM billing.check_text('product name', shown);
    INSERT INTO billing.products (product_id, name) VALUES (product, shown) ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
        SELECT jsonb_build_object('name', p.name) INTO existing FROM billing.products p WHERE p.product_id = product;
        PERFORM billing.check_same('product', product, existing, jsonb_build_object('name', shown));
    END IF;
    RETURN product;
END
$$;
COMMENT ON FUNCTION billing.create_product(text, text) IS
'Makes a product, which plans are plans of, and returns its key. name: for people, the key unless given. Again with the same content: nothing to do. Errors: MB400 malformed, MB409 exists with other content, MB425.';

CREATE FUNCTION billing.whole_months(period interval) RETURNS integer
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    months numeric := extract(year FROM period) * 12 + extract(month FROM period);
BEGIN
    IF period IS NULL OR extract(day FROM period) <> 0 OR extract(epoch FROM date_trunc('day', period) - period) <> 0
       OR months NOT BETWEEN 1 AND 120 THEN
        RAISE EXCEPTION USING ERRCODE = 'MB417', MESSAGE = format('a period of %s cannot be billed', coalesce(period::text, 'null')),
            DETAIL = 'A period is 1 to 120 whole months.',
            HINT = 'Write 1 month, 3 months or 1 year.';
    END IF;
    RETURN months;
END
$$;
COMMENT ON FUNCTION billing.whole_months(interval) IS 'Internal: the months of a billing period. Errors: MB417 unless it is 1 to 120 whole months.';

CREATE FUNCTION billing.check_currency(currency text) RETURNS void
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM billing.refuse_card('currency', check_currency.currency);
    PERFORM FROM billing.currencies c WHERE c.currency = check_currency.currency;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'MB442', MESSAGE = format('unknown currency "%s"', check_currency.currency),
            HINT = 'billing.currencies lists the currencies; billing.create_currency() adds a custom unit.';
    END IF;
END
$$;
COMMENT ON FUNCTION billing.check_currency(text) IS 'Internal: refuses an unknown currency. Errors: MB442.';

CREATE FUNCTION billing.create_plan(plan text, currency text, period interval DEFAULT '1 month', name text DEFAULT NULL, product text DEFAULT NULL,
                                    is_private boolean DEFAULT false) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    shown    text := coalesce(create_plan.name, plan);
    months   integer;
    existing jsonb;
BEGIN
    PERFORM billing.require_installed();
    PERFORM billing.refuse_card('product', product);
    PERFORM billing.check_text('plan', plan);
    PERFORM billing.check_text('plan name', shown);
    IF create_plan.is_private IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'MB400', MESSAGE = 'is_private must be true or false';
    END IF;
    months := billing.whole_months(period);
    PERFORM billing.check_currency(create_plan.currency);
    IF product IS NOT NULL AND NOT EXISTS (SELECT FROM billing.products p WHERE p.product_id = product) THEN
        RAISE EXCEPTION USING ERRCODE = 'MB452', MESSAGE = format('unknown product "%s"', product);
    END IF;
    INSERT INTO billing.plans (plan_id, product_id, name, is_private) VALUES (plan, product, shown, create_plan.is_private) ON CONFLICT DO NOTHING;
    IF FOUND THEN
        INSERT INTO billing.plan_versions (plan_id, version, status, currency, period_months)
        VALUES (plan, 1, 'draft', create_plan.currency, months);
    ELSE
        SELECT jsonb_build_object('name', p.name, 'product', p.product_id, 'currency', v.currency, 'period_months', v.period_months,
                                  'is_private', p.is_private) INTO existing
          FROM billing.plans p JOIN billing.plan_versions v ON v.plan_id = p.plan_id
         WHERE p.plan_id = plan ORDER BY v.version LIMIT 1;
        PERFORM billing.check_same('plan', plan, existing,
            jsonb_build_object('name', shown, 'product', product, 'currency', create_plan.currency, 'period_months', months,
                               'is_private', create_plan.is_private));
    END IF;
    RETURN plan;
END
$$;
COMMENT ON FUNCTION billing.create_plan(text, text, interval, text, text, boolean) IS
'Makes a plan with version 1 as a draft, and returns its key. currency: of all its prices. period: 1 to 120 whole months. name: for people, the key unless given. product: the product it is a plan of. is_private: true for what was agreed with some customers, who alone see it, once staff has subscribed them. Next come billing.add_charge() and billing.publish_plan(). Again with the same content: nothing to do. Errors: MB400 malformed, MB409 exists with other content, MB417 period, MB425, MB442 currency, MB452 product.';
