-- Rating, what is owed so far, and trying a price on what happened.
--
-- The functions of many tenants run without nested loops (what needs one, a LATERAL, has it all the same) and without JIT:
-- their statements chain CTEs whose sizes the planner guesses low, and a nested loop over two of them is quadratic.

CREATE FUNCTION billing.rate_batch(day date, first_tenant text, last_tenant text) RETURNS bigint
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off SET enable_nestloop = off SET work_mem = '64MB'
AS 'MODULE_PATHNAME', 'billing_rate_batch';
COMMENT ON FUNCTION billing.rate_batch(date, text, text) IS
'Rates the tenants from first_tenant to last_tenant (both included, in byte order) up to day, posts the differences, and returns the number of revisions written, all in one transaction. Rating again changes nothing. Errors: MB416 an amount beyond bigint, MB425, MB426.';

CREATE FUNCTION billing.current_charges(tenant text, day date DEFAULT (now() AT TIME ZONE 'UTC')::date)
RETURNS TABLE (account_id text, subscription_id uuid, plan_id text, charge_id text, period_start date, period_end date,
               quantity numeric, amount_minor bigint, currency text)
LANGUAGE C STABLE STRICT PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off
AS 'MODULE_PATHNAME', 'billing_current_charges';
COMMENT ON FUNCTION billing.current_charges(text, date) IS
'What a tenant owes so far, up to the last committed event: per charge of the period that contains day, and of earlier ones not rated yet. amount_minor in minor units of currency. Writes nothing. An unknown tenant has no rows.';

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
