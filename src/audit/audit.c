/*
 * audit.c: writes billing.audit_log.
 */
#include "postgres.h"
#include "fmgr.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "common/cryptohash.h"
#include "common/sha2.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "parser/parse_func.h"
#include "replication/logicalworker.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "audit/audit.h"
#include "server/card.h"
#include "server/hash.h"
#include "server/server.h"

/* ---- who ---- */

/* What is the same for all rows of one statement. */
typedef struct AuditActor
{
	Datum session_role;
	Datum acting_role;
	Datum token_subject; /* 0: none */
	Datum call;
	Datum application_name;
} AuditActor;

static Datum
text_or_none(const char *string)
{
	return string != NULL ? CStringGetTextDatum(string) : (Datum) 0;
}

/* The subject of the session's token, told by the module that checks tokens. */
static Datum
token_subject(void)
{
	List *name = list_make2(makeString("billing"), makeString("current_token_subject"));
	Oid function = LookupFuncName(name, 0, NULL, true);
	FmgrInfo info;
	Datum subject;

	LOCAL_FCINFO(call, 0);
	if (!OidIsValid(function))
		return (Datum) 0;
	fmgr_info(function, &info);
	InitFunctionCallInfoData(*call, &info, 0, InvalidOid, NULL, NULL);
	subject = FunctionCallInvoke(call);
	if (call->isnull || billing_card_in_text(DatumGetTextPP(subject)) != CARD_NONE)
		return (Datum) 0;
	return subject;
}

static void
find_actor(AuditActor *actor)
{
	bool is_told = application_name != NULL && application_name[0] != '\0' &&
				   card_find(application_name, strlen(application_name)) == CARD_NONE;

	actor->session_role = CStringGetTextDatum(GetUserNameFromId(GetSessionUserId(), false));
	actor->acting_role = CStringGetTextDatum(GetUserNameFromId(GetOuterUserId(), false));
	actor->token_subject = token_subject();
	actor->call = text_or_none(audit_outermost_call());
	actor->application_name = is_told ? CStringGetTextDatum(application_name) : (Datum) 0;
}

/* ---- the row ---- */

typedef struct AuditRow
{
	const char *action;
	Datum tenant; /* these: 0 is none */
	Datum object_type;
	Datum object_key;
	Datum before;
	Datum after;
} AuditRow;

static const char *const INSERT_ROW =
	"INSERT INTO billing.audit_log (session_role, acting_role, token_subject, call, application_name,"
	" action, subject_tenant, object_type, object_key, before, after, client_address)"
	" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, pg_catalog.inet_client_addr())";

static void
write_row(const AuditActor *actor, const AuditRow *row)
{
	static SPIPlanPtr plan = NULL;
	Oid types[] = {TEXTOID, TEXTOID, TEXTOID,  TEXTOID,	 TEXTOID, TEXTOID,
				   TEXTOID, TEXTOID, JSONBOID, JSONBOID, JSONBOID};
	Datum values[] = {actor->session_role,
					  actor->acting_role,
					  actor->token_subject,
					  actor->call,
					  actor->application_name,
					  CStringGetTextDatum(row->action),
					  row->tenant,
					  row->object_type,
					  row->object_key,
					  row->before,
					  row->after};
	char nulls[lengthof(values)];

	for (int i = 0; i < lengthof(values); i++)
		nulls[i] = values[i] == (Datum) 0 ? 'n' : ' ';
	SPI_connect();
	billing_spi_run_kept(&plan, INSERT_ROW, lengthof(types), types, values, nulls);
	SPI_finish();
}

BILLING_FUNCTION(billing_audit_call)
{
	AuditActor actor;
	AuditRow row = {.action = "call"};

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		elog(ERROR, "an audited call has a type and a key");
	billing_require_installed();
	row.object_type = PG_GETARG_DATUM(0);
	row.object_key = PG_GETARG_DATUM(1);
	row.tenant = PG_ARGISNULL(2) ? (Datum) 0 : PG_GETARG_DATUM(2);
	row.after = PG_ARGISNULL(3) ? (Datum) 0 : PG_GETARG_DATUM(3);
	find_actor(&actor);
	write_row(&actor, &row);
	PG_RETURN_VOID();
}

/* ---- rows as JSON ---- */

/* What is known of a table for as long as a statement lasts. */
typedef struct AuditTable
{
	AuditActor actor;
	Datum name;
	int columns;
	FmgrInfo *to_json; /* by column */
	bool *is_key;
	bool *is_hidden; /* bytes that may be a ciphertext */
	int tenant;		 /* index of tenant_id, or -1 */
} AuditTable;

/* A row taken apart; absent when values is NULL. */
typedef struct AuditTuple
{
	Datum *values;
	bool *nulls;
} AuditTuple;

/* to_jsonb() asks its expression for the type. */
static void
prepare_to_json(FmgrInfo *info, Oid type)
{
	Const *argument = makeNullConst(type, -1, InvalidOid);

	fmgr_info_cxt(F_TO_JSONB, info, CurrentMemoryContext);
	fmgr_info_set_expr((Node *) makeFuncExpr(F_TO_JSONB, JSONBOID, list_make1(argument), InvalidOid,
											 InvalidOid, COERCE_EXPLICIT_CALL),
					   info);
}

static bool
ends_with_hash(const char *name)
{
	size_t length = strlen(name);

	return length >= 4 && strcmp(name + length - 4, "hash") == 0;
}

static void
find_key(AuditTable *table, Relation relation)
{
	Bitmapset *key = RelationGetIndexAttrBitmap(relation, INDEX_ATTR_BITMAP_PRIMARY_KEY);

	if (bms_is_empty(key))
		elog(ERROR, "table \"%s\" is audited and has no primary key", RelationGetRelationName(relation));
	for (int i = 0; i < table->columns; i++)
		table->is_key[i] = bms_is_member(i + 1 - FirstLowInvalidHeapAttributeNumber, key);
}

static AuditTable *
describe_table(Relation relation, const char *name)
{
	TupleDesc descriptor = RelationGetDescr(relation);
	AuditTable *table = palloc0(sizeof(AuditTable));

	find_actor(&table->actor);
	table->name = CStringGetTextDatum(name);
	table->columns = descriptor->natts;
	table->to_json = palloc0(sizeof(FmgrInfo) * descriptor->natts);
	table->is_key = palloc0(sizeof(bool) * descriptor->natts);
	table->is_hidden = palloc0(sizeof(bool) * descriptor->natts);
	table->tenant = -1;
	for (int i = 0; i < descriptor->natts; i++)
	{
		Form_pg_attribute column = TupleDescAttr(descriptor, i);

		if (column->attisdropped)
			continue;
		prepare_to_json(&table->to_json[i], column->atttypid);
		table->is_hidden[i] = column->atttypid == BYTEAOID && !ends_with_hash(NameStr(column->attname));
		if (strcmp(NameStr(column->attname), "tenant_id") == 0)
			table->tenant = i;
	}
	find_key(table, relation);
	return table;
}

static AuditTuple
take_apart(HeapTuple tuple, TupleDesc descriptor)
{
	AuditTuple parts = {palloc(sizeof(Datum) * descriptor->natts), palloc(sizeof(bool) * descriptor->natts)};

	heap_deform_tuple(tuple, descriptor, parts.values, parts.nulls);
	return parts;
}

/* "sha256:" and the hash in hexadecimal. */
static Datum
hidden_value(Datum bytes)
{
	Datum hash = DirectFunctionCall1(sha256_bytea, bytes);
	bytea *value = DatumGetByteaPP(hash);
	char hex[2 * PG_SHA256_DIGEST_LENGTH + 1];

	hex_encode(VARDATA_ANY(value), PG_SHA256_DIGEST_LENGTH, hex);
	hex[2 * PG_SHA256_DIGEST_LENGTH] = '\0';
	return CStringGetTextDatum(psprintf("sha256:%s", hex));
}

static void
push_value(JsonbParseState **state, AuditTable *table, const AuditTuple *tuple, int column)
{
	JsonbValue value = {.type = jbvNull};
	Jsonb *json;

	if (tuple->nulls[column])
	{
		pushJsonbValue(state, WJB_VALUE, &value);
		return;
	}
	if (table->is_hidden[column])
	{
		char *hidden = TextDatumGetCString(hidden_value(tuple->values[column]));

		value = (JsonbValue){.type = jbvString, .val.string = {(int) strlen(hidden), hidden}};
		pushJsonbValue(state, WJB_VALUE, &value);
		return;
	}
	json = DatumGetJsonbP(FunctionCall1(&table->to_json[column], tuple->values[column]));
	if (JB_ROOT_IS_SCALAR(json))
		JsonbExtractScalar(&json->root, &value);
	else
		value = (JsonbValue){.type = jbvBinary, .val.binary = {VARSIZE(json) - VARHDRSZ, &json->root}};
	pushJsonbValue(state, WJB_VALUE, &value);
}

/* The wanted columns of a row as an object; `wanted` by column, NULL for all. */
static Datum
to_object(AuditTable *table, TupleDesc descriptor, const AuditTuple *tuple, const bool *wanted)
{
	JsonbParseState *state = NULL;
	JsonbValue *object;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	for (int i = 0; i < table->columns; i++)
	{
		Form_pg_attribute column = TupleDescAttr(descriptor, i);
		JsonbValue key = {.type = jbvString,
						  .val.string = {(int) strlen(NameStr(column->attname)), NameStr(column->attname)}};

		if (column->attisdropped || (wanted != NULL && !wanted[i]))
			continue;
		pushJsonbValue(&state, WJB_KEY, &key);
		push_value(&state, table, tuple, i);
	}
	object = pushJsonbValue(&state, WJB_END_OBJECT, NULL);
	return JsonbPGetDatum(JsonbValueToJsonb(object));
}

/* ---- the trigger ---- */

/* By column, whether it differs; NULL when none does. */
static bool *
changed_columns(TupleDesc descriptor, const AuditTuple *before, const AuditTuple *after)
{
	bool *changed = palloc0(sizeof(bool) * descriptor->natts);
	bool any = false;

	for (int i = 0; i < descriptor->natts; i++)
	{
		Form_pg_attribute column = TupleDescAttr(descriptor, i);

		if (column->attisdropped || (before->nulls[i] && after->nulls[i]))
			continue;
		changed[i] = before->nulls[i] != after->nulls[i] ||
					 !datum_image_eq(before->values[i], after->values[i], column->attbyval, column->attlen);
		any = any || changed[i];
	}
	return any ? changed : NULL;
}

/* `known` is before, or after when there is none: a key does not change, and if it did, the row is found by the one it had. */
static void
audit_tuples(AuditTable *table, TupleDesc descriptor, AuditRow row, const AuditTuple *known,
			 const AuditTuple *before, const AuditTuple *after)
{
	bool *wanted = NULL;

	if (before != NULL && after != NULL)
	{
		wanted = changed_columns(descriptor, before, after);
		if (wanted == NULL)
			return;
	}
	row.object_type = table->name;
	row.object_key = to_object(table, descriptor, known, table->is_key);
	if (table->tenant >= 0)
		row.tenant = known->values[table->tenant];
	if (before != NULL)
		row.before = to_object(table, descriptor, before, wanted);
	if (after != NULL)
		row.after = to_object(table, descriptor, after, wanted);
	write_row(&table->actor, &row);
}

static AuditTable *
remember_table(FunctionCallInfo fcinfo, const TriggerData *trigger)
{
	if (fcinfo->flinfo->fn_extra == NULL)
	{
		MemoryContext before = MemoryContextSwitchTo(fcinfo->flinfo->fn_mcxt);

		fcinfo->flinfo->fn_extra = describe_table(trigger->tg_relation, trigger->tg_trigger->tgargs[0]);
		MemoryContextSwitchTo(before);
	}
	return fcinfo->flinfo->fn_extra;
}

/* Its argument is the table's logical name. */
BILLING_FUNCTION(billing_audit_change)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	AuditTuple first;
	AuditTuple second;
	TupleDesc descriptor;
	AuditTable *table;

	if (!CALLED_AS_TRIGGER(fcinfo) || trigger->tg_trigger->tgnargs != 1)
		elog(ERROR, "billing_audit_change: not called as a trigger with one argument");
	/* On a logical replica: the publisher has written it, and its row arrives too. */
	if (IsLogicalWorker())
		PG_RETURN_POINTER(NULL);
	table = remember_table(fcinfo, trigger);
	descriptor = RelationGetDescr(trigger->tg_relation);
	first = take_apart(trigger->tg_trigtuple, descriptor);
	if (TRIGGER_FIRED_BY_INSERT(trigger->tg_event))
		audit_tuples(table, descriptor, (AuditRow){"create"}, &first, NULL, &first);
	else if (TRIGGER_FIRED_BY_DELETE(trigger->tg_event))
		audit_tuples(table, descriptor, (AuditRow){"remove"}, &first, &first, NULL);
	else
	{
		second = take_apart(trigger->tg_newtuple, descriptor);
		audit_tuples(table, descriptor, (AuditRow){"change"}, &first, &first, &second);
	}
	PG_RETURN_POINTER(NULL);
}
