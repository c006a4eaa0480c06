#include "card_parts.h"

#include <string.h>

/* How many separators may stand between two groups: " - ". */
#define GAP_MAX 3

/* ---- The quick look. Most texts end here; ids are random, so that a branch is a wrong guess as often as not. ---- */

#define EACH_BYTE UINT64_C(0x0101010101010101)
#define HIGH_BITS (EACH_BYTE * 0x80)

/* Eight bytes, the first in the lowest place. */
static uint64_t
load_eight(const char *text)
{
	const unsigned char *bytes = (const unsigned char *) text;

	return (uint64_t) bytes[0] | (uint64_t) bytes[1] << 8 | (uint64_t) bytes[2] << 16 |
		   (uint64_t) bytes[3] << 24 | (uint64_t) bytes[4] << 32 | (uint64_t) bytes[5] << 40 |
		   (uint64_t) bytes[6] << 48 | (uint64_t) bytes[7] << 56;
}

/* The last, fewer than eight; @, which is of no interest, in the places that are left. */
static uint64_t
load_rest(const char *bytes, size_t length)
{
	char eight[8] = {'@', '@', '@', '@', '@', '@', '@', '@'};

	memcpy(eight, bytes, length);
	return load_eight(eight);
}

/* The high bit of those bytes that are digits or begin a character that is not ASCII. */
static uint64_t
digit_bits(uint64_t bytes)
{
	uint64_t digit = bytes ^ (EACH_BYTE * '0');
	uint64_t beyond_nine = ((digit & ~HIGH_BITS) + EACH_BYTE * (0x80 - 10)) | digit;
	uint64_t lead = bytes & (bytes << 1);

	return (~beyond_nine | lead) & HIGH_BITS;
}

/* The high bit of those bytes that may stand in a row of digits: in ASCII none from @ on but the underscore. */
static uint64_t
row_bits(uint64_t bytes)
{
	uint64_t letter = bytes << 1 & ~bytes;
	uint64_t other = bytes ^ (EACH_BYTE * '_');
	uint64_t underscore = ~(((other & ~HIGH_BITS) + EACH_BYTE * 0x7F) | other);

	return (~letter | underscore) & HIGH_BITS;
}

static unsigned
count_bits(uint64_t high_bits)
{
	return (unsigned) (((high_bits >> 7) * EACH_BYTE) >> 56);
}

/* The eight high bits side by side, that of the lowest byte in the lowest place. */
static uint64_t
gather_bits(uint64_t high_bits)
{
	return ((high_bits >> 7) * UINT64_C(0x0102040810204080)) >> 56;
}

bool
card_has_digits(const char *bytes, size_t length, unsigned digits)
{
	unsigned count = 0;

	if (length < digits)
		return false;
	for (; length >= 8; bytes += 8, length -= 8)
		count += count_bits(digit_bits(load_eight(bytes)));
	return count + count_bits(digit_bits(load_rest(bytes, length))) >= digits;
}

/* Bytes for which there are bits. */
#define CHUNK 64

/* Whether 13 ones stand side by side. */
static bool
has_thirteen(uint64_t bits)
{
	bits &= bits >> 1;
	bits &= bits >> 2;
	bits &= bits >> 4;
	return (bits & bits >> 5) != 0;
}

/* Whether a text of at most 64 bytes may have a row of 13 digits. */
static bool
chunk_has_room(const char *bytes, size_t length)
{
	unsigned digits = 0;
	uint64_t rows = 0;
	uint64_t eight;
	unsigned place = 0;

	for (; length >= 8; bytes += 8, length -= 8, place += 8)
	{
		eight = load_eight(bytes);
		digits += count_bits(digit_bits(eight));
		rows |= gather_bits(row_bits(eight)) << place;
	}
	if (length > 0)
	{
		eight = load_rest(bytes, length);
		digits += count_bits(digit_bits(eight));
		rows |= gather_bits(row_bits(eight)) << place;
	}
	return (digits >= CARD_DIGITS_MIN) & has_thirteen(rows);
}

/* Whether a text may have such a row. */
static bool
has_room(const char *bytes, size_t length)
{
	if (length > CHUNK)
		return card_has_digits(bytes, length, CARD_DIGITS_MIN);
	return length >= CARD_DIGITS_MIN && chunk_has_room(bytes, length);
}

/* Whether 13 digits, or what may be some, stand together with nothing but separators between them. */
static bool
has_row(const char *bytes, size_t length)
{
	unsigned count = 0;

	for (size_t i = 0; i < length; i++)
	{
		unsigned char byte = (unsigned char) bytes[i];

		if ((byte >= '0' && byte <= '9') || byte >= 0xC0)
		{
			if (++count == CARD_DIGITS_MIN)
				return true;
		}
		else if (byte > '@' && byte < 0x80 && byte != '_')
			count = 0;
	}
	return false;
}

/* ---- The search. ---- */

#define ROW_MAX 64

/* The last groups of a row of digits: as many as a card may have, and some more, so that old ones are seldom dropped. */
typedef struct Row
{
	uint8_t digit[ROW_MAX];
	uint8_t group[ROW_MAX]; /* sizes */
	size_t start[ROW_MAX];	/* of the groups in the text */
	/* Sums of the digits before each, those of even (0) or odd (1) places doubled as Luhn does. */
	uint16_t sum[2][ROW_MAX + 1];
	unsigned digits;
	unsigned groups;
	size_t end;	   /* of the last group */
	bool is_whole; /* nothing was dropped */
	bool in_group;
	int gap; /* separators since the last group */
} Row;

static void
clear_row(Row *row)
{
	row->digits = row->groups = 0;
	row->sum[0][0] = row->sum[1][0] = 0;
	row->is_whole = true;
	row->in_group = false;
	row->gap = 0;
}

/* Luhn (ISO/IEC 7812-1 annex B): a digit that counts twice counts as the sum of its digits. */
static void
append_digit(Row *row, uint8_t digit)
{
	static const uint8_t twice[] = {0, 2, 4, 6, 8, 1, 3, 5, 7, 9};
	unsigned at = row->digits++;

	row->digit[at] = digit;
	row->sum[at % 2][at + 1] = (uint16_t) (row->sum[at % 2][at] + twice[digit]);
	row->sum[1 - at % 2][at + 1] = (uint16_t) (row->sum[1 - at % 2][at] + digit);
}

/* Drops old groups, for which no card can be any more. */
static void
shorten_row(Row *row)
{
	unsigned groups = 0;
	unsigned digits = 0;
	const uint8_t *kept;

	while (groups < row->groups && digits + row->group[row->groups - 1 - groups] <= CARD_DIGITS_MAX)
		digits += row->group[row->groups - 1 - groups++];
	memmove(row->group, row->group + row->groups - groups, groups * sizeof(row->group[0]));
	memmove(row->start, row->start + row->groups - groups, groups * sizeof(row->start[0]));
	row->groups = groups;
	row->is_whole = false;
	kept = row->digit + row->digits - digits;
	row->digits = 0;
	for (unsigned i = 0; i < digits; i++)
		append_digit(row, kept[i]);
}

static void
add_digit(Row *row, uint8_t digit, size_t position)
{
	if (row->digits == ROW_MAX)
		shorten_row(row);
	if (!row->in_group || row->groups == 0)
	{
		row->group[row->groups] = 0;
		row->start[row->groups++] = position;
		row->in_group = true;
		row->gap = 0;
	}
	append_digit(row, digit);
	row->group[row->groups - 1]++;
}

static bool
is_card(const CardText *text, const Row *row, unsigned groups, unsigned digits, bool is_last)
{
	CardCandidate candidate = {.digits = digits,
							   .groups = groups,
							   .start = row->start[row->groups - groups],
							   .end = row->end,
							   .is_first = row->is_whole && groups == row->groups,
							   .is_last = is_last};

	memcpy(candidate.digit, row->digit + row->digits - digits, digits * sizeof(candidate.digit[0]));
	memcpy(candidate.group, row->group + row->groups - groups, groups * sizeof(candidate.group[0]));
	return card_has_issuer(&candidate) && card_is_grouped(&candidate) && !card_is_part(text, &candidate);
}

/* Whether a card number ends with the last group: from the right, every second digit counts twice. */
static bool
card_ends(const CardText *text, const Row *row, bool is_last)
{
	const uint16_t *sum = row->sum[row->digits % 2];
	unsigned digits = 0;

	for (unsigned groups = 1; groups <= row->groups; groups++)
	{
		digits += row->group[row->groups - groups];
		if (digits > CARD_DIGITS_MAX)
			return false;
		if (digits >= CARD_DIGITS_MIN && (sum[row->digits] - sum[row->digits - digits]) % 10 == 0 &&
			is_card(text, row, groups, digits, is_last))
			return true;
	}
	return false;
}

/* Takes a character that is no digit and not invisible. True when a card number ended before it. */
static bool
end_group(const CardText *text, Row *row, const CardCharacter *character, size_t position)
{
	bool found;

	if (row->in_group)
		row->end = position;
	row->in_group = false;
	if (character->kind == CARD_SEPARATOR && ++row->gap <= GAP_MAX)
		return false;
	found = row->digits >= CARD_DIGITS_MIN && card_ends(text, row, true);
	clear_row(row);
	return found;
}

static CardFinding
search(const CardText *text)
{
	Row row;
	CardCharacter character;
	size_t position = 0;

	clear_row(&row);
	do
	{
		character = card_character(text, position);
		if (character.kind == CARD_DIGIT)
		{
			if (!row.in_group && row.digits >= CARD_DIGITS_MIN && card_ends(text, &row, false))
				return CARD_NUMBER;
			add_digit(&row, character.digit, position);
		}
		else if (character.kind != CARD_IGNORED && (row.digits > 0) &&
				 end_group(text, &row, &character, position))
			return CARD_NUMBER;
		position = character.next;
	} while (character.kind != CARD_END);
	return CARD_NONE;
}

CardFinding
card_find(const char *text, size_t length)
{
	if (!has_room(text, length) || !has_row(text, length))
		return CARD_NONE;
	return search(&(CardText){text, length});
}
