/*
 * replay.c: the state of days derived again: billing.derive_coverage() and billing.replay_coverage().
 */
#include "postgres.h"
#include "fmgr.h"

#include "catalog/pg_type.h"
#include "funcapi.h"

#include "coverage/coverage.h"
#include "embedded.h"

BILLING_FUNCTION(billing_derive_coverage)
{
	Oid types[] = {DATEOID, DATEOID, TEXTOID};
	Datum values[] = {0, 0, 0};
	char nulls[] = {'n', 'n', 'n'};

	for (int i = 0; i < lengthof(values); i++)
		if (!PG_ARGISNULL(i))
		{
			values[i] = PG_GETARG_DATUM(i);
			nulls[i] = ' ';
		}
	if (nulls[0] == 'n' || nulls[1] == 'n' || DATE_NOT_FINITE(DatumGetDateADT(values[0])) ||
		DATE_NOT_FINITE(DatumGetDateADT(values[1])) ||
		DatumGetDateADT(values[0]) > DatumGetDateADT(values[1]))
		ereport(ERROR, errcode(ERRCODE_BILLING_INVALID_PERIOD),
				errmsg("coverage cannot be derived for these days"),
				errdetail("The first day after must not be before the first, and both are finite days."));
	coverage_require_near(DatumGetDateADT(values[1]));
	InitMaterializedSRF(fcinfo, 0);
	billing_spi_connect();
	billing_spi_return((ReturnSetInfo *) fcinfo->resultinfo,
					   coverage_statement(SQL_COVERAGE_DERIVE_DAYS,
										  "SELECT coverage_day, tenant_id, device_id, account_id, "
										  "coverage_state, plan, is_counted FROM derived",
										  false),
					   lengthof(types), types, values, nulls);
	billing_spi_finish();
	PG_RETURN_NULL();
}

BILLING_FUNCTION(billing_replay_coverage)
{
	Oid types[] = {TEXTOID};
	Datum values[] = {PG_ARGISNULL(0) ? (Datum) 0 : PG_GETARG_DATUM(0)};
	const char *nulls = PG_ARGISNULL(0) ? "n" : " ";

	InitMaterializedSRF(fcinfo, 0);
	billing_spi_connect();
	billing_spi_return((ReturnSetInfo *) fcinfo->resultinfo,
					   coverage_statement(SQL_COVERAGE_REPLAY_AFFECTED, SQL_COVERAGE_REPLAY, false),
					   lengthof(types), types, values, nulls);
	billing_spi_finish();
	PG_RETURN_NULL();
}
