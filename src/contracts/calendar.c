/*
 * calendar.c: billing cycles over SQL dates.
 */
#include "postgres.h"

#include "datatype/timestamp.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/date.h"

#include "core/calendar.h"
#include "server/server.h"

#define EPOCH_SHIFT_DAYS (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE)

/* The cycles that a call of billing.cycles() has still to return. */
typedef struct CycleScan
{
	int32_t anchor;
	int32_t months;
	int32_t to;
	int64_t n;
	bool finished;
} CycleScan;

static DateADT
date_from_core(int32_t day)
{
	return day - EPOCH_SHIFT_DAYS;
}

static int32_t
day_from_date(DateADT date, const char *name)
{
	int64_t day = (int64_t) date + EPOCH_SHIFT_DAYS;

	if (DATE_NOT_FINITE(date) || day < CALENDAR_DAY_MIN || day > CALENDAR_DAY_MAX)
		ereport(ERROR, errcode(ERRCODE_BILLING_INVALID_PERIOD),
				errmsg("\"%s\" is out of range: %s", name,
					   DatumGetCString(DirectFunctionCall1(date_out, DateADTGetDatum(date)))),
				errdetail("Dates of cycles are finite and within the years %d to %d.", CALENDAR_YEAR_MIN,
						  CALENDAR_YEAR_MAX));
	return (int32_t) day;
}

static void
check_calendar(CalendarStatus status, int32_t months)
{
	if (status == CALENDAR_INVALID_MONTHS)
		ereport(ERROR, errcode(ERRCODE_BILLING_INVALID_ARGUMENT),
				errmsg("cycle of %d months is out of range", months),
				errdetail("A cycle has 1 to %d months.", CALENDAR_MONTHS_MAX));
	if (status != CALENDAR_OK)
		ereport(ERROR, errcode(ERRCODE_BILLING_INVALID_PERIOD), errmsg("cycle is out of range"),
				errdetail("Cycles begin and end within the years %d to %d.", CALENDAR_YEAR_MIN,
						  CALENDAR_YEAR_MAX));
}

static Datum
cycle_row(TupleDesc row_type, int32_t start, int32_t end)
{
	Datum values[2] = {DateADTGetDatum(date_from_core(start)), DateADTGetDatum(date_from_core(end))};
	bool nulls[2] = {false, false};

	return HeapTupleGetDatum(heap_form_tuple(row_type, values, nulls));
}

static TupleDesc
result_row_type(FunctionCallInfo fcinfo)
{
	TupleDesc row_type;

	if (get_call_result_type(fcinfo, NULL, &row_type) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	return BlessTupleDesc(row_type);
}

static CycleScan
first_cycle(DateADT anchor, int32_t months, DateADT from, DateADT to)
{
	CycleScan scan = {.anchor = day_from_date(anchor, "anchor"), .months = months, .finished = from >= to};
	int32_t first_day = day_from_date(from, "from");

	scan.to = day_from_date(to, "to");
	check_calendar(calendar_period_containing(scan.anchor, months, first_day, &scan.n), months);
	return scan;
}

/* Never looks at a cycle past the range: that one may be beyond the calendar. */
static bool
next_cycle(CycleScan *scan, int32_t *start, int32_t *end)
{
	if (scan->finished)
		return false;
	check_calendar(calendar_period_at(scan->anchor, scan->months, scan->n, start, end), scan->months);
	scan->n++;
	scan->finished = *end >= scan->to;
	return true;
}

static void
begin_cycles(FunctionCallInfo fcinfo)
{
	FuncCallContext *call = SRF_FIRSTCALL_INIT();
	MemoryContext old = MemoryContextSwitchTo(call->multi_call_memory_ctx);
	CycleScan *scan = palloc(sizeof(CycleScan));

	*scan = first_cycle(PG_GETARG_DATEADT(0), PG_GETARG_INT32(1), PG_GETARG_DATEADT(2), PG_GETARG_DATEADT(3));
	call->user_fctx = scan;
	call->tuple_desc = result_row_type(fcinfo);
	MemoryContextSwitchTo(old);
}

BILLING_FUNCTION(billing_cycles)
{
	FuncCallContext *call;
	int32_t start;
	int32_t end;

	if (SRF_IS_FIRSTCALL())
		begin_cycles(fcinfo);
	call = SRF_PERCALL_SETUP();
	if (!next_cycle(call->user_fctx, &start, &end))
		SRF_RETURN_DONE(call);
	SRF_RETURN_NEXT(call, cycle_row(call->tuple_desc, start, end));
}

static void
find_cycle(DateADT anchor_date, int32_t months, DateADT date, int32_t *start, int32_t *end)
{
	int32_t anchor = day_from_date(anchor_date, "anchor");
	int64_t n;

	check_calendar(calendar_period_containing(anchor, months, day_from_date(date, "day"), &n), months);
	check_calendar(calendar_period_at(anchor, months, n, start, end), months);
}

BILLING_FUNCTION(billing_cycle_containing)
{
	int32_t start;
	int32_t end;

	find_cycle(PG_GETARG_DATEADT(0), PG_GETARG_INT32(1), PG_GETARG_DATEADT(2), &start, &end);
	return cycle_row(result_row_type(fcinfo), start, end);
}

BILLING_FUNCTION(billing_cycle_start)
{
	int32_t start;
	int32_t end;

	find_cycle(PG_GETARG_DATEADT(0), PG_GETARG_INT32(1), PG_GETARG_DATEADT(2), &start, &end);
	PG_RETURN_DATEADT(date_from_core(start));
}
