/*
 * erase.c: erasing subjects, and destroying what was kept of them when its time is over.
 */
#include "postgres.h"
#include "fmgr.h"

#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/uuid.h"

#include "audit/audit.h"
#include "embedded.h"
#include "privacy/privacy.h"
#include "server/fault.h"
#include "server/hash.h"

/* What an erasure came to, as jsonb in the caller's memory; false when the account was not erased. */
static bool
first_erasure(const char *tenant, const char *account, MemoryContext caller, Datum *summary)
{
	static const Oid types[] = {TEXTOID, TEXTOID};
	Datum values[] = {CStringGetTextDatum(tenant), CStringGetTextDatum(account)};
	MemoryContext before;
	bool isnull;

	if (billing_spi_run(
			"SELECT jsonb_build_object('erasure_id', e.erasure_id, 'fields_destroyed', e.fields_destroyed,"
			" 'fields_restricted', e.fields_restricted, 'purge_after', e.purge_after, 'erased_on', "
			"e.erased_on)"
			" FROM billing.erasures e WHERE e.tenant_id = $1 AND e.account_id = $2 AND e.cause = 'request'",
			lengthof(types), types, values, NULL) == 0)
		return false;
	before = MemoryContextSwitchTo(caller);
	*summary = datumCopy(billing_spi_value(0, 1, &isnull), false, -1);
	MemoryContextSwitchTo(before);
	return true;
}

/* SHA-256 over the erasure's id and the reason. */
static bytea *
reason_hash(Datum erasure_id, const char *reason)
{
	DigestContext *context = billing_digest_context();
	uint8_t hash[DIGEST_SIZE];

	billing_check_digest(digest_reset(context));
	billing_check_digest(digest_update(context, DatumGetUUIDP(erasure_id)->data, UUID_LEN));
	billing_check_digest(digest_update(context, reason, strlen(reason)));
	billing_check_digest(digest_final(context, hash));
	return billing_hash_bytea(hash);
}

static void
erase(const char *tenant, const char *account, const char *reason, Datum today, Datum keep_years)
{
	static const Oid types[] = {TEXTOID, TEXTOID, UUIDOID, BYTEAOID, DATEOID, INT4OID};
	Datum values[] = {CStringGetTextDatum(tenant), CStringGetTextDatum(account), 0, 0, today, keep_years};
	bool isnull;

	billing_spi_exec("SELECT billing.uuid_v7()");
	values[2] = datumCopy(billing_spi_value(0, 1, &isnull), false, UUID_LEN);
	values[3] = PointerGetDatum(reason_hash(values[2], reason));
	FAULT_POINT("a subject is erased");
	billing_spi_run(SQL_PRIVACY_ERASE, lengthof(types), types, values, NULL);
}

static void
check_day(FunctionCallInfo fcinfo, int number)
{
	static const Oid types[] = {DATEOID};
	Datum value = PG_ARGISNULL(number) ? (Datum) 0 : PG_GETARG_DATUM(number);

	billing_spi_run("SELECT billing.check_day('today', $1)", 1, types, &value,
					PG_ARGISNULL(number) ? "n" : NULL);
}

/* Not billing.check_text(): the reason goes into no statement. */
static char *
reason_argument(FunctionCallInfo fcinfo, int number)
{
	char *reason = privacy_argument(fcinfo, number, "reason");
	int length = pg_mbstrlen(reason);

	if (strspn(reason, " ") == strlen(reason) || length > 1000)
		ereport(ERROR, errcode(ERRCODE_BILLING_INVALID_ARGUMENT),
				errmsg("reason must have 1 to 1000 characters, not all blank"),
				errdetail("Its length is %d.", length));
	return reason;
}

BILLING_FUNCTION(billing_erase_subject)
{
	AuditEntry entry;
	char *tenant = privacy_argument(fcinfo, 0, "tenant");
	char *account = privacy_argument(fcinfo, 1, "account");
	char *reason = reason_argument(fcinfo, 2);
	MemoryContext caller = CurrentMemoryContext;
	Datum summary;

	if (PG_ARGISNULL(4) || PG_GETARG_INT32(4) < 0 || PG_GETARG_INT32(4) > 100)
		ereport(ERROR, errcode(ERRCODE_BILLING_INVALID_ARGUMENT),
				errmsg("years to keep data are not between 0 and 100"));
	audit_enter(&entry, fcinfo);
	billing_spi_connect();
	check_day(fcinfo, 3);
	privacy_lock_account(tenant, account);
	if (!first_erasure(tenant, account, caller, &summary))
	{
		erase(tenant, account, reason, PG_GETARG_DATUM(3), PG_GETARG_DATUM(4));
		if (!first_erasure(tenant, account, caller, &summary))
			elog(ERROR, "no erasure was recorded");
	}
	billing_spi_finish();
	audit_leave(&entry);
	PG_RETURN_DATUM(summary);
}

BILLING_FUNCTION(billing_purge_subjects)
{
	AuditEntry entry;
	static const Oid types[] = {DATEOID};
	Datum value = PG_ARGISNULL(0) ? (Datum) 0 : PG_GETARG_DATUM(0);
	uint64 count;

	audit_enter(&entry, fcinfo);
	billing_spi_connect();
	check_day(fcinfo, 0);
	FAULT_POINT("data keys are destroyed");
	count = billing_spi_run(SQL_PRIVACY_PURGE, lengthof(types), types, &value, NULL);
	billing_spi_finish();
	audit_leave(&entry);
	PG_RETURN_INT32((int32) count);
}
