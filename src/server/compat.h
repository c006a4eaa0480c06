/*
 * compat.h: what differs between the servers, PostgreSQL 15 to 18. Nothing else asks for a version.
 */
#ifndef BILLING_COMPAT_H
#define BILLING_COMPAT_H

#include "executor/executor.h"
#include "utils/relcache.h"

/* Since 18 the caller says whether a deferrable key would do, and before only one that is not deferrable was given. */
#if PG_VERSION_NUM >= 180000
#define billing_primary_key_index(relation) RelationGetPrimaryKeyIndex(relation, false)
#else
#define billing_primary_key_index(relation) RelationGetPrimaryKeyIndex(relation)
#endif

/* Since 18 a row may be named that is none of the conflicts. */
static inline bool
billing_check_index_constraints(ResultRelInfo *relation, TupleTableSlot *slot, EState *estate,
								ItemPointer conflict)
{
#if PG_VERSION_NUM >= 180000
	ItemPointerData none;

	ItemPointerSetInvalid(&none);
	return ExecCheckIndexConstraints(relation, slot, estate, conflict, &none, NIL);
#else
	return ExecCheckIndexConstraints(relation, slot, estate, conflict, NIL);
#endif
}

/* Speculatively when `conflict` is given, which then says whether a key was there. Since 16 only the summarizing ones can be asked for. */
static inline void
billing_insert_index_tuples(ResultRelInfo *relation, TupleTableSlot *slot, EState *estate, bool *conflict)
{
#if PG_VERSION_NUM >= 160000
	list_free(ExecInsertIndexTuples(relation, slot, estate, false, conflict != NULL, conflict, NIL, false));
#else
	list_free(ExecInsertIndexTuples(relation, slot, estate, false, conflict != NULL, conflict, NIL));
#endif
}

#endif
