/*
 * access.h: whose session it is, for what the tables' owner does on a caller's behalf.
 *
 * Row security protects tables from the caller's own statements. A SECURITY DEFINER function works with the owner's
 * rights, whom no policy binds, so it asks here before it looks anything up.
 */
#ifndef BILLING_ACCESS_H
#define BILLING_ACCESS_H

#include "core/token.h"
#include "server/server.h"

/* ---- keys.c ---- */

/* The keys of the file that billing.token_key_file names; raises MB470. Read once, and again after a reload. */
extern const TokenKeys *access_keys(void);

/* Whether what those keys verified still counts: false once a reload may have changed them. */
extern bool access_keys_are_current(void);

/* ---- identity.c ---- */

/* Who a session is; strings live until the next call. */
typedef struct AccessIdentity
{
	const char *tenant;
	size_t tenant_length;
	bool may_change;
	const char *subject; /* NULL: not told */
} AccessIdentity;

/*
 * By the token in billing.token, and without one by billing.tenant_roles; NULL when neither says. Raises MB401 for a token
 * that does not verify now, and MB470.
 */
extern const AccessIdentity *access_identity(void);

/* ---- caller.c ---- */

/*
 * Whether the caller is one tenant only: neither a superuser nor with the privileges of billing_owner, billing_admin,
 * billing_operator, billing_auditor or billing_loader. The caller is who is logged in, or what SET ROLE made of it;
 * a SECURITY DEFINER function's owner does not count.
 */
extern bool billing_caller_is_bound(void);

/*
 * Refuses a bound caller whose tenant is another one, with MB440 as for a tenant that does not exist, and one that may
 * not change anything (MB403) when for_change. tenant NULL is an SQL null (MB400). Does nothing for other callers.
 * Looks nothing up: whether the tenant exists makes no difference. Raises MB401 and MB470.
 */
extern void billing_require_tenant(const text *tenant, bool for_change);

/*
 * The tenant to look within, for a call in which naming it is optional: the given one, after billing_require_tenant();
 * where it is NULL, a bound caller's own, and NULL, all tenants, for others.
 */
extern const text *billing_tenant_scope(const text *tenant);

#endif
