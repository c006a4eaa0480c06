#include "card_parts.h"

/* Sets of lengths. */
#define LENGTH(n) (1U << (n))
#define UP_TO_19(n) ((1U << (CARD_DIGITS_MAX + 1)) - (1U << (n)))
#define ONLY_16 LENGTH(16), LENGTH(16)

typedef struct Issuer
{
	uint32_t first; /* first six digits, from */
	uint32_t last;	/* to */
	uint32_t bare;	/* lengths it has when written in one piece */
	uint32_t grouped;
} Issuer;

/*
 * Issuer ranges as the schemes publish them (ISO/IEC 7812 numbers, first six digits), 2026. A number in one piece must have a
 * length that is in use, for ids of 13, 17 and 18 digits are common; one in the groups of a card any that the scheme
 * allows. Ranges may overlap.
 */
static const Issuer issuers[] = {
	{220000, 220499, LENGTH(16), UP_TO_19(16)},				 /* Mir */
	{220500, 220599, ONLY_16},								 /* Borica */
	{222100, 272099, ONLY_16},								 /* Mastercard */
	{300000, 305999, LENGTH(14) | LENGTH(16), UP_TO_19(14)}, /* Diners Club */
	{308800, 309499, ONLY_16},								 /* JCB, old */
	{309500, 309599, LENGTH(14) | LENGTH(16), UP_TO_19(14)}, /* Diners Club */
	{340000, 349999, LENGTH(15), LENGTH(15)},				 /* American Express */
	{352800, 358999, LENGTH(16) | LENGTH(19), UP_TO_19(16)}, /* JCB */
	{360000, 369999, LENGTH(14) | LENGTH(16), UP_TO_19(14)}, /* Diners Club */
	{370000, 379999, LENGTH(15), LENGTH(15)},				 /* American Express */
	{380000, 399999, LENGTH(14) | LENGTH(16), UP_TO_19(14)}, /* Diners Club; Hipercard 3841 */
	{384100, 384199, LENGTH(16) | LENGTH(19), UP_TO_19(16)}, /* Hipercard */
	{400000, 499999, LENGTH(13) | LENGTH(16) | LENGTH(19), LENGTH(13) | LENGTH(16) | LENGTH(19)}, /* Visa */
	{500000, 509999, LENGTH(16), UP_TO_19(13)},							  /* Maestro, Elo, RuPay 508, Verve */
	{501800, 501899, UP_TO_19(13), UP_TO_19(13)},						  /* Maestro */
	{502000, 502099, UP_TO_19(13), UP_TO_19(13)},						  /* Maestro */
	{503800, 503899, UP_TO_19(13), UP_TO_19(13)},						  /* Maestro */
	{506099, 506198, LENGTH(16) | LENGTH(18) | LENGTH(19), UP_TO_19(16)}, /* Verve */
	{507865, 507964, LENGTH(16) | LENGTH(18) | LENGTH(19), UP_TO_19(16)}, /* Verve */
	{510000, 559999, ONLY_16},											  /* Mastercard */
	{560000, 589999, LENGTH(16), UP_TO_19(13)},							  /* Maestro */
	{561200, 561299, UP_TO_19(13), UP_TO_19(13)},						  /* Maestro */
	{564182, 564182, UP_TO_19(16), UP_TO_19(16)},						  /* Switch */
	{589300, 589399, UP_TO_19(13), UP_TO_19(13)},						  /* Maestro */
	{600000, 699999, LENGTH(16), UP_TO_19(13)},							  /* Maestro, RuPay 60 and 65 */
	{601100, 601199, LENGTH(16) | LENGTH(19), UP_TO_19(16)},			  /* Discover */
	{606282, 606282, LENGTH(13) | LENGTH(16) | LENGTH(19), UP_TO_19(13)}, /* Hipercard */
	{620000, 629999, LENGTH(16) | LENGTH(19), UP_TO_19(16)},			  /* UnionPay, Discover */
	{630400, 630499, UP_TO_19(13), UP_TO_19(13)},						  /* Maestro */
	{633100, 633499, UP_TO_19(16), UP_TO_19(16)},						  /* Switch, Solo */
	{639000, 639099, UP_TO_19(13), UP_TO_19(13)},						  /* Maestro */
	{644000, 659999, LENGTH(16) | LENGTH(19), UP_TO_19(16)},			  /* Discover */
	{670500, 670999, UP_TO_19(13), UP_TO_19(13)},						  /* Maestro */
	{675900, 676399, UP_TO_19(13), UP_TO_19(13)},						  /* Maestro */
	{676600, 677199, UP_TO_19(13), UP_TO_19(13)},						  /* Maestro */
	{679900, 679999, UP_TO_19(13), UP_TO_19(13)},						  /* Maestro */
	{810000, 819999, LENGTH(16) | LENGTH(19), UP_TO_19(16)},			  /* UnionPay, RuPay */
	{820000, 829999, ONLY_16},											  /* RuPay */
	{860000, 860099, ONLY_16},											  /* Uzcard */
	{970400, 970499, LENGTH(16) | LENGTH(19), UP_TO_19(16)},			  /* Napas */
	{979200, 979299, ONLY_16},											  /* Troy */
	{986000, 986099, ONLY_16},											  /* Humo */
};

/*
 * Mobile telephone numbers of Germany (49 15, 16, 17) and Austria (43 6) as programs write them, country code first, without
 * the plus. No Visa card of 13 digits has been issued for long.
 */
static bool
is_mobile_telephone(const CardCandidate *candidate, uint32_t six)
{
	return candidate->digits == 13 && candidate->groups == 1 &&
		   ((six >= 491500 && six <= 491799) || (six >= 436000 && six <= 436999));
}

bool
card_has_issuer(const CardCandidate *candidate)
{
	uint32_t six = 0;

	for (int i = 0; i < 6; i++)
		six = six * 10 + candidate->digit[i];
	for (size_t i = 0; i < sizeof(issuers) / sizeof(issuers[0]) && issuers[i].first <= six; i++)
	{
		uint32_t lengths = candidate->groups == 1 ? issuers[i].bare : issuers[i].grouped;

		if (six <= issuers[i].last && (lengths & LENGTH(candidate->digits)) != 0)
			return !is_mobile_telephone(candidate, six);
	}
	return false;
}

static bool
is_known_grouping(const CardCandidate *candidate)
{
	static const uint8_t known[][4] = {{8, 8},	{4, 8, 4}, {4, 4, 8}, {8, 4, 4},
									   {4, 12}, {12, 4},   {6, 10},	  {6, 13}};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
	{
		unsigned n = 0;

		while (n < candidate->groups && n < 4 && known[i][n] == candidate->group[n])
			n++;
		if (n == candidate->groups && (n == 4 || known[i][n] == 0))
			return true;
	}
	return false;
}

/* Groups of one digit or of two, all the same: somebody's writing when nothing else is in the row. */
static bool
is_spaced_out(const CardCandidate *candidate)
{
	unsigned size = candidate->group[0];

	if (size > 2 || !candidate->is_first || !candidate->is_last)
		return false;
	for (unsigned i = 1; i + 1 < candidate->groups; i++)
		if (candidate->group[i] != size)
			return false;
	return candidate->group[candidate->groups - 1] <= size;
}

/*
 * Cards are grouped 4 4 4 4, 4 6 5, 4 6 4, 4 4 5, 4 3 3 3, 4 4 4 4 3 and so on: no group of less than three digits but the
 * last, and the first has four to six,
 * which numbers by thousands, dates and many order numbers do not have.
 */
bool
card_is_grouped(const CardCandidate *candidate)
{
	bool fours = candidate->group[0] == 4;
	unsigned last = candidate->groups - 1;

	if (candidate->groups == 1 || is_known_grouping(candidate) || is_spaced_out(candidate))
		return true;
	if (candidate->group[0] < 4 || candidate->group[0] > 6 || candidate->group[last] > 7)
		return false;
	for (unsigned i = 1; i < last; i++)
	{
		if (candidate->group[i] < 3 || candidate->group[i] > 7)
			return false;
		fours = fours && candidate->group[i] == 4;
	}
	return candidate->group[last] >= 3 || fours;
}
