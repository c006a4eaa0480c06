/*
 * fault.c: what happens at a FAULT_POINT(), in the library for tests only.
 *
 * billing.fault is POINT:ACTION:N, and the N-th time that the session comes to
 * POINT since it was set, ACTION happens, once:
 *   error   an error (MB500)
 *   crash   the backend is killed, and with it every session of the server
 *   sleep   a tenth of a second, after which a cancel is heard
 * Besides the points in the code there are "statement", at the end of each
 * statement of a query or function, "command", before each utility command,
 * "before commit", and "after commit", where only a crash makes sense: what is
 * committed cannot fail any more. What wrote nothing does not come to those.
 */
#include "postgres.h"
#include "fmgr.h"

#include "server/fault.h"

#ifndef BILLING_FAULTS

void
billing_define_faults(void)
{
}

#else

#include <signal.h>
#include <unistd.h>

#include "access/xact.h"
#include "executor/executor.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "tcop/utility.h"
#include "utils/builtins.h"
#include "utils/guc.h"

#include "server/server.h"

/* The linker puts every FaultPoint of the library between these. */
extern FaultPoint __start_billing_faults[];
extern FaultPoint __stop_billing_faults[];

#define FAULT_POINTS                                                                                         \
	(((uintptr_t) __stop_billing_faults - (uintptr_t) __start_billing_faults) / sizeof(FaultPoint))

static char *fault;
static int64 hits; /* of the point named in it, which several places may have */
static ExecutorFinish_hook_type previous_finish;
static ProcessUtility_hook_type previous_utility;

static void
forget_hits(const char *newval, void *extra)
{
	hits = 0;
	for (size_t i = 0; i < FAULT_POINTS; i++)
		__start_billing_faults[i].hits = 0;
}

static void
happen(const char *action, const char *point)
{
	if (strcmp(action, "crash") == 0)
		kill(MyProcPid, SIGKILL);
	if (strcmp(action, "error") == 0)
		ereport(ERROR, errcode(ERRCODE_BILLING_INTERNAL), errmsg("fault at \"%s\"", point));
	/* By pieces: a timer of a statement before this one may end a sleep early. */
	for (int i = 0; i < 100; i++)
	{
		pg_usleep(1000L);
		CHECK_FOR_INTERRUPTS();
	}
}

void
billing_fault(FaultPoint *point)
{
	size_t length = strlen(point->name);
	char action[16];
	long at;

	if (fault == NULL || fault[0] == '\0')
		return;
	point->hits++;
	if (strncmp(fault, point->name, length) == 0 &&
		sscanf(fault + length, ":%15[a-z]:%ld", action, &at) == 2 && ++hits == at)
		happen(action, point->name);
}

static void
finish_statement(QueryDesc *query)
{
	if (previous_finish != NULL)
		previous_finish(query);
	else
		standard_ExecutorFinish(query);
	FAULT_POINT("statement");
}

static void
run_command(PlannedStmt *statement, const char *text, bool read_only, ProcessUtilityContext context,
			ParamListInfo parameters, QueryEnvironment *environment, DestReceiver *receiver,
			QueryCompletion *completion)
{
	if (context != PROCESS_UTILITY_TOPLEVEL)
		FAULT_POINT("command");
	if (previous_utility != NULL)
		previous_utility(statement, text, read_only, context, parameters, environment, receiver, completion);
	else
		standard_ProcessUtility(statement, text, read_only, context, parameters, environment, receiver,
								completion);
}

static void
end_transaction(XactEvent event, void *arg)
{
	if (!TransactionIdIsValid(GetTopTransactionIdIfAny()))
		return;
	if (event == XACT_EVENT_PRE_COMMIT)
		FAULT_POINT("before commit");
	if (event == XACT_EVENT_COMMIT)
		FAULT_POINT("after commit");
}

void
billing_define_faults(void)
{
	DefineCustomStringVariable("billing.fault", "What fails, for tests.", "POINT:ACTION:N", &fault, "",
							   PGC_SUSET, 0, NULL, forget_hits, NULL);
	previous_finish = ExecutorFinish_hook;
	ExecutorFinish_hook = finish_statement;
	previous_utility = ProcessUtility_hook;
	ProcessUtility_hook = run_command;
	RegisterXactCallback(end_transaction, NULL);
}

/* A line "fault point HITS NAME" for each place of a point; the hits are those since billing.fault was set. */
BILLING_FUNCTION(billing_fault_points)
{
	StringInfoData lines;

	initStringInfo(&lines);
	for (size_t i = 0; i < FAULT_POINTS; i++)
		appendStringInfo(&lines, "fault point " INT64_FORMAT " %s\n", __start_billing_faults[i].hits,
						 __start_billing_faults[i].name);
	PG_RETURN_TEXT_P(cstring_to_text_with_len(lines.data, lines.len));
}

#endif
