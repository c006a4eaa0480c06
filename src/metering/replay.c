/*
 * replay.c: billing.replay_count_sync().
 */
#include "postgres.h"
#include "fmgr.h"

#include "catalog/pg_type.h"
#include "funcapi.h"

#include "embedded.h"
#include "metering/metering.h"

BILLING_FUNCTION(billing_replay_count_sync)
{
	Oid types[] = {TEXTOID, DATEOID, DATEOID};
	Datum values[] = {PG_ARGISNULL(0) ? (Datum) 0 : PG_GETARG_DATUM(0), (Datum) 0, (Datum) 0};
	const char *nulls = PG_ARGISNULL(0) ? "nnn" : " nn";

	InitMaterializedSRF(fcinfo, 0);
	billing_spi_connect();
	billing_spi_return(
		(ReturnSetInfo *) fcinfo->resultinfo,
		psprintf("%s%s%s", SQL_METERING_USAGE_WINDOWS, SQL_METERING_WINDOW_ROOTS, SQL_METERING_REPLAY),
		lengthof(types), types, values, nulls);
	billing_spi_finish();
	PG_RETURN_NULL();
}
