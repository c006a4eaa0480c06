/*
 * rows.c: what a call brings, by column: from its arguments or from JSON.
 */
#include "postgres.h"
#include "fmgr.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"

#include "access/access.h"
#include "coverage/coverage.h"
#include "server/card.h"

CoverageRows *
coverage_rows_create(const CoverageShape *shape, int count)
{
	CoverageRows *rows = palloc0(sizeof(CoverageRows));

	rows->shape = shape;
	rows->count = count;
	for (int column = 0; column < shape->count; column++)
	{
		rows->values[column] = palloc0(sizeof(Datum) * Max(count, 1));
		rows->nulls[column] = palloc(sizeof(bool) * Max(count, 1));
		memset(rows->nulls[column], true, sizeof(bool) * Max(count, 1));
	}
	return rows;
}

void
coverage_rows_set(CoverageRows *rows, int row, int column, Datum value)
{
	Assert(row >= 0 && row < rows->count && column < rows->shape->count);
	rows->values[column][row] = value;
	rows->nulls[column][row] = false;
}

CoverageRows *
coverage_rows_from_arguments(const CoverageShape *shape, FunctionCallInfo fcinfo, const int *columns,
							 int count)
{
	CoverageRows *rows = coverage_rows_create(shape, 1);

	rows->is_single = true;
	for (int i = 0; i < count; i++)
	{
		if (!PG_ARGISNULL(i))
			coverage_rows_set(rows, 0, columns[i], PG_GETARG_DATUM(i));
		else if (shape->fields[columns[i]].required)
			ereport(ERROR, errcode(ERRCODE_BILLING_INVALID_ARGUMENT),
					errmsg("%s is null", shape->fields[columns[i]].name));
	}
	return rows;
}

/* ---- from JSON ---- */

/* Where the parser is, for its own errors and as context of those that PostgreSQL raises. */
typedef struct JsonPosition
{
	const CoverageShape *shape;
	int index;
	int count;
	const char *field;
} JsonPosition;

static void
add_position(void *argument)
{
	const JsonPosition *position = argument;

	if (position->field != NULL)
		errcontext("%s %d of %d, field \"%s\"", position->shape->noun, position->index, position->count,
				   position->field);
}

static void
refuse_row(const JsonPosition *position, const char *problem)
{
	ereport(ERROR, errcode(ERRCODE_BILLING_INVALID_ARGUMENT),
			errmsg("%s %d of %d: %s", position->shape->noun, position->index, position->count, problem));
}

static Datum
field_value(JsonPosition *position, const CoverageField *field, const JsonbValue *value)
{
	char *string;
	Datum date;

	if (value->type != jbvString)
		refuse_row(position, psprintf("field \"%s\" must be a string", field->name));
	if (!field->is_date)
		return PointerGetDatum(cstring_to_text_with_len(value->val.string.val, value->val.string.len));
	string = pnstrdup(value->val.string.val, value->val.string.len);
	position->field = field->name;
	date = DirectFunctionCall1(date_in, CStringGetDatum(string));
	position->field = NULL;
	return date;
}

static void
refuse_unknown_field(const JsonPosition *position, JsonbContainer *object)
{
	JsonbIterator *iterator = JsonbIteratorInit(object);
	JsonbValue key;
	JsonbIteratorToken token;

	while ((token = JsonbIteratorNext(&iterator, &key, true)) != WJB_DONE)
	{
		bool known = token != WJB_KEY;

		for (int i = 0; i < position->shape->count && !known; i++)
			known = key.val.string.len == strlen(position->shape->fields[i].name) &&
					memcmp(key.val.string.val, position->shape->fields[i].name, key.val.string.len) == 0;
		if (!known)
			refuse_row(position, psprintf("unknown field \"%.*s\"", key.val.string.len, key.val.string.val));
	}
}

/* A JSON null is a field not given. */
static void
read_row(CoverageRows *rows, JsonPosition *position, JsonbContainer *document)
{
	JsonbValue *row = getIthJsonbValueFromContainer(document, position->index);
	int found = 0;

	if (row->type != jbvBinary || !JsonContainerIsObject(row->val.binary.data))
		refuse_row(position, "it is not a JSON object");
	for (int i = 0; i < rows->shape->count; i++)
	{
		const CoverageField *field = &rows->shape->fields[i];
		JsonbValue storage;
		JsonbValue *value =
			getKeyJsonValueFromContainer(row->val.binary.data, field->name, strlen(field->name), &storage);

		found += value != NULL;
		if (value != NULL && value->type != jbvNull)
			coverage_rows_set(rows, position->index, i, field_value(position, field, value));
		else if (field->required)
			refuse_row(position, psprintf("field \"%s\" is missing", field->name));
	}
	if (found < JsonContainerSize(row->val.binary.data))
		refuse_unknown_field(position, row->val.binary.data);
	pfree(row);
}

CoverageRows *
coverage_rows_from_json(const CoverageShape *shape, Jsonb *document)
{
	JsonPosition position = {shape, 0, 0, NULL};
	ErrorContextCallback context = {error_context_stack, add_position, &position};
	CoverageRows *rows;

	if (!JB_ROOT_IS_ARRAY(document) || JB_ROOT_IS_SCALAR(document))
		ereport(ERROR, errcode(ERRCODE_BILLING_INVALID_ARGUMENT),
				errmsg("the %ss must be a JSON array of objects", shape->noun));
	position.count = (int) JB_ROOT_COUNT(document);
	if (position.count > COVERAGE_BATCH_MAX)
		ereport(ERROR, errcode(ERRCODE_BILLING_INVALID_ARGUMENT),
				errmsg("%d %ss are too many for one call", position.count, shape->noun),
				errdetail("The limit is %d.", COVERAGE_BATCH_MAX));
	rows = coverage_rows_create(shape, position.count);
	error_context_stack = &context;
	for (position.index = 0; position.index < position.count; position.index++)
		read_row(rows, &position, &document->root);
	error_context_stack = context.previous;
	return rows;
}

void
coverage_rows_require_tenant(const CoverageRows *rows)
{
	if (!billing_caller_is_bound())
		return;
	for (int row = 0; row < rows->count; row++)
		billing_require_tenant(
			rows->nulls[COVERAGE_TENANT][row] ? NULL : DatumGetTextPP(rows->values[COVERAGE_TENANT][row]),
			true);
}

/* ---- statements over them ---- */

static Oid
column_type(const CoverageField *field)
{
	return field->is_date ? DATEOID : TEXTOID;
}

Datum
coverage_rows_array(const CoverageRows *rows, int column)
{
	Oid type = column_type(&rows->shape->fields[column]);
	int lower_bound = 1;
	int length = rows->count;
	int16 typlen;
	bool typbyval;
	char typalign;

	get_typlenbyvalalign(type, &typlen, &typbyval, &typalign);
	return PointerGetDatum(construct_md_array(rows->values[column], rows->nulls[column], 1, &length,
											  &lower_bound, type, typlen, typbyval, typalign));
}

static uint64
run_with_rows(const CoverageRows *rows, const char *statement)
{
	Oid types[COVERAGE_COLUMNS_MAX];
	Datum values[COVERAGE_COLUMNS_MAX];

	for (int i = 0; i < rows->shape->count; i++)
	{
		types[i] = get_array_type(column_type(&rows->shape->fields[i]));
		values[i] = coverage_rows_array(rows, i);
	}
	return billing_spi_run(statement, rows->shape->count, types, values, NULL);
}

/* Before any statement: an error must not tell a card's number either. */
static void
refuse_cards(const CoverageRows *rows)
{
	for (int column = 0; column < rows->shape->count; column++)
		for (int row = 0; row < rows->count && !rows->shape->fields[column].is_date; row++)
		{
			CardFinding finding = rows->nulls[column][row]
									  ? CARD_NONE
									  : billing_card_in_text(DatumGetTextPP(rows->values[column][row]));

			if (finding != CARD_NONE)
				billing_refuse_card(rows->shape->fields[column].name, finding);
		}
}

void
coverage_rows_check(const CoverageRows *rows, const char *check)
{
	const char *sqlstate;
	const char *detail;
	const char *hint;
	const char *label = "";

	refuse_cards(rows);
	if (run_with_rows(rows, check) == 0)
		return;
	sqlstate = billing_spi_text(0, 2);
	detail = billing_spi_text(0, 4);
	hint = billing_spi_text(0, 5);
	if (!rows->is_single)
		label = psprintf("%s %s of %d: ", rows->shape->noun, billing_spi_text(0, 1), rows->count);
	ereport(ERROR, errcode(MAKE_SQLSTATE(sqlstate[0], sqlstate[1], sqlstate[2], sqlstate[3], sqlstate[4])),
			errmsg("%s%s", label, billing_spi_text(0, 3)), detail != NULL ? errdetail("%s", detail) : 0,
			hint != NULL ? errhint("%s", hint) : 0);
}

int64
coverage_rows_run(const CoverageRows *rows, const char *statement)
{
	bool isnull;

	if (run_with_rows(rows, statement) != 1)
		elog(ERROR, "a statement about %ss has no result", rows->shape->noun);
	return DatumGetInt64(billing_spi_value(0, 1, &isnull));
}
