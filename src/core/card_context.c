#include "card_parts.h"

#define IBAN_LENGTH_MIN 15
#define IBAN_LENGTH_MAX 34

/* The byte before a position, or 0. */
static char
byte_before(const CardText *text, size_t position)
{
	return position == 0 ? '\0' : text->bytes[position - 1];
}

static bool
is_ascii_digit(char byte)
{
	return byte >= '0' && byte <= '9';
}

static bool
is_ascii_letter(char byte)
{
	return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
}

static bool
is_ascii_word(char byte)
{
	return is_ascii_digit(byte) || is_ascii_letter(byte);
}

/* A letter at either side: digests and ids. But %B begins what is on a magnetic stripe. */
static bool
is_in_word(const CardText *text, const CardCandidate *candidate)
{
	char before = byte_before(text, candidate->start);

	if (candidate->end < text->length && is_ascii_letter(text->bytes[candidate->end]))
		return true;
	return is_ascii_letter(before) && !(before == 'B' && byte_before(text, candidate->start - 1) == '%');
}

/* +49 ..., (+49) ...: E.164 has 15 digits at most. */
static bool
is_telephone(const CardText *text, const CardCandidate *candidate)
{
	size_t at = candidate->start;

	if (candidate->digits > 15)
		return false;
	while (at > 0 && (text->bytes[at - 1] == '(' || text->bytes[at - 1] == ' '))
		at--;
	return byte_before(text, at) == '+' && !is_ascii_word(byte_before(text, at - 1));
}

/* The decimals of 1.23 or of 0,23. */
static bool
is_fraction(const CardText *text, const CardCandidate *candidate)
{
	char point = byte_before(text, candidate->start);
	size_t at = candidate->start - 1;

	if (candidate->groups > 1 || candidate->start < 2)
		return false;
	return (point == '.' && is_ascii_digit(byte_before(text, at))) ||
		   (point == ',' && byte_before(text, at) == '0' && !is_ascii_word(byte_before(text, at - 1)));
}

/* Appends a character to a number of which the remainder by 97 is known: letters are 10 to 35 (ISO 13616-1). */
static unsigned
remainder_97(unsigned before, char character)
{
	if (is_ascii_digit(character))
		return (before * 10 + (unsigned) (character - '0')) % 97;
	return (before * 100 + ((unsigned) character & 0x1F) + 9) % 97;
}

/* Whether an IBAN begins at a position and does not end before another: in one piece, or in groups of four. */
static bool
is_iban(const CardText *text, size_t start, size_t end)
{
	const char *head = text->bytes + start;
	unsigned remainder = 0;
	unsigned length = 4;

	if (!is_ascii_letter(head[0]) || !is_ascii_letter(head[1]) || !is_ascii_digit(head[2]) ||
		!is_ascii_digit(head[3]))
		return false;
	for (size_t at = start + 4; at < text->length && length < IBAN_LENGTH_MAX; at++)
	{
		bool ends = at + 1 == text->length || !is_ascii_word(text->bytes[at + 1]);
		unsigned whole;

		if (!is_ascii_word(text->bytes[at]))
		{
			if ((text->bytes[at] != ' ' && text->bytes[at] != '-') || length % 4 != 0)
				return false;
			continue;
		}
		remainder = remainder_97(remainder, text->bytes[at]);
		length++;
		if (!ends || at + 1 < end || length < IBAN_LENGTH_MIN)
			continue;
		whole = remainder;
		for (int i = 0; i < 4; i++)
			whole = remainder_97(whole, head[i]);
		if (whole == 1)
			return true;
	}
	return false;
}

/* An IBAN begins no more than its length before. */
static bool
is_in_iban(const CardText *text, const CardCandidate *candidate)
{
	size_t at = candidate->start;

	for (unsigned words = 0; at > 0 && words < IBAN_LENGTH_MAX; at--)
	{
		char before = text->bytes[at - 1];

		if (is_ascii_word(before))
			words++;
		else if (before != ' ' && before != '-')
			return false;
		if (is_ascii_letter(before) && !is_ascii_word(byte_before(text, at - 1)) && text->length - at > 3 &&
			is_iban(text, at - 1, candidate->end))
			return true;
	}
	return false;
}

static bool
is_uuid(const CardText *text, size_t start)
{
	static const char form[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";

	if (start > text->length || text->length - start < sizeof(form) - 1)
		return false;
	for (size_t i = 0; form[i] != '\0'; i++)
	{
		char byte = text->bytes[start + i];
		char letter = (char) (byte | 0x20);

		if (form[i] == '-' ? byte != '-' : !is_ascii_digit(byte) && (letter < 'a' || letter > 'f'))
			return false;
	}
	return true;
}

/* Its first groups or its last. */
static bool
is_in_uuid(const CardText *text, const CardCandidate *candidate)
{
	return is_uuid(text, candidate->start) || (candidate->end >= 36 && is_uuid(text, candidate->end - 36));
}

bool
card_is_part(const CardText *text, const CardCandidate *candidate)
{
	return is_in_word(text, candidate) || is_telephone(text, candidate) || is_fraction(text, candidate) ||
		   is_in_uuid(text, candidate) || is_in_iban(text, candidate);
}
