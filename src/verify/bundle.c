#include "verify/bundle.h"

#include "core/merkle_proof.h"

#include <string.h>

#define FIELD(type_name, member, shape)                                                                      \
	{                                                                                                        \
#member, shape, offsetof(type_name, member)                                                          \
	}
#define FIELDS(list) (list), sizeof(list) / sizeof(*(list))

/* The members of the document's objects, still as JSON. */
typedef struct TopMembers
{
	TextSpan format;
	TextSpan checkpoint;
	TextSpan vkey;
	const JsonNode *consistency;
	const JsonNode *invoice;
	const JsonNode *lines;
	const JsonNode *plans;
	const JsonNode *windows;
} TopMembers;

static const ShapeField top_fields[] = {
	FIELD(TopMembers, format, SHAPE_TEXT),	  FIELD(TopMembers, checkpoint, SHAPE_TEXT),
	FIELD(TopMembers, vkey, SHAPE_TEXT),	  FIELD(TopMembers, consistency, SHAPE_MAYBE),
	FIELD(TopMembers, invoice, SHAPE_OBJECT), FIELD(TopMembers, lines, SHAPE_ARRAY),
	FIELD(TopMembers, plans, SHAPE_ARRAY),	  FIELD(TopMembers, windows, SHAPE_ARRAY),
};

typedef struct ConsistencyMembers
{
	TextSpan checkpoint;
	TextSpan vkey;
	const JsonNode *proof;
} ConsistencyMembers;

static const ShapeField consistency_fields[] = {
	FIELD(ConsistencyMembers, checkpoint, SHAPE_TEXT),
	FIELD(ConsistencyMembers, vkey, SHAPE_TEXT),
	FIELD(ConsistencyMembers, proof, SHAPE_ARRAY),
};

typedef struct LeafMembers
{
	Bytes canon;
	uint64_t index;
	const JsonNode *proof;
} LeafMembers;

static const ShapeField leaf_fields[] = {
	FIELD(LeafMembers, canon, SHAPE_BASE64),
	FIELD(LeafMembers, index, SHAPE_INDEX),
	FIELD(LeafMembers, proof, SHAPE_ARRAY),
};

typedef struct InvoiceMembers
{
	Bytes canon;
	const JsonNode *lines;
	const JsonNode *event;
	const JsonNode *entry;
} InvoiceMembers;

static const ShapeField invoice_fields[] = {
	FIELD(InvoiceMembers, canon, SHAPE_BASE64),
	FIELD(InvoiceMembers, lines, SHAPE_ARRAY),
	FIELD(InvoiceMembers, event, SHAPE_OBJECT),
	FIELD(InvoiceMembers, entry, SHAPE_MAYBE),
};

typedef struct LineMembers
{
	const JsonNode *rated;
	const JsonNode *entry;
} LineMembers;

static const ShapeField line_fields[] = {
	FIELD(LineMembers, rated, SHAPE_OBJECT),
	FIELD(LineMembers, entry, SHAPE_MAYBE),
};

typedef struct PlanMembers
{
	const JsonNode *leaf;
	const JsonNode *terms;
} PlanMembers;

static const ShapeField plan_fields[] = {
	FIELD(PlanMembers, leaf, SHAPE_OBJECT),
	FIELD(PlanMembers, terms, SHAPE_OBJECT),
};

typedef struct WindowMembers
{
	const JsonNode *leaf;
	const JsonNode *counts;
} WindowMembers;

static const ShapeField window_fields[] = {
	FIELD(WindowMembers, leaf, SHAPE_OBJECT),
	FIELD(WindowMembers, counts, SHAPE_ARRAY),
};

static void *
allocate(Bundle *bundle, size_t count, size_t size, Verdict *verdict)
{
	void *memory =
		size > 0 && count > SIZE_MAX / 4 / size ? NULL : shape_allocate(&bundle->arena, count * size);

	if (memory == NULL)
		verdict_machine(verdict, "out of memory");
	return memory;
}

static bool
read_path(Bundle *bundle, const JsonNode *array, const ShapePlace *place, Bytes *path, Verdict *verdict)
{
	uint8_t *hashes;
	size_t i = 0;

	if (array->count > MERKLE_PROOF_MAX)
		return verdict_refute(verdict, place->text, "a proof of more than %d hashes", MERKLE_PROOF_MAX);
	hashes = allocate(bundle, array->count, DIGEST_SIZE, verdict);
	if (hashes == NULL)
		return false;
	for (const JsonNode *node = array->first; node != NULL; node = node->next, i++)
	{
		ShapePlace inner = shape_element(place, "proof", i);

		if (!shape_read_value(node, &inner, SHAPE_HASH, hashes + i * DIGEST_SIZE, &bundle->arena, verdict))
			return false;
	}
	*path = (Bytes){hashes, array->count * DIGEST_SIZE};
	return true;
}

static bool
read_leaf(Bundle *bundle, const JsonNode *node, RowKind kind, ShapePlace place, Leaf *leaf, Verdict *verdict)
{
	LeafMembers members;

	leaf->place = place;
	if (!shape_read(node, &place, FIELDS(leaf_fields), &members, &bundle->arena, verdict))
		return false;
	leaf->index = members.index;
	return read_path(bundle, members.proof, &place, &leaf->path, verdict) &&
		   row_read(members.canon, kind, &place, &leaf->row, verdict);
}

static bool
read_row(Bundle *bundle, const JsonNode *node, RowKind kind, const ShapePlace *place, Row *row,
		 Verdict *verdict)
{
	Bytes canon;

	return shape_read_value(node, place, SHAPE_BASE64, &canon, &bundle->arena, verdict) &&
		   row_read(canon, kind, place, row, verdict);
}

static bool
read_consistency(Bundle *bundle, const JsonNode *node, const ShapePlace *top, Verdict *verdict)
{
	ShapePlace place = shape_member(top, "consistency");
	ConsistencyMembers members;

	bundle->has_consistency = node != NULL;
	if (node == NULL)
		return true;
	if (!shape_read(node, &place, FIELDS(consistency_fields), &members, &bundle->arena, verdict))
		return false;
	bundle->consistency.checkpoint = members.checkpoint;
	bundle->consistency.vkey = members.vkey;
	return read_path(bundle, members.proof, &place, &bundle->consistency.path, verdict);
}

static bool
read_entry(Bundle *bundle, const JsonNode *node, const ShapePlace *owner, bool *has_entry, Leaf *entry,
		   Verdict *verdict)
{
	*has_entry = node != NULL;
	return node == NULL ||
		   read_leaf(bundle, node, ROW_LEDGER_ENTRY, shape_member(owner, "entry"), entry, verdict);
}

/* Makes the lines, with the rows that the invoice's document consists of. */
static bool
read_invoice(Bundle *bundle, const JsonNode *node, const ShapePlace *top, Verdict *verdict)
{
	BundleInvoice *invoice = &bundle->invoice;
	InvoiceMembers members;
	size_t i = 0;

	invoice->place = shape_member(top, "invoice");
	if (!shape_read(node, &invoice->place, FIELDS(invoice_fields), &members, &bundle->arena, verdict) ||
		!row_read(members.canon, ROW_INVOICE, &invoice->place, &invoice->row, verdict) ||
		!read_leaf(bundle, members.event, ROW_INVOICE_EVENT, shape_member(&invoice->place, "event"),
				   &invoice->event, verdict) ||
		!read_entry(bundle, members.entry, &invoice->place, &invoice->has_entry, &invoice->entry, verdict))
		return false;
	bundle->line_count = members.lines->count;
	bundle->lines = allocate(bundle, bundle->line_count, sizeof(BundleLine), verdict);
	if (bundle->lines == NULL)
		return false;
	for (const JsonNode *line = members.lines->first; line != NULL; line = line->next, i++)
	{
		ShapePlace place = shape_element(&invoice->place, "lines", i);

		if (!read_row(bundle, line, ROW_INVOICE_LINE, &place, &bundle->lines[i].row, verdict))
			return false;
	}
	return true;
}

static bool
read_lines(Bundle *bundle, const JsonNode *array, const ShapePlace *top, Verdict *verdict)
{
	size_t i = 0;

	if (array->count != bundle->line_count)
		return verdict_refute(verdict, "lines", "%zu elements for an invoice of %zu lines", array->count,
							  bundle->line_count);
	for (const JsonNode *node = array->first; node != NULL; node = node->next, i++)
	{
		BundleLine *line = &bundle->lines[i];
		LineMembers members;

		line->place = shape_element(top, "lines", i);
		if (!shape_read(node, &line->place, FIELDS(line_fields), &members, &bundle->arena, verdict) ||
			!read_leaf(bundle, members.rated, ROW_RATED_LINE, shape_member(&line->place, "rated"),
					   &line->rated, verdict) ||
			!read_entry(bundle, members.entry, &line->place, &line->has_entry, &line->entry, verdict))
			return false;
	}
	return true;
}

static bool
read_plans(Bundle *bundle, const JsonNode *array, const ShapePlace *top, Verdict *verdict)
{
	size_t i = 0;

	bundle->plan_count = array->count;
	bundle->plans = allocate(bundle, array->count, sizeof(BundlePlan), verdict);
	if (bundle->plans == NULL)
		return false;
	for (const JsonNode *node = array->first; node != NULL; node = node->next, i++)
	{
		ShapePlace place = shape_element(top, "plans", i);
		PlanMembers members;

		if (!shape_read(node, &place, FIELDS(plan_fields), &members, &bundle->arena, verdict) ||
			!read_leaf(bundle, members.leaf, ROW_PLAN_VERSION, shape_member(&place, "leaf"),
					   &bundle->plans[i].leaf, verdict))
			return false;
		bundle->plans[i].terms = members.terms;
	}
	return true;
}

static bool
read_counts(Bundle *bundle, const JsonNode *array, const ShapePlace *place, BundleWindow *window,
			Verdict *verdict)
{
	size_t i = 0;

	window->count = array->count;
	window->counts = allocate(bundle, array->count, sizeof(Row), verdict);
	if (window->counts == NULL)
		return false;
	for (const JsonNode *node = array->first; node != NULL; node = node->next, i++)
	{
		ShapePlace inner = shape_element(place, "counts", i);

		if (!read_row(bundle, node, ROW_COUNT, &inner, &window->counts[i], verdict))
			return false;
	}
	return true;
}

static bool
read_windows(Bundle *bundle, const JsonNode *array, const ShapePlace *top, Verdict *verdict)
{
	size_t i = 0;

	bundle->window_count = array->count;
	bundle->windows = allocate(bundle, array->count, sizeof(BundleWindow), verdict);
	if (bundle->windows == NULL)
		return false;
	for (const JsonNode *node = array->first; node != NULL; node = node->next, i++)
	{
		ShapePlace place = shape_element(top, "windows", i);
		WindowMembers members;

		if (!shape_read(node, &place, FIELDS(window_fields), &members, &bundle->arena, verdict) ||
			!read_leaf(bundle, members.leaf, ROW_USAGE_WINDOW, shape_member(&place, "leaf"),
					   &bundle->windows[i].leaf, verdict) ||
			!read_counts(bundle, members.counts, &place, &bundle->windows[i], verdict))
			return false;
	}
	return true;
}

bool
bundle_read(const JsonNode *root, Bundle *bundle, Verdict *verdict)
{
	static const ShapePlace top;
	TopMembers members;

	memset(bundle, 0, sizeof(*bundle));
	if (!shape_read(root, &top, FIELDS(top_fields), &members, &bundle->arena, verdict))
		return false;
	bundle->checkpoint = members.checkpoint;
	bundle->vkey = members.vkey;
	return read_consistency(bundle, members.consistency, &top, verdict) &&
		   read_invoice(bundle, members.invoice, &top, verdict) &&
		   read_lines(bundle, members.lines, &top, verdict) &&
		   read_plans(bundle, members.plans, &top, verdict) &&
		   read_windows(bundle, members.windows, &top, verdict);
}

void
bundle_free(Bundle *bundle)
{
	shape_free(&bundle->arena);
}
