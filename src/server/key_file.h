/*
 * key_file.h: files with keys, named by a setting that only a superuser has.
 */
#ifndef BILLING_SERVER_KEY_FILE_H
#define BILLING_SERVER_KEY_FILE_H

#include <stddef.h>

#define BILLING_KEY_FILE_MAX 4096

/* Keep it on the stack, and forget it before anything can raise an error. */
typedef struct BillingKeyFile
{
	size_t length;
	char bytes[BILLING_KEY_FILE_MAX];
} BillingKeyFile;

/*
 * Reads a regular file, of mode 0600 or 0400, of the server's user, outside the data directory, not through a symbolic
 * link, and not empty. Returns NULL, or why it cannot be used, as a phrase without anything of the content; nothing is
 * left in content then. Raises no error. On success, billing_forget_key_file() is due.
 */
extern const char *billing_read_key_file(const char *path, BillingKeyFile *content);

/* Overwrites it. */
extern void billing_forget_key_file(BillingKeyFile *content);

#endif
