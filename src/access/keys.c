/*
 * keys.c: the keys that tokens are verified with.
 *
 * They are in a file outside the database, which each backend reads when it needs them first, and anew when the
 * configuration was reloaded since: so a rotation is a change of the file and pg_reload_conf().
 */
#include "postgres.h"
#include "fmgr.h"

#include <openssl/crypto.h>

#include "miscadmin.h"
#include "utils/guc.h"
#include "utils/timestamp.h"

#include "access/access.h"
#include "server/key_file.h"

static char *token_key_file;

static TokenKeys keys;
static bool keys_are_read = false;
static TimestampTz read_after_reload; /* PgReloadTime when they were read */

/* What the session's token is, for identity.c. */
extern char *access_token_setting;
char *access_token_setting;

extern void billing_define_access_settings(void);

void
billing_define_access_settings(void)
{
	GucContext context = process_shared_preload_libraries_in_progress ? PGC_POSTMASTER : PGC_SIGHUP;

	DefineCustomStringVariable(
		"billing.token_key_file", "File with the keys that tokens are verified with.",
		"Lines \"kid alg base64(key)\", mode 0600 or 0400, outside the data directory. Empty: no tokens.",
		&token_key_file, "", context, GUC_SUPERUSER_ONLY, NULL, NULL, NULL);
	DefineCustomStringVariable("billing.token", "The signed token that tells whose session this is.",
							   "A JSON Web Token; see doc/tokens.md.", &access_token_setting, "", PGC_USERSET,
							   GUC_NO_SHOW_ALL | GUC_NOT_IN_SAMPLE | GUC_DISALLOW_IN_FILE, NULL, NULL, NULL);
}

bool
access_keys_are_current(void)
{
	return keys_are_read && read_after_reload == PgReloadTime;
}

static void
refuse_keys(const char *problem, size_t line)
{
	ereport(ERROR, errcode(ERRCODE_BILLING_KEY_FILE), errmsg("token keys cannot be used: %s", problem),
			line > 0 ? errdetail("It is line %zu of the file.", line) : 0,
			errhint("The setting billing.token_key_file names a file with lines \"kid alg base64(key)\"."));
}

static void
read_keys(void)
{
	BillingKeyFile content;
	TokenKeysStatus status = TOKEN_KEYS_OK;
	const char *problem;
	size_t line = 0;

	keys_are_read = false;
	OPENSSL_cleanse(&keys, sizeof(keys));
	if (token_key_file == NULL || token_key_file[0] == '\0')
		refuse_keys("no file is set", 0);
	problem = billing_read_key_file(token_key_file, &content);
	if (problem != NULL)
		refuse_keys(problem, 0);
	status = token_keys_parse(content.bytes, content.length, &keys, &line);
	billing_forget_key_file(&content);
	if (status != TOKEN_KEYS_OK)
		refuse_keys(token_keys_status_text(status), status == TOKEN_KEYS_COUNT ? 0 : line);
	read_after_reload = PgReloadTime;
	keys_are_read = true;
}

const TokenKeys *
access_keys(void)
{
	if (!access_keys_are_current())
		read_keys();
	return &keys;
}
