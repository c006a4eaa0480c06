/*
 * aggregation.c: the names of aggregations.
 */
#include "postgres.h"
#include "fmgr.h"

#include "catalog/aggregation.h"

Aggregation
billing_aggregation(const text *name)
{
	static const char *const names[] = {"sum", "count", "max", "latest"};

	for (int i = 0; i < lengthof(names); i++)
		if (billing_compare_bytes(names[i], strlen(names[i]), VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name)) ==
			0)
			return (Aggregation) i;
	elog(ERROR, "unknown aggregation of a meter");
}

bool
billing_aggregation_adds(Aggregation aggregation)
{
	return aggregation == AGGREGATION_SUM || aggregation == AGGREGATION_COUNT;
}
