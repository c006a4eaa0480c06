-- Price documents, and what a quantity costs by them.

CREATE FUNCTION billing.is_price(price jsonb) RETURNS boolean
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'billing_is_price';
COMMENT ON FUNCTION billing.is_price(jsonb) IS 'True for a valid price document; any other raises what is wrong with it, so that a CHECK says why. Decimals are strings (or numbers), not negative, below 10^18, with at most 18 decimals. Models and their keys: flat (amount), unit (unit, per), graduated and volume (per, tiers of up_to, unit, flat), package (unit, per), percentage (percent, flat), graduated_percentage (tiers of up_to, percent, flat), stairstep (tiers of up_to, flat); all but flat also minimum and maximum. up_to is inclusive and ascending; the last tier''s, and only its, is null or absent. Errors: MB410 not a price, MB411 no tiers, MB412 tiers out of order or no open last tier, MB413 negative, MB414 too many decimals.';

CREATE FUNCTION billing.normalize_price(price jsonb) RETURNS jsonb
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'billing_normalize_price';
COMMENT ON FUNCTION billing.normalize_price(jsonb) IS 'The price with every number as a string of the same digits: 49.00 becomes "49.00". Errors: as billing.is_price().';

CREATE FUNCTION billing.price_hash(price jsonb) RETURNS bytea
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'billing_price_hash';
COMMENT ON FUNCTION billing.price_hash(jsonb) IS 'SHA-256 (32 bytes) of the RFC 8785 JSON of billing.normalize_price(price). Errors: as billing.is_price().';

CREATE FUNCTION billing.rate_minor(price jsonb, quantity numeric, exponent integer, numerator bigint DEFAULT 1, denominator bigint DEFAULT 1)
RETURNS bigint
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'billing_rate_minor';
COMMENT ON FUNCTION billing.rate_minor(jsonb, numeric, integer, bigint, bigint) IS 'What a quantity costs, times numerator / denominator (a proration), in minor units of a currency with this exponent (0 to 18): exact until it is rounded once, half away from zero. A quantity of zero reaches no tier and costs the minimum, if there is one; a negative quantity costs the negative of what its magnitude costs, without the minimum; flat costs its amount whatever the quantity. Errors: as billing.is_price(); MB415 for a quantity that is not finite, has more than 18 decimals or is 10^20 or more; MB416 when the amount does not fit; MB400 for an exponent or proration that makes no sense.';

CREATE FUNCTION billing.rate_amount(price jsonb, quantity numeric, places integer) RETURNS numeric
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'billing_rate_amount';
COMMENT ON FUNCTION billing.rate_amount(jsonb, numeric, integer) IS 'What a quantity costs in major units, rounded once to this many decimals (0 to 18), half away from zero; for amounts finer than a currency''s minor unit. Errors: as billing.rate_minor().';

CREATE FUNCTION billing.rate(price jsonb, total_quantity numeric)
RETURNS TABLE (tier integer, "from" numeric, "to" numeric, quantity numeric, unit numeric, per numeric, flat numeric, amount numeric)
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE ROWS 4
AS 'MODULE_PATHNAME', 'billing_rate';
COMMENT ON FUNCTION billing.rate(jsonb, numeric) IS 'How a cost comes about: a row for each tier reached, with the part of the quantity it charges (for package, what the started blocks hold) and amount = quantity * unit / per + flat in major units, not rounded (at 18 decimals if it takes more than 38 digits). "from" is exclusive, "to" inclusive and NULL for no end. A percentage is unit with per 100. What a minimum or maximum adds or takes away is a last row with tier NULL. The amounts add up to the cost; no rows cost 0. Errors: as billing.rate_minor().';

CREATE FUNCTION billing.split_amount(total bigint, weights bigint[]) RETURNS bigint[]
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'billing_split_amount';
COMMENT ON FUNCTION billing.split_amount(bigint, bigint[]) IS 'Parts of an amount in minor units by weight that always add up to it: each truncated towards zero, then a unit more to the largest remainders, among equal ones to the earlier. A weight of 0 gets 0. Errors: MB400 for a null or negative weight or when all are 0; MB416 when the weights add up to 2^64 or more.';
