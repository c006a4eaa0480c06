#ifndef BILLING_VERIFY_STORE_H
#define BILLING_VERIFY_STORE_H

#include "verify/input.h"

#define STORE_PATH_MAX 4096

/* The file of one origin in a witness's directory, locked against other witnesses from open to close. */
typedef struct Store
{
	const char *directory;
	int lock;
	char path[STORE_PATH_MAX];
} Store;

/* Makes the directory when it is missing, if it may. */
extern bool store_open(Store *store, const char *directory, const char *origin, bool may_make,
					   Verdict *verdict);

/* found is false, and input empty, before the first write. */
extern bool store_read(const Store *store, Input *input, bool *found, Verdict *verdict);

/* Replaces the file, or that with a suffix to its name, as a whole; it is on disk when this returns. */
extern bool store_write(const Store *store, const char *suffix, const char *bytes, size_t length,
						Verdict *verdict);

/* When the file was written, in seconds since 1970. */
extern bool store_time(const Store *store, int64_t *seconds, Verdict *verdict);

extern void store_close(Store *store);

#endif
