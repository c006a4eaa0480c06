/*
 * partition.c: days and their months. A month without partition is refused before the write, with what to do about it.
 */
#include "postgres.h"
#include "fmgr.h"

#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "datatype/timestamp.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/datetime.h"
#include "utils/lsyscache.h"

#include "server/server.h"

DateADT
billing_utc_day(TimestampTz instant)
{
	/* Both count from 2000-01-01; divide downwards, for instants before it. */
	int64 day = instant / USECS_PER_DAY;

	return (DateADT) (instant % USECS_PER_DAY < 0 ? day - 1 : day);
}

/* The one place that knows how a partition is called. */
static void
partition_name(char name[NAMEDATALEN], const char *table, int year, int month)
{
	snprintf(name, NAMEDATALEN, "%s_%04d_%02d", table, year, month);
}

bool
billing_has_partition(const char *table, int year, int month)
{
	char name[NAMEDATALEN];

	partition_name(name, table, year, month);
	return OidIsValid(get_relname_relid(name, get_namespace_oid("billing", false)));
}

/* Whether retention dropped the month of a day. */
static bool
is_closed(const char *table, DateADT day)
{
	static const Oid types[] = {TEXTOID, DATEOID};
	Datum values[] = {CStringGetTextDatum(table), DateADTGetDatum(day)};
	bool closed;

	billing_spi_connect();
	closed = billing_spi_run(
				 "SELECT FROM billing.partitioned_tables WHERE table_name = $1 AND $2 < dropped_before",
				 lengthof(types), types, values, NULL) > 0;
	billing_spi_finish();
	return closed;
}

void
billing_require_partition(const char *table, DateADT day)
{
	int year;
	int month;
	int month_day;

	if (DATE_NOT_FINITE(day))
		ereport(ERROR, errcode(ERRCODE_BILLING_INVALID_PERIOD), errmsg("an infinite date is not a day"));
	j2date(day + POSTGRES_EPOCH_JDATE, &year, &month, &month_day);
	if (billing_has_partition(table, year, month))
		return;
	if (is_closed(table, day))
		ereport(ERROR, errcode(ERRCODE_BILLING_NO_PARTITION),
				errmsg("month %04d-%02d of table \"%s\" is closed", year, month, table),
				errdetail("Retention dropped it; billing.retention_actions says when."));
	ereport(ERROR, errcode(ERRCODE_BILLING_NO_PARTITION),
			errmsg("table \"%s\" has no partition for %04d-%02d", table, year, month),
			errhint("Run: SELECT billing.ensure_partitions('%04d-%02d-01', '%04d-%02d-01');", year, month,
					month == 12 ? year + 1 : year, month == 12 ? 1 : month + 1));
}

BILLING_FUNCTION(billing_require_partition_sql)
{
	billing_require_partition(text_to_cstring(PG_GETARG_TEXT_PP(0)), PG_GETARG_DATEADT(1));
	PG_RETURN_VOID();
}

BILLING_FUNCTION(billing_partition_name)
{
	char name[NAMEDATALEN];
	DateADT day = PG_GETARG_DATEADT(1);
	int year;
	int month;
	int month_day;

	if (DATE_NOT_FINITE(day))
		ereport(ERROR, errcode(ERRCODE_BILLING_INVALID_PERIOD), errmsg("an infinite date is not a day"));
	j2date(day + POSTGRES_EPOCH_JDATE, &year, &month, &month_day);
	partition_name(name, text_to_cstring(PG_GETARG_TEXT_PP(0)), year, month);
	PG_RETURN_TEXT_P(cstring_to_text(name));
}
