/*
 * counter.h: a window of usage, counted in memory.
 *
 * Rows come once, in any order, from sync_rows.sql: counter.c puts them
 * together by tenant and by daily count, with their leaves. window.c then
 * decides which are counted and makes of them what sync_write.sql writes.
 */
#ifndef BILLING_COUNTER_H
#define BILLING_COUNTER_H

#include "server/leaf.h"
#include "metering/metering.h"
#include "metering/tally.h"

/* What a tenant, a payer (tenant, account, day) and a count are known by; parts that it has not are empty. */
typedef struct CountKey
{
	DateADT day;
	DigestPart tenant;
	DigestPart account;
	DigestPart meter;
	DigestPart dimensions; /* jsonb as stored: objects of strings are equal when their bytes are */
} CountKey;

typedef struct CountMeter
{
	text *meter_id;
	text *aggregation; /* its name, for leaves */
	UsageMeter usage;
} CountMeter;

/* An account on a day. The two facts are asked once all rows are there. */
typedef struct CountPayer
{
	CountKey key;
	bool is_known;
	bool is_subscribed;
	struct CountPayer *next;
} CountPayer;

typedef struct CountGroup
{
	CountKey key;
	struct CountTenant *tenant;
	CountPayer *payer;
	const CountMeter *meter; /* NULL: unknown */
	Jsonb *dimensions;
	const char *problem;   /* of dimensions and meter, as billing.usage_problem() has it; or NULL */
	const char *canonical; /* dimensions as canonical JSON; only without a problem */
	size_t canonical_length;
	Tally tally;
	struct CountGroup *next; /* of the tenant */
} CountGroup;

typedef struct CountRow
{
	TimestampTz occurred_at;
	CountGroup *group;
	text *event_id;
	const char *reason;		   /* why it cannot be counted, whoever pays; or NULL */
	bool was_set_aside;		   /* by a window before */
	uint8_t leaf[DIGEST_SIZE]; /* when there is no reason */
} CountRow;

/* Rows are kept in pieces of growing size: they never move. */
typedef struct CountPiece
{
	struct CountPiece *next;
	int count;
	int room;
	CountRow rows[FLEXIBLE_ARRAY_MEMBER];
} CountPiece;

typedef struct CountTenant
{
	CountKey key;
	int64 rows;
	bool in_order; /* rows came by (occurred_at, meter, event) */
	CountPiece *first;
	CountPiece *last;
	CountGroup *groups;
	struct CountTenant *next;
} CountTenant;

struct counts_hash;

typedef struct UsageCounter
{
	MemoryContext memory;
	MemoryContext scratch; /* of a few rows */
	char *text;			   /* where the next event's id goes, and how much room is there */
	Size text_room;
	Size memory_max;
	bool is_full; /* the rows need more than that: counting ended early */
	int64 rows;
	int meter_count;
	CountMeter *meters; /* in the order of their ids */
	struct counts_hash *tenants_by_key;
	struct counts_hash *payers_by_key;
	struct counts_hash *groups_by_key;
	CountTenant *tenants;
	CountPayer *payers;
} UsageCounter;

/* ---- counter.c ---- */

/* Empty, in the current memory context. Reads billing.meters. */
extern UsageCounter *usage_counter_create(Size memory_max);

/* Takes the rows of sync_rows.sql. */
extern DestReceiver *usage_counter_receiver(UsageCounter *counter);

extern void usage_counter_free(UsageCounter *counter);

/* The order of leaves in a tenant's tree: occurred_at, meter, event. */
extern int count_row_compare(const CountRow *a, const CountRow *b);

/* ---- window.c ---- */

/* Makes the relations rejected, taken, increment and root of what was counted, for the next statements of this SPI. */
extern void usage_counter_write(UsageCounter *counter);

#endif
