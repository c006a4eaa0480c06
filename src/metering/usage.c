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

/* Of a quantity that is given as text too, that is read: it costs less. */
static bool
has_quantity(const UsageContent *content)
{
	if (content->decimal != NULL)
		return is_quantity_text(content->decimal);
	return content->quantity != NULL && is_quantity(content->quantity);
}

static bool
has_negative_quantity(const UsageContent *content)
{
	return content->decimal != NULL ? content->decimal[0] == '-' : is_negative(content->quantity);
}

/* What is wrong with an event, whatever its meter: a word that statements/diagnose.sql knows; NULL when nothing. */
static const char *
content_problem(const UsageContent *content)
{
	if (content->event_id == NULL || !is_event_id(content->event_id))
		return "event id";
	if (!has_quantity(content))
		return "quantity";
	if (content->attribution != NULL && !JB_ROOT_IS_OBJECT(content->attribution))
		return "attribution";
	if (content->dimensions == NULL || !JB_ROOT_IS_OBJECT(content->dimensions))
		return "dimensions";
	return NULL;
}

/* SQL arguments that may be null. */
#define TEXT_OR_NULL(n) (PG_ARGISNULL(n) ? NULL : PG_GETARG_TEXT_PP(n))
#define NUMERIC_OR_NULL(n) (PG_ARGISNULL(n) ? NULL : PG_GETARG_NUMERIC(n))
#define JSONB_OR_NULL(n) (PG_ARGISNULL(n) ? NULL : PG_GETARG_JSONB_P(n))

/* The arguments of is_usage() and usage_card(). */
static UsageContent
content_of_arguments(FunctionCallInfo fcinfo)
{
	return (UsageContent){.tenant_id = TEXT_OR_NULL(0),
						  .meter_id = TEXT_OR_NULL(1),
						  .event_id = TEXT_OR_NULL(2),
						  .account_id = TEXT_OR_NULL(3),
						  .quantity = NUMERIC_OR_NULL(4),
						  .dimensions = JSONB_OR_NULL(5),
						  .attribution = JSONB_OR_NULL(6),
						  .correlation_id = TEXT_OR_NULL(7),
						  .corrects_event_id = TEXT_OR_NULL(8)};
}

static CardFinding
card_in_text(const text *value)
{
	return value != NULL ? billing_card_in_text(value) : CARD_NONE;
}

static CardFinding
card_in_jsonb(Jsonb *value)
{
	return value != NULL ? billing_card_in_jsonb(value) : CARD_NONE;
}

/* The column that holds one, or NULL. */
static const char *
column_with_card(const UsageContent *content, CardFinding *finding)
{
	if ((*finding = card_in_text(content->event_id)) != CARD_NONE)
		return "event_id";
	if ((*finding = card_in_text(content->tenant_id)) != CARD_NONE)
		return "tenant_id";
	if ((*finding = card_in_text(content->meter_id)) != CARD_NONE)
		return "meter_id";
	if ((*finding = card_in_text(content->account_id)) != CARD_NONE)
		return "account_id";
	if ((*finding = card_in_jsonb(content->dimensions)) != CARD_NONE)
		return "dimensions";
	if ((*finding = card_in_jsonb(content->attribution)) != CARD_NONE)
		return "attribution";
	if ((*finding = card_in_text(content->correlation_id)) != CARD_NONE)
		return "correlation_id";
	if ((*finding = card_in_text(content->corrects_event_id)) != CARD_NONE)
		return "corrects_event_id";
	return NULL;
}

BILLING_FUNCTION(billing_is_usage)
{
	UsageContent content = content_of_arguments(fcinfo);
	CardFinding finding;
	const char *column = column_with_card(&content, &finding);

	/* First: when the answer is false, PostgreSQL quotes the row. */
	if (column != NULL)
		billing_refuse_card(column, finding);
	PG_RETURN_BOOL(content_problem(&content) == NULL);
}

BILLING_FUNCTION(billing_usage_card)
{
	UsageContent content = content_of_arguments(fcinfo);
	CardFinding finding;
	const char *column = column_with_card(&content, &finding);

	if (column == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(psprintf("%s holds %s", column, billing_card_text(finding))));
}

const char *
usage_dimensions_problem(Jsonb *dimensions, ArrayType *keys)
{
	return are_dimensions(dimensions, keys) ? NULL : "dimensions";
}

const char *
usage_event_problem(const UsageContent *content, const UsageMeter *meter)
{
	const char *problem = content_problem(content);

	if (problem != NULL)
		return problem;
	/* Meters that keep the greatest or the latest value have nothing to subtract from. */
	if (has_negative_quantity(content) &&
		(content->corrects_event_id == NULL || !billing_aggregation_adds(meter->aggregation)))
		return "negative quantity";
	if (content->corrects_event_id != NULL &&
		billing_same_text(content->corrects_event_id, content->event_id))
		return "itself";
	return NULL;
}

static const char *
usage_problem(const UsageContent *content, const UsageMeter *meter)
{
	const char *problem = usage_event_problem(content, meter);

	return problem != NULL ? problem : usage_dimensions_problem(content->dimensions, meter->keys);
}

bool
usage_is_recordable(const UsageContent *content, const UsageMeter *meter)
{
	CardFinding finding;

	return column_with_card(content, &finding) == NULL && usage_problem(content, meter) == NULL;
}

BILLING_FUNCTION(billing_usage_problem)
{
	const char *problem;

	if (PG_ARGISNULL(5) || PG_ARGISNULL(6))
		PG_RETURN_NULL();
	problem =
		usage_problem(&(UsageContent){.event_id = TEXT_OR_NULL(0),
									  .quantity = NUMERIC_OR_NULL(1),
									  .dimensions = JSONB_OR_NULL(2),
									  .attribution = JSONB_OR_NULL(3),
									  .corrects_event_id = TEXT_OR_NULL(4)},
					  &(UsageMeter){billing_aggregation(PG_GETARG_TEXT_PP(5)), PG_GETARG_ARRAYTYPE_P(6)});
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
