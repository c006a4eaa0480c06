/*
 * dimensions.c: what statements ask about one usage event.
 */
#include "postgres.h"
#include "fmgr.h"

#include "catalog/namespace.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

#include "metering/metering.h"

static bool
is_among(const JsonbValue *key, ArrayType *keys)
{
	const char *p = ARR_DATA_PTR(keys);
	int n = ArrayGetNItems(ARR_NDIM(keys), ARR_DIMS(keys));

	if (ARR_HASNULL(keys))
		elog(ERROR, "a meter's dimension keys contain a null");
	for (int i = 0; i < n; i++)
	{
		const text *element = (const text *) p;

		if (VARSIZE_ANY_EXHDR(element) == key->val.string.len &&
			memcmp(VARDATA_ANY(element), key->val.string.val, key->val.string.len) == 0)
			return true;
		p = att_addlength_pointer(p, -1, p);
		p = (const char *) att_align_nominal(p, TYPALIGN_INT);
	}
	return false;
}

static bool
are_dimensions(Jsonb *dimensions, ArrayType *keys)
{
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue value;

	if (!JB_ROOT_IS_OBJECT(dimensions))
		return false;
	if (JB_ROOT_COUNT(dimensions) == 0)
		return true;
	iterator = JsonbIteratorInit(&dimensions->root);
	while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
	{
		if (token == WJB_KEY && !is_among(&value, keys))
			return false;
		if (token == WJB_VALUE && value.type != jbvString)
			return false;
	}
	return true;
}

BILLING_FUNCTION(billing_are_dimensions)
{
	Jsonb *dimensions = PG_GETARG_JSONB_P(0);
	bool result = are_dimensions(dimensions, PG_GETARG_ARRAYTYPE_P(1));

	PG_FREE_IF_COPY(dimensions, 0);
	PG_RETURN_BOOL(result);
}

/* The month asked about last, and the answer: events of one statement lie close together. */
typedef struct PartitionMemo
{
	int year;
	int month;
	bool exists;
} PartitionMemo;

static bool
usage_partition_exists(int year, int month)
{
	char name[NAMEDATALEN];

	snprintf(name, sizeof(name), "usage_records_%04d_%02d", year, month);
	return OidIsValid(get_relname_relid(name, get_namespace_oid("billing", false)));
}

BILLING_FUNCTION(billing_has_usage_partition)
{
	TimestampTz occurred_at = PG_GETARG_TIMESTAMPTZ(0);
	PartitionMemo *memo = fcinfo->flinfo->fn_extra;
	int year, month, day;

	if (TIMESTAMP_NOT_FINITE(occurred_at))
		PG_RETURN_BOOL(false);
	j2date(billing_utc_day(occurred_at) + POSTGRES_EPOCH_JDATE, &year, &month, &day);
	if (memo == NULL)
		memo = fcinfo->flinfo->fn_extra =
			MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt, sizeof(PartitionMemo));
	if (memo->year != year || memo->month != month)
		*memo = (PartitionMemo){year, month, usage_partition_exists(year, month)};
	PG_RETURN_BOOL(memo->exists);
}
