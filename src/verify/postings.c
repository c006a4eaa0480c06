#include "verify/invoice.h"

#include <string.h>

/* What an entry has to say. amount_minor has the sign of the type: a correction is negative. */
typedef struct Posting
{
	const char *type;
	const char *type_negative;
	const char *debit; /* exchanged with credit when the amount is negative */
	const char *credit;
	const char *source;
	const Row *owner; /* the row it was posted for, with its columns: */
	int owner_id;
	int owner_day;
	int64_t amount_minor;
} Posting;

enum
{
	POSTING_USAGE,
	POSTING_FEE,
	POSTING_ADVANCE,
	POSTING_INVOICE
};

static const Posting postings[] = {
	[POSTING_USAGE] = {.type = "usage",
					   .type_negative = "usage_correction",
					   .debit = "unbilled_receivable",
					   .credit = "revenue",
					   .source = "rated_line"},
	[POSTING_FEE] = {.type = "fee",
					 .type_negative = "fee_correction",
					 .debit = "unbilled_receivable",
					 .credit = "revenue",
					 .source = "rated_line"},
	[POSTING_ADVANCE] = {.type = "advance",
						 .type_negative = "advance_correction",
						 .debit = "unbilled_receivable",
						 .credit = "deferred_revenue",
						 .source = "rated_line"},
	[POSTING_INVOICE] = {.type = "invoice",
						 .type_negative = "invoice_credit",
						 .debit = "receivable",
						 .credit = "unbilled_receivable",
						 .source = "invoice"},
};

static bool
refute_column(const Leaf *entry, int column, Verdict *verdict)
{
	return verdict_refute(verdict, entry->place.text, "%s is not what was to be posted",
						  row_column_name(ROW_LEDGER_ENTRY, column));
}

/* An entry's amount is positive, so that its negative is an integer too. */
static bool
check_amount(const Leaf *entry, int64_t amount_minor, Verdict *verdict)
{
	int64_t amount = row_integer(&entry->row, ENTRY_AMOUNT_MINOR);

	return (amount > 0 && (amount_minor < 0 ? -amount : amount) == amount_minor) ||
		   refute_column(entry, ENTRY_AMOUNT_MINOR, verdict);
}

static bool
check_names(const Leaf *entry, const Posting *posting, Verdict *verdict)
{
	bool negative = posting->amount_minor < 0;
	const struct
	{
		int column;
		const char *text;
	} names[] = {
		{ENTRY_ENTRY_TYPE, negative ? posting->type_negative : posting->type},
		{ENTRY_DEBIT_ACCOUNT, negative ? posting->credit : posting->debit},
		{ENTRY_CREDIT_ACCOUNT, negative ? posting->debit : posting->credit},
		{ENTRY_SOURCE, posting->source},
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (!row_is_text(&entry->row, names[i].column, names[i].text))
			return refute_column(entry, names[i].column, verdict);
	return true;
}

static bool
check_entry(const Bundle *bundle, const Leaf *entry, const Posting *posting, Verdict *verdict)
{
	const Row *invoice = &bundle->invoice.row;
	const struct
	{
		const Row *row;
		int other;
		int column;
	} pairs[] = {
		{invoice, INVOICE_TENANT_ID, ENTRY_TENANT_ID},
		{invoice, INVOICE_ACCOUNT_ID, ENTRY_ACCOUNT_ID},
		{invoice, INVOICE_CURRENCY, ENTRY_CURRENCY},
		{posting->owner, posting->owner_id, ENTRY_SOURCE_ID},
		{posting->owner, posting->owner_day, ENTRY_POSTED_ON},
	};

	for (size_t i = 0; i < sizeof(pairs) / sizeof(*pairs); i++)
		if (!row_same(&entry->row, pairs[i].column, pairs[i].row, pairs[i].other))
			return refute_column(entry, pairs[i].column, verdict);
	return check_names(entry, posting, verdict) && check_amount(entry, posting->amount_minor, verdict);
}

static bool
check_posting(const Bundle *bundle, const Leaf *entry, bool has_entry, const Posting *posting,
			  const ShapePlace *place, Verdict *verdict)
{
	if (has_entry != (posting->amount_minor != 0))
		return verdict_refute(verdict, place->text, "%s",
							  has_entry ? "an entry though nothing was to be posted"
										: "no entry though something was to be posted");
	return !has_entry || check_entry(bundle, entry, posting, verdict);
}

static bool
check_line(const Bundle *bundle, const Terms *terms, const BundleLine *line, Verdict *verdict)
{
	size_t plan;
	const Charge *charge = terms_find(bundle, terms, line, &plan, verdict);
	Posting posting;

	if (charge == NULL)
		return false;
	posting = postings[charge->is_metered	? POSTING_USAGE
					   : charge->in_advance ? POSTING_ADVANCE
											: POSTING_FEE];
	posting.owner = &line->rated.row;
	posting.owner_id = RATED_RATED_LINE_ID;
	posting.owner_day = RATED_RATED_ON;
	posting.amount_minor = row_integer(&line->rated.row, RATED_POSTED_MINOR);
	return check_posting(bundle, &line->entry, line->has_entry, &posting, &line->place, verdict);
}

bool
invoice_check_postings(const Bundle *bundle, const Terms *terms, Verdict *verdict)
{
	const BundleInvoice *invoice = &bundle->invoice;
	Posting posting = postings[POSTING_INVOICE];

	for (size_t i = 0; i < bundle->line_count; i++)
		if (!check_line(bundle, terms, &bundle->lines[i], verdict))
			return false;
	posting.owner = &invoice->row;
	posting.owner_id = INVOICE_INVOICE_ID;
	posting.owner_day = INVOICE_INVOICE_DATE;
	posting.amount_minor = row_integer(&invoice->row, INVOICE_TOTAL_MINOR);
	return check_posting(bundle, &invoice->entry, invoice->has_entry, &posting, &invoice->place, verdict);
}
