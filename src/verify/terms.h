#ifndef BILLING_VERIFY_TERMS_H
#define BILLING_VERIFY_TERMS_H

#include "verify/bundle.h"

/* One charge of a plan version's terms, whose hash is a column of the plan version's leaf. */
typedef struct Charge
{
	ShapePlace place;
	TextSpan id;
	TextSpan name;
	bool is_metered;
	TextSpan meter;
	const JsonNode *meter_node;
	const JsonNode *filter; /* an object of strings */
	const JsonNode *price;
	bool in_advance;
	bool prorate;
} Charge;

typedef struct Terms
{
	const BundlePlan *plan;
	size_t count;
	Charge *charges;
} Terms;

/* In the order of the bundle's plans; checks hashes, form, and that no plan version comes twice. */
extern bool terms_read(Bundle *bundle, DigestContext *digest, Terms **terms, Verdict *verdict);

/* The charge that an invoice line names; NULL, with the verdict, when there is none or more than one. */
extern const Charge *terms_find(const Bundle *bundle, const Terms *terms, const BundleLine *line,
								size_t *plan, Verdict *verdict);

/* Whether an object has only strings as members. */
extern bool terms_only_strings(const JsonNode *object);

#endif
