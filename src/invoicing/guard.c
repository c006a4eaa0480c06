/*
 * guard.c: the triggers that keep finalized invoices and their lines as they are.
 */
#include "postgres.h"
#include "fmgr.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/rel.h"

#include "invoicing/invoicing.h"

/* Where each status may go, once an invoice is no draft. */
static const struct
{
	const char *from;
	const char *to;
} transitions[] = {
	{"finalized", "paid"},	   {"finalized", "void"}, {"finalized", "uncollectible"},
	{"uncollectible", "paid"}, {"paid", "finalized"},
};

static char *
column_text(HeapTuple tuple, TupleDesc descriptor, const char *column)
{
	return SPI_getvalue(tuple, descriptor, SPI_fnumber(descriptor, column));
}

static bool
is_transition(const char *from, const char *to)
{
	for (size_t i = 0; i < lengthof(transitions); i++)
		if (strcmp(transitions[i].from, from) == 0 && strcmp(transitions[i].to, to) == 0)
			return true;
	return false;
}

/* Whether the two versions agree in every column but `column`. */
static bool
differ_only_in(HeapTuple old, HeapTuple new, TupleDesc descriptor, const char *column)
{
	for (int i = 0; i < descriptor->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(descriptor, i);
		bool old_null;
		bool new_null;
		Datum old_value = heap_getattr(old, i + 1, descriptor, &old_null);
		Datum new_value = heap_getattr(new, i + 1, descriptor, &new_null);

		if (attribute->attisdropped || strcmp(NameStr(attribute->attname), column) == 0)
			continue;
		if (old_null != new_null)
			return false;
		if (!old_null && !datum_image_eq(old_value, new_value, attribute->attbyval, attribute->attlen))
			return false;
	}
	return true;
}

/* A draft may change and go; after that only the status moves, along its transitions. */
BILLING_FUNCTION(billing_guard_invoice)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	TupleDesc descriptor = trigger->tg_relation->rd_att;
	bool is_update = TRIGGER_FIRED_BY_UPDATE(trigger->tg_event);
	HeapTuple next = is_update ? trigger->tg_newtuple : trigger->tg_trigtuple;
	char *status = column_text(trigger->tg_trigtuple, descriptor, "status");

	if (strcmp(status, "draft") == 0)
		return PointerGetDatum(next);
	if (is_update && is_transition(status, column_text(next, descriptor, "status")) &&
		differ_only_in(trigger->tg_trigtuple, next, descriptor, "status"))
		return PointerGetDatum(next);
	ereport(ERROR, errcode(ERRCODE_BILLING_APPEND_ONLY),
			errmsg("%s is refused: invoice \"%s\" is %s", is_update ? "UPDATE" : "DELETE",
				   column_text(trigger->tg_trigtuple, descriptor, "number"), status),
			errhint("Void it with billing.void_invoice(), or let a correction go on the next invoice."));
}

static bool
invoice_is_draft(HeapTuple line, TupleDesc descriptor)
{
	bool isnull;
	Oid types[] = {DATEOID, TEXTOID, UUIDOID};
	Datum values[] = {heap_getattr(line, SPI_fnumber(descriptor, "invoice_date"), descriptor, &isnull),
					  heap_getattr(line, SPI_fnumber(descriptor, "tenant_id"), descriptor, &isnull),
					  heap_getattr(line, SPI_fnumber(descriptor, "invoice_id"), descriptor, &isnull)};

	/* Read-only, and so with the statement's snapshot: the same statement deletes the draft. */
	SPI_execute_with_args(
		"SELECT FROM billing.invoices WHERE invoice_date = $1 AND tenant_id = $2 AND invoice_id = $3"
		" AND status = 'draft'",
		lengthof(types), types, values, NULL, true, 1);
	return SPI_processed == 1;
}

/* Lines come and go with their draft, and never change. */
BILLING_FUNCTION(billing_guard_invoice_line)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	bool is_update = TRIGGER_FIRED_BY_UPDATE(trigger->tg_event);
	bool allowed = false;

	if (!is_update)
	{
		SPI_connect();
		allowed = invoice_is_draft(trigger->tg_trigtuple, trigger->tg_relation->rd_att);
		SPI_finish();
	}
	if (!allowed)
		ereport(ERROR, errcode(ERRCODE_BILLING_APPEND_ONLY),
				errmsg("%s is refused: lines of an invoice are append-only", is_update ? "UPDATE" : "DELETE"),
				errhint("A draft is remade by billing.run_invoices(); a finalized invoice is corrected on "
						"the next."));
	return PointerGetDatum(trigger->tg_trigtuple);
}
