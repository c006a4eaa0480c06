#include "card_parts.h"
#include "utf8.h"

/*
 * Decimal digits that are not ASCII, by the first of each ten: general category Nd of Unicode 14.0.0, in which every such
 * range begins with its zero.
 */
static const uint32_t zeros[] = {
	0x660,	 0x6F0,	  0x7C0,   0x966,	0x9E6,	 0xA66,	  0xAE6,   0xB66,	0xBE6,	 0xC66,	  0xCE6,
	0xD66,	 0xDE6,	  0xE50,   0xED0,	0xF20,	 0x1040,  0x1090,  0x17E0,	0x1810,	 0x1946,  0x19D0,
	0x1A80,	 0x1A90,  0x1B50,  0x1BB0,	0x1C40,	 0x1C50,  0xA620,  0xA8D0,	0xA900,	 0xA9D0,  0xA9F0,
	0xAA50,	 0xABF0,  0xFF10,  0x104A0, 0x10D30, 0x11066, 0x110F0, 0x11136, 0x111D0, 0x112F0, 0x11450,
	0x114D0, 0x11650, 0x116C0, 0x11730, 0x118E0, 0x11950, 0x11C50, 0x11D50, 0x11DA0, 0x16A60, 0x16AC0,
	0x16B50, 0x1D7CE, 0x1D7D8, 0x1D7E2, 0x1D7EC, 0x1D7F6, 0x1E140, 0x1E2F0, 0x1E950, 0x1FBF0};

typedef struct Range
{
	uint32_t first;
	uint32_t last;
} Range;

/* Dashes (category Pd), minus, and dots in the middle or at the foot; spaces are utf8_is_space()'s. */
static const Range separators[] = {
	{0xB7, 0xB7},	  {0x58A, 0x58A},	{0x5BE, 0x5BE},	   {0x1400, 0x1400}, {0x1806, 0x1806},
	{0x2010, 0x2015}, {0x2022, 0x2022}, {0x2024, 0x2024},  {0x2027, 0x2027}, {0x2043, 0x2043},
	{0x2212, 0x2212}, {0x2219, 0x2219}, {0x22C5, 0x22C5},  {0x2800, 0x2800}, {0x2E17, 0x2E17},
	{0x2E1A, 0x2E1A}, {0x2E3A, 0x2E3B}, {0x2E40, 0x2E40},  {0x2E5D, 0x2E5D}, {0x3002, 0x3002},
	{0x301C, 0x301C}, {0x3030, 0x3030}, {0x30A0, 0x30A0},  {0x30FB, 0x30FC}, {0xFE31, 0xFE32},
	{0xFE52, 0xFE52}, {0xFE58, 0xFE58}, {0xFE63, 0xFE63},  {0xFF0D, 0xFF0E}, {0xFF3F, 0xFF3F},
	{0xFF61, 0xFF61}, {0xFF65, 0xFF65}, {0x10EAD, 0x10EAD}};

/* Invisible: soft hyphen, joiners, marks of direction, fillers, variation selectors, the enclosing keycap, tags. */
static const Range ignored[] = {{0xAD, 0xAD},	  {0x34F, 0x34F},	{0x61C, 0x61C},	   {0x115F, 0x1160},
								{0x17B4, 0x17B5}, {0x180B, 0x180F}, {0x200B, 0x200F},  {0x202A, 0x202E},
								{0x2060, 0x206F}, {0x20E3, 0x20E3}, {0x3164, 0x3164},  {0xFE00, 0xFE0F},
								{0xFEFF, 0xFEFF}, {0xFFA0, 0xFFA0}, {0xE0000, 0xE0FFF}};

static bool
is_within(uint32_t point, const Range *ranges, size_t count)
{
	size_t low = 0;

	while (low < count)
	{
		size_t middle = low + (count - low) / 2;

		if (point < ranges[middle].first)
			count = middle;
		else if (point > ranges[middle].last)
			low = middle + 1;
		else
			return true;
	}
	return false;
}

/* 0 to 9, or -1. */
static int
foreign_digit(uint32_t point)
{
	size_t low = 0;
	size_t count = sizeof(zeros) / sizeof(zeros[0]);

	while (low < count)
	{
		size_t middle = low + (count - low) / 2;

		if (point < zeros[middle])
			count = middle;
		else if (point >= zeros[middle] + 10)
			low = middle + 1;
		else
			return (int) (point - zeros[middle]);
	}
	return -1;
}

CardCharacter
card_foreign_character(const CardText *text, size_t position)
{
	CardCharacter character = {CARD_OTHER, 0, position + 1};
	uint32_t point;
	size_t length = utf8_decode(text->bytes + position, text->length - position, &point);
	int digit;

	if (length == 0)
		return character;
	character.next = position + length;
	digit = foreign_digit(point);
	if (digit >= 0)
	{
		character.kind = CARD_DIGIT;
		character.digit = (uint8_t) digit;
	}
	else if (utf8_is_space(point) || is_within(point, separators, sizeof(separators) / sizeof(separators[0])))
		character.kind = CARD_SEPARATOR;
	else if (is_within(point, ignored, sizeof(ignored) / sizeof(ignored[0])))
		character.kind = CARD_IGNORED;
	return character;
}
