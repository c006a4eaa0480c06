/*
 * replay.c: billing.replay_count_sync().
 */
#include "postgres.h"
#include "fmgr.h"

#include "catalog/pg_type.h"
#include "funcapi.h"

#include "embedded.h"
#include "metering/metering.h"

static void
put_results(ReturnSetInfo *result)
{
	for (uint64 row = 0; row < SPI_processed; row++)
		tuplestore_puttuple(result->setResult, SPI_tuptable->vals[row]);
}

BILLING_FUNCTION(billing_replay_count_sync)
{
	Oid types[] = {TEXTOID};
	Datum values[] = {PG_ARGISNULL(0) ? (Datum) 0 : PG_GETARG_DATUM(0)};
	const char *nulls = PG_ARGISNULL(0) ? "n" : " ";

	InitMaterializedSRF(fcinfo, 0);
	billing_spi_connect();
	billing_spi_run(SQL_METERING_REPLAY, 1, types, values, nulls);
	put_results((ReturnSetInfo *) fcinfo->resultinfo);
	billing_spi_finish();
	PG_RETURN_NULL();
}
