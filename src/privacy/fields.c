/*
 * fields.c: storing and reading personal fields.
 */
#include "postgres.h"
#include "fmgr.h"

#include <openssl/crypto.h>
#include <stdlib.h>

#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"

#include "access/access.h"
#include "audit/audit.h"
#include "core/personal.h"
#include "embedded.h"
#include "privacy/privacy.h"
#include "server/card.h"
#include "server/fault.h"

char *
privacy_argument(FunctionCallInfo fcinfo, int number, const char *what)
{
	CardFinding finding;

	if (PG_ARGISNULL(number))
		ereport(ERROR, errcode(ERRCODE_BILLING_INVALID_ARGUMENT), errmsg("%s is null", what));
	finding = billing_card_in_text(PG_GETARG_TEXT_PP(number));
	if (finding != CARD_NONE)
		billing_refuse_card(what, finding);
	return text_to_cstring(PG_GETARG_TEXT_PP(number));
}

static const PersonalField *
require_field(const char *name)
{
	const PersonalField *field = personal_field(name);

	if (field == NULL)
		ereport(ERROR, errcode(ERRCODE_BILLING_INVALID_ARGUMENT), errmsg("there is no such personal field"),
				errhint("Fields are address, email, phone and tax_numbers."));
	return field;
}

/* The canonical JSON of a value, palloc'd; raises MB400 or MB422 without showing any of it. */
static char *
canonical_value(const PersonalField *field, const text *value)
{
	char *canonical;
	char *copy;
	CardFinding finding;
	size_t length = 0;
	PersonalStatus status =
		personal_value(field, VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value), &canonical, &length);

	if (status == PERSONAL_NO_MEMORY)
		ereport(ERROR, errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory"));
	if (status != PERSONAL_OK)
		ereport(ERROR, errcode(ERRCODE_BILLING_INVALID_ARGUMENT),
				errmsg("%s is refused: %s", personal_field_name(field), personal_status_text(status)),
				errdetail("%s", personal_field_form(field)));
	finding = card_find(canonical, length);
	copy = finding == CARD_NONE ? palloc_extended(length + 1, MCXT_ALLOC_NO_OOM) : NULL;
	if (copy != NULL)
		memcpy(copy, canonical, length + 1);
	OPENSSL_cleanse(canonical, length);
	free(canonical);
	if (finding != CARD_NONE)
		billing_refuse_card(personal_field_name(field), finding);
	if (copy == NULL)
		ereport(ERROR, errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory"));
	return copy;
}

void
privacy_lock_account(const char *tenant, const char *account)
{
	static const Oid types[] = {TEXTOID, TEXTOID};
	Datum values[] = {CStringGetTextDatum(tenant), CStringGetTextDatum(account)};

	billing_spi_run("SELECT billing.lock_account($1, $2)", lengthof(types), types, values, NULL);
}

static bytea *
spi_bytes(uint64 row, int column)
{
	bool isnull;
	Datum value = billing_spi_value(row, column, &isnull);

	return isnull ? NULL : DatumGetByteaPCopy(value);
}

/* The subject's data key, made when there is none; raises MB473 when the subject was erased. */
static PrivacyKey
require_key(const PrivacySubject *subject)
{
	static const Oid types[] = {TEXTOID, TEXTOID, TEXTOID, TEXTOID, BYTEAOID};
	Datum values[lengthof(types)] = {CStringGetTextDatum(subject->tenant),
									 CStringGetTextDatum(subject->account),
									 CStringGetTextDatum(subject->purpose)};
	PrivacyKey key;

	if (billing_spi_run(
			"SELECT k.key_id, k.wrapped_key, k.restricted_on IS NOT NULL OR k.destroyed_at IS NOT "
			"NULL FROM billing.data_keys k WHERE k.tenant_id = $1 AND k.account_id = $2 AND "
			"k.purpose = $3",
			3, types, values, NULL) > 0)
	{
		bool isnull;

		if (DatumGetBool(billing_spi_value(0, 3, &isnull)))
			ereport(ERROR, errcode(ERRCODE_BILLING_SUBJECT_ERASED),
					errmsg("account \"%s\" of tenant \"%s\" was erased", subject->account, subject->tenant),
					errhint("Nothing personal is stored for it again; billing.create_account() makes another "
							"account."));
		return (PrivacyKey){billing_spi_text(0, 1), spi_bytes(0, 2)};
	}
	key = privacy_make_key(subject);
	FAULT_POINT("a data key is stored");
	values[3] = CStringGetTextDatum(key.key_id);
	values[4] = PointerGetDatum(key.wrapped);
	billing_spi_run(
		"INSERT INTO billing.data_keys (tenant_id, account_id, purpose, key_id, wrapped_key) VALUES "
		"($1, $2, $3, $4, $5)",
		lengthof(types), types, values, NULL);
	return key;
}

static void
remove_field(const PrivacySubject *subject, const char *field)
{
	static const Oid types[] = {TEXTOID, TEXTOID, TEXTOID};
	Datum values[] = {CStringGetTextDatum(subject->tenant), CStringGetTextDatum(subject->account),
					  CStringGetTextDatum(field)};

	billing_spi_run(
		"DELETE FROM billing.personal_fields f USING billing.data_keys k"
		" WHERE f.tenant_id = $1 AND f.account_id = $2 AND f.field = $3 AND k.tenant_id = f.tenant_id AND "
		"k.account_id = f.account_id AND k.purpose = f.purpose AND k.restricted_on IS NULL",
		lengthof(types), types, values, NULL);
}

static void
store_field(const PrivacySubject *subject, const char *field, const char *value)
{
	static const Oid types[] = {TEXTOID, TEXTOID, TEXTOID, TEXTOID, BYTEAOID};
	PrivacyKey key = require_key(subject);
	Datum values[] = {CStringGetTextDatum(subject->tenant), CStringGetTextDatum(subject->account),
					  CStringGetTextDatum(field), CStringGetTextDatum(subject->purpose),
					  PointerGetDatum(privacy_seal(subject, &key, field, value, strlen(value)))};

	FAULT_POINT("a personal field is stored");
	billing_spi_run("INSERT INTO billing.personal_fields (tenant_id, account_id, field, purpose, ciphertext) "
					"VALUES ($1, $2, $3, $4, $5) ON CONFLICT (tenant_id, account_id, field) DO UPDATE SET "
					"ciphertext = excluded.ciphertext, updated_at = now()",
					lengthof(types), types, values, NULL);
}

BILLING_FUNCTION(billing_set_personal_data)
{
	AuditEntry entry;
	PrivacySubject subject;
	const PersonalField *field;
	char *value;

	billing_require_tenant(PG_ARGISNULL(0) ? NULL : PG_GETARG_TEXT_PP(0), true);
	subject.tenant = privacy_argument(fcinfo, 0, "tenant");
	subject.account = privacy_argument(fcinfo, 1, "account");
	field = require_field(privacy_argument(fcinfo, 2, "field"));
	subject.purpose = personal_purpose_name(personal_field_purpose(field));
	value = PG_ARGISNULL(3) ? NULL : canonical_value(field, PG_GETARG_TEXT_PP(3));
	audit_enter(&entry, fcinfo);
	billing_spi_connect();
	privacy_lock_account(subject.tenant, subject.account);
	if (value == NULL)
		remove_field(&subject, personal_field_name(field));
	else
		store_field(&subject, personal_field_name(field), value);
	billing_spi_finish();
	audit_leave(&entry);
	PG_RETURN_VOID();
}

static void
require_account(const char *tenant, const char *account)
{
	static const Oid types[] = {TEXTOID, TEXTOID};
	Datum values[] = {CStringGetTextDatum(tenant), CStringGetTextDatum(account)};

	if (billing_spi_run("SELECT FROM billing.accounts a WHERE a.tenant_id = $1 AND a.account_id = $2",
						lengthof(types), types, values, NULL) == 0)
		ereport(ERROR, errcode(ERRCODE_BILLING_UNKNOWN_ACCOUNT),
				errmsg("tenant \"%s\" has no account \"%s\"", tenant, account),
				errhint("billing.create_account() makes it."));
}

/* The JSON object of the fields there are; palloc'd in the SPI context. */
static char *
read_fields(const char *tenant, const char *account, bool restricted)
{
	static const Oid types[] = {TEXTOID, TEXTOID, BOOLOID};
	Datum values[] = {CStringGetTextDatum(tenant), CStringGetTextDatum(account), BoolGetDatum(restricted)};
	uint64 count = billing_spi_run(
		"SELECT f.field, f.ciphertext, f.purpose, k.key_id, k.wrapped_key FROM billing.personal_fields f "
		"JOIN billing.data_keys k USING (tenant_id, account_id, purpose) WHERE f.tenant_id = $1 AND "
		"f.account_id = $2 AND k.destroyed_at IS NULL AND (k.restricted_on IS NULL OR $3) ORDER BY f.field",
		lengthof(types), types, values, NULL);
	StringInfoData object;

	initStringInfo(&object);
	appendStringInfoChar(&object, '{');
	for (uint64 row = 0; row < count; row++)
	{
		PrivacySubject subject = {tenant, account, billing_spi_text(row, 3)};
		PrivacyKey key = {billing_spi_text(row, 4), spi_bytes(row, 5)};
		char *field = billing_spi_text(row, 1);

		appendStringInfo(&object, "%s\"%s\":%s", row > 0 ? "," : "", field,
						 privacy_open(&subject, &key, field, spi_bytes(row, 2)));
	}
	appendStringInfoChar(&object, '}');
	return object.data;
}

BILLING_FUNCTION(billing_personal_data)
{
	MemoryContext caller = CurrentMemoryContext;
	char *tenant;
	char *account;
	char *object;

	billing_require_tenant(PG_ARGISNULL(0) ? NULL : PG_GETARG_TEXT_PP(0), false);
	tenant = privacy_argument(fcinfo, 0, "tenant");
	account = privacy_argument(fcinfo, 1, "account");
	billing_spi_connect();
	require_account(tenant, account);
	object = MemoryContextStrdup(caller, read_fields(tenant, account, !PG_ARGISNULL(2) && PG_GETARG_BOOL(2)));
	billing_spi_finish();
	PG_RETURN_DATUM(DirectFunctionCall1(jsonb_in, CStringGetDatum(object)));
}

BILLING_FUNCTION(billing_rewrap_data_key)
{
	PrivacySubject subject = {privacy_argument(fcinfo, 0, "tenant"), privacy_argument(fcinfo, 1, "account"),
							  privacy_argument(fcinfo, 2, "purpose")};
	PrivacyKey key = {privacy_argument(fcinfo, 3, "key id"), PG_GETARG_BYTEA_P(4)};

	PG_RETURN_BYTEA_P(privacy_rewrap(&subject, &key));
}

BILLING_FUNCTION(billing_rewrap_data_keys)
{
	AuditEntry entry;
	static const Oid types[] = {TEXTOID, INT4OID};
	Datum values[] = {(Datum) 0, PG_ARGISNULL(0) ? (Datum) 0 : PG_GETARG_DATUM(0)};
	uint64 count;

	if (!PG_ARGISNULL(0) && PG_GETARG_INT32(0) < 1)
		ereport(ERROR, errcode(ERRCODE_BILLING_INVALID_ARGUMENT),
				errmsg("limit %d is below 1", PG_GETARG_INT32(0)));
	audit_enter(&entry, fcinfo);
	billing_spi_connect();
	values[0] = CStringGetTextDatum(privacy_wrapping_id());
	FAULT_POINT("data keys are wrapped again");
	count =
		billing_spi_run(SQL_PRIVACY_REWRAP, lengthof(types), types, values, PG_ARGISNULL(0) ? " n" : NULL);
	billing_spi_finish();
	audit_leave(&entry);
	PG_RETURN_INT32((int32) count);
}
