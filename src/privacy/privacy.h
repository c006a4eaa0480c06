/*
 * privacy.h: what the files of this module share.
 *
 * A data key never leaves a function of keys.c: what goes in and out is wrapped keys, values and ciphertexts. A value
 * never goes into a statement, so that no plan, parameter or error of one can show it.
 */
#ifndef BILLING_PRIVACY_H
#define BILLING_PRIVACY_H

#include "server/server.h"

/* Whose data, and why it is kept. */
typedef struct PrivacySubject
{
	const char *tenant;
	const char *account;
	const char *purpose;
} PrivacySubject;

/* A data key as it is stored. */
typedef struct PrivacyKey
{
	const char *key_id;
	bytea *wrapped;
} PrivacyKey;

/* ---- keys.c; these raise MB470, MB471, and MB472 when something is not what was stored there ---- */

/* The id of the key that wraps; palloc'd. */
extern char *privacy_wrapping_id(void);

/* A new data key, wrapped; palloc'd. */
extern PrivacyKey privacy_make_key(const PrivacySubject *subject);

/* The data key wrapped with the first key of the file; palloc'd. */
extern bytea *privacy_rewrap(const PrivacySubject *subject, const PrivacyKey *key);

/* A value as ciphertext, bound to its place; palloc'd. */
extern bytea *privacy_seal(const PrivacySubject *subject, const PrivacyKey *key, const char *field,
						   const char *value, size_t length);

/* The value of a ciphertext; palloc'd, zero-terminated. */
extern char *privacy_open(const PrivacySubject *subject, const PrivacyKey *key, const char *field,
						  const bytea *ciphertext);

/* ---- fields.c ---- */

/* An argument as text; MB400 when it is null. */
extern char *privacy_argument(FunctionCallInfo fcinfo, int number, const char *what);

/* Locks the account until the transaction ends; MB440 when there is none. Needs SPI. */
extern void privacy_lock_account(const char *tenant, const char *account);

#endif
