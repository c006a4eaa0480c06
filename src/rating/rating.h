/*
 * rating.h: rating for the modules below.
 */
#ifndef BILLING_RATING_H
#define BILLING_RATING_H

#include "server/server.h"

/* The tenants a stage works on: first <= tenant_id <= last, in byte order. */
typedef struct TenantRange
{
	Datum first; /* text */
	Datum last;	 /* text */
} TenantRange;

/*
 * Rates `range` up to `day`, posts the differences, and returns the number of
 * revisions written. The caller has locked them and holds an SPI
 * connection.
 */
extern int64 rating_rate(DateADT day, TenantRange range);

#endif
