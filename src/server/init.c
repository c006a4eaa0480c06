/*
 * init.c: the library's magic block, and its settings.
 */
#include "postgres.h"
#include "fmgr.h"

#include "server/fault.h"
#include "server/server.h"

#pragma GCC visibility push(default)
PG_MODULE_MAGIC;
extern void _PG_init(void);
#pragma GCC visibility pop

/* Each module that has settings defines them by one function. */
extern void billing_define_log_guard(void);
extern void billing_define_access_settings(void);
extern void billing_define_evidence_settings(void);
extern void billing_define_privacy_settings(void);

void
_PG_init(void)
{
	billing_define_log_guard();
	billing_define_access_settings();
	billing_define_evidence_settings();
	billing_define_privacy_settings();
	billing_define_faults();
}
