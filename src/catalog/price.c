/*
 * price.c: price documents: checked, normalized, hashed, and kept compiled.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/numeric.h"

#include "catalog/price.h"
#include "server/hash.h"
#include "server/server.h"

/* A power of two.  More prices than that in one call site take turns. */
#define PRICE_CACHE_SLOTS 256

typedef struct PriceCacheEntry
{
	Size length;
	Price price;
	char bytes[FLEXIBLE_ARRAY_MEMBER];
} PriceCacheEntry;

typedef struct PriceCache
{
	PriceCacheEntry *last;
	PriceCacheEntry *slots[PRICE_CACHE_SLOTS];
} PriceCache;

static int
price_sqlstate(PriceStatus status)
{
	switch (status)
	{
		case PRICE_NO_TIERS:
			return ERRCODE_BILLING_NO_TIERS;
		case PRICE_TIER_ORDER:
			return ERRCODE_BILLING_TIER_ORDER;
		case PRICE_NEGATIVE:
			return ERRCODE_BILLING_NEGATIVE_PRICE;
		case PRICE_TOO_MANY_DECIMALS:
			return ERRCODE_BILLING_TOO_MANY_DECIMALS;
		case PRICE_NO_MEMORY:
			return ERRCODE_OUT_OF_MEMORY;
		default:
			return ERRCODE_BILLING_INVALID_PRICE;
	}
}

static void
raise_price_error(const PriceError *error)
{
	PriceMessage text;

	price_error_message(error, &text);
	ereport(ERROR, errcode(price_sqlstate(error->status)), errmsg_internal("%s", text.message),
			text.detail[0] != '\0' ? errdetail_internal("%s", text.detail) : 0,
			text.hint[0] != '\0' ? errhint("%s", text.hint) : 0);
}

void
billing_read_price(Jsonb *document, Price *price)
{
	char *text = JsonbToCString(NULL, &document->root, VARSIZE(document));
	PriceError error;

	if (price_parse(text, strlen(text), price, &error) != PRICE_OK)
		raise_price_error(&error);
	pfree(text);
}

/* Reads before it allocates: a refused price leaves nothing behind. */
static PriceCacheEntry *
make_entry(MemoryContext context, Jsonb *document)
{
	Size length = VARSIZE(document) - VARHDRSZ;
	PriceCacheEntry *entry;
	Price price;

	billing_read_price(document, &price);
	entry = MemoryContextAlloc(context, offsetof(PriceCacheEntry, bytes) + length);
	entry->price = price;
	entry->length = length;
	memcpy(entry->bytes, VARDATA(document), length);
	return entry;
}

static bool
is_entry_of(const PriceCacheEntry *entry, Jsonb *document)
{
	Size length = VARSIZE(document) - VARHDRSZ;

	return entry != NULL && entry->length == length && memcmp(entry->bytes, VARDATA(document), length) == 0;
}

const Price *
billing_cached_price(FunctionCallInfo fcinfo, Jsonb *document)
{
	FmgrInfo *call = fcinfo->flinfo;
	PriceCache *cache = call->fn_extra;
	PriceCacheEntry **slot;

	if (cache == NULL)
		call->fn_extra = cache = MemoryContextAllocZero(call->fn_mcxt, sizeof(PriceCache));
	if (is_entry_of(cache->last, document))
		return &cache->last->price;
	slot = &cache->slots[hash_bytes((unsigned char *) VARDATA(document), VARSIZE(document) - VARHDRSZ) %
						 PRICE_CACHE_SLOTS];
	if (!is_entry_of(*slot, document))
	{
		PriceCacheEntry *entry = make_entry(call->fn_mcxt, document);

		cache->last = NULL;
		if (*slot != NULL)
			pfree(*slot);
		*slot = entry;
	}
	cache->last = *slot;
	return &cache->last->price;
}

BILLING_FUNCTION(billing_is_price)
{
	Price price;

	billing_read_price(PG_GETARG_JSONB_P(0), &price);
	PG_RETURN_BOOL(true);
}

static void
quote_number(JsonbValue *value)
{
	char *text = DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(value->val.numeric)));

	value->type = jbvString;
	value->val.string.val = text;
	value->val.string.len = strlen(text);
}

/* Every number becomes a string of the same digits. */
static Jsonb *
normalize_price(Jsonb *document)
{
	JsonbIterator *iterator = JsonbIteratorInit(&document->root);
	JsonbParseState *state = NULL;
	JsonbValue *result = NULL;
	JsonbValue value;
	JsonbIteratorToken token;
	Price price;

	billing_read_price(document, &price);
	while ((token = JsonbIteratorNext(&iterator, &value, false)) != WJB_DONE)
	{
		bool is_value = token == WJB_KEY || token == WJB_VALUE || token == WJB_ELEM;

		if (is_value && value.type == jbvNumeric)
			quote_number(&value);
		result = pushJsonbValue(&state, token, is_value ? &value : NULL);
	}
	return JsonbValueToJsonb(result);
}

BILLING_FUNCTION(billing_normalize_price)
{
	PG_RETURN_JSONB_P(normalize_price(PG_GETARG_JSONB_P(0)));
}

/* Of the normalized document: a number through a double would lose digits. */
static bytea *
price_hash(Jsonb *document)
{
	size_t length;
	char *canonical = billing_canonical_json(normalize_price(document), &length);
	uint8_t hash[DIGEST_SIZE];

	billing_check_digest(digest_bytes(billing_digest_context(), canonical, length, hash));
	return billing_hash_bytea(hash);
}

BILLING_FUNCTION(billing_price_hash)
{
	PG_RETURN_BYTEA_P(price_hash(PG_GETARG_JSONB_P(0)));
}
