/*
 * batch.c: events by column, made from rows or from JSON.
 */
#include "postgres.h"
#include "fmgr.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"

#include "metering/metering.h"
#include "server/card.h"

const Oid usage_types[USAGE_COLUMNS] = {TEXTOID,	TEXTOID,  TEXTOID,	TEXTOID, TIMESTAMPTZOID,
										NUMERICOID, JSONBOID, JSONBOID, TEXTOID, TEXTOID};
const Oid usage_array_types[USAGE_COLUMNS] = {
	TEXTARRAYOID,	 TEXTARRAYOID,	TEXTARRAYOID,  TEXTARRAYOID, TIMESTAMPTZARRAYOID,
	NUMERICARRAYOID, JSONBARRAYOID, JSONBARRAYOID, TEXTARRAYOID, TEXTARRAYOID};

UsageRows *
usage_rows_create(int count)
{
	UsageRows *rows = palloc(sizeof(UsageRows));

	rows->count = count;
	for (int column = 0; column < USAGE_COLUMNS; column++)
	{
		rows->values[column] = palloc0(sizeof(Datum) * Max(count, 1));
		rows->nulls[column] = palloc(sizeof(bool) * Max(count, 1));
		memset(rows->nulls[column], true, sizeof(bool) * Max(count, 1));
	}
	return rows;
}

void
usage_rows_set(UsageRows *rows, int row, UsageColumn column, Datum value)
{
	Assert(row >= 0 && row < rows->count);
	rows->values[column][row] = value;
	rows->nulls[column][row] = false;
}

static Datum
column_to_array(const UsageRows *rows, UsageColumn column)
{
	Oid type = usage_types[column];
	int lower_bound = 1;
	int length = rows->count;
	int16 typlen;
	bool typbyval;
	char typalign;

	get_typlenbyvalalign(type, &typlen, &typbyval, &typalign);
	return PointerGetDatum(construct_md_array(rows->values[column], rows->nulls[column], 1, &length,
											  &lower_bound, type, typlen, typbyval, typalign));
}

UsageBatch
usage_rows_to_batch(const UsageRows *rows, UsageLabel label)
{
	UsageBatch batch = {.count = rows->count, .label = label};

	for (int column = 0; column < USAGE_COLUMNS; column++)
	{
		batch.arrays[column] = column_to_array(rows, column);
		batch.nulls[column] = ' ';
	}
	for (int row = 0; row < rows->count; row++)
		batch.has_corrections |= !rows->nulls[USAGE_CORRECTS][row];
	return batch;
}

UsageRows *
usage_rows_from_batch(const UsageBatch *batch)
{
	UsageRows *rows = palloc0(sizeof(UsageRows));

	rows->count = batch->count;
	for (int column = 0; column < USAGE_COLUMNS; column++)
	{
		Oid type = usage_types[column];
		int16 typlen;
		bool typbyval;
		char typalign;
		int count;

		if (batch->nulls[column] == 'n')
		{
			rows->values[column] = palloc0(sizeof(Datum) * Max(rows->count, 1));
			rows->nulls[column] = palloc(sizeof(bool) * Max(rows->count, 1));
			memset(rows->nulls[column], true, sizeof(bool) * Max(rows->count, 1));
			continue;
		}
		get_typlenbyvalalign(type, &typlen, &typbyval, &typalign);
		deconstruct_array(DatumGetArrayTypeP(batch->arrays[column]), type, typlen, typbyval, typalign,
						  &rows->values[column], &rows->nulls[column], &count);
		Assert(count == rows->count);
	}
	return rows;
}

/* ---- from JSON ---- */

typedef enum FieldKind
{
	FIELD_TEXT,
	FIELD_NUMBER, /* also as a string */
	FIELD_TIME,
	FIELD_OBJECT
} FieldKind;

static const struct Field
{
	const char *name;
	UsageColumn column;
	FieldKind kind;
	bool required;
} fields[] = {
	{"tenant", USAGE_TENANT, FIELD_TEXT, true},
	{"meter", USAGE_METER, FIELD_TEXT, true},
	{"event_id", USAGE_EVENT, FIELD_TEXT, true},
	{"account", USAGE_ACCOUNT, FIELD_TEXT, false},
	{"occurred_at", USAGE_OCCURRED_AT, FIELD_TIME, false},
	{"quantity", USAGE_QUANTITY, FIELD_NUMBER, false},
	{"dimensions", USAGE_DIMENSIONS, FIELD_OBJECT, false},
	{"attribution", USAGE_ATTRIBUTION, FIELD_OBJECT, false},
	{"correlation_id", USAGE_CORRELATION, FIELD_TEXT, false},
	{"corrects", USAGE_CORRECTS, FIELD_TEXT, false},
};

static const char *const kind_names[] = {
	[FIELD_TEXT] = "a string",
	[FIELD_NUMBER] = "a number or a string with one",
	[FIELD_TIME] = "a string with a time",
	[FIELD_OBJECT] = "an object",
};

/* Where the parser is, for its own errors and as context of those that PostgreSQL raises. */
typedef struct JsonPosition
{
	int index;
	int count;
	const char *field;
} JsonPosition;

static void
add_position(void *argument)
{
	const JsonPosition *position = argument;

	if (position->field != NULL)
		errcontext("event %d of %d, field \"%s\"", position->index, position->count, position->field);
}

static void
refuse_event(const JsonPosition *position, const char *problem, const char *detail)
{
	ereport(ERROR, errcode(ERRCODE_BILLING_INVALID_ARGUMENT),
			errmsg("event %d of %d: %s", position->index, position->count, problem),
			detail != NULL ? errdetail("%s", detail) : 0);
}

static void
refuse_kind(const JsonPosition *position, const struct Field *field)
{
	refuse_event(position, psprintf("field \"%s\" must be %s", field->name, kind_names[field->kind]), NULL);
}

static Datum
object_value(const JsonPosition *position, const struct Field *field, JsonbValue *value)
{
	if (value->type != jbvBinary || !JsonContainerIsObject(value->val.binary.data))
		refuse_kind(position, field);
	return JsonbPGetDatum(JsonbValueToJsonb(value));
}

/* What PostgreSQL would quote because it cannot read it must hold no card number; one that is a number is a quantity. */
static void
refuse_card_in(const JsonPosition *position, const char *what, const char *string, int length)
{
	if (card_find(string, length) != CARD_NONE)
		billing_raise_card(
			psprintf("event %d of %d: %s holds a card number", position->index, position->count, what));
}

static bool
is_plain_number(const char *string)
{
	return string[strspn(string, "0123456789")] == '\0';
}

/* A copy in each case: the arrays outlive the value. */
static Datum
scalar_value(const JsonPosition *position, const struct Field *field, const JsonbValue *value)
{
	char *string;

	if (field->kind == FIELD_NUMBER && value->type == jbvNumeric)
		return NumericGetDatum(value->val.numeric);
	if (value->type != jbvString)
		refuse_kind(position, field);
	if (field->kind == FIELD_TEXT)
		return PointerGetDatum(cstring_to_text_with_len(value->val.string.val, value->val.string.len));
	string = pnstrdup(value->val.string.val, value->val.string.len);
	if (!is_plain_number(string))
		refuse_card_in(position, field->name, string, value->val.string.len);
	return DirectFunctionCall3(field->kind == FIELD_NUMBER ? numeric_in : timestamptz_in,
							   CStringGetDatum(string), ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1));
}

/* A JSON null is a field not given, except that there is no usage without an amount: see billing.usage_problem(). */
static bool
read_field(UsageRows *rows, JsonPosition *position, JsonbContainer *event, const struct Field *field)
{
	JsonbValue storage;
	JsonbValue *value = getKeyJsonValueFromContainer(event, field->name, strlen(field->name), &storage);

	if (field->required && (value == NULL || value->type == jbvNull))
		refuse_event(position, psprintf("field \"%s\" is missing", field->name), NULL);
	if (value == NULL && field->column == USAGE_QUANTITY)
		usage_rows_set(rows, position->index, field->column,
					   DirectFunctionCall1(int4_numeric, Int32GetDatum(1)));
	if (value == NULL || value->type == jbvNull)
		return value != NULL;
	position->field = field->name;
	usage_rows_set(rows, position->index, field->column,
				   field->kind == FIELD_OBJECT ? object_value(position, field, value)
											   : scalar_value(position, field, value));
	position->field = NULL;
	return true;
}

/* Says which of an event's fields is not known: a misspelt occurred_at must not become now(). */
static void
refuse_unknown_field(const JsonPosition *position, JsonbContainer *event)
{
	JsonbIterator *iterator = JsonbIteratorInit(event);
	JsonbValue key;
	JsonbIteratorToken token;

	while ((token = JsonbIteratorNext(&iterator, &key, true)) != WJB_DONE)
	{
		bool known = token != WJB_KEY;

		for (int i = 0; i < lengthof(fields) && !known; i++)
			known = key.val.string.len == strlen(fields[i].name) &&
					memcmp(key.val.string.val, fields[i].name, key.val.string.len) == 0;
		if (!known)
		{
			refuse_card_in(position, "a field's name", key.val.string.val, key.val.string.len);
			refuse_event(position, psprintf("unknown field \"%.*s\"", key.val.string.len, key.val.string.val),
						 "Fields are tenant, meter, event_id, quantity, occurred_at, dimensions, account, "
						 "attribution, correlation_id and corrects.");
		}
	}
}

static void
read_event(UsageRows *rows, JsonPosition *position, JsonbContainer *events)
{
	JsonbValue *event = getIthJsonbValueFromContainer(events, position->index);
	int found = 0;

	if (event->type != jbvBinary || !JsonContainerIsObject(event->val.binary.data))
		refuse_event(position, "it is not a JSON object", NULL);
	for (int i = 0; i < lengthof(fields); i++)
		found += read_field(rows, position, event->val.binary.data, &fields[i]);
	if (found < JsonContainerSize(event->val.binary.data))
		refuse_unknown_field(position, event->val.binary.data);
	pfree(event);
}

static void
check_events(Jsonb *events)
{
	if (!JB_ROOT_IS_ARRAY(events) || JB_ROOT_IS_SCALAR(events))
		ereport(ERROR, errcode(ERRCODE_BILLING_INVALID_ARGUMENT),
				errmsg("events must be a JSON array of objects"));
	if (JB_ROOT_COUNT(events) > USAGE_BATCH_MAX)
		ereport(ERROR, errcode(ERRCODE_BILLING_INVALID_ARGUMENT),
				errmsg("%d events are too many for one call", (int) JB_ROOT_COUNT(events)),
				errdetail("The limit is %d.", USAGE_BATCH_MAX));
}

UsageBatch
usage_batch_from_json(Jsonb *events)
{
	JsonPosition position = {0};
	ErrorContextCallback context = {error_context_stack, add_position, &position};
	UsageRows *rows;

	check_events(events);
	position.count = JB_ROOT_COUNT(events);
	rows = usage_rows_create(position.count);
	error_context_stack = &context;
	for (position.index = 0; position.index < position.count; position.index++)
		read_event(rows, &position, &events->root);
	error_context_stack = context.previous;
	return usage_rows_to_batch(rows, LABEL_INDEX);
}
