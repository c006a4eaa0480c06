#ifndef BILLING_CORE_KEY_RING_H
#define BILLING_CORE_KEY_RING_H

#include "xaes.h"

#include <stdbool.h>

/*
 * The text of a file of keys: for each a line with its id, a space and its 32 bytes in base 64. The first wraps, all
 * unwrap. An id is 1 to 64 of A-Z, a-z, 0-9, dot, hyphen and underscore, and stands once.
 */
#define KEY_RING_KEYS_MAX 16
#define KEY_RING_ID_MAX 64

typedef struct KeyRing
{
	size_t count;
	struct
	{
		char id[KEY_RING_ID_MAX + 1];
		uint8_t key[XAES_KEY_SIZE];
	} keys[KEY_RING_KEYS_MAX];
} KeyRing;

typedef enum
{
	KEY_RING_OK = 0,
	KEY_RING_EMPTY,
	KEY_RING_TOO_MANY,
	KEY_RING_MALFORMED, /* a line that is not an id, a space and 32 bytes in base 64 */
	KEY_RING_REPEATED	/* an id stands twice */
} KeyRingStatus;

/* Unless KEY_RING_OK, *ring holds nothing. After use: key_ring_forget(). */
extern KeyRingStatus key_ring_parse(const char *text, size_t length, KeyRing *ring);

/* The key of that id, or NULL. */
extern const uint8_t *key_ring_find(const KeyRing *ring, const char *id);

/* Overwrites the keys. */
extern void key_ring_forget(KeyRing *ring);

/* A short English phrase that shows nothing of the text. Never NULL. */
extern const char *key_ring_status_text(KeyRingStatus status);

#endif
