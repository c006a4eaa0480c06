/*
 * write.c: usage rows into their table, without a statement.
 *
 * To plan and start a statement costs many times what it costs to write one
 * row, and unnesting, joining and sorting arrays as much as writing theirs. So
 * this does what INSERT ... ON CONFLICT DO NOTHING in statements/record.sql
 * does, where server/direct.h may; whatever else is found is left to the
 * statement.
 */
#include "postgres.h"
#include "fmgr.h"

#include "access/xact.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"
#include "utils/xid8.h"

#include "metering/lookup.h"
#include "server/direct.h"

static const DirectColumn usage_table_columns[] = {
	{"tenant_id", TEXTOID},
	{"meter_id", TEXTOID},
	{"event_id", TEXTOID},
	{"account_id", TEXTOID},
	{"occurred_at", TIMESTAMPTZOID},
	{"usage_day", DATEOID},
	{"quantity", NUMERICOID},
	{"dimensions", JSONBOID},
	{"attribution", JSONBOID, .may_be_null = true},
	{"correlation_id", TEXTOID, .may_be_null = true},
	{"corrects_event_id", TEXTOID, .may_be_null = true},
	{"recorded_at", TIMESTAMPTZOID},
	{"log_xid", XID8OID},
};

/* Of an event what goes into each; USAGE_COLUMNS for what is filled in here. */
static const int columns_from[lengthof(usage_table_columns)] = {
	USAGE_TENANT,	USAGE_METER,	USAGE_EVENT,	  USAGE_ACCOUNT,	 USAGE_OCCURRED_AT,
	USAGE_COLUMNS,	USAGE_QUANTITY, USAGE_DIMENSIONS, USAGE_ATTRIBUTION, USAGE_CORRELATION,
	USAGE_CORRECTS, USAGE_COLUMNS,	USAGE_COLUMNS};

/* usage_is_recordable() has answered it. */
static const char *const usage_table_checks[] = {"usage_records_content"};

static const DirectTable usage_table = {.name = "usage_records",
										.key_type = TIMESTAMPTZOID,
										.column_count = lengthof(usage_table_columns),
										.columns = usage_table_columns,
										.check_count = lengthof(usage_table_checks),
										.checks = usage_table_checks,
										.speculative = true};

enum
{
	COLUMN_ACCOUNT = 3,
	COLUMN_OCCURRED_AT = 4,
	COLUMN_USAGE_DAY = 5,
	COLUMN_QUANTITY = 6,
	COLUMN_DIMENSIONS = 7,
	COLUMN_CORRECTS = 10,
	COLUMN_RECORDED_AT = 11,
	COLUMN_LOG_XID = 12
};

/* An event whose defaults are filled in, ready to be sorted and written. */
typedef struct UsageEvent
{
	UsageContent content;
	TimestampTz occurred_at;
	DateADT day;
	int index; /* in the rows given */
} UsageEvent;

typedef struct UsageWriter
{
	DirectWriter direct;
	UsageLookup *lookup;
	UsageWritten written;
} UsageWriter;

/* ---- writing ---- */

static void
fill_slot(UsageWriter *writer, const UsageRows *rows, const UsageEvent *event)
{
	TupleTableSlot *slot = writer->direct.slot;

	ExecClearTuple(slot);
	for (int i = 0; i < lengthof(columns_from); i++)
	{
		int from = columns_from[i];

		slot->tts_isnull[i] = from < USAGE_COLUMNS && rows->nulls[from][event->index];
		slot->tts_values[i] = from < USAGE_COLUMNS ? rows->values[from][event->index] : (Datum) 0;
	}
	slot->tts_isnull[COLUMN_ACCOUNT] = false;
	slot->tts_values[COLUMN_ACCOUNT] = PointerGetDatum(event->content.account_id);
	slot->tts_isnull[COLUMN_OCCURRED_AT] = false;
	slot->tts_values[COLUMN_OCCURRED_AT] = TimestampTzGetDatum(event->occurred_at);
	slot->tts_isnull[COLUMN_DIMENSIONS] = false;
	slot->tts_values[COLUMN_DIMENSIONS] = PointerGetDatum(event->content.dimensions);
	slot->tts_values[COLUMN_USAGE_DAY] = DateADTGetDatum(event->day);
	slot->tts_values[COLUMN_RECORDED_AT] = TimestampTzGetDatum(GetCurrentTransactionStartTimestamp());
	ExecStoreVirtualTuple(slot);
}

/* Whether the row at a place says what the event says, as statements/known.sql asks. No row is ever changed. */
static bool
is_known(UsageWriter *writer, const UsageRows *rows, const UsageEvent *event, ItemPointer place)
{
	TupleTableSlot *old;
	Datum *values;
	bool is_same;

	if (event->content.corrects_event_id != NULL ||
		(old = billing_direct_fetch(&writer->direct, place)) == NULL)
		return false;
	values = old->tts_values;
	is_same = old->tts_isnull[COLUMN_CORRECTS] &&
			  (rows->nulls[USAGE_OCCURRED_AT][event->index] ||
			   DatumGetTimestampTz(values[COLUMN_OCCURRED_AT]) == event->occurred_at) &&
			  DatumGetBool(DirectFunctionCall2Coll(texteq, C_COLLATION_OID, values[COLUMN_ACCOUNT],
												   PointerGetDatum(event->content.account_id))) &&
			  DatumGetBool(DirectFunctionCall2(numeric_eq, values[COLUMN_QUANTITY],
											   NumericGetDatum(event->content.quantity))) &&
			  DatumGetBool(DirectFunctionCall2(jsonb_eq, values[COLUMN_DIMENSIONS],
											   JsonbPGetDatum(event->content.dimensions)));
	ExecClearTuple(old);
	return is_same;
}

/* Inserts an event unless its key is there. Waits for a transaction that is about to insert the same key. */
static void
insert_if_new(UsageWriter *writer, const UsageRows *rows, const UsageEvent *event)
{
	ItemPointerData conflict;

	do
	{
		CHECK_FOR_INTERRUPTS();
		fill_slot(writer, rows, event);
		if (!billing_direct_is_free(&writer->direct, &conflict))
		{
			writer->written.known += is_known(writer, rows, event, &conflict);
			return;
		}
		/* Only now: a transaction that repeats events needs no id. */
		writer->direct.slot->tts_values[COLUMN_LOG_XID] =
			FullTransactionIdGetDatum(billing_current_log_xid());
	} while (!billing_direct_insert_speculatively(&writer->direct));
	writer->written.recorded++;
}

/* Whether everything the event names exists and it is one. */
static bool
is_recordable(UsageWriter *writer, const UsageEvent *event)
{
	const UsageMeter *meter = usage_lookup_meter(writer->lookup, event->content.meter_id);

	return meter != NULL && usage_is_recordable(&event->content, meter) &&
		   usage_lookup_subscription(writer->lookup, event->content.tenant_id, event->content.account_id,
									 event->day);
}

/* Writes one event if it can be recorded and is new. */
static void
write_event(UsageWriter *writer, const UsageRows *rows, const UsageEvent *event)
{
	if (!is_recordable(writer, event))
		return;
	switch (billing_direct_route(&writer->direct, TimestampTzGetDatum(event->occurred_at)))
	{
		case DIRECT_READY:
			insert_if_new(writer, rows, event);
			break;
		case DIRECT_OTHERWISE:
			writer->written.complete = false;
			break;
		case DIRECT_NOWHERE:
			break;
	}
}

/* ---- events ---- */

static text *
text_of(const UsageRows *rows, UsageColumn column, int row)
{
	return rows->nulls[column][row] ? NULL : DatumGetTextPP(rows->values[column][row]);
}

static Jsonb *
jsonb_of(const UsageRows *rows, UsageColumn column, int row)
{
	return rows->nulls[column][row] ? NULL : DatumGetJsonbP(rows->values[column][row]);
}

/* What was not given gets its default, as statements/events_array.sql has it. False when it has no key or no day. */
static bool
take_event(const UsageRows *rows, int row, UsageEvent *event)
{
	UsageContent *content = &event->content;

	content->tenant_id = text_of(rows, USAGE_TENANT, row);
	content->meter_id = text_of(rows, USAGE_METER, row);
	content->event_id = text_of(rows, USAGE_EVENT, row);
	content->account_id = text_of(rows, USAGE_ACCOUNT, row);
	content->quantity =
		rows->nulls[USAGE_QUANTITY][row] ? NULL : DatumGetNumeric(rows->values[USAGE_QUANTITY][row]);
	content->dimensions = jsonb_of(rows, USAGE_DIMENSIONS, row);
	content->attribution = jsonb_of(rows, USAGE_ATTRIBUTION, row);
	content->correlation_id = text_of(rows, USAGE_CORRELATION, row);
	content->corrects_event_id = text_of(rows, USAGE_CORRECTS, row);
	content->decimal = NULL;
	event->index = row;
	event->occurred_at = rows->nulls[USAGE_OCCURRED_AT][row]
							 ? GetCurrentTransactionStartTimestamp()
							 : DatumGetTimestampTz(rows->values[USAGE_OCCURRED_AT][row]);
	if (content->account_id == NULL)
		content->account_id = cstring_to_text("main");
	if (content->dimensions == NULL)
		content->dimensions = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum("{}")));
	event->day = TIMESTAMP_NOT_FINITE(event->occurred_at) ? 0 : billing_utc_day(event->occurred_at);
	return content->tenant_id != NULL && content->meter_id != NULL && content->event_id != NULL &&
		   !TIMESTAMP_NOT_FINITE(event->occurred_at);
}

/* The order of the unique index, so that it is written at its right edge. */
static int
compare_events(const void *x, const void *y)
{
	const UsageEvent *a = x;
	const UsageEvent *b = y;
	int order = (a->day > b->day) - (a->day < b->day);

	if (order == 0)
		order = billing_compare_text(a->content.tenant_id, b->content.tenant_id);
	if (order == 0)
		order = billing_compare_text(a->content.meter_id, b->content.meter_id);
	if (order == 0)
		order = billing_compare_text(a->content.event_id, b->content.event_id);
	return order != 0 ? order : a->index - b->index;
}

static UsageEvent *
sorted_events(const UsageRows *rows, int *count)
{
	UsageEvent *events = palloc(sizeof(UsageEvent) * Max(rows->count, 1));

	*count = 0;
	for (int row = 0; row < rows->count; row++)
		if (take_event(rows, row, &events[*count]))
			(*count)++;
	if (*count > 1)
		qsort(events, *count, sizeof(UsageEvent), compare_events);
	return events;
}

static void
write_events(UsageWriter *writer, const UsageRows *rows)
{
	int count;
	UsageEvent *events = sorted_events(rows, &count);

	for (int i = 0; i < count; i++)
		write_event(writer, rows, &events[i]);
	pfree(events);
}

UsageWritten
usage_write(const UsageRows *rows)
{
	UsageWriter writer = {.written.complete = false};

	if (!billing_direct_begin(&writer.direct, &usage_table))
		return writer.written;
	writer.lookup = usage_lookup_open(writer.direct.schema);
	if (writer.lookup != NULL)
	{
		(void) billing_xid_offset(); /* refuses a foreign cluster, whatever there is to write */
		writer.written.complete = true;
		write_events(&writer, rows);
		usage_lookup_close(writer.lookup);
	}
	billing_direct_end(&writer.direct);
	return writer.written;
}
