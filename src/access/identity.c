/*
 * identity.c: whose session it is.
 *
 * A setting that any SQL can change is no identity; a token in it is, for nobody can make one without the key. It is
 * verified once and then known by its bytes, while its time lasts.
 */
#include "postgres.h"
#include "fmgr.h"

#include <openssl/crypto.h>

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/namespace.h"
#include "commands/dbcommands.h"
#include "datatype/timestamp.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "access/access.h"
#include "server/compat.h"

extern char *access_token_setting;

/* The token verified last. */
static struct
{
	size_t length; /* 0: none */
	char token[TOKEN_LENGTH_MAX];
	TimestampTz expires;
	TokenClaims claims;
	AccessIdentity identity;
} seen;

static AccessIdentity role_identity;
static char role_tenant[TOKEN_TEXT_MAX + 1];

#define UNIX_EPOCH_SECONDS ((int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * SECS_PER_DAY)

static TimestampTz
timestamp_of(int64 unix_seconds)
{
	return (unix_seconds - UNIX_EPOCH_SECONDS) * USECS_PER_SEC;
}

/* Whole seconds, downwards. */
static int64
unix_seconds_of(TimestampTz instant)
{
	int64 seconds = instant / USECS_PER_SEC;

	return seconds - (instant % USECS_PER_SEC < 0 ? 1 : 0) + UNIX_EPOCH_SECONDS;
}

static void
refuse_token(TokenStatus status)
{
	ereport(ERROR, errcode(ERRCODE_BILLING_INVALID_TOKEN),
			errmsg("token in billing.token is refused: %s", token_status_text(status)));
}

static TokenStatus
verify_token(const char *token, size_t length)
{
	static const TokenKeys no_keys;
	const char *database = get_database_name(MyDatabaseId);
	TextSpan audience = {database, strlen(database)};
	int64 now = unix_seconds_of(GetCurrentTimestamp());

	/* What is no token is told without the file. */
	if (token_verify((TextSpan){token, length}, &no_keys, now, audience, &seen.claims) == TOKEN_MALFORMED)
		return TOKEN_MALFORMED;
	return token_verify((TextSpan){token, length}, access_keys(), now, audience, &seen.claims);
}

static void
take_token(const char *token, size_t length)
{
	TokenStatus status;

	seen.length = 0;
	status = verify_token(token, length);
	if (status != TOKEN_OK)
		refuse_token(status);
	memcpy(seen.token, token, length);
	seen.expires = timestamp_of(seen.claims.expires);
	seen.identity =
		(AccessIdentity){seen.claims.tenant, strlen(seen.claims.tenant), seen.claims.role == TOKEN_ROLE_APP,
						 seen.claims.has_subject ? seen.claims.subject : NULL};
	seen.length = length;
}

static const AccessIdentity *
identity_by_token(const char *token, size_t length)
{
	bool is_seen =
		seen.length == length && access_keys_are_current() && CRYPTO_memcmp(seen.token, token, length) == 0;

	if (!is_seen)
		take_token(token, length);
	if (GetCurrentTimestamp() >= seen.expires)
		refuse_token(TOKEN_EXPIRED);
	return &seen.identity;
}

enum TenantRolesColumn
{
	TENANT_ROLES_ROLE_NAME = 1,
	TENANT_ROLES_TENANT,
	TENANT_ROLES_ROLE
};

static void
take_role(Relation relation, HeapTuple row)
{
	bool isnull;
	Datum tenant = heap_getattr(row, TENANT_ROLES_TENANT, RelationGetDescr(relation), &isnull);
	Datum role = heap_getattr(row, TENANT_ROLES_ROLE, RelationGetDescr(relation), &isnull);

	strlcpy(role_tenant, TextDatumGetCString(tenant), sizeof(role_tenant));
	role_identity = (AccessIdentity){role_tenant, strlen(role_tenant),
									 strcmp(TextDatumGetCString(role), "app") == 0, NULL};
}

/*
 * The table is read without SPI, as it stands now: whoever asks need not be allowed to read it, and a right taken back
 * ends at once.
 */
static const AccessIdentity *
identity_by_role(void)
{
	Oid schema = get_namespace_oid("billing", true);
	Oid relation_oid = OidIsValid(schema) ? get_relname_relid("tenant_roles", schema) : InvalidOid;
	const AccessIdentity *found = NULL;
	Relation relation;
	SysScanDesc scan;
	ScanKeyData key;
	HeapTuple row;

	if (!OidIsValid(relation_oid))
		return NULL;
	relation = table_open(relation_oid, AccessShareLock);
	ScanKeyInit(&key, TENANT_ROLES_ROLE_NAME, BTEqualStrategyNumber, F_TEXTEQ,
				CStringGetTextDatum(GetUserNameFromId(GetSessionUserId(), false)));
	scan = systable_beginscan(relation, billing_primary_key_index(relation), true, NULL, 1, &key);
	row = systable_getnext(scan);
	if (HeapTupleIsValid(row))
	{
		take_role(relation, row);
		found = &role_identity;
	}
	systable_endscan(scan);
	table_close(relation, AccessShareLock);
	return found;
}

const AccessIdentity *
access_identity(void)
{
	const char *token = access_token_setting;

	if (token != NULL && token[0] != '\0')
		return identity_by_token(token, strlen(token));
	return identity_by_role();
}

BILLING_FUNCTION(billing_current_tenant)
{
	const AccessIdentity *identity = access_identity();

	if (identity == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text_with_len(identity->tenant, identity->tenant_length));
}

BILLING_FUNCTION(billing_current_token_subject)
{
	const AccessIdentity *identity = access_identity();

	if (identity == NULL || identity->subject == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(identity->subject));
}
