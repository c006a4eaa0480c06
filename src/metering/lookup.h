/*
 * lookup.h: what an event must name, as the active snapshot shows it.
 */
#ifndef BILLING_METERING_LOOKUP_H
#define BILLING_METERING_LOOKUP_H

#include "metering/metering.h"

typedef struct UsageLookup UsageLookup;

/*
 * Opens the tables of schema billing, for one statement's worth of questions: answers are remembered until it is closed.
 * NULL when they or their indexes are not as they were made. The current memory context, the active snapshot and the
 * texts asked about must outlive it.
 */
extern UsageLookup *usage_lookup_open(Oid schema);
extern void usage_lookup_close(UsageLookup *lookup);

/* The meter, or NULL when there is none; valid until 16 others were asked for. */
extern const UsageMeter *usage_lookup_meter(UsageLookup *lookup, const text *meter_id);

/* Whether the account has a subscription on the day. */
extern bool usage_lookup_subscription(UsageLookup *lookup, text *tenant_id, text *account_id, DateADT day);

#endif
