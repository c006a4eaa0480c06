#include "price.h"

#include <assert.h>
#include <string.h>

#include "price_method.h"

/* A percentage divides by a hundred: two more decimals. */
#define PERCENT_SCALE 2

/* numerator / (10^scale * per), not negative. */
typedef struct Exact
{
	Wide numerator;
	int scale;
	uint64_t per;
} Exact;

static Uint128
coefficient_at(const Decimal *value, int scale)
{
	assert(value->coefficient >= 0 && value->scale <= scale);
	return (Uint128) value->coefficient * wide_power_of_ten(scale - value->scale);
}

static int
take_always(const Price *price, const PriceUsage *usage, PriceTake *takes)
{
	(void) price;
	takes[0] = (PriceTake){0, usage->quantity};
	return 1;
}

static int
take_whole(const Price *price, const PriceUsage *usage, PriceTake *takes)
{
	int tier = 0;

	if (usage->quantity == 0)
		return 0;
	while (!price->tiers[tier].open &&
		   usage->quantity > coefficient_at(&price->tiers[tier].up_to, usage->scale))
		tier++;
	takes[0] = (PriceTake){tier, usage->quantity};
	return 1;
}

static int
take_slices(const Price *price, const PriceUsage *usage, PriceTake *takes)
{
	Uint128 lower = 0;
	int count = 0;

	while (usage->quantity > lower)
	{
		const PriceTier *tier = &price->tiers[count];
		Uint128 upper = usage->quantity;

		if (!tier->open && coefficient_at(&tier->up_to, usage->scale) < upper)
			upper = coefficient_at(&tier->up_to, usage->scale);
		takes[count] = (PriceTake){count, upper - lower};
		lower = upper;
		count++;
	}
	return count;
}

/* Rounds up to whole blocks; below 10^20 + 10^18 in all, so it fits. */
static int
take_blocks(const Price *price, const PriceUsage *usage, PriceTake *takes)
{
	Uint128 block = price->per * wide_power_of_ten(usage->scale);
	Uint128 blocks = usage->quantity / block + (usage->quantity % block != 0);

	takes[0] = (PriceTake){0, blocks * block};
	return blocks > 0;
}

#define KEYS_LIMITS (KEY_MINIMUM | KEY_MAXIMUM)

const PriceMethod price_methods[PRICE_MODELS] = {
	[PRICE_FLAT] = {.name = "flat",
					.keys = KEY_MODEL | KEY_AMOUNT,
					.required = KEY_AMOUNT,
					.take = take_always},
	[PRICE_UNIT] = {.name = "unit",
					.keys = KEY_MODEL | KEY_UNIT | KEY_PER | KEYS_LIMITS,
					.required = KEY_UNIT,
					.take = take_whole},
	[PRICE_GRADUATED] = {.name = "graduated",
						 .keys = KEY_MODEL | KEY_PER | KEY_TIERS | KEYS_LIMITS,
						 .tier_keys = KEY_UP_TO | KEY_UNIT | KEY_FLAT,
						 .take = take_slices},
	[PRICE_VOLUME] = {.name = "volume",
					  .keys = KEY_MODEL | KEY_PER | KEY_TIERS | KEYS_LIMITS,
					  .tier_keys = KEY_UP_TO | KEY_UNIT | KEY_FLAT,
					  .take = take_whole},
	[PRICE_PACKAGE] = {.name = "package",
					   .keys = KEY_MODEL | KEY_UNIT | KEY_PER | KEYS_LIMITS,
					   .required = KEY_UNIT,
					   .take = take_blocks},
	[PRICE_PERCENTAGE] = {.name = "percentage",
						  .keys = KEY_MODEL | KEY_PERCENT | KEY_FLAT | KEYS_LIMITS,
						  .required = KEY_PERCENT,
						  .percentage = true,
						  .take = take_whole},
	[PRICE_GRADUATED_PERCENTAGE] = {.name = "graduated_percentage",
									.keys = KEY_MODEL | KEY_TIERS | KEYS_LIMITS,
									.tier_keys = KEY_UP_TO | KEY_PERCENT | KEY_FLAT,
									.percentage = true,
									.take = take_slices},
	[PRICE_STAIRSTEP] = {.name = "stairstep",
						 .keys = KEY_MODEL | KEY_TIERS | KEYS_LIMITS,
						 .tier_keys = KEY_UP_TO | KEY_FLAT,
						 .take = take_whole},
};

const char *
price_model_name(PriceModel model)
{
	return price_methods[model].name;
}

static PriceStatus
usage_make(const Price *price, const Decimal *quantity, PriceUsage *usage)
{
	Uint128 limit = wide_power_of_ten(PRICE_QUANTITY_DIGITS_MAX + quantity->scale);
	bool negative = quantity->coefficient < 0;
	Uint128 magnitude = negative ? -(Uint128) quantity->coefficient : (Uint128) quantity->coefficient;

	if (magnitude >= limit)
		return PRICE_INVALID_QUANTITY;
	usage->scale = quantity->scale > price->bound_scale ? quantity->scale : price->bound_scale;
	usage->quantity = magnitude * wide_power_of_ten(usage->scale - quantity->scale);
	return PRICE_OK;
}

/* An amount of the document, in the terms of the exact amounts of this usage. */
static bool
exact_flat(const Price *price, const PriceUsage *usage, const Decimal *flat, Exact *amount)
{
	amount->scale =
		usage->scale + price->scale + (price_methods[price->model].percentage ? PERCENT_SCALE : 0);
	amount->per = price->per;
	amount->numerator = wide_make(coefficient_at(flat, price->scale));
	return flat->coefficient == 0 || (wide_multiply(&amount->numerator, price->per) &&
									  wide_shift_decimal(&amount->numerator, amount->scale - price->scale));
}

static bool
exact_take(const Price *price, const PriceUsage *usage, const PriceTake *take, Exact *amount)
{
	const PriceTier *tier = &price->tiers[take->tier];
	Wide product = wide_make(take->quantity);

	return exact_flat(price, usage, &tier->flat, amount) &&
		   wide_multiply(&product, coefficient_at(&tier->unit, price->scale)) &&
		   wide_add(&amount->numerator, &product);
}

/* The minimum or maximum in place of the amount, where it applies. */
static bool
exact_clamp(const Price *price, const PriceUsage *usage, bool negative, Exact *amount)
{
	Exact limit;

	if (price->has_minimum && !negative)
	{
		if (!exact_flat(price, usage, &price->minimum, &limit))
			return false;
		if (wide_compare(&amount->numerator, &limit.numerator) < 0)
			*amount = limit;
	}
	if (price->has_maximum)
	{
		if (!exact_flat(price, usage, &price->maximum, &limit))
			return false;
		if (wide_compare(&amount->numerator, &limit.numerator) > 0)
			*amount = limit;
	}
	return true;
}

static bool
exact_sum(const Price *price, const PriceUsage *usage, const PriceTake *takes, int count, Exact *total)
{
	static const Decimal zero = {0, 0};

	if (!exact_flat(price, usage, &zero, total))
		return false;
	for (int i = 0; i < count; i++)
	{
		Exact amount;

		if (!exact_take(price, usage, &takes[i], &amount) || !wide_add(&total->numerator, &amount.numerator))
			return false;
	}
	return true;
}

/* flat has the sign of its amount, whatever the quantity. */
static bool
is_mirrored(const Price *price, const Decimal *quantity)
{
	return quantity->coefficient < 0 && price->model != PRICE_FLAT;
}

/*
 * The magnitude of the amount, times 10^places, rounded half away from zero.
 * Truncating twice the amount, and then half of it plus one, is that rounding;
 * so is any sequence of truncating divisions in place of one by their product.
 */
static PriceStatus
rate_magnitude(const Price *price, const Decimal *quantity, Fraction proration, int places, Wide *rounded)
{
	PriceUsage usage;
	PriceTake takes[PRICE_TIERS_MAX];
	PriceStatus status = usage_make(price, quantity, &usage);
	Exact amount;
	int count;

	assert(places >= 0 && places <= DECIMAL_SCALE_MAX);
	if (status != PRICE_OK)
		return status;
	if (proration.numerator < 0 || proration.denominator <= 0)
		return PRICE_INVALID_PRORATION;
	count = price_methods[price->model].take(price, &usage, takes);
	if (!exact_sum(price, &usage, takes, count, &amount) ||
		!exact_clamp(price, &usage, is_mirrored(price, quantity), &amount) ||
		!wide_multiply(&amount.numerator, 2 * (Uint128) proration.numerator) ||
		!wide_shift_decimal(&amount.numerator, places - amount.scale))
		return PRICE_OVERFLOW;
	*rounded = amount.numerator;
	wide_divide(rounded, amount.per);
	wide_divide(rounded, (uint64_t) proration.denominator);
	if (!wide_add(rounded, &(Wide){{1}}))
		return PRICE_OVERFLOW;
	wide_divide(rounded, 2);
	return PRICE_OK;
}

PriceStatus
price_rate(const Price *price, const Decimal *quantity, Fraction proration, int exponent,
		   int64_t *amount_minor)
{
	Wide rounded;
	Uint128 magnitude;
	bool negative = is_mirrored(price, quantity);
	PriceStatus status = rate_magnitude(price, quantity, proration, exponent, &rounded);

	if (status != PRICE_OK)
		return status;
	if (!wide_to_uint128(&rounded, &magnitude) || magnitude > (Uint128) INT64_MAX + negative)
		return PRICE_OVERFLOW;
	*amount_minor = negative ? (int64_t) - (Int128) magnitude : (int64_t) magnitude;
	return PRICE_OK;
}

/* Writes number / 10^places; false when the text would be too long. */
static bool
format_places(const Wide *number, bool negative, int places, char text[PRICE_AMOUNT_SIZE])
{
	char digits[WIDE_DIGITS_MAX + 1];
	size_t length = wide_format(number, digits);
	size_t decimals = (size_t) places;
	size_t padding = length > decimals ? 0 : decimals + 1 - length;
	char *next = text;

	if (padding + length + sizeof("-.") > PRICE_AMOUNT_SIZE)
		return false;
	if (negative && !wide_is_zero(number))
		*next++ = '-';
	for (size_t i = 0; i < padding + length; i++)
	{
		if (decimals > 0 && i == padding + length - decimals)
			*next++ = '.';
		*next++ = i < padding ? '0' : digits[i - padding];
	}
	*next = '\0';
	return true;
}

PriceStatus
price_amount(const Price *price, const Decimal *quantity, Fraction proration, int places,
			 char text[PRICE_AMOUNT_SIZE])
{
	Wide rounded;
	PriceStatus status = rate_magnitude(price, quantity, proration, places, &rounded);

	if (status != PRICE_OK)
		return status;
	return format_places(&rounded, is_mirrored(price, quantity), places, text) ? PRICE_OK : PRICE_OVERFLOW;
}

/*
 * The decimals that numerator / per needs beyond its scale, or -1 if it has no
 * end.  2^59 < 10^18: no per needs more than 59.
 */
static int
decimals_needed(const Exact *amount)
{
	Wide quotient = amount->numerator;
	Uint128 remainder = wide_divide(&quotient, amount->per);
	int needed = 0;

	for (; remainder != 0 && needed < 60; needed++)
		remainder = remainder * 10 % amount->per;
	return remainder == 0 ? needed : -1;
}

/* False when the amount takes more than 38 digits. */
static bool
format_exact(const Exact *amount, bool negative, char text[PRICE_AMOUNT_SIZE])
{
	Wide number = amount->numerator;
	Wide stripped;
	int needed = decimals_needed(amount);
	int places = amount->scale + needed;
	char digits[WIDE_DIGITS_MAX + 1];

	if (needed < 0 || !wide_shift_decimal(&number, needed))
		return false;
	wide_divide(&number, amount->per);
	for (stripped = number; places > 0 && wide_divide(&stripped, 10) == 0; number = stripped)
		places--;
	if (wide_format(&number, digits) > DECIMAL_DIGITS_MAX)
		return false;
	return format_places(&number, negative, places, text);
}

static bool
format_amount(const Exact *amount, bool negative, char text[PRICE_AMOUNT_SIZE])
{
	Wide number = amount->numerator;

	if (format_exact(amount, negative, text))
		return true;
	if (!wide_multiply(&number, 2) || !wide_shift_decimal(&number, DECIMAL_SCALE_MAX - amount->scale))
		return false;
	wide_divide(&number, amount->per);
	if (!wide_add(&number, &(Wide){{1}}))
		return false;
	wide_divide(&number, 2);
	return format_places(&number, negative, DECIMAL_SCALE_MAX, text);
}

static PriceStatus
step_take(const Price *price, const PriceUsage *usage, const PriceTake *take, bool negative, PriceStep *step)
{
	const PriceTier *tier = &price->tiers[take->tier];
	Exact amount;

	*step = (PriceStep){.tier = take->tier + 1, .open = tier->open, .unit = tier->unit, .flat = tier->flat};
	step->per = price_methods[price->model].percentage ? 100 : price->per;
	if (take->tier > 0)
		step->from = tier[-1].up_to;
	if (!tier->open)
		step->up_to = tier->up_to;
	if (decimal_make((Int128) take->quantity, usage->scale, &step->quantity) != DECIMAL_OK ||
		!exact_take(price, usage, take, &amount) || !format_amount(&amount, negative, step->amount))
		return PRICE_OVERFLOW;
	return PRICE_OK;
}

/* What the limits change, as a step of its own; none if they change nothing. */
static PriceStatus
step_limit(const Price *price, const PriceUsage *usage, const Exact *total, bool negative, PriceStep *step,
		   int *count)
{
	Exact limited = *total;
	Exact change;
	bool lowered;

	if (!exact_clamp(price, usage, negative, &limited))
		return PRICE_OVERFLOW;
	lowered = wide_compare(&limited.numerator, &total->numerator) < 0;
	change = lowered ? *total : limited;
	wide_subtract(&change.numerator, lowered ? &limited.numerator : &total->numerator);
	if (wide_is_zero(&change.numerator))
		return PRICE_OK;
	*step = (PriceStep){.tier = 0, .open = true, .per = 1};
	if (!format_amount(&change, lowered != negative, step->amount))
		return PRICE_OVERFLOW;
	(*count)++;
	return PRICE_OK;
}

PriceStatus
price_steps(const Price *price, const Decimal *quantity, PriceStep steps[PRICE_STEPS_MAX], int *count)
{
	PriceUsage usage;
	PriceTake takes[PRICE_TIERS_MAX];
	PriceStatus status = usage_make(price, quantity, &usage);
	bool negative = is_mirrored(price, quantity);
	Exact total;

	*count = 0;
	if (status != PRICE_OK)
		return status;
	*count = price_methods[price->model].take(price, &usage, takes);
	for (int i = 0; i < *count && status == PRICE_OK; i++)
	{
		status = step_take(price, &usage, &takes[i], negative, &steps[i]);
		if (quantity->coefficient < 0)
			steps[i].quantity.coefficient = -steps[i].quantity.coefficient;
	}
	if (status == PRICE_OK && !exact_sum(price, &usage, takes, *count, &total))
		status = PRICE_OVERFLOW;
	if (status != PRICE_OK)
		return status;
	return step_limit(price, &usage, &total, negative, &steps[*count], count);
}
