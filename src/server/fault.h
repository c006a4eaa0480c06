/*
 * fault.h: places where a test makes a call fail, or the server end.
 *
 * FAULT_POINT("what comes next") costs nothing: without BILLING_FAULTS, which
 * only the library of make FAULTS=1 has, it is nothing. There the setting
 * billing.fault names a point and what happens there (see fault.c), and
 * billing_fault_points() lists the points, so that a new one is tested without
 * being named in a test. Put one where what is half done must not be seen: the
 * statements of a call need none, each of them is the point "statement".
 */
#ifndef BILLING_FAULT_H
#define BILLING_FAULT_H

/* Defines billing.fault; nothing without BILLING_FAULTS. */
extern void billing_define_faults(void);

#ifdef BILLING_FAULTS

typedef struct FaultPoint
{
	const char *name;
	int64 hits; /* since billing.fault was set */
} FaultPoint;

extern void billing_fault(FaultPoint *point);

#define FAULT_POINT(what)                                                                                    \
	do                                                                                                       \
	{                                                                                                        \
		static FaultPoint here __attribute__((used, aligned(16), section("billing_faults"))) = {what, 0};    \
                                                                                                             \
		billing_fault(&here);                                                                                \
	} while (0)

#else

#define FAULT_POINT(what) ((void) 0)

#endif

#endif
