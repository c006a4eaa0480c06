/*
 * compact.c: what retention asks of rating and metering by their own statements: what is not rated yet, what must be kept
 * of a month's usage, and whether everything still comes out as it was when the month is gone.
 */
#include "postgres.h"
#include "fmgr.h"

#include "catalog/pg_type.h"
#include "funcapi.h"
#include "utils/builtins.h"

#include "embedded.h"
#include "server/fault.h"
#include "server/server.h"

/* Parameters of the statements that follow usage_windows. */
enum MonthParameter
{
	MONTH_TENANT, /* always null: all */
	MONTH_FROM,	  /* of the windows that counted usage of the month, the first and the last day */
	MONTH_TO,
	MONTH_START,
	MONTH_END,
	MONTH_PARAMETERS
};

static const Oid month_types[MONTH_PARAMETERS] = {TEXTOID, DATEOID, DATEOID, DATEOID, DATEOID};
static const char *const month_nulls = "n    ";

/* False when no window counted anything of the month. */
static bool
read_month(DateADT month, Datum values[MONTH_PARAMETERS])
{
	static const Oid types[] = {DATEOID};
	Datum value = DateADTGetDatum(month);
	bool isnull;

	billing_spi_run("SELECT min(e.first_day), max(e.last_day), $1, ($1 + interval '1 month')::date"
					"  FROM billing.count_sync_checkpoint_events e"
					" WHERE e.first_day < ($1 + interval '1 month')::date AND e.last_day >= $1",
					1, types, &value, NULL);
	values[MONTH_TENANT] = (Datum) 0;
	for (int i = MONTH_END; i >= MONTH_FROM; i--)
		values[i] = billing_spi_value(0, i, &isnull);
	return !isnull;
}

/* The root over the parts that are kept of a month. */
static Datum
parts_digest(DateADT month)
{
	static const Oid types[] = {DATEOID};
	Datum value = DateADTGetDatum(month);
	bool isnull;

	billing_spi_run(
		billing_sql_fill("SELECT billing.merkle_agg(billing.leaf_hash(@canon@) ORDER BY u.tenant_id, "
						 "u.window_no) FROM billing.usage_window_parts u WHERE u.month = $1",
						 "@canon@", SQL_METERING_USAGE_PART_CANON),
		1, types, &value, NULL);
	return SPI_datumTransfer(billing_spi_value(0, 1, &isnull), false, -1);
}

BILLING_FUNCTION(billing_compact_usage)
{
	DateADT month = PG_GETARG_DATEADT(0);
	Datum values[MONTH_PARAMETERS];
	Datum digest;

	billing_spi_connect();
	if (read_month(month, values))
		billing_spi_run(psprintf("%s%s", SQL_METERING_USAGE_WINDOWS, SQL_RETENTION_COMPACT), MONTH_PARAMETERS,
						month_types, values, month_nulls);
	FAULT_POINT("the parts of a month are hashed");
	digest = parts_digest(month);
	billing_spi_finish();
	return digest;
}

/* Raises MB500: the caller's transaction, and so the drop, is undone. */
static void
refuse_difference(void)
{
	bool isnull;
	int64 differences = DatumGetInt64(billing_spi_value(0, 1, &isnull));

	if (differences > 0)
		ereport(
			ERROR, errcode(ERRCODE_BILLING_INTERNAL),
			errmsg("what is kept of a month does not give what was counted of it"),
			errdetail(INT64_FORMAT " windows or counts differ, one of them: %s.", differences,
					  billing_spi_text(0, 2)),
			errhint(
				"SELECT * FROM billing.replay_count_sync() tells what does not hold. Nothing was dropped."));
}

BILLING_FUNCTION(billing_check_windows)
{
	DateADT month = PG_GETARG_DATEADT(0);
	Datum values[MONTH_PARAMETERS];

	billing_spi_connect();
	if (read_month(month, values))
	{
		billing_spi_run(psprintf("%s%s%s", SQL_METERING_USAGE_WINDOWS, SQL_METERING_WINDOW_ROOTS,
								 SQL_RETENTION_CHECK_WINDOWS),
						MONTH_START + 1, month_types, values, month_nulls);
		refuse_difference();
	}
	billing_spi_finish();
	PG_RETURN_VOID();
}

BILLING_FUNCTION(billing_unrated_lines)
{
	static const Oid types[] = {DATEOID, TEXTOID, TEXTOID, DATEOID};
	Datum values[] = {PG_GETARG_DATUM(0), (Datum) 0, (Datum) 0, PG_GETARG_DATUM(1)};
	char *head;
	bool isnull;

	InitMaterializedSRF(fcinfo, 0);
	billing_spi_connect();
	billing_spi_exec("SELECT min(tenant_id), max(tenant_id) FROM billing.subscriptions");
	values[1] = billing_spi_value(0, 1, &isnull);
	values[2] = billing_spi_value(0, 2, &isnull);
	if (!isnull)
	{
		head = billing_sql_fill(SQL_RATING_RATED_NOW, "@daily_counts@", "billing.daily_counts");
		billing_spi_return((ReturnSetInfo *) fcinfo->resultinfo,
						   psprintf("%s%s", head, SQL_RETENTION_UNRATED), lengthof(types), types, values,
						   NULL);
	}
	billing_spi_finish();
	return (Datum) 0;
}
