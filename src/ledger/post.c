/*
 * post.c: the only writers of billing.ledger_entries.
 *
 * What posts commits synchronously whatever the session says: who was told of
 * an entry, or saw one, finds it after a crash.
 */
#include "postgres.h"
#include "fmgr.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "embedded.h"
#include "ledger/write.h"
#include "server/card.h"
#include "server/fault.h"

char *
ledger_insert(const char *select)
{
	ForceSyncCommit();
	return billing_sql_fill(SQL_LEDGER_INSERT_ENTRIES, "@entries@", select);
}

/* One entry by hand, as billing.post_entry() takes it; the order is that of statements/post_entry.sql. */
enum
{
	ARG_TENANT,
	ARG_ENTRY_TYPE,
	ARG_AMOUNT,
	ARG_CURRENCY,
	ARG_ACCOUNT,
	ARG_MEMO,
	ARG_POSTED_ON,
	ARG_COUNT
};

/* The last is the id, which is no argument. */
static const Oid post_types[ARG_COUNT + 1] = {TEXTOID, TEXTOID, INT8OID, TEXTOID,
											  TEXTOID, TEXTOID, DATEOID, UUIDOID};

/* Says which of the names in a refused posting is not known; one of them is not. */
static void
report_refused_entry(const Datum *values)
{
	char *tenant = TextDatumGetCString(values[ARG_TENANT]);
	char *entry_type = TextDatumGetCString(values[ARG_ENTRY_TYPE]);
	char *currency = TextDatumGetCString(values[ARG_CURRENCY]);
	char *account = TextDatumGetCString(values[ARG_ACCOUNT]);

	if (billing_spi_run("SELECT FROM billing.accounts WHERE tenant_id = $1 AND account_id = $5", ARG_COUNT,
						post_types, values, NULL) == 0)
		ereport(ERROR, errcode(ERRCODE_BILLING_UNKNOWN_ACCOUNT),
				errmsg("tenant \"%s\" has no account \"%s\"", tenant, account),
				errhint("Create it with billing.create_account()."));
	if (billing_spi_run("SELECT FROM billing.currencies WHERE currency = $4", ARG_COUNT, post_types, values,
						NULL) == 0)
		ereport(ERROR, errcode(ERRCODE_BILLING_UNKNOWN_CURRENCY),
				errmsg("currency \"%s\" is not known", currency),
				errhint("See billing.currencies, or add a unit with billing.create_currency()."));
	ereport(ERROR, errcode(ERRCODE_BILLING_UNKNOWN_ENTRY_TYPE),
			errmsg("\"%s\" is not a kind of entry that can be posted by hand", entry_type),
			errhint("See billing.entry_types where by_hand."));
}

static void
check_amount(int64 amount_minor)
{
	if (amount_minor <= 0)
		ereport(
			ERROR, errcode(ERRCODE_BILLING_INVALID_ARGUMENT),
			errmsg("amount_minor is " INT64_FORMAT ", and an entry's amount must be positive", amount_minor),
			errhint("Choose the entry type by direction; undo an entry with billing.reverse_entry()."));
}

/* Through a plan kept for the life of the backend. */
static void
post_by_statement(const Datum *arguments, const char *argument_nulls, Datum entry_id)
{
	static SPIPlanPtr plan = NULL;
	Datum values[ARG_COUNT + 1];
	char nulls[ARG_COUNT + 1];

	memcpy(values, arguments, sizeof(Datum) * ARG_COUNT);
	memcpy(nulls, argument_nulls, ARG_COUNT);
	values[ARG_COUNT] = entry_id;
	nulls[ARG_COUNT] = ' ';
	billing_spi_connect();
	if (billing_spi_run_kept(&plan, SQL_LEDGER_POST_ENTRY, ARG_COUNT + 1, post_types, values, nulls) == 0)
		report_refused_entry(values);
	billing_spi_finish();
}

/* Posts under an id: this is called once per payment, so without a statement where that can be. */
static void
post_entry(const Datum *values, const char *nulls, pg_uuid_t *entry_id)
{
	HandEntry entry = {.tenant_id = DatumGetTextPP(values[ARG_TENANT]),
					   .entry_type = DatumGetTextPP(values[ARG_ENTRY_TYPE]),
					   .amount_minor = DatumGetInt64(values[ARG_AMOUNT]),
					   .currency = DatumGetTextPP(values[ARG_CURRENCY]),
					   .account_id = DatumGetTextPP(values[ARG_ACCOUNT]),
					   .memo = nulls[ARG_MEMO] == 'n' ? NULL : DatumGetTextPP(values[ARG_MEMO]),
					   .posted_on = DatumGetDateADT(values[ARG_POSTED_ON]),
					   .entry_id = entry_id};

	if (!ledger_write_by_hand(&entry))
		post_by_statement(values, nulls, UUIDPGetDatum(entry_id));
}

/* What the caller asked, for the idempotency key: every argument but the key. */
static const char *const CALL_REQUEST = "jsonb_build_array($2, $3, $4, $5, $6, $7)";

/* Whether the key was used: then *entry_id is what was given. */
static bool
is_answered(const Datum *values, const char *nulls, Datum key, pg_uuid_t *entry_id)
{
	char *before;
	Oid types[ARG_COUNT + 1];
	Datum all[ARG_COUNT + 1];
	char all_nulls[ARG_COUNT + 1];

	memcpy(types, post_types, sizeof(post_types));
	memcpy(all, values, sizeof(Datum) * ARG_COUNT);
	memcpy(all_nulls, nulls, ARG_COUNT);
	types[ARG_COUNT] = TEXTOID;
	all[ARG_COUNT] = key;
	all_nulls[ARG_COUNT] = ' ';
	billing_spi_connect();
	billing_spi_run(
		psprintf("SELECT billing.begin_call($1, 'post_entry', $8, %s) ->> 'entry_id'", CALL_REQUEST),
		ARG_COUNT + 1, types, all, all_nulls);
	before = billing_spi_text(0, 1);
	if (before != NULL)
		*entry_id = *DatumGetUUIDP(DirectFunctionCall1(uuid_in, CStringGetDatum(before)));
	billing_spi_finish();
	return before != NULL;
}

static void
keep_answer(Datum tenant, Datum key, Datum entry_id)
{
	Oid types[] = {TEXTOID, TEXTOID, UUIDOID};
	Datum values[] = {tenant, key, entry_id};

	billing_spi_connect();
	billing_spi_run("SELECT billing.end_call($1, 'post_entry', $2, jsonb_build_object('entry_id', $3))", 3,
					types, values, NULL);
	billing_spi_finish();
}

/* Today, unless the day is given. After the key's check, so that a repetition after midnight is still the same request. */
static void
settle_day(Datum *values, char *nulls)
{
	if (nulls[ARG_POSTED_ON] == 'n')
		values[ARG_POSTED_ON] = DateADTGetDatum(billing_utc_day(GetCurrentTransactionStartTimestamp()));
	nulls[ARG_POSTED_ON] = ' ';
	billing_require_partition("ledger_entries", DatumGetDateADT(values[ARG_POSTED_ON]));
}

/* Posts, unless the key was used: then the id that was given before is the result. */
static void
post_entry_once(Datum *values, char *nulls, bool has_key, Datum key, pg_uuid_t *entry_id)
{
	if (has_key && is_answered(values, nulls, key, entry_id))
		return;
	settle_day(values, nulls);
	ForceSyncCommit();
	FAULT_POINT("an entry is posted");
	post_entry(values, nulls, entry_id);
	FAULT_POINT("the answer to a posting is kept");
	if (has_key)
		keep_answer(values[ARG_TENANT], key, UUIDPGetDatum(entry_id));
}

BILLING_FUNCTION(billing_post_entry)
{
	Datum values[ARG_COUNT];
	char nulls[ARG_COUNT];
	pg_uuid_t *entry_id;

	billing_refuse_card_arguments(fcinfo);
	for (int i = 0; i < ARG_COUNT; i++)
	{
		values[i] = PG_ARGISNULL(i) ? (Datum) 0 : PG_GETARG_DATUM(i);
		nulls[i] = PG_ARGISNULL(i) ? 'n' : ' ';
		if (nulls[i] == 'n' && i != ARG_MEMO && i != ARG_POSTED_ON)
			ereport(ERROR, errcode(ERRCODE_BILLING_INVALID_ARGUMENT),
					errmsg("argument %d of post_entry is null", i + 1));
	}
	check_amount(DatumGetInt64(values[ARG_AMOUNT]));
	billing_require_installed();
	entry_id = billing_new_uuid();
	post_entry_once(values, nulls, !PG_ARGISNULL(ARG_COUNT),
					PG_ARGISNULL(ARG_COUNT) ? 0 : PG_GETARG_DATUM(ARG_COUNT), entry_id);
	PG_RETURN_UUID_P(entry_id);
}
