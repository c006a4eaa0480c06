/*
 * text.c: texts that are keys, compared as COLLATE "C" does.
 */
#include "postgres.h"
#include "fmgr.h"

#include "server/server.h"

int
billing_compare_bytes(const void *a, Size a_length, const void *b, Size b_length)
{
	int order = memcmp(a, b, Min(a_length, b_length));

	return order != 0 ? order : (a_length > b_length) - (a_length < b_length);
}

int
billing_compare_text(const text *a, const text *b)
{
	return billing_compare_bytes(VARDATA_ANY(a), VARSIZE_ANY_EXHDR(a), VARDATA_ANY(b), VARSIZE_ANY_EXHDR(b));
}

bool
billing_same_text(const text *a, const text *b)
{
	return VARSIZE_ANY_EXHDR(a) == VARSIZE_ANY_EXHDR(b) &&
		   memcmp(VARDATA_ANY(a), VARDATA_ANY(b), VARSIZE_ANY_EXHDR(a)) == 0;
}
