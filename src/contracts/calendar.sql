-- Billing cycles: periods counted in months from an anchor.

CREATE FUNCTION billing.cycles(anchor date, period_months integer, "from" date, "to" date)
    RETURNS TABLE (cycle_start date, cycle_end date)
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE ROWS 3
    AS 'MODULE_PATHNAME', 'billing_cycles';
COMMENT ON FUNCTION billing.cycles(date, integer, date, date) IS
    'The cycles [cycle_start, cycle_end) that overlap ["from", "to"), in order. Cycle n begins at the anchor plus n times period_months months, clamped to the month''s last day and counted always from the anchor: 31 January, 28 February, 31 March. Cycles before the anchor are included. No rows when "from" is not before "to". MB417 for a date that is infinite or outside the years 1 to 9999, MB400 for a period outside 1 to 1200 months.';

CREATE FUNCTION billing.cycle_containing(anchor date, period_months integer, day date,
                                         OUT cycle_start date, OUT cycle_end date)
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'billing_cycle_containing';
COMMENT ON FUNCTION billing.cycle_containing(date, integer, date) IS
    'The one cycle [cycle_start, cycle_end) that contains the day, by the rule of billing.cycles(). Errors as there.';

CREATE FUNCTION billing.cycle_start(anchor date, period_months integer, day date) RETURNS date
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'billing_cycle_start';
COMMENT ON FUNCTION billing.cycle_start(date, integer, date) IS
    'Internal: cycle_start of billing.cycle_containing(), without making a row. Errors as there.';
