/*
 * usage.c: what one usage event may be.
 *
 * The one place of these rules: the table's CHECK, record_usage(),
 * import_usage() and sync_counts() all ask here. It is C because constraints
 * written as SQL expressions are parsed anew for each statement and cost a
 * third of a bulk write; as one function they cost nothing to speak of.
 */
#include "postgres.h"
#include "fmgr.h"

#include "mb/pg_wchar.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

#include "metering/metering.h"
#include "server/card.h"

static bool
is_among(const JsonbValue *key, ArrayType *keys)
{
	const char *p = ARR_DATA_PTR(keys);
	int n = ArrayGetNItems(ARR_NDIM(keys), ARR_DIMS(keys));

	if (ARR_HASNULL(keys))
		elog(ERROR, "a meter's dimension keys contain a null");
	for (int i = 0; i < n; i++)
	{
		const text *element = (const text *) p;

		if (VARSIZE_ANY_EXHDR(element) == key->val.string.len &&
			memcmp(VARDATA_ANY(element), key->val.string.val, key->val.string.len) == 0)
			return true;
		p = att_addlength_pointer(p, -1, p);
		p = (const char *) att_align_nominal(p, TYPALIGN_INT);
	}
	return false;
}

static bool
are_dimensions(Jsonb *dimensions, ArrayType *keys)
{
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue value;

	if (!JB_ROOT_IS_OBJECT(dimensions))
		return false;
	if (JB_ROOT_COUNT(dimensions) == 0)
		return true;
	iterator = JsonbIteratorInit(&dimensions->root);
	while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
	{
		if (token == WJB_KEY && !is_among(&value, keys))
			return false;
		if (token == WJB_VALUE && value.type != jbvString)
			return false;
	}
	return true;
}

BILLING_FUNCTION(billing_are_dimensions)
{
	Jsonb *dimensions = PG_GETARG_JSONB_P(0);
	bool result = are_dimensions(dimensions, PG_GETARG_ARRAYTYPE_P(1));

	PG_FREE_IF_COPY(dimensions, 0);
	PG_RETURN_BOOL(result);
}

#define EVENT_ID_CHARACTERS_MAX 255
#define QUANTITY_LIMIT "100000000000000000000" /* exclusive, on either side of zero */
#define QUANTITY_DECIMALS_MAX 18

static bool
is_event_id(const text *event_id)
{
	int bytes = VARSIZE_ANY_EXHDR(event_id);

	/* No character is shorter than a byte, so that most ids need no counting. */
	return bytes > 0 && (bytes <= EVENT_ID_CHARACTERS_MAX ||
						 pg_mbstrlen_with_len(VARDATA_ANY(event_id), bytes) <= EVENT_ID_CHARACTERS_MAX);
}

static Datum
quantity_limit(bool negative)
{
	static Datum limits[2] = {0, 0};

	if (limits[negative] == 0)
	{
		MemoryContext before = MemoryContextSwitchTo(TopMemoryContext);

		limits[negative] =
			DirectFunctionCall3(numeric_in, CStringGetDatum(negative ? "-" QUANTITY_LIMIT : QUANTITY_LIMIT),
								ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1));
		MemoryContextSwitchTo(before);
	}
	return limits[negative];
}

static bool
is_quantity(Numeric quantity)
{
	Datum value = NumericGetDatum(quantity);

	if (numeric_is_nan(quantity) || numeric_is_inf(quantity))
		return false;
	return DatumGetInt32(DirectFunctionCall1(numeric_scale, value)) <= QUANTITY_DECIMALS_MAX &&
		   DatumGetInt32(DirectFunctionCall2(numeric_cmp, value, quantity_limit(false))) < 0 &&
		   DatumGetInt32(DirectFunctionCall2(numeric_cmp, value, quantity_limit(true))) > 0;
}

static bool
is_negative(Numeric quantity)
{
	static Datum zero = 0;

	if (zero == 0)
	{
		MemoryContext before = MemoryContextSwitchTo(TopMemoryContext);

		zero = DirectFunctionCall1(int4_numeric, Int32GetDatum(0));
		MemoryContextSwitchTo(before);
	}
	return DatumGetInt32(DirectFunctionCall2(numeric_cmp, NumericGetDatum(quantity), zero)) < 0;
}

/* The same of its text, as numeric_out() has it: no exponent, no zeros before it. */
static bool
is_quantity_text(const char *decimal)
{
	const char *p = decimal + (*decimal == '-');
	const char *whole = p;
	const char *fraction;

	while (*p >= '0' && *p <= '9')
		p++;
	if (p - whole >= sizeof(QUANTITY_LIMIT) - 1)
		return false;
	if (*p != '.')
		return *p == '\0'; /* or NaN, Infinity */
	for (fraction = ++p; *p != '\0'; p++)
		;
	return p - fraction <= QUANTITY_DECIMALS_MAX;
}

/* What is wrong with an event, whatever its meter: a word that statements/diagnose.sql knows; NULL when nothing. */
static const char *
content_problem(const text *event_id, bool has_quantity, Jsonb *dimensions, Jsonb *attribution)
{
	if (event_id == NULL || !is_event_id(event_id))
		return "event id";
	if (!has_quantity)
		return "quantity";
	if (attribution != NULL && !JB_ROOT_IS_OBJECT(attribution))
		return "attribution";
	if (dimensions == NULL || !JB_ROOT_IS_OBJECT(dimensions))
		return "dimensions";
	return NULL;
}

/* SQL arguments that may be null. */
#define TEXT_OR_NULL(n) (PG_ARGISNULL(n) ? NULL : PG_GETARG_TEXT_PP(n))
#define NUMERIC_OR_NULL(n) (PG_ARGISNULL(n) ? NULL : PG_GETARG_NUMERIC(n))
#define JSONB_OR_NULL(n) (PG_ARGISNULL(n) ? NULL : PG_GETARG_JSONB_P(n))

/* Arguments of is_usage() and usage_card() that may hold a card number. */
typedef struct FreeColumn
{
	const char *name;
	int argument;
	bool is_json;
} FreeColumn;

/* The column that holds one, or NULL. */
static const FreeColumn *
column_with_card(FunctionCallInfo fcinfo, Jsonb *dimensions, Jsonb *attribution, CardFinding *finding)
{
	static const FreeColumn columns[] = {{"event_id", 2, false},	   {"tenant_id", 0, false},
										 {"meter_id", 1, false},	   {"account_id", 3, false},
										 {"dimensions", 5, true},	   {"attribution", 6, true},
										 {"correlation_id", 7, false}, {"corrects_event_id", 8, false}};

	for (int i = 0; i < lengthof(columns); i++)
	{
		if (PG_ARGISNULL(columns[i].argument))
			continue;
		*finding = columns[i].is_json
					   ? billing_card_in_jsonb(columns[i].argument == 5 ? dimensions : attribution)
					   : billing_card_in_text(PG_GETARG_TEXT_PP(columns[i].argument));
		if (*finding != CARD_NONE)
			return &columns[i];
	}
	return NULL;
}

BILLING_FUNCTION(billing_is_usage)
{
	Jsonb *dimensions = JSONB_OR_NULL(5);
	Jsonb *attribution = JSONB_OR_NULL(6);
	CardFinding finding;
	const FreeColumn *column = column_with_card(fcinfo, dimensions, attribution, &finding);

	/* First: when the answer is false, PostgreSQL quotes the row. */
	if (column != NULL)
		billing_refuse_card(column->name, finding);
	PG_RETURN_BOOL(content_problem(TEXT_OR_NULL(2), !PG_ARGISNULL(4) && is_quantity(PG_GETARG_NUMERIC(4)),
								   dimensions, attribution) == NULL);
}

BILLING_FUNCTION(billing_usage_card)
{
	CardFinding finding;
	const FreeColumn *column = column_with_card(fcinfo, JSONB_OR_NULL(5), JSONB_OR_NULL(6), &finding);

	if (column == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(psprintf("%s holds %s", column->name, billing_card_text(finding))));
}

static bool
same_text(const text *a, const text *b)
{
	return VARSIZE_ANY_EXHDR(a) == VARSIZE_ANY_EXHDR(b) &&
		   memcmp(VARDATA_ANY(a), VARDATA_ANY(b), VARSIZE_ANY_EXHDR(a)) == 0;
}

/* Meters that keep the greatest or the latest value have nothing to subtract from. */
static bool
meter_adds_up(const text *aggregation)
{
	const char *name = VARDATA_ANY(aggregation);
	int length = VARSIZE_ANY_EXHDR(aggregation);

	return (length == 3 && memcmp(name, "sum", 3) == 0) || (length == 5 && memcmp(name, "count", 5) == 0);
}

const char *
usage_dimensions_problem(Jsonb *dimensions, ArrayType *keys)
{
	return are_dimensions(dimensions, keys) ? NULL : "dimensions";
}

/* Of a quantity that is given as text too, that is read: it costs less. */
static bool
has_quantity(const Usage *usage)
{
	if (usage->decimal != NULL)
		return is_quantity_text(usage->decimal);
	return usage->quantity != NULL && is_quantity(usage->quantity);
}

const char *
usage_event_problem(const Usage *usage)
{
	const char *problem =
		content_problem(usage->event_id, has_quantity(usage), usage->dimensions, usage->attribution);

	if (problem != NULL)
		return problem;
	if ((usage->decimal != NULL ? usage->decimal[0] == '-' : is_negative(usage->quantity)) &&
		(usage->corrects_event_id == NULL || !meter_adds_up(usage->aggregation)))
		return "negative quantity";
	if (usage->corrects_event_id != NULL && same_text(usage->corrects_event_id, usage->event_id))
		return "itself";
	return NULL;
}

static const char *
usage_problem(const Usage *usage)
{
	const char *problem = usage_event_problem(usage);

	return problem != NULL ? problem : usage_dimensions_problem(usage->dimensions, usage->keys);
}

BILLING_FUNCTION(billing_usage_problem)
{
	const char *problem;

	if (PG_ARGISNULL(5) || PG_ARGISNULL(6))
		PG_RETURN_NULL();
	problem = usage_problem(&(Usage){TEXT_OR_NULL(0), NUMERIC_OR_NULL(1), JSONB_OR_NULL(2), JSONB_OR_NULL(3),
									 TEXT_OR_NULL(4), PG_GETARG_TEXT_PP(5), PG_GETARG_ARRAYTYPE_P(6)});
	if (problem == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(problem));
}

/* The month asked about last, and the answer: events of one statement lie close together. */
typedef struct PartitionMemo
{
	int year;
	int month;
	bool exists;
} PartitionMemo;

BILLING_FUNCTION(billing_has_usage_partition)
{
	TimestampTz occurred_at = PG_GETARG_TIMESTAMPTZ(0);
	PartitionMemo *memo = fcinfo->flinfo->fn_extra;
	int year, month, day;

	if (TIMESTAMP_NOT_FINITE(occurred_at))
		PG_RETURN_BOOL(false);
	j2date(billing_utc_day(occurred_at) + POSTGRES_EPOCH_JDATE, &year, &month, &day);
	if (memo == NULL)
		memo = fcinfo->flinfo->fn_extra =
			MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt, sizeof(PartitionMemo));
	if (memo->year != year || memo->month != month)
		*memo = (PartitionMemo){year, month, billing_has_partition("usage_records", year, month)};
	PG_RETURN_BOOL(memo->exists);
}
