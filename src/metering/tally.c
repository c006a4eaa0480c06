/*
 * tally.c: what the events of one daily count come to.
 *
 * A sum is kept as an integer of 128 bits with as many decimals as its
 * quantities show; what would leave it is carried into a numeric. So sums are
 * exact whatever their size, and adding costs a fraction of numeric's.
 */
#include "postgres.h"
#include "fmgr.h"

#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"

#include "core/decimal.h"
#include "metering/tally.h"
#include "server/server.h"

/* sum / 10^scale. */
static Numeric
numeric_of(Int128 sum, int scale)
{
	char buffer[DECIMAL_TEXT_SIZE];
	char *end = buffer + sizeof(buffer) - 1;
	Uint128 rest = sum < 0 ? -(Uint128) sum : (Uint128) sum;

	*end = '\0';
	for (int digits = 0; rest != 0 || digits <= scale; digits++)
	{
		if (digits == scale && scale > 0)
			*--end = '.';
		*--end = (char) ('0' + (int) (rest % 10));
		rest /= 10;
	}
	if (sum < 0)
		*--end = '-';
	return DatumGetNumeric(DirectFunctionCall3(numeric_in, CStringGetDatum(end), ObjectIdGetDatum(InvalidOid),
											   Int32GetDatum(-1)));
}

static Numeric
keep_numeric(Numeric value, MemoryContext memory)
{
	Numeric kept = MemoryContextAlloc(memory, VARSIZE_ANY(value));

	memcpy(kept, value, VARSIZE_ANY(value));
	return kept;
}

static void
carry(Tally *tally, MemoryContext memory)
{
	Numeric moved = numeric_of(tally->sum, tally->scale);

	if (tally->carried != NULL)
	{
		moved = DatumGetNumeric(
			DirectFunctionCall2(numeric_add, NumericGetDatum(tally->carried), NumericGetDatum(moved)));
		pfree(tally->carried);
	}
	tally->carried = keep_numeric(moved, memory);
	tally->sum = 0;
}

/* More decimals than before, of which a quantity has at most DECIMAL_SCALE_MAX. */
static void
raise_scale(Tally *tally, int scale, MemoryContext memory)
{
	Int128 factor = (Int128) wide_power_of_ten(scale - tally->scale);
	Int128 raised;

	if (__builtin_mul_overflow(tally->sum, factor, &raised))
	{
		carry(tally, memory);
		raised = 0;
	}
	tally->sum = raised;
	tally->scale = scale;
}

static void
add_to_sum(Tally *tally, Int128 coefficient, int scale, MemoryContext memory)
{
	Int128 sum;

	if (scale > tally->scale)
		raise_scale(tally, scale, memory);
	/* Below 10^20 with at most 18 decimals: 10^38 at most, which fits. */
	if (scale < tally->scale)
		coefficient *= (Int128) wide_power_of_ten(tally->scale - scale);
	if (__builtin_add_overflow(tally->sum, coefficient, &sum))
	{
		carry(tally, memory);
		sum = coefficient;
	}
	tally->sum = sum;
}

/* Of up to 18 digits, and most have fewer, in a register. */
#define DIGITS_IN_64_BITS 18

static void
add_decimal(Tally *tally, const char *decimal, MemoryContext memory)
{
	Int128 wide = 0;
	uint64 narrow = 0;
	int digits = 0, scale = 0;
	bool in_fraction = false;
	const char *p = decimal + (*decimal == '-');

	for (; *p != '\0'; p++)
	{
		if (*p == '.')
		{
			in_fraction = true;
			continue;
		}
		if (digits++ == DIGITS_IN_64_BITS)
			wide = narrow;
		if (digits <= DIGITS_IN_64_BITS)
			narrow = narrow * 10 + (uint64) (*p - '0');
		else
			wide = wide * 10 + (*p - '0');
		scale += in_fraction;
	}
	if (digits <= DIGITS_IN_64_BITS)
		wide = narrow;
	add_to_sum(tally, *decimal == '-' ? -wide : wide, scale, memory);
}

/* What a row adds to a meter that counts: billing.usage_events(). */
static int
events_of(const TallyEvent *event)
{
	if (!event->corrects)
		return 1;
	if (strspn(event->decimal, "-0.") == strlen(event->decimal))
		return 0;
	return event->decimal[0] == '-' ? -1 : 1;
}

static void
keep_value(Tally *tally, const TallyEvent *event, MemoryContext memory)
{
	if (tally->value != NULL)
		pfree(tally->value);
	tally->value = keep_numeric(event->quantity, memory);
}

static void
keep_latest(Tally *tally, const TallyEvent *event, MemoryContext memory)
{
	Size size = VARSIZE_ANY(event->event_id);

	keep_value(tally, event, memory);
	if (tally->latest_event != NULL)
		pfree(tally->latest_event);
	tally->latest_event = MemoryContextAlloc(memory, size);
	memcpy(tally->latest_event, event->event_id, size);
}

static bool
is_greater(const Tally *tally, const TallyEvent *event)
{
	return tally->events == 0 ||
		   DatumGetBool(DirectFunctionCall2(numeric_gt, NumericGetDatum(event->quantity),
											NumericGetDatum(tally->value)));
}

static bool
is_later(const Tally *tally, const TallyEvent *event)
{
	if (tally->events == 0 || event->occurred_at != tally->latest_at)
		return tally->events == 0 || event->occurred_at > tally->latest_at;
	return billing_compare_text(event->event_id, tally->latest_event) > 0;
}

void
tally_add(Tally *tally, const TallyEvent *event, MemoryContext memory)
{
	switch (tally->aggregation)
	{
		case AGGREGATION_SUM:
			add_decimal(tally, event->decimal, memory);
			break;
		case AGGREGATION_COUNT:
			add_to_sum(tally, events_of(event), 0, memory);
			break;
		case AGGREGATION_MAX:
			if (is_greater(tally, event))
				keep_value(tally, event, memory);
			break;
		case AGGREGATION_LATEST:
			if (is_later(tally, event))
				keep_latest(tally, event, memory);
			break;
	}
	if (tally->events == 0 || event->occurred_at > tally->latest_at)
		tally->latest_at = event->occurred_at;
	tally->events++;
}

Numeric
tally_quantity(const Tally *tally)
{
	Numeric sum;

	if (!billing_aggregation_adds(tally->aggregation))
		return tally->value;
	sum = numeric_of(tally->sum, tally->scale);
	if (tally->carried == NULL)
		return sum;
	return DatumGetNumeric(
		DirectFunctionCall2(numeric_add, NumericGetDatum(tally->carried), NumericGetDatum(sum)));
}
