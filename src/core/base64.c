#include "base64.h"

#define NO_VALUE 64

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static unsigned
value_of(char character)
{
	if (character >= 'A' && character <= 'Z')
		return (unsigned) (character - 'A');
	if (character >= 'a' && character <= 'z')
		return (unsigned) (character - 'a') + 26;
	if (character >= '0' && character <= '9')
		return (unsigned) (character - '0') + 52;
	return character == '+' ? 62 : character == '/' ? 63 : NO_VALUE;
}

size_t
base64_encode(const uint8_t *bytes, size_t length, char *out)
{
	for (size_t i = 0; i < length; i += 3)
	{
		size_t given = length - i < 3 ? length - i : 3;
		uint32_t group = (uint32_t) bytes[i] << 16;

		if (given > 1)
			group |= (uint32_t) bytes[i + 1] << 8;
		if (given > 2)
			group |= bytes[i + 2];
		*out++ = alphabet[group >> 18];
		*out++ = alphabet[group >> 12 & 63];
		*out++ = '=';
		*out++ = '=';
		if (given > 1)
			out[-2] = alphabet[group >> 6 & 63];
		if (given > 2)
			out[-1] = alphabet[group & 63];
	}
	return BASE64_LENGTH(length);
}

/* The 1 to 3 bytes of one group of four characters, or 0 when it is none. Only the last group may be padded. */
static size_t
decode_group(const char *text, bool last, uint8_t bytes[3])
{
	size_t given = !last || text[3] != '=' ? 3 : text[2] != '=' ? 2 : 1;
	uint32_t group = 0;

	for (size_t i = 0; i < 4; i++)
	{
		unsigned value = i <= given ? value_of(text[i]) : 0;

		if (value == NO_VALUE)
			return 0;
		group = group << 6 | value;
	}
	if (given < 3 && (group & ((UINT32_C(1) << (8 * (3 - given))) - 1)) != 0)
		return 0;
	bytes[0] = (uint8_t) (group >> 16);
	bytes[1] = (uint8_t) (group >> 8);
	bytes[2] = (uint8_t) group;
	return given;
}

bool
base64_check(const char *text, size_t length, size_t *decoded_length)
{
	size_t total = 0;

	if (length % 4 != 0)
		return false;
	for (size_t i = 0; i < length; i += 4)
	{
		uint8_t group[3];
		size_t given = decode_group(text + i, i + 4 == length, group);

		if (given == 0)
			return false;
		total += given;
	}
	*decoded_length = total;
	return true;
}

bool
base64_decode(const char *text, size_t length, uint8_t *out, size_t out_length)
{
	if (length % 4 != 0 || length != BASE64_LENGTH(out_length))
		return false;
	for (size_t i = 0; i < length; i += 4)
	{
		size_t want = out_length < 3 ? out_length : 3;
		uint8_t group[3];

		if (decode_group(text + i, i + 4 == length, group) != want)
			return false;
		for (size_t j = 0; j < want; j++)
			*out++ = group[j];
		out_length -= want;
	}
	return true;
}

size_t
base64url_encode(const uint8_t *bytes, size_t length, char *out)
{
	size_t written = BASE64URL_LENGTH(length);

	for (size_t i = 0; i < length; i += 3)
	{
		char group[4];
		size_t given = length - i < 3 ? length - i : 3;

		base64_encode(bytes + i, given, group);
		for (size_t j = 0; j <= given; j++)
			*out++ = (char) (group[j] == '+' ? '-' : group[j] == '/' ? '_' : group[j]);
	}
	return written;
}

/* A character of the other alphabet that stands for the same bits; what is in this one only becomes none. */
static char
standard_character(char character)
{
	if (character == '-')
		return '+';
	if (character == '_')
		return '/';
	return (char) (character == '+' || character == '/' || character == '=' ? '\0' : character);
}

bool
base64url_decode(const char *text, size_t length, uint8_t *out, size_t *out_length)
{
	*out_length = 0;
	for (size_t i = 0; i < length; i += 4)
	{
		size_t given = length - i < 4 ? length - i : 4;
		char group[4] = {'=', '=', '=', '='};

		for (size_t j = 0; j < given; j++)
			group[j] = standard_character(text[i + j]);
		if (given == 1 || !base64_decode(group, 4, out, given - 1))
			return false;
		out += given - 1;
		*out_length += given - 1;
	}
	return true;
}
