/*
 * caller.c: for whom a function works, and whether it may.
 */
#include "postgres.h"
#include "fmgr.h"

#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/syscache.h"

#include "access/access.h"
#include "server/card.h"

/* Who works for all tenants. */
static const char *const staff_roles[] = {"billing_owner", "billing_admin", "billing_operator",
										  "billing_auditor", "billing_loader"};

/* The caller asked about last, until any role or membership changes. */
static Oid known_caller = InvalidOid;
static bool known_is_bound;
static uint64 role_changes;

static void
forget_caller(Datum arg, int cache, uint32 hash)
{
	known_caller = InvalidOid;
	role_changes++;
}

static bool
is_staff(Oid user)
{
	if (superuser_arg(user))
		return true;
	for (int i = 0; i < lengthof(staff_roles); i++)
	{
		Oid role = get_role_oid(staff_roles[i], true);

		if (OidIsValid(role) && has_privs_of_role(user, role))
			return true;
	}
	return false;
}

bool
billing_caller_is_bound(void)
{
	static bool callbacks_registered = false;
	Oid caller = GetOuterUserId();
	uint64 changes_before;
	bool is_bound;

	if (caller == known_caller)
		return known_is_bound;
	if (!callbacks_registered)
	{
		CacheRegisterSyscacheCallback(AUTHMEMROLEMEM, forget_caller, (Datum) 0);
		CacheRegisterSyscacheCallback(AUTHOID, forget_caller, (Datum) 0);
		callbacks_registered = true;
	}
	changes_before = role_changes;
	is_bound = !is_staff(caller);
	known_is_bound = is_bound;
	known_caller = role_changes == changes_before ? caller : InvalidOid;
	return is_bound;
}

/* The session's identity; refuses where there is none. */
static const AccessIdentity *
require_identity(void)
{
	const AccessIdentity *identity = access_identity();

	if (identity == NULL)
		ereport(ERROR, errcode(ERRCODE_BILLING_UNKNOWN_ACCOUNT), errmsg("the session has no tenant"),
				errhint("Set billing.token to a token, or map the role: billing.grant_tenant_role()."));
	return identity;
}

/* In the words of a tenant that does not exist, wherever it is refused. */
static void
refuse_tenant(const text *tenant)
{
	if (billing_card_in_text(tenant) != CARD_NONE)
		billing_refuse_card("tenant", CARD_NUMBER);
	ereport(ERROR, errcode(ERRCODE_BILLING_UNKNOWN_ACCOUNT),
			errmsg("unknown tenant \"%s\"", text_to_cstring(tenant)),
			errhint("Create its account: billing.create_account(tenant, name => ...)."));
}

void
billing_require_tenant(const text *tenant, bool for_change)
{
	const AccessIdentity *identity;

	if (!billing_caller_is_bound())
		return;
	identity = require_identity();
	if (tenant == NULL)
		ereport(ERROR, errcode(ERRCODE_BILLING_INVALID_ARGUMENT), errmsg("tenant is null"));
	if (VARSIZE_ANY_EXHDR(tenant) != identity->tenant_length ||
		memcmp(VARDATA_ANY(tenant), identity->tenant, identity->tenant_length) != 0)
		refuse_tenant(tenant);
	if (for_change && !identity->may_change)
		ereport(ERROR, errcode(ERRCODE_BILLING_NOT_ALLOWED),
				errmsg("the session of tenant \"%s\" may only read", identity->tenant),
				errhint("A token with the role app may call what changes something."));
}

const text *
billing_tenant_scope(const text *tenant)
{
	const AccessIdentity *identity;

	if (tenant != NULL)
		billing_require_tenant(tenant, false);
	if (tenant != NULL || !billing_caller_is_bound())
		return tenant;
	identity = require_identity();
	return cstring_to_text_with_len(identity->tenant, identity->tenant_length);
}

BILLING_FUNCTION(billing_caller_is_bound_sql)
{
	PG_RETURN_BOOL(billing_caller_is_bound());
}

BILLING_FUNCTION(billing_require_tenant_sql)
{
	billing_require_tenant(PG_ARGISNULL(0) ? NULL : PG_GETARG_TEXT_PP(0),
						   PG_ARGISNULL(1) || PG_GETARG_BOOL(1));
	PG_RETURN_VOID();
}
