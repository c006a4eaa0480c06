#ifndef BILLING_TEST_UTF8_ENCODE_H
#define BILLING_TEST_UTF8_ENCODE_H

#include <stdint.h>

/* Writes a code point as UTF-8, and returns its length. */
static inline int
utf8_encode(uint32_t point, char *out)
{
	if (point < 0x80)
	{
		out[0] = (char) point;
		return 1;
	}
	if (point < 0x800)
	{
		out[0] = (char) (0xC0 | point >> 6);
		out[1] = (char) (0x80 | (point & 0x3F));
		return 2;
	}
	if (point < 0x10000)
	{
		out[0] = (char) (0xE0 | point >> 12);
		out[1] = (char) (0x80 | (point >> 6 & 0x3F));
		out[2] = (char) (0x80 | (point & 0x3F));
		return 3;
	}
	out[0] = (char) (0xF0 | point >> 18);
	out[1] = (char) (0x80 | (point >> 12 & 0x3F));
	out[2] = (char) (0x80 | (point >> 6 & 0x3F));
	out[3] = (char) (0x80 | (point & 0x3F));
	return 4;
}

#endif
