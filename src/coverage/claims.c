/*
 * claims.c: who claims to be whom: claims, disputes, their escalation and resolution.
 *
 * Events are chained per tenant, so whoever writes some locks the heads of
 * the tenants first and looks at the claims only then.
 */
#include "postgres.h"
#include "fmgr.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "access/access.h"
#include "coverage/coverage.h"
#include "embedded.h"
#include "server/card.h"

/* In the order of the parameters of statements/claim*.sql. */
enum ClaimColumn
{
	CLAIM_TENANT,
	CLAIM_DEVICE,
	CLAIM_TYPE,
	CLAIM_VALUE,
	CLAIM_ACTOR,
	CLAIM_REASON,
	CLAIM_DAY
};

static const CoverageShape claim_shape = {"claim",
										  7,
										  {{"tenant", NULL, false, true},
										   {"device", NULL, false, true},
										   {"identity_type", NULL, false, true},
										   {"identity_value", NULL, false, true},
										   {"actor", NULL, false, false},
										   {"reason", NULL, false, false},
										   {"claimed_on", NULL, true, false}}};

/* Makes and locks the heads of the tenants of an array, in their order. */
static void
lock_heads(Datum tenants)
{
	Oid types[] = {TEXTARRAYOID};

	billing_spi_run("INSERT INTO billing.identity_claim_heads (tenant_id)"
					" SELECT DISTINCT t COLLATE \"C\" FROM unnest($1) AS t ORDER BY 1 ON CONFLICT DO NOTHING",
					1, types, &tenants, NULL);
	billing_spi_run("SELECT FROM billing.identity_claim_heads WHERE tenant_id = ANY ($1) ORDER BY tenant_id "
					"FOR UPDATE",
					1, types, &tenants, NULL);
}

static const char *
chained(const char *happened)
{
	return psprintf("%s%s", happened, SQL_COVERAGE_CLAIM_CHAIN);
}

static int64
make_claims(const CoverageRows *rows)
{
	if (rows->count == 0)
		return 0;
	coverage_rows_check(rows, SQL_COVERAGE_CLAIM_CHECK);
	lock_heads(coverage_rows_array(rows, CLAIM_TENANT));
	coverage_rows_check(rows, SQL_COVERAGE_CLAIM_CHECK);
	return coverage_rows_run(rows, chained(SQL_COVERAGE_CLAIM));
}

/* The status of the claim that is the only row. */
static text *
claim_status(const CoverageRows *rows)
{
	Oid types[] = {TEXTOID, TEXTOID, TEXTOID, TEXTOID};
	Datum values[] = {rows->values[CLAIM_TENANT][0], rows->values[CLAIM_DEVICE][0],
					  rows->values[CLAIM_TYPE][0], rows->values[CLAIM_VALUE][0]};

	if (billing_spi_run("SELECT c.status FROM billing.identity_claims c JOIN billing.devices d ON "
						"d.tenant_id = c.tenant_id AND d.device_id = c.device_id"
						" WHERE c.tenant_id = $1 AND d.device_key = $2 AND c.identity_type = $3 AND "
						"c.identity_value = $4",
						lengthof(types), types, values, NULL) != 1)
		elog(ERROR, "a claim just made is not there");
	return cstring_to_text(billing_spi_text(0, 1));
}

BILLING_FUNCTION(billing_claim_identity)
{
	static const int columns[] = {CLAIM_TENANT, CLAIM_DEVICE, CLAIM_TYPE,  CLAIM_VALUE,
								  CLAIM_DAY,	CLAIM_ACTOR,  CLAIM_REASON};
	CoverageRows *rows = coverage_rows_from_arguments(&claim_shape, fcinfo, columns, lengthof(columns));
	MemoryContext caller = CurrentMemoryContext;
	text *status;
	text *result;

	coverage_rows_require_tenant(rows);
	billing_spi_connect();
	make_claims(rows);
	status = claim_status(rows);
	result = MemoryContextAlloc(caller, VARSIZE(status));
	memcpy(result, status, VARSIZE(status));
	billing_spi_finish();
	PG_RETURN_TEXT_P(result);
}

BILLING_FUNCTION(billing_claim_identities)
{
	CoverageRows *rows = coverage_rows_from_json(&claim_shape, PG_GETARG_JSONB_P(0));
	int64 made;

	coverage_rows_require_tenant(rows);
	billing_spi_connect();
	made = make_claims(rows);
	billing_spi_finish();
	PG_RETURN_INT32((int32) made);
}

/* ---- resolution ---- */

/* In the order of the parameters of statements/resolve*.sql; the check has only the first of them. */
enum ResolveParameter
{
	RESOLVE_TENANT,
	RESOLVE_TYPE,
	RESOLVE_VALUE,
	RESOLVE_WINNER,
	RESOLVE_BY,
	RESOLVE_MOVED_ON,
	RESOLVE_CHECKED,
	RESOLVE_ACTOR = RESOLVE_CHECKED,
	RESOLVE_REASON,
	RESOLVE_PARAMETERS
};

static const Oid resolve_types[RESOLVE_PARAMETERS] = {TEXTOID, TEXTOID, TEXTOID, TEXTOID,
													  TEXTOID, DATEOID, TEXTOID, TEXTOID};

static const char *const resolve_names[RESOLVE_PARAMETERS] = {
	"tenant", "identity_type", "identity_value", "winner", "by", "moved_on", "actor", "reason"};

typedef struct Resolution
{
	Datum values[RESOLVE_PARAMETERS];
	char nulls[RESOLVE_PARAMETERS];
} Resolution;

static const char *
resolution_text(const Resolution *resolution, enum ResolveParameter parameter)
{
	return resolution->nulls[parameter] == 'n' ? "" : TextDatumGetCString(resolution->values[parameter]);
}

static void
check_resolution(const Resolution *resolution)
{
	const char *by = resolution_text(resolution, RESOLVE_BY);
	bool has_winner = resolution->nulls[RESOLVE_WINNER] == ' ';

	for (int i = 0; i < RESOLVE_PARAMETERS; i++)
		if (i != RESOLVE_WINNER && i != RESOLVE_MOVED_ON && *resolution_text(resolution, i) == '\0')
			ereport(ERROR, errcode(ERRCODE_BILLING_INVALID_ARGUMENT),
					errmsg("%s must be given", resolve_names[i]));
	if (strcmp(by, "merge") != 0 && strcmp(by, "split") != 0 && strcmp(by, "transfer") != 0)
		ereport(ERROR, errcode(ERRCODE_BILLING_INVALID_ARGUMENT),
				errmsg("a dispute cannot be resolved by \"%s\"", by),
				errhint("It is resolved by merge, split or transfer."));
	if (has_winner != (strcmp(by, "split") != 0))
		ereport(ERROR, errcode(ERRCODE_BILLING_INVALID_ARGUMENT),
				has_winner ? errmsg("a split has no winner") : errmsg("a %s needs its winner", by));
	if (resolution->nulls[RESOLVE_MOVED_ON] == ' ' && strcmp(by, "transfer") != 0)
		ereport(ERROR, errcode(ERRCODE_BILLING_INVALID_ARGUMENT), errmsg("a %s has no day moved", by));
	if (resolution->nulls[RESOLVE_MOVED_ON] == ' ' &&
		DATE_NOT_FINITE(DatumGetDateADT(resolution->values[RESOLVE_MOVED_ON])))
		ereport(ERROR, errcode(ERRCODE_BILLING_INVALID_PERIOD), errmsg("an infinite date is not a day"));
}

static int64
stand_count(int column)
{
	bool isnull;

	return DatumGetInt64(billing_spi_value(0, column, &isnull));
}

static bool
stand_flag(int column)
{
	bool isnull;

	return DatumGetBool(billing_spi_value(0, column, &isnull)) && !isnull;
}

/* Whether there is something to resolve: false when it was resolved just so before. */
static bool
dispute_is_open(const Resolution *resolution)
{
	const char *type = resolution_text(resolution, RESOLVE_TYPE);
	const char *value = resolution_text(resolution, RESOLVE_VALUE);

	billing_spi_run(SQL_COVERAGE_RESOLVE_CHECK, RESOLVE_CHECKED, resolve_types, resolution->values,
					resolution->nulls);
	if (stand_count(1) == 0)
		ereport(ERROR, errcode(ERRCODE_BILLING_UNKNOWN_CLAIM),
				errmsg("nobody of tenant \"%s\" claims %s \"%s\"",
					   resolution_text(resolution, RESOLVE_TENANT), type, value));
	if (stand_count(2) == 0 && stand_flag(4))
		return false;
	if (stand_count(2) == 0)
		ereport(ERROR, errcode(ERRCODE_BILLING_WRONG_STATE),
				errmsg("%s \"%s\" is not in dispute", type, value));
	if (resolution->nulls[RESOLVE_WINNER] == ' ' && !stand_flag(3))
		ereport(ERROR, errcode(ERRCODE_BILLING_UNKNOWN_CLAIM),
				errmsg("device \"%s\" does not claim %s \"%s\"", resolution_text(resolution, RESOLVE_WINNER),
					   type, value));
	return true;
}

static bool
dispute_resolve(const Resolution *resolution)
{
	Oid types[] = {TEXTOID};
	bool is_open;

	billing_require_tenant(DatumGetTextPP(resolution->values[RESOLVE_TENANT]), true);
	billing_spi_connect();
	billing_spi_run("SELECT FROM billing.identity_claim_heads WHERE tenant_id = $1 FOR UPDATE", 1, types,
					resolution->values, NULL);
	is_open = dispute_is_open(resolution);
	if (is_open)
		billing_spi_run(chained(SQL_COVERAGE_RESOLVE), RESOLVE_PARAMETERS, resolve_types, resolution->values,
						resolution->nulls);
	billing_spi_finish();
	return is_open;
}

BILLING_FUNCTION(billing_resolve_claim)
{
	static const enum ResolveParameter parameters[] = {RESOLVE_TENANT, RESOLVE_TYPE,   RESOLVE_VALUE,
													   RESOLVE_BY,	   RESOLVE_WINNER, RESOLVE_MOVED_ON,
													   RESOLVE_ACTOR,  RESOLVE_REASON};
	Resolution resolution;

	billing_refuse_card_arguments(fcinfo);
	for (int i = 0; i < lengthof(parameters); i++)
	{
		resolution.nulls[parameters[i]] = PG_ARGISNULL(i) ? 'n' : ' ';
		resolution.values[parameters[i]] = PG_ARGISNULL(i) ? (Datum) 0 : PG_GETARG_DATUM(i);
	}
	check_resolution(&resolution);
	PG_RETURN_BOOL(dispute_resolve(&resolution));
}

/* ---- escalation ---- */

BILLING_FUNCTION(billing_escalate_disputes)
{
	Oid types[] = {TIMESTAMPTZOID};
	Datum values[] = {PG_GETARG_DATUM(0)};
	int64 escalated;

	billing_spi_connect();
	billing_spi_run("SELECT FROM billing.identity_claim_heads h WHERE EXISTS ("
					"SELECT FROM billing.coverage_disputes d WHERE d.tenant_id = h.tenant_id AND "
					"d.escalated_at IS NULL AND d.due_at <= $1)"
					" ORDER BY tenant_id FOR UPDATE",
					1, types, values, NULL);
	billing_spi_run(chained(SQL_COVERAGE_ESCALATE), lengthof(types), types, values, NULL);
	escalated = stand_count(2);
	billing_spi_finish();
	PG_RETURN_INT32((int32) escalated);
}
