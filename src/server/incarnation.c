/*
 * incarnation.c: transaction ids that grow over the life of the data, not of
 * the cluster.
 *
 * Rows keep the id of the transaction that wrote them, and windows are told
 * apart by those ids. A restored database goes on in a cluster whose ids may
 * start lower; so an offset is added, kept per incarnation in
 * billing.incarnations, and nothing is written while the running cluster is
 * not the last one recorded.
 */
#include "postgres.h"
#include "fmgr.h"

#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/namespace.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/xid8.h"

#include "server/server.h"

typedef struct Incarnation
{
	int32 number;
	int64 xid_offset;
	char system_identifier[24];
} Incarnation;

enum
{
	COLUMN_INCARNATION = 1,
	COLUMN_SYSTEM_IDENTIFIER = 2,
	COLUMN_XID_OFFSET = 3
};

/* The current incarnation, read once per backend and again when the table's relcache entry is invalidated. */
static Incarnation current;
static Oid incarnations_oid = InvalidOid;
static bool current_is_valid = false;

static void
forget_incarnation(Datum arg, Oid relation)
{
	if (relation == InvalidOid || relation == incarnations_oid)
		current_is_valid = false;
}

static void
take_if_newer(Incarnation *newest, TupleTableSlot *slot)
{
	bool isnull;
	int32 number = DatumGetInt32(slot_getattr(slot, COLUMN_INCARNATION, &isnull));

	if (number < newest->number)
		return;
	newest->number = number;
	newest->xid_offset = DatumGetInt64(slot_getattr(slot, COLUMN_XID_OFFSET, &isnull));
	strlcpy(newest->system_identifier,
			TextDatumGetCString(slot_getattr(slot, COLUMN_SYSTEM_IDENTIFIER, &isnull)),
			sizeof(newest->system_identifier));
}

/* Reads the table without SPI: whoever may insert a row need not be allowed to read this table. */
static Incarnation
read_newest_incarnation(void)
{
	Incarnation newest = {0};
	Relation relation = table_open(incarnations_oid, AccessShareLock);
	Snapshot snapshot = RegisterSnapshot(GetLatestSnapshot());
	TableScanDesc scan = table_beginscan(relation, snapshot, 0, NULL);
	TupleTableSlot *slot = table_slot_create(relation, NULL);

	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
		take_if_newer(&newest, slot);
	ExecDropSingleTupleTableSlot(slot);
	table_endscan(scan);
	UnregisterSnapshot(snapshot);
	table_close(relation, AccessShareLock);
	return newest;
}

static void
load_incarnation(void)
{
	static bool callback_registered = false;

	billing_require_installed();
	if (!callback_registered)
	{
		CacheRegisterRelcacheCallback(forget_incarnation, (Datum) 0);
		callback_registered = true;
	}
	incarnations_oid = get_relname_relid("incarnations", get_namespace_oid("billing", false));
	current = read_newest_incarnation();
	current_is_valid = true;
}

static void
check_cluster(const Incarnation *incarnation)
{
	char running[24];

	snprintf(running, sizeof(running), UINT64_FORMAT, GetSystemIdentifier());
	if (strcmp(running, incarnation->system_identifier) != 0)
	{
		current_is_valid = false;
		ereport(ERROR, errcode(ERRCODE_BILLING_FOREIGN_CLUSTER),
				errmsg("this cluster is not the one the billing data was written in"),
				errdetail("The data names cluster %s, the running one is %s.", incarnation->system_identifier,
						  running),
				errhint("After a restore or an upgrade, run: SELECT billing.adopt_cluster('why');"));
	}
}

/* The running cluster's incarnation; refuses with MB426 when the data was written elsewhere. */
static const Incarnation *
require_incarnation(void)
{
	if (!current_is_valid)
	{
		load_incarnation();
		check_cluster(&current);
	}
	return &current;
}

int64
billing_xid_offset(void)
{
	return require_incarnation()->xid_offset;
}

FullTransactionId
billing_current_log_xid(void)
{
	uint64 offset = (uint64) billing_xid_offset();
	FullTransactionId xid = GetTopFullTransactionId();

	return FullTransactionIdFromU64(U64FromFullTransactionId(xid) + offset);
}

BILLING_FUNCTION(billing_log_xid)
{
	PG_RETURN_FULLTRANSACTIONID(billing_current_log_xid());
}

BILLING_FUNCTION(billing_incarnation)
{
	PG_RETURN_INT32(require_incarnation()->number);
}

/* Adds `offset` to each number of a pg_snapshot's text, xmin:xmax:xip,xip... */
static char *
shift_snapshot(const char *text, int64 offset)
{
	StringInfoData shifted;
	const char *p = text;

	initStringInfo(&shifted);
	while (*p != '\0')
	{
		if (isdigit((unsigned char) *p))
		{
			char *end;
			uint64 id = strtou64(p, &end, 10);

			appendStringInfo(&shifted, UINT64_FORMAT, id + (uint64) offset);
			p = end;
		}
		else
			appendStringInfoChar(&shifted, *p++);
	}
	return shifted.data;
}

BILLING_FUNCTION(billing_log_snapshot)
{
	const Incarnation *incarnation = require_incarnation();
	Datum snapshot = DirectFunctionCall1(pg_current_snapshot, (Datum) 0);
	char *text;

	if (incarnation->xid_offset == 0)
		PG_RETURN_DATUM(snapshot);
	text = DatumGetCString(DirectFunctionCall1(pg_snapshot_out, snapshot));
	PG_RETURN_DATUM(
		DirectFunctionCall1(pg_snapshot_in, CStringGetDatum(shift_snapshot(text, incarnation->xid_offset))));
}
