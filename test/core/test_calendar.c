/*
 * Dates, month arithmetic, and the property that everything billed by period rests on: successive periods tile the
 * time line, so each day is in exactly one. The tiling is checked exhaustively around leap and century years.
 */
#include "calendar.h"
#include "test.h"

static int32_t
day_of(int32_t year, int32_t month, int32_t day)
{
	int32_t result = INT32_MIN;

	CHECK_INT(calendar_day_from_date((CalendarDate){year, month, day}, &result), CALENDAR_OK);
	return result;
}

static const struct
{
	CalendarDate date;
	CalendarStatus status;
	int32_t day;
} dates[] = {
	{{1970, 1, 1}, CALENDAR_OK, 0},
	{{1969, 12, 31}, CALENDAR_OK, -1},
	{{2000, 1, 1}, CALENDAR_OK, 10957},
	{{2000, 2, 29}, CALENDAR_OK, 11016},
	{{2000, 3, 1}, CALENDAR_OK, 11017},
	{{2024, 2, 29}, CALENDAR_OK, 19782},
	{{2038, 1, 19}, CALENDAR_OK, 24855},
	{{1, 1, 1}, CALENDAR_OK, CALENDAR_DAY_MIN},
	{{9999, 12, 31}, CALENDAR_OK, CALENDAR_DAY_MAX},
	{{0, 12, 31}, CALENDAR_OUT_OF_RANGE, 0},
	{{10000, 1, 1}, CALENDAR_OUT_OF_RANGE, 0},
	{{1900, 2, 29}, CALENDAR_INVALID_DATE, 0},
	{{2100, 2, 29}, CALENDAR_INVALID_DATE, 0},
	{{2023, 2, 29}, CALENDAR_INVALID_DATE, 0},
	{{2023, 4, 31}, CALENDAR_INVALID_DATE, 0},
	{{2023, 0, 1}, CALENDAR_INVALID_DATE, 0},
	{{2023, 13, 1}, CALENDAR_INVALID_DATE, 0},
	{{2023, 1, 0}, CALENDAR_INVALID_DATE, 0},
	{{2023, 1, 32}, CALENDAR_INVALID_DATE, 0},
	{{2023, 1, -5}, CALENDAR_INVALID_DATE, 0},
};

static void
test_dates(void)
{
	CalendarDate date;

	for (size_t i = 0; i < sizeof(dates) / sizeof(dates[0]); i++)
	{
		int32_t day = 12345;

		CHECK_INT(calendar_day_from_date(dates[i].date, &day), dates[i].status);
		CHECK_INT(day, dates[i].status == CALENDAR_OK ? dates[i].day : 12345);
	}
	CHECK_INT(calendar_date_from_day(CALENDAR_DAY_MIN - 1, &date), CALENDAR_OUT_OF_RANGE);
	CHECK_INT(calendar_date_from_day(CALENDAR_DAY_MAX + 1, &date), CALENDAR_OUT_OF_RANGE);
	CHECK_INT(calendar_date_from_day(INT32_MIN, &date), CALENDAR_OUT_OF_RANGE);
	CHECK_INT(calendar_date_from_day(INT32_MAX, &date), CALENDAR_OUT_OF_RANGE);
}

/* Every day of the range follows from the one before by the rules a person would use. */
static void
test_every_day(void)
{
	CalendarDate expected = {CALENDAR_YEAR_MIN, 1, 1};
	int wrong = 0;

	for (int32_t day = CALENDAR_DAY_MIN; day <= CALENDAR_DAY_MAX; day++)
	{
		CalendarDate date = {0, 0, 0};
		int32_t back = 0;

		wrong += calendar_date_from_day(day, &date) != CALENDAR_OK;
		wrong += date.year != expected.year || date.month != expected.month || date.day != expected.day;
		wrong += calendar_day_from_date(date, &back) != CALENDAR_OK || back != day;
		if (++expected.day > calendar_month_days(expected.year, expected.month))
		{
			expected.day = 1;
			if (++expected.month > 12)
			{
				expected.month = 1;
				expected.year++;
			}
		}
	}
	CHECK_INT(wrong, 0);
	CHECK_INT(expected.year, CALENDAR_YEAR_MAX + 1);
	CHECK_INT(calendar_month_days(1900, 2), 28);
	CHECK_INT(calendar_month_days(2000, 2), 29);
	CHECK_INT(calendar_month_days(2100, 2), 28);
	CHECK_INT(calendar_month_days(2024, 2), 29);
}

static const struct
{
	CalendarDate anchor;
	int64_t months;
	CalendarDate want;
} additions[] = {
	{{2023, 1, 31}, 0, {2023, 1, 31}},	 {{2023, 1, 31}, 1, {2023, 2, 28}},
	{{2023, 1, 31}, 2, {2023, 3, 31}},	 {{2023, 1, 31}, 3, {2023, 4, 30}},
	{{2024, 1, 31}, 1, {2024, 2, 29}},	 {{2024, 2, 29}, 12, {2025, 2, 28}},
	{{2024, 2, 29}, 48, {2028, 2, 29}},	 {{2096, 2, 29}, 48, {2100, 2, 28}},
	{{2024, 2, 29}, -12, {2023, 2, 28}}, {{2023, 3, 31}, -1, {2023, 2, 28}},
	{{2023, 1, 15}, -1, {2022, 12, 15}}, {{2022, 12, 31}, 2, {2023, 2, 28}},
	{{1, 1, 1}, 119987, {9999, 12, 1}},	 {{9999, 12, 31}, -119987, {1, 1, 31}},
};

static void
test_month_add(void)
{
	int32_t day = 7;

	for (size_t i = 0; i < sizeof(additions) / sizeof(additions[0]); i++)
	{
		CalendarDate anchor = additions[i].anchor;
		CalendarDate want = additions[i].want;

		CHECK_INT(
			calendar_month_add(day_of(anchor.year, anchor.month, anchor.day), additions[i].months, &day),
			CALENDAR_OK);
		CHECK_INT(day, day_of(want.year, want.month, want.day));
	}
	day = 7;
	CHECK_INT(calendar_month_add(day_of(9999, 12, 1), 1, &day), CALENDAR_OUT_OF_RANGE);
	CHECK_INT(calendar_month_add(day_of(1, 1, 31), -1, &day), CALENDAR_OUT_OF_RANGE);
	CHECK_INT(calendar_month_add(0, INT64_MAX, &day), CALENDAR_OUT_OF_RANGE);
	CHECK_INT(calendar_month_add(0, INT64_MIN, &day), CALENDAR_OUT_OF_RANGE);
	CHECK_INT(calendar_month_add(CALENDAR_DAY_MIN - 1, 12, &day), CALENDAR_OUT_OF_RANGE);
	CHECK_INT(day, 7);
}

/* Walks days from the anchor's period outwards; each must lie in the period that is said to contain it. */
static int
tiling_errors(int32_t anchor, int32_t months, int32_t from, int32_t to)
{
	int errors = 0;
	int64_t n_before = 0;
	int32_t end_before = 0;

	for (int32_t day = from; day < to; day++)
	{
		int64_t n = INT64_MIN;
		int32_t start = 0;
		int32_t end = 0;

		errors += calendar_period_containing(anchor, months, day, &n) != CALENDAR_OK;
		errors += calendar_period_at(anchor, months, n, &start, &end) != CALENDAR_OK;
		errors += !(start <= day && day < end);
		if (day > from && n != n_before)
			errors += n != n_before + 1 || start != end_before || day != start;
		n_before = n;
		end_before = end;
	}
	return errors;
}

static void
test_tiling(void)
{
	/* The January of each year holds the anchors: before a plain, a leap, and each kind of century February. */
	static const int32_t years[] = {1900, 2000, 2023, 2024, 2100};

	for (size_t y = 0; y < sizeof(years) / sizeof(years[0]); y++)
		for (int32_t anchor_day = 1; anchor_day <= 31; anchor_day++)
			for (int32_t months = 1; months <= 12; months++)
			{
				int32_t anchor = day_of(years[y], 1, anchor_day);

				/* 400 days on either side: negative n as well. */
				CHECK_INT(tiling_errors(anchor, months, anchor - 400, anchor + 400), 0);
			}
	CHECK_INT(tiling_errors(day_of(2024, 2, 29), 12, day_of(1890, 1, 1), day_of(2110, 1, 1)), 0);
	CHECK_INT(tiling_errors(day_of(2024, 8, 31), 18, day_of(1990, 1, 1), day_of(2110, 1, 1)), 0);
}

static void
test_periods(void)
{
	int32_t anchor = day_of(2023, 1, 31);
	int32_t start;
	int32_t end;
	int64_t n = 99;

	CHECK_INT(calendar_period_at(anchor, 1, 1, &start, &end), CALENDAR_OK);
	CHECK_INT(start, day_of(2023, 2, 28));
	CHECK_INT(end, day_of(2023, 3, 31));
	CHECK_INT(calendar_period_at(anchor, 3, -1, &start, &end), CALENDAR_OK);
	CHECK_INT(start, day_of(2022, 10, 31));
	CHECK_INT(end, anchor);
	CHECK_INT(calendar_period_containing(anchor, 1, day_of(2023, 2, 27), &n), CALENDAR_OK);
	CHECK_INT(n, 0);
	CHECK_INT(calendar_period_containing(anchor, 1, day_of(2023, 2, 28), &n), CALENDAR_OK);
	CHECK_INT(n, 1);
	CHECK_INT(calendar_period_containing(anchor, 1, anchor - 1, &n), CALENDAR_OK);
	CHECK_INT(n, -1);
	CHECK_INT(calendar_period_containing(CALENDAR_DAY_MAX, 1, CALENDAR_DAY_MIN, &n), CALENDAR_OK);
	CHECK_INT(n, -119988);
	n = 99;
	CHECK_INT(calendar_period_containing(anchor, 0, anchor, &n), CALENDAR_INVALID_MONTHS);
	CHECK_INT(calendar_period_containing(anchor, -1, anchor, &n), CALENDAR_INVALID_MONTHS);
	CHECK_INT(calendar_period_containing(anchor, CALENDAR_MONTHS_MAX + 1, anchor, &n),
			  CALENDAR_INVALID_MONTHS);
	CHECK_INT(calendar_period_containing(INT32_MAX, 1, anchor, &n), CALENDAR_OUT_OF_RANGE);
	CHECK_INT(calendar_period_containing(anchor, 1, INT32_MIN, &n), CALENDAR_OUT_OF_RANGE);
	CHECK_INT(n, 99);
	CHECK_INT(calendar_period_at(anchor, 0, 0, &start, &end), CALENDAR_INVALID_MONTHS);
	CHECK_INT(calendar_period_at(anchor, 1, INT64_MAX, &start, &end), CALENDAR_OUT_OF_RANGE);
	CHECK_INT(calendar_period_at(anchor, 1200, INT64_MIN, &start, &end), CALENDAR_OUT_OF_RANGE);
	CHECK_INT(calendar_period_at(day_of(9999, 12, 1), 1, 0, &start, &end), CALENDAR_OUT_OF_RANGE);
}

static const struct
{
	int32_t start, end, from, to;
	CalendarStatus status;
	int64_t numerator, denominator;
} prorations[] = {
	{0, 31, 0, 31, CALENDAR_OK, 31, 31},
	{0, 31, -10, 100, CALENDAR_OK, 31, 31},
	{0, 31, 10, 20, CALENDAR_OK, 10, 31},
	{0, 31, 30, 60, CALENDAR_OK, 1, 31},
	{0, 31, -5, 1, CALENDAR_OK, 1, 31},
	{0, 31, 31, 60, CALENDAR_OK, 0, 31},
	{0, 31, -5, 0, CALENDAR_OK, 0, 31},
	{0, 31, 5, 5, CALENDAR_OK, 0, 31},
	{INT32_MIN, INT32_MAX, INT32_MIN, INT32_MAX, CALENDAR_OK, 4294967295, 4294967295},
	{0, 0, 0, 0, CALENDAR_INVALID_PERIOD, 0, 0},
	{31, 0, 0, 31, CALENDAR_INVALID_PERIOD, 0, 0},
	{0, 31, 6, 5, CALENDAR_INVALID_PERIOD, 0, 0},
};

static void
test_proration(void)
{
	for (size_t i = 0; i < sizeof(prorations) / sizeof(prorations[0]); i++)
	{
		Fraction fraction = {0, 0};

		CHECK_INT(calendar_proration(prorations[i].start, prorations[i].end, prorations[i].from,
									 prorations[i].to, &fraction),
				  prorations[i].status);
		CHECK_INT(fraction.numerator, prorations[i].numerator);
		CHECK_INT(fraction.denominator, prorations[i].denominator);
	}
}

int
main(void)
{
	test_dates();
	test_every_day();
	test_month_add();
	test_tiling();
	test_periods();
	test_proration();
	TEST_MAIN_END();
}
