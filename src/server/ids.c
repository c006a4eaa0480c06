/*
 * ids.c: ids by time (UUID version 7) and ids derived from a natural key (version 8).
 */
#include "postgres.h"

#include "datatype/timestamp.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "core/ids.h"
#include "server/hash.h"
#include "server/server.h"

#define PARTS_ON_STACK 16

StaticAssertDecl(UUID_SIZE == UUID_LEN, "the core and the server must agree on a UUID's size");

static int64
unix_milliseconds(TimestampTz instant)
{
	return (instant + (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY) / 1000;
}

pg_uuid_t *
billing_new_uuid(void)
{
	static UuidClock clock = {0, 0};
	uint8_t random[UUID_RANDOM_SIZE];
	pg_uuid_t *uuid = palloc(sizeof(pg_uuid_t));

	if (!pg_strong_random(random, sizeof(random)))
		ereport(ERROR, errcode(ERRCODE_BILLING_INTERNAL), errmsg("could not generate random bytes"));
	if (!uuid_v7_next(&clock, unix_milliseconds(GetCurrentTimestamp()), random, uuid->data))
		ereport(ERROR, errcode(ERRCODE_BILLING_INTERNAL),
				errmsg("system clock is outside what a UUID can hold"));
	return uuid;
}

BILLING_FUNCTION(billing_uuid_v7)
{
	PG_RETURN_UUID_P(billing_new_uuid());
}

static pg_uuid_t *
derive_id(text *kind, ArrayType *array)
{
	DigestPart fixed[PARTS_ON_STACK];
	int count;
	DigestPart *parts = billing_text_parts(array, fixed, PARTS_ON_STACK, &count);
	char *kind_name = text_to_cstring(kind);
	pg_uuid_t *uuid = palloc(sizeof(pg_uuid_t));

	billing_check_digest(uuid_derive(billing_digest_context(), kind_name, parts, count, uuid->data));
	pfree(kind_name);
	return uuid;
}

BILLING_FUNCTION(billing_derive_id)
{
	PG_RETURN_UUID_P(derive_id(PG_GETARG_TEXT_PP(0), PG_GETARG_ARRAYTYPE_P(1)));
}
