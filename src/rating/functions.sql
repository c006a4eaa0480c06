-- Rating, what is owed so far, and trying a price on what happened.
--
-- The functions of many tenants run without nested loops (what needs one, a LATERAL, has it all the same) and without JIT:
-- their statements chain CTEs whose sizes the planner guesses low, and a nested loop over two of them is quadratic.

CREATE FUNCTION billing.quantity_of_step(internal, text, numeric, timestamptz, jsonb) RETURNS internal
LANGUAGE C IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'billing_quantity_of_step';
COMMENT ON FUNCTION billing.quantity_of_step(internal, text, numeric, timestamptz, jsonb) IS 'Internal: adds a count to billing.quantity_of().';

CREATE FUNCTION billing.quantity_of_final(internal) RETURNS numeric
LANGUAGE C IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'billing_quantity_of_final';
COMMENT ON FUNCTION billing.quantity_of_final(internal) IS 'Internal: the result of billing.quantity_of().';

CREATE AGGREGATE billing.quantity_of(aggregation text, quantity numeric, latest_at timestamptz, dimensions jsonb) (
    SFUNC = billing.quantity_of_step,
    STYPE = internal,
    SSPACE = 128,
    FINALFUNC = billing.quantity_of_final,
    FINALFUNC_MODIFY = READ_ONLY,
    PARALLEL = SAFE
);
COMMENT ON AGGREGATE billing.quantity_of(text, numeric, timestamptz, jsonb) IS
'Internal: the quantity of a period from its daily counts, by the aggregation of their meter: the largest (max), that of the latest occurred_at, among equal ones of the last dimensions (latest), their sum (every other). Whatever their order. Errors: MB400 an argument is null.';

-- What rated_now asks of the lines of single subscriptions.

CREATE FUNCTION billing.newest_rated_period(tenant text, subscription uuid, OUT period_start date, OUT rated_on date, OUT window_no bigint) RETURNS SETOF record
LANGUAGE sql STABLE STRICT PARALLEL SAFE ROWS 1 SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off AS $$
    SELECT r.period_start, max(r.rated_on), max(r.window_no)
      FROM billing.rated_lines r
     WHERE r.tenant_id = tenant AND r.subscription_id = subscription
       AND r.period_start = (SELECT l.period_start FROM billing.rated_lines l
                              WHERE l.tenant_id = tenant AND l.subscription_id = subscription
                              ORDER BY l.period_start DESC LIMIT 1)
     GROUP BY r.period_start
$$;
COMMENT ON FUNCTION billing.newest_rated_period(text, uuid) IS 'Internal: the newest period that a subscription has rated lines of, the latest day it was rated up to, and the last count window seen; no row when nothing was rated.';

CREATE FUNCTION billing.rated_up_to(tenant text, subscription uuid, "from" date) RETURNS date
LANGUAGE sql STABLE STRICT PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off AS $$
    SELECT max(r.rated_on) FROM billing.rated_lines r
     WHERE r.tenant_id = tenant AND r.subscription_id = subscription AND r.period_start >= "from"
$$;
COMMENT ON FUNCTION billing.rated_up_to(text, uuid, date) IS 'Internal: the latest day that a period of the subscription that starts on or after "from" was rated up to; NULL when none was.';

CREATE FUNCTION billing.is_rated_otherwise(tenant text, subscription uuid, "from" date) RETURNS boolean
LANGUAGE sql STABLE STRICT PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off AS $$
    WITH latest AS (
        SELECT DISTINCT ON (r.plan_id, r.version, r.charge_id, r.period_start) r.plan_id, r.version, r.charge_id, r.period_start, r.period_end, r.share_days
          FROM billing.rated_lines r
         WHERE r.tenant_id = tenant AND r.subscription_id = subscription AND r.period_start >= "from"
         ORDER BY r.plan_id, r.version, r.charge_id, r.period_start, r.revision DESC
    ), rated AS (
        SELECT plan_id, version, charge_id, period_start, period_end FROM latest WHERE share_days > 0
    ), agreed AS (
        SELECT p.plan_id, p.version, h.charge_id, greatest(c.cycle_start, p.starts), least(c.cycle_end, p.ends, s.ends)
          FROM billing.subscriptions s
         CROSS JOIN LATERAL billing.cycles(s.anchor, s.period_months, "from", s.ends) AS c
          JOIN billing.subscription_phases p
            ON p.tenant_id = s.tenant_id AND p.subscription_id = s.subscription_id AND NOT p.is_trial
           AND p.starts < c.cycle_end AND coalesce(p.ends > c.cycle_start, true)
          JOIN billing.charges h ON h.plan_id = p.plan_id AND h.version = p.version
         WHERE s.tenant_id = tenant AND s.subscription_id = subscription AND p.starts < s.ends
    )
    SELECT EXISTS (TABLE rated EXCEPT TABLE agreed) OR EXISTS (TABLE agreed EXCEPT TABLE rated)
$$;
COMMENT ON FUNCTION billing.is_rated_otherwise(text, uuid, date) IS 'Internal: whether the latest revisions of a subscription that ended, in the cycles from that which starts on "from", are of other days or charges than were agreed: its end was moved, or its plan changed, after it was rated.';

CREATE FUNCTION billing.rate_batch(day date, first_tenant text, last_tenant text) RETURNS bigint
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off SET enable_nestloop = off SET work_mem = '64MB'
AS 'MODULE_PATHNAME', 'billing_rate_batch';
COMMENT ON FUNCTION billing.rate_batch(date, text, text) IS
'Rates the tenants from first_tenant to last_tenant (both included, in byte order) up to day, posts the differences, and returns the number of revisions written, all in one transaction. Rating again changes nothing. Waits for who rates or bills any of these tenants in another transaction. Errors: MB400 first_tenant after last_tenant, MB416 an amount beyond bigint, MB425, MB426, MB427.';

CREATE FUNCTION billing.current_charges(tenant text, day date DEFAULT (now() AT TIME ZONE 'UTC')::date)
RETURNS TABLE (account_id text, subscription_id uuid, plan_id text, charge_id text, period_start date, period_end date,
               quantity numeric, amount_minor bigint, currency text)
LANGUAGE C STABLE STRICT PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off
AS 'MODULE_PATHNAME', 'billing_current_charges';
COMMENT ON FUNCTION billing.current_charges(text, date) IS
'What a tenant owes so far, up to the last committed event: per charge of the period that contains day, and of earlier ones not rated yet. amount_minor in minor units of currency. A subscription that ended has none once it is rated past its end: its lines are in billing.rated_lines. Writes nothing. An unknown tenant has no rows.';

CREATE FUNCTION billing.shadow_rate(plan text, charge text, price jsonb, period date)
RETURNS TABLE (tenant_id text, subscription_id uuid, period_start date, period_end date, quantity numeric,
               existing_minor bigint, candidate_minor bigint, difference_minor bigint, currency text)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off AS $$
BEGIN
    PERFORM billing.require_installed();
    RETURN QUERY
    SELECT r.tenant_id, r.subscription_id, r.period_start, r.period_end, r.quantity, r.amount_minor, s.candidate,
           s.candidate - r.amount_minor, r.currency
      FROM billing.rated r
      JOIN billing.currencies c ON c.currency = r.currency
     CROSS JOIN LATERAL billing.rate_minor(billing.normalize_price(shadow_rate.price), r.quantity, c.exponent, r.share_days, r.share_of_days) AS s (candidate)
     WHERE r.plan_id = plan AND r.charge_id = charge
       AND r.period_start >= period AND r.period_start < period + interval '1 month'
     ORDER BY r.tenant_id, r.subscription_id, r.period_start;
END
$$;
COMMENT ON FUNCTION billing.shadow_rate(text, text, jsonb, date) IS
'Tries a price on history: for every line of the charge rated for a period that starts in the month from period, what it came to, what it would come to at the candidate price, and the difference, in minor units of currency. Writes nothing: no rated line, no entry. Errors: MB410 to MB416 for a price that cannot be, MB425.';
