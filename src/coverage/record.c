/*
 * record.c: registering and enrolling devices, and recording their coverage.
 *
 * Each call looks for what is wrong first, and then writes all of it in one
 * statement. What another session wrote under the same id in between shows as
 * a row too few, and is looked at again.
 */
#include "postgres.h"
#include "fmgr.h"

#include "catalog/namespace.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "coverage/coverage.h"
#include "embedded.h"

/* In the order of the parameters of statements/register*.sql. */
static const CoverageShape device_shape = {"device",
										   8,
										   {{"tenant", NULL, false, true},
											{"device", NULL, false, true},
											{"device_type", NULL, false, false},
											{"attestation", NULL, false, false},
											{"account", NULL, false, false},
											{"plan", NULL, false, false},
											{"enrolled_from", NULL, true, false},
											{"enrolled_to", NULL, true, false}}};

/* Of statements/enroll*.sql. */
enum EnrollmentColumn
{
	ENROLLMENT_TENANT,
	ENROLLMENT_DEVICE,
	ENROLLMENT_EVENT,
	ENROLLMENT_ACTION,
	ENROLLMENT_ACCOUNT,
	ENROLLMENT_PLAN,
	ENROLLMENT_FROM,
	ENROLLMENT_TO
};

static const CoverageShape enrollment_shape = {"enrollment",
											   8,
											   {{"tenant", NULL, false, true},
												{"device", NULL, false, true},
												{"event_id", NULL, false, true},
												{"action", NULL, false, true},
												{"account", NULL, false, false},
												{"plan", NULL, false, false},
												{"first day", NULL, true, true},
												{"first day after", NULL, true, false}}};

/* Of statements/coverage*.sql. */
const CoverageShape coverage_event_shape = {"coverage event",
											7,
											{{"tenant", "tenant_id", false, true},
											 {"device", "device_key", false, true},
											 {"event_id", "event_id", false, true},
											 {"event_type", "event_type", false, true},
											 {"plan", "plan", false, false},
											 {"effective_from", "effective_from", true, true},
											 {"effective_to", "effective_to", true, false}}};

/*
 * No month is closed until this transaction ends: retention locks out who records before it looks, a last time, whether
 * something recorded is not yet counted. Who comes later finds the month closed, whatever its snapshot.
 */
static void
keep_months_open(void)
{
	LockRelationOid(get_relname_relid("coverage_daily_state", get_namespace_oid("billing", false)),
					RowExclusiveLock);
}

/* Checks and writes, and when that wrote less than the whole, checks again what was there already. */
static int64
check_and_write(const CoverageRows *rows, const char *check, const char *write)
{
	int64 written;

	if (rows->count == 0)
		return 0;
	keep_months_open();
	coverage_rows_check(rows, check);
	written = coverage_rows_run(rows, write);
	if (written < rows->count)
		coverage_rows_check(rows, check);
	return written;
}

int64
coverage_record(const CoverageRows *rows)
{
	return check_and_write(rows, SQL_COVERAGE_COVERAGE_CHECK, SQL_COVERAGE_COVERAGE);
}

static int64
rows_write(const CoverageRows *rows, const char *check, const char *write)
{
	int64 written;

	coverage_rows_require_tenant(rows);
	billing_spi_connect();
	written = check_and_write(rows, check, write);
	billing_spi_finish();
	return written;
}

BILLING_FUNCTION(billing_register_device)
{
	static const int columns[] = {0, 1, 2, 4, 3, 6, 7, 5};
	CoverageRows *rows = coverage_rows_from_arguments(&device_shape, fcinfo, columns, lengthof(columns));

	PG_RETURN_BOOL(rows_write(rows, SQL_COVERAGE_REGISTER_CHECK, SQL_COVERAGE_REGISTER) > 0);
}

BILLING_FUNCTION(billing_register_devices)
{
	CoverageRows *rows = coverage_rows_from_json(&device_shape, PG_GETARG_JSONB_P(0));

	PG_RETURN_INT32((int32) rows_write(rows, SQL_COVERAGE_REGISTER_CHECK, SQL_COVERAGE_REGISTER));
}

static bool
enrollment_write(CoverageRows *rows, const char *action)
{
	coverage_rows_set(rows, 0, ENROLLMENT_ACTION, CStringGetTextDatum(action));
	return rows_write(rows, SQL_COVERAGE_ENROLL_CHECK, SQL_COVERAGE_ENROLL) > 0;
}

BILLING_FUNCTION(billing_enroll_device)
{
	static const int columns[] = {ENROLLMENT_TENANT, ENROLLMENT_DEVICE,	 ENROLLMENT_EVENT, ENROLLMENT_FROM,
								  ENROLLMENT_TO,	 ENROLLMENT_ACCOUNT, ENROLLMENT_PLAN};

	PG_RETURN_BOOL(enrollment_write(
		coverage_rows_from_arguments(&enrollment_shape, fcinfo, columns, lengthof(columns)), "enroll"));
}

BILLING_FUNCTION(billing_withdraw_device)
{
	static const int columns[] = {ENROLLMENT_TENANT, ENROLLMENT_DEVICE, ENROLLMENT_EVENT, ENROLLMENT_FROM,
								  ENROLLMENT_TO};

	PG_RETURN_BOOL(enrollment_write(
		coverage_rows_from_arguments(&enrollment_shape, fcinfo, columns, lengthof(columns)), "withdraw"));
}

BILLING_FUNCTION(billing_record_coverage)
{
	static const int columns[] = {0, 1, 2, 3, 5, 6, 4};
	CoverageRows *rows =
		coverage_rows_from_arguments(&coverage_event_shape, fcinfo, columns, lengthof(columns));

	PG_RETURN_BOOL(rows_write(rows, SQL_COVERAGE_COVERAGE_CHECK, SQL_COVERAGE_COVERAGE) > 0);
}

BILLING_FUNCTION(billing_record_coverage_json)
{
	CoverageRows *rows = coverage_rows_from_json(&coverage_event_shape, PG_GETARG_JSONB_P(0));

	PG_RETURN_INT32((int32) rows_write(rows, SQL_COVERAGE_COVERAGE_CHECK, SQL_COVERAGE_COVERAGE));
}
