/*
 * audit.h: what the audit log needs of other modules.
 */
#ifndef BILLING_AUDIT_H
#define BILLING_AUDIT_H

#include "fmgr.h"
#include "utils/elog.h"

/*
 * A C function that administers says so while it works, so that the audit log can name it; PL/pgSQL functions are found
 * in the error context as they are. An error leaves by itself.
 */
typedef struct AuditEntry
{
	ErrorContextCallback context;
	Oid function;
} AuditEntry;

extern void audit_enter(AuditEntry *entry, FunctionCallInfo fcinfo);
extern void audit_leave(const AuditEntry *entry);

/* The outermost function of billing that is under way, without schema; palloc'd, or NULL. */
extern char *audit_outermost_call(void);

#endif
