#ifndef BILLING_CORE_CARD_H
#define BILLING_CORE_CARD_H

/*
 * Finds payment card numbers in texts, so that none is ever stored.
 *
 * A card number is 13 to 19 digits that begin like an issuer's and pass the Luhn check (ISO/IEC 7812-1), written in one
 * piece or in groups as cards are, with spaces, dots, hyphens or invisible characters between the digits, which may be of
 * any script. What people and programs write all day is none: a run of digits with a letter beside it (digests, ids), a part
 * of a UUID or of an IBAN, a telephone number with its plus, decimals of a fraction, groups as no card has them.
 *
 * Texts are UTF-8; what is malformed separates like any other character. Nothing is allocated.
 */

#include <stdbool.h>
#include <stddef.h>

typedef enum CardFinding
{
	CARD_NONE,
	CARD_NUMBER, /* the number of a card */
	CARD_CODE	 /* a member of a JSON object that is called like a card's number or code and holds one */
} CardFinding;

/* CARD_NONE or CARD_NUMBER. */
extern CardFinding card_find(const char *text, size_t length);

/* The same for a member of a JSON object whose value is this text or number. */
extern CardFinding card_find_member(const char *key, size_t key_length, const char *value,
									size_t value_length);

/*
 * Whether bytes may hold what card_find() finds, or digits enough for card_find_member(): a quick look that is never
 * wrong when it says no. `digits` is how many make it look closer.
 */
extern bool card_has_digits(const char *bytes, size_t length, unsigned digits);

#define CARD_DIGITS_MIN 13
#define CARD_DIGITS_MAX 19
#define CARD_CODE_DIGITS_MIN 3

#endif
