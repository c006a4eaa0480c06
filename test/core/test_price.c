#include "price.h"
#include "test.h"

#define GRADUATED                                                                                            \
	"{\"model\":\"graduated\",\"tiers\":[{\"up_to\":\"10\",\"unit\":\"5\",\"flat\":\"1\"},"                  \
	"{\"up_to\":20,\"unit\":\"2.5\"},{\"up_to\":null,\"unit\":1e-2,\"flat\":\"7\"}]}"
#define VOLUME                                                                                               \
	"{\"model\":\"volume\",\"tiers\":[{\"up_to\":\"10\",\"unit\":\"5\",\"flat\":\"1\"},"                     \
	"{\"up_to\":\"20\",\"unit\":\"2.5\"},{\"unit\":\"0.01\",\"flat\":\"7\"}]}"
#define TOKENS                                                                                               \
	"{\"model\":\"graduated\",\"per\":\"1000000\",\"tiers\":[{\"up_to\":\"5000000\",\"unit\":\"0\"},"        \
	"{\"up_to\":null,\"unit\":\"15\"}]}"
#define PACKAGE "{\"model\":\"package\",\"unit\":\"15\",\"per\":\"10\"}"
#define PERCENTAGE "{\"model\":\"percentage\",\"percent\":\"2.9\",\"flat\":\"0.30\"}"
#define BRACKETS                                                                                             \
	"{\"model\":\"graduated_percentage\",\"tiers\":[{\"up_to\":\"100\",\"percent\":\"1\"},"                  \
	"{\"up_to\":\"1000.5\",\"percent\":\"0.5\",\"flat\":\"2\"},{\"percent\":\"0.25\"}]}"
#define STAIRS                                                                                               \
	"{\"model\":\"stairstep\",\"tiers\":[{\"up_to\":\"5\",\"flat\":\"10\"},{\"up_to\":\"15\",\"flat\":"      \
	"\"25\"},"                                                                                               \
	"{\"up_to\":null,\"flat\":\"40\"}]}"
#define LIMITED "{\"model\":\"unit\",\"unit\":\"0.1\",\"minimum\":\"5\",\"maximum\":\"20.005\"}"
#define DEAREST "{\"model\":\"unit\",\"unit\":\"999999999999999999.999999999999999999\"}"
#define MOST "99999999999999999999.999999999999999999"

typedef struct RateCase
{
	const char *price;
	const char *quantity;
	Fraction proration;
	int exponent;
	PriceStatus status;
	int64_t amount_minor;
} RateCase;

static const RateCase rate_cases[] = {
	{"{\"model\":\"flat\",\"amount\":\"49.00\"}", "0", {1, 1}, 2, PRICE_OK, 4900},
	{"{\"model\":\"flat\",\"amount\":49.00}", "17", {1, 1}, 2, PRICE_OK, 4900},
	{"{\"model\":\"flat\",\"amount\":\"49\"}", "-3", {1, 1}, 2, PRICE_OK, 4900},
	{"{\"model\":\"flat\",\"amount\":\"49\"}", "0", {10, 31}, 2, PRICE_OK, 1581},
	{"{\"model\":\"flat\",\"amount\":\"49\"}", "0", {0, 31}, 2, PRICE_OK, 0},
	{"{\"model\":\"flat\",\"amount\":\"0.005\"}", "0", {1, 1}, 2, PRICE_OK, 1},
	{"{\"model\":\"flat\",\"amount\":\"0.004999999999999999\"}", "0", {1, 1}, 2, PRICE_OK, 0},
	{"{\"model\":\"unit\",\"unit\":\"15\",\"per\":\"1000000\"}", "1", {1, 1}, 2, PRICE_OK, 0},
	{"{\"model\":\"unit\",\"unit\":\"15\",\"per\":\"1000000\"}", "333", {1, 1}, 2, PRICE_OK, 0},
	{"{\"model\":\"unit\",\"unit\":\"15\",\"per\":\"1000000\"}", "334", {1, 1}, 2, PRICE_OK, 1},
	{"{\"model\":\"unit\",\"unit\":\"15\",\"per\":\"1000000\"}", "-334", {1, 1}, 2, PRICE_OK, -1},
	{"{\"model\":\"unit\",\"unit\":\"1\",\"per\":\"3\"}", "0.5", {3, 1}, 0, PRICE_OK, 1},
	{"{\"model\":\"unit\",\"unit\":\"1\",\"per\":3}", "0.499999999999999999", {3, 1}, 0, PRICE_OK, 0},
	/* 1/3 of 1/3 twice rounded would be lost: 1.35 / 9 = 0.15 exactly. */
	{"{\"model\":\"unit\",\"unit\":\"1.35\",\"per\":\"3\"}", "1", {1, 3}, 1, PRICE_OK, 2},
	{"{\"model\":\"unit\",\"unit\":\"0.000000000000000001\"}", "1000000000000000000", {1, 1}, 0, PRICE_OK, 1},
	{"{\"model\":\"unit\",\"unit\":\"1\",\"per\":\"1000000000000000000\"}", "1", {1, 1}, 18, PRICE_OK, 1},
	{GRADUATED, "0", {1, 1}, 2, PRICE_OK, 0},
	{GRADUATED, "0.000000000000000001", {1, 1}, 2, PRICE_OK, 100},
	{GRADUATED, "10", {1, 1}, 2, PRICE_OK, 5100},
	{GRADUATED, "10.000000000000000001", {1, 1}, 2, PRICE_OK, 5100},
	{GRADUATED, "11", {1, 1}, 2, PRICE_OK, 5350},
	{GRADUATED, "20", {1, 1}, 2, PRICE_OK, 7600},
	{GRADUATED, "20.000000000000000001", {1, 1}, 2, PRICE_OK, 8300},
	{GRADUATED, "120", {1, 1}, 2, PRICE_OK, 8400},
	{GRADUATED, "-120", {1, 1}, 2, PRICE_OK, -8400},
	{GRADUATED, "120", {1, 2}, 2, PRICE_OK, 4200},
	{VOLUME, "0", {1, 1}, 2, PRICE_OK, 0},
	{VOLUME, "10", {1, 1}, 2, PRICE_OK, 5100},
	{VOLUME, "10.000000000000000001", {1, 1}, 2, PRICE_OK, 2500},
	{VOLUME, "20", {1, 1}, 2, PRICE_OK, 5000},
	{VOLUME, "21", {1, 1}, 2, PRICE_OK, 721},
	{VOLUME, "-21", {1, 1}, 2, PRICE_OK, -721},
	{TOKENS, "5000000", {1, 1}, 2, PRICE_OK, 0},
	{TOKENS, "5000333", {1, 1}, 2, PRICE_OK, 0},
	{TOKENS, "5000334", {1, 1}, 2, PRICE_OK, 1},
	{TOKENS, "25000000", {1, 1}, 2, PRICE_OK, 30000},
	{PACKAGE, "0", {1, 1}, 0, PRICE_OK, 0},
	{PACKAGE, "0.000000000000000001", {1, 1}, 0, PRICE_OK, 15},
	{PACKAGE, "10", {1, 1}, 0, PRICE_OK, 15},
	{PACKAGE, "10.000000000000000001", {1, 1}, 0, PRICE_OK, 30},
	{PACKAGE, "-11", {1, 1}, 0, PRICE_OK, -30},
	{PACKAGE, MOST, {1, 10000000000}, 0, PRICE_OK, INT64_C(15000000000)},
	{"{\"model\":\"package\",\"unit\":\"0.000000000000000001\",\"per\":\"1000000000000000000\"}",
	 MOST,
	 {1, 1},
	 18,
	 PRICE_OK,
	 100},
	{PERCENTAGE, "0", {1, 1}, 2, PRICE_OK, 0},
	{PERCENTAGE, "100", {1, 1}, 2, PRICE_OK, 320},
	{PERCENTAGE, "50", {1, 1}, 2, PRICE_OK, 175},
	{PERCENTAGE, "-50", {1, 1}, 2, PRICE_OK, -175},
	{BRACKETS, "100", {1, 1}, 2, PRICE_OK, 100},
	{BRACKETS, "100.01", {1, 1}, 2, PRICE_OK, 300},
	{BRACKETS, "1000.5", {1, 1}, 4, PRICE_OK, 75025},
	{BRACKETS, "2000.5", {1, 1}, 4, PRICE_OK, 100025},
	{STAIRS, "0", {1, 1}, 0, PRICE_OK, 0},
	{STAIRS, "0.1", {1, 1}, 0, PRICE_OK, 10},
	{STAIRS, "5", {1, 1}, 0, PRICE_OK, 10},
	{STAIRS, "5.1", {1, 1}, 0, PRICE_OK, 25},
	{STAIRS, "15", {1, 1}, 0, PRICE_OK, 25},
	{STAIRS, "16", {1, 1}, 0, PRICE_OK, 40},
	{STAIRS, "-16", {1, 1}, 0, PRICE_OK, -40},
	{LIMITED, "0", {1, 1}, 2, PRICE_OK, 500},
	{LIMITED, "50", {1, 1}, 2, PRICE_OK, 500},
	{LIMITED, "50.1", {1, 1}, 2, PRICE_OK, 501},
	{LIMITED, "200", {1, 1}, 2, PRICE_OK, 2000},
	{LIMITED, "201", {1, 1}, 2, PRICE_OK, 2001},
	{LIMITED, "-1", {1, 1}, 2, PRICE_OK, -10},
	{LIMITED, "-1000", {1, 1}, 2, PRICE_OK, -2001},
	{LIMITED, "0", {1, 2}, 2, PRICE_OK, 250},
	{LIMITED, "1000", {1, 2}, 2, PRICE_OK, 1000},
	{"{\"model\":\"unit\",\"unit\":\"1\",\"minimum\":\"3\",\"maximum\":\"3\"}", "9", {1, 1}, 0, PRICE_OK, 3},
	/* The ends of int64_t, and of what a proration may bring back into it. */
	{"{\"model\":\"unit\",\"unit\":\"1\"}", "9223372036854775807", {1, 1}, 0, PRICE_OK, INT64_MAX},
	{"{\"model\":\"unit\",\"unit\":\"1\"}", "9223372036854775807.4", {1, 1}, 0, PRICE_OK, INT64_MAX},
	{"{\"model\":\"unit\",\"unit\":\"1\"}", "9223372036854775807.5", {1, 1}, 0, PRICE_OVERFLOW, 0},
	{"{\"model\":\"unit\",\"unit\":\"1\"}", "-9223372036854775808", {1, 1}, 0, PRICE_OK, INT64_MIN},
	{"{\"model\":\"unit\",\"unit\":\"1\"}", "-9223372036854775808.5", {1, 1}, 0, PRICE_OVERFLOW, 0},
	{"{\"model\":\"unit\",\"unit\":\"1\"}", "9223372036854775808", {1, 1}, 0, PRICE_OVERFLOW, 0},
	{"{\"model\":\"unit\",\"unit\":\"1\"}", MOST, {INT64_MAX, INT64_MAX}, 18, PRICE_OVERFLOW, 0},
	{"{\"model\":\"unit\",\"unit\":\"1\"}",
	 "9",
	 {INT64_MAX, INT64_MAX},
	 18,
	 PRICE_OK,
	 INT64_C(9000000000000000000)},
	{DEAREST, MOST, {1, 1}, 0, PRICE_OVERFLOW, 0},
	{DEAREST, MOST, {INT64_MAX, 1}, 18, PRICE_OVERFLOW, 0},
	{DEAREST, "0.000000000000000001", {1, 1}, 0, PRICE_OK, 1},
	{DEAREST, "100000000000000000000", {1, 1}, 0, PRICE_INVALID_QUANTITY, 0},
	{DEAREST, "-100000000000000000000", {1, 1}, 0, PRICE_INVALID_QUANTITY, 0},
	{DEAREST, "1", {-1, 1}, 0, PRICE_INVALID_PRORATION, 0},
	{DEAREST, "1", {1, 0}, 0, PRICE_INVALID_PRORATION, 0},
	{DEAREST, "1", {1, -1}, 0, PRICE_INVALID_PRORATION, 0},
};

static Decimal
decimal(const char *text)
{
	Decimal value = {0, 0};

	CHECK_INT(decimal_parse(text, strlen(text), &value), DECIMAL_OK);
	return value;
}

static void
parse(const char *document, Price *price)
{
	PriceError error;
	PriceMessage message;

	CHECK_INT(price_parse(document, strlen(document), price, &error), PRICE_OK);
	price_error_message(&error, &message);
	CHECK_STR(message.message, "");
}

static void
test_rate(void)
{
	for (size_t i = 0; i < sizeof(rate_cases) / sizeof(rate_cases[0]); i++)
	{
		const RateCase *row = &rate_cases[i];
		int failed = test_failed;
		Decimal quantity = decimal(row->quantity);
		int64_t amount_minor = 0;
		Price price;

		parse(row->price, &price);
		CHECK_INT(price_rate(&price, &quantity, row->proration, row->exponent, &amount_minor), row->status);
		CHECK_INT(amount_minor, row->amount_minor);
		if (test_failed > failed)
			printf("\tquantity %s at %s\n", row->quantity, row->price);
	}
}

typedef struct AmountCase
{
	const char *price;
	const char *quantity;
	int places;
	const char *amount;
} AmountCase;

static const AmountCase amount_cases[] = {
	{"{\"model\":\"unit\",\"unit\":\"1\",\"per\":\"3\"}", "1", 10, "0.3333333333"},
	{"{\"model\":\"unit\",\"unit\":\"2\",\"per\":\"3\"}", "-1", 10, "-0.6666666667"},
	{"{\"model\":\"unit\",\"unit\":\"1\",\"per\":\"3\"}", "-1", 0, "0"},
	{"{\"model\":\"unit\",\"unit\":\"1\"}", "5", 2, "5.00"},
	{"{\"model\":\"unit\",\"unit\":\"0.05\"}", "-1", 1, "-0.1"},
	{DEAREST, MOST, 18, "99999999999999999999999999999999999899.000000000000000000"},
	{DEAREST, MOST, 0, "99999999999999999999999999999999999899"},
};

static void
test_amount(void)
{
	for (size_t i = 0; i < sizeof(amount_cases) / sizeof(amount_cases[0]); i++)
	{
		const AmountCase *row = &amount_cases[i];
		Decimal quantity = decimal(row->quantity);
		char text[PRICE_AMOUNT_SIZE] = "";
		Price price;

		parse(row->price, &price);
		CHECK_INT(price_amount(&price, &quantity, (Fraction){1, 1}, row->places, text), PRICE_OK);
		CHECK_STR(text, row->amount);
	}
}

typedef struct StepCase
{
	const char *price;
	const char *quantity;
	const char *steps; /* tier:from..up_to:quantity*unit/per+flat=amount, and a space after each */
} StepCase;

static const StepCase step_cases[] = {
	{GRADUATED, "0", ""},
	{GRADUATED, "10", "1:0..10:10*5/1+1=51 "},
	{GRADUATED, "25", "1:0..10:10*5/1+1=51 2:10..20:10*2.5/1+0=25 3:20..:5*0.01/1+7=7.05 "},
	{GRADUATED, "-11", "1:0..10:-10*5/1+1=-51 2:10..20:-1*2.5/1+0=-2.5 "},
	{VOLUME, "25", "3:20..:25*0.01/1+7=7.25 "},
	{TOKENS, "5000001", "1:0..5000000:5000000*0/1000000+0=0 2:5000000..:1*15/1000000+0=0.000015 "},
	{PACKAGE, "-11", "1:0..:-20*15/10+0=-30 "},
	{PERCENTAGE, "50", "1:0..:50*2.9/100+0.3=1.75 "},
	{BRACKETS, "1001.5",
	 "1:0..100:100*1/100+0=1 2:100..1000.5:900.5*0.5/100+2=6.5025 3:1000.5..:1*0.25/100+0=0.0025 "},
	{STAIRS, "6", "2:5..15:6*0/1+25=25 "},
	{"{\"model\":\"flat\",\"amount\":\"49\"}", "-2", "1:0..:-2*0/1+49=49 "},
	{LIMITED, "0", "0:0..:0*0/1+0=5 "},
	{LIMITED, "10", "1:0..:10*0.1/1+0=1 0:0..:0*0/1+0=4 "},
	{LIMITED, "50", "1:0..:50*0.1/1+0=5 "},
	{LIMITED, "1000", "1:0..:1000*0.1/1+0=100 0:0..:0*0/1+0=-79.995 "},
	{LIMITED, "-1000", "1:0..:-1000*0.1/1+0=-100 0:0..:0*0/1+0=79.995 "},
	{"{\"model\":\"unit\",\"unit\":\"2\",\"per\":\"3\"}", "1", "1:0..:1*2/3+0=0.666666666666666667 "},
	{"{\"model\":\"unit\",\"unit\":\"2\",\"per\":\"3\"}", "-1", "1:0..:-1*2/3+0=-0.666666666666666667 "},
	/* Exact at 25 decimals, in 38 digits or fewer; 2^59 takes 42, so it is rounded. */
	{"{\"model\":\"unit\",\"unit\":\"1\",\"per\":\"33554432\"}", "1",
	 "1:0..:1*1/33554432+0=0.0000000298023223876953125 "},
	{"{\"model\":\"unit\",\"unit\":\"1\",\"per\":\"576460752303423488\"}", "1",
	 "1:0..:1*1/576460752303423488+0=0.000000000000000002 "},
	{DEAREST, MOST,
	 "1:0..:99999999999999999999.999999999999999999*999999999999999999.999999999999999999/1+0="
	 "99999999999999999999999999999999999899.000000000000000000 "},
};

static size_t
put_decimal(char *text, const char *before, const Decimal *value)
{
	char digits[DECIMAL_TEXT_SIZE];

	decimal_format(value, digits);
	return (size_t) sprintf(text, "%s%s", before, digits);
}

static void
describe(const PriceStep *step, char *text)
{
	text += sprintf(text, "%d", step->tier);
	text += put_decimal(text, ":", &step->from);
	text += step->open ? (size_t) sprintf(text, "..") : put_decimal(text, "..", &step->up_to);
	text += put_decimal(text, ":", &step->quantity);
	text += put_decimal(text, "*", &step->unit);
	text += sprintf(text, "/%" PRIu64, step->per);
	text += put_decimal(text, "+", &step->flat);
	sprintf(text, "=%s ", step->amount);
}

static void
test_steps(void)
{
	for (size_t i = 0; i < sizeof(step_cases) / sizeof(step_cases[0]); i++)
	{
		const StepCase *row = &step_cases[i];
		Decimal quantity = decimal(row->quantity);
		PriceStep steps[PRICE_STEPS_MAX];
		char text[1024] = "";
		int count;
		Price price;

		parse(row->price, &price);
		CHECK_INT(price_steps(&price, &quantity, steps, &count), PRICE_OK);
		for (int step = 0; step < count; step++)
			describe(&steps[step], text + strlen(text));
		CHECK_STR(text, row->steps);
	}
}

static void
test_steps_refused(void)
{
	Decimal quantity = decimal("-100000000000000000000");
	PriceStep steps[PRICE_STEPS_MAX];
	char text[PRICE_AMOUNT_SIZE];
	int count;
	Price price;

	parse(GRADUATED, &price);
	CHECK_INT(price_steps(&price, &quantity, steps, &count), PRICE_INVALID_QUANTITY);
	CHECK_INT(count, 0);
	CHECK_INT(price_amount(&price, &quantity, (Fraction){1, 1}, 2, text), PRICE_INVALID_QUANTITY);
}

int
main(void)
{
	test_rate();
	test_amount();
	test_steps();
	test_steps_refused();
	TEST_MAIN_END();
}
