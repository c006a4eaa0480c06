/*
 * direct.h: rows written and looked up without a statement.
 *
 * To plan and start a statement costs many times what it costs to write one row. This does with the same primitives what
 * the executor would, and only for tables as billing.install() made them, in READ COMMITTED: for whatever else is found
 * it answers false, and the caller runs the statement.
 */
#ifndef BILLING_DIRECT_H
#define BILLING_DIRECT_H

#include "access/skey.h"
#include "executor/executor.h"
#include "server/server.h"

typedef struct DirectColumn
{
	const char *name;
	Oid type;
	bool may_be_null;
} DirectColumn;

/* A table partitioned by one column, as it is made. */
typedef struct DirectTable
{
	const char *name;
	Oid key_type; /* of the partition key */
	int column_count;
	const DirectColumn *columns;
	int check_count;
	const char *const
		*checks; /* in the order of their names; nothing here evaluates them: the caller has answered each */
	bool speculative; /* rows are inserted unless their key is there */
} DirectTable;

typedef struct DirectWriter
{
	const DirectTable *table;
	Oid schema;
	Relation relation; /* the partitioned table */
	EState *estate;
	/* The partition routed to last, and whether it can be written: NULL when not. */
	Oid partition_oid;
	ResultRelInfo *partition;
	TupleTableSlot *slot;	  /* of the partition, for the row to be inserted */
	TupleTableSlot *existing; /* for one that is there already */
} DirectWriter;

/*
 * Begins what stands for one statement: sees what came before it in its transaction, by a new active snapshot. False when
 * the table cannot be written so, and then nothing has begun. Pair with billing_direct_end().
 */
extern bool billing_direct_begin(DirectWriter *writer, const DirectTable *table);
extern void billing_direct_end(DirectWriter *writer);

typedef enum DirectRoute
{
	DIRECT_NOWHERE,	  /* there is no such partition */
	DIRECT_OTHERWISE, /* one that is not as made */
	DIRECT_READY	  /* writer->slot is of the partition */
} DirectRoute;

/* Goes to the partition for a key, as a statement would route it. */
extern DirectRoute billing_direct_route(DirectWriter *writer, Datum key);

/* Each takes a row, stored in writer->slot; a key that is there already is the server's own error. */
extern void billing_direct_insert(DirectWriter *writer);

/* Whether the row is in. False: its key was there, at *place; waits for a transaction that is about to insert it. */
extern bool billing_direct_is_free(DirectWriter *writer, ItemPointer place);

/* Of a row whose key is free: whether it is in, for another transaction may have been first. */
extern bool billing_direct_insert_speculatively(DirectWriter *writer);

/* The row at a place, valid until the next; NULL when it cannot be had. */
extern TupleTableSlot *billing_direct_fetch(DirectWriter *writer, ItemPointer place);

/* ---- looking up ---- */

/* Opens a table of the schema with the oid of its index; NULL when they are not as made. */
extern Relation billing_open_with_index(Oid schema, const char *table, const char *index, Oid *index_oid);

/* Equality of a text column of COLLATE "C". */
extern void billing_key_text(ScanKey key, AttrNumber column, const text *value);

#endif
