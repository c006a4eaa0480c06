/*
 * lookup.c: what an event must name, looked up by index and without a statement.
 */
#include "postgres.h"
#include "fmgr.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "metering/lookup.h"
#include "server/direct.h"

/* Meters that are remembered: a batch has few. */
#define MEMO_METERS 16

typedef struct MeterMemo
{
	text *meter_id;
	bool exists;
	UsageMeter meter;
} MeterMemo;

/* The subscription found last, whose days answer for the next event of the account. */
typedef struct SubscriptionMemo
{
	text *tenant_id;
	text *account_id;
	DateADT starts;
	DateADT ends; /* exclusive; DATEVAL_NOEND when it has none */
} SubscriptionMemo;

struct UsageLookup
{
	Relation meters;
	Oid meters_index;
	AttrNumber meter_id;
	AttrNumber aggregation;
	AttrNumber dimensions;
	Relation subscriptions;
	Oid subscriptions_index;
	AttrNumber tenant_id;
	AttrNumber account_id;
	AttrNumber starts;
	AttrNumber ends;
	int meters_known;
	MeterMemo known[MEMO_METERS];
	SubscriptionMemo subscription;
};

UsageLookup *
usage_lookup_open(Oid schema)
{
	UsageLookup *lookup = palloc0(sizeof(UsageLookup));
	Oid oid;

	lookup->meters = billing_open_with_index(schema, "meters", "meters_pkey", &lookup->meters_index);
	lookup->subscriptions = billing_open_with_index(
		schema, "subscriptions", "subscriptions_tenant_id_account_id_idx", &lookup->subscriptions_index);
	if (lookup->meters == NULL || lookup->subscriptions == NULL)
	{
		usage_lookup_close(lookup);
		return NULL;
	}
	oid = RelationGetRelid(lookup->meters);
	lookup->meter_id = get_attnum(oid, "meter_id");
	lookup->aggregation = get_attnum(oid, "aggregation");
	lookup->dimensions = get_attnum(oid, "dimensions");
	oid = RelationGetRelid(lookup->subscriptions);
	lookup->tenant_id = get_attnum(oid, "tenant_id");
	lookup->account_id = get_attnum(oid, "account_id");
	lookup->starts = get_attnum(oid, "starts");
	lookup->ends = get_attnum(oid, "ends");
	return lookup;
}

void
usage_lookup_close(UsageLookup *lookup)
{
	if (lookup->meters != NULL)
		table_close(lookup->meters, AccessShareLock);
	if (lookup->subscriptions != NULL)
		table_close(lookup->subscriptions, AccessShareLock);
	pfree(lookup);
}

static bool
read_meter(UsageLookup *lookup, const text *meter_id, UsageMeter *meter)
{
	ScanKeyData key[1];
	SysScanDesc scan;
	HeapTuple tuple;
	bool isnull;

	billing_key_text(&key[0], lookup->meter_id, meter_id);
	scan = systable_beginscan(lookup->meters, lookup->meters_index, true, GetActiveSnapshot(), 1, key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		TupleDesc columns = RelationGetDescr(lookup->meters);

		meter->aggregation =
			billing_aggregation(DatumGetTextPP(heap_getattr(tuple, lookup->aggregation, columns, &isnull)));
		meter->keys = DatumGetArrayTypePCopy(heap_getattr(tuple, lookup->dimensions, columns, &isnull));
	}
	systable_endscan(scan);
	return HeapTupleIsValid(tuple);
}

const UsageMeter *
usage_lookup_meter(UsageLookup *lookup, const text *meter_id)
{
	MeterMemo *memo;

	for (int i = 0; i < Min(lookup->meters_known, MEMO_METERS); i++)
		if (billing_same_text(lookup->known[i].meter_id, meter_id))
			return lookup->known[i].exists ? &lookup->known[i].meter : NULL;
	memo = &lookup->known[lookup->meters_known++ % MEMO_METERS];
	memo->meter_id = (text *) DatumGetPointer(datumCopy(PointerGetDatum(meter_id), false, -1));
	memo->exists = read_meter(lookup, meter_id, &memo->meter);
	return memo->exists ? &memo->meter : NULL;
}

static bool
covers(const SubscriptionMemo *subscription, DateADT day)
{
	return subscription->starts <= day && (DATE_IS_NOEND(subscription->ends) || subscription->ends > day);
}

/* Takes a subscription's days. */
static void
take_days(UsageLookup *lookup, HeapTuple tuple, SubscriptionMemo *found)
{
	TupleDesc columns = RelationGetDescr(lookup->subscriptions);
	bool isnull;
	Datum ends = heap_getattr(tuple, lookup->ends, columns, &isnull);

	found->ends = isnull ? DATEVAL_NOEND : DatumGetDateADT(ends);
	found->starts = DatumGetDateADT(heap_getattr(tuple, lookup->starts, columns, &isnull));
}

bool
usage_lookup_subscription(UsageLookup *lookup, text *tenant_id, text *account_id, DateADT day)
{
	SubscriptionMemo *memo = &lookup->subscription;
	SubscriptionMemo found = {tenant_id, account_id, 0, 0};
	ScanKeyData key[2];
	SysScanDesc scan;
	HeapTuple tuple;
	bool is_covered = false;

	if (memo->tenant_id != NULL && billing_same_text(memo->tenant_id, tenant_id) &&
		billing_same_text(memo->account_id, account_id) && covers(memo, day))
		return true;
	billing_key_text(&key[0], lookup->tenant_id, tenant_id);
	billing_key_text(&key[1], lookup->account_id, account_id);
	scan = systable_beginscan(lookup->subscriptions, lookup->subscriptions_index, true, GetActiveSnapshot(),
							  lengthof(key), key);
	while (!is_covered && HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		take_days(lookup, tuple, &found);
		is_covered = covers(&found, day);
	}
	systable_endscan(scan);
	if (is_covered)
		*memo = found;
	return is_covered;
}
