/*
 * jobs.c: whether a job may commit as it goes.
 *
 * A procedure learns from its call context whether it may end transactions.
 * Asked before anything else, so that the refusal is ours and says what to do,
 * where the first COMMIT would say "invalid transaction termination".
 */
#include "postgres.h"
#include "fmgr.h"

#include "access/xact.h"
#include "nodes/parsenodes.h"

#include "server/server.h"

static bool
may_commit(const Node *context)
{
	return context != NULL && IsA(context, CallContext) && !((const CallContext *) context)->atomic &&
		   !IsSubTransaction();
}

BILLING_FUNCTION(billing_require_own_transactions)
{
	if (!may_commit(fcinfo->context))
		ereport(ERROR, errcode(ERRCODE_BILLING_WRONG_TRANSACTION),
				errmsg("a job cannot be run inside a transaction"), errdetail("It commits as it goes."),
				errhint("CALL it as a statement of its own, outside of BEGIN and of functions."));
	PG_RETURN_VOID();
}
