/*
 * aggregation.h: how the events of a meter come to one quantity, as billing.meters names it.
 */
#ifndef BILLING_CATALOG_AGGREGATION_H
#define BILLING_CATALOG_AGGREGATION_H

#include "server/server.h"

typedef enum Aggregation
{
	AGGREGATION_SUM,
	AGGREGATION_COUNT,
	AGGREGATION_MAX,
	AGGREGATION_LATEST
} Aggregation;

extern Aggregation billing_aggregation(const text *name);

/* Whether quantities are added, so that a negative one takes away. */
extern bool billing_aggregation_adds(Aggregation aggregation);

#endif
