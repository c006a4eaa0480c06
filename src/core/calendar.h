#ifndef BILLING_CORE_CALENDAR_H
#define BILLING_CORE_CALENDAR_H

#include "fraction.h"

#include <stdint.h>

/*
 * Days, months and billing periods of the proleptic Gregorian calendar, in integers only.
 *
 * A day is counted from 1970-01-01 (day 0) and lies in years 1 to 9999; anything outside is CALENDAR_OUT_OF_RANGE.
 *
 * A period is half open, [start, end). Periods of `months` months (1 to CALENDAR_MONTHS_MAX) are numbered from their
 * anchor: period n begins at anchor + n * months months and ends where period n + 1 begins, and n may be negative.
 * Each begin is counted from the anchor itself, never from the begin before it, so an anchor of 31 January gives
 * 28 February and then 31 March. Successive periods therefore tile the time line: each day is in exactly one.
 */
#define CALENDAR_YEAR_MIN 1
#define CALENDAR_YEAR_MAX 9999
#define CALENDAR_DAY_MIN (-719162) /* 0001-01-01 */
#define CALENDAR_DAY_MAX 2932896   /* 9999-12-31 */
#define CALENDAR_MONTHS_MAX 1200

typedef enum
{
	CALENDAR_OK = 0,
	CALENDAR_OUT_OF_RANGE,	 /* a day before year 1 or after year 9999, given or computed */
	CALENDAR_INVALID_DATE,	 /* a month or day of month that does not exist */
	CALENDAR_INVALID_MONTHS, /* a period length outside 1 to CALENDAR_MONTHS_MAX */
	CALENDAR_INVALID_PERIOD	 /* a period that does not end after it starts */
} CalendarStatus;

typedef struct CalendarDate
{
	int32_t year;
	int32_t month; /* 1 to 12 */
	int32_t day;   /* 1 to 31 */
} CalendarDate;

/* 28 to 31; month must be 1 to 12. */
extern int32_t calendar_month_days(int32_t year, int32_t month);

extern CalendarStatus calendar_day_from_date(CalendarDate date, int32_t *day);

extern CalendarStatus calendar_date_from_day(int32_t day, CalendarDate *date);

/* anchor plus months (negative allowed), clamped to the last day of the month reached. */
extern CalendarStatus calendar_month_add(int32_t anchor, int64_t months, int32_t *day);

/* The begin and end of period n; both must be in range. */
extern CalendarStatus calendar_period_at(int32_t anchor, int32_t months, int64_t n, int32_t *start,
										 int32_t *end);

/* The number of the period that contains day, in constant time. The period itself may reach out of range. */
extern CalendarStatus calendar_period_containing(int32_t anchor, int32_t months, int32_t day, int64_t *n);

/*
 * The days of [start, end) that [from, to) covers, over the days of [start, end): 0/d when they do not overlap, d/d
 * when all is covered. Not reduced, so that a reader sees days. start < end and from <= to, else
 * CALENDAR_INVALID_PERIOD.
 */
extern CalendarStatus calendar_proration(int32_t start, int32_t end, int32_t from, int32_t to,
										 Fraction *fraction);

#endif
