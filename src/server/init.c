/*
 * init.c: the library's magic block.
 */
#include "postgres.h"
#include "fmgr.h"

#include "server/server.h"

#pragma GCC visibility push(default)
PG_MODULE_MAGIC;
#pragma GCC visibility pop
