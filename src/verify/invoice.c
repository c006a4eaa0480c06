#include "verify/invoice.h"

#include "core/merkle.h"
#include "core/price.h"
#include "verify/counts.h"

#include <string.h>

/* Two columns that say the same. */
typedef struct Pair
{
	int left;
	int right;
} Pair;

#define PAIRS(list) (list), sizeof(list) / sizeof(*(list))

static bool
check_pairs(const Row *left, const Row *right, const Pair *pairs, size_t count, const ShapePlace *place,
			const char *other, Verdict *verdict)
{
	for (size_t i = 0; i < count; i++)
		if (!row_same(left, pairs[i].left, right, pairs[i].right))
			return verdict_refute(verdict, place->text, "%s is not that of %s",
								  row_column_name(left->kind, pairs[i].left), other);
	return true;
}

static bool
check_document_hash(const Bundle *bundle, DigestContext *digest, Verdict *verdict)
{
	Bytes stated = bundle->invoice.event.row.columns[EVENT_DOCUMENT_HASH];
	MerkleFrontier frontier = {0};
	uint8_t hash[DIGEST_SIZE];
	MerkleStatus status = MERKLE_OK;

	if (stated.bytes == NULL)
		return verdict_refute(verdict, bundle->invoice.event.place.text, "document_hash is missing");
	for (size_t i = 0; status == MERKLE_OK && i <= bundle->line_count; i++)
	{
		Bytes canon = i == 0 ? bundle->invoice.row.canon : bundle->lines[i - 1].row.canon;

		status = merkle_leaf_hash(digest, canon.bytes, canon.length, hash);
		if (status == MERKLE_OK)
			status = merkle_append(digest, &frontier, hash);
	}
	if (status == MERKLE_OK)
		status = merkle_root(digest, &frontier, hash);
	if (status != MERKLE_OK)
		return verdict_machine(verdict, merkle_status_text(status));
	return memcmp(hash, stated.bytes, DIGEST_SIZE) == 0 ||
		   verdict_refute(verdict, bundle->invoice.place.text,
						  "the invoice and its lines are not those of the document_hash");
}

static bool
check_event(const Bundle *bundle, Verdict *verdict)
{
	static const Pair pairs[] = {
		{EVENT_TENANT_ID, INVOICE_TENANT_ID},
		{EVENT_INVOICE_ID, INVOICE_INVOICE_ID},
		{EVENT_TOTAL_MINOR, INVOICE_TOTAL_MINOR},
	};
	const Leaf *event = &bundle->invoice.event;

	if (!row_is_text(&event->row, EVENT_TO_STATUS, "finalized"))
		return verdict_refute(verdict, event->place.text, "to_status is not \"finalized\"");
	return check_pairs(&event->row, &bundle->invoice.row, PAIRS(pairs), &event->place, "the invoice",
					   verdict);
}

static bool
check_line_of_invoice(const Bundle *bundle, size_t number, Verdict *verdict)
{
	static const Pair pairs[] = {
		{LINE_TENANT_ID, INVOICE_TENANT_ID},
		{LINE_INVOICE_ID, INVOICE_INVOICE_ID},
		{LINE_CURRENCY, INVOICE_CURRENCY},
	};
	const BundleLine *line = &bundle->lines[number];

	if (row_integer(&line->row, LINE_LINE_NO) != (int64_t) number + 1)
		return verdict_refute(verdict, line->place.text, "line_no is %lld, not %zu",
							  (long long) row_integer(&line->row, LINE_LINE_NO), number + 1);
	return check_pairs(&line->row, &bundle->invoice.row, PAIRS(pairs), &line->place, "the invoice", verdict);
}

static bool
check_totals(const Bundle *bundle, Verdict *verdict)
{
	const Row *invoice = &bundle->invoice.row;
	const char *place = bundle->invoice.place.text;
	int64_t subtotal = 0;
	int64_t total;

	for (size_t i = 0; i < bundle->line_count; i++)
		if (__builtin_add_overflow(subtotal, row_integer(&bundle->lines[i].row, LINE_AMOUNT_MINOR),
								   &subtotal))
			return verdict_refute(verdict, place, "the lines add up to more than an amount can be");
	if (subtotal != row_integer(invoice, INVOICE_SUBTOTAL_MINOR))
		return verdict_refute(verdict, place, "subtotal_minor is %lld, but the lines add up to %lld",
							  (long long) row_integer(invoice, INVOICE_SUBTOTAL_MINOR), (long long) subtotal);
	if (__builtin_add_overflow(subtotal, row_integer(invoice, INVOICE_TAX_MINOR), &total) ||
		total != row_integer(invoice, INVOICE_TOTAL_MINOR))
		return verdict_refute(verdict, place, "total_minor is not subtotal_minor + tax_minor");
	return true;
}

bool
invoice_check_document(const Bundle *bundle, DigestContext *digest, Verdict *verdict)
{
	if (!check_document_hash(bundle, digest, verdict) || !check_event(bundle, verdict))
		return false;
	if (bundle->line_count == 0 ||
		row_integer(&bundle->invoice.row, INVOICE_LINE_COUNT) != (int64_t) bundle->line_count)
		return verdict_refute(verdict, bundle->invoice.place.text, "line_count is not the number of lines");
	for (size_t i = 0; i < bundle->line_count; i++)
		if (!check_line_of_invoice(bundle, i, verdict))
			return false;
	return check_totals(bundle, verdict);
}

static bool
check_rated(const Bundle *bundle, const BundleLine *line, Verdict *verdict)
{
	static const Pair same[] = {
		{LINE_TENANT_ID, RATED_TENANT_ID},
		{LINE_RATED_LINE_ID, RATED_RATED_LINE_ID},
		{LINE_SUBSCRIPTION_ID, RATED_SUBSCRIPTION_ID},
		{LINE_PLAN_ID, RATED_PLAN_ID},
		{LINE_VERSION, RATED_VERSION},
		{LINE_CHARGE_ID, RATED_CHARGE_ID},
		{LINE_PERIOD_START, RATED_PERIOD_START},
		{LINE_PERIOD_END, RATED_PERIOD_END},
		{LINE_SHARE_DAYS, RATED_SHARE_DAYS},
		{LINE_SHARE_OF_DAYS, RATED_SHARE_OF_DAYS},
		{LINE_QUANTITY, RATED_QUANTITY},
		{LINE_RATED_MINOR, RATED_AMOUNT_MINOR},
		{LINE_CURRENCY, RATED_CURRENCY},
	};
	static const Pair account[] = {{RATED_ACCOUNT_ID, INVOICE_ACCOUNT_ID}};

	return check_pairs(&line->row, &line->rated.row, PAIRS(same), &line->place, "its rated line", verdict) &&
		   check_pairs(&line->rated.row, &bundle->invoice.row, PAIRS(account), &line->rated.place,
					   "the invoice", verdict);
}

/* What earlier invoices billed is theirs to show; here only that it is taken off. */
static bool
check_billed(const BundleLine *line, Verdict *verdict)
{
	int64_t billed = row_integer(&line->row, LINE_BILLED_MINOR);
	int64_t is_correction = row_integer(&line->row, LINE_IS_CORRECTION);
	int64_t amount;

	if (is_correction != 0 && is_correction != 1)
		return verdict_refute(verdict, line->place.text, "is_correction is neither true nor false");
	if (billed != 0 && is_correction == 0)
		return verdict_refute(verdict, line->place.text, "billed_minor of a line that is no correction");
	return (!__builtin_sub_overflow(row_integer(&line->row, LINE_RATED_MINOR), billed, &amount) &&
			amount == row_integer(&line->row, LINE_AMOUNT_MINOR)) ||
		   verdict_refute(verdict, line->place.text, "amount_minor is not rated_minor - billed_minor");
}

static bool
read_price(const Charge *charge, Price *price, Verdict *verdict)
{
	PriceError error;
	PriceMessage message;
	size_t length;
	char *canonical;
	PriceStatus status;

	if (json_canonical(charge->price, &canonical, &length) != JSON_OK)
		return verdict_machine(verdict, "no canonical form of the price");
	status = price_parse(canonical, length, price, &error);
	free(canonical);
	if (status == PRICE_OK)
		return true;
	if (status == PRICE_NO_MEMORY)
		return verdict_machine(verdict, "out of memory");
	price_error_message(&error, &message);
	return verdict_refute(verdict, charge->place.text, "%s", message.message);
}

static bool
check_amount(const Bundle *bundle, const BundleLine *line, const Charge *charge, Verdict *verdict)
{
	Fraction share = {row_integer(&line->row, LINE_SHARE_DAYS), row_integer(&line->row, LINE_SHARE_OF_DAYS)};
	int64_t exponent = row_integer(&bundle->invoice.row, INVOICE_EXPONENT);
	int64_t stated = row_integer(&line->row, LINE_RATED_MINOR);
	Decimal quantity = row_decimal(&line->row, LINE_QUANTITY);
	int64_t amount;
	Price price;

	if (exponent < 0 || exponent > DECIMAL_SCALE_MAX)
		return verdict_refute(verdict, bundle->invoice.place.text, "exponent is not from 0 to %d",
							  DECIMAL_SCALE_MAX);
	if (share.numerator < 0 || share.denominator < 1 || share.numerator > share.denominator)
		return verdict_refute(verdict, line->place.text, "share_days / share_of_days is no share");
	if (!read_price(charge, &price, verdict))
		return false;
	if (price_rate(&price, &quantity, share, (int) exponent, &amount) != PRICE_OK)
		return verdict_refute(verdict, line->place.text, "price x quantity x share is no amount");
	return amount == stated || verdict_refute(verdict, line->place.text,
											  "rated_minor is %lld, but price x quantity x share is %lld",
											  (long long) stated, (long long) amount);
}

/* The greatest window that the quantity of a line may draw on; 0 when it draws on none. */
static int64_t
last_window(const BundleLine *line, const Charge *charge)
{
	return charge->is_metered && row_integer(&line->row, LINE_SHARE_DAYS) != 0
			   ? row_integer(&line->rated.row, RATED_WINDOW_NO)
			   : 0;
}

static bool
check_line(const Bundle *bundle, const Terms *terms, size_t number, bool *plan_is_used, int64_t *window_no,
		   Verdict *verdict)
{
	const BundleLine *line = &bundle->lines[number];
	const Charge *charge;
	size_t plan;

	if (!check_rated(bundle, line, verdict) || !check_billed(line, verdict))
		return false;
	charge = terms_find(bundle, terms, line, &plan, verdict);
	if (charge == NULL)
		return false;
	plan_is_used[plan] = true;
	if (!row_same(&terms[plan].plan->leaf.row, PLAN_CURRENCY, &bundle->invoice.row, INVOICE_CURRENCY))
		return verdict_refute(verdict, line->place.text, "the plan has another currency than the invoice");
	if (last_window(line, charge) > *window_no)
		*window_no = last_window(line, charge);
	return counts_check_quantity(bundle, line, charge, verdict) &&
		   check_amount(bundle, line, charge, verdict);
}

static bool
check_need(const Bundle *bundle, const bool *plan_is_used, int64_t window_no, Verdict *verdict)
{
	const Leaf *last;

	for (size_t i = 0; i < bundle->plan_count; i++)
		if (!plan_is_used[i])
			return verdict_refute(verdict, bundle->plans[i].leaf.place.text, "a plan that no line names");
	if (bundle->window_count == 0)
		return true;
	last = &bundle->windows[bundle->window_count - 1].leaf;
	return row_integer(&last->row, WINDOW_WINDOW_NO) <= window_no ||
		   verdict_refute(verdict, last->place.text, "a window that no line draws on");
}

static bool
check_lines(const Bundle *bundle, const Terms *terms, bool *plan_is_used, Verdict *verdict)
{
	int64_t window_no = 0;

	for (size_t i = 0; i < bundle->window_count; i++)
		if (!row_same(&bundle->windows[i].leaf.row, WINDOW_TENANT_ID, &bundle->invoice.row,
					  INVOICE_TENANT_ID))
			return verdict_refute(verdict, bundle->windows[i].leaf.place.text,
								  "tenant_id is not that of the invoice");
	for (size_t i = 0; i < bundle->line_count; i++)
		if (!check_line(bundle, terms, i, plan_is_used, &window_no, verdict))
			return false;
	return check_need(bundle, plan_is_used, window_no, verdict);
}

bool
invoice_check_lines(const Bundle *bundle, const Terms *terms, Verdict *verdict)
{
	bool *plan_is_used = calloc(bundle->plan_count + 1, sizeof(bool));
	bool done;

	if (plan_is_used == NULL)
		return verdict_machine(verdict, "out of memory");
	done = check_lines(bundle, terms, plan_is_used, verdict);
	free(plan_is_used);
	return done;
}
