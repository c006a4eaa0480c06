/*
 * window.c: what a counted window comes to, as relations that sync_write.sql reads.
 *
 * They are tuple stores known to SPI by name, so they spill to disk and the
 * planner knows how many rows they have.
 */
#include "postgres.h"
#include "fmgr.h"

#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/queryenvironment.h"
#include "utils/tuplestore.h"

#include "embedded.h"
#include "metering/counter.h"

#define COLUMNS_MAX 8

typedef struct WindowColumn
{
	const char *name;
	Oid type;
} WindowColumn;

typedef struct WindowRelation
{
	EphemeralNamedRelationData relation;
	Tuplestorestate *rows;
} WindowRelation;

static const WindowColumn payer_columns[] = {
	{"payer_no", INT4OID}, {"tenant_id", TEXTOID}, {"account_id", TEXTOID}, {"day", DATEOID}};
static const WindowColumn rejected_columns[] = {{"usage_day", DATEOID},
												{"tenant_id", TEXTOID},
												{"meter_id", TEXTOID},
												{"event_id", TEXTOID},
												{"reason", TEXTOID}};
static const WindowColumn increment_columns[] = {{"day", DATEOID},		   {"tenant_id", TEXTOID},
												 {"account_id", TEXTOID},  {"meter_id", TEXTOID},
												 {"dimensions", JSONBOID}, {"quantity", NUMERICOID},
												 {"events", INT8OID},	   {"latest_at", TIMESTAMPTZOID}};
static const WindowColumn root_columns[] = {{"tenant_id", TEXTOID}, {"rows_processed", INT8OID},
											{"first_day", DATEOID}, {"last_day", DATEOID},
											{"digest", BYTEAOID},	{"counts_digest", BYTEAOID}};

typedef struct WindowWriter
{
	UsageCounter *counter;
	WindowRelation *rejected;
	WindowRelation *taken;
	WindowRelation *increment;
	WindowRelation *root;
	CountGroup **groups; /* of one tenant, those counted */
	int group_room;
} WindowWriter;

/* Text in them is COLLATE "C", as in the tables. */
static WindowRelation *
create_relation(const char *name, const WindowColumn *columns, int count)
{
	WindowRelation *relation = palloc0(sizeof(WindowRelation));
	TupleDesc descriptor = CreateTemplateTupleDesc(count);

	for (int i = 0; i < count; i++)
	{
		TupleDescInitEntry(descriptor, i + 1, columns[i].name, columns[i].type, -1, 0);
		if (columns[i].type == TEXTOID)
			TupleDescInitEntryCollation(descriptor, i + 1, C_COLLATION_OID);
	}
	relation->rows = tuplestore_begin_heap(false, false, work_mem);
	relation->relation.md.name = pstrdup(name);
	relation->relation.md.reliddesc = InvalidOid;
	relation->relation.md.tupdesc = descriptor;
	relation->relation.md.enrtype = ENR_NAMED_TUPLESTORE;
	relation->relation.reldata = relation->rows;
	return relation;
}

static void
put_row(WindowRelation *relation, Datum *values)
{
	static bool nulls[COLUMNS_MAX] = {false};

	tuplestore_putvalues(relation->rows, relation->relation.md.tupdesc, values, nulls);
	relation->relation.md.enrtuples++;
}

static void
register_relation(WindowRelation *relation)
{
	int result = SPI_register_relation(&relation->relation);

	if (result != SPI_OK_REL_REGISTER)
		elog(ERROR, "relation \"%s\" could not be registered: %s", relation->relation.md.name,
			 SPI_result_code_string(result));
}

static Datum
text_datum(DigestPart part)
{
	return PointerGetDatum(cstring_to_text_with_len(part.bytes, (int) part.length));
}

/* Each payer once, whatever its rows: whether the account is there, and has a subscription on the day. */
static void
resolve_payers(UsageCounter *counter)
{
	WindowRelation *relation = create_relation("payer", payer_columns, lengthof(payer_columns));
	CountPayer **payers;
	int count = 0;

	for (CountPayer *payer = counter->payers; payer != NULL; payer = payer->next)
	{
		Datum values[] = {Int32GetDatum(count++), text_datum(payer->key.tenant),
						  text_datum(payer->key.account), DateADTGetDatum(payer->key.day)};

		put_row(relation, values);
	}
	register_relation(relation);
	payers = palloc(count * sizeof(CountPayer *));
	count = 0;
	for (CountPayer *payer = counter->payers; payer != NULL; payer = payer->next)
		payers[count++] = payer;
	billing_spi_exec(SQL_METERING_SYNC_PAYERS);
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		bool isnull;
		CountPayer *payer = payers[DatumGetInt32(billing_spi_value(row, 1, &isnull))];

		payer->is_known = true;
		if (DatumGetBool(billing_spi_value(row, 2, &isnull)))
			payer->is_subscribed = true;
	}
	SPI_freetuptable(SPI_tuptable);
}

static const char *
reject_reason(const CountRow *row)
{
	const CountPayer *payer = row->group->payer;

	if (!payer->is_known)
		return "unknown account";
	if (row->reason != NULL)
		return row->reason;
	return payer->is_subscribed ? NULL : "no subscription on the day";
}

static void
put_event(WindowRelation *relation, const CountRow *row, const char *reason)
{
	const CountKey *key = &row->group->key;
	Datum values[] = {DateADTGetDatum(key->day), text_datum(key->tenant), text_datum(key->meter),
					  PointerGetDatum(row->event_id), CStringGetTextDatum(reason)};

	put_row(relation, values);
}

/* What a tenant's rows come to: as sync_large.sql counts them. */
typedef struct TenantRows
{
	int64 counted;
	MerkleFrontier tree;
} TenantRows;

static void
write_row(WindowWriter *writer, const CountRow *row, TenantRows *rows)
{
	const char *reason = reject_reason(row);

	if (reason != NULL)
	{
		if (!row->was_set_aside)
			put_event(writer->rejected, row, reason);
		return;
	}
	if (row->was_set_aside)
		put_event(writer->taken, row, "");
	billing_check_merkle(merkle_append(billing_digest_context(), &rows->tree, row->leaf));
	rows->counted++;
}

static int
compare_row_places(const void *a, const void *b)
{
	return count_row_compare(*(const CountRow *const *) a, *(const CountRow *const *) b);
}

static void
write_rows(WindowWriter *writer, const CountTenant *tenant, TenantRows *rows)
{
	const CountRow **places;
	int64 count = 0;

	if (tenant->in_order)
	{
		for (const CountPiece *piece = tenant->first; piece != NULL; piece = piece->next)
			for (int i = 0; i < piece->count; i++)
				write_row(writer, &piece->rows[i], rows);
		return;
	}
	places = MemoryContextAllocHuge(CurrentMemoryContext, tenant->rows * sizeof(CountRow *));
	for (const CountPiece *piece = tenant->first; piece != NULL; piece = piece->next)
		for (int i = 0; i < piece->count; i++)
			places[count++] = &piece->rows[i];
	qsort(places, count, sizeof(CountRow *), compare_row_places);
	for (int64 i = 0; i < count; i++)
		write_row(writer, places[i], rows);
}

static int
compare_parts(DigestPart a, DigestPart b)
{
	return billing_compare_bytes(a.bytes, a.length, b.bytes, b.length);
}

/* The order of counts in a tenant's tree: day, account, meter, canonical dimensions. */
static int
compare_groups(const void *a, const void *b)
{
	const CountGroup *x = *(const CountGroup *const *) a;
	const CountGroup *y = *(const CountGroup *const *) b;
	int order = (x->key.day > y->key.day) - (x->key.day < y->key.day);

	if (order == 0)
		order = compare_parts(x->key.account, y->key.account);
	if (order == 0)
		order = compare_parts(x->key.meter, y->key.meter);
	return order != 0
			   ? order
			   : billing_compare_bytes(x->canonical, x->canonical_length, y->canonical, y->canonical_length);
}

static bool
is_counted(const CountGroup *group)
{
	return group->tally.events > 0 && group->payer->is_known && group->payer->is_subscribed;
}

static int
collect_groups(WindowWriter *writer, const CountTenant *tenant)
{
	int count = 0;

	for (CountGroup *group = tenant->groups; group != NULL; group = group->next)
	{
		if (!is_counted(group))
			continue;
		if (count == writer->group_room)
		{
			writer->group_room *= 2;
			writer->groups = repalloc_huge(writer->groups, writer->group_room * sizeof(CountGroup *));
		}
		writer->groups[count++] = group;
	}
	qsort(writer->groups, count, sizeof(CountGroup *), compare_groups);
	return count;
}

/* A leaf of kind count: day, account, meter, dimensions, aggregation, quantity, events, latest_at. */
static void
append_count(MerkleFrontier *tree, const CountGroup *group, const Datum *values)
{
	CanonBuffer canon;
	uint8_t leaf[DIGEST_SIZE];

	billing_canon_begin(&canon, "count", 5);
	billing_canon_put(&canon, 1, DATEOID, values[0]);
	billing_canon_put(&canon, 2, TEXTOID, values[2]);
	billing_canon_put(&canon, 3, TEXTOID, values[3]);
	billing_canon_put(&canon, 4, JSONBOID, values[4]);
	billing_canon_put(&canon, 5, TEXTOID, PointerGetDatum(group->meter->aggregation));
	billing_canon_put(&canon, 6, NUMERICOID, values[5]);
	billing_canon_put(&canon, 7, INT8OID, values[6]);
	billing_canon_put(&canon, 8, TIMESTAMPTZOID, values[7]);
	billing_check_merkle(
		merkle_leaf_hash(billing_digest_context(), canon.data + VARHDRSZ, canon.length - VARHDRSZ, leaf));
	billing_check_merkle(merkle_append(billing_digest_context(), tree, leaf));
}

static void
write_counts(WindowWriter *writer, int count, MerkleFrontier *tree)
{
	for (int i = 0; i < count; i++)
	{
		const CountGroup *group = writer->groups[i];
		Datum values[] = {DateADTGetDatum(group->key.day),	  text_datum(group->key.tenant),
						  text_datum(group->key.account),	  text_datum(group->key.meter),
						  PointerGetDatum(group->dimensions), NumericGetDatum(tally_quantity(&group->tally)),
						  Int64GetDatum(group->tally.events), TimestampTzGetDatum(group->tally.latest_at)};

		append_count(tree, group, values);
		put_row(writer->increment, values);
	}
}

static Datum
root_datum(const MerkleFrontier *tree)
{
	uint8_t root[DIGEST_SIZE];

	billing_check_merkle(merkle_root(billing_digest_context(), tree, root));
	return PointerGetDatum(billing_hash_bytea(root));
}

static void
write_tenant(WindowWriter *writer, const CountTenant *tenant)
{
	TenantRows rows = {0};
	MerkleFrontier counts = {0};
	int count;

	write_rows(writer, tenant, &rows);
	if (rows.counted == 0)
		return;
	count = collect_groups(writer, tenant);
	write_counts(writer, count, &counts);
	put_row(writer->root, (Datum[]){text_datum(tenant->key.tenant), Int64GetDatum(rows.counted),
									DateADTGetDatum(writer->groups[0]->key.day),
									DateADTGetDatum(writer->groups[count - 1]->key.day),
									root_datum(&rows.tree), root_datum(&counts)});
}

static void
write_tenants(WindowWriter *writer)
{
	MemoryContext scratch =
		AllocSetContextCreate(CurrentMemoryContext, "tenant of a window", ALLOCSET_DEFAULT_SIZES);
	MemoryContext before = MemoryContextSwitchTo(scratch);

	for (const CountTenant *tenant = writer->counter->tenants; tenant != NULL; tenant = tenant->next)
	{
		CHECK_FOR_INTERRUPTS();
		write_tenant(writer, tenant);
		MemoryContextReset(scratch);
	}
	MemoryContextSwitchTo(before);
	MemoryContextDelete(scratch);
}

void
usage_counter_write(UsageCounter *counter)
{
	WindowWriter writer = {.counter = counter, .group_room = 64};

	resolve_payers(counter);
	writer.rejected = create_relation("rejected", rejected_columns, lengthof(rejected_columns));
	writer.taken = create_relation("taken", rejected_columns, lengthof(rejected_columns));
	writer.increment = create_relation("increment", increment_columns, lengthof(increment_columns));
	writer.root = create_relation("root", root_columns, lengthof(root_columns));
	writer.groups = palloc(writer.group_room * sizeof(CountGroup *));
	write_tenants(&writer);
	register_relation(writer.rejected);
	register_relation(writer.taken);
	register_relation(writer.increment);
	register_relation(writer.root);
}
