#include "verify/row.h"

#include "core/leaf.h"
#include "core/utf8.h"

#include <string.h>

/* Number, type and length of a column. */
#define HEAD_SIZE 7

typedef enum
{
	COLUMN_INTEGER,
	COLUMN_TIME,
	COLUMN_DECIMAL,
	COLUMN_TEXT,
	COLUMN_JSON,
	COLUMN_UUID,
	COLUMN_HASH
} ColumnType;

typedef struct Column
{
	const char *name;
	ColumnType type;
	bool may_be_null;
} Column;

typedef struct Layout
{
	const char *name;
	int count;
	Column columns[ROW_COLUMNS_MAX];
} Layout;

static const struct
{
	LeafType type;
	size_t length; /* 0 when it varies */
	const char *fault;
} encodings[] = {
	[COLUMN_INTEGER] = {LEAF_INTEGER, 8, "not an integer"},
	[COLUMN_TIME] = {LEAF_TIME, 8, "not a time"},
	[COLUMN_DECIMAL] = {LEAF_DECIMAL, 0, "not a decimal in canonical form"},
	[COLUMN_TEXT] = {LEAF_TEXT, 0, "not a text in UTF-8"},
	[COLUMN_JSON] = {LEAF_JSON, 0, "not JSON in canonical form"},
	[COLUMN_UUID] = {LEAF_BYTES, 16, "not a uuid"},
	[COLUMN_HASH] = {LEAF_BYTES, DIGEST_SIZE, "not a hash"},
};

static const Layout layouts[] = {
	[ROW_INVOICE] = {"invoice",
					 18,
					 {{"tenant_id", COLUMN_TEXT, false},
					  {"invoice_id", COLUMN_UUID, false},
					  {"account_id", COLUMN_TEXT, false},
					  {"legal_entity_id", COLUMN_TEXT, false},
					  {"currency", COLUMN_TEXT, false},
					  {"exponent", COLUMN_INTEGER, false},
					  {"attempt", COLUMN_INTEGER, false},
					  {"number", COLUMN_TEXT, false},
					  {"invoice_date", COLUMN_INTEGER, false},
					  {"period_start", COLUMN_INTEGER, false},
					  {"period_end", COLUMN_INTEGER, false},
					  {"due_date", COLUMN_INTEGER, false},
					  {"line_count", COLUMN_INTEGER, false},
					  {"content_hash", COLUMN_HASH, false},
					  {"subtotal_minor", COLUMN_INTEGER, false},
					  {"tax_minor", COLUMN_INTEGER, false},
					  {"total_minor", COLUMN_INTEGER, false},
					  {"finalized_at", COLUMN_TIME, false}}},
	[ROW_INVOICE_LINE] = {"invoice_line",
						  18,
						  {{"tenant_id", COLUMN_TEXT, false},
						   {"invoice_id", COLUMN_UUID, false},
						   {"line_no", COLUMN_INTEGER, false},
						   {"rated_line_id", COLUMN_UUID, false},
						   {"subscription_id", COLUMN_UUID, false},
						   {"plan_id", COLUMN_TEXT, false},
						   {"version", COLUMN_INTEGER, false},
						   {"charge_id", COLUMN_TEXT, false},
						   {"period_start", COLUMN_INTEGER, false},
						   {"period_end", COLUMN_INTEGER, false},
						   {"share_days", COLUMN_INTEGER, false},
						   {"share_of_days", COLUMN_INTEGER, false},
						   {"quantity", COLUMN_DECIMAL, false},
						   {"rated_minor", COLUMN_INTEGER, false},
						   {"billed_minor", COLUMN_INTEGER, false},
						   {"amount_minor", COLUMN_INTEGER, false},
						   {"currency", COLUMN_TEXT, false},
						   {"is_correction", COLUMN_INTEGER, false}}},
	[ROW_INVOICE_EVENT] = {"invoice_event",
						   13,
						   {{"tenant_id", COLUMN_TEXT, false},
							{"invoice_id", COLUMN_UUID, false},
							{"sequence", COLUMN_INTEGER, false},
							{"from_status", COLUMN_TEXT, true},
							{"to_status", COLUMN_TEXT, false},
							{"total_minor", COLUMN_INTEGER, false},
							{"actor_hash", COLUMN_HASH, false},
							{"reason_hash", COLUMN_HASH, true},
							{"occurred_at", COLUMN_TIME, false},
							{"document_hash", COLUMN_HASH, true},
							{"salt", COLUMN_UUID, false},
							{"prev_hash", COLUMN_HASH, false},
							{"self_hash", COLUMN_HASH, false}}},
	[ROW_RATED_LINE] = {"rated_line",
						21,
						{{"tenant_id", COLUMN_TEXT, false},		   {"rated_line_id", COLUMN_UUID, false},
						 {"subscription_id", COLUMN_UUID, false},  {"charge_id", COLUMN_TEXT, false},
						 {"period_start", COLUMN_INTEGER, false},  {"revision", COLUMN_INTEGER, false},
						 {"account_id", COLUMN_TEXT, false},	   {"plan_id", COLUMN_TEXT, false},
						 {"version", COLUMN_INTEGER, false},	   {"period_end", COLUMN_INTEGER, false},
						 {"due_on", COLUMN_INTEGER, false},		   {"share_days", COLUMN_INTEGER, false},
						 {"share_of_days", COLUMN_INTEGER, false}, {"quantity", COLUMN_DECIMAL, false},
						 {"amount_minor", COLUMN_INTEGER, false},  {"posted_minor", COLUMN_INTEGER, false},
						 {"currency", COLUMN_TEXT, false},		   {"rating_key", COLUMN_HASH, false},
						 {"rated_on", COLUMN_INTEGER, false},	   {"window_no", COLUMN_INTEGER, false},
						 {"rated_at", COLUMN_TIME, false}}},
	[ROW_LEDGER_ENTRY] = {"ledger_entry",
						  13,
						  {{"tenant_id", COLUMN_TEXT, false},
						   {"entry_id", COLUMN_UUID, false},
						   {"posted_on", COLUMN_INTEGER, false},
						   {"account_id", COLUMN_TEXT, false},
						   {"entry_type", COLUMN_TEXT, false},
						   {"debit_account", COLUMN_TEXT, false},
						   {"credit_account", COLUMN_TEXT, false},
						   {"amount_minor", COLUMN_INTEGER, false},
						   {"currency", COLUMN_TEXT, false},
						   {"source", COLUMN_TEXT, false},
						   {"source_id", COLUMN_UUID, false},
						   {"memo_hash", COLUMN_HASH, true},
						   {"posted_at", COLUMN_TIME, false}}},
	[ROW_PLAN_VERSION] = {"plan_version",
						  6,
						  {{"plan_id", COLUMN_TEXT, false},
						   {"version", COLUMN_INTEGER, false},
						   {"currency", COLUMN_TEXT, false},
						   {"period_months", COLUMN_INTEGER, false},
						   {"plan_hash", COLUMN_HASH, false},
						   {"published_at", COLUMN_TIME, false}}},
	[ROW_USAGE_WINDOW] = {"usage_window",
						  12,
						  {{"tenant_id", COLUMN_TEXT, false},
						   {"sequence", COLUMN_INTEGER, false},
						   {"window_no", COLUMN_INTEGER, false},
						   {"rows_processed", COLUMN_INTEGER, false},
						   {"first_day", COLUMN_INTEGER, false},
						   {"last_day", COLUMN_INTEGER, false},
						   {"digest", COLUMN_HASH, false},
						   {"counts_digest", COLUMN_HASH, false},
						   {"salt", COLUMN_UUID, false},
						   {"prev_hash", COLUMN_HASH, false},
						   {"self_hash", COLUMN_HASH, false},
						   {"created_at", COLUMN_TIME, false}}},
	[ROW_COUNT] = {"count",
				   8,
				   {{"day", COLUMN_INTEGER, false},
					{"account_id", COLUMN_TEXT, false},
					{"meter_id", COLUMN_TEXT, false},
					{"dimensions", COLUMN_JSON, false},
					{"aggregation", COLUMN_TEXT, false},
					{"quantity", COLUMN_DECIMAL, false},
					{"events", COLUMN_INTEGER, false},
					{"latest_at", COLUMN_TIME, false}}},
};

const char *
row_column_name(RowKind kind, int column)
{
	return layouts[kind].columns[column - 1].name;
}

static bool
is_text(Bytes value)
{
	const char *text = (const char *) value.bytes;
	uint32_t point;

	for (size_t i = 0; i < value.length;)
	{
		size_t length = utf8_decode(text + i, value.length - i, &point);

		if (length == 0 || point == 0)
			return false;
		i += length;
	}
	return true;
}

static bool
is_decimal(Bytes value)
{
	Decimal decimal;
	char text[DECIMAL_TEXT_SIZE];

	return decimal_parse((const char *) value.bytes, value.length, &decimal) == DECIMAL_OK &&
		   decimal_format(&decimal, text) == value.length && memcmp(text, value.bytes, value.length) == 0;
}

/* verdict is for a failure of the machine only. */
static bool
is_json(Bytes value, Verdict *verdict)
{
	static const ShapePlace nowhere;
	Verdict inner = {.outcome = VERDICT_VALID};
	JsonDocument *document;

	if (shape_parse((const char *) value.bytes, value.length, &nowhere, &document, &inner))
	{
		json_free(document);
		return true;
	}
	return inner.is_machine ? verdict_machine(verdict, "out of memory") : false;
}

static bool
value_is_valid(ColumnType type, Bytes value, Verdict *verdict)
{
	if (encodings[type].length != 0)
		return value.length == encodings[type].length;
	switch (type)
	{
		case COLUMN_DECIMAL:
			return is_decimal(value);
		case COLUMN_JSON:
			return is_json(value, verdict);
		default:
			return is_text(value);
	}
}

static uint32_t
big_endian(const uint8_t *bytes, int count)
{
	uint32_t value = 0;

	for (int i = 0; i < count; i++)
		value = value << 8 | bytes[i];
	return value;
}

/* Takes the kind's line off rest. */
static bool
skip_kind(Bytes *rest, const char *name)
{
	static const char start[] = "billing/v1/";
	size_t name_length = strlen(name);
	size_t length = sizeof(start) - 1 + name_length + 1;

	if (rest->length < length || memcmp(rest->bytes, start, sizeof(start) - 1) != 0 ||
		memcmp(rest->bytes + sizeof(start) - 1, name, name_length) != 0 || rest->bytes[length - 1] != '\n')
		return false;
	*rest = (Bytes){rest->bytes + length, rest->length - length};
	return true;
}

/* Takes one column off rest; number is that of the column before, and then its own. */
static bool
read_column(Bytes *rest, Row *row, int *number, const ShapePlace *place, Verdict *verdict)
{
	const Layout *layout = &layouts[row->kind];
	const Column *column;
	Bytes value;
	int found;

	if (rest->length < HEAD_SIZE)
		return verdict_refute(verdict, place->text, "canonical bytes end within a column");
	found = (int) big_endian(rest->bytes, 2);
	if (found <= *number || found > layout->count)
		return verdict_refute(verdict, place->text, "column %d of kind \"%s\" is unknown or out of order",
							  found, layout->name);
	column = &layout->columns[found - 1];
	value = (Bytes){rest->bytes + HEAD_SIZE, big_endian(rest->bytes + 3, 4)};
	if (value.length > rest->length - HEAD_SIZE)
		return verdict_refute(verdict, place->text, "canonical bytes end within column %s", column->name);
	if (rest->bytes[2] != encodings[column->type].type || !value_is_valid(column->type, value, verdict))
		return verdict_refute(verdict, place->text, "%s is %s", column->name, encodings[column->type].fault);
	row->columns[found] = value;
	*number = found;
	*rest = (Bytes){value.bytes + value.length, rest->length - HEAD_SIZE - value.length};
	return true;
}

bool
row_read(Bytes canon, RowKind kind, const ShapePlace *place, Row *row, Verdict *verdict)
{
	const Layout *layout = &layouts[kind];
	Bytes rest = canon;
	int number = 0;

	memset(row, 0, sizeof(*row));
	row->kind = kind;
	row->canon = canon;
	if (!skip_kind(&rest, layout->name))
		return verdict_refute(verdict, place->text, "not the canonical bytes of kind \"%s\"", layout->name);
	while (rest.length > 0)
		if (!read_column(&rest, row, &number, place, verdict))
			return false;
	for (int i = 1; i <= layout->count; i++)
		if (row->columns[i].bytes == NULL && !layout->columns[i - 1].may_be_null)
			return verdict_refute(verdict, place->text, "%s is missing", layout->columns[i - 1].name);
	return true;
}

int64_t
row_integer(const Row *row, int column)
{
	const uint8_t *bytes = row->columns[column].bytes;
	uint64_t value = (uint64_t) big_endian(bytes, 4) << 32 | big_endian(bytes + 4, 4);
	int64_t result;

	memcpy(&result, &value, sizeof(result));
	return result;
}

Decimal
row_decimal(const Row *row, int column)
{
	Decimal value = {0, 0};

	decimal_parse((const char *) row->columns[column].bytes, row->columns[column].length, &value);
	return value;
}

bool
row_same(const Row *left, int left_column, const Row *right, int right_column)
{
	Bytes a = left->columns[left_column];
	Bytes b = right->columns[right_column];

	return a.length == b.length && memcmp(a.bytes, b.bytes, a.length) == 0;
}

bool
row_is_text(const Row *row, int column, const char *text)
{
	Bytes value = row->columns[column];

	return value.length == strlen(text) && memcmp(value.bytes, text, value.length) == 0;
}
