#include "price.h"

#include <string.h>

#include "json.h"
#include "price_method.h"

const PriceKey price_keys[PRICE_KEYS] = {
	{"model", KEY_MODEL},	  {"amount", KEY_AMOUNT},	{"unit", KEY_UNIT},	  {"per", KEY_PER},
	{"percent", KEY_PERCENT}, {"flat", KEY_FLAT},		{"tiers", KEY_TIERS}, {"up_to", KEY_UP_TO},
	{"minimum", KEY_MINIMUM}, {"maximum", KEY_MAXIMUM},
};

typedef struct Reader
{
	Price *price;
	PriceError *error;
} Reader;

/* Cuts at the start of a character: a UTF-8 continuation byte is 10xxxxxx. */
static void
copy_text(char target[PRICE_ERROR_TEXT_SIZE], const char *text, size_t length)
{
	if (length >= PRICE_ERROR_TEXT_SIZE)
	{
		length = PRICE_ERROR_TEXT_SIZE - 1;
		while (length > 0 && ((unsigned char) text[length] & 0xC0) == 0x80)
			length--;
	}
	memcpy(target, text, length);
	target[length] = '\0';
}

/* How a value is shown; only strings and numbers are worth quoting. */
static void
copy_value(char target[PRICE_ERROR_TEXT_SIZE], const JsonNode *node)
{
	static const char *const shown[] = {
		[JSON_NULL] = "null", [JSON_FALSE] = "false", [JSON_TRUE] = "true",
		[JSON_ARRAY] = "[]",  [JSON_OBJECT] = "{}",
	};

	if (node->type == JSON_STRING || node->type == JSON_NUMBER)
		copy_text(target, node->text, node->length);
	else
		copy_text(target, shown[node->type], strlen(shown[node->type]));
}

/* Records the fault; returns false so that callers can return it. */
static bool
refuse(Reader *reader, PriceFault fault, const char *key, const JsonNode *value)
{
	reader->error->fault = fault;
	reader->error->status = price_fault_status[fault];
	if (key != NULL)
		copy_text(reader->error->key, key, strlen(key));
	if (value != NULL)
		copy_value(reader->error->value, value);
	return false;
}

static unsigned
key_bit(const JsonNode *member)
{
	for (int i = 0; i < PRICE_KEYS; i++)
		if (strlen(price_keys[i].name) == member->key_length &&
			memcmp(price_keys[i].name, member->key, member->key_length) == 0)
			return price_keys[i].bit;
	return 0;
}

static bool
check_keys(Reader *reader, const JsonNode *object, unsigned allowed, unsigned required)
{
	for (const JsonNode *member = object->first; member != NULL; member = member->next)
	{
		unsigned bit = key_bit(member);

		if ((bit & allowed) == 0)
		{
			copy_text(reader->error->key, member->key, member->key_length);
			return refuse(reader, PRICE_FAULT_UNKNOWN_KEY, NULL, NULL);
		}
		required &= ~bit;
	}
	for (int i = 0; i < PRICE_KEYS; i++)
		if (price_keys[i].bit & required)
			return refuse(reader, PRICE_FAULT_MISSING_KEY, price_keys[i].name, NULL);
	return true;
}

static bool
read_decimal(Reader *reader, const JsonNode *node, const char *key, int digits, Decimal *value)
{
	DecimalStatus status = DECIMAL_INVALID_SYNTAX;
	Decimal limit = {(Int128) wide_power_of_ten(digits), 0};

	if (node->type == JSON_STRING || node->type == JSON_NUMBER)
		status = decimal_parse(node->text, node->length, value);
	if (status == DECIMAL_INVALID_SYNTAX)
		return refuse(reader, PRICE_FAULT_NOT_DECIMAL, key, node);
	if (status == DECIMAL_TOO_MANY_DECIMALS)
		return refuse(reader, PRICE_FAULT_TOO_MANY_DECIMALS, key, node);
	if (status != DECIMAL_OK || decimal_compare(value, &limit) >= 0)
		return refuse(reader, PRICE_FAULT_OUT_OF_RANGE, key, node);
	return true;
}

/* A price, percentage or amount; one that is absent leaves *value alone. */
static bool
read_price(Reader *reader, const JsonNode *object, const char *key, Decimal *value)
{
	const JsonNode *node = json_member(object, key);

	if (node == NULL)
		return true;
	if (!read_decimal(reader, node, key, PRICE_DIGITS_MAX, value))
		return false;
	if (value->coefficient < 0)
		return refuse(reader, PRICE_FAULT_NEGATIVE, key, node);
	if (value->scale > reader->price->scale)
		reader->price->scale = value->scale;
	return true;
}

static bool
read_per(Reader *reader, const JsonNode *object)
{
	const JsonNode *node = json_member(object, "per");
	Decimal value;

	reader->price->per = 1;
	if (node == NULL)
		return true;
	if ((node->type != JSON_STRING && node->type != JSON_NUMBER) ||
		decimal_parse(node->text, node->length, &value) != DECIMAL_OK || value.scale != 0 ||
		value.coefficient < 1 || value.coefficient > (Int128) wide_power_of_ten(PRICE_DIGITS_MAX))
		return refuse(reader, PRICE_FAULT_PER, "per", node);
	reader->price->per = (uint64_t) value.coefficient;
	return true;
}

/* The prices of an object; no model allows two keys that mean the same member. */
static bool
read_tier_prices(Reader *reader, const JsonNode *object, PriceTier *tier)
{
	return read_price(reader, object, "unit", &tier->unit) &&
		   read_price(reader, object, "percent", &tier->unit) &&
		   read_price(reader, object, "flat", &tier->flat) &&
		   read_price(reader, object, "amount", &tier->flat);
}

static bool
read_tier_end(Reader *reader, const JsonNode *object, PriceTier *tier, bool last)
{
	const JsonNode *node = json_member(object, "up_to");
	Decimal previous = {0, 0};

	if (reader->error->tier > 1)
		previous = tier[-1].up_to;
	tier->open = node == NULL || node->type == JSON_NULL;
	if (tier->open)
		return last || refuse(reader, PRICE_FAULT_OPEN_TIER, "up_to", NULL);
	if (!read_decimal(reader, node, "up_to", PRICE_QUANTITY_DIGITS_MAX, &tier->up_to))
		return false;
	if (decimal_compare(&tier->up_to, &previous) <= 0)
	{
		decimal_format(&previous, reader->error->previous);
		return refuse(reader, reader->error->tier > 1 ? PRICE_FAULT_TIER_ORDER : PRICE_FAULT_TIER_END,
					  "up_to", node);
	}
	if (last)
		return refuse(reader, PRICE_FAULT_CLOSED_TIER, "up_to", node);
	if (tier->up_to.scale > reader->price->bound_scale)
		reader->price->bound_scale = tier->up_to.scale;
	return true;
}

static bool
read_tier(Reader *reader, const JsonNode *node, PriceTier *tier)
{
	unsigned allowed = price_methods[reader->price->model].tier_keys;
	unsigned given = 0;

	if (node->type != JSON_OBJECT)
		return refuse(reader, PRICE_FAULT_TIER_NOT_OBJECT, NULL, node);
	if (!check_keys(reader, node, allowed, 0))
		return false;
	for (const JsonNode *member = node->first; member != NULL; member = member->next)
		given |= key_bit(member);
	if ((given & (KEY_UNIT | KEY_PERCENT | KEY_FLAT)) == 0)
		return refuse(reader, PRICE_FAULT_EMPTY_TIER, NULL, NULL);
	return read_tier_end(reader, node, tier, node->next == NULL) && read_tier_prices(reader, node, tier);
}

static bool
read_tiers(Reader *reader, const JsonNode *object)
{
	const JsonNode *tiers = json_member(object, "tiers");
	Price *price = reader->price;

	if (tiers == NULL || (tiers->type == JSON_ARRAY && tiers->count == 0))
		return refuse(reader, PRICE_FAULT_NO_TIERS, "tiers", NULL);
	if (tiers->type != JSON_ARRAY)
		return refuse(reader, PRICE_FAULT_TIERS_NOT_ARRAY, "tiers", tiers);
	if (tiers->count > PRICE_TIERS_MAX)
		return refuse(reader, PRICE_FAULT_TOO_MANY_TIERS, "tiers", NULL);
	for (const JsonNode *node = tiers->first; node != NULL; node = node->next)
	{
		reader->error->tier = ++price->tier_count;
		if (!read_tier(reader, node, &price->tiers[price->tier_count - 1]))
			return false;
	}
	reader->error->tier = 0;
	return true;
}

static bool
read_limits(Reader *reader, const JsonNode *object)
{
	Price *price = reader->price;

	price->has_minimum = json_member(object, "minimum") != NULL;
	price->has_maximum = json_member(object, "maximum") != NULL;
	if (!read_price(reader, object, "minimum", &price->minimum) ||
		!read_price(reader, object, "maximum", &price->maximum))
		return false;
	if (price->has_minimum && price->has_maximum && decimal_compare(&price->maximum, &price->minimum) < 0)
	{
		decimal_format(&price->minimum, reader->error->previous);
		return refuse(reader, PRICE_FAULT_MAXIMUM, "maximum", json_member(object, "maximum"));
	}
	return true;
}

static bool
read_model(Reader *reader, const JsonNode *object)
{
	const JsonNode *node = json_member(object, "model");

	if (node == NULL)
		return refuse(reader, PRICE_FAULT_MISSING_KEY, "model", NULL);
	for (int i = 0; node->type == JSON_STRING && i < PRICE_MODELS; i++)
	{
		const char *name = price_methods[i].name;

		if (strlen(name) != node->length || memcmp(name, node->text, node->length) != 0)
			continue;
		reader->price->model = (PriceModel) i;
		reader->error->model = i;
		return true;
	}
	return refuse(reader, PRICE_FAULT_UNKNOWN_MODEL, "model", node);
}

static bool
read_document(Reader *reader, const JsonNode *root)
{
	const PriceMethod *method;

	if (root->type != JSON_OBJECT)
		return refuse(reader, PRICE_FAULT_NOT_OBJECT, NULL, root);
	if (!read_model(reader, root))
		return false;
	method = &price_methods[reader->price->model];
	if (!check_keys(reader, root, method->keys, method->required) || !read_per(reader, root) ||
		!read_limits(reader, root))
		return false;
	if (method->keys & KEY_TIERS)
		return read_tiers(reader, root);
	reader->price->tier_count = 1;
	reader->price->tiers[0].open = true;
	return read_tier_prices(reader, root, &reader->price->tiers[0]);
}

static void
read_text(Reader *reader, const char *text, size_t length)
{
	JsonDocument *document;
	JsonStatus status = json_parse(text, length, &document, NULL);

	if (status == JSON_OK)
	{
		read_document(reader, json_root(document));
		json_free(document);
	}
	else
	{
		const char *reason = json_status_text(status);

		refuse(reader, status == JSON_NO_MEMORY ? PRICE_FAULT_NO_MEMORY : PRICE_FAULT_NOT_JSON, NULL, NULL);
		copy_text(reader->error->value, reason, strlen(reason));
	}
}

PriceStatus
price_parse(const char *text, size_t length, Price *price, PriceError *error)
{
	memset(price, 0, sizeof(*price));
	memset(error, 0, sizeof(*error));
	error->model = -1;
	read_text(&(Reader){price, error}, text, length);
	return error->status;
}
