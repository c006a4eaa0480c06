#ifndef BILLING_CORE_UTF8_H
#define BILLING_CORE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The length of the well-formed UTF-8 sequence at bytes (Unicode table 3-7: nothing overlong, no surrogate, nothing
 * beyond U+10FFFF) and its code point; 0 when there is none. available is at least 1.
 */
extern size_t utf8_decode(const char *bytes, size_t available, uint32_t *point);

/* Whether a code point has the Unicode property White_Space. */
extern bool utf8_is_space(uint32_t point);

#endif
