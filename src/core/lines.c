#include "lines.h"

#include <string.h>

bool
line_next(TextSpan *rest, TextSpan *line)
{
	const char *end = rest->length == 0 ? NULL : memchr(rest->text, '\n', rest->length);

	if (end == NULL)
		return false;
	line->text = rest->text;
	line->length = (size_t) (end - rest->text);
	rest->text += line->length + 1;
	rest->length -= line->length + 1;
	return true;
}

bool
line_skip(TextSpan *line, const char *prefix)
{
	size_t length = strlen(prefix);

	if (line->length < length || memcmp(line->text, prefix, length) != 0)
		return false;
	line->text += length;
	line->length -= length;
	return true;
}

bool
line_number(TextSpan line, uint64_t *number)
{
	uint64_t value = 0;

	if (line.length == 0 || line.length > LINE_NUMBER_DIGITS_MAX || (line.length > 1 && line.text[0] == '0'))
		return false;
	for (size_t i = 0; i < line.length; i++)
	{
		if (line.text[i] < '0' || line.text[i] > '9')
			return false;
		value = value * 10 + (uint64_t) (line.text[i] - '0');
	}
	if (value > INT64_MAX)
		return false;
	*number = value;
	return true;
}

size_t
line_write_number(uint64_t number, char out[LINE_NUMBER_DIGITS_MAX])
{
	char digits[LINE_NUMBER_DIGITS_MAX];
	size_t count = 0;

	do
	{
		digits[LINE_NUMBER_DIGITS_MAX - ++count] = (char) ('0' + number % 10);
		number /= 10;
	} while (number > 0 && count < LINE_NUMBER_DIGITS_MAX);
	memcpy(out, digits + LINE_NUMBER_DIGITS_MAX - count, count);
	return count;
}
