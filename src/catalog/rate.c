/*
 * rate.c: what a quantity costs, and splitting amounts.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/numeric.h"
#include "utils/tuplestore.h"

#include "catalog/price.h"
#include "core/split.h"
#include "server/server.h"

/* Columns of billing.rate(). */
enum
{
	RATE_TIER,
	RATE_FROM,
	RATE_TO,
	RATE_QUANTITY,
	RATE_UNIT,
	RATE_PER,
	RATE_FLAT,
	RATE_AMOUNT,
	RATE_COLUMNS
};

static Decimal
quantity_from_numeric(Numeric number)
{
	char *text = DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(number)));
	Decimal quantity = {0, 0};
	DecimalStatus status = decimal_parse(text, strlen(text), &quantity);

	if (status == DECIMAL_INVALID_SYNTAX)
		ereport(ERROR, errcode(ERRCODE_BILLING_INVALID_QUANTITY),
				errmsg("quantity \"%s\" is not a finite number", text));
	if (status == DECIMAL_TOO_MANY_DECIMALS)
		ereport(ERROR, errcode(ERRCODE_BILLING_INVALID_QUANTITY),
				errmsg("quantity has more than %d decimals: %s", DECIMAL_SCALE_MAX, text));
	if (status != DECIMAL_OK)
		ereport(ERROR, errcode(ERRCODE_BILLING_INVALID_QUANTITY),
				errmsg("quantity is out of range: %s", text),
				errdetail("A quantity is below 10^%d in magnitude.", PRICE_QUANTITY_DIGITS_MAX));
	pfree(text);
	return quantity;
}

static Datum
numeric_from_text(const char *text)
{
	return DirectFunctionCall3(numeric_in, CStringGetDatum(text), ObjectIdGetDatum(InvalidOid),
							   Int32GetDatum(-1));
}

static Datum
numeric_from_decimal(const Decimal *value)
{
	char text[DECIMAL_TEXT_SIZE];

	decimal_format(value, text);
	return numeric_from_text(text);
}

static void
check_places(const char *name, int places)
{
	if (places < 0 || places > DECIMAL_SCALE_MAX)
		ereport(ERROR, errcode(ERRCODE_BILLING_INVALID_ARGUMENT), errmsg("invalid %s: %d", name, places),
				errdetail("It must be from 0 to %d.", DECIMAL_SCALE_MAX));
}

static void
check_proration(Fraction proration)
{
	if (proration.numerator < 0 || proration.denominator <= 0)
		ereport(ERROR, errcode(ERRCODE_BILLING_INVALID_ARGUMENT),
				errmsg("invalid proration: " INT64_FORMAT "/" INT64_FORMAT, proration.numerator,
					   proration.denominator),
				errdetail("The numerator must be at least 0 and the denominator at least 1."));
}

static void
check_rated(PriceStatus status, const Decimal *quantity, const Price *price)
{
	char text[DECIMAL_TEXT_SIZE];

	if (status == PRICE_OK)
		return;
	decimal_format(quantity, text);
	if (status == PRICE_INVALID_QUANTITY)
		ereport(ERROR, errcode(ERRCODE_BILLING_INVALID_QUANTITY),
				errmsg("quantity is out of range: %s", text),
				errdetail("A quantity is below 10^%d in magnitude.", PRICE_QUANTITY_DIGITS_MAX));
	if (status == PRICE_OVERFLOW)
		ereport(ERROR, errcode(ERRCODE_BILLING_OVERFLOW), errmsg("amount is out of range"),
				errdetail("Quantity %s at this %s price costs more than an amount can hold.", text,
						  price_model_name(price->model)));
	ereport(ERROR, errcode(ERRCODE_BILLING_INTERNAL), errmsg("rating failed with status %d", (int) status));
}

static int64
rate_minor(const Price *price, Numeric number, int exponent, Fraction proration)
{
	Decimal quantity = quantity_from_numeric(number);
	int64_t amount_minor = 0;

	check_places("exponent", exponent);
	check_proration(proration);
	check_rated(price_rate(price, &quantity, proration, exponent, &amount_minor), &quantity, price);
	return amount_minor;
}

BILLING_FUNCTION(billing_rate_minor)
{
	const Price *price = billing_cached_price(fcinfo, PG_GETARG_JSONB_P(0));
	Fraction proration = {PG_GETARG_INT64(3), PG_GETARG_INT64(4)};

	PG_RETURN_INT64(rate_minor(price, PG_GETARG_NUMERIC(1), PG_GETARG_INT32(2), proration));
}

static Datum
rate_amount(const Price *price, Numeric number, int places)
{
	Decimal quantity = quantity_from_numeric(number);
	Fraction whole = {1, 1};
	char text[PRICE_AMOUNT_SIZE];

	check_places("number of places", places);
	check_rated(price_amount(price, &quantity, whole, places, text), &quantity, price);
	return numeric_from_text(text);
}

BILLING_FUNCTION(billing_rate_amount)
{
	const Price *price = billing_cached_price(fcinfo, PG_GETARG_JSONB_P(0));

	PG_RETURN_DATUM(rate_amount(price, PG_GETARG_NUMERIC(1), PG_GETARG_INT32(2)));
}

/* The adjustment by a minimum or maximum has an amount and nothing else. */
static void
put_step(ReturnSetInfo *result, const PriceStep *step)
{
	Datum values[RATE_COLUMNS] = {0};
	bool nulls[RATE_COLUMNS];

	memset(nulls, step->tier == 0, sizeof(nulls));
	if (step->tier > 0)
	{
		char per[DECIMAL_TEXT_SIZE];

		snprintf(per, sizeof(per), UINT64_FORMAT, step->per);
		values[RATE_TIER] = Int32GetDatum(step->tier);
		values[RATE_FROM] = numeric_from_decimal(&step->from);
		nulls[RATE_TO] = step->open;
		if (!step->open)
			values[RATE_TO] = numeric_from_decimal(&step->up_to);
		values[RATE_QUANTITY] = numeric_from_decimal(&step->quantity);
		values[RATE_UNIT] = numeric_from_decimal(&step->unit);
		values[RATE_PER] = numeric_from_text(per);
		values[RATE_FLAT] = numeric_from_decimal(&step->flat);
	}
	nulls[RATE_AMOUNT] = false;
	values[RATE_AMOUNT] = numeric_from_text(step->amount);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

static void
rate(ReturnSetInfo *result, Jsonb *document, Numeric number)
{
	Decimal quantity = quantity_from_numeric(number);
	PriceStep *steps = palloc(sizeof(PriceStep) * PRICE_STEPS_MAX);
	Price price;
	int count;

	billing_read_price(document, &price);
	check_rated(price_steps(&price, &quantity, steps, &count), &quantity, &price);
	for (int i = 0; i < count; i++)
		put_step(result, &steps[i]);
	pfree(steps);
}

BILLING_FUNCTION(billing_rate)
{
	InitMaterializedSRF(fcinfo, 0);
	rate((ReturnSetInfo *) fcinfo->resultinfo, PG_GETARG_JSONB_P(0), PG_GETARG_NUMERIC(1));
	return (Datum) 0;
}

/* The weights of a list without nulls or negative ones, palloc'd. */
static uint64 *
read_weights(ArrayType *array, int *count)
{
	uint64 *weights;
	Datum *elements;
	bool *nulls;

	if (ARR_NDIM(array) > 1)
		ereport(ERROR, errcode(ERRCODE_BILLING_INVALID_ARGUMENT),
				errmsg("weights must be a list of one dimension"));
	deconstruct_array(array, INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE, &elements, &nulls,
					  count);
	weights = palloc(sizeof(uint64) * Max(*count, 1));
	for (int i = 0; i < *count; i++)
	{
		if (nulls[i])
			ereport(ERROR, errcode(ERRCODE_BILLING_INVALID_ARGUMENT), errmsg("weight %d is null", i + 1));
		if (DatumGetInt64(elements[i]) < 0)
			ereport(ERROR, errcode(ERRCODE_BILLING_INVALID_ARGUMENT),
					errmsg("weight %d is negative: " INT64_FORMAT, i + 1, DatumGetInt64(elements[i])));
		weights[i] = (uint64) DatumGetInt64(elements[i]);
	}
	return weights;
}

static ArrayType *
split(int64 total, ArrayType *array)
{
	int count;
	uint64 *weights = read_weights(array, &count);
	int64_t *parts = palloc(sizeof(int64_t) * Max(count, 1));
	Datum *elements = palloc(sizeof(Datum) * Max(count, 1));
	SplitStatus status = split_amount(total, (const uint64_t *) weights, count, parts);

	if (status == SPLIT_NO_WEIGHT)
		ereport(ERROR, errcode(ERRCODE_BILLING_INVALID_ARGUMENT),
				errmsg("cannot split an amount over no weight"),
				errdetail("The weights must add up to more than zero."));
	if (status == SPLIT_OVERFLOW)
		ereport(ERROR, errcode(ERRCODE_BILLING_OVERFLOW), errmsg("sum of weights is out of range"));
	for (int i = 0; i < count; i++)
		elements[i] = Int64GetDatum(parts[i]);
	return construct_array(elements, count, INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE);
}

BILLING_FUNCTION(billing_split_amount)
{
	PG_RETURN_ARRAYTYPE_P(split(PG_GETARG_INT64(0), PG_GETARG_ARRAYTYPE_P(1)));
}
