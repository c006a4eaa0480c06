#include "verify/report.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* 1834002 as "1 834 002". */
static const char *
grouped(uint64_t number, char out[32])
{
	char digits[24];
	size_t length = (size_t) snprintf(digits, sizeof(digits), "%" PRIu64, number);
	size_t end = 0;

	for (size_t i = 0; i < length; i++)
	{
		if (i > 0 && (length - i) % 3 == 0)
			out[end++] = ' ';
		out[end++] = digits[i];
	}
	out[end] = '\0';
	return out;
}

/* An amount in major units: 1234 with exponent 2 as 12.34. The exponent is from 0 to 18. */
static void
print_amount(int64_t amount_minor, int exponent)
{
	uint64_t magnitude = amount_minor < 0 ? 0 - (uint64_t) amount_minor : (uint64_t) amount_minor;
	uint64_t unit = 1;

	for (int i = 0; i < exponent; i++)
		unit *= 10;
	printf("%s%" PRIu64, amount_minor < 0 ? "-" : "", magnitude / unit);
	if (exponent > 0)
		printf(".%0*" PRIu64, exponent, magnitude % unit);
}

static void
print_text(Bytes text)
{
	for (size_t i = 0; i < text.length; i++)
		putchar(text.bytes[i] < 0x20 || text.bytes[i] == 0x7F ? '?' : text.bytes[i]);
}

static const char *
plural(uint64_t number)
{
	return number == 1 ? "" : "s";
}

/* In a month every invoice is the tenant's, and the account tells more. */
static void
print_invoice(const Document *document, const DocumentBundle *element)
{
	const Row *invoice = &element->bundle.invoice.row;

	printf("invoice ");
	print_text(invoice->columns[INVOICE_NUMBER]);
	printf(document->is_month ? " of account " : " of ");
	print_text(invoice->columns[document->is_month ? INVOICE_ACCOUNT_ID : INVOICE_TENANT_ID]);
	printf(": ");
	print_amount(row_integer(invoice, INVOICE_TOTAL_MINOR), (int) row_integer(invoice, INVOICE_EXPONENT));
	putchar(' ');
	print_text(invoice->columns[INVOICE_CURRENCY]);
	putchar('\n');
}

static void
print_total(const DocumentTotal *total)
{
	printf("total: ");
	print_amount(total->amount_minor, total->exponent);
	putchar(' ');
	print_text(total->currency);
	putchar('\n');
}

static void
print_history(const Report *report)
{
	const LogFacts *facts = &document_newest(report->document)->facts;
	char number[32];

	if (facts->has_older)
		printf("the log continues its checkpoint of %s leaves, signed by %s\n",
			   grouped(facts->older.size, number),
			   memcmp(facts->older_key.public_key, facts->key.public_key, SIGNATURE_KEY_SIZE) == 0
				   ? "the same key"
				   : "another key of that name");
	if (report->continues_kept)
		puts("the log and the checkpoint given are one history");
}

/* Each once where the keys of a month follow one another. */
static void
print_own_keys(const Document *document)
{
	const NoteKey *before = NULL;
	char text[NOTE_KEY_TEXT_MAX];

	for (size_t i = 0; i < document->count; i++)
	{
		const NoteKey *key = &document->bundles[i].facts.key;

		if (before == NULL || strcmp(before->name, key->name) != 0 ||
			memcmp(before->public_key, key->public_key, SIGNATURE_KEY_SIZE) != 0)
			printf("the key is the bundle's own; compare it with the operator's: %.*s\n",
				   (int) note_key_format(key, text), text);
		before = key;
	}
}

static void
print_sums(const Document *document)
{
	uint64_t lines = 0;
	uint64_t counts = 0;
	uint64_t events = 0;
	uint64_t windows = 0;
	char number[4][32];

	for (size_t i = 0; i < document->count; i++)
	{
		lines += document->bundles[i].bundle.line_count;
		counts += document->bundles[i].counts;
		events += document->bundles[i].events;
		windows += document->bundles[i].bundle.window_count;
	}
	printf("%s line%s, %s count%s, %s event%s in %s window%s; ", grouped(lines, number[0]), plural(lines),
		   grouped(counts, number[1]), plural(counts), grouped(events, number[2]), plural(events),
		   grouped(windows, number[3]), plural(windows));
}

void
report_words(const Report *report, const Verdict *verdict)
{
	const Document *document = report->document;
	const LogFacts *facts;
	char number[32];

	if (verdict->outcome != VERDICT_VALID)
	{
		printf("%s: %s%s%s\n", verdict->outcome == VERDICT_REFUTED ? "refuted" : "unreadable", verdict->where,
			   verdict->where[0] == '\0' ? "" : ": ", verdict->text);
		return;
	}
	facts = &document_newest(document)->facts;
	printf("valid: ");
	if (document->is_month)
	{
		printf("%zu invoice%s of ", document->count, plural(document->count));
		print_text((Bytes){(const uint8_t *) document->tenant.text, document->tenant.length});
		printf(" in %.*s, ", (int) document->month.length, document->month.text);
	}
	print_sums(document);
	printf("log of %s leaves signed by %s\n", grouped(facts->checkpoint.size, number), facts->key.name);
	for (size_t i = 0; i < document->count; i++)
		print_invoice(document, &document->bundles[i]);
	for (size_t i = 0; i < document->total_count; i++)
		print_total(&document->totals[i]);
	print_history(report);
	if (!report->key_was_given)
		print_own_keys(document);
}

static void
print_json_text(const char *text, size_t length)
{
	putchar('"');
	for (size_t i = 0; i < length; i++)
	{
		unsigned char byte = (unsigned char) text[i];

		if (byte < 0x20)
			printf("\\u%04x", byte);
		else
		{
			if (byte == '"' || byte == '\\')
				putchar('\\');
			putchar(byte);
		}
	}
	putchar('"');
}

static void
print_member(const char *name, const char *text, size_t length)
{
	printf(",\"%s\":", name);
	print_json_text(text, length);
}

static void
print_json_column(const char *name, const Row *row, int column)
{
	printf("%s", name);
	print_json_text((const char *) row->columns[column].bytes, row->columns[column].length);
}

static void
print_invoice_members(const DocumentBundle *element)
{
	const Row *invoice = &element->bundle.invoice.row;

	print_json_column("\"number\":", invoice, INVOICE_NUMBER);
	print_json_column(",\"tenant\":", invoice, INVOICE_TENANT_ID);
	print_json_column(",\"account\":", invoice, INVOICE_ACCOUNT_ID);
	print_json_column(",\"currency\":", invoice, INVOICE_CURRENCY);
	printf(",\"exponent\":%d,\"total_minor\":\"%" PRId64 "\"", (int) row_integer(invoice, INVOICE_EXPONENT),
		   row_integer(invoice, INVOICE_TOTAL_MINOR));
	printf(",\"lines\":%zu,\"counts\":\"%" PRIu64 "\",\"events\":\"%" PRIu64 "\",\"windows\":%zu",
		   element->bundle.line_count, element->counts, element->events, element->bundle.window_count);
	print_member("origin", element->facts.checkpoint.origin, element->facts.checkpoint.origin_length);
	printf(",\"leaves\":\"%" PRIu64 "\"", element->facts.checkpoint.size);
	print_member("vkey", element->bundle.vkey.text, element->bundle.vkey.length);
	if (element->facts.has_older)
		printf(",\"continues\":\"%" PRIu64 "\"", element->facts.older.size);
}

static void
print_month_members(const Document *document)
{
	printf("\"tenant\":");
	print_json_text(document->tenant.text, document->tenant.length);
	print_member("month", document->month.text, document->month.length);
	printf(",\"invoices\":[");
	for (size_t i = 0; i < document->count; i++)
	{
		printf(i > 0 ? ",{" : "{");
		print_invoice_members(&document->bundles[i]);
		putchar('}');
	}
	printf("],\"totals\":[");
	for (size_t i = 0; i < document->total_count; i++)
	{
		const DocumentTotal *total = &document->totals[i];

		printf("%s{\"currency\":", i > 0 ? "," : "");
		print_json_text((const char *) total->currency.bytes, total->currency.length);
		printf(",\"exponent\":%d,\"total_minor\":\"%" PRId64 "\"}", total->exponent, total->amount_minor);
	}
	putchar(']');
}

/* Numbers that may pass 2^53 are strings, as in the bundle. */
void
report_json(const Report *report, const Verdict *verdict)
{
	static const char *const outcomes[] = {"valid", "refuted", "unreadable"};

	printf("{\"outcome\":\"%s\"", outcomes[verdict->outcome]);
	if (verdict->outcome != VERDICT_VALID)
	{
		print_member("where", verdict->where, strlen(verdict->where));
		print_member("what", verdict->text, strlen(verdict->text));
		puts("}");
		return;
	}
	putchar(',');
	if (report->document->is_month)
		print_month_members(report->document);
	else
		print_invoice_members(report->document->bundles);
	printf(",\"key_was_given\":%s,\"continues_checkpoint\":%s}\n", report->key_was_given ? "true" : "false",
		   report->continues_kept ? "true" : "false");
}
