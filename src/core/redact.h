#ifndef BILLING_CORE_REDACT_H
#define BILLING_CORE_REDACT_H

#include <stdbool.h>

/*
 * What must not reach a log: tokens, and the arguments of calls that carry secrets. Texts end in a zero byte and are
 * overwritten in place, with ASCII and never longer, so that this can neither fail nor allocate.
 */

/*
 * Overwrites everything shaped like a JWS in compact form (RFC 7515 7.1): three parts of base64url with points between,
 * the first beginning as a JSON object does, eyJ. Whether there was one.
 */
extern bool redact_tokens(char *text);

/* Whether there is one. */
extern bool redact_has_token(const char *text);

typedef enum
{
	REDACT_NOTHING = 0,
	REDACT_RESULTS,	 /* what comes back is secret, what was asked is not */
	REDACT_ARGUMENTS /* what was asked is secret too */
} RedactLevel;

/* By the calls and settings that a statement, or what quotes it, names. */
extern RedactLevel redact_level(const char *text);

/* Whether there is a literal in a statement: a single quote, or a dollar sign that begins no parameter. */
extern bool redact_has_literal(const char *text);

/* Overwrites all of it, as far as there is room with a word that says so. */
extern void redact_all(char *text);

/* Overwrites what stands from the first double quote to the last. */
extern void redact_quoted(char *text);

/*
 * The word after the next EXECUTE in a statement, folded and cut as PostgreSQL does with the name of a prepared
 * statement: in name, which has room for `room` bytes. Returns where to go on from, or NULL when there is none.
 */
extern const char *redact_executed(const char *text, char *name, unsigned room);

#endif
