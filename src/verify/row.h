#ifndef BILLING_VERIFY_ROW_H
#define BILLING_VERIFY_ROW_H

#include "core/decimal.h"
#include "verify/shape.h"

/* The kinds of row in a bundle, with their columns by number: doc/bundle.md, "Canonical bytes". */
typedef enum
{
	ROW_INVOICE,
	ROW_INVOICE_LINE,
	ROW_INVOICE_EVENT,
	ROW_RATED_LINE,
	ROW_LEDGER_ENTRY,
	ROW_PLAN_VERSION,
	ROW_USAGE_WINDOW,
	ROW_COUNT
} RowKind;

enum
{
	INVOICE_TENANT_ID = 1,
	INVOICE_INVOICE_ID,
	INVOICE_ACCOUNT_ID,
	INVOICE_LEGAL_ENTITY_ID,
	INVOICE_CURRENCY,
	INVOICE_EXPONENT,
	INVOICE_ATTEMPT,
	INVOICE_NUMBER,
	INVOICE_INVOICE_DATE,
	INVOICE_PERIOD_START,
	INVOICE_PERIOD_END,
	INVOICE_DUE_DATE,
	INVOICE_LINE_COUNT,
	INVOICE_CONTENT_HASH,
	INVOICE_SUBTOTAL_MINOR,
	INVOICE_TAX_MINOR,
	INVOICE_TOTAL_MINOR,
	INVOICE_FINALIZED_AT
};

enum
{
	LINE_TENANT_ID = 1,
	LINE_INVOICE_ID,
	LINE_LINE_NO,
	LINE_RATED_LINE_ID,
	LINE_SUBSCRIPTION_ID,
	LINE_PLAN_ID,
	LINE_VERSION,
	LINE_CHARGE_ID,
	LINE_PERIOD_START,
	LINE_PERIOD_END,
	LINE_SHARE_DAYS,
	LINE_SHARE_OF_DAYS,
	LINE_QUANTITY,
	LINE_RATED_MINOR,
	LINE_BILLED_MINOR,
	LINE_AMOUNT_MINOR,
	LINE_CURRENCY,
	LINE_IS_CORRECTION
};

enum
{
	EVENT_TENANT_ID = 1,
	EVENT_INVOICE_ID,
	EVENT_SEQUENCE,
	EVENT_FROM_STATUS,
	EVENT_TO_STATUS,
	EVENT_TOTAL_MINOR,
	EVENT_ACTOR_HASH,
	EVENT_REASON_HASH,
	EVENT_OCCURRED_AT,
	EVENT_DOCUMENT_HASH,
	EVENT_SALT,
	EVENT_PREV_HASH,
	EVENT_SELF_HASH
};

enum
{
	RATED_TENANT_ID = 1,
	RATED_RATED_LINE_ID,
	RATED_SUBSCRIPTION_ID,
	RATED_CHARGE_ID,
	RATED_PERIOD_START,
	RATED_REVISION,
	RATED_ACCOUNT_ID,
	RATED_PLAN_ID,
	RATED_VERSION,
	RATED_PERIOD_END,
	RATED_DUE_ON,
	RATED_SHARE_DAYS,
	RATED_SHARE_OF_DAYS,
	RATED_QUANTITY,
	RATED_AMOUNT_MINOR,
	RATED_POSTED_MINOR,
	RATED_CURRENCY,
	RATED_RATING_KEY,
	RATED_RATED_ON,
	RATED_WINDOW_NO,
	RATED_RATED_AT
};

enum
{
	ENTRY_TENANT_ID = 1,
	ENTRY_ENTRY_ID,
	ENTRY_POSTED_ON,
	ENTRY_ACCOUNT_ID,
	ENTRY_ENTRY_TYPE,
	ENTRY_DEBIT_ACCOUNT,
	ENTRY_CREDIT_ACCOUNT,
	ENTRY_AMOUNT_MINOR,
	ENTRY_CURRENCY,
	ENTRY_SOURCE,
	ENTRY_SOURCE_ID,
	ENTRY_MEMO_HASH,
	ENTRY_POSTED_AT
};

enum
{
	PLAN_PLAN_ID = 1,
	PLAN_VERSION,
	PLAN_CURRENCY,
	PLAN_PERIOD_MONTHS,
	PLAN_PLAN_HASH,
	PLAN_PUBLISHED_AT
};

enum
{
	WINDOW_TENANT_ID = 1,
	WINDOW_SEQUENCE,
	WINDOW_WINDOW_NO,
	WINDOW_ROWS_PROCESSED,
	WINDOW_FIRST_DAY,
	WINDOW_LAST_DAY,
	WINDOW_DIGEST,
	WINDOW_COUNTS_DIGEST,
	WINDOW_SALT,
	WINDOW_PREV_HASH,
	WINDOW_SELF_HASH,
	WINDOW_CREATED_AT
};

enum
{
	COUNT_DAY = 1,
	COUNT_ACCOUNT_ID,
	COUNT_METER_ID,
	COUNT_DIMENSIONS,
	COUNT_AGGREGATION,
	COUNT_QUANTITY,
	COUNT_EVENTS,
	COUNT_LATEST_AT
};

#define ROW_COLUMNS_MAX 21

/* The columns' values in the canonical bytes, by number; NULL where a column is left out, which only marked ones are. */
typedef struct Row
{
	RowKind kind;
	Bytes canon;
	Bytes columns[ROW_COLUMNS_MAX + 1];
} Row;

/* Takes apart canonical bytes of one kind; every value is checked to be the one encoding of its type. */
extern bool row_read(Bytes canon, RowKind kind, const ShapePlace *place, Row *row, Verdict *verdict);

/* For columns of the fitting type that are there. */
extern int64_t row_integer(const Row *row, int column);
extern Decimal row_decimal(const Row *row, int column);

/* Whether two columns have the same bytes. */
extern bool row_same(const Row *left, int left_column, const Row *right, int right_column);

extern bool row_is_text(const Row *row, int column, const char *text);

/* The column as text for a message, cut where it is long: a pointer that ends with the row, and a precision. */
#define ROW_TEXT(row, column)                                                                                \
	((int) ((row)->columns[column].length < 80 ? (row)->columns[column].length : 80)),                       \
		((const char *) (row)->columns[column].bytes)

extern const char *row_column_name(RowKind kind, int column);

#endif
