#ifndef BILLING_VERIFY_VERDICT_H
#define BILLING_VERIFY_VERDICT_H

#include <stdbool.h>
#include <stdlib.h>

/* What the program comes to, and its exit status. */
typedef enum
{
	VERDICT_VALID = 0,
	VERDICT_REFUTED = 1,	/* read, and something does not hold */
	VERDICT_UNREADABLE = 2, /* not what it should be in form, or not to be had */
	VERDICT_STALE = 3,		/* a witness was given no new checkpoint in time */
	VERDICT_USAGE = 64		/* called in a way it does not have (sysexits.h) */
} VerdictOutcome;

#define VERDICT_TEXT_MAX 512

/* The first thing that was found; all zeros before. where is the place in the document, empty when there is none. */
typedef struct Verdict
{
	VerdictOutcome outcome;
	bool is_machine; /* memory or the crypto library failed */
	char where[128];
	char text[VERDICT_TEXT_MAX];
} Verdict;

/*
 * They keep what was found first and return false, so that a check can end with them. where may be NULL; the text is
 * lower case without a full stop. Bytes of the texts that a terminal would act on are replaced.
 */
extern bool verdict_refute(Verdict *verdict, const char *where, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
extern bool verdict_unreadable(Verdict *verdict, const char *where, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
extern bool verdict_stale(Verdict *verdict, const char *format, ...) __attribute__((format(printf, 2, 3)));
extern bool verdict_usage(Verdict *verdict, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Puts a place before that of a verdict which is not valid; returns false. */
extern bool verdict_within(Verdict *verdict, const char *place);

/* When memory or the crypto library fails, which says nothing about the document. */
extern bool verdict_machine(Verdict *verdict, const char *what);

#endif
