/*
 * metering.h: usage on its way into billing.usage_records.
 */
#ifndef BILLING_METERING_H
#define BILLING_METERING_H

#include "catalog/aggregation.h"
#include "server/server.h"
#include "utils/array.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"

/* What one usage event consists of, in the order of the parameters of statements/events_*.sql. */
typedef enum UsageColumn
{
	USAGE_TENANT,
	USAGE_METER,
	USAGE_EVENT,
	USAGE_ACCOUNT,
	USAGE_OCCURRED_AT,
	USAGE_QUANTITY,
	USAGE_DIMENSIONS,
	USAGE_ATTRIBUTION,
	USAGE_CORRELATION,
	USAGE_CORRECTS,
	USAGE_COLUMNS
} UsageColumn;

/* Types of the columns, and of arrays of them. */
extern const Oid usage_types[USAGE_COLUMNS];
extern const Oid usage_array_types[USAGE_COLUMNS];

/* Most events one call of record_usage() takes. */
#define USAGE_BATCH_MAX 100000

/* How an error message tells which event of the batch it is about. */
typedef enum UsageLabel
{
	LABEL_NONE,	 /* there is only one */
	LABEL_INDEX, /* "event 417 of 1000: " */
	LABEL_KEY	 /* "event "x" of tenant "y", meter "z": " */
} UsageLabel;

/*
 * Events by column: an array each, of `count` elements with index from 0. A
 * column left out is a null array, and a null element a value not given; which
 * ones may be, and what they then are, events_array.sql and
 * billing.usage_problem() say.
 */
typedef struct UsageBatch
{
	int count;
	UsageLabel label;
	bool has_corrections; /* whether any element of USAGE_CORRECTS is not null */
	Datum arrays[USAGE_COLUMNS];
	char nulls[USAGE_COLUMNS]; /* ' ' or 'n', as SPI takes them */
} UsageBatch;

/* Rows being gathered, to become a batch. */
typedef struct UsageRows
{
	int count;
	Datum *values[USAGE_COLUMNS];
	bool *nulls[USAGE_COLUMNS];
} UsageRows;

/* What an event says; NULL what it does not. */
typedef struct UsageContent
{
	text *tenant_id;
	text *meter_id;
	text *event_id;
	text *account_id;
	Numeric quantity;
	Jsonb *dimensions;
	Jsonb *attribution;
	text *correlation_id;
	text *corrects_event_id;
	const char *decimal; /* quantity as numeric_out() has it, by those who need it anyway */
} UsageContent;

/* Of a meter what its events must fit. */
typedef struct UsageMeter
{
	Aggregation aggregation;
	ArrayType *keys; /* of dimensions */
} UsageMeter;

/* ---- usage.c ---- */

/* What is wrong with an event, in two words at most, but for the keys of its dimensions; NULL when nothing. */
extern const char *usage_event_problem(const UsageContent *content, const UsageMeter *meter);

/* What is wrong with the dimensions of events for a meter with these keys. */
extern const char *usage_dimensions_problem(Jsonb *dimensions, ArrayType *keys);

/* Whether an event of this meter passes all that usage_card() and usage_problem() ask. */
extern bool usage_is_recordable(const UsageContent *content, const UsageMeter *meter);

/* ---- batch.c ---- */

/* Room for `count` rows, every value null, in the current memory context. */
extern UsageRows *usage_rows_create(int count);
extern void usage_rows_set(UsageRows *rows, int row, UsageColumn column, Datum value);
extern UsageBatch usage_rows_to_batch(const UsageRows *rows, UsageLabel label);

/* The rows of a batch: its arrays taken apart. */
extern UsageRows *usage_rows_from_batch(const UsageBatch *batch);

/*
 * Events from a JSON array of objects. Raises MB400, naming element and field,
 * for what is not an array, an object, a known field, or of the field's type.
 */
extern UsageBatch usage_batch_from_json(Jsonb *events);

/* ---- write.c ---- */

/* What became of some rows. */
typedef struct UsageWritten
{
	uint64 recorded; /* new */
	uint64 known;	 /* there already with the same content; corrections are not looked at */
	bool complete;	 /* false: the statement must run over all of them */
} UsageWritten;

/*
 * Does what statements/record.sql does, without a statement: writes those
 * rows that can be recorded and are new. It is not complete when it does not
 * know how to write some of them (a trigger of somebody's, a snapshot older
 * than the statement). SPI need not be connected.
 */
extern UsageWritten usage_write(const UsageRows *rows);

/* ---- record.c ---- */

/*
 * Records a batch, all or nothing, and returns how many events are new; the
 * others were there already with the same content. SPI must be connected.
 * Raises the error of the first event that cannot be recorded.
 */
extern uint64 usage_batch_record(const UsageBatch *batch);

#endif
