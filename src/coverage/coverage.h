/*
 * coverage.h: devices, what is said of their coverage, and who claims to be whom.
 */
#ifndef BILLING_COVERAGE_H
#define BILLING_COVERAGE_H

#include "server/server.h"
#include "utils/jsonb.h"

/* Most columns of a shape, and most rows one call takes. */
#define COVERAGE_COLUMNS_MAX 8
#define COVERAGE_BATCH_MAX 100000

/* How far ahead of today days are derived and counted: what a slip of the pen asks for beyond would take for ever. */
#define COVERAGE_YEARS_AHEAD 10

/* The tenant is the first column of every shape. */
#define COVERAGE_TENANT 0

/* ---- rows.c: what a call brings, by column ---- */

typedef struct CoverageField
{
	const char *name;	/* in JSON and in messages */
	const char *column; /* of a source that is imported */
	bool is_date;		/* else text */
	bool required;
} CoverageField;

/* What one row of a kind consists of, in the order of its statements' parameters. */
typedef struct CoverageShape
{
	const char *noun;
	int count;
	CoverageField fields[COVERAGE_COLUMNS_MAX];
} CoverageShape;

typedef struct CoverageRows
{
	const CoverageShape *shape;
	int count;
	bool is_single; /* messages then do not say which row it is */
	Datum *values[COVERAGE_COLUMNS_MAX];
	bool *nulls[COVERAGE_COLUMNS_MAX];
} CoverageRows;

/* Room for `count` rows, every value null, in the current memory context. */
extern CoverageRows *coverage_rows_create(const CoverageShape *shape, int count);
extern void coverage_rows_set(CoverageRows *rows, int row, int column, Datum value);

/* One row of the SQL function's arguments: argument i is column columns[i]. Raises MB400 for a required one that is null. */
extern CoverageRows *coverage_rows_from_arguments(const CoverageShape *shape, FunctionCallInfo fcinfo,
												  const int *columns, int count);

/* Rows of a JSON array of objects. Raises MB400, naming row and field, for what is not an array, an object, a known
 * field, or of the field's type. */
extern CoverageRows *coverage_rows_from_json(const CoverageShape *shape, Jsonb *document);

/* Every row must be of the caller's tenant, when it has only one: billing_require_tenant(). */
extern void coverage_rows_require_tenant(const CoverageRows *rows);

/* Raises the first row's problem that `check`, a statement with the shape's columns as array parameters, returns. SPI must be connected. */
extern void coverage_rows_check(const CoverageRows *rows, const char *check);

/* Runs a statement with the shape's columns as array parameters, which returns one row; column 1 of it as a number. */
extern int64 coverage_rows_run(const CoverageRows *rows, const char *statement);

/* A column as an array, for a statement of another form. */
extern Datum coverage_rows_array(const CoverageRows *rows, int column);

/* ---- record.c ---- */

extern const CoverageShape coverage_event_shape;

/* Records coverage events, all or none, and returns how many are new. SPI must be connected. */
extern int64 coverage_record(const CoverageRows *rows);

/* ---- sync.c ---- */

/* The statement with its @fence@s filled in: `probe` looks each device up by index, else tables are joined as wholes. */
extern const char *coverage_statement(const char *head, const char *tail, bool probe);

/* Raises MB417 for a day that is infinite or more than COVERAGE_YEARS_AHEAD from today. */
extern void coverage_require_near(DateADT day);

#endif
