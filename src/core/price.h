/*
 * Prices: reading the document, and turning a quantity into an amount.
 */
#ifndef BILLING_CORE_PRICE_H
#define BILLING_CORE_PRICE_H

#include "decimal.h"
#include "fraction.h"

#define PRICE_TIERS_MAX 64

/* Prices and fixed amounts are below 10^18, quantities below 10^20. */
#define PRICE_DIGITS_MAX 18
#define PRICE_QUANTITY_DIGITS_MAX 20

typedef enum PriceStatus
{
	PRICE_OK,
	PRICE_INVALID,			 /* the document is not a price */
	PRICE_NO_TIERS,			 /* a tiered price without a tier */
	PRICE_TIER_ORDER,		 /* ends not ascending, or the open tier not the last one */
	PRICE_NEGATIVE,			 /* a price below zero */
	PRICE_TOO_MANY_DECIMALS, /* a decimal of the document with more than 18 */
	PRICE_OUT_OF_RANGE,		 /* a decimal of the document beyond its limit */
	PRICE_INVALID_QUANTITY,	 /* |quantity| >= 10^20 */
	PRICE_INVALID_PRORATION, /* numerator < 0 or denominator <= 0 */
	PRICE_OVERFLOW,			 /* the amount does not fit its type */
	PRICE_NO_MEMORY
} PriceStatus;

typedef enum PriceModel
{
	PRICE_FLAT,
	PRICE_UNIT,
	PRICE_GRADUATED,
	PRICE_VOLUME,
	PRICE_PACKAGE,
	PRICE_PERCENTAGE,
	PRICE_GRADUATED_PERCENTAGE,
	PRICE_STAIRSTEP
} PriceModel;

#define PRICE_MODELS (PRICE_STAIRSTEP + 1)

/*
 * A tier holds the quantities above the previous tier's up_to (0 for the
 * first) up to and including its own; the last tier, and only it, is open.
 */
typedef struct PriceTier
{
	bool open;
	Decimal up_to;
	Decimal unit; /* a percentage in the percentage models */
	Decimal flat;
} PriceTier;

/*
 * A validated price.  Models without tiers have one open tier; PRICE_FLAT has
 * its amount as that tier's flat.
 *
 * A tier is reached when the quantity is greater than its lower end.  So a
 * quantity of zero reaches none and costs nothing, whereas some products
 * charge the first tier's flat for it.
 *
 * What a quantity q >= 0 costs:
 *	flat				  the amount, whatever the quantity
 *	unit				  q * unit / per
 *	graduated			  over the tiers reached: (what falls into the tier) * unit / per + flat
 *	volume				  in the last tier reached: q * unit / per + flat
 *	package				  unit for each started block of per
 *	percentage			  q * percent / 100, + flat unless q is 0; q is money in major units
 *	graduated_percentage  over the tiers reached: (what falls into the tier) * percent / 100 + flat
 *	stairstep			  the flat of the last tier reached
 * and then at least the minimum (at q = 0 too) and at most the maximum.
 *
 * A negative quantity, a correction, costs the negative of what its magnitude
 * costs, except that the minimum is left out, and that flat stays as it is.
 */
typedef struct Price
{
	PriceModel model;
	bool has_minimum;
	bool has_maximum;
	int scale;		 /* the largest of unit, flat, minimum and maximum */
	int bound_scale; /* the largest of up_to */
	int tier_count;
	uint64_t per; /* 1..10^18 */
	Decimal minimum;
	Decimal maximum;
	PriceTier tiers[PRICE_TIERS_MAX];
} Price;

/* What is wrong with a document. */
typedef enum PriceFault
{
	PRICE_FAULT_NONE,
	PRICE_FAULT_NOT_JSON,
	PRICE_FAULT_NO_MEMORY,
	PRICE_FAULT_NOT_OBJECT,
	PRICE_FAULT_TIER_NOT_OBJECT,
	PRICE_FAULT_UNKNOWN_MODEL,
	PRICE_FAULT_UNKNOWN_KEY,
	PRICE_FAULT_MISSING_KEY,
	PRICE_FAULT_NOT_DECIMAL,
	PRICE_FAULT_PER,
	PRICE_FAULT_TIERS_NOT_ARRAY,
	PRICE_FAULT_NO_TIERS,
	PRICE_FAULT_TOO_MANY_TIERS,
	PRICE_FAULT_EMPTY_TIER,
	PRICE_FAULT_TIER_END,
	PRICE_FAULT_TIER_ORDER,
	PRICE_FAULT_OPEN_TIER,
	PRICE_FAULT_CLOSED_TIER,
	PRICE_FAULT_NEGATIVE,
	PRICE_FAULT_TOO_MANY_DECIMALS,
	PRICE_FAULT_OUT_OF_RANGE,
	PRICE_FAULT_MAXIMUM
} PriceFault;

#define PRICE_FAULTS (PRICE_FAULT_MAXIMUM + 1)

/* Longer keys and values are cut, between characters. */
#define PRICE_ERROR_TEXT_SIZE 64

/*
 * tier counts from 1, and is 0 outside the tiers.  value is the offending text
 * and previous what it was compared with; all texts may be empty.  model is -1
 * while the document has not told it.
 */
typedef struct PriceError
{
	PriceStatus status;
	PriceFault fault;
	int model;
	int tier;
	char key[PRICE_ERROR_TEXT_SIZE];
	char value[PRICE_ERROR_TEXT_SIZE];
	char previous[PRICE_ERROR_TEXT_SIZE];
} PriceError;

#define PRICE_MESSAGE_SIZE 512

/* The texts for people; detail and hint may be empty. */
typedef struct PriceMessage
{
	char message[PRICE_MESSAGE_SIZE];
	char detail[PRICE_MESSAGE_SIZE];
	char hint[PRICE_MESSAGE_SIZE];
} PriceMessage;

/*
 * Reads a JSON document in UTF-8.  Decimals are strings, or numbers taken by
 * their literal text.  Returns error->status; *price is valid on PRICE_OK only.
 * Needs memory for the JSON tree, and keeps none of it.
 */
PriceStatus price_parse(const char *text, size_t length, Price *price, PriceError *error);

/* Primary message as PostgreSQL words it: lower case, no full stop. */
void price_error_message(const PriceError *error, PriceMessage *message);

/* "graduated", ...; never NULL. */
const char *price_model_name(PriceModel model);

/*
 * The amount in minor units of a currency with the given exponent (0..18),
 * times the proration: exact until it is rounded once, half away from zero.
 * PRICE_INVALID_QUANTITY, PRICE_INVALID_PRORATION, or PRICE_OVERFLOW when it
 * does not fit int64_t; *amount_minor is written on PRICE_OK only.
 */
PriceStatus price_rate(const Price *price, const Decimal *quantity, Fraction proration, int exponent,
					   int64_t *amount_minor);

/* Holds any amount that price_amount or price_steps writes. */
#define PRICE_AMOUNT_SIZE 112

/*
 * The same in major units, as text with exactly places (0..18) decimals, and
 * without the limit of int64_t.
 */
PriceStatus price_amount(const Price *price, const Decimal *quantity, Fraction proration, int places,
						 char text[PRICE_AMOUNT_SIZE]);

/*
 * One line of how an amount came about: a tier that was reached or, with tier
 * 0, what the minimum or maximum added or took away.  The amounts add up to
 * the total.  For a negative quantity, quantity and amount are negative, and
 * the tier is shown as it stands in the price.
 *
 * amount is exact if that takes no more than 38 digits; otherwise it is rounded
 * half away from zero at 18 decimals.
 */
typedef struct PriceStep
{
	int tier;
	bool open; /* then up_to is not set */
	Decimal from;
	Decimal up_to;
	Decimal quantity; /* for a package: what the started blocks hold */
	Decimal unit;
	uint64_t per; /* 100 in the percentage models */
	Decimal flat;
	char amount[PRICE_AMOUNT_SIZE];
} PriceStep;

#define PRICE_STEPS_MAX (PRICE_TIERS_MAX + 1)

/* In the order of the tiers, the adjustment last; the amounts in major units. */
PriceStatus price_steps(const Price *price, const Decimal *quantity, PriceStep steps[PRICE_STEPS_MAX],
						int *count);

#endif
