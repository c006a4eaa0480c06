/*
 * guard.c: the trigger that keeps append-only tables append-only.
 */
#include "postgres.h"
#include "fmgr.h"

#include "commands/trigger.h"

#include "server/server.h"

static const char *
verb_of(TriggerEvent event)
{
	if (TRIGGER_FIRED_BY_UPDATE(event))
		return "UPDATE";
	if (TRIGGER_FIRED_BY_DELETE(event))
		return "DELETE";
	return "TRUNCATE";
}

/* Its argument is the table's logical name: on a partition or a shard the relation's own name would mislead. */
BILLING_FUNCTION(billing_refuse_change)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo) || trigger->tg_trigger->tgnargs != 1)
		elog(ERROR, "billing_refuse_change: not called as a trigger with one argument");
	ereport(ERROR, errcode(ERRCODE_BILLING_APPEND_ONLY),
			errmsg("%s is refused: table \"%s\" is append-only", verb_of(trigger->tg_event),
				   trigger->tg_trigger->tgargs[0]),
			errhint("Add a row that corrects it instead; the table's comment says which call does."));
	PG_RETURN_NULL();
}
