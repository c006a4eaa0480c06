/*
 * tenant_lock.c: who works on which tenants.
 *
 * A lock on the tenants from one to another is a row of billing.tenant_locks, inserted and deleted in one go: what excludes others
 * is its insertion, which they see and wait for until the transaction ends, whether the row was deleted since or not. So no row is
 * ever committed, a transaction does not meet its own locks, and what a subtransaction locked is free when it is rolled back.
 *
 * Who waits for such rows has no place in a queue, and calls for one tenant after another would keep a batch waiting for ever.
 * So a batch closes a gate to them until it has its lock. The gate only makes it fair: nothing is right or wrong by it.
 */
#include "postgres.h"
#include "fmgr.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "storage/lock.h"
#include "utils/builtins.h"

#include "server/server.h"

/* Bytes of a tenant that are told apart: tenants that begin alike for longer are locked together. */
#define TOLD_APART 255

static const char *const INSERT_LOCK = "INSERT INTO billing.tenant_locks (tenants) VALUES "
									   "($1::pg_catalog.numrange) ON CONFLICT DO NOTHING RETURNING ctid";
static const char *const DELETE_LOCK = "DELETE FROM billing.tenant_locks WHERE ctid = $1";

/* A tenant as a number between 0 and 1, three digits a byte, so that numbers are ordered as tenants are. */
static char *
tenant_number(const text *tenant)
{
	const unsigned char *bytes = (const unsigned char *) VARDATA_ANY(tenant);
	int length = Min(VARSIZE_ANY_EXHDR(tenant), TOLD_APART);
	char *number = palloc(3 * length + 3);

	strcpy(number, "0.");
	for (int i = 0; i < length; i++)
		sprintf(number + 2 + 3 * i, "%03d", bytes[i]);
	return number;
}

/* Below 0, or 0 when they are the same. */
static int
require_order(const text *first, const text *last)
{
	int order = billing_compare_text(first, last);

	if (order > 0)
		ereport(ERROR, errcode(ERRCODE_BILLING_INVALID_ARGUMENT),
				errmsg("the first tenant comes after the last one"),
				errhint("Tenants are in the order of their bytes, as by COLLATE \"C\"."));
	return order;
}

static void
insert_and_delete(const char *tenants)
{
	static SPIPlanPtr insert_plan, delete_plan;
	Datum range = CStringGetTextDatum(tenants);
	Datum place;
	bool isnull;

	if (billing_spi_run_kept(&insert_plan, INSERT_LOCK, 1, (Oid[]){TEXTOID}, &range, NULL) != 1)
		ereport(ERROR, errcode(ERRCODE_BILLING_INTERNAL),
				errmsg("a committed row of billing.tenant_locks keeps tenants from being locked"),
				errhint("Nothing of billing commits one: DELETE FROM billing.tenant_locks."));
	place = billing_spi_value(0, 1, &isnull);
	if (billing_spi_run_kept(&delete_plan, DELETE_LOCK, 1, (Oid[]){TIDOID}, &place, NULL) != 1)
		elog(ERROR, "a lock on tenants is gone");
}

/* Batches close the gate together; who locks one tenant goes through when it is open. */
static void
lock_by_the_gate(const char *tenants, LOCKMODE mode)
{
	LOCKTAG gate;

	/* The last number is none that SQL can ask for. */
	SET_LOCKTAG_ADVISORY(gate, MyDatabaseId, 0x62696c6c, 0, 3);
	(void) LockAcquire(&gate, mode, false, false);
	if (mode == RowExclusiveLock)
		LockRelease(&gate, mode, false);
	insert_and_delete(tenants);
	if (mode == ShareLock)
		LockRelease(&gate, mode, false);
}

void
billing_lock_tenants(Datum first, Datum last)
{
	static TransactionId holder = InvalidTransactionId;
	const text *from = DatumGetTextPP(first);
	const text *to = DatumGetTextPP(last);
	bool is_batch = require_order(from, to) < 0;
	char *tenants;

	/* What is read must be newer than the lock, or it would repeat what the session before did. */
	if (IsolationUsesXactSnapshot())
		ereport(ERROR, errcode(ERRCODE_BILLING_WRONG_TRANSACTION),
				errmsg("tenants are rated and billed at isolation level READ COMMITTED only"));
	tenants = psprintf("[%s,%s]", tenant_number(from), tenant_number(to));
	/* Who has a lock already does not stop at the gate, for whoever closed it may be waiting for just that one. */
	if (!is_batch && TransactionIdIsValid(holder) && holder == GetTopTransactionIdIfAny())
		insert_and_delete(tenants);
	else
		lock_by_the_gate(tenants, is_batch ? ShareLock : RowExclusiveLock);
	holder = GetTopTransactionId();
}
