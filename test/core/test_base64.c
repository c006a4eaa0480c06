/* Base 64 has one encoding for each byte string, UTF-8 one for each code point, and a number one for each value. */
#include "base64.h"
#include "lines.h"
#include "test.h"
#include "utf8.h"

/* RFC 4648 10. */
static const struct
{
	const char *bytes;
	const char *text;
} examples[] = {{"", ""},
				{"f", "Zg=="},
				{"fo", "Zm8="},
				{"foo", "Zm9v"},
				{"foob", "Zm9vYg=="},
				{"fooba", "Zm9vYmE="},
				{"foobar", "Zm9vYmFy"},
				{"\xfb\xff\xbf", "+/+/"}};

static const char *const refused[] = {
	"Z",	"Zg",	"Zg=",	"Zm9",		"Zm9vY",	"====",	 "=",	  "Z===",	"Zh==",
	"Zk==", "Zm9=", "Zm+=", "Zg==Zg==", "Zm8=Zm9v", " Zg==", "Zg== ", "Zg==\n", "Zm\n9v",
	"Zm9-", "Zm9_", "Zm9.", "Zm9\x80",	"=m9v",		"Z=9v",	 "Zm=v",  "Zg=v",
};

static void
test_examples(void)
{
	for (size_t i = 0; i < sizeof(examples) / sizeof(examples[0]); i++)
	{
		size_t length = strlen(examples[i].bytes);
		size_t decoded = 99;
		char text[16] = {0};
		uint8_t bytes[16];

		CHECK_INT(base64_encode((const uint8_t *) examples[i].bytes, length, text), strlen(examples[i].text));
		CHECK_STR(text, examples[i].text);
		CHECK_INT(BASE64_LENGTH(length), strlen(text));
		CHECK(base64_check(text, strlen(text), &decoded));
		CHECK_INT(decoded, length);
		CHECK(base64_decode(text, strlen(text), bytes, length));
		CHECK(memcmp(bytes, examples[i].bytes, length) == 0);
		CHECK(!base64_decode(text, strlen(text), bytes, length + 1));
		if (length > 0)
			CHECK(!base64_decode(text, strlen(text), bytes, length - 1));
	}
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
	{
		size_t decoded;
		uint8_t bytes[16];

		CHECK(!base64_check(refused[i], strlen(refused[i]), &decoded));
		for (size_t length = 0; length < 8; length++)
			CHECK(!base64_decode(refused[i], strlen(refused[i]), bytes, length));
	}
}

/* Of all texts of four characters that end alike, exactly those decode which encoding gives. */
static void
test_all_groups(void)
{
	unsigned accepted = 0;
	char text[4];
	char again[4];
	uint8_t bytes[3];
	size_t length;

	for (unsigned a = 0; a < 256; a++)
		for (unsigned b = 0; b < 256; b++)
			for (unsigned tail = 0; tail < 3; tail++)
			{
				memcpy(text, "AAAA", 4);
				text[3 - tail] = (char) a;
				text[tail == 2 ? 0 : 2 - tail] = (char) b;
				memset(text + 4 - tail, '=', tail);
				if (!base64_check(text, 4, &length))
					continue;
				accepted++;
				CHECK(base64_decode(text, 4, bytes, length));
				CHECK_INT(base64_encode(bytes, length, again), 4);
				CHECK(memcmp(text, again, 4) == 0);
			}
	/* 64 x 64 without padding, and 64 x 16 with one; with two, 64 x 4; and one or two where a is the padding. */
	CHECK_INT(accepted, 64 * 64 + 64 * 16 + 64 * 4 + 64 / 4 + 1 + (64 / 16));
}

/* RFC 4648 5 without padding. */
static void
test_url(void)
{
	static const struct
	{
		const char *bytes;
		const char *text;
	} good[] = {{"", ""},		 {"f", "Zg"},		 {"fo", "Zm8"},
				{"foo", "Zm9v"}, {"foob", "Zm9vYg"}, {"\xfb\xff\xbf", "-_-_"}};
	static const char *const bad[] = {"Z",	  "Zm9vY", "Zg==", "Zg=", "Zh",	  "Zm9",
									  "+/+/", "Zm9v=", "Zg.",  "Z g", "Zg\n", "Zm\x80v"};
	uint8_t bytes[16];
	size_t length;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
	{
		char text[16] = {0};

		CHECK_INT(BASE64URL_LENGTH(strlen(good[i].bytes)), strlen(good[i].text));
		CHECK_INT(base64url_encode((const uint8_t *) good[i].bytes, strlen(good[i].bytes), text),
				  strlen(good[i].text));
		CHECK_STR(text, good[i].text);
		CHECK(base64url_decode(text, strlen(text), bytes, &length));
		CHECK_INT(length, strlen(good[i].bytes));
		CHECK(memcmp(bytes, good[i].bytes, length) == 0);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK(!base64url_decode(bad[i], strlen(bad[i]), bytes, &length));
}

static void
test_utf8(void)
{
	static const char *const bad[] = {"\x80",	  "\xC0\x80",		  "\xC1\xBF",		  "\xC2",
									  "\xC2\x41", "\xE0\x9F\xBF",	  "\xED\xA0\x80",	  "\xED\xBF\xBF",
									  "\xE2\x80", "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80", "\xF8\x88\x80\x80",
									  "\xFF"};
	static const uint32_t spaces[] = {0x09,	  0x0A,	  0x0B,	  0x0C,	  0x0D,	  0x20,	  0x85,	  0xA0,	  0x1680,
									  0x2000, 0x2001, 0x2002, 0x2003, 0x2004, 0x2005, 0x2006, 0x2007, 0x2008,
									  0x2009, 0x200A, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000};
	uint32_t point;
	size_t found = 0;

	CHECK(utf8_decode("A", 1, &point) == 1 && point == 'A');
	CHECK(utf8_decode("\xC3\xA8", 2, &point) == 2 && point == 0xE8);
	CHECK(utf8_decode("\xE2\x80\x94", 3, &point) == 3 && point == 0x2014);
	CHECK(utf8_decode("\xF0\x90\x80\x80", 4, &point) == 4 && point == 0x10000);
	CHECK(utf8_decode("\xF4\x8F\xBF\xBF", 4, &point) == 4 && point == 0x10FFFF);
	CHECK(utf8_decode("\xED\x9F\xBF", 3, &point) == 3 && point == 0xD7FF);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK_INT(utf8_decode(bad[i], strlen(bad[i]), &point), 0);
	for (uint32_t p = 0; p <= 0x10FFFF; p++)
		if (utf8_is_space(p))
		{
			CHECK(found < sizeof(spaces) / sizeof(spaces[0]) && spaces[found] == p);
			found++;
		}
	CHECK_INT(found, sizeof(spaces) / sizeof(spaces[0]));
}

static void
test_lines(void)
{
	static const char *const numbers[] = {"0", "1", "10", "9223372036854775807"};
	static const char *const not_numbers[] = {"",
											  "00",
											  "01",
											  "-1",
											  "+1",
											  " 1",
											  "1 ",
											  "1.0",
											  "1e3",
											  "a",
											  "9223372036854775808",
											  "18446744073709551616",
											  "99999999999999999999"};
	TextSpan rest = {"one\n\ntwo", 8};
	TextSpan line;
	uint64_t number;
	char text[LINE_NUMBER_DIGITS_MAX];

	CHECK(line_next(&rest, &line) && line.length == 3);
	CHECK(!line_skip(&line, "two") && !line_skip(&line, "ones"));
	CHECK(line_skip(&line, "on") && line.length == 1 && *line.text == 'e');
	CHECK(line_next(&rest, &line) && line.length == 0);
	CHECK(!line_next(&rest, &line) && rest.length == 3);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
	{
		CHECK(line_number((TextSpan){numbers[i], strlen(numbers[i])}, &number));
		CHECK_INT(line_write_number(number, text), strlen(numbers[i]));
		CHECK(memcmp(text, numbers[i], strlen(numbers[i])) == 0);
	}
	for (size_t i = 0; i < sizeof(not_numbers) / sizeof(not_numbers[0]); i++)
		CHECK(!line_number((TextSpan){not_numbers[i], strlen(not_numbers[i])}, &number));
}

int
main(void)
{
	test_examples();
	test_all_groups();
	test_url();
	test_utf8();
	test_lines();
	TEST_MAIN_END();
}
