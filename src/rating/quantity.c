/*
 * quantity.c: the quantity of a period from its daily counts, by the aggregation of their meter.
 *
 * One aggregate for every aggregation, so that rating reads the counts once. Nothing in it depends on the order of the
 * counts, so they are hashed by what they belong to, and not sorted.
 */
#include "postgres.h"
#include "fmgr.h"

#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

#include "catalog/aggregation.h"

enum
{
	ARG_STATE,
	ARG_AGGREGATION,
	ARG_QUANTITY,
	ARG_LATEST_AT,
	ARG_DIMENSIONS
};

/* The quantity so far, in memory; for the latest one also when it was, and of what dimensions. */
typedef struct QuantityState
{
	MemoryContext memory;
	Numeric quantity;
	TimestampTz latest_at;
	Jsonb *dimensions;
} QuantityState;

/* Keeps a copy of a varlena in place of what was kept; most are of the same length. */
static void *
keep_value(const QuantityState *state, void *kept, const void *value)
{
	if (kept == NULL || VARSIZE(kept) != VARSIZE(value))
	{
		if (kept != NULL)
			pfree(kept);
		kept = MemoryContextAlloc(state->memory, VARSIZE(value));
	}
	memcpy(kept, value, VARSIZE(value));
	return kept;
}

static void
take_quantity(QuantityState *state, Numeric quantity)
{
	if (quantity != state->quantity)
		state->quantity = keep_value(state, state->quantity, quantity);
}

/* Of several at one instant, that of the dimensions that sort last. */
static void
take_latest(QuantityState *state, FunctionCallInfo fcinfo)
{
	TimestampTz latest_at = PG_GETARG_TIMESTAMPTZ(ARG_LATEST_AT);
	Jsonb *dimensions = PG_GETARG_JSONB_P(ARG_DIMENSIONS);

	if (state->quantity != NULL &&
		(latest_at < state->latest_at ||
		 (latest_at == state->latest_at &&
		  compareJsonbContainers(&dimensions->root, &state->dimensions->root) <= 0)))
		return;
	take_quantity(state, PG_GETARG_NUMERIC(ARG_QUANTITY));
	state->dimensions = keep_value(state, state->dimensions, dimensions);
	state->latest_at = latest_at;
}

static void
add_count(QuantityState *state, FunctionCallInfo fcinfo)
{
	Aggregation aggregation = billing_aggregation(PG_GETARG_TEXT_PP(ARG_AGGREGATION));
	Datum quantity = PG_GETARG_DATUM(ARG_QUANTITY);

	if (aggregation == AGGREGATION_LATEST)
		take_latest(state, fcinfo);
	else if (state->quantity == NULL)
		take_quantity(state, DatumGetNumeric(quantity));
	else if (aggregation == AGGREGATION_MAX)
		take_quantity(state, DatumGetNumeric(DirectFunctionCall2(
								 numeric_larger, NumericGetDatum(state->quantity), quantity)));
	else
		take_quantity(state, DatumGetNumeric(DirectFunctionCall2(
								 numeric_add, NumericGetDatum(state->quantity), quantity)));
}

BILLING_FUNCTION(billing_quantity_of_step)
{
	QuantityState *state = PG_ARGISNULL(ARG_STATE) ? NULL : (QuantityState *) PG_GETARG_POINTER(ARG_STATE);
	MemoryContext memory;

	if (!AggCheckCallContext(fcinfo, &memory))
		elog(ERROR, "billing_quantity_of_step called outside an aggregate");
	for (int i = ARG_AGGREGATION; i <= ARG_DIMENSIONS; i++)
		if (PG_ARGISNULL(i))
			ereport(ERROR, errcode(ERRCODE_BILLING_INVALID_ARGUMENT),
					errmsg("argument %d of quantity_of is null", i));
	if (state == NULL)
	{
		state = MemoryContextAllocZero(memory, sizeof(QuantityState));
		state->memory = memory;
	}
	add_count(state, fcinfo);
	PG_RETURN_POINTER(state);
}

BILLING_FUNCTION(billing_quantity_of_final)
{
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	PG_RETURN_NUMERIC(((QuantityState *) PG_GETARG_POINTER(0))->quantity);
}
