-- Billing cycles: anchors, clamping, overlap with a range, and what is refused.
SET timezone = 'UTC'; SET datestyle = ISO;

SELECT * FROM billing.cycles('2023-01-31', 1, '2023-01-31', '2023-05-01');
SELECT * FROM billing.cycles('2024-02-29', 12, '2024-02-29', '2028-03-01');
SELECT * FROM billing.cycles('2026-01-15', 3, '2025-10-14', '2026-01-16');

-- [from, to): a cycle that ends where the range begins is outside, one that contains its first day is inside.
SELECT * FROM billing.cycles('2026-01-01', 1, '2026-02-01', '2026-02-02');
SELECT * FROM billing.cycles('2026-01-01', 1, '2026-01-31', '2026-02-01');
SELECT * FROM billing.cycles('2026-01-01', 1, '2026-01-31', '2026-02-02');
SELECT count(*) FROM billing.cycles('2026-01-01', 1, '2026-02-01', '2026-02-01');
SELECT count(*) FROM billing.cycles('2026-01-01', 1, '2026-02-02', '2026-02-01');
SELECT count(*) FROM billing.cycles(NULL, 1, '2026-02-01', '2026-03-01');

-- Cycles tile, and each day's cycle is the one that contains it.
SELECT count(*) AS cycles, bool_and(previous IS NULL OR previous = cycle_start) AS tile, min(cycle_start), max(cycle_end)
  FROM (SELECT *, lag(cycle_end) OVER (ORDER BY cycle_start) AS previous
          FROM billing.cycles('2000-08-31', 1, '1899-12-31', '2101-01-01')) cycles;
SELECT count(*) AS days, bool_and(cycle_start <= day AND day < cycle_end) AS contained
  FROM generate_series(0, 1200) i, LATERAL (SELECT date '2022-12-01' + i) AS d (day), billing.cycle_containing('2024-01-31', 1, day);
SELECT * FROM billing.cycle_containing('2023-01-31', 1, '2023-02-27');
SELECT * FROM billing.cycle_containing('2023-01-31', 1, '2023-02-28');
SELECT * FROM billing.cycle_containing('2023-01-31', 1, '2023-01-30');
SELECT billing.cycle_containing(NULL, 1, '2023-01-30');
SELECT count(*) AS same_start FROM generate_series(-400, 1200) i, LATERAL (SELECT date '2022-12-01' + i) AS d (day)
 WHERE billing.cycle_start('2024-01-31', 3, day) = (billing.cycle_containing('2024-01-31', 3, day)).cycle_start;

-- A call that is not read to its end.
SELECT cycle_start FROM billing.cycles('2026-01-01', 1, '2026-01-01', '9999-01-01') LIMIT 2;
SELECT (billing.cycles('2026-01-01', 6, '2026-01-01', '2027-01-01')).*;

-- The ends of the calendar.
SELECT * FROM billing.cycle_containing('0001-01-01', 1, '0001-01-01');
SELECT * FROM billing.cycle_containing('0001-01-02', 1, '0001-01-01');
\echo :LAST_ERROR_SQLSTATE
SELECT * FROM billing.cycle_containing('2026-01-01', 1, '9999-12-31');
\echo :LAST_ERROR_SQLSTATE
SELECT count(*) FROM billing.cycles('2026-01-01', 1, '9999-10-01', '9999-12-01');
SELECT count(*) FROM billing.cycles('2026-01-01', 1, '9999-10-01', '9999-12-02');
\echo :LAST_ERROR_SQLSTATE
SELECT count(*) FROM billing.cycles('0001-01-01', 1, '0001-02-01', '0001-01-01');

-- Refused.
SELECT * FROM billing.cycles('infinity', 1, '2026-01-01', '2026-02-01');
\echo :LAST_ERROR_SQLSTATE
SELECT * FROM billing.cycles('2026-01-01', 1, '-infinity', '2026-02-01');
\echo :LAST_ERROR_SQLSTATE
SELECT * FROM billing.cycles('2026-01-01', 1, '2026-01-01', 'infinity');
\echo :LAST_ERROR_SQLSTATE
SELECT * FROM billing.cycles('2026-01-01', 1, '0001-12-31 BC', '2026-01-01');
\echo :LAST_ERROR_SQLSTATE
SELECT * FROM billing.cycles('2026-01-01', 1, '2026-01-01', '10000-01-01');
\echo :LAST_ERROR_SQLSTATE
SELECT * FROM billing.cycles('2026-01-01', 0, '2026-01-01', '2026-02-01');
\echo :LAST_ERROR_SQLSTATE
SELECT * FROM billing.cycles('2026-01-01', 1201, '2026-01-01', '2026-02-01');
\echo :LAST_ERROR_SQLSTATE
SELECT * FROM billing.cycle_containing('2026-01-01', -1, '2026-01-01');
\echo :LAST_ERROR_SQLSTATE
SELECT * FROM billing.cycle_containing('2026-01-01', 1, 'infinity');
\echo :LAST_ERROR_SQLSTATE
