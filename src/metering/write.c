/*
 * write.c: usage rows into their table, without a statement.
 *
 * To plan and start a statement costs many times what it costs to write one
 * row, and unnesting, joining and sorting arrays as much as writing theirs. So
 * this does with the same primitives what INSERT ... ON CONFLICT DO NOTHING in
 * statements/record.sql does, and only for the table as billing.install() made
 * it, in READ COMMITTED: whatever else is found is left to the statement.
 */
#include "postgres.h"
#include "fmgr.h"

#include "access/parallel.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/namespace.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "partitioning/partbounds.h"
#include "partitioning/partdesc.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/partcache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/xid8.h"

#include "metering/lookup.h"
#include "metering/tally.h"
#include "server/compat.h"

/* Columns of the table, in their order; `from` is the event's, or USAGE_COLUMNS for what is filled in here. */
static const struct TableColumn
{
	const char *name;
	Oid type;
	int from;
} table_columns[] = {
	{"tenant_id", TEXTOID, USAGE_TENANT},
	{"meter_id", TEXTOID, USAGE_METER},
	{"event_id", TEXTOID, USAGE_EVENT},
	{"account_id", TEXTOID, USAGE_ACCOUNT},
	{"occurred_at", TIMESTAMPTZOID, USAGE_OCCURRED_AT},
	{"usage_day", DATEOID, USAGE_COLUMNS},
	{"quantity", NUMERICOID, USAGE_QUANTITY},
	{"dimensions", JSONBOID, USAGE_DIMENSIONS},
	{"attribution", JSONBOID, USAGE_ATTRIBUTION},
	{"correlation_id", TEXTOID, USAGE_CORRELATION},
	{"corrects_event_id", TEXTOID, USAGE_CORRECTS},
	{"recorded_at", TIMESTAMPTZOID, USAGE_COLUMNS},
	{"log_xid", XID8OID, USAGE_COLUMNS},
};

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
	UsageLookup *lookup;
	Relation usage; /* the partitioned table */
	EState *estate;
	/* The partition written last, and whether it can be; NULL before the first. */
	Oid partition_oid;
	ResultRelInfo *partition;
	TupleTableSlot *slot;
	TupleTableSlot *existing; /* for a row that is there already */
	int64 xid_offset;		  /* of the incarnation */
	UsageWritten written;
} UsageWriter;

/* ---- what can be written to ---- */

static bool
has_insert_triggers(Relation relation)
{
	const TriggerDesc *triggers = relation->trigdesc;

	return triggers != NULL && (triggers->trig_insert_before_row || triggers->trig_insert_after_row ||
								triggers->trig_insert_instead_row || triggers->trig_insert_before_statement ||
								triggers->trig_insert_after_statement || triggers->trig_insert_new_table);
}

/* The columns as made, and no more than the one CHECK, which usage_is_recordable() has answered. */
static bool
has_columns(Relation relation)
{
	TupleDesc columns = RelationGetDescr(relation);

	if (columns->natts != lengthof(table_columns) || columns->constr == NULL ||
		columns->constr->num_check != 1)
		return false;
	for (int i = 0; i < columns->natts; i++)
		if (TupleDescAttr(columns, i)->atttypid != table_columns[i].type ||
			strcmp(NameStr(TupleDescAttr(columns, i)->attname), table_columns[i].name) != 0)
			return false;
	return true;
}

static bool
is_as_made(Relation relation, char kind)
{
	return relation->rd_rel->relkind == kind && relation->rd_rules == NULL &&
		   !relation->rd_rel->relforcerowsecurity && !has_insert_triggers(relation) && has_columns(relation);
}

/* Where Citus is, rows may belong to another node. */
static bool
may_write_directly(void)
{
	return XactIsoLevel == XACT_READ_COMMITTED && !XactReadOnly && !IsInParallelMode() &&
		   !RecoveryInProgress() && !OidIsValid(get_relname_relid("pg_dist_partition", PG_CATALOG_NAMESPACE));
}

/* The oid of the partition for an instant, as a statement would route it; InvalidOid when there is none. */
static Oid
partition_for(Relation usage, TimestampTz occurred_at)
{
	PartitionKey key = RelationGetPartitionKey(usage);
	PartitionDesc partitions = RelationGetPartitionDesc(usage, true);
	Datum value = TimestampTzGetDatum(occurred_at);
	bool is_bound;
	int place;

	if (key->strategy != PARTITION_STRATEGY_RANGE || key->partnatts != 1 ||
		key->parttypid[0] != TIMESTAMPTZOID || partitions->nparts == 0)
		return InvalidOid;
	place = partition_range_datum_bsearch(key->partsupfunc, key->partcollation, partitions->boundinfo, 1,
										  &value, &is_bound);
	place = partitions->boundinfo->indexes[place + 1];
	return place >= 0 && partitions->is_leaf[place] ? partitions->oids[place] : InvalidOid;
}

static void
close_partition(UsageWriter *writer)
{
	if (writer->partition == NULL)
		return;
	ExecDropSingleTupleTableSlot(writer->slot);
	ExecDropSingleTupleTableSlot(writer->existing);
	ExecCloseIndices(writer->partition);
	table_close(writer->partition->ri_RelationDesc, NoLock); /* the lock stays until the transaction ends */
	writer->partition = NULL;
}

/* Opens it unless it is not as made: then writer->partition is NULL. */
static void
open_partition(UsageWriter *writer, Oid oid)
{
	Relation relation;

	close_partition(writer);
	writer->partition_oid = oid;
	if (!OidIsValid(oid))
		return;
	relation = table_open(oid, RowExclusiveLock);
	if (!is_as_made(relation, RELKIND_RELATION) || !relation->rd_rel->relispartition)
	{
		table_close(relation, NoLock);
		return;
	}
	writer->partition = makeNode(ResultRelInfo);
	InitResultRelInfo(writer->partition, relation, 0, NULL, 0);
	ExecOpenIndices(writer->partition, true);
	writer->slot = table_slot_create(relation, NULL);
	writer->existing = table_slot_create(relation, NULL);
}

/* ---- writing ---- */

static void
fill_slot(UsageWriter *writer, const UsageRows *rows, const UsageEvent *event)
{
	TupleTableSlot *slot = writer->slot;

	ExecClearTuple(slot);
	for (int i = 0; i < lengthof(table_columns); i++)
	{
		int from = table_columns[i].from;

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

/* Whether the key of the slot's row is not there; else where it is. */
static bool
is_free(UsageWriter *writer, ItemPointer conflict)
{
	return billing_check_index_constraints(writer->partition, writer->slot, writer->estate, conflict);
}

/* Whether the indexes took the row; another transaction's may have been first. */
static bool
insert_index_tuples(UsageWriter *writer)
{
	return billing_insert_index_tuples(writer->partition, writer->slot, writer->estate);
}

/* What billing.log_xid() is. A transaction that repeats events only needs none. */
static Datum
log_xid(const UsageWriter *writer)
{
	uint64 xid = U64FromFullTransactionId(GetTopFullTransactionId());

	return FullTransactionIdGetDatum(FullTransactionIdFromU64(xid + (uint64) writer->xid_offset));
}

/* Whether the row is in: another transaction may have been first since the key was free. */
static bool
insert_speculatively(UsageWriter *writer)
{
	Relation relation = writer->partition->ri_RelationDesc;
	TransactionId xid = GetCurrentTransactionId();
	uint32 token = SpeculativeInsertionLockAcquire(xid);
	bool is_inserted;

	table_tuple_insert_speculative(relation, writer->slot, writer->estate->es_output_cid, 0, NULL, token);
	is_inserted = insert_index_tuples(writer);
	table_tuple_complete_speculative(relation, writer->slot, token, is_inserted);
	SpeculativeInsertionLockRelease(xid);
	return is_inserted;
}

/* Whether the row at a place says what the event says, as statements/known.sql asks. No row is ever changed. */
static bool
is_known(UsageWriter *writer, const UsageRows *rows, const UsageEvent *event, ItemPointer place)
{
	TupleTableSlot *old = writer->existing;
	Datum *values = old->tts_values;
	bool is_same;

	if (event->content.corrects_event_id != NULL ||
		!table_tuple_fetch_row_version(writer->partition->ri_RelationDesc, place, SnapshotAny, old))
		return false;
	slot_getallattrs(old);
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
		if (!is_free(writer, &conflict))
		{
			writer->written.known += is_known(writer, rows, event, &conflict);
			return;
		}
		writer->slot->tts_values[COLUMN_LOG_XID] = log_xid(writer);
	} while (!insert_speculatively(writer));
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
	Oid oid;

	if (!is_recordable(writer, event))
		return;
	oid = partition_for(writer->usage, event->occurred_at);
	if (!OidIsValid(oid))
		return;
	if (oid != writer->partition_oid)
		open_partition(writer, oid);
	if (writer->partition == NULL)
	{
		writer->written.complete = false;
		return;
	}
	ResetPerTupleExprContext(writer->estate);
	insert_if_new(writer, rows, event);
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
	close_partition(writer);
	pfree(events);
}

/* Writes to a table that is as made. */
static void
write_rows(UsageWriter *writer, const UsageRows *rows)
{
	writer->xid_offset = billing_xid_offset();
	writer->estate = CreateExecutorState();
	writer->estate->es_output_cid = GetCurrentCommandId(true);
	write_events(writer, rows);
	FreeExecutorState(writer->estate);
}

UsageWritten
usage_write(const UsageRows *rows)
{
	Oid schema = get_namespace_oid("billing", false);
	UsageWriter writer = {.written.complete = may_write_directly()};

	if (!writer.written.complete)
		return writer.written;
	CommandCounterIncrement(); /* sees what came before in its transaction, and then its own */
	PushActiveSnapshot(GetTransactionSnapshot());
	writer.usage = table_open(get_relname_relid("usage_records", schema), RowExclusiveLock);
	writer.lookup = usage_lookup_open(schema);
	writer.written.complete = writer.lookup != NULL && is_as_made(writer.usage, RELKIND_PARTITIONED_TABLE);
	if (writer.written.complete)
		write_rows(&writer, rows);
	if (writer.lookup != NULL)
		usage_lookup_close(writer.lookup);
	table_close(writer.usage, NoLock);
	PopActiveSnapshot();
	CommandCounterIncrement();
	return writer.written;
}
