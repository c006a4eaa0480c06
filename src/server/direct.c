/*
 * direct.c: rows written and looked up without a statement, by the primitives of the executor.
 */
#include "postgres.h"
#include "fmgr.h"

#include "access/parallel.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/index.h"
#include "catalog/namespace.h"
#include "catalog/pg_namespace.h"
#include "commands/trigger.h"
#include "partitioning/partbounds.h"
#include "partitioning/partdesc.h"
#include "storage/lmgr.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/partcache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "server/compat.h"
#include "server/direct.h"

/* ---- what can be written to ---- */

static bool
has_insert_triggers(Relation relation)
{
	const TriggerDesc *triggers = relation->trigdesc;

	return triggers != NULL && (triggers->trig_insert_before_row || triggers->trig_insert_after_row ||
								triggers->trig_insert_instead_row || triggers->trig_insert_before_statement ||
								triggers->trig_insert_after_statement || triggers->trig_insert_new_table);
}

static bool
has_columns(TupleDesc columns, const DirectTable *table)
{
	if (columns->natts != table->column_count)
		return false;
	for (int i = 0; i < columns->natts; i++)
	{
		Form_pg_attribute column = TupleDescAttr(columns, i);

		if (column->atttypid != table->columns[i].type ||
			column->attnotnull == table->columns[i].may_be_null ||
			strcmp(NameStr(column->attname), table->columns[i].name) != 0)
			return false;
	}
	return true;
}

static bool
has_checks(const TupleConstr *constraints, const DirectTable *table)
{
	if (constraints == NULL || constraints->num_check != table->check_count)
		return false;
	for (int i = 0; i < table->check_count; i++)
		if (strcmp(constraints->check[i].ccname, table->checks[i]) != 0)
			return false;
	return true;
}

static bool
is_as_made(Relation relation, const DirectTable *table, char kind)
{
	TupleDesc columns = RelationGetDescr(relation);

	return relation->rd_rel->relkind == kind && relation->rd_rules == NULL &&
		   !relation->rd_rel->relforcerowsecurity && !has_insert_triggers(relation) &&
		   has_columns(columns, table) && has_checks(columns->constr, table);
}

/* Where Citus is, rows may belong to another node. */
static bool
may_write_directly(void)
{
	return XactIsoLevel == XACT_READ_COMMITTED && !XactReadOnly && !IsInParallelMode() &&
		   !RecoveryInProgress() && !OidIsValid(get_relname_relid("pg_dist_partition", PG_CATALOG_NAMESPACE));
}

/* ---- one statement's worth ---- */

static bool
open_table(DirectWriter *writer)
{
	Oid oid = get_relname_relid(writer->table->name, writer->schema);

	if (!OidIsValid(oid))
		return false;
	writer->relation = table_open(oid, RowExclusiveLock);
	if (is_as_made(writer->relation, writer->table, RELKIND_PARTITIONED_TABLE))
		return true;
	table_close(writer->relation, NoLock);
	return false;
}

bool
billing_direct_begin(DirectWriter *writer, const DirectTable *table)
{
	*writer = (DirectWriter){.table = table};
	if (!may_write_directly())
		return false;
	CommandCounterIncrement();
	writer->schema = get_namespace_oid("billing", false);
	if (!open_table(writer))
		return false;
	PushActiveSnapshot(GetTransactionSnapshot());
	writer->estate = CreateExecutorState();
	writer->estate->es_output_cid = GetCurrentCommandId(true);
	return true;
}

static void
close_partition(DirectWriter *writer)
{
	if (writer->partition == NULL)
		return;
	ExecDropSingleTupleTableSlot(writer->slot);
	if (writer->existing != NULL)
		ExecDropSingleTupleTableSlot(writer->existing);
	writer->existing = NULL;
	ExecCloseIndices(writer->partition);
	table_close(writer->partition->ri_RelationDesc, NoLock); /* the lock stays until the transaction ends */
	writer->partition = NULL;
}

void
billing_direct_end(DirectWriter *writer)
{
	close_partition(writer);
	FreeExecutorState(writer->estate);
	table_close(writer->relation, NoLock);
	PopActiveSnapshot();
	CommandCounterIncrement();
}

/* ---- partitions ---- */

/* The oid of the partition for a key; InvalidOid when there is none. */
static Oid
partition_for(const DirectWriter *writer, Datum value)
{
	PartitionKey key = RelationGetPartitionKey(writer->relation);
	PartitionDesc partitions = RelationGetPartitionDesc(writer->relation, true);
	bool is_bound;
	int place;

	if (key->strategy != PARTITION_STRATEGY_RANGE || key->partnatts != 1 ||
		key->parttypid[0] != writer->table->key_type || partitions->nparts == 0)
		return InvalidOid;
	place = partition_range_datum_bsearch(key->partsupfunc, key->partcollation, partitions->boundinfo, 1,
										  &value, &is_bound);
	place = partitions->boundinfo->indexes[place + 1];
	return place >= 0 && partitions->is_leaf[place] ? partitions->oids[place] : InvalidOid;
}

/* Opens it unless it is not as made: then writer->partition is NULL. */
static void
open_partition(DirectWriter *writer, Oid oid)
{
	Relation relation;

	close_partition(writer);
	writer->partition_oid = oid;
	relation = table_open(oid, RowExclusiveLock);
	if (!is_as_made(relation, writer->table, RELKIND_RELATION) || !relation->rd_rel->relispartition)
	{
		table_close(relation, NoLock);
		return;
	}
	writer->partition = makeNode(ResultRelInfo);
	InitResultRelInfo(writer->partition, relation, 0, NULL, 0);
	ExecOpenIndices(writer->partition, writer->table->speculative);
	writer->slot = table_slot_create(relation, NULL);
}

DirectRoute
billing_direct_route(DirectWriter *writer, Datum key)
{
	Oid oid = partition_for(writer, key);

	if (!OidIsValid(oid))
		return DIRECT_NOWHERE;
	if (oid != writer->partition_oid)
		open_partition(writer, oid);
	if (writer->partition == NULL)
		return DIRECT_OTHERWISE;
	ResetPerTupleExprContext(writer->estate);
	return DIRECT_READY;
}

/* ---- rows ---- */

void
billing_direct_insert(DirectWriter *writer)
{
	table_tuple_insert(writer->partition->ri_RelationDesc, writer->slot, writer->estate->es_output_cid, 0,
					   NULL);
	billing_insert_index_tuples(writer->partition, writer->slot, writer->estate, NULL);
}

bool
billing_direct_is_free(DirectWriter *writer, ItemPointer place)
{
	return billing_check_index_constraints(writer->partition, writer->slot, writer->estate, place);
}

bool
billing_direct_insert_speculatively(DirectWriter *writer)
{
	Relation relation = writer->partition->ri_RelationDesc;
	TransactionId xid = GetCurrentTransactionId();
	uint32 token = SpeculativeInsertionLockAcquire(xid);
	bool conflict = false;

	table_tuple_insert_speculative(relation, writer->slot, writer->estate->es_output_cid, 0, NULL, token);
	billing_insert_index_tuples(writer->partition, writer->slot, writer->estate, &conflict);
	table_tuple_complete_speculative(relation, writer->slot, token, !conflict);
	SpeculativeInsertionLockRelease(xid);
	return !conflict;
}

TupleTableSlot *
billing_direct_fetch(DirectWriter *writer, ItemPointer place)
{
	Relation relation = writer->partition->ri_RelationDesc;

	if (writer->existing == NULL)
		writer->existing = table_slot_create(relation, NULL);
	if (!table_tuple_fetch_row_version(relation, place, SnapshotAny, writer->existing))
		return NULL;
	slot_getallattrs(writer->existing);
	return writer->existing;
}

/* ---- looking up ---- */

Relation
billing_open_with_index(Oid schema, const char *table, const char *index, Oid *index_oid)
{
	Oid oid = get_relname_relid(table, schema);
	Relation relation;

	*index_oid = get_relname_relid(index, schema);
	if (!OidIsValid(oid) || !OidIsValid(*index_oid) || IndexGetRelation(*index_oid, true) != oid ||
		!get_index_isvalid(*index_oid))
		return NULL;
	relation = table_open(oid, AccessShareLock);
	if (relation->rd_rel->relkind == RELKIND_RELATION && !relation->rd_rel->relforcerowsecurity)
		return relation;
	table_close(relation, AccessShareLock);
	return NULL;
}

void
billing_key_text(ScanKey key, AttrNumber column, const text *value)
{
	ScanKeyInit(key, column, BTEqualStrategyNumber, F_TEXTEQ, PointerGetDatum(value));
}
