-- Prices: what is accepted, what is refused and how, and what a quantity costs.
SET timezone = 'UTC'; SET datestyle = ISO;
\set VERBOSITY default

-- Every model, at its edges. Tiers end inclusively; zero reaches none.
CREATE TEMP TABLE prices (name text PRIMARY KEY, price jsonb NOT NULL CHECK (billing.is_price(price)));
INSERT INTO prices VALUES
    ('flat', '{"model":"flat","amount":"49.00"}'),
    ('unit', '{"model":"unit","unit":"15","per":"1000000"}'),
    ('graduated', '{"model":"graduated","tiers":[{"up_to":"10","unit":"5","flat":"1"},{"up_to":"20","unit":"2.5"},{"up_to":null,"unit":"0.01","flat":"7"}]}'),
    ('volume', '{"model":"volume","tiers":[{"up_to":"10","unit":"5","flat":"1"},{"up_to":"20","unit":"2.5"},{"unit":"0.01","flat":"7"}]}'),
    ('package', '{"model":"package","unit":"15","per":"10"}'),
    ('percentage', '{"model":"percentage","percent":"2.9","flat":"0.30"}'),
    ('graduated_percentage', '{"model":"graduated_percentage","tiers":[{"up_to":"10","percent":"1"},{"percent":"0.5","flat":"2"}]}'),
    ('stairstep', '{"model":"stairstep","tiers":[{"up_to":"10","flat":"10"},{"up_to":"20","flat":"25"},{"flat":"40"}]}'),
    ('limited', '{"model":"unit","unit":"0.1","minimum":"5","maximum":"20.005"}');
SELECT p.name, q.quantity, billing.rate_minor(p.price, q.quantity, 2)
  FROM prices p, (VALUES (-21), (0), (0.01), (10), (10.01), (20), (21), (333), (334), (1000)) AS q (quantity)
 ORDER BY p.name, q.quantity;

-- The tiers of a cost. A limit is a row of its own, and the amounts add up.
SELECT p.name, r.* FROM prices p, billing.rate(p.price, 25.5) r ORDER BY p.name, r.tier;
SELECT p.name, r.* FROM prices p, billing.rate(p.price, -11) r ORDER BY p.name, r.tier;
SELECT p.name, r.* FROM prices p, billing.rate(p.price, 0) r ORDER BY p.name, r.tier;
SELECT p.name, q.quantity
  FROM prices p, (VALUES (-21), (0), (0.01), (10), (10.01), (20), (21), (1000)) AS q (quantity)
 WHERE (SELECT coalesce(round(sum(r.amount), 2), 0) FROM billing.rate(p.price, q.quantity) r) <> billing.rate_minor(p.price, q.quantity, 2) / 100.0;

-- Rounded once, half away from zero, after the proration.
SELECT billing.rate_minor('{"model":"flat","amount":"0.005"}', 0, 2) AS half,
       billing.rate_minor('{"model":"flat","amount":"0.004999999999999999"}', 0, 2) AS less,
       billing.rate_minor('{"model":"unit","unit":"0.005"}', -1, 2) AS negative,
       billing.rate_minor('{"model":"unit","unit":"1.35","per":"3"}', 1, 1, 1, 3) AS prorated,
       billing.rate_minor('{"model":"flat","amount":"49"}', 0, 2, 10, 31) AS ten_days,
       billing.rate_minor('{"model":"flat","amount":"1.5"}', 0, 0) AS jpy,
       billing.rate_minor('{"model":"flat","amount":"1.5"}', 0, 3) AS kwd;
SELECT billing.rate_amount('{"model":"unit","unit":"2","per":"3"}', 1, 10),
       billing.rate_amount('{"model":"unit","unit":"0.000000000000000001"}', 0.5, 18),
       billing.rate_amount('{"model":"unit","unit":"1","per":"3"}', -1, 0),
       billing.rate_amount('{"model":"unit","unit":"999999999999999999.999999999999999999"}', 99999999999999999999.999999999999999999, 18);

-- Numbers are read by their digits, and identity does not depend on how they are written.
SELECT billing.normalize_price('{"model":"volume","tiers":[{"up_to":10.50,"unit":1e-10},{"up_to":null,"flat":3}]}');
SELECT billing.price_hash('{"model":"unit","unit":0.123456789012345678}') = billing.price_hash('{"unit":"0.123456789012345678","model":"unit"}') AS same,
       billing.price_hash('{"model":"unit","unit":0.123456789012345678}') = billing.price_hash('{"unit":"0.123456789012345679","model":"unit"}') AS other;
SELECT billing.price_hash('{"model":"flat","amount":49.00}') = sha256('{"amount":"49.00","model":"flat"}') AS is_sha256;
SELECT billing.is_price(NULL), billing.rate_minor(NULL, 1, 2), billing.rate_minor('{"model":"flat","amount":"1"}', NULL, 2);

-- Refused prices: the CHECK says why.
INSERT INTO prices VALUES ('bad', '{"model":"graduated","tiers":[{"up_to":"1000000","unit":"2"},{"up_to":"500000","unit":"1"},{"unit":"0"}]}');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.is_price('[]');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.is_price('{"model":"tiered"}');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.is_price('{"model":"flat","amount":"1","currency":"EUR"}');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.is_price('{"model":"unit"}');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.is_price('{"model":"unit","unit":"1,5"}');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.is_price('{"model":"unit","unit":"1","per":"0"}');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.is_price('{"model":"unit","unit":1e18}');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.is_price('{"model":"unit","unit":"1","minimum":"2","maximum":"1"}');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.is_price('{"model":"volume","tiers":[]}');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.is_price('{"model":"volume","tiers":[{"up_to":"5","unit":"1"}]}');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.is_price('{"model":"volume","tiers":[{"unit":"1"},{"unit":"2"}]}');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.is_price('{"model":"volume","tiers":[{"up_to":"5"},{"unit":"2"}]}');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.is_price('{"model":"volume","tiers":[{"up_to":"5","unit":"1"},{"unit":-0.01}]}');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.is_price('{"model":"unit","unit":"0.1234567890123456789"}');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.normalize_price('{}');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.price_hash('{}');
\echo :LAST_ERROR_SQLSTATE

-- Refused quantities, amounts and arguments.
SELECT billing.rate_minor('{"model":"unit","unit":"1"}', 'NaN', 2);
\echo :LAST_ERROR_SQLSTATE
SELECT billing.rate_amount('{"model":"unit","unit":"1"}', '-Infinity', 2);
\echo :LAST_ERROR_SQLSTATE
SELECT * FROM billing.rate('{"model":"unit","unit":"1"}', 0.1234567890123456789);
\echo :LAST_ERROR_SQLSTATE
SELECT billing.rate_minor('{"model":"unit","unit":"1"}', 100000000000000000000, 2);
\echo :LAST_ERROR_SQLSTATE
SELECT billing.rate_minor('{"model":"unit","unit":"1"}', 1e40, 2);
\echo :LAST_ERROR_SQLSTATE
SELECT billing.rate_minor('{"model":"unit","unit":"1"}', 9223372036854775807, 0), billing.rate_minor('{"model":"unit","unit":"1"}', -9223372036854775808, 0);
SELECT billing.rate_minor('{"model":"unit","unit":"1"}', 9223372036854775807.5, 0);
\echo :LAST_ERROR_SQLSTATE
SELECT billing.rate_minor('{"model":"unit","unit":"1"}', 1, 19);
\echo :LAST_ERROR_SQLSTATE
SELECT billing.rate_amount('{"model":"unit","unit":"1"}', 1, -1);
\echo :LAST_ERROR_SQLSTATE
SELECT billing.rate_minor('{"model":"unit","unit":"1"}', 1, 2, 1, 0);
\echo :LAST_ERROR_SQLSTATE
SELECT billing.rate_minor('{"model":"unit","unit":"1"}', 1, 2, -1, 2);
\echo :LAST_ERROR_SQLSTATE

-- One call site, more prices than it keeps, in an order that comes back to them.
SELECT count(*) AS wrong
  FROM generate_series(0, 2999) AS n
 WHERE billing.rate_minor(jsonb_build_object('model', 'flat', 'amount', (n % 1000)::text), 0, 0) <> n % 1000;

-- Parts that add up.
SELECT billing.split_amount(100, '{1,1,1}'), billing.split_amount(-100, '{1,1,1}'), billing.split_amount(1, '{2,3,5}'),
       billing.split_amount(10, '{3,9,8}'), billing.split_amount(0, '{0,1}');
SELECT billing.split_amount(9223372036854775807, '{9223372036854775807,9223372036854775807}'), billing.split_amount(-9223372036854775808, '{7}');
SELECT billing.split_amount(1, '{}');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.split_amount(1, '{0,0}');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.split_amount(1, '{1,-2}');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.split_amount(1, '{1,NULL}');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.split_amount(1, '{{1,2},{3,4}}');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.split_amount(1, '{9223372036854775807,9223372036854775807,9223372036854775807}');
\echo :LAST_ERROR_SQLSTATE
