/*
 * counter.c: rows of a window, put together by tenant and by daily count as they are read.
 *
 * A sort of all rows, one hash table's look-up per CTE, and fmgr between them
 * cost several times what counting does. Here a row costs one look-up, one
 * leaf and one addition, and the rows of a tenant mostly come in their order.
 */
#include "postgres.h"
#include "fmgr.h"

#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "executor/tuptable.h"
#include "tcop/dest.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"

#include "embedded.h"
#include "metering/counter.h"

/* A row's memory is freed with that of others. */
#define ROWS_PER_SCRATCH 16

/* Texts are kept together in pieces of this size. */
#define TEXT_ROOM 32768

#define PIECE_ROOM_FIRST 4
#define PIECE_ROOM_MAX 512

/* Result columns of sync_rows.sql. */
enum RowColumn
{
	ROW_TENANT,
	ROW_METER,
	ROW_EVENT,
	ROW_ACCOUNT,
	ROW_OCCURRED_AT,
	ROW_DAY,
	ROW_QUANTITY,
	ROW_DIMENSIONS,
	ROW_ATTRIBUTION,
	ROW_CORRECTS,
	ROW_WAS_SET_ASIDE,
	ROW_CORRECTS_NOTHING,
	ROW_COLUMNS
};

typedef struct UsageReceiver
{
	DestReceiver receiver;
	UsageCounter *counter;
} UsageReceiver;

static inline uint32
hash_part(uint32 hash, DigestPart part)
{
	return hash_combine(hash, part.length == 0 ? 0 : hash_bytes(part.bytes, (int) part.length));
}

static inline uint32
hash_key(const CountKey *key)
{
	uint32 hash = hash_part((uint32) key->day, key->tenant);

	hash = hash_part(hash, key->account);
	hash = hash_part(hash, key->meter);
	return murmurhash32(hash_part(hash, key->dimensions));
}

static inline bool
same_part(DigestPart a, DigestPart b)
{
	return a.length == b.length && (a.length == 0 || memcmp(a.bytes, b.bytes, a.length) == 0);
}

static inline bool
same_key(const CountKey *a, const CountKey *b)
{
	return a->day == b->day && same_part(a->tenant, b->tenant) && same_part(a->account, b->account) &&
		   same_part(a->meter, b->meter) && same_part(a->dimensions, b->dimensions);
}

/* What is found begins with its key. */
typedef struct CountEntry
{
	const CountKey *key;
	uint32 hash;
	char status;
} CountEntry;

#define SH_PREFIX counts
#define SH_ELEMENT_TYPE CountEntry
#define SH_KEY_TYPE const CountKey *
#define SH_KEY key
#define SH_HASH_KEY(table, key) hash_key(key)
#define SH_EQUAL(table, a, b) same_key(a, b)
#define SH_STORE_HASH
#define SH_GET_HASH(table, entry) (entry)->hash
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

static DigestPart
part_of(const void *value)
{
	return (DigestPart){VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value)};
}

static DigestPart
keep_part(DigestPart part)
{
	void *kept = palloc(part.length + 1);

	memcpy(kept, part.bytes, part.length);
	return (DigestPart){kept, part.length};
}

/* What is known by key, or new zeroed memory of `size` for it. */
static void *
find_or_add(struct counts_hash *table, const CountKey *key, Size size, bool *found)
{
	CountEntry *entry = counts_insert(table, key, found);
	CountKey *added;

	if (*found)
		return (void *) entry->key;
	added = palloc0(size);
	added->day = key->day;
	entry->key = added;
	return added;
}

static CountTenant *
find_tenant(UsageCounter *counter, DigestPart tenant_id)
{
	CountKey key = {.tenant = tenant_id};
	bool found;
	CountTenant *tenant = find_or_add(counter->tenants_by_key, &key, sizeof(CountTenant), &found);

	if (found)
		return tenant;
	tenant->key.tenant = keep_part(tenant_id);
	tenant->in_order = true;
	tenant->next = counter->tenants;
	counter->tenants = tenant;
	return tenant;
}

static CountPayer *
find_payer(UsageCounter *counter, const CountKey *key)
{
	bool found;
	CountPayer *payer = find_or_add(
		counter->payers_by_key, &(CountKey){.day = key->day, .tenant = key->tenant, .account = key->account},
		sizeof(CountPayer), &found);

	if (found)
		return payer;
	payer->key.tenant = keep_part(key->tenant);
	payer->key.account = keep_part(key->account);
	payer->next = counter->payers;
	counter->payers = payer;
	return payer;
}

static const CountMeter *
find_meter(const UsageCounter *counter, DigestPart meter_id)
{
	int low = 0, high = counter->meter_count;

	while (low < high)
	{
		int middle = (low + high) / 2;
		DigestPart id = part_of(counter->meters[middle].meter_id);
		int order = billing_compare_bytes(meter_id.bytes, meter_id.length, id.bytes, id.length);

		if (order == 0)
			return &counter->meters[middle];
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}

/* Of whose meter the dimensions are not may have no canonical form: it is never counted. */
static void
describe_group(CountGroup *group, struct varlena *dimensions)
{
	group->dimensions = (Jsonb *) PG_DETOAST_DATUM_COPY(PointerGetDatum(dimensions));
	if (group->meter == NULL)
		return;
	group->tally.aggregation = group->meter->usage.aggregation;
	group->problem = usage_dimensions_problem(group->dimensions, group->meter->usage.keys);
	if (group->problem == NULL)
		group->canonical = billing_canonical_json(group->dimensions, &group->canonical_length);
}

static CountGroup *
find_group(UsageCounter *counter, const CountKey *key, struct varlena *dimensions, CountTenant **tenant)
{
	MemoryContext before = MemoryContextSwitchTo(counter->memory);
	bool found;
	CountGroup *group = find_or_add(counter->groups_by_key, key, sizeof(CountGroup), &found);

	if (!found)
	{
		CountTenant *owner = find_tenant(counter, key->tenant);

		group->key.tenant = owner->key.tenant;
		group->tenant = owner;
		group->payer = find_payer(counter, key);
		group->key.account = group->payer->key.account;
		group->key.meter = keep_part(key->meter);
		group->key.dimensions = keep_part(key->dimensions);
		group->meter = find_meter(counter, key->meter);
		describe_group(group, dimensions);
		group->next = owner->groups;
		owner->groups = group;
	}
	*tenant = group->tenant;
	MemoryContextSwitchTo(before);
	return group;
}

int
count_row_compare(const CountRow *a, const CountRow *b)
{
	int order = (a->occurred_at > b->occurred_at) - (a->occurred_at < b->occurred_at);

	if (order == 0 && a->group != b->group)
		order = billing_compare_bytes(a->group->key.meter.bytes, a->group->key.meter.length,
									  b->group->key.meter.bytes, b->group->key.meter.length);
	return order != 0 ? order : billing_compare_text(a->event_id, b->event_id);
}

static CountRow *
new_row(UsageCounter *counter, CountTenant *tenant)
{
	CountPiece *last = tenant->last;

	if (last == NULL || last->count == last->room)
	{
		int room = last == NULL ? PIECE_ROOM_FIRST : Min(2 * last->room, PIECE_ROOM_MAX);
		CountPiece *piece =
			MemoryContextAlloc(counter->memory, offsetof(CountPiece, rows) + room * sizeof(CountRow));

		piece->next = NULL;
		piece->count = 0;
		piece->room = room;
		if (last == NULL)
			tenant->first = piece;
		else
			last->next = piece;
		tenant->last = last = piece;
		counter->is_full = MemoryContextMemAllocated(counter->memory, false) > counter->memory_max;
	}
	tenant->rows++;
	return &last->rows[last->count++];
}

/* A copy that costs no more than its bytes, as long as the counter lives. */
static text *
keep_text(UsageCounter *counter, const text *value)
{
	Size size = VARSIZE_ANY(value);
	char *kept;

	if (MAXALIGN(size) > counter->text_room)
	{
		counter->text_room = Max(TEXT_ROOM, MAXALIGN(size));
		counter->text = MemoryContextAlloc(counter->memory, counter->text_room);
	}
	kept = counter->text;
	memcpy(kept, value, size);
	counter->text += MAXALIGN(size);
	counter->text_room -= MAXALIGN(size);
	return (text *) kept;
}

/* The length of a numeric's text without the zeros at the end of a fraction. */
static size_t
canonical_length(const char *decimal)
{
	size_t length = 0, needed = 0;
	bool in_fraction = false;

	for (; decimal[length] != '\0'; length++)
	{
		if (decimal[length] == '.')
			in_fraction = true;
		else if (!in_fraction || decimal[length] != '0')
			needed = length + 1;
	}
	return needed;
}

static void
hash_row(CountRow *row, const CountGroup *group, const char *decimal, const text *corrects)
{
	uint8 instant[8];
	DigestPart columns[USAGE_LEAF_COLUMNS] = {
		group->key.meter,
		part_of(row->event_id),
		group->key.account,
		{instant, sizeof(instant)},
		{decimal, canonical_length(decimal)},
		{group->canonical, group->canonical_length},
		corrects == NULL ? (DigestPart){NULL, 0} : part_of(corrects),
	};

	billing_usage_leaf_time(row->occurred_at, instant);
	billing_usage_leaf_hash(columns, row->leaf);
}

/* Counts the row, unless there is a reason not to that it has in itself. */
static const char *
count_row(UsageCounter *counter, CountRow *row, CountGroup *group, const Datum *values, const bool *nulls)
{
	UsageContent usage = {
		.event_id = row->event_id,
		.quantity = DatumGetNumeric(values[ROW_QUANTITY]),
		.dimensions = group->dimensions,
		.attribution = nulls[ROW_ATTRIBUTION] ? NULL : DatumGetJsonbP(values[ROW_ATTRIBUTION]),
		.corrects_event_id = nulls[ROW_CORRECTS] ? NULL : DatumGetTextPP(values[ROW_CORRECTS]),
	};
	TallyEvent event = {row->occurred_at, row->event_id, usage.quantity, NULL, !nulls[ROW_CORRECTS]};
	const char *problem;

	if (group->meter == NULL)
		return "unknown meter";
	usage.decimal = event.decimal =
		DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(usage.quantity)));
	problem = usage_event_problem(&usage, &group->meter->usage);
	if (problem == NULL)
		problem = group->problem;
	if (problem != NULL)
		return MemoryContextStrdup(counter->memory, psprintf("invalid %s", problem));
	if (DatumGetBool(values[ROW_CORRECTS_NOTHING]))
		return "unknown event to correct";
	hash_row(row, group, event.decimal, usage.corrects_event_id);
	tally_add(&group->tally, &event, counter->memory);
	return NULL;
}

static void
add_row(UsageCounter *counter, Datum *values, const bool *nulls)
{
	text *event_id = DatumGetTextPP(values[ROW_EVENT]);
	struct varlena *dimensions = PG_DETOAST_DATUM_PACKED(values[ROW_DIMENSIONS]);
	CountKey key = {DatumGetDateADT(values[ROW_DAY]), part_of(DatumGetTextPP(values[ROW_TENANT])),
					part_of(DatumGetTextPP(values[ROW_ACCOUNT])), part_of(DatumGetTextPP(values[ROW_METER])),
					part_of(dimensions)};
	CountTenant *tenant;
	CountGroup *group = find_group(counter, &key, dimensions, &tenant);
	const CountRow *before = tenant->last == NULL ? NULL : &tenant->last->rows[tenant->last->count - 1];
	CountRow *row = new_row(counter, tenant);

	row->occurred_at = DatumGetTimestampTz(values[ROW_OCCURRED_AT]);
	row->group = group;
	row->event_id = keep_text(counter, event_id);
	row->was_set_aside = DatumGetBool(values[ROW_WAS_SET_ASIDE]);
	row->reason = count_row(counter, row, group, values, nulls);
	if (before != NULL && tenant->in_order)
		tenant->in_order = count_row_compare(before, row) < 0;
}

static bool
receive_row(TupleTableSlot *slot, DestReceiver *self)
{
	UsageCounter *counter = ((UsageReceiver *) self)->counter;
	MemoryContext before = MemoryContextSwitchTo(counter->scratch);

	slot_getallattrs(slot);
	add_row(counter, slot->tts_values, slot->tts_isnull);
	MemoryContextSwitchTo(before);
	if (++counter->rows % ROWS_PER_SCRATCH == 0)
		MemoryContextReset(counter->scratch);
	return !counter->is_full;
}

static void
receive_start(DestReceiver *self, int operation, TupleDesc columns)
{
	if (columns->natts != ROW_COLUMNS)
		elog(ERROR, "rows of usage have %d columns", columns->natts);
}

static void
receive_end(DestReceiver *self)
{
}

DestReceiver *
usage_counter_receiver(UsageCounter *counter)
{
	UsageReceiver *receiver = palloc0(sizeof(UsageReceiver));

	receiver->receiver = (DestReceiver){.receiveSlot = receive_row,
										.rStartup = receive_start,
										.rShutdown = receive_end,
										.rDestroy = receive_end,
										.mydest = DestNone};
	receiver->counter = counter;
	return &receiver->receiver;
}

static void
read_meters(UsageCounter *counter)
{
	MemoryContext before;

	counter->meter_count = (int) billing_spi_exec(
		"SELECT meter_id, aggregation, dimensions FROM billing.meters ORDER BY meter_id COLLATE \"C\"");
	before = MemoryContextSwitchTo(counter->memory);
	counter->meters = palloc0(Max(counter->meter_count, 1) * sizeof(CountMeter));
	for (int i = 0; i < counter->meter_count; i++)
	{
		CountMeter *meter = &counter->meters[i];
		bool isnull;

		meter->meter_id = DatumGetTextPCopy(billing_spi_value(i, 1, &isnull));
		meter->aggregation = DatumGetTextPCopy(billing_spi_value(i, 2, &isnull));
		meter->usage.aggregation = billing_aggregation(meter->aggregation);
		meter->usage.keys = DatumGetArrayTypePCopy(billing_spi_value(i, 3, &isnull));
	}
	MemoryContextSwitchTo(before);
}

UsageCounter *
usage_counter_create(Size memory_max)
{
	UsageCounter *counter = palloc0(sizeof(UsageCounter));

	counter->memory = AllocSetContextCreate(CurrentMemoryContext, "usage counter", ALLOCSET_DEFAULT_SIZES);
	counter->scratch = AllocSetContextCreate(CurrentMemoryContext, "rows of usage", ALLOCSET_DEFAULT_SIZES);
	counter->memory_max = memory_max;
	counter->tenants_by_key = counts_create(counter->memory, 64, NULL);
	counter->payers_by_key = counts_create(counter->memory, 64, NULL);
	counter->groups_by_key = counts_create(counter->memory, 256, NULL);
	read_meters(counter);
	return counter;
}

void
usage_counter_free(UsageCounter *counter)
{
	MemoryContextDelete(counter->scratch);
	MemoryContextDelete(counter->memory);
	pfree(counter);
}
