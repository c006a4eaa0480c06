/*
 * install.c: billing.install() and billing.migrate().
 *
 * CREATE EXTENSION brings code; these make the tables. Tables that belong to
 * an extension lose rows on pg_dump | pg_restore and go with DROP EXTENSION,
 * so the tables here belong to billing_owner and to no extension.
 *
 * Both run the steps of embedded_tables[] that billing.schema_migrations does
 * not name, each in order, and then every grant of embedded_access[] and the
 * row security of every tenant table, all in the caller's transaction: neither
 * a code update that made a function anew nor a hand can leave one out for good.
 */
#include "postgres.h"
#include "fmgr.h"

#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "embedded.h"
#include "server/fault.h"
#include "server/server.h"

#define BILLING_VERSION "0.1.0"

static const char *const CREATE_MIGRATIONS =
	"CREATE TABLE billing.schema_migrations ("
	" step text COLLATE \"C\" NOT NULL PRIMARY KEY,"
	" version text NOT NULL,"
	" applied_at timestamptz NOT NULL DEFAULT now());"
	"COMMENT ON TABLE billing.schema_migrations IS 'The steps that made the tables, recorded by "
	"billing.install() and billing.migrate().';"
	"COMMENT ON COLUMN billing.schema_migrations.step IS 'Module and file of the step.';"
	"COMMENT ON COLUMN billing.schema_migrations.version IS 'Version of the code that ran it.';"
	"COMMENT ON COLUMN billing.schema_migrations.applied_at IS 'When.'";

static Oid
migrations_relation(void)
{
	Oid schema = get_namespace_oid("billing", true);

	return OidIsValid(schema) ? get_relname_relid("schema_migrations", schema) : InvalidOid;
}

bool
billing_is_installed(void)
{
	return OidIsValid(migrations_relation());
}

void
billing_require_installed(void)
{
	if (!billing_is_installed())
		ereport(ERROR, errcode(ERRCODE_BILLING_NOT_INSTALLED),
				errmsg("billing has no tables in this database"), errhint("Run: SELECT billing.install();"));
}

static bool
step_is_applied(const char *step)
{
	Oid types[] = {TEXTOID};
	Datum values[] = {CStringGetTextDatum(step)};

	return billing_spi_run("SELECT FROM billing.schema_migrations WHERE step = $1", 1, types, values, NULL) >
		   0;
}

static void
apply_step(const char *step, const char *sql)
{
	Oid types[] = {TEXTOID, TEXTOID};
	Datum values[] = {CStringGetTextDatum(step), CStringGetTextDatum(BILLING_VERSION)};

	billing_spi_exec(sql);
	FAULT_POINT("the step of a module is recorded");
	billing_spi_run("INSERT INTO billing.schema_migrations (step, version) VALUES ($1, $2)", 2, types, values,
					NULL);
}

/* Runs what is missing, under a lock that makes a second caller wait and then find nothing to do. */
static int
apply_missing_steps(void)
{
	int applied = 0;

	billing_spi_exec("LOCK TABLE billing.schema_migrations IN SHARE ROW EXCLUSIVE MODE");
	for (const EmbeddedFile *tables = embedded_tables; tables->module != NULL; tables++)
	{
		char *step = psprintf("%s/tables", tables->module);

		if (step_is_applied(step))
			continue;
		apply_step(step, tables->sql);
		applied++;
	}
	return applied;
}

/* After every step: a module may grant what one below it made. */
static void
secure_access(void)
{
	for (const EmbeddedFile *access = embedded_access; access->module != NULL; access++)
		billing_spi_exec(access->sql);
	billing_spi_exec("SELECT billing.protect_tables()");
}

static void
check_encoding(void)
{
	if (GetDatabaseEncoding() != PG_UTF8)
		ereport(ERROR, errcode(ERRCODE_BILLING_WRONG_STATE),
				errmsg("database encoding is %s, and billing needs UTF8", GetDatabaseEncodingName()),
				errdetail("Hashes are taken over UTF-8 text."),
				errhint("Create the database with ENCODING 'UTF8' TEMPLATE template0."));
}

static const char *
install_tables(void)
{
	int applied;

	check_encoding();
	SPI_connect();
	if (!billing_is_installed())
		billing_spi_exec(CREATE_MIGRATIONS);
	applied = apply_missing_steps();
	if (applied > 0)
		billing_spi_exec("SELECT billing.finish_install()");
	FAULT_POINT("access is granted");
	secure_access();
	FAULT_POINT("the schema is recorded");
	if (applied > 0)
		billing_spi_exec("SELECT billing.record_schema('install')");
	SPI_finish();

	if (applied == 0)
		return "billing " BILLING_VERSION " is installed; nothing to do";
	return psprintf("billing %s installed: %d modules; partitions from two months ago to three months ahead",
					BILLING_VERSION, applied);
}

BILLING_FUNCTION(billing_install)
{
	PG_RETURN_TEXT_P(cstring_to_text(install_tables()));
}

static const char *
migrate_tables(void)
{
	int applied;

	billing_spi_connect();
	applied = apply_missing_steps();
	secure_access();
	billing_spi_exec("SELECT billing.record_schema('migrate')");
	billing_spi_finish();
	if (applied == 0)
		return "tables are at version " BILLING_VERSION "; nothing to do";
	return psprintf("tables brought to version %s by %d steps", BILLING_VERSION, applied);
}

BILLING_FUNCTION(billing_migrate)
{
	PG_RETURN_TEXT_P(cstring_to_text(migrate_tables()));
}

BILLING_FUNCTION(billing_require_installed_sql)
{
	billing_require_installed();
	PG_RETURN_VOID();
}
