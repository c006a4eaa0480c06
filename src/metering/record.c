/*
 * record.c: billing.record_usage(), for one event, a JSON array, and arrays.
 *
 * What can be written is (write.c, or statements/record.sql). When that is
 * not the whole batch, a second one (diagnose.sql) finds the first event
 * that is not recorded as given; when there is none, the rest was there.
 */
#include "postgres.h"
#include "fmgr.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "access/access.h"
#include "embedded.h"
#include "metering/metering.h"
#include "server/card.h"

enum DiagnoseColumn
{
	DIAGNOSE_INDEX = 1,
	DIAGNOSE_EVENT,
	DIAGNOSE_TENANT,
	DIAGNOSE_METER,
	DIAGNOSE_SQLSTATE,
	DIAGNOSE_MESSAGE,
	DIAGNOSE_DETAIL,
	DIAGNOSE_HINT
};

/* The two statements' text, made once per backend. */
static const char *
with_events(const char **cache, const char *events, const char *statement)
{
	if (*cache == NULL)
	{
		char *text = psprintf("%s%s", events, statement);

		*cache = MemoryContextStrdup(TopMemoryContext, text);
	}
	return *cache;
}

static const char *
label_text(const UsageBatch *batch)
{
	switch (batch->label)
	{
		case LABEL_INDEX:
			return psprintf("event %s of %d: ", billing_spi_text(0, DIAGNOSE_INDEX), batch->count);
		case LABEL_KEY:
			return psprintf(
				"event \"%s\" of tenant \"%s\", meter \"%s\": ", billing_spi_text(0, DIAGNOSE_EVENT),
				billing_spi_text(0, DIAGNOSE_TENANT), billing_spi_text(0, DIAGNOSE_METER));
		case LABEL_NONE:
			break;
	}
	return "";
}

/* Raises the error that is the last statement's only row. */
static void
raise_diagnosis(const UsageBatch *batch)
{
	const char *sqlstate = billing_spi_text(0, DIAGNOSE_SQLSTATE);
	const char *detail = billing_spi_text(0, DIAGNOSE_DETAIL);
	const char *hint = billing_spi_text(0, DIAGNOSE_HINT);

	/* Its ids may be what must not be told. */
	if (strcmp(sqlstate, "MB422") == 0)
		billing_raise_card(psprintf("%s%s", batch->label == LABEL_INDEX ? label_text(batch) : "",
									billing_spi_text(0, DIAGNOSE_MESSAGE)));
	ereport(ERROR, errcode(MAKE_SQLSTATE(sqlstate[0], sqlstate[1], sqlstate[2], sqlstate[3], sqlstate[4])),
			errmsg("%s%s", label_text(batch), billing_spi_text(0, DIAGNOSE_MESSAGE)),
			detail != NULL ? errdetail("%s", detail) : 0, hint != NULL ? errhint("%s", hint) : 0);
}

static void
check_recorded(const UsageBatch *batch)
{
	static const char *sql = NULL;

	if (billing_spi_run(with_events(&sql, SQL_METERING_EVENTS_ARRAY, SQL_METERING_DIAGNOSE), USAGE_COLUMNS,
						usage_array_types, batch->arrays, batch->nulls) > 0)
		raise_diagnosis(batch);
}

uint64
usage_batch_record(const UsageBatch *batch)
{
	static const char *sql = NULL;
	UsageWritten written = usage_write(usage_rows_from_batch(batch));

	if (!written.complete)
		written.recorded += billing_spi_run(with_events(&sql, SQL_METERING_EVENTS_ARRAY, SQL_METERING_RECORD),
											USAGE_COLUMNS, usage_array_types, batch->arrays, batch->nulls);
	if (written.recorded + (written.complete ? written.known : 0) < batch->count || batch->has_corrections)
		check_recorded(batch);
	return written.recorded;
}

/* ---- one event ---- */

/* Parameters of statements/events_one.sql: the columns of an event, with defaults filled in, and two more. */
enum OneParameter
{
	ONE_GIVEN_AT = USAGE_COLUMNS, /* occurred_at as given, or null */
	ONE_DAY,
	ONE_PARAMETERS
};

/* Plans that do not depend on the values, kept for the life of the backend. */
static SPIPlanPtr record_plan = NULL;
static SPIPlanPtr known_plan = NULL;

/* Runs a statement about one event, and returns the number of rows. */
static uint64
run_for_one(SPIPlanPtr *plan, const char *statement, const Datum *values, const char *nulls)
{
	const char *sql = *plan == NULL ? psprintf("%s%s", SQL_METERING_EVENTS_ONE, statement) : NULL;
	Oid types[ONE_PARAMETERS];

	memcpy(types, usage_types, sizeof(usage_types));
	types[ONE_GIVEN_AT] = TIMESTAMPTZOID;
	types[ONE_DAY] = DATEOID;
	return billing_spi_run_kept(plan, sql, ONE_PARAMETERS, types, values, nulls);
}

/* Fills in what was not given, as events_array.sql does for many. */
static void
complete_one(Datum *values, char *nulls)
{
	values[ONE_GIVEN_AT] = values[USAGE_OCCURRED_AT];
	nulls[ONE_GIVEN_AT] = nulls[USAGE_OCCURRED_AT];
	if (nulls[USAGE_OCCURRED_AT] == 'n')
		values[USAGE_OCCURRED_AT] = TimestampTzGetDatum(GetCurrentTransactionStartTimestamp());
	if (nulls[USAGE_ACCOUNT] == 'n')
		values[USAGE_ACCOUNT] = CStringGetTextDatum("main");
	if (nulls[USAGE_DIMENSIONS] == 'n')
		values[USAGE_DIMENSIONS] = DirectFunctionCall1(jsonb_in, CStringGetDatum("{}"));
	nulls[USAGE_OCCURRED_AT] = nulls[USAGE_ACCOUNT] = nulls[USAGE_DIMENSIONS] = ' ';
	values[ONE_DAY] = DateADTGetDatum(billing_utc_day(DatumGetTimestampTz(values[USAGE_OCCURRED_AT])));
	nulls[ONE_DAY] = ' ';
}

/* The values as rows, of which there is one. */
static UsageRows
one_row(Datum *values, bool *isnull, const char *nulls)
{
	UsageRows rows = {.count = 1};

	for (int column = 0; column < USAGE_COLUMNS; column++)
	{
		rows.values[column] = &values[column];
		rows.nulls[column] = &isnull[column];
		isnull[column] = nulls[column] == 'n';
	}
	return rows;
}

/* For what usage_write() could not settle. To plan the diagnosis takes long, so a repeated event is looked for first. */
static bool
record_by_statement(Datum *values, char *nulls, const UsageRows *row, bool is_tried)
{
	bool recorded;

	billing_spi_connect();
	complete_one(values, nulls);
	recorded = !is_tried && run_for_one(&record_plan, SQL_METERING_RECORD, values, nulls) == 1;
	if (!row->nulls[USAGE_CORRECTS][0] ||
		(!recorded && run_for_one(&known_plan, SQL_METERING_KNOWN, values, nulls) == 0))
	{
		UsageBatch batch = usage_rows_to_batch(row, LABEL_NONE);

		check_recorded(&batch);
	}
	billing_spi_finish();
	return recorded;
}

static bool
usage_record_one(Datum *values, char *nulls)
{
	bool isnull[USAGE_COLUMNS];
	UsageRows row = one_row(values, isnull, nulls);
	UsageWritten written;

	billing_require_installed();
	written = usage_write(&row);
	if (isnull[USAGE_CORRECTS] && written.recorded + written.known == 1)
		return written.recorded == 1;
	return record_by_statement(values, nulls, &row, written.complete) || written.recorded == 1;
}

/* Order of the SQL function's arguments. */
static const UsageColumn argument_columns[USAGE_COLUMNS] = {
	USAGE_TENANT,	  USAGE_METER,	 USAGE_EVENT,		USAGE_QUANTITY,	   USAGE_OCCURRED_AT,
	USAGE_DIMENSIONS, USAGE_ACCOUNT, USAGE_ATTRIBUTION, USAGE_CORRELATION, USAGE_CORRECTS};

BILLING_FUNCTION(billing_record_usage)
{
	Datum values[ONE_PARAMETERS] = {0};
	char nulls[ONE_PARAMETERS];

	memset(nulls, 'n', sizeof(nulls));
	for (int i = 0; i < USAGE_COLUMNS; i++)
		if (!PG_ARGISNULL(i))
		{
			values[argument_columns[i]] = PG_GETARG_DATUM(i);
			nulls[argument_columns[i]] = ' ';
		}
	billing_require_tenant(nulls[USAGE_TENANT] == 'n' ? NULL : DatumGetTextPP(values[USAGE_TENANT]), true);
	PG_RETURN_BOOL(usage_record_one(values, nulls));
}

/* ---- many ---- */

typedef struct BatchPosition
{
	int index;
	int count;
} BatchPosition;

static void
add_batch_position(void *argument)
{
	const BatchPosition *position = argument;

	errcontext("event %d of %d", position->index, position->count);
}

/* Every event must be of the caller's tenant, when it has only one. */
static void
require_tenants(const UsageBatch *batch)
{
	BatchPosition position = {0, batch->count};
	ErrorContextCallback context = {error_context_stack, add_batch_position, &position};
	Datum *tenants;
	bool *nulls;
	int count;

	if (!billing_caller_is_bound())
		return;
	deconstruct_array(DatumGetArrayTypeP(batch->arrays[USAGE_TENANT]), TEXTOID, -1, false, TYPALIGN_INT,
					  &tenants, &nulls, &count);
	error_context_stack = &context;
	for (position.index = 0; position.index < count; position.index++)
		billing_require_tenant(nulls[position.index] ? NULL : DatumGetTextPP(tenants[position.index]), true);
	error_context_stack = context.previous;
	pfree(tenants);
	pfree(nulls);
}

static int32
usage_record_many(const UsageBatch *batch)
{
	uint64 recorded;

	if (batch->count == 0)
		return 0;
	require_tenants(batch);
	billing_spi_connect();
	recorded = usage_batch_record(batch);
	billing_spi_finish();
	return (int32) recorded;
}

BILLING_FUNCTION(billing_record_usage_json)
{
	UsageBatch batch;

	billing_require_installed();
	batch = usage_batch_from_json(PG_GETARG_JSONB_P(0));
	PG_RETURN_INT32(usage_record_many(&batch));
}

static int
element_count(Datum array)
{
	ArrayType *value = DatumGetArrayTypeP(array);

	if (ARR_NDIM(value) > 1)
		ereport(ERROR, errcode(ERRCODE_BILLING_INVALID_ARGUMENT),
				errmsg("arrays of events must have one dimension"));
	return ArrayGetNItems(ARR_NDIM(value), ARR_DIMS(value));
}

/* Arrays the caller must give are those a single event must have, and quantity and occurred_at. */
static void
check_arrays(UsageBatch *batch)
{
	if (batch->nulls[USAGE_TENANT] == 'n')
		ereport(ERROR, errcode(ERRCODE_BILLING_INVALID_ARGUMENT), errmsg("the array of tenants is null"));
	batch->count = element_count(batch->arrays[USAGE_TENANT]);
	for (int column = 0; column < USAGE_COLUMNS; column++)
		if (batch->nulls[column] == ' ' && element_count(batch->arrays[column]) != batch->count)
			ereport(ERROR, errcode(ERRCODE_BILLING_INVALID_ARGUMENT),
					errmsg("arrays of events differ in length"),
					errdetail("There are %d tenants, and another array has %d elements.", batch->count,
							  element_count(batch->arrays[column])));
	if (batch->count > USAGE_BATCH_MAX)
		ereport(ERROR, errcode(ERRCODE_BILLING_INVALID_ARGUMENT),
				errmsg("%d events are too many for one call", batch->count),
				errdetail("The limit is %d.", USAGE_BATCH_MAX));
}

BILLING_FUNCTION(billing_record_usage_arrays)
{
	static const UsageColumn columns[] = {USAGE_TENANT,		 USAGE_METER,	   USAGE_EVENT,	 USAGE_QUANTITY,
										  USAGE_OCCURRED_AT, USAGE_DIMENSIONS, USAGE_ACCOUNT};
	UsageBatch batch = {.label = LABEL_INDEX};

	memset(batch.nulls, 'n', sizeof(batch.nulls));
	for (int i = 0; i < lengthof(columns); i++)
		if (!PG_ARGISNULL(i))
		{
			batch.arrays[columns[i]] = PG_GETARG_DATUM(i);
			batch.nulls[columns[i]] = ' ';
		}
	check_arrays(&batch);
	PG_RETURN_INT32(usage_record_many(&batch));
}
