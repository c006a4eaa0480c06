/*
 * log_guard.c: secrets stay out of the server's log.
 *
 * Before a message is written, tokens in it are overwritten, and so are statements, parameters and values of calls that
 * carry personal data or tokens. The hook runs while errors are handled: it reads, overwrites in place, and neither
 * allocates nor raises. It works in sessions that have loaded the library: shared_preload_libraries = 'billing'.
 */
#include "postgres.h"
#include "fmgr.h"

#include "commands/prepare.h"
#include "tcop/tcopprot.h"
#include "utils/elog.h"
#include "utils/guc.h"

#include "core/redact.h"
#include "server/server.h"

extern void billing_define_log_guard(void);

static bool log_guard = true;
static emit_log_hook_type next_hook;

/* The texts of a message that may hold parts of statements. */
typedef struct MessageTexts
{
	char *text[6];
} MessageTexts;

static MessageTexts
texts_of(const ErrorData *edata)
{
	return (MessageTexts){{edata->message, edata->detail, edata->detail_log, edata->hint, edata->context,
						   edata->internalquery}};
}

/* EXECUTE names a statement that was prepared, and its arguments are that one's. */
static RedactLevel
statement_level(const char *statement)
{
	RedactLevel level = redact_level(statement);
	char name[NAMEDATALEN];

	while (level < REDACT_ARGUMENTS && (statement = redact_executed(statement, name, sizeof(name))) != NULL)
	{
		PreparedStatement *prepared = FetchPreparedStatement(name, false);

		if (prepared != NULL)
			level = Max(level, redact_level(prepared->plansource->query_string));
	}
	return level;
}

static RedactLevel
message_level(const MessageTexts *texts)
{
	RedactLevel level = debug_query_string != NULL ? statement_level(debug_query_string) : REDACT_NOTHING;

	for (int i = 0; i < lengthof(texts->text); i++)
		if (texts->text[i] != NULL)
			level = Max(level, redact_level(texts->text[i]));
	return level;
}

/* Where the statement begins in what logging statements and durations writes; NULL in other messages. */
static char *
logged_statement(char *message)
{
	static const char *const prefixes[] = {"statement: ", "execute ", "parse ", "bind ", "duration: "};
	char *ms;

	for (int i = 0; i < lengthof(prefixes); i++)
	{
		if (strncmp(message, prefixes[i], strlen(prefixes[i])) != 0)
			continue;
		ms = strstr(message, " ms  ");
		return i == lengthof(prefixes) - 1 ? (ms != NULL ? ms + 5 : NULL) : strchr(message, ':');
	}
	return redact_level(message) > REDACT_NOTHING ? message : NULL;
}

static void
withhold(char *text)
{
	if (text != NULL)
		redact_all(text);
}

/* A message that tells what is being run. */
static void
guard_log(ErrorData *edata)
{
	char *statement = edata->message != NULL ? logged_statement(edata->message) : NULL;

	if (statement != NULL && redact_has_literal(statement))
		redact_all(statement);
	withhold(edata->detail);
	withhold(edata->detail_log);
	withhold(edata->context);
	withhold(edata->internalquery);
}

/* A message that tells what went wrong. Ours show no secrets; others quote what they could not read. */
static void
guard_error(ErrorData *edata)
{
	bool is_ours = ERRCODE_TO_CATEGORY(edata->sqlerrcode) == ERRCODE_TO_CATEGORY(ERRCODE_BILLING_INTERNAL);

	if (!is_ours)
	{
		if (edata->message != NULL)
			redact_quoted(edata->message);
		withhold(edata->detail);
		withhold(edata->hint);
	}
	if (!is_ours || (edata->context != NULL && strstr(edata->context, "parameter") != NULL))
		withhold(edata->context);
	withhold(edata->detail_log);
	withhold(edata->internalquery);
}

/* Parse trees and plans, of debug_print_parse and the like, have every constant in them, byte by byte. */
static bool
is_tree(const char *message)
{
	return message != NULL &&
		   (strcmp(message, "parse tree:") == 0 || strcmp(message, "rewritten parse tree:") == 0 ||
			strcmp(message, "plan:") == 0);
}

static void
guard_message(ErrorData *edata)
{
	MessageTexts texts = texts_of(edata);
	RedactLevel level;

	for (int i = 0; i < lengthof(texts.text); i++)
		if (texts.text[i] != NULL)
			redact_tokens(texts.text[i]);
	if (is_tree(edata->message))
		withhold(edata->detail);
	level = message_level(&texts);
	if (edata->elevel > LOG_SERVER_ONLY && level > REDACT_NOTHING)
		guard_error(edata);
	else if (level == REDACT_ARGUMENTS)
		guard_log(edata);
	if (debug_query_string != NULL &&
		((level == REDACT_ARGUMENTS && redact_has_literal(debug_query_string)) ||
		 redact_has_token(debug_query_string)))
		edata->hide_stmt = true;
}

static void
guard_hook(ErrorData *edata)
{
	if (log_guard)
		guard_message(edata);
	if (next_hook != NULL)
		next_hook(edata);
}

void
billing_define_log_guard(void)
{
	DefineCustomBoolVariable("billing.log_guard", "Keeps tokens and personal data out of the server's log.",
							 "Off only to look for an error in plans and parse trees, which it withholds.",
							 &log_guard, true, PGC_SUSET, 0, NULL, NULL, NULL);
	next_hook = emit_log_hook;
	emit_log_hook = guard_hook;
}
