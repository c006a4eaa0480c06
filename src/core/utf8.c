#include "utf8.h"

size_t
utf8_decode(const char *bytes, size_t available, uint32_t *point)
{
	/* By length: what a lead byte adds to the code point, and the least code point that needs this length. */
	static const uint8_t lead_mask[] = {0, 0x7F, 0x1F, 0x0F, 0x07};
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	uint8_t lead = (uint8_t) bytes[0];
	size_t length = lead < 0x80	  ? 1
					: lead < 0xC0 ? 0
					: lead < 0xE0 ? 2
					: lead < 0xF0 ? 3
					: lead < 0xF8 ? 4
								  : 0;
	uint32_t value = lead & lead_mask[length];

	if (length == 0 || available < length)
		return 0;
	for (size_t i = 1; i < length; i++)
	{
		if (((uint8_t) bytes[i] & 0xC0) != 0x80)
			return 0;
		value = value << 6 | ((uint8_t) bytes[i] & 0x3F);
	}
	if (value < least[length] || (value >= 0xD800 && value <= 0xDFFF) || value > 0x10FFFF)
		return 0;
	*point = value;
	return length;
}

bool
utf8_is_space(uint32_t point)
{
	if (point < 0x80)
		return point == ' ' || (point >= '\t' && point <= '\r');
	return point == 0x85 || point == 0xA0 || point == 0x1680 || (point >= 0x2000 && point <= 0x200A) ||
		   point == 0x2028 || point == 0x2029 || point == 0x202F || point == 0x205F || point == 0x3000;
}
