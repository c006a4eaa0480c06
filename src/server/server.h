/*
 * server.h: what every module shares on the server side.
 *
 * Include after postgres.h and fmgr.h. Modules see only what is declared here
 * and in the headers of the modules above them in src/modules.list.
 */
#ifndef BILLING_SERVER_H
#define BILLING_SERVER_H

#include "access/transam.h"
#include "executor/spi.h"
#include "utils/date.h"
#include "server/errors.h"

/*
 * Declares and exports a SQL-callable entry; with -fvisibility=hidden nothing
 * else leaves the library. (PostgreSQL 15's own macro exports only where the
 * default visibility is in force.)
 */
#define BILLING_EXPORT __attribute__((visibility("default")))
#define BILLING_FUNCTION(name)                                                                               \
	extern BILLING_EXPORT const Pg_finfo_record *pg_finfo_##name(void);                                      \
	extern BILLING_EXPORT Datum name(PG_FUNCTION_ARGS);                                                      \
	PG_FUNCTION_INFO_V1(name);                                                                               \
	Datum name(PG_FUNCTION_ARGS)

/* What a background worker runs, named by bgw_function_name. */
#define BILLING_WORKER(name)                                                                                 \
	extern BILLING_EXPORT void name(Datum main_arg);                                                         \
	void name(Datum main_arg)

/* ---- spi.c: set-based SQL from C ---- */

/* Connects SPI; refuses with MB425 when billing.install() has not run. Pair with billing_spi_finish(). */
extern void billing_spi_connect(void);
extern void billing_spi_finish(void);

/*
 * Runs one statement with parameters and returns the number of rows it
 * processed (or returned). `nulls` as in SPI; NULL means none is null. The
 * plan is made for these parameter values: a generic plan for windows and
 * tenant ranges was 20 to 50 times slower.
 */
extern uint64 billing_spi_run(const char *sql, int nargs, const Oid *types, const Datum *values,
							  const char *nulls);

/*
 * The same by a plan for any values, kept in *plan for the life of the backend: for what is called for one thing at a
 * time, where planning over every month would take longer than the rest. `sql` is not looked at once *plan is set.
 */
extern uint64 billing_spi_run_kept(SPIPlanPtr *plan, const char *sql, int nargs, const Oid *types,
								   const Datum *values, const char *nulls);

/* A cursor over the rows of a query by such a plan, one that gives the first rows soon. */
extern Portal billing_spi_open_kept(SPIPlanPtr *plan, const char *sql, int nargs, const Oid *types,
									const Datum *values);

/* Hands each row of a query to `receiver`, which may end it by returning false. */
extern void billing_spi_receive(const char *sql, int nargs, const Oid *types, const Datum *values,
								const char *nulls, DestReceiver *receiver);

/* Puts the rows of a query into what InitMaterializedSRF() made of `set`, which goes to disk where it outgrows work_mem. */
extern void billing_spi_return(ReturnSetInfo *set, const char *sql, int nargs, const Oid *types,
							   const Datum *values, const char *nulls);

/* `statement` with `sql` in the place of `placeholder`, which it has once; palloc'd. */
extern char *billing_sql_fill(const char *statement, const char *placeholder, const char *sql);

/* Runs `sql` (no parameters) and returns rows processed. */
extern uint64 billing_spi_exec(const char *sql);

/* A value of the last statement's result; *isnull set when null or no row. Pass-by-reference values live until the
 * SPI context ends. */
extern Datum billing_spi_value(uint64 row, int column, bool *isnull);

/* Text value of the last result, palloc'd in the caller's SPI context; NULL when null. */
extern char *billing_spi_text(uint64 row, int column);

/* Locks the row of `stage` in billing.stage_locks until the transaction ends; MB427 unless READ COMMITTED. */
extern void billing_lock_stage(const char *stage);

/*
 * For what takes a window, which must come first in a READ COMMITTED transaction of its own: its snapshot is then newer
 * than the stage's lock, and it has written no rows that its own snapshot would take for committed. Raises MB427 with
 * `what` cannot be done, and the hint to call `function` alone.
 */
extern void billing_require_window_transaction(const char *what, const char *function);

/* ---- tenant_lock.c ---- */

/*
 * Locks the tenants from `first` to `last` (texts, in byte order, both included) until the transaction ends, or the
 * subtransaction is rolled back: who locks any of them too waits. A transaction may lock what it has locked. MB400 when
 * `first` comes after `last`, MB427 unless READ COMMITTED. Needs SPI.
 */
extern void billing_lock_tenants(Datum first, Datum last);

/* ---- install.c ---- */

/* Whether billing.install() has been run in this database (cached; checked against the catalogue). */
extern bool billing_is_installed(void);

/* Raises MB425 with its hint unless installed. */
extern void billing_require_installed(void);

/* ---- incarnation.c ---- */

/* What billing.log_xid() adds to the id of the transaction. Raises MB425, and MB426 in a cluster that is not the data's. */
extern int64 billing_xid_offset(void);

/* What billing.log_xid() is: the id of the transaction, which gets one by this, with that added. */
extern FullTransactionId billing_current_log_xid(void);

/* ---- ids.c ---- */

/* A new UUIDv7, palloc'd. */
extern struct pg_uuid_t *billing_new_uuid(void);

/* ---- text.c ---- */

/* Text of COLLATE "C" is compared by its bytes. */
extern int billing_compare_bytes(const void *a, Size a_length, const void *b, Size b_length);
extern int billing_compare_text(const text *a, const text *b);
extern bool billing_same_text(const text *a, const text *b);

/* ---- partition.c ---- */

/* The UTC day of an instant. */
extern DateADT billing_utc_day(TimestampTz instant);

/* Whether `table` has the partition of a month. */
extern bool billing_has_partition(const char *table, int year, int month);

/* Raises MB424 with its hint when `table` has no partition for the month of `day`, MB417 for an infinite day. */
extern void billing_require_partition(const char *table, DateADT day);

#endif
