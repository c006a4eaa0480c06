#ifndef BILLING_CORE_CARD_PARTS_H
#define BILLING_CORE_CARD_PARTS_H

/* What the card_*.c share while a text is searched; nobody else includes this. */

#include "card.h"

#include <stdint.h>

typedef enum CardKind
{
	CARD_OTHER,
	CARD_DIGIT,
	CARD_SEPARATOR, /* a space, dot, hyphen or the like, which may stand between groups */
	CARD_IGNORED,	/* invisible */
	CARD_LETTER,	/* a-z, A-Z */
	CARD_END
} CardKind;

typedef struct CardText
{
	const char *bytes;
	size_t length;
} CardText;

typedef struct CardCharacter
{
	CardKind kind;
	uint8_t digit; /* of kind CARD_DIGIT */
	size_t next;   /* position after it */
} CardCharacter;

/* The character at a position where a byte is not ASCII. */
extern CardCharacter card_foreign_character(const CardText *text, size_t position);

/* The character at a position; CARD_END at the end. */
static inline CardCharacter
card_character(const CardText *text, size_t position)
{
	unsigned char byte;
	unsigned char letter;

	if (position >= text->length)
		return (CardCharacter){CARD_END, 0, position};
	byte = (unsigned char) text->bytes[position];
	if (byte >= '0' && byte <= '9')
		return (CardCharacter){CARD_DIGIT, (uint8_t) (byte - '0'), position + 1};
	letter = byte | 0x20;
	if (letter >= 'a' && letter <= 'z')
		return (CardCharacter){CARD_LETTER, 0, position + 1};
	if (byte >= 0x80)
		return card_foreign_character(text, position);
	if (byte == ' ' || byte == '-' || byte == '.' || byte == '_' || byte == '/' ||
		(byte >= '\t' && byte <= '\r'))
		return (CardCharacter){CARD_SEPARATOR, 0, position + 1};
	return (CardCharacter){CARD_OTHER, 0, position + 1};
}

/* Digits in their groups, and where in the text they stand. */
typedef struct CardCandidate
{
	uint8_t digit[CARD_DIGITS_MAX];
	uint8_t group[CARD_DIGITS_MAX]; /* sizes of the groups */
	unsigned digits;
	unsigned groups;
	size_t start;
	size_t end;
	bool is_first; /* no digits before it, separators apart */
	bool is_last;  /* none after it */
} CardCandidate;

/* Whether an issuer has numbers that begin so, of that length. */
extern bool card_has_issuer(const CardCandidate *candidate);

/* Whether it is grouped as a card may be. */
extern bool card_is_grouped(const CardCandidate *candidate);

/* Whether what stands around it makes it something else: part of a word, of an IBAN, a telephone number, a fraction. */
extern bool card_is_part(const CardText *text, const CardCandidate *candidate);

#endif
