-- Units of money: the seed, custom units, and amounts as people read them.
SET timezone = 'UTC'; SET datestyle = ISO;
\set SHOW_CONTEXT never
\set ON_ERROR_ROLLBACK on
BEGIN;

-- ISO 4217: 165 active codes have a minor unit; the 13 without one (gold, SDR, ...) are no units of an invoice.
SELECT exponent, count(*), min(currency), max(currency) FROM billing.currencies GROUP BY exponent ORDER BY exponent;
SELECT currency, name, exponent, numeric_code FROM billing.currencies WHERE currency IN ('ALL', 'CLF', 'EUR', 'JPY', 'KWD', 'UYW', 'XAU') ORDER BY currency;
SELECT count(*) FROM billing.currencies WHERE numeric_code IS NULL OR length(currency) <> 3 OR length(name) < 4;

SELECT billing.create_currency('CREDIT', 'Credit', 6);
SELECT billing.create_currency('CREDIT', 'Credit', 6);
SELECT billing.create_currency('EUR', 'Euro', 2);
SELECT billing.create_currency('P18', 'Smallest unit', 18);
SELECT billing.create_currency('A23456789_123456', 'Longest code', 0);

SELECT billing.create_currency('EUR', 'Euro', 3);
\echo :LAST_ERROR_SQLSTATE
SELECT billing.create_currency('CREDIT', 'Point', 5);
\echo :LAST_ERROR_SQLSTATE
SELECT billing.create_currency('eur', 'Euro', 2);
\echo :LAST_ERROR_SQLSTATE
SELECT billing.create_currency('AB', 'Too short', 2);
\echo :LAST_ERROR_SQLSTATE
SELECT billing.create_currency('A23456789_1234567', 'Too long', 2);
\echo :LAST_ERROR_SQLSTATE
SELECT billing.create_currency(E'ABC\n', 'Newline', 2);
\echo :LAST_ERROR_SQLSTATE
SELECT billing.create_currency(NULL, 'No code', 2);
\echo :LAST_ERROR_SQLSTATE
SELECT billing.create_currency('TEST', '', 2);
\echo :LAST_ERROR_SQLSTATE
SELECT billing.create_currency('TEST', NULL, 2);
\echo :LAST_ERROR_SQLSTATE
SELECT billing.create_currency('TEST', 'Test', -1);
\echo :LAST_ERROR_SQLSTATE
SELECT billing.create_currency('TEST', 'Test', 19);
\echo :LAST_ERROR_SQLSTATE
SELECT billing.create_currency('TEST', 'Test', NULL);
\echo :LAST_ERROR_SQLSTATE
SELECT count(*) FROM billing.currencies WHERE currency = 'TEST';

-- Amounts: zero, signs, leading and trailing zeros, group borders, both ends of bigint.
SELECT amount_minor, exponent, billing.format_minor(amount_minor, exponent) AS plain, billing.format_grouped(amount_minor, exponent) AS grouped
  FROM (VALUES (0::bigint, 0), (0, 2), (0, 18), (7, 0), (7, 2), (-7, 2), (70, 2), (700, 2), (100000, 2), (123450, 2), (-123450, 2), (99999, 2),
               (999, 0), (1000, 0), (-1000, 0), (-999, 0), (1000000, 0), (1, 3), (1, 18), (-1, 18), (1000000000000000000, 18),
               (9223372036854775807, 0), (9223372036854775807, 2), (9223372036854775807, 18),
               (-9223372036854775808, 0), (-9223372036854775808, 3), (-9223372036854775808, 18)) AS v (amount_minor, exponent);
-- The text read back is the amount, for any amount and exponent.
SELECT count(*) AS wrong
  FROM (SELECT setseed(0.4217)) AS seed, generate_series(1, 2000) AS i,
       LATERAL (SELECT ((random() - 0.5) * 1.8e19 / 10 ^ (i % 18))::numeric::bigint AS amount, i % 19 AS exponent) AS r
 WHERE billing.format_minor(amount, exponent)::numeric <> amount / 10::numeric ^ exponent
    OR scale(billing.format_minor(amount, exponent)::numeric) <> exponent
    OR replace(billing.format_grouped(amount, exponent), ',', '') <> billing.format_minor(amount, exponent)
    OR billing.format_grouped(amount, exponent) !~ '^-?[0-9]{1,3}(,[0-9]{3})*(\.[0-9]+)?$';
SELECT billing.format_minor(NULL, 2) IS NULL AS null_amount, billing.format_minor(1, NULL) IS NULL AS null_exponent;
SELECT billing.format_minor(1, -1);
\echo :LAST_ERROR_SQLSTATE
SELECT billing.format_grouped(1, 19);
\echo :LAST_ERROR_SQLSTATE
SELECT billing.format_amount(123450, 'EUR'), billing.format_amount(123450, 'JPY'), billing.format_amount(-123450, 'KWD'), billing.format_amount(1, 'CREDIT');
SELECT billing.format_amount(1, 'eur');
\echo :LAST_ERROR_SQLSTATE
SELECT billing.format_amount(1, 'XAU');
\echo :LAST_ERROR_SQLSTATE

-- Who may.
SET ROLE billing_app;
SELECT billing.format_amount(123450, 'EUR');
SELECT billing.create_currency('APP', 'Of an application', 2);
\echo :LAST_ERROR_SQLSTATE
INSERT INTO billing.currencies VALUES ('APP', 'Of an application', 2);
\echo :LAST_ERROR_SQLSTATE
RESET ROLE;
ROLLBACK;
