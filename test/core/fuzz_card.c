/*
 * libFuzzer: what surrounds a text with commas does not change what is found in it; a card put among anything, with commas
 * around it, is found; and a name and a value are read within their bounds. Build with clang -fsanitize=fuzzer,address,undefined.
 */
#include "card.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

extern int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(int holds)
{
	if (!holds)
		abort();
}

/* a, middle and b with ", " between them, in a block of exactly their size. */
static CardFinding
find_between(const char *a, size_t a_length, const char *middle, size_t middle_length, const char *b,
			 size_t b_length)
{
	size_t length = a_length + middle_length + b_length + 4;
	char *text = malloc(length);
	CardFinding found;

	memcpy(text, a, a_length);
	memcpy(text + a_length, ", ", 2);
	memcpy(text + a_length + 2, middle, middle_length);
	memcpy(text + a_length + 2 + middle_length, ", ", 2);
	memcpy(text + a_length + middle_length + 4, b, b_length);
	found = card_find(text, length);
	free(text);
	return found;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char card[] = "4242 4242-4242\xE2\x80\x89\xEF\xBC\x94\xEF\xBC\x92\xEF\xBC\x94\xEF\xBC\x92";
	size_t half = size == 0 ? 0 : data[0] % size;
	char *text = malloc(size + 1);
	CardFinding whole;

	if (size > 0)
		memcpy(text, data, size);
	text[size] = 'x';
	whole = card_find(text, size);
	require(whole == CARD_NONE || whole == CARD_NUMBER);
	require(whole == CARD_NONE || card_has_digits(text, size, CARD_DIGITS_MIN));
	require(find_between("x", 1, text, size, "x", 1) == whole);
	require(find_between(text, half, card, sizeof(card) - 1, text + half, size - half) == CARD_NUMBER);
	whole = card_find_member(text, half, text + half, size - half);
	require(whole != CARD_NUMBER || card_find(text + half, size - half) == CARD_NUMBER);
	free(text);
	return 0;
}
