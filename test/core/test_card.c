/* Every published test card in every disguise is found; codes under their names; what people write every day is not. */
#include "card.h"
#include "card_cards.h"
#include "test.h"
#include "utf8_encode.h"

#include <stdlib.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static int tried;
static int missed;

static void
expect_card(const char *text)
{
	tried++;
	if (card_find(text, strlen(text)) == CARD_NUMBER)
		return;
	missed++;
	printf("missed: %s\n", text);
}

static void
expect_none(const char *text)
{
	if (card_find(text, strlen(text)) != CARD_NONE)
		printf("found: %s\n", text);
	CHECK(card_find(text, strlen(text)) == CARD_NONE);
}

/* The first of a list of groupings that begins with the length. */
static const unsigned groupings[][8] = {{13, 13},
										{13, 4, 3, 3, 3},
										{13, 4, 4, 5},
										{13, 1, 1, 1, 1, 1, 1, 1},
										{14, 14},
										{14, 4, 6, 4},
										{14, 4, 4, 4, 2},
										{15, 15},
										{15, 4, 6, 5},
										{15, 4, 5, 6},
										{15, 4, 4, 4, 3},
										{16, 16},
										{16, 4, 4, 4, 4},
										{16, 8, 8},
										{16, 4, 8, 4},
										{16, 6, 10},
										{16, 4, 4, 8},
										{16, 8, 4, 4},
										{16, 4, 12},
										{16, 12, 4},
										{16, 6, 4, 6},
										{16, 5, 5, 6},
										{16, 2, 2, 2, 2, 2, 2, 2},
										{16, 1, 1, 1, 1, 1, 1, 1},
										{19, 19},
										{19, 4, 4, 4, 4, 3},
										{19, 4, 4, 4, 7},
										{19, 6, 13}};

static const char *const separators[] = {" ",
										 ".",
										 "-",
										 "  ",
										 " - ",
										 "\t",
										 "_",
										 "/",
										 "\n",
										 "\xC2\xA0",
										 "\xE2\x80\x89",
										 "\xE2\x80\xAF",
										 "\xE2\x80\x8B \xE2\x80\x8B",
										 "\xE2\x80\x90",
										 "\xE2\x80\x91",
										 "\xE2\x80\x92",
										 "\xE2\x80\x93",
										 "\xE2\x80\x94",
										 "\xE2\x88\x92",
										 "\xEF\xBC\x8D",
										 "\xE3\x80\x80",
										 "\xC2\xB7",
										 "\xE2\x80\xA2",
										 "\xEF\xBC\x8E",
										 "\xE2\x81\x83"};

static const char *const before[] = {"",
									 "card ",
									 "paid with card no.",
									 "PAN:",
									 "\"",
									 "\xE5\x8D\xA1\xE5\x8F\xB7",
									 "visa-",
									 "exp 12/27 ",
									 "1. ",
									 "2026-11-20 ",
									 "order 17, ",
									 "(",
									 "#",
									 "%B",
									 ";",
									 "=",
									 "DE12 x ",
									 "a+"};
static const char *const after[] = {"",			" exp 12/27", "\"",		 "\xE6\x9C\x89\xE6\x95\x88",
									" 123",		".",		  ",000",	 "^DOE/JANE^2712",
									"=2712101", ")",		  " 4 items"};

/* Writes the digits in a script (0 is ASCII) with the separators of a grouping. */
static void
write_card(char *out, const char *card, const unsigned *grouping, const char *separator, uint32_t zero)
{
	unsigned group = 1;
	unsigned in_group = 0;

	for (const char *digit = card; *digit != '\0'; digit++)
	{
		/* A list of groups that ends too early goes on with its last. */
		unsigned size = grouping[group];

		if (in_group == size)
		{
			out += sprintf(out, "%s", separator);
			in_group = 0;
			if (group < 7 && grouping[group + 1] != 0)
				group++;
		}
		out += utf8_encode(zero + (uint32_t) (*digit - '0'), out);
		in_group++;
	}
	*out = '\0';
}

static void
test_groupings(void)
{
	char card[1024];
	char text[2048];

	for (const char *const *number = test_cards; *number != NULL; number++)
		for (size_t g = 0; g < COUNT(groupings); g++)
			for (size_t s = 0; groupings[g][0] == strlen(*number) && s < COUNT(separators); s++)
			{
				size_t b = (size_t) rand() % COUNT(before);
				size_t a = (size_t) rand() % COUNT(after);

				write_card(card, *number, groupings[g], separators[s], '0');
				expect_card(card);
				/* Rows of single digits or pairs must be alone. */
				if (groupings[g][1] < 3)
					continue;
				sprintf(text, "%s%s%s", before[b], card, after[a]);
				expect_card(text);
			}
}

static void
test_surroundings(void)
{
	char card[1024];
	char text[2048];

	for (const char *const *number = test_cards; *number != NULL; number++)
		for (size_t b = 0; b < COUNT(before); b++)
			for (size_t a = 0; a < COUNT(after); a++)
				for (size_t g = 0; g < COUNT(groupings); g++)
				{
					if (groupings[g][0] != strlen(*number) || groupings[g][1] < 3)
						continue;
					write_card(card, *number, groupings[g], " ", '0');
					sprintf(text, "%s%s%s", before[b], card, after[a]);
					expect_card(text);
				}
}

static void
test_scripts(void)
{
	static const uint32_t zeros[] = {0x660,	 0x6F0,	  0x7C0,   0x966,	0x9E6,	 0xE50,	  0xFF10, 0x104A0,
									 0x1040, 0x1D7CE, 0x1D7F6, 0x1E950, 0x1FBF0, 0x11066, 0x1810, 0xA620};
	static const unsigned bare[8] = {0, 99};
	static const unsigned fours[8] = {0, 4, 4, 4, 7};
	static const unsigned ones[8] = {0, 1};
	char card[1024];

	for (const char *const *number = test_cards; *number != NULL; number++)
		for (size_t z = 0; z < COUNT(zeros); z++)
		{
			write_card(card, *number, bare, "", zeros[z]);
			expect_card(card);
			if (strlen(*number) == 16)
			{
				write_card(card, *number, fours, "-", zeros[z]);
				expect_card(card);
			}
			/* Zero width space, keycaps, soft hyphen between any two digits. */
			write_card(card, *number, ones, "\xE2\x80\x8B", zeros[z]);
			expect_card(card);
			write_card(card, *number, ones, "\xEF\xB8\x8F\xE2\x83\xA3", '0');
			expect_card(card);
			write_card(card, *number, ones, "\xC2\xAD", '0');
			expect_card(card);
		}
}

static void
test_nothing(void)
{
	expect_none("");
	expect_none("4242424242424241");
	expect_none("a4242424242424242");
	expect_none("4242424242424242a");
	expect_none("42424242424242424242");
	expect_none("4242:4242:4242:4242");
	expect_none("4242 4242 4242 424");
	expect_none("4242 4242    4242 4242");
	expect_none("0.4242424242424242");
	expect_none("score=12.4242424242424242");
	expect_none("0,4242424242424242");
	expect_none("INV-2026-000001");
	expect_none("2026-11-20T12:34:56.789012Z");
	expect_none("20261120123456789012");
	expect_none("+49 1512 3456789 01");
	expect_none("(+4242) 4242 4242 42");
	expect_none("DE89 3704 0044 0532 0130 00");
	expect_none("550e8400-e29b-41d4-a716-446655440000");
	/* Of these groups some would be a card. */
	expect_none("DE95 4242 4242 4242 4242 42");
	expect_none("12345678-4242-4424-8242-424242424242");
	expect_none("65655614-4076-4053-b09c-891113e59699");
	expect_none("B09c8911-40a6-405b-4242-424242424242");
	expect_none("4.242.424.242.424.242");
	expect_none("424.242.424.242.424.2");
	expect_none("\xC3\x28"
				"4242\xFF"
				"424242424242");
	expect_none("302-1234567-1234567");
	expect_none("4915112345678");
}

static void
test_members(void)
{
	static const char *const names[] = {"cvv",
										"CVV2",
										"c-v-v",
										"card_cvc",
										"Card Number",
										"payment.card.cvv",
										"cardSecurityCode",
										"security_code",
										"PAN",
										"card_verification_value",
										"ccNumber",
										"csc"};
	static const char *const others[] = {
		"cv",
		"model",
		"span",
		"recv",
		"discard",
		"order_number",
		"security",
		"",
		"cvvx",
		"pancake",
		"a-name-that-is-much-too-long-to-be-one-that-people-give-to-the-cvv"};

	for (size_t i = 0; i < COUNT(names); i++)
	{
		CHECK_INT(card_find_member(names[i], strlen(names[i]), "123", 3), CARD_CODE);
		CHECK_INT(card_find_member(names[i], strlen(names[i]), " 1 2-34", 7), CARD_CODE);
		CHECK_INT(card_find_member(names[i], strlen(names[i]), "501800000009", 12), CARD_CODE);
		CHECK_INT(card_find_member(names[i], strlen(names[i]), "\xD9\xA1\xD9\xA2\xD9\xA3", 6), CARD_CODE);
		CHECK_INT(card_find_member(names[i], strlen(names[i]), "12", 2), CARD_NONE);
		CHECK_INT(card_find_member(names[i], strlen(names[i]), "12345", 5), CARD_NONE);
		CHECK_INT(card_find_member(names[i], strlen(names[i]), "a123", 4), CARD_NONE);
		CHECK_INT(card_find_member(names[i], strlen(names[i]), "4242 4242 4242 4242", 19), CARD_NUMBER);
	}
	for (size_t i = 0; i < COUNT(others); i++)
		CHECK_INT(card_find_member(others[i], strlen(others[i]), "123", 3), CARD_NONE);
	CHECK_INT(card_find_member("note", 4, "4242424242424242", 16), CARD_NUMBER);
}

static void
test_quick_look(void)
{
	static const char text[] = "0123456789012 and \xE0\xA5\xA6";

	for (size_t length = 0; length < sizeof(text); length++)
	{
		unsigned digits = 0;

		for (size_t i = 0; i < length; i++)
			digits += (text[i] >= '0' && text[i] <= '9') || (unsigned char) text[i] >= 0xC0;
		for (unsigned wanted = 1; wanted < 20; wanted++)
			CHECK_INT(card_has_digits(text, length, wanted), digits >= wanted);
	}
}

int
main(void)
{
	srand(20261121);
	test_groupings();
	test_surroundings();
	test_scripts();
	CHECK_INT(missed, 0);
	printf("%d disguises of published cards, %d missed\n", tried, missed);
	test_nothing();
	test_members();
	test_quick_look();
	TEST_MAIN_END();
}
