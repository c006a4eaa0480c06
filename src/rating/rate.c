/*
 * rate.c: rating as one statement over many tenants.
 *
 * The work is in statements/: rated_now.sql says what everything comes to,
 * rate.sql which revisions that makes, entries.sql what is posted for them.
 * Amounts are decided by src/core, through billing.rate_minor().
 */
#include "postgres.h"
#include "fmgr.h"

#include "catalog/pg_type.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/guc.h"

#include "access/access.h"
#include "embedded.h"
#include "ledger/ledger.h"
#include "rating/rating.h"

static const Oid rate_types[] = {DATEOID, TEXTOID, TEXTOID};

int64
rating_rate(DateADT day, TenantRange range)
{
	Datum values[] = {DateADTGetDatum(day), range.first, range.last};
	char *head = billing_sql_fill(SQL_RATING_RATED_NOW, "@daily_counts@", "billing.daily_counts");
	char *sql = psprintf("%s%s, posted AS (%s RETURNING 1)\n"
						 "SELECT (SELECT count(*) FROM new_lines), (SELECT count(*) FROM posted)",
						 head, SQL_RATING_RATE, ledger_insert(SQL_RATING_ENTRIES));
	bool isnull;
	int settings = NewGUCNestLevel();

	/* Counts are guessed to match one item in all, for which sorting them to be grouped is as good as hashing. */
	set_config_option("enable_sort", "off", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	billing_spi_run(sql, lengthof(rate_types), rate_types, values, NULL);
	AtEOXact_GUC(true, settings);
	return DatumGetInt64(billing_spi_value(0, 1, &isnull));
}

BILLING_FUNCTION(billing_rate_batch)
{
	TenantRange range = {PG_GETARG_DATUM(1), PG_GETARG_DATUM(2)};
	int64 revisions;

	billing_spi_connect();
	billing_lock_stage("billing_run");
	revisions = rating_rate(PG_GETARG_DATEADT(0), range);
	billing_spi_finish();
	PG_RETURN_INT64(revisions);
}

BILLING_FUNCTION(billing_current_charges)
{
	Datum values[] = {PG_GETARG_DATUM(1), PG_GETARG_DATUM(0), PG_GETARG_DATUM(0)};
	char *head;

	billing_require_tenant(PG_GETARG_TEXT_PP(0), false);
	InitMaterializedSRF(fcinfo, 0);
	billing_spi_connect();
	head = billing_sql_fill(SQL_RATING_RATED_NOW, "@daily_counts@", SQL_RATING_COUNTS_TO_DATE);
	billing_spi_return((ReturnSetInfo *) fcinfo->resultinfo,
					   psprintf("%s%s", head, SQL_RATING_CURRENT_CHARGES), lengthof(values), rate_types,
					   values, NULL);
	billing_spi_finish();
	return (Datum) 0;
}
