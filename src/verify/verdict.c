#include "verify/verdict.h"

#include "core/utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* A hostile name must not write to the terminal of who reads the message, and a cut one must stay UTF-8. */
static void
make_printable(char *text)
{
	size_t available = strlen(text);

	while (available > 0)
	{
		uint32_t point;
		size_t length = utf8_decode(text, available, &point);

		if (length == 0 || point < 0x20 || (point >= 0x7F && point < 0xA0))
		{
			length = length == 0 ? 1 : length;
			memset(text, '?', length);
		}
		text += length;
		available -= length;
	}
}

static bool __attribute__((format(printf, 4, 0)))
decide(Verdict *verdict, VerdictOutcome outcome, const char *where, const char *format, va_list arguments)
{
	if (verdict->outcome != VERDICT_VALID)
		return false;
	verdict->outcome = outcome;
	snprintf(verdict->where, sizeof(verdict->where), "%s", where == NULL ? "" : where);
	vsnprintf(verdict->text, sizeof(verdict->text), format, arguments);
	make_printable(verdict->where);
	make_printable(verdict->text);
	return false;
}

bool
verdict_refute(Verdict *verdict, const char *where, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	decide(verdict, VERDICT_REFUTED, where, format, arguments);
	va_end(arguments);
	return false;
}

bool
verdict_unreadable(Verdict *verdict, const char *where, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	decide(verdict, VERDICT_UNREADABLE, where, format, arguments);
	va_end(arguments);
	return false;
}

bool
verdict_stale(Verdict *verdict, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	decide(verdict, VERDICT_STALE, NULL, format, arguments);
	va_end(arguments);
	return false;
}

bool
verdict_usage(Verdict *verdict, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	decide(verdict, VERDICT_USAGE, NULL, format, arguments);
	va_end(arguments);
	return false;
}

bool
verdict_within(Verdict *verdict, const char *place)
{
	char inner[sizeof(verdict->where)];

	if (place[0] == '\0' || verdict->is_machine)
		return false;
	memcpy(inner, verdict->where, sizeof(inner));
	snprintf(verdict->where, sizeof(verdict->where), "%.30s%s%.90s", place, inner[0] == '\0' ? "" : ".",
			 inner);
	return false;
}

bool
verdict_machine(Verdict *verdict, const char *what)
{
	if (verdict->outcome == VERDICT_VALID)
		verdict->is_machine = true;
	return verdict_unreadable(verdict, NULL, "could not go on: %s", what);
}
