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

static void
print_history(const Report *report)
{
	char number[32];

	if (report->facts->has_older)
		printf("the log continues its checkpoint of %s leaves, signed by %s\n",
			   grouped(report->facts->older.size, number),
			   memcmp(report->facts->older_key.public_key, report->facts->key.public_key,
					  SIGNATURE_KEY_SIZE) == 0
				   ? "the same key"
				   : "another key of that name");
	if (report->continues_kept)
		puts("the log and the checkpoint given are one history");
}

void
report_words(const Report *report, const Verdict *verdict)
{
	const Row *invoice;
	char key[NOTE_KEY_TEXT_MAX];
	char number[4][32];
	size_t lines;

	if (verdict->outcome != VERDICT_VALID)
	{
		printf("%s: %s%s%s\n", verdict->outcome == VERDICT_REFUTED ? "refuted" : "unreadable", verdict->where,
			   verdict->where[0] == '\0' ? "" : ": ", verdict->text);
		return;
	}
	invoice = &report->bundle->invoice.row;
	lines = report->bundle->line_count;
	printf("valid: %s line%s, %s count%s, %s event%s in %zu window%s; log of %s leaves signed by %s\n",
		   grouped(lines, number[0]), plural(lines), grouped(report->counts, number[1]),
		   plural(report->counts), grouped(report->events, number[2]), plural(report->events),
		   report->bundle->window_count, plural(report->bundle->window_count),
		   grouped(report->facts->checkpoint.size, number[3]), report->facts->key.name);
	printf("invoice ");
	print_text(invoice->columns[INVOICE_NUMBER]);
	printf(" of ");
	print_text(invoice->columns[INVOICE_TENANT_ID]);
	printf(": ");
	print_amount(row_integer(invoice, INVOICE_TOTAL_MINOR), (int) row_integer(invoice, INVOICE_EXPONENT));
	putchar(' ');
	print_text(invoice->columns[INVOICE_CURRENCY]);
	putchar('\n');
	print_history(report);
	if (!report->key_was_given)
		printf("the key is the bundle's own; compare it with the operator's: %.*s\n",
			   (int) note_key_format(&report->facts->key, key), key);
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
print_column(const char *name, const Row *row, int column)
{
	print_member(name, (const char *) row->columns[column].bytes, row->columns[column].length);
}

/* Numbers that may pass 2^53 are strings, as in the bundle. */
void
report_json(const Report *report, const Verdict *verdict)
{
	static const char *const outcomes[] = {"valid", "refuted", "unreadable"};
	const Row *invoice;

	printf("{\"outcome\":\"%s\"", outcomes[verdict->outcome]);
	if (verdict->outcome != VERDICT_VALID)
	{
		print_member("where", verdict->where, strlen(verdict->where));
		print_member("what", verdict->text, strlen(verdict->text));
		puts("}");
		return;
	}
	invoice = &report->bundle->invoice.row;
	print_column("number", invoice, INVOICE_NUMBER);
	print_column("tenant", invoice, INVOICE_TENANT_ID);
	print_column("account", invoice, INVOICE_ACCOUNT_ID);
	print_column("currency", invoice, INVOICE_CURRENCY);
	printf(",\"exponent\":%d,\"total_minor\":\"%" PRId64 "\"", (int) row_integer(invoice, INVOICE_EXPONENT),
		   row_integer(invoice, INVOICE_TOTAL_MINOR));
	printf(",\"lines\":%zu,\"counts\":\"%" PRIu64 "\",\"events\":\"%" PRIu64 "\",\"windows\":%zu",
		   report->bundle->line_count, report->counts, report->events, report->bundle->window_count);
	print_member("origin", report->facts->checkpoint.origin, report->facts->checkpoint.origin_length);
	printf(",\"leaves\":\"%" PRIu64 "\"", report->facts->checkpoint.size);
	print_member("vkey", report->bundle->vkey.text, report->bundle->vkey.length);
	printf(",\"key_was_given\":%s", report->key_was_given ? "true" : "false");
	if (report->facts->has_older)
		printf(",\"continues\":\"%" PRIu64 "\"", report->facts->older.size);
	printf(",\"continues_checkpoint\":%s}\n", report->continues_kept ? "true" : "false");
}
