/*
 * compat.h: what differs between the servers, PostgreSQL 15 to 18. Nothing else asks for a version.
 */
#ifndef BILLING_COMPAT_H
#define BILLING_COMPAT_H

#include "utils/relcache.h"

/* Since 18 the caller says whether a deferrable key would do, and before only one that is not deferrable was given. */
#if PG_VERSION_NUM >= 180000
#define billing_primary_key_index(relation) RelationGetPrimaryKeyIndex(relation, false)
#else
#define billing_primary_key_index(relation) RelationGetPrimaryKeyIndex(relation)
#endif

#endif
