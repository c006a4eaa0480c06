/*
 * Documents that are no prices: the status, the tier, and what people read.
 */
#include "price.h"
#include "test.h"

#define TIERED(tiers) "{\"model\":\"graduated\",\"tiers\":" tiers "}"
#define UNIT(unit) "{\"model\":\"unit\",\"unit\":" unit "}"
#define LONG_TEXT "12345678901234567890123456789012345678901234567890123456789012"

typedef struct RefusedCase
{
	const char *price;
	PriceStatus status;
	int tier;
	const char *message;
} RefusedCase;

static const RefusedCase refused_cases[] = {
	{"", PRICE_INVALID, 0, NULL},
	{"{", PRICE_INVALID, 0, NULL},
	{"{\"model\":\"unit\",\"unit\":\"1\",\"unit\":\"2\"}", PRICE_INVALID, 0, NULL},
	{"[]", PRICE_INVALID, 0, "price is not a JSON object"},
	{"\"flat\"", PRICE_INVALID, 0, "price is not a JSON object"},
	{"{}", PRICE_INVALID, 0, "price has no key \"model\""},
	{"{\"model\":null}", PRICE_INVALID, 0, "unknown price model \"null\""},
	{"{\"model\":1}", PRICE_INVALID, 0, "unknown price model \"1\""},
	{"{\"model\":\"\"}", PRICE_INVALID, 0, "unknown price model \"\""},
	{"{\"model\":\"Flat\"}", PRICE_INVALID, 0, "unknown price model \"Flat\""},
	{"{\"model\":\"flat\\u0000\"}", PRICE_INVALID, 0, "unknown price model \"flat\""},
	{"{\"model\":\"flat\"}", PRICE_INVALID, 0, "price has no key \"amount\""},
	{"{\"model\":\"unit\"}", PRICE_INVALID, 0, "price has no key \"unit\""},
	{"{\"model\":\"package\"}", PRICE_INVALID, 0, "price has no key \"unit\""},
	{"{\"model\":\"percentage\"}", PRICE_INVALID, 0, "price has no key \"percent\""},
	{"{\"model\":\"flat\",\"amount\":\"1\",\"minimum\":\"1\"}", PRICE_INVALID, 0, "unknown key \"minimum\""},
	{"{\"model\":\"flat\",\"amount\":\"1\",\"unit\":\"1\"}", PRICE_INVALID, 0, "unknown key \"unit\""},
	{"{\"model\":\"unit\",\"unit\":\"1\",\"flat\":\"1\"}", PRICE_INVALID, 0, "unknown key \"flat\""},
	{"{\"model\":\"unit\",\"unit\":\"1\",\"Per\":\"1\"}", PRICE_INVALID, 0, "unknown key \"Per\""},
	{"{\"model\":\"unit\",\"unit\":\"1\",\"\":\"1\"}", PRICE_INVALID, 0, "unknown key \"\""},
	{"{\"model\":\"unit\",\"unit\":\"1\",\"per\\u0000\":\"1\"}", PRICE_INVALID, 0, "unknown key \"per\""},
	{"{\"model\":\"percentage\",\"percent\":\"1\",\"per\":\"1\"}", PRICE_INVALID, 0, "unknown key \"per\""},
	{UNIT("null"), PRICE_INVALID, 0, "invalid decimal \"null\" for key \"unit\""},
	{UNIT("true"), PRICE_INVALID, 0, "invalid decimal \"true\" for key \"unit\""},
	{UNIT("[]"), PRICE_INVALID, 0, "invalid decimal \"[]\" for key \"unit\""},
	{UNIT("{\"a\":1}"), PRICE_INVALID, 0, "invalid decimal \"{}\" for key \"unit\""},
	{UNIT("\"\""), PRICE_INVALID, 0, "invalid decimal \"\" for key \"unit\""},
	{UNIT("\"1,5\""), PRICE_INVALID, 0, "invalid decimal \"1,5\" for key \"unit\""},
	{UNIT("\"NaN\""), PRICE_INVALID, 0, "invalid decimal \"NaN\" for key \"unit\""},
	{UNIT("\"Infinity\""), PRICE_INVALID, 0, "invalid decimal \"Infinity\" for key \"unit\""},
	/* Cut between characters: the euro sign has three bytes. */
	{UNIT("\"" LONG_TEXT "\xE2\x82\xAC\""), PRICE_INVALID, 0,
	 "invalid decimal \"" LONG_TEXT "\" for key \"unit\""},
	{UNIT("\"" LONG_TEXT "x\xE2\x82\xAC\""), PRICE_INVALID, 0,
	 "invalid decimal \"" LONG_TEXT "x\" for key \"unit\""},
	{UNIT("-1"), PRICE_NEGATIVE, 0, "key \"unit\" is negative: -1"},
	{UNIT("\"-0.000000000000000001\""), PRICE_NEGATIVE, 0, "key \"unit\" is negative: -0.000000000000000001"},
	{UNIT("1e-19"), PRICE_TOO_MANY_DECIMALS, 0, "key \"unit\" has more than 18 decimals: 1e-19"},
	{UNIT("1e18"), PRICE_OUT_OF_RANGE, 0, "key \"unit\" is out of range: 1e18"},
	{UNIT("1e99"), PRICE_OUT_OF_RANGE, 0, "key \"unit\" is out of range: 1e99"},
	{"{\"model\":\"flat\",\"amount\":\"-1\"}", PRICE_NEGATIVE, 0, "key \"amount\" is negative: -1"},
	{"{\"model\":\"percentage\",\"percent\":\"-1\"}", PRICE_NEGATIVE, 0, "key \"percent\" is negative: -1"},
	{"{\"model\":\"unit\",\"unit\":\"1\",\"minimum\":\"-1\"}", PRICE_NEGATIVE, 0,
	 "key \"minimum\" is negative: -1"},
	{"{\"model\":\"unit\",\"unit\":\"1\",\"minimum\":\"2\",\"maximum\":\"1.99\"}", PRICE_INVALID, 0,
	 "maximum 1.99 is below minimum 2"},
	{"{\"model\":\"unit\",\"unit\":\"1\",\"maximum\":null}", PRICE_INVALID, 0,
	 "invalid decimal \"null\" for key \"maximum\""},
	{"{\"model\":\"unit\",\"unit\":\"1\",\"per\":\"0\"}", PRICE_INVALID, 0, "invalid key \"per\": \"0\""},
	{"{\"model\":\"unit\",\"unit\":\"1\",\"per\":\"-1\"}", PRICE_INVALID, 0, "invalid key \"per\": \"-1\""},
	{"{\"model\":\"unit\",\"unit\":\"1\",\"per\":\"1.5\"}", PRICE_INVALID, 0, "invalid key \"per\": \"1.5\""},
	{"{\"model\":\"unit\",\"unit\":\"1\",\"per\":null}", PRICE_INVALID, 0, "invalid key \"per\": \"null\""},
	{"{\"model\":\"unit\",\"unit\":\"1\",\"per\":\"1000000000000000001\"}", PRICE_INVALID, 0,
	 "invalid key \"per\": \"1000000000000000001\""},
	{"{\"model\":\"volume\"}", PRICE_NO_TIERS, 0, "price has no tiers"},
	{TIERED("[]"), PRICE_NO_TIERS, 0, "price has no tiers"},
	{TIERED("null"), PRICE_INVALID, 0, "key \"tiers\" is not a JSON array"},
	{TIERED("{}"), PRICE_INVALID, 0, "key \"tiers\" is not a JSON array"},
	{TIERED("[1]"), PRICE_INVALID, 1, "tier 1 is not a JSON object"},
	{TIERED("[{}]"), PRICE_INVALID, 1, "tier 1 has no price"},
	{TIERED("[{\"up_to\":\"1\",\"unit\":\"1\"},{\"up_to\":null}]"), PRICE_INVALID, 2, "tier 2 has no price"},
	{TIERED("[{\"unit\":\"1\",\"percent\":\"1\"}]"), PRICE_INVALID, 1, "unknown key \"percent\" of tier 1"},
	{TIERED("[{\"unit\":\"1\",\"minimum\":\"1\"}]"), PRICE_INVALID, 1, "unknown key \"minimum\" of tier 1"},
	{"{\"model\":\"stairstep\",\"tiers\":[{\"unit\":\"1\"}]}", PRICE_INVALID, 1,
	 "unknown key \"unit\" of tier 1"},
	{"{\"model\":\"graduated_percentage\",\"tiers\":[{\"unit\":\"1\"}]}", PRICE_INVALID, 1,
	 "unknown key \"unit\" of tier 1"},
	{TIERED("[{\"up_to\":\"x\",\"unit\":\"1\"}]"), PRICE_INVALID, 1,
	 "invalid decimal \"x\" for key \"up_to\" of tier 1"},
	{TIERED("[{\"up_to\":\"1e20\",\"unit\":\"1\"},{\"unit\":\"1\"}]"), PRICE_OUT_OF_RANGE, 1,
	 "key \"up_to\" of tier 1 is out of range: 1e20"},
	{TIERED("[{\"up_to\":\"1e-19\",\"unit\":\"1\"},{\"unit\":\"1\"}]"), PRICE_TOO_MANY_DECIMALS, 1,
	 "key \"up_to\" of tier 1 has more than 18 decimals: 1e-19"},
	{TIERED("[{\"up_to\":\"0\",\"unit\":\"1\"},{\"unit\":\"1\"}]"), PRICE_TIER_ORDER, 1,
	 "tier 1 ends at 0, not above 0"},
	{TIERED("[{\"up_to\":\"-5\",\"unit\":\"1\"},{\"unit\":\"1\"}]"), PRICE_TIER_ORDER, 1,
	 "tier 1 ends at -5, not above 0"},
	{TIERED("[{\"up_to\":1000000,\"unit\":\"1\"},{\"up_to\":\"500000\",\"unit\":\"1\"},{\"unit\":\"1\"}]"),
	 PRICE_TIER_ORDER, 2, "tier 2 ends at 500000, not above tier 1's end 1000000"},
	{TIERED("[{\"up_to\":\"7\",\"unit\":\"1\"},{\"up_to\":\"7.0\",\"unit\":\"1\"},{\"unit\":\"1\"}]"),
	 PRICE_TIER_ORDER, 2, "tier 2 ends at 7.0, not above tier 1's end 7"},
	{TIERED("[{\"up_to\":null,\"unit\":\"1\"},{\"unit\":\"1\"}]"), PRICE_TIER_ORDER, 1,
	 "tier 1 has no end but is not the last tier"},
	{TIERED("[{\"unit\":\"1\"},{\"up_to\":\"5\",\"unit\":\"1\"}]"), PRICE_TIER_ORDER, 1,
	 "tier 1 has no end but is not the last tier"},
	{TIERED("[{\"up_to\":\"5\",\"unit\":\"1\"}]"), PRICE_TIER_ORDER, 1,
	 "tier 1 is the last tier but ends at 5"},
	{TIERED("[{\"up_to\":\"5\",\"unit\":\"-2\"},{\"unit\":\"1\"}]"), PRICE_NEGATIVE, 1,
	 "key \"unit\" of tier 1 is negative: -2"},
	{TIERED("[{\"up_to\":\"5\",\"unit\":\"2\"},{\"unit\":\"1\",\"flat\":\"-1\"}]"), PRICE_NEGATIVE, 2,
	 "key \"flat\" of tier 2 is negative: -1"},
};

static void
test_refused(void)
{
	for (size_t i = 0; i < sizeof(refused_cases) / sizeof(refused_cases[0]); i++)
	{
		const RefusedCase *row = &refused_cases[i];
		int failed = test_failed;
		Price price;
		PriceError error;
		PriceMessage message;

		CHECK_INT(price_parse(row->price, strlen(row->price), &price, &error), row->status);
		CHECK_INT(error.status, row->status);
		CHECK_INT(error.tier, row->tier);
		price_error_message(&error, &message);
		if (row->message != NULL)
			CHECK_STR(message.message, row->message);
		CHECK(strchr(message.message, '{') == NULL || strchr(row->price, '{') != NULL);
		if (test_failed > failed)
			printf("\tfor %s\n", row->price);
	}
}

typedef struct HintCase
{
	const char *price;
	const char *hint;
} HintCase;

static const HintCase hint_cases[] = {
	{"{\"model\":\"x\"}",
	 "The models are flat, unit, graduated, volume, package, percentage, graduated_percentage, stairstep."},
	{"{\"model\":\"flat\",\"x\":1}", "The keys of a flat price are model, amount."},
	{"{\"model\":\"package\",\"x\":1}",
	 "The keys of a package price are model, unit, per, minimum, maximum."},
	{TIERED("[{\"x\":1}]"), "The keys of a tier of a graduated price are unit, flat, up_to."},
	{TIERED("[{}]"), "Give one of the keys unit, flat."},
	{TIERED("[{\"up_to\":\"2\",\"unit\":1}]"), "The last tier's up_to must be null or absent."},
	{UNIT("1e-19"), "Price a larger block with the key \"per\"."},
	{"{\"model\":\"flat\",\"amount\":\"1e-19\"}", ""},
};

static void
test_hints(void)
{
	for (size_t i = 0; i < sizeof(hint_cases) / sizeof(hint_cases[0]); i++)
	{
		Price price;
		PriceError error;
		PriceMessage message;

		price_parse(hint_cases[i].price, strlen(hint_cases[i].price), &price, &error);
		price_error_message(&error, &message);
		CHECK_STR(message.hint, hint_cases[i].hint);
	}
}

/* Every fault has words, ends as PostgreSQL's do, and keeps within its room. */
static void
test_every_fault(void)
{
	PriceError error = {.model = PRICE_GRADUATED_PERCENTAGE, .tier = PRICE_TIERS_MAX};

	memset(error.key, 'k', PRICE_ERROR_TEXT_SIZE - 1);
	memset(error.value, 'v', PRICE_ERROR_TEXT_SIZE - 1);
	memset(error.previous, 'p', PRICE_ERROR_TEXT_SIZE - 1);
	for (int fault = PRICE_FAULT_NONE + 1; fault < PRICE_FAULTS; fault++)
	{
		PriceMessage message;
		size_t length;

		error.fault = (PriceFault) fault;
		price_error_message(&error, &message);
		length = strlen(message.message);
		CHECK(length > 0 && length < PRICE_MESSAGE_SIZE - 1);
		CHECK(message.message[length - 1] != '.');
		CHECK(strlen(message.hint) < PRICE_MESSAGE_SIZE - 1);
		CHECK(message.hint[0] == '\0' || message.hint[strlen(message.hint) - 1] == '.');
		CHECK(message.detail[0] == '\0' || message.detail[strlen(message.detail) - 1] == '.');
		CHECK(strchr(message.message, '{') == NULL);
	}
}

static void
write_tiers(int count, char *text)
{
	text += sprintf(text, "{\"model\":\"stairstep\",\"tiers\":[");
	for (int tier = 1; tier < count; tier++)
		text += sprintf(text, "{\"up_to\":%d,\"flat\":\"1\"},", tier);
	sprintf(text, "{\"flat\":\"1\"}]}");
}

static void
test_tier_limit(void)
{
	static char text[PRICE_TIERS_MAX * 64];
	static Price price;
	PriceError error;
	PriceMessage message;

	write_tiers(PRICE_TIERS_MAX, text);
	CHECK_INT(price_parse(text, strlen(text), &price, &error), PRICE_OK);
	CHECK_INT(price.tier_count, PRICE_TIERS_MAX);
	write_tiers(PRICE_TIERS_MAX + 1, text);
	CHECK_INT(price_parse(text, strlen(text), &price, &error), PRICE_INVALID);
	price_error_message(&error, &message);
	CHECK_STR(message.message, "price has too many tiers");
}

int
main(void)
{
	test_refused();
	test_hints();
	test_every_fault();
	test_tier_limit();
	TEST_MAIN_END();
}
