/*
 * tally.h: what the events of one daily count come to, as SQL aggregates would have it.
 */
#ifndef BILLING_TALLY_H
#define BILLING_TALLY_H

#include "catalog/aggregation.h"
#include "core/wide.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

typedef struct Tally
{
	Aggregation aggregation;
	int scale;	  /* most decimals of any quantity added, as sum(numeric) shows them */
	int64 events; /* 0: nothing was added */
	TimestampTz latest_at;
	Int128 sum;			/* times 10^scale: of sum and count; what did not fit was carried */
	Numeric carried;	/* or NULL */
	Numeric value;		/* of max and latest */
	text *latest_event; /* of latest */
} Tally;

typedef struct TallyEvent
{
	TimestampTz occurred_at;
	text *event_id;
	Numeric quantity;
	const char *decimal; /* quantity as numeric_out() has it */
	bool corrects;
} TallyEvent;

/* Adds an event. What is kept beyond the call goes to `memory`. */
extern void tally_add(Tally *tally, const TallyEvent *event, MemoryContext memory);

/* The quantity, in the current memory context. */
extern Numeric tally_quantity(const Tally *tally);

#endif
