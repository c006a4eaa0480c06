/*
 * kinds.c: the kinds of rows in the log.
 */
#include "postgres.h"

#include "lib/stringinfo.h"

#include "embedded.h"
#include "evidence/evidence.h"

/* Their order is that of the log within a seal, and never changes; a new kind comes before checkpoint. */
const EvidenceKind evidence_kinds[] = {
	{"incarnation", SQL_EVIDENCE_LEAVES_INCARNATION, 1, {{"incarnation", "integer"}}},
	{"plan_version",
	 SQL_EVIDENCE_LEAVES_PLAN_VERSION,
	 2,
	 {{"plan_id", "text COLLATE \"C\""}, {"version", "integer"}}},
	{"usage_window",
	 SQL_EVIDENCE_LEAVES_USAGE_WINDOW,
	 2,
	 {{"tenant_id", "text COLLATE \"C\""}, {"sequence", "bigint"}}},
	{"rated_line",
	 SQL_EVIDENCE_LEAVES_RATED_LINE,
	 7,
	 {{"period_start", "date"},
	  {"tenant_id", "text COLLATE \"C\""},
	  {"subscription_id", "uuid"},
	  {"plan_id", "text COLLATE \"C\""},
	  {"version", "integer"},
	  {"charge_id", "text COLLATE \"C\""},
	  {"revision", "integer"}}},
	{"ledger_entry",
	 SQL_EVIDENCE_LEAVES_LEDGER_ENTRY,
	 3,
	 {{"posted_on", "date"}, {"tenant_id", "text COLLATE \"C\""}, {"entry_id", "uuid"}}},
	{"invoice_event",
	 SQL_EVIDENCE_LEAVES_INVOICE_EVENT,
	 3,
	 {{"tenant_id", "text COLLATE \"C\""}, {"invoice_id", "uuid"}, {"sequence", "integer"}}},
	{"signing_key", SQL_EVIDENCE_LEAVES_SIGNING_KEY, 1, {{"key_no", "integer"}}},
	{"schema", SQL_EVIDENCE_LEAVES_SCHEMA, 1, {{"fingerprint_no", "integer"}}},
	{"erasure",
	 SQL_EVIDENCE_LEAVES_ERASURE,
	 2,
	 {{"tenant_id", "text COLLATE \"C\""}, {"erasure_id", "uuid"}}},
	{"audit_event", SQL_EVIDENCE_LEAVES_AUDIT_EVENT, 1, {{"audit_id", "uuid"}}},
	{"retention_action",
	 SQL_EVIDENCE_LEAVES_RETENTION_ACTION,
	 2,
	 {{"table_name", "text COLLATE \"C\""}, {"month", "date"}}},
	{"coverage_event",
	 SQL_EVIDENCE_LEAVES_COVERAGE_EVENT,
	 2,
	 {{"tenant_id", "text COLLATE \"C\""}, {"event_id", "text COLLATE \"C\""}}},
	{"claim_event",
	 SQL_EVIDENCE_LEAVES_CLAIM_EVENT,
	 2,
	 {{"tenant_id", "text COLLATE \"C\""}, {"sequence", "bigint"}}},
	{"checkpoint", SQL_EVIDENCE_LEAVES_CHECKPOINT, 1, {{"seal_no", "bigint"}}},
	{NULL, NULL, 0, {{NULL, NULL}}},
};

const EvidenceKind *
evidence_kind(const char *name)
{
	StringInfoData names;

	initStringInfo(&names);
	for (const EvidenceKind *kind = evidence_kinds; kind->name != NULL; kind++)
	{
		if (strcmp(kind->name, name) == 0)
			return kind;
		appendStringInfo(&names, "%s%s", names.len > 0 ? ", " : "", kind->name);
	}
	ereport(ERROR, errcode(ERRCODE_BILLING_INVALID_ARGUMENT),
			errmsg("the log has no rows of kind \"%s\"", name), errhint("Kinds are %s.", names.data));
	return NULL;
}

EvidencePlans *
evidence_kind_plans(const EvidenceKind *kind)
{
	static EvidencePlans plans[lengthof(evidence_kinds)];

	return &plans[kind - evidence_kinds];
}

const char *
evidence_kind_table(const EvidenceKind *kind)
{
	return strstr(kind->rows, "FROM ");
}

char *
evidence_key_list(const EvidenceKind *kind, const char *prefix)
{
	StringInfoData list;

	initStringInfo(&list);
	for (int i = 0; i < kind->key_count; i++)
		appendStringInfo(&list, "%s%s.%s", i > 0 ? ", " : "", prefix, kind->key[i].name);
	return list.data;
}

char *
evidence_key_values(const EvidenceKind *kind, const char *array)
{
	StringInfoData list;

	initStringInfo(&list);
	for (int i = 0; i < kind->key_count; i++)
		appendStringInfo(&list, "%s%s[%d]::%s", i > 0 ? ", " : "", array, i + 1, kind->key[i].type);
	return list.data;
}
