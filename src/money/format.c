/*
 * format.c: amounts of money as text.
 */
#include "postgres.h"
#include "fmgr.h"

#include "utils/builtins.h"

#include "money/money.h"
#include "server/server.h"

/* Digits of `text` from the first one up to the point or the end. */
static int
count_whole_digits(const char *digits)
{
	return (int) strcspn(digits, ".");
}

static char *
append_grouped(char *out, const char *digits, int count, char separator)
{
	for (int i = 0; i < count; i++)
	{
		if (separator != '\0' && i > 0 && (count - i) % 3 == 0)
			*out++ = separator;
		*out++ = digits[i];
	}
	return out;
}

/* The decimals that the shortest notation left out are zeros. */
static char *
append_decimals(char *out, const char *decimals, int exponent)
{
	int given = (int) strlen(decimals);

	Assert(given <= exponent);
	if (exponent == 0)
		return out;
	*out++ = '.';
	memcpy(out, decimals, given);
	memset(out + given, '0', exponent - given);
	return out + exponent;
}

void
money_format(int64_t amount_minor, int exponent, char separator, char text[MONEY_TEXT_SIZE])
{
	Decimal amount;
	char shortest[DECIMAL_TEXT_SIZE];
	const char *digits = shortest;
	char *out = text;
	int whole;

	if (decimal_make(amount_minor, exponent, &amount) != DECIMAL_OK)
		elog(ERROR, "amount of " INT64_FORMAT " minor units with exponent %d is no decimal",
			 (int64) amount_minor, exponent);
	decimal_format(&amount, shortest);
	if (*digits == '-')
		*out++ = *digits++;
	whole = count_whole_digits(digits);
	out = append_grouped(out, digits, whole, separator);
	out = append_decimals(out, digits[whole] == '.' ? digits + whole + 1 : "", exponent);
	*out = '\0';
	Assert(out < text + MONEY_TEXT_SIZE);
}

static void
check_exponent(int exponent)
{
	if (exponent < 0 || exponent > MONEY_EXPONENT_MAX)
		ereport(ERROR, errcode(ERRCODE_BILLING_INVALID_ARGUMENT),
				errmsg("exponent %d is not between 0 and %d", exponent, MONEY_EXPONENT_MAX),
				errdetail("The exponent is the number of decimals of a currency's minor unit."));
}

static text *
format_as_text(int64 amount_minor, int exponent, char separator)
{
	char buffer[MONEY_TEXT_SIZE];

	check_exponent(exponent);
	money_format(amount_minor, exponent, separator, buffer);
	return cstring_to_text(buffer);
}

BILLING_FUNCTION(billing_format_minor)
{
	PG_RETURN_TEXT_P(format_as_text(PG_GETARG_INT64(0), PG_GETARG_INT32(1), '\0'));
}

BILLING_FUNCTION(billing_format_grouped)
{
	PG_RETURN_TEXT_P(format_as_text(PG_GETARG_INT64(0), PG_GETARG_INT32(1), ','));
}
