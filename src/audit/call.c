/*
 * call.c: which call of billing is under way.
 *
 * The error context is the one place that knows: it lists what has been entered, innermost first, and forgets by itself
 * what was left, whether by return or by error.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_proc.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/catcache.h"
#include "utils/regproc.h"
#include "utils/syscache.h"

#include "audit/audit.h"

/* In each translation of PL/pgSQL's own lines, whose words differ in order. */
#define LINE_MARK "PL/pgSQL"

/* True while the context is asked for calls, and not for an error. */
static bool is_asked = false;

/* To an error it adds nothing. */
static void
tell_entry(void *argument)
{
	const AuditEntry *entry = argument;

	if (is_asked)
		errcontext(LINE_MARK " %s", format_procedure_qualified(entry->function));
}

void
audit_enter(AuditEntry *entry, FunctionCallInfo fcinfo)
{
	entry->function = fcinfo->flinfo->fn_oid;
	entry->context = (ErrorContextCallback){error_context_stack, tell_entry, entry};
	error_context_stack = &entry->context;
}

void
audit_leave(const AuditEntry *entry)
{
	error_context_stack = entry->context.previous;
}

static bool
is_name_byte(char byte)
{
	return (byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9') || byte == '_' || byte == '.';
}

/*
 * The function of schema billing with that signature, which is as PostgreSQL prints it. Compared as text and never parsed:
 * the types and schemas of other people's functions may be hidden from the tables' owner, and a parser says so by an error.
 */
static bool
is_signature_of_ours(const char *name, const char *signature)
{
	Oid schema = get_namespace_oid("billing", false);
	CatCList *candidates = SearchSysCacheList1(PROCNAMEARGSNSP, CStringGetDatum(name));
	bool is_found = false;

	for (int i = 0; i < candidates->n_members && !is_found; i++)
	{
		Form_pg_proc function = (Form_pg_proc) GETSTRUCT(&candidates->members[i]->tuple);

		if (function->pronamespace == schema)
			is_found = strcmp(format_procedure(function->oid), signature) == 0 ||
					   strcmp(format_procedure_qualified(function->oid), signature) == 0;
	}
	ReleaseCatCacheList(candidates);
	return is_found;
}

/*
 * The name of the function of billing that a line is about; NULL when it is about none. What merely reads like a signature
 * is none: it must be that of a function there is. Within a search_path with schema billing it comes without schema.
 */
static char *
function_of_line(char *line)
{
	static const char schema[] = "billing.";
	char *open = strstr(line, LINE_MARK) != NULL ? strchr(line, '(') : NULL;
	char *close = open != NULL ? strchr(open, ')') : NULL;
	char *start = open;
	char *quote = strchr(line, '"');
	char *name;

	if (close == NULL || (quote != NULL && quote < close))
		return NULL;
	while (start > line && is_name_byte(start[-1]))
		start--;
	if (strncmp(start, schema, strlen(schema)) == 0)
		start += strlen(schema);
	name = pnstrdup(start, open - start);
	if (!is_signature_of_ours(name, psprintf("%s%.*s", schema, (int) (close + 1 - start), start)))
		return NULL;
	return name;
}

/* What is under way, a line each, the outermost last; NULL when nothing is. */
static char *
context_lines(void)
{
	char *volatile lines = NULL;

	is_asked = true;
	PG_TRY();
	{
		lines = GetErrorContextStack();
	}
	PG_FINALLY();
	{
		is_asked = false;
	}
	PG_END_TRY();
	return lines;
}

char *
audit_outermost_call(void)
{
	char *stack = context_lines();
	char *call = NULL;

	while (stack != NULL && call == NULL)
	{
		char *last = strrchr(stack, '\n');

		call = function_of_line(last != NULL ? last + 1 : stack);
		if (last == NULL)
			break;
		*last = '\0';
	}
	return call;
}
