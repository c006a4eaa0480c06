#ifndef BILLING_VERIFY_BUNDLE_H
#define BILLING_VERIFY_BUNDLE_H

#include "verify/row.h"

/*
 * A bundle taken apart (doc/bundle.md, billing-bundle/v1): its form is checked, and nothing of it is true yet. It
 * points into the document and the arena.
 */
typedef struct Leaf
{
	ShapePlace place;
	Row row;
	uint64_t index;
	Bytes path; /* the inclusion proof's hashes, one after the other */
} Leaf;

typedef struct BundleInvoice
{
	ShapePlace place;
	Row row;
	Leaf event;
	bool has_entry;
	Leaf entry;
} BundleInvoice;

typedef struct BundleLine
{
	ShapePlace place;
	Row row;
	Leaf rated;
	bool has_entry;
	Leaf entry;
} BundleLine;

typedef struct BundlePlan
{
	Leaf leaf;
	const JsonNode *terms;
} BundlePlan;

typedef struct BundleWindow
{
	Leaf leaf;
	size_t count;
	Row *counts;
} BundleWindow;

typedef struct BundleConsistency
{
	TextSpan checkpoint;
	TextSpan vkey;
	Bytes path;
} BundleConsistency;

typedef struct Bundle
{
	TextSpan checkpoint;
	TextSpan vkey;
	bool has_consistency;
	BundleConsistency consistency;
	BundleInvoice invoice;
	size_t line_count;
	BundleLine *lines;
	size_t plan_count;
	BundlePlan *plans;
	size_t window_count;
	BundleWindow *windows;

	ShapeArena arena;
} Bundle;

/* Of a document of that format, which must outlive it; bundle_free frees what was read, also after a failure. */
extern bool bundle_read(const JsonNode *root, Bundle *bundle, Verdict *verdict);
extern void bundle_free(Bundle *bundle);

#endif
