/*
 * The pricing models as a table: what a document of each may hold, and how it
 * takes a quantity apart.  Internal to the price files.
 */
#ifndef BILLING_CORE_PRICE_METHOD_H
#define BILLING_CORE_PRICE_METHOD_H

#include "price.h"

/* Sets of keys; a price and its tiers draw from the same list. */
enum
{
	KEY_MODEL = 1 << 0,
	KEY_AMOUNT = 1 << 1,
	KEY_UNIT = 1 << 2,
	KEY_PER = 1 << 3,
	KEY_PERCENT = 1 << 4,
	KEY_FLAT = 1 << 5,
	KEY_TIERS = 1 << 6,
	KEY_UP_TO = 1 << 7,
	KEY_MINIMUM = 1 << 8,
	KEY_MAXIMUM = 1 << 9
};

/* A tier, and the quantity charged at it, at the scale of the usage. */
typedef struct PriceTake
{
	int tier; /* from 0 */
	Uint128 quantity;
} PriceTake;

/* The magnitude of a quantity, at a scale that the ends of the tiers fit. */
typedef struct PriceUsage
{
	Uint128 quantity;
	int scale;
} PriceUsage;

/*
 * Each take costs quantity * unit / per + flat, in a percentage model
 * quantity * unit / 100 + flat.
 */
typedef struct PriceMethod
{
	const char *name;
	unsigned keys;
	unsigned required;
	unsigned tier_keys;
	bool percentage;
	int (*take)(const Price *price, const PriceUsage *usage, PriceTake takes[PRICE_TIERS_MAX]);
} PriceMethod;

extern const PriceMethod price_methods[PRICE_MODELS];

typedef struct PriceKey
{
	const char *name;
	unsigned bit;
} PriceKey;

#define PRICE_KEYS 10

/* In the order in which people write them. */
extern const PriceKey price_keys[PRICE_KEYS];

/* What each fault means to a caller. */
extern const PriceStatus price_fault_status[PRICE_FAULTS];

#endif
