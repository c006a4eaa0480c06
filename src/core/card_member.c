#include "card_parts.h"

#include <string.h>

#define NAME_MAX_LENGTH 48

/* Names of a card's code or number as people give them to members, in small letters and digits only. */
static const char *const whole_names[] = {
	"csc", "cvd", "pan", "pannumber", "primaryaccountnumber", "securitycode", "pinblock", NULL};

/* The same where something may come before: card_cvv, payment.card.number. */
static const char *const name_ends[] = {
	"cvv",			"cvv1",		 "cvv2",	 "cvvcode", "cvvnumber",  "cvc",	"cvc1",	   "cvc2",
	"cvccode",		"cvcnumber", "cvn",		 "cvn2",	"ccv",		  "ccv2",	"ccvcode", "cav2",
	"cardcsc",		"cardcvd",	 "cardcode", "cardpin", "cardnumber", "cardno", "cardnum", "cardpan",
	"cardsecurity", "ccnumber",	 "ccnum",	 "ccno",	"cardcid",	  "cccode", NULL};

/* And where something may follow: cardSecurityCode, card_verification_value. */
static const char *const name_parts[] = {"cardsecuritycode", "cardverification", "cardvalidation", NULL};

/* Small letters and digits of a name; 0 when there are too many to be one of ours. */
static size_t
fold_name(const char *name, size_t length, char folded[NAME_MAX_LENGTH + 1])
{
	size_t size = 0;

	for (size_t i = 0; i < length; i++)
	{
		char byte = name[i];

		if (byte >= 'A' && byte <= 'Z')
			byte = (char) (byte - 'A' + 'a');
		if (!((byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9')))
			continue;
		if (size == NAME_MAX_LENGTH)
			return 0;
		folded[size++] = byte;
	}
	folded[size] = '\0';
	return size;
}

static bool
is_card_name(const char *name, size_t length)
{
	char folded[NAME_MAX_LENGTH + 1];
	size_t size = fold_name(name, length, folded);

	if (size < 3)
		return false;
	for (const char *const *whole = whole_names; *whole != NULL; whole++)
		if (strcmp(folded, *whole) == 0)
			return true;
	for (const char *const *end = name_ends; *end != NULL; end++)
		if (size >= strlen(*end) && strcmp(folded + size - strlen(*end), *end) == 0)
			return true;
	for (const char *const *part = name_parts; *part != NULL; part++)
		if (strstr(folded, *part) != NULL)
			return true;
	return false;
}

/* Three or four digits, or as many as a card number has, and nothing else that is visible. */
static bool
is_code_or_number(const CardText *text)
{
	unsigned digits = 0;

	if (!card_has_digits(text->bytes, text->length, CARD_CODE_DIGITS_MIN))
		return false;
	for (size_t position = 0; position < text->length;)
	{
		CardCharacter character = card_character(text, position);

		if (character.kind == CARD_DIGIT)
			digits++;
		else if (character.kind != CARD_SEPARATOR && character.kind != CARD_IGNORED)
			return false;
		position = character.next;
	}
	return digits == 3 || digits == 4 || (digits >= 12 && digits <= CARD_DIGITS_MAX);
}

CardFinding
card_find_member(const char *key, size_t key_length, const char *value, size_t value_length)
{
	if (card_find(value, value_length) != CARD_NONE)
		return CARD_NUMBER;
	if (is_code_or_number(&(CardText){value, value_length}) && is_card_name(key, key_length))
		return CARD_CODE;
	return CARD_NONE;
}
