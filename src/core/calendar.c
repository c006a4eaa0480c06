#include "calendar.h"

#include <stdbool.h>

#define MONTHS_PER_YEAR 12

/* The Gregorian calendar repeats after 400 years. */
#define CYCLE_YEARS 400
#define CYCLE_DAYS 146097

/* Days from 0000-03-01, the epoch of the year count below, to 1970-01-01. */
#define MARCH_EPOCH_DAYS 719468

static bool
day_in_range(int64_t day)
{
	return day >= CALENDAR_DAY_MIN && day <= CALENDAR_DAY_MAX;
}

static bool
months_valid(int32_t months)
{
	return months >= 1 && months <= CALENDAR_MONTHS_MAX;
}

static int64_t
floor_divide(int64_t numerator, int64_t denominator)
{
	int64_t quotient = numerator / denominator;

	return quotient - (numerator % denominator < 0);
}

int32_t
calendar_month_days(int32_t year, int32_t month)
{
	static const int32_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

	return days[month - 1] + (month == 2 && leap);
}

/*
 * Years are counted from 1 March, so that the leap day is the last of its year and the days before a month follow
 * from (153 * month + 2) / 5: the months from March on take 31, 30, 31, 30, 31 days, twice, and the rest.
 */
static int32_t
day_from_valid_date(CalendarDate date)
{
	int32_t month = (date.month + 9) % MONTHS_PER_YEAR;
	int32_t year = date.year - (month >= 10);
	int32_t cycle = year / CYCLE_YEARS;
	int32_t year_of_cycle = year % CYCLE_YEARS;
	int32_t day_of_year = (153 * month + 2) / 5 + date.day - 1;
	int32_t day_of_cycle = year_of_cycle * 365 + year_of_cycle / 4 - year_of_cycle / 100 + day_of_year;

	return cycle * CYCLE_DAYS + day_of_cycle - MARCH_EPOCH_DAYS;
}

static CalendarDate
date_from_valid_day(int32_t day)
{
	int32_t shifted = day + MARCH_EPOCH_DAYS;
	int32_t cycle = shifted / CYCLE_DAYS;
	int32_t day_of_cycle = shifted % CYCLE_DAYS;
	int32_t leap_free = day_of_cycle - day_of_cycle / 1460 + day_of_cycle / 36524 - day_of_cycle / 146096;
	int32_t year = leap_free / 365;
	int32_t day_of_year = day_of_cycle - (365 * year + year / 4 - year / 100);
	int32_t month = (5 * day_of_year + 2) / 153;
	CalendarDate date;

	date.day = day_of_year - (153 * month + 2) / 5 + 1;
	date.month = month < 10 ? month + 3 : month - 9;
	date.year = cycle * CYCLE_YEARS + year + (month >= 10);
	return date;
}

CalendarStatus
calendar_day_from_date(CalendarDate date, int32_t *day)
{
	if (date.year < CALENDAR_YEAR_MIN || date.year > CALENDAR_YEAR_MAX)
		return CALENDAR_OUT_OF_RANGE;
	if (date.month < 1 || date.month > MONTHS_PER_YEAR)
		return CALENDAR_INVALID_DATE;
	if (date.day < 1 || date.day > calendar_month_days(date.year, date.month))
		return CALENDAR_INVALID_DATE;
	*day = day_from_valid_date(date);
	return CALENDAR_OK;
}

CalendarStatus
calendar_date_from_day(int32_t day, CalendarDate *date)
{
	if (!day_in_range(day))
		return CALENDAR_OUT_OF_RANGE;
	*date = date_from_valid_day(day);
	return CALENDAR_OK;
}

/* Months since year 0, which number the months of all years without a gap. */
static int64_t
month_index(CalendarDate date)
{
	return (int64_t) date.year * MONTHS_PER_YEAR + date.month - 1;
}

CalendarStatus
calendar_month_add(int32_t anchor, int64_t months, int32_t *day)
{
	CalendarDate date;
	int64_t index;
	int32_t last;

	if (!day_in_range(anchor))
		return CALENDAR_OUT_OF_RANGE;
	if (months > MONTHS_PER_YEAR * CALENDAR_YEAR_MAX || months < -MONTHS_PER_YEAR * CALENDAR_YEAR_MAX)
		return CALENDAR_OUT_OF_RANGE;
	date = date_from_valid_day(anchor);
	index = month_index(date) + months;
	if (index < MONTHS_PER_YEAR * CALENDAR_YEAR_MIN || index >= MONTHS_PER_YEAR * (CALENDAR_YEAR_MAX + 1))
		return CALENDAR_OUT_OF_RANGE;
	date.year = (int32_t) (index / MONTHS_PER_YEAR);
	date.month = (int32_t) (index % MONTHS_PER_YEAR) + 1;
	last = calendar_month_days(date.year, date.month);
	if (date.day > last)
		date.day = last;
	*day = day_from_valid_date(date);
	return CALENDAR_OK;
}

CalendarStatus
calendar_period_at(int32_t anchor, int32_t months, int64_t n, int32_t *start, int32_t *end)
{
	CalendarStatus status;

	if (!months_valid(months))
		return CALENDAR_INVALID_MONTHS;
	if (n > MONTHS_PER_YEAR * CALENDAR_YEAR_MAX || n < -MONTHS_PER_YEAR * CALENDAR_YEAR_MAX)
		return CALENDAR_OUT_OF_RANGE;
	status = calendar_month_add(anchor, n * months, start);
	if (status == CALENDAR_OK)
		status = calendar_month_add(anchor, (n + 1) * months, end);
	return status;
}

CalendarStatus
calendar_period_containing(int32_t anchor, int32_t months, int32_t day, int64_t *n)
{
	CalendarDate from;
	CalendarDate to;
	int64_t whole_months;
	int32_t turn;

	if (!months_valid(months))
		return CALENDAR_INVALID_MONTHS;
	if (!day_in_range(anchor) || !day_in_range(day))
		return CALENDAR_OUT_OF_RANGE;
	from = date_from_valid_day(anchor);
	to = date_from_valid_day(day);
	whole_months = month_index(to) - month_index(from);
	/* The day of this month on which a month counted from the anchor turns. */
	turn = calendar_month_days(to.year, to.month);
	if (from.day < turn)
		turn = from.day;
	if (to.day < turn)
		whole_months--;
	*n = floor_divide(whole_months, months);
	return CALENDAR_OK;
}

CalendarStatus
calendar_proration(int32_t start, int32_t end, int32_t from, int32_t to, Fraction *fraction)
{
	int32_t covered_from = from > start ? from : start;
	int32_t covered_to = to < end ? to : end;

	if (start >= end || from > to)
		return CALENDAR_INVALID_PERIOD;
	fraction->numerator = covered_to > covered_from ? (int64_t) covered_to - covered_from : 0;
	fraction->denominator = (int64_t) end - start;
	return CALENDAR_OK;
}
