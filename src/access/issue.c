/*
 * issue.c: tokens for who has none from elsewhere: operators, and tests. An application makes its own, with the key.
 */
#include "postgres.h"
#include "fmgr.h"

#include <openssl/crypto.h>

#include "commands/dbcommands.h"
#include "datatype/timestamp.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "access/access.h"
#include "server/card.h"

enum IssueArgument
{
	ISSUE_TENANT,
	ISSUE_ROLE,
	ISSUE_VALID_FOR,
	ISSUE_SUBJECT,
	ISSUE_KEY_ID
};

static void
refuse_argument(const char *problem, const char *detail)
{
	ereport(ERROR, errcode(ERRCODE_BILLING_INVALID_ARGUMENT), errmsg("%s", problem),
			detail != NULL ? errdetail("%s", detail) : 0);
}

/* Copies a text of at least a byte into a claim; `problem` says what is wrong with another one. */
static void
take_text(const text *given, char claim[TOKEN_TEXT_MAX + 1], const char *problem)
{
	int length = VARSIZE_ANY_EXHDR(given);

	if (length == 0 || length > TOKEN_TEXT_MAX)
		refuse_argument(problem, psprintf("It has %d bytes, not 1 to %d.", length, TOKEN_TEXT_MAX));
	memcpy(claim, VARDATA_ANY(given), length);
	claim[length] = '\0';
}

static TokenRole
role_of(const char *name)
{
	if (strcmp(name, "app") == 0)
		return TOKEN_ROLE_APP;
	if (strcmp(name, "tenant") != 0)
		refuse_argument(psprintf("\"%s\" is no role of a token", name),
						"It is app, which may change things, or tenant, which reads.");
	return TOKEN_ROLE_TENANT;
}

/* When a token ends that is valid for so long from now. */
static int64
end_of(const Interval *valid_for)
{
	int64 seconds = valid_for->time / USECS_PER_SEC;
	int64 now = timestamptz_to_time_t(GetCurrentTimestamp());

	if (valid_for->month != 0 || valid_for->day != 0 || seconds < 1 || valid_for->time % USECS_PER_SEC != 0 ||
		seconds > TOKEN_SECONDS_MAX)
		refuse_argument("a token is valid for 1 to 300 whole seconds", NULL);
	return now + seconds;
}

/* The key of that id, or the first. */
static const TokenKey *
key_of(const text *id)
{
	const TokenKeys *keys = access_keys();
	const TokenKey *key;

	if (id == NULL)
		return &keys->keys[0];
	key = token_key_find(keys, (TextSpan){VARDATA_ANY(id), VARSIZE_ANY_EXHDR(id)});
	if (key == NULL)
		refuse_argument(psprintf("there is no token key \"%s\"", text_to_cstring(id)), NULL);
	return key;
}

BILLING_FUNCTION(billing_issue_token)
{
	TokenClaims claims = {0};
	const char *database = get_database_name(MyDatabaseId);
	char token[TOKEN_LENGTH_MAX];
	size_t length;
	TokenStatus status;

	billing_refuse_card_arguments(fcinfo);
	if (PG_ARGISNULL(ISSUE_TENANT) || PG_ARGISNULL(ISSUE_ROLE) || PG_ARGISNULL(ISSUE_VALID_FOR))
		refuse_argument("a token needs a tenant, a role and how long it is valid", NULL);
	take_text(PG_GETARG_TEXT_PP(ISSUE_TENANT), claims.tenant, "the tenant cannot be in a token");
	claims.role = role_of(text_to_cstring(PG_GETARG_TEXT_PP(ISSUE_ROLE)));
	claims.expires = end_of(PG_GETARG_INTERVAL_P(ISSUE_VALID_FOR));
	claims.has_subject = !PG_ARGISNULL(ISSUE_SUBJECT);
	if (claims.has_subject)
		take_text(PG_GETARG_TEXT_PP(ISSUE_SUBJECT), claims.subject, "the subject cannot be in a token");
	status = token_issue(key_of(PG_ARGISNULL(ISSUE_KEY_ID) ? NULL : PG_GETARG_TEXT_PP(ISSUE_KEY_ID)), &claims,
						 (TextSpan){database, strlen(database)}, token, &length);
	if (status == TOKEN_TOO_LARGE || status == TOKEN_CANNOT_SIGN)
		refuse_argument(psprintf("token cannot be issued: %s", token_status_text(status)), NULL);
	if (status != TOKEN_OK)
		ereport(ERROR, errcode(ERRCODE_BILLING_INTERNAL),
				errmsg("token cannot be issued: %s", token_status_text(status)));
	PG_RETURN_TEXT_P(cstring_to_text_with_len(token, length));
}
