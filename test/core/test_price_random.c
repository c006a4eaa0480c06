/*
 * Random prices and quantities against the definition of each model, worked
 * out in decimal digits as on paper: slow, and with nothing of the core in it.
 */
#include <stdlib.h>

#include "price.h"
#include "test.h"

#define DIGITS 200
#define ROUNDS 10000

/* A natural number, least significant digit first. */
typedef struct Paper
{
	uint8_t digit[DIGITS];
} Paper;

static Paper
paper(uint64_t value)
{
	Paper number = {{0}};

	for (int i = 0; value > 0; i++, value /= 10)
		number.digit[i] = (uint8_t) (value % 10);
	return number;
}

static Paper
paper_shift(Paper number, int places)
{
	Paper shifted = {{0}};

	memcpy(shifted.digit + places, number.digit, (size_t) (DIGITS - places));
	return shifted;
}

static int
paper_compare(const Paper *left, const Paper *right)
{
	for (int i = DIGITS - 1; i >= 0; i--)
		if (left->digit[i] != right->digit[i])
			return left->digit[i] < right->digit[i] ? -1 : 1;
	return 0;
}

static Paper
paper_add(Paper left, Paper right)
{
	int carry = 0;

	for (int i = 0; i < DIGITS; i++)
	{
		carry += left.digit[i] + right.digit[i];
		left.digit[i] = (uint8_t) (carry % 10);
		carry /= 10;
	}
	return left;
}

static Paper
paper_subtract(Paper left, Paper right)
{
	int borrow = 0;

	for (int i = 0; i < DIGITS; i++)
	{
		int digit = left.digit[i] - right.digit[i] - borrow;

		borrow = digit < 0;
		left.digit[i] = (uint8_t) (digit + 10 * borrow);
	}
	return left;
}

static Paper
paper_multiply(Paper left, Paper right)
{
	int columns[DIGITS] = {0};
	Paper product = {{0}};
	int carry = 0;

	for (int i = 0; i < DIGITS; i++)
		for (int j = 0; left.digit[i] != 0 && j < DIGITS - i; j++)
			columns[i + j] += left.digit[i] * right.digit[j];
	for (int i = 0; i < DIGITS; i++)
	{
		carry += columns[i];
		product.digit[i] = (uint8_t) (carry % 10);
		carry /= 10;
	}
	return product;
}

static Paper
paper_divide(Paper dividend, Paper divisor)
{
	Paper quotient = {{0}};
	Paper rest = {{0}};

	for (int i = DIGITS - 1; i >= 0; i--)
	{
		rest = paper_shift(rest, 1);
		rest.digit[0] = dividend.digit[i];
		for (; paper_compare(&rest, &divisor) >= 0; quotient.digit[i]++)
			rest = paper_subtract(rest, divisor);
	}
	return quotient;
}

/* A random price, every decimal at 18 places. */
typedef struct Sample
{
	PriceModel model;
	int tiers;
	uint64_t per;
	Paper up_to[PRICE_TIERS_MAX];
	Paper unit[PRICE_TIERS_MAX];
	Paper flat[PRICE_TIERS_MAX];
	bool has_minimum;
	bool has_maximum;
	Paper minimum;
	Paper maximum;
	Paper quantity;
	bool negative;
	Fraction proration;
	int exponent;
} Sample;

static uint64_t random_state;

/* SplitMix64. */
static uint64_t
random_next(void)
{
	uint64_t mixed = random_state += UINT64_C(0x9E3779B97F4A7C15);

	mixed = (mixed ^ (mixed >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
	mixed = (mixed ^ (mixed >> 27)) * UINT64_C(0x94D049BB133111EB);
	return mixed ^ (mixed >> 31);
}

static bool
one_in(int chances)
{
	return random_next() % (uint64_t) chances == 0;
}

/* Of up to the given digits before the point, and any of 0 to 18 after it. */
static Paper
random_decimal(int whole)
{
	int highest = 18 + (int) (random_next() % (uint64_t) (whole + 1));
	int lowest = (int) (random_next() % 19);
	Paper number = {{0}};

	for (int i = lowest; i < highest; i++)
		number.digit[i] = one_in(4) ? 9 : (uint8_t) (random_next() % 10);
	return number;
}

/* Whether the model takes a flat beside its unit or percent. */
static bool
has_flat(const Sample *sample)
{
	return sample->model != PRICE_UNIT && sample->model != PRICE_PACKAGE;
}

static bool
is_percentage(const Sample *sample)
{
	return sample->model == PRICE_PERCENTAGE || sample->model == PRICE_GRADUATED_PERCENTAGE;
}

static void
random_tiers(Sample *sample)
{
	Paper end = {{0}};

	sample->tiers =
		sample->model < PRICE_GRADUATED || sample->model == PRICE_PACKAGE || sample->model == PRICE_PERCENTAGE
			? 1
			: 1 + (int) (random_next() % (one_in(50) ? PRICE_TIERS_MAX : 4));
	for (int i = 0; i < sample->tiers; i++)
	{
		end = paper_add(paper_add(end, random_decimal(one_in(10) ? 18 : 6)), paper(1));
		sample->up_to[i] = end;
		sample->unit[i] = sample->model == PRICE_STAIRSTEP ? paper(0) : random_decimal(one_in(10) ? 18 : 3);
		sample->flat[i] = has_flat(sample) && one_in(3) ? random_decimal(one_in(10) ? 18 : 3) : paper(0);
	}
}

static void
random_sample(Sample *sample)
{
	Paper zero = {{0}};
	Paper swap;

	memset(sample, 0, sizeof(*sample));
	sample->model = (PriceModel) (1 + random_next() % (PRICE_MODELS - 1));
	random_tiers(sample);
	sample->per = 1;
	if (sample->model <= PRICE_PACKAGE && one_in(2))
		sample->per = 1 + random_next() % (one_in(3) ? UINT64_C(1000000000000000000) : 1000);
	sample->has_minimum = one_in(5);
	sample->has_maximum = one_in(5);
	sample->minimum = random_decimal(6);
	sample->maximum = random_decimal(9);
	if (paper_compare(&sample->minimum, &sample->maximum) > 0)
	{
		swap = sample->minimum;
		sample->minimum = sample->maximum;
		sample->maximum = swap;
	}
	sample->quantity = random_decimal(one_in(10) ? 20 : 8);
	if (one_in(3))
		sample->quantity = sample->up_to[random_next() % (uint64_t) sample->tiers];
	if (one_in(6))
		sample->quantity = paper_add(sample->quantity, paper(1));
	sample->negative = paper_compare(&sample->quantity, &zero) != 0 && one_in(3);
	sample->proration.denominator =
		one_in(2) ? 1 : (int64_t) (1 + random_next() % (one_in(4) ? INT64_MAX : 366));
	sample->proration.numerator = (int64_t) (random_next() % ((uint64_t) sample->proration.denominator + 1));
	sample->exponent = (int) (random_next() % (one_in(4) ? 19 : 5));
}

static size_t
put_paper(char *text, const Paper *number)
{
	int highest = DIGITS - 1;
	size_t length = 0;

	while (highest > 18 && number->digit[highest] == 0)
		highest--;
	for (int i = highest; i >= 0; i--)
	{
		text[length++] = (char) ('0' + number->digit[i]);
		if (i == 18)
			text[length++] = '.';
	}
	text[length] = '\0';
	return length;
}

static size_t
put_member(char *text, const char *name, const Paper *number, const char *after)
{
	size_t length = (size_t) sprintf(text, "\"%s\":\"", name);

	length += put_paper(text + length, number);
	return length + (size_t) sprintf(text + length, "\"%s", after);
}

static size_t
put_prices(char *text, const Sample *sample, int tier)
{
	const char *name = is_percentage(sample) ? "percent" : "unit";
	size_t length = 0;

	if (sample->model != PRICE_STAIRSTEP)
		length += put_member(text, name, &sample->unit[tier], has_flat(sample) ? "," : "");
	if (has_flat(sample))
		length += put_member(text + length, "flat", &sample->flat[tier], "");
	return length;
}

static void
put_document(char *text, const Sample *sample)
{
	bool tiered = has_flat(sample) && sample->model != PRICE_PERCENTAGE;

	text += sprintf(text, "{\"model\":\"%s\",", price_model_name(sample->model));
	if (sample->model <= PRICE_PACKAGE)
		text += sprintf(text, "\"per\":\"%" PRIu64 "\",", sample->per);
	if (sample->has_minimum)
		text += put_member(text, "minimum", &sample->minimum, ",");
	if (sample->has_maximum)
		text += put_member(text, "maximum", &sample->maximum, ",");
	if (tiered)
		text += sprintf(text, "\"tiers\":[");
	for (int tier = 0; tier < sample->tiers; tier++)
	{
		if (tiered)
			text += sprintf(text, tier > 0 ? ",{" : "{");
		if (tier + 1 < sample->tiers)
			text += put_member(text, "up_to", &sample->up_to[tier], ",");
		text += put_prices(text, sample, tier);
		if (tiered)
			text += sprintf(text, "}");
	}
	sprintf(text, tiered ? "]}" : "}");
}

/* A flat amount as a numerator over what divides the products. */
static Paper
over_per(const Sample *sample, const Paper *flat)
{
	return paper_multiply(paper_shift(*flat, 18), paper(is_percentage(sample) ? 100 : sample->per));
}

static Paper
cost_at(const Sample *sample, int tier, Paper quantity)
{
	return paper_add(paper_multiply(quantity, sample->unit[tier]), over_per(sample, &sample->flat[tier]));
}

/* Times 10^36, and times per or 100. */
static Paper
cost(const Sample *sample)
{
	Paper zero = {{0}};
	Paper total = {{0}};
	Paper lower = {{0}};
	bool sliced = sample->model == PRICE_GRADUATED || sample->model == PRICE_GRADUATED_PERCENTAGE;

	if (paper_compare(&sample->quantity, &zero) == 0)
		return zero;
	if (sample->model == PRICE_PACKAGE)
	{
		Paper block = paper_shift(paper(sample->per), 18);
		Paper filled = paper_subtract(paper_add(sample->quantity, block), paper(1));

		return cost_at(sample, 0, paper_multiply(paper_divide(filled, block), block));
	}
	for (int tier = 0; tier < sample->tiers; tier++)
	{
		bool last = tier + 1 == sample->tiers || paper_compare(&sample->quantity, &sample->up_to[tier]) <= 0;
		Paper upper = last ? sample->quantity : sample->up_to[tier];

		if (sliced)
			total = paper_add(total, cost_at(sample, tier, paper_subtract(upper, lower)));
		else if (last)
			total = cost_at(sample, tier, sample->quantity);
		if (last)
			break;
		lower = upper;
	}
	return total;
}

static Paper
limited_cost(const Sample *sample)
{
	Paper total = cost(sample);
	Paper minimum = over_per(sample, &sample->minimum);
	Paper maximum = over_per(sample, &sample->maximum);

	if (sample->has_minimum && !sample->negative && paper_compare(&total, &minimum) < 0)
		total = minimum;
	if (sample->has_maximum && paper_compare(&total, &maximum) > 0)
		total = maximum;
	return total;
}

/* floor(amount + 1/2), which on magnitudes is half away from zero. */
static Paper
rounded_cost(const Sample *sample)
{
	Paper numerator = paper_multiply(limited_cost(sample), paper((uint64_t) sample->proration.numerator));
	Paper divisor = paper_shift(paper((uint64_t) sample->proration.denominator), 36);

	numerator = paper_shift(paper_multiply(numerator, paper(2)), sample->exponent);
	divisor = paper_multiply(divisor, paper(is_percentage(sample) ? 100 : sample->per));
	return paper_divide(paper_add(numerator, divisor), paper_multiply(divisor, paper(2)));
}

static void
check_sample(const Sample *sample)
{
	static char document[PRICE_TIERS_MAX * 192];
	char quantity_text[DIGITS + 3] = "-";
	Paper wanted = rounded_cost(sample);
	Paper limit = paper(INT64_MAX);
	bool fits = paper_compare(&wanted, &limit) <= 0;
	int failed = test_failed;
	int64_t amount = 0;
	Price price;
	PriceError error;
	Decimal quantity = {0, 0};
	Paper got;

	put_document(document, sample);
	put_paper(quantity_text + sample->negative, &sample->quantity);
	CHECK_INT(price_parse(document, strlen(document), &price, &error), PRICE_OK);
	CHECK_INT(decimal_parse(quantity_text, strlen(quantity_text), &quantity), DECIMAL_OK);
	CHECK_INT(price_rate(&price, &quantity, sample->proration, sample->exponent, &amount),
			  fits ? PRICE_OK : PRICE_OVERFLOW);
	CHECK(amount == 0 || (amount < 0) == sample->negative);
	got = paper((uint64_t) (amount < 0 ? -amount : amount));
	CHECK(!fits || paper_compare(&got, &wanted) == 0);
	if (test_failed > failed)
		printf("\t%s of %s times %" PRId64 "/%" PRId64 " at %d\n", quantity_text, document,
			   sample->proration.numerator, sample->proration.denominator, sample->exponent);
}

int
main(int argc, char **argv)
{
	static Sample sample;
	int rounds = argc > 2 ? atoi(argv[2]) : ROUNDS;

	random_state = argc > 1 ? strtoull(argv[1], NULL, 10) : 20260101;
	printf("seed %" PRIu64 "\n", random_state);
	for (int round = 0; round < rounds; round++)
	{
		random_sample(&sample);
		check_sample(&sample);
	}
	TEST_MAIN_END();
}
