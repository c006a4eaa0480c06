#include "verify/terms.h"

#include <stdio.h>
#include <string.h>

#define FIELDS(list) (list), sizeof(list) / sizeof(*(list))

typedef struct TermsMembers
{
	TextSpan currency;
	const JsonNode *period_months;
	const JsonNode *charges;
} TermsMembers;

static const ShapeField terms_fields[] = {
	{"currency", SHAPE_TEXT, offsetof(TermsMembers, currency)},
	{"period_months", SHAPE_ANY, offsetof(TermsMembers, period_months)},
	{"charges", SHAPE_ARRAY, offsetof(TermsMembers, charges)},
};

static const ShapeField charge_fields[] = {
	{"id", SHAPE_TEXT, offsetof(Charge, id)},
	{"name", SHAPE_TEXT, offsetof(Charge, name)},
	{"meter", SHAPE_ANY, offsetof(Charge, meter_node)},
	{"filter", SHAPE_OBJECT, offsetof(Charge, filter)},
	{"price", SHAPE_OBJECT, offsetof(Charge, price)},
	{"in_advance", SHAPE_TRUTH, offsetof(Charge, in_advance)},
	{"prorate", SHAPE_TRUTH, offsetof(Charge, prorate)},
};

bool
terms_only_strings(const JsonNode *object)
{
	if (object->type != JSON_OBJECT)
		return false;
	for (const JsonNode *member = object->first; member != NULL; member = member->next)
		if (member->type != JSON_STRING)
			return false;
	return true;
}

static bool
check_hash(const BundlePlan *plan, DigestContext *digest, Verdict *verdict)
{
	Bytes stated = plan->leaf.row.columns[PLAN_PLAN_HASH];
	uint8_t hash[DIGEST_SIZE];
	size_t length;
	char *canonical;
	bool done;

	if (json_canonical(plan->terms, &canonical, &length) != JSON_OK)
		return verdict_machine(verdict, "no canonical form of the terms");
	done = digest_bytes(digest, canonical, length, hash) == DIGEST_OK;
	free(canonical);
	if (!done)
		return verdict_machine(verdict, "no SHA-256");
	return memcmp(hash, stated.bytes, DIGEST_SIZE) == 0 ||
		   verdict_refute(verdict, plan->leaf.place.text, "the terms are not those of the plan_hash");
}

/* A number would be written as the nearest double (RFC 8785), and the hash would be that of another price. */
static bool
has_number(const JsonNode *node)
{
	for (const JsonNode *child = node->first; child != NULL; child = child->next)
		if (child->type == JSON_NUMBER || has_number(child))
			return true;
	return false;
}

static bool
read_charge(Bundle *bundle, const JsonNode *node, Charge *charge, Verdict *verdict)
{
	if (!shape_read(node, &charge->place, FIELDS(charge_fields), charge, &bundle->arena, verdict))
		return false;
	charge->is_metered = charge->meter_node->type != JSON_NULL;
	if (!terms_only_strings(charge->filter))
		return verdict_unreadable(verdict, charge->place.text, "a filter that is not an object of strings");
	if (has_number(charge->price))
		return verdict_unreadable(verdict, charge->place.text, "a price with a number that is not a string");
	if (!charge->is_metered)
		return true;
	return shape_read_value(charge->meter_node, &charge->place, SHAPE_TEXT, &charge->meter, &bundle->arena,
							verdict);
}

/* What the terms and the leaf both say. */
static bool
check_repeated(const BundlePlan *plan, const TermsMembers *members, const ShapePlace *place, Verdict *verdict)
{
	const Row *row = &plan->leaf.row;
	Bytes currency = row->columns[PLAN_CURRENCY];
	char months[24];

	snprintf(months, sizeof(months), "%lld", (long long) row_integer(row, PLAN_PERIOD_MONTHS));
	if (members->period_months->type != JSON_NUMBER || strcmp(members->period_months->text, months) != 0)
		return verdict_refute(verdict, place->text, "another period_months than that of the plan version");
	return (members->currency.length == currency.length &&
			memcmp(members->currency.text, currency.bytes, currency.length) == 0) ||
		   verdict_refute(verdict, place->text, "another currency than that of the plan version");
}

static bool
read_plan(Bundle *bundle, size_t number, DigestContext *digest, Terms *terms, Verdict *verdict)
{
	static const ShapePlace top;
	ShapePlace element = shape_element(&top, "plans", number);
	ShapePlace place = shape_member(&element, "terms");
	TermsMembers members;
	size_t i = 0;

	terms->plan = &bundle->plans[number];
	if (!check_hash(terms->plan, digest, verdict) ||
		!shape_read(terms->plan->terms, &place, FIELDS(terms_fields), &members, &bundle->arena, verdict) ||
		!check_repeated(terms->plan, &members, &place, verdict))
		return false;
	terms->count = members.charges->count;
	terms->charges = shape_allocate(&bundle->arena, terms->count * sizeof(Charge));
	if (terms->charges == NULL)
		return verdict_machine(verdict, "out of memory");
	for (const JsonNode *node = members.charges->first; node != NULL; node = node->next, i++)
	{
		terms->charges[i].place = shape_element(&place, "charges", i);
		if (!read_charge(bundle, node, &terms->charges[i], verdict))
			return false;
	}
	return true;
}

static int
compare_bytes(Bytes left, Bytes right)
{
	size_t common = left.length < right.length ? left.length : right.length;
	int order = memcmp(left.bytes, right.bytes, common);

	return order != 0 ? order : (left.length > right.length) - (left.length < right.length);
}

static bool
comes_before(const Row *left, const Row *right)
{
	int order = compare_bytes(left->columns[PLAN_PLAN_ID], right->columns[PLAN_PLAN_ID]);

	return order < 0 || (order == 0 && row_integer(left, PLAN_VERSION) < row_integer(right, PLAN_VERSION));
}

bool
terms_read(Bundle *bundle, DigestContext *digest, Terms **terms, Verdict *verdict)
{
	*terms = shape_allocate(&bundle->arena, bundle->plan_count * sizeof(Terms));
	if (*terms == NULL)
		return verdict_machine(verdict, "out of memory");
	for (size_t i = 0; i < bundle->plan_count; i++)
	{
		if (i > 0 && !comes_before(&bundle->plans[i - 1].leaf.row, &bundle->plans[i].leaf.row))
			return verdict_refute(verdict, bundle->plans[i].leaf.place.text,
								  "not in the order of plan_id and version");
		if (!read_plan(bundle, i, digest, &(*terms)[i], verdict))
			return false;
	}
	return true;
}

static bool
names_charge(const Row *line, const Charge *charge)
{
	Bytes id = line->columns[LINE_CHARGE_ID];

	return id.length == charge->id.length && memcmp(id.bytes, charge->id.text, id.length) == 0;
}

const Charge *
terms_find(const Bundle *bundle, const Terms *terms, const BundleLine *line, size_t *plan, Verdict *verdict)
{
	const Charge *found = NULL;
	size_t i = 0;

	while (i < bundle->plan_count &&
		   !(row_same(&line->row, LINE_PLAN_ID, &terms[i].plan->leaf.row, PLAN_PLAN_ID) &&
			 row_same(&line->row, LINE_VERSION, &terms[i].plan->leaf.row, PLAN_VERSION)))
		i++;
	*plan = i;
	for (size_t j = 0; i < bundle->plan_count && j < terms[i].count; j++)
	{
		if (!names_charge(&line->row, &terms[i].charges[j]))
			continue;
		if (found != NULL)
		{
			verdict_refute(verdict, terms[i].charges[j].place.text, "a second charge of that id");
			return NULL;
		}
		found = &terms[i].charges[j];
	}
	if (found == NULL)
		verdict_refute(verdict, line->place.text,
					   "no terms of plan \"%.*s\" version %lld have charge \"%.*s\"",
					   ROW_TEXT(&line->row, LINE_PLAN_ID), (long long) row_integer(&line->row, LINE_VERSION),
					   ROW_TEXT(&line->row, LINE_CHARGE_ID));
	return found;
}
