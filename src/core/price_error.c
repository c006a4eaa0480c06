/*
 * What is wrong with a price, in words: one table, so that every program says
 * the same.
 */
#include "price.h"

#include <stdio.h>
#include <string.h>

#include "price_method.h"

const PriceStatus price_fault_status[PRICE_FAULTS] = {
	[PRICE_FAULT_NONE] = PRICE_OK,
	[PRICE_FAULT_NOT_JSON] = PRICE_INVALID,
	[PRICE_FAULT_NO_MEMORY] = PRICE_NO_MEMORY,
	[PRICE_FAULT_NOT_OBJECT] = PRICE_INVALID,
	[PRICE_FAULT_TIER_NOT_OBJECT] = PRICE_INVALID,
	[PRICE_FAULT_UNKNOWN_MODEL] = PRICE_INVALID,
	[PRICE_FAULT_UNKNOWN_KEY] = PRICE_INVALID,
	[PRICE_FAULT_MISSING_KEY] = PRICE_INVALID,
	[PRICE_FAULT_NOT_DECIMAL] = PRICE_INVALID,
	[PRICE_FAULT_PER] = PRICE_INVALID,
	[PRICE_FAULT_TIERS_NOT_ARRAY] = PRICE_INVALID,
	[PRICE_FAULT_NO_TIERS] = PRICE_NO_TIERS,
	[PRICE_FAULT_TOO_MANY_TIERS] = PRICE_INVALID,
	[PRICE_FAULT_EMPTY_TIER] = PRICE_INVALID,
	[PRICE_FAULT_TIER_END] = PRICE_TIER_ORDER,
	[PRICE_FAULT_TIER_ORDER] = PRICE_TIER_ORDER,
	[PRICE_FAULT_OPEN_TIER] = PRICE_TIER_ORDER,
	[PRICE_FAULT_CLOSED_TIER] = PRICE_TIER_ORDER,
	[PRICE_FAULT_NEGATIVE] = PRICE_NEGATIVE,
	[PRICE_FAULT_TOO_MANY_DECIMALS] = PRICE_TOO_MANY_DECIMALS,
	[PRICE_FAULT_OUT_OF_RANGE] = PRICE_OUT_OF_RANGE,
	[PRICE_FAULT_MAXIMUM] = PRICE_INVALID,
};

/*
 * {value}, {previous} and {tier} stand for the members of the error, {before}
 * for the tier before it, {where} for the key with its tier, {place} for the
 * tier or the price, {keys} and {models} for what is allowed, {per} for the way
 * out of a unit price with too many decimals.
 */
static const PriceMessage templates[PRICE_FAULTS] = {
	[PRICE_FAULT_NOT_JSON] = {"price is not valid JSON: {value}", "", ""},
	[PRICE_FAULT_NO_MEMORY] = {"out of memory", "", ""},
	[PRICE_FAULT_NOT_OBJECT] = {"price is not a JSON object", "",
								"A price looks like {\"model\":\"unit\",\"unit\":\"0.10\"}."},
	[PRICE_FAULT_TIER_NOT_OBJECT] = {"tier {tier} is not a JSON object", "",
									 "A tier looks like {\"up_to\":\"1000\",\"unit\":\"0.10\"}."},
	[PRICE_FAULT_UNKNOWN_MODEL] = {"unknown price model \"{value}\"", "", "The models are {models}."},
	[PRICE_FAULT_UNKNOWN_KEY] = {"unknown {where}", "", "The keys of {place} are {keys}."},
	[PRICE_FAULT_MISSING_KEY] = {"price has no {where}", "", ""},
	[PRICE_FAULT_NOT_DECIMAL] = {"invalid decimal \"{value}\" for {where}", "",
								 "Write a decimal as a string of digits, such as \"0.50\"."},
	[PRICE_FAULT_PER] = {"invalid {where}: \"{value}\"", "",
						 "It must be a whole number from 1 to 1000000000000000000."},
	[PRICE_FAULT_TIERS_NOT_ARRAY] = {"key \"tiers\" is not a JSON array", "", ""},
	[PRICE_FAULT_NO_TIERS] = {"price has no tiers", "", "Give at least one tier, whose up_to is null."},
	[PRICE_FAULT_TOO_MANY_TIERS] = {"price has too many tiers", "A price has at most 64 tiers.", ""},
	[PRICE_FAULT_EMPTY_TIER] = {"tier {tier} has no price", "", "Give one of the keys {keys}."},
	[PRICE_FAULT_TIER_END] = {"tier {tier} ends at {value}, not above 0", "", ""},
	[PRICE_FAULT_TIER_ORDER] = {"tier {tier} ends at {value}, not above tier {before}'s end {previous}", "",
								"List the tiers in ascending order of up_to."},
	[PRICE_FAULT_OPEN_TIER] = {"tier {tier} has no end but is not the last tier", "",
							   "Only the last tier's up_to may be null or absent."},
	[PRICE_FAULT_CLOSED_TIER] = {"tier {tier} is the last tier but ends at {value}",
								 "Quantities above it would have no price.",
								 "The last tier's up_to must be null or absent."},
	[PRICE_FAULT_NEGATIVE] = {"{where} is negative: {value}", "",
							  "A price is never negative; a correction is a negative quantity."},
	[PRICE_FAULT_TOO_MANY_DECIMALS] = {"{where} has more than 18 decimals: {value}", "", "{per}"},
	[PRICE_FAULT_OUT_OF_RANGE] = {"{where} is out of range: {value}",
								  "Prices are below 10^18 and the ends of tiers below 10^20.", ""},
	[PRICE_FAULT_MAXIMUM] = {"maximum {value} is below minimum {previous}", "", ""},
};

typedef struct Writer
{
	char *next;
	char *end; /* of the room, less the terminator */
} Writer;

static void
put(Writer *writer, const char *text, size_t length)
{
	size_t room = (size_t) (writer->end - writer->next);

	if (length > room)
		length = room;
	memcpy(writer->next, text, length);
	writer->next += length;
	*writer->next = '\0';
}

static void
put_text(Writer *writer, const char *text)
{
	put(writer, text, strlen(text));
}

static void
put_number(Writer *writer, int number)
{
	char digits[16];

	snprintf(digits, sizeof(digits), "%d", number);
	put_text(writer, digits);
}

static void
put_place(Writer *writer, const PriceError *error)
{
	if (error->model >= 0)
	{
		put_text(writer, error->tier > 0 ? "a tier of a " : "a ");
		put_text(writer, price_model_name((PriceModel) error->model));
		put_text(writer, " price");
	}
	else
		put_text(writer, "a price");
}

static void
put_where(Writer *writer, const PriceError *error)
{
	put_text(writer, "key \"");
	put_text(writer, error->key);
	put_text(writer, "\"");
	if (error->tier > 0)
	{
		put_text(writer, " of tier ");
		put_number(writer, error->tier);
	}
}

static void
put_separator(Writer *writer, int index)
{
	if (index > 0)
		put_text(writer, ", ");
}

static void
put_keys(Writer *writer, const PriceError *error)
{
	unsigned keys = 0;
	int listed = 0;

	if (error->model >= 0 && error->tier > 0)
		keys = price_methods[error->model].tier_keys;
	else if (error->model >= 0)
		keys = price_methods[error->model].keys;
	if (error->fault == PRICE_FAULT_EMPTY_TIER)
		keys &= ~(unsigned) KEY_UP_TO;
	for (int i = 0; i < PRICE_KEYS; i++)
	{
		if ((price_keys[i].bit & keys) == 0)
			continue;
		put_separator(writer, listed++);
		put_text(writer, price_keys[i].name);
	}
}

static void
put_per(Writer *writer, const PriceError *error)
{
	if (strcmp(error->key, "unit") == 0)
		put_text(writer, "Price a larger block with the key \"per\".");
}

static void
put_models(Writer *writer)
{
	for (int i = 0; i < PRICE_MODELS; i++)
	{
		put_separator(writer, i);
		put_text(writer, price_methods[i].name);
	}
}

/* False when the name is no placeholder. */
static bool
put_placeholder(Writer *writer, const PriceError *error, const char *name, size_t length)
{
#define IS(word) (length == sizeof(word) - 1 && memcmp(name, word, length) == 0)
	if (IS("value"))
		put_text(writer, error->value);
	else if (IS("previous"))
		put_text(writer, error->previous);
	else if (IS("tier"))
		put_number(writer, error->tier);
	else if (IS("before"))
		put_number(writer, error->tier - 1);
	else if (IS("where"))
		put_where(writer, error);
	else if (IS("place"))
		put_place(writer, error);
	else if (IS("keys"))
		put_keys(writer, error);
	else if (IS("per"))
		put_per(writer, error);
	else if (IS("models"))
		put_models(writer);
	else
		return false;
	return true;
#undef IS
}

static void
expand(const PriceError *error, const char *template, char text[PRICE_MESSAGE_SIZE])
{
	Writer writer = {text, text + PRICE_MESSAGE_SIZE - 1};

	*text = '\0';
	while (*template != '\0')
	{
		const char *close = *template == '{' ? strchr(template, '}') : NULL;

		if (close != NULL && put_placeholder(&writer, error, template + 1, (size_t) (close - template - 1)))
			template = close + 1;
		else
			put(&writer, template ++, 1);
	}
}

void
price_error_message(const PriceError *error, PriceMessage *message)
{
	const PriceMessage *template = &templates[error->fault];

	expand(error, template->message, message->message);
	expand(error, template->detail, message->detail);
	expand(error, template->hint, message->hint);
}
