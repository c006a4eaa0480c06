/*
 * price.h: price documents in the server.
 */
#ifndef BILLING_CATALOG_PRICE_H
#define BILLING_CATALOG_PRICE_H

#include "fmgr.h"
#include "utils/jsonb.h"

#include "core/price.h"

/* Reads a document; raises MB410 to MB414 when it is no price. */
extern void billing_read_price(Jsonb *document, Price *price);

/*
 * The same for a function that is called for many rows with few prices: what
 * was read stays with the call site.  The result lives as long as it does, or
 * until the next call.
 */
extern const Price *billing_cached_price(FunctionCallInfo fcinfo, Jsonb *document);

#endif
