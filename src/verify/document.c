#include "verify/document.h"

#include "core/calendar.h"

#include <string.h>

#define BUNDLE_FORMAT "billing-bundle/v1"
#define MONTH_FORMAT "billing-month/v1"

typedef struct MonthMembers
{
	TextSpan format;
	TextSpan tenant;
	TextSpan month;
	const JsonNode *bundles;
} MonthMembers;

static const ShapeField month_fields[] = {
	{"format", SHAPE_TEXT, offsetof(MonthMembers, format)},
	{"tenant", SHAPE_TEXT, offsetof(MonthMembers, tenant)},
	{"month", SHAPE_TEXT, offsetof(MonthMembers, month)},
	{"bundles", SHAPE_ARRAY, offsetof(MonthMembers, bundles)},
};

static const ShapePlace top;

static bool
has_format(const JsonNode *node, const char *format)
{
	const JsonNode *named = json_member(node, "format");

	return named != NULL && named->type == JSON_STRING && named->length == strlen(format) &&
		   memcmp(named->text, format, named->length) == 0;
}

static bool
allocate_bundles(Document *document, size_t count, Verdict *verdict)
{
	if (count <= SIZE_MAX / 4 / sizeof(DocumentBundle))
		document->bundles = shape_allocate(&document->arena, count * sizeof(DocumentBundle));
	return document->bundles != NULL || verdict_machine(verdict, "out of memory");
}

static bool
read_bundle(Document *document, const JsonNode *node, ShapePlace place, Verdict *verdict)
{
	DocumentBundle *element = &document->bundles[document->count];

	element->place = place;
	document->count++;
	if (has_format(node, BUNDLE_FORMAT)
			? bundle_read(node, &element->bundle, verdict)
			: verdict_unreadable(verdict, "format", "not a document of format \"%s\"", BUNDLE_FORMAT))
		return true;
	return verdict_within(verdict, place.text);
}

/* The first day of a month such as 2026-10, and that of the next. */
static bool
month_days(TextSpan month, int32_t *first, int32_t *next)
{
	static const char form[] = "dddd-dd";
	CalendarDate date = {.day = 1};
	int digits[sizeof(form)] = {0};

	if (month.length != sizeof(form) - 1)
		return false;
	for (size_t i = 0; i < month.length; i++)
	{
		digits[i] = month.text[i] - '0';
		if (form[i] == 'd' ? digits[i] < 0 || digits[i] > 9 : month.text[i] != form[i])
			return false;
	}
	date.year = digits[0] * 1000 + digits[1] * 100 + digits[2] * 10 + digits[3];
	date.month = digits[5] * 10 + digits[6];
	return date.year > 0 && date.month >= 1 && date.month <= 12 &&
		   calendar_day_from_date(date, first) == CALENDAR_OK &&
		   calendar_month_add(*first, 1, next) == CALENDAR_OK;
}

static bool
read_month(Document *document, Verdict *verdict)
{
	MonthMembers members;
	int32_t days[2];

	if (!shape_read(json_root(document->json), &top, month_fields,
					sizeof(month_fields) / sizeof(*month_fields), &members, &document->arena, verdict))
		return false;
	document->tenant = members.tenant;
	document->month = members.month;
	if (!month_days(members.month, &days[0], &days[1]))
		return verdict_unreadable(verdict, "month", "not a month such as 2026-10");
	if (members.bundles->count == 0)
		return verdict_refute(verdict, "bundles", "a month without invoices");
	if (!allocate_bundles(document, members.bundles->count, verdict))
		return false;
	for (const JsonNode *node = members.bundles->first; node != NULL; node = node->next)
		if (!read_bundle(document, node, shape_element(&top, "bundles", document->count), verdict))
			return false;
	return true;
}

bool
document_read(const char *bytes, size_t length, Document *document, Verdict *verdict)
{
	memset(document, 0, sizeof(*document));
	if (!shape_parse(bytes, length, &top, &document->json, verdict))
		return false;
	document->is_month = has_format(json_root(document->json), MONTH_FORMAT);
	if (document->is_month)
		return read_month(document, verdict);
	if (!has_format(json_root(document->json), BUNDLE_FORMAT))
		return verdict_unreadable(verdict, "format", "not a document of format \"%s\" or \"%s\"",
								  BUNDLE_FORMAT, MONTH_FORMAT);
	return allocate_bundles(document, 1, verdict) &&
		   read_bundle(document, json_root(document->json), top, verdict);
}

void
document_free(Document *document)
{
	for (size_t i = 0; i < document->count; i++)
		bundle_free(&document->bundles[i].bundle);
	shape_free(&document->arena);
	json_free(document->json);
}

const DocumentBundle *
document_newest(const Document *document)
{
	const DocumentBundle *newest = document->bundles;

	for (size_t i = 1; i < document->count; i++)
		if (document->bundles[i].facts.checkpoint.size > newest->facts.checkpoint.size)
			newest = &document->bundles[i];
	return newest;
}

/* Negative, zero or positive, by bytes. */
static int
compare_bytes(const void *left, size_t left_length, const void *right, size_t right_length)
{
	int order = memcmp(left, right, left_length < right_length ? left_length : right_length);

	return order != 0 ? order : (left_length > right_length) - (left_length < right_length);
}

static int
compare_column(const Row *left, const Row *right, int column)
{
	return compare_bytes(left->columns[column].bytes, left->columns[column].length,
						 right->columns[column].bytes, right->columns[column].length);
}

static int
compare_invoices(const Row *left, const Row *right)
{
	int64_t left_date = row_integer(left, INVOICE_INVOICE_DATE);
	int64_t right_date = row_integer(right, INVOICE_INVOICE_DATE);
	int order = (left_date > right_date) - (left_date < right_date);

	if (order == 0)
		order = compare_column(left, right, INVOICE_ACCOUNT_ID);
	return order != 0 ? order : compare_column(left, right, INVOICE_CURRENCY);
}

static bool
check_element(const Document *document, size_t number, int32_t first, int32_t next, Verdict *verdict)
{
	const DocumentBundle *element = &document->bundles[number];
	const Row *invoice = &element->bundle.invoice.row;
	Bytes tenant = invoice->columns[INVOICE_TENANT_ID];
	int64_t date = row_integer(invoice, INVOICE_INVOICE_DATE);

	if (compare_bytes(tenant.bytes, tenant.length, document->tenant.text, document->tenant.length) != 0)
		return verdict_refute(verdict, element->place.text, "an invoice of another tenant than the month's");
	if (date < first || date >= next)
		return verdict_refute(verdict, element->place.text, "an invoice that is not dated in the month");
	return number == 0 || compare_invoices(&element[-1].bundle.invoice.row, invoice) < 0 ||
		   verdict_refute(verdict, element->place.text,
						  "an invoice out of order: by invoice date, account and currency, none twice");
}

static int
compare_checkpoints(const void *left, const void *right)
{
	const Checkpoint *one = &(*(DocumentBundle *const *) left)->facts.checkpoint;
	const Checkpoint *other = &(*(DocumentBundle *const *) right)->facts.checkpoint;
	int order = compare_bytes(one->origin, one->origin_length, other->origin, other->origin_length);

	return order != 0 ? order : (one->size > other->size) - (one->size < other->size);
}

/* One log has one root for a size. */
static bool
check_one_history(const Document *document, Verdict *verdict)
{
	const DocumentBundle **sorted = malloc((document->count + 1) * sizeof(*sorted));
	bool done = true;

	if (sorted == NULL)
		return verdict_machine(verdict, "out of memory");
	for (size_t i = 0; i < document->count; i++)
		sorted[i] = &document->bundles[i];
	qsort(sorted, document->count, sizeof(*sorted), compare_checkpoints);
	for (size_t i = 1; done && i < document->count; i++)
		if (compare_checkpoints(&sorted[i - 1], &sorted[i]) == 0 &&
			memcmp(sorted[i - 1]->facts.checkpoint.root, sorted[i]->facts.checkpoint.root, DIGEST_SIZE) != 0)
			done = verdict_refute(
				verdict, sorted[i]->place.text, "another root for the same %llu leaves as %s",
				(unsigned long long) sorted[i]->facts.checkpoint.size, sorted[i - 1]->place.text);
	free(sorted);
	return done;
}

static DocumentTotal *
find_total(Document *document, const Row *invoice)
{
	Bytes currency = invoice->columns[INVOICE_CURRENCY];
	int exponent = (int) row_integer(invoice, INVOICE_EXPONENT);
	DocumentTotal *total = document->totals;

	for (size_t i = 0; i < document->total_count; i++, total++)
		if (total->exponent == exponent && compare_bytes(total->currency.bytes, total->currency.length,
														 currency.bytes, currency.length) == 0)
			return total;
	document->total_count++;
	*total = (DocumentTotal){.currency = currency, .exponent = exponent};
	return total;
}

static bool
add_up(Document *document, Verdict *verdict)
{
	document->totals = shape_allocate(&document->arena, document->count * sizeof(DocumentTotal));
	if (document->totals == NULL)
		return verdict_machine(verdict, "out of memory");
	for (size_t i = 0; i < document->count; i++)
	{
		const Row *invoice = &document->bundles[i].bundle.invoice.row;
		DocumentTotal *total = find_total(document, invoice);

		if (__builtin_add_overflow(total->amount_minor, row_integer(invoice, INVOICE_TOTAL_MINOR),
								   &total->amount_minor))
			return verdict_refute(verdict, "bundles", "the invoices add up to more than an amount can be");
	}
	return true;
}

bool
document_check_month(Document *document, Verdict *verdict)
{
	int32_t first;
	int32_t next;

	if (!document->is_month)
		return true;
	if (!month_days(document->month, &first, &next))
		return verdict_unreadable(verdict, "month", "not a month such as 2026-10");
	for (size_t i = 0; i < document->count; i++)
		if (!check_element(document, i, first, next, verdict))
			return false;
	return check_one_history(document, verdict) && add_up(document, verdict);
}
