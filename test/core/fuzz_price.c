/*
 * Any bytes as a price: the first three choose the quantity, its scale and the
 * proration.  What parses must rate as the properties of a price say.
 */
#include <stdlib.h>

#include "price.h"

#define ENSURE(condition)                                                                                    \
	do                                                                                                       \
	{                                                                                                        \
		if (!(condition))                                                                                    \
			abort();                                                                                         \
	} while (0)

/* Up to 10^19 in magnitude, spread over the sizes. */
static Decimal
make_quantity(const uint8_t *bytes)
{
	Int128 coefficient = (Int128) (bytes[0] | 1) << (bytes[1] % 60);
	Decimal quantity;

	ENSURE(decimal_make(bytes[0] % 2 ? coefficient : -coefficient, bytes[1] % 19, &quantity) == DECIMAL_OK);
	return quantity;
}

static void
check_mirror(const Price *price, const Decimal *quantity)
{
	Decimal mirrored = {-quantity->coefficient, quantity->scale};
	Fraction whole = {1, 1};
	int64_t amount = 0;
	int64_t opposite = 0;
	PriceStatus status = price_rate(price, quantity, whole, 2, &amount);

	if (price->model == PRICE_FLAT || price->has_minimum || status != PRICE_OK || amount == INT64_MIN)
		return;
	ENSURE(price_rate(price, &mirrored, whole, 2, &opposite) == PRICE_OK);
	ENSURE(opposite == -amount);
}

static void
check_steps(const Price *price, const Decimal *quantity)
{
	PriceStep steps[PRICE_STEPS_MAX];
	int count;

	ENSURE(price_steps(price, quantity, steps, &count) == PRICE_OK);
	ENSURE(count <= price->tier_count + 1);
	for (int i = 0; i < count; i++)
	{
		ENSURE(steps[i].tier <= price->tier_count);
		ENSURE(i == 0 || steps[i].tier == 0 || steps[i].tier > steps[i - 1].tier);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static Price price;
	PriceError error;
	PriceMessage message;
	Decimal quantity;
	char text[PRICE_AMOUNT_SIZE];

	if (size < 3)
		return 0;
	if (price_parse((const char *) bytes + 3, size - 3, &price, &error) != PRICE_OK)
	{
		price_error_message(&error, &message);
		ENSURE(message.message[0] != '\0');
		return 0;
	}
	ENSURE(price.tier_count >= 1 && price.tiers[price.tier_count - 1].open);
	quantity = make_quantity(bytes);
	ENSURE(price_amount(&price, &quantity, (Fraction){bytes[2], 7}, bytes[2] % 19, text) == PRICE_OK);
	check_mirror(&price, &quantity);
	check_steps(&price, &quantity);
	return 0;
}
