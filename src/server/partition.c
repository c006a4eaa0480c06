/*
 * partition.c: days and their months. A month without partition is refused before the write, with what to do about it.
 */
#include "postgres.h"
#include "fmgr.h"

#include "catalog/namespace.h"
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

void
billing_require_partition(const char *table, DateADT day)
{
	char name[NAMEDATALEN];
	int year;
	int month;
	int month_day;

	if (DATE_NOT_FINITE(day))
		ereport(ERROR, errcode(ERRCODE_BILLING_INVALID_PERIOD), errmsg("an infinite date is not a day"));
	j2date(day + POSTGRES_EPOCH_JDATE, &year, &month, &month_day);
	snprintf(name, sizeof(name), "%s_%04d_%02d", table, year, month);
	if (OidIsValid(get_relname_relid(name, get_namespace_oid("billing", false))))
		return;
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
