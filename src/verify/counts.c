#include "verify/counts.h"

#include "core/merkle.h"

#include <string.h>

#define DAY_MICROSECONDS INT64_C(86400000000)

static bool
refute_count(const BundleWindow *window, size_t number, Verdict *verdict, const char *text)
{
	return verdict_refute(verdict, window->leaf.place.text, "count %zu: %s", number, text);
}

static bool
is_aggregation(const Row *count)
{
	return row_is_text(count, COUNT_AGGREGATION, "sum") || row_is_text(count, COUNT_AGGREGATION, "count") ||
		   row_is_text(count, COUNT_AGGREGATION, "max") || row_is_text(count, COUNT_AGGREGATION, "latest");
}

/* Days are compared, not multiplied: a day may be any integer. */
static bool
is_within_day(int64_t time, int64_t day)
{
	int64_t number = time / DAY_MICROSECONDS - (time % DAY_MICROSECONDS < 0);

	return number == day;
}

/* They were found to be JSON when the row was read, so that only memory can be missing. */
static JsonDocument *
parse_dimensions(const Row *count, Verdict *verdict)
{
	Bytes text = count->columns[COUNT_DIMENSIONS];
	JsonDocument *document;

	if (json_parse((const char *) text.bytes, text.length, &document, NULL) != JSON_OK)
		verdict_machine(verdict, "out of memory");
	return document;
}

static bool
check_count(const BundleWindow *window, size_t number, Verdict *verdict)
{
	const Row *count = &window->counts[number];
	JsonDocument *dimensions = parse_dimensions(count, verdict);
	bool only_strings;

	if (dimensions == NULL)
		return false;
	only_strings = terms_only_strings(json_root(dimensions));
	json_free(dimensions);
	if (!only_strings)
		return refute_count(window, number, verdict, "dimensions are not an object of strings");
	if (!is_aggregation(count))
		return refute_count(window, number, verdict, "unknown aggregation");
	if (row_integer(count, COUNT_EVENTS) < 1)
		return refute_count(window, number, verdict, "no events");
	if (!is_within_day(row_integer(count, COUNT_LATEST_AT), row_integer(count, COUNT_DAY)))
		return refute_count(window, number, verdict, "latest_at is not within the day");
	return true;
}

static int
compare_bytes(Bytes left, Bytes right)
{
	size_t common = left.length < right.length ? left.length : right.length;
	int order = memcmp(left.bytes, right.bytes, common);

	return order != 0 ? order : (left.length > right.length) - (left.length < right.length);
}

static int
compare_counts(const Row *left, const Row *right)
{
	static const int columns[] = {COUNT_ACCOUNT_ID, COUNT_METER_ID, COUNT_DIMENSIONS};
	int64_t left_day = row_integer(left, COUNT_DAY);
	int64_t right_day = row_integer(right, COUNT_DAY);
	int order = (left_day > right_day) - (left_day < right_day);

	for (size_t i = 0; order == 0 && i < sizeof(columns) / sizeof(*columns); i++)
		order = compare_bytes(left->columns[columns[i]], right->columns[columns[i]]);
	return order;
}

static bool
check_counts_digest(const BundleWindow *window, DigestContext *digest, Verdict *verdict)
{
	MerkleFrontier frontier = {0};
	uint8_t hash[DIGEST_SIZE];
	MerkleStatus status = MERKLE_OK;

	for (size_t i = 0; status == MERKLE_OK && i < window->count; i++)
	{
		status =
			merkle_leaf_hash(digest, window->counts[i].canon.bytes, window->counts[i].canon.length, hash);
		if (status == MERKLE_OK)
			status = merkle_append(digest, &frontier, hash);
	}
	if (status == MERKLE_OK)
		status = merkle_root(digest, &frontier, hash);
	if (status != MERKLE_OK)
		return verdict_machine(verdict, merkle_status_text(status));
	return memcmp(hash, window->leaf.row.columns[WINDOW_COUNTS_DIGEST].bytes, DIGEST_SIZE) == 0 ||
		   verdict_refute(verdict, window->leaf.place.text, "the counts are not those of the counts_digest");
}

static bool
add_events(int64_t *events, const BundleWindow *window, size_t number, Verdict *verdict)
{
	return !__builtin_add_overflow(*events, row_integer(&window->counts[number], COUNT_EVENTS), events) ||
		   refute_count(window, number, verdict, "too many events");
}

/* The columns of the window that sum up its counts. */
static bool
check_window(const BundleWindow *window, Verdict *verdict)
{
	const Row *row = &window->leaf.row;
	const char *place = window->leaf.place.text;
	int64_t events = 0;

	if (window->count == 0)
		return verdict_refute(verdict, place, "a window without counts");
	for (size_t i = 0; i < window->count; i++)
	{
		if (!check_count(window, i, verdict) || !add_events(&events, window, i, verdict))
			return false;
		if (i > 0 && compare_counts(&window->counts[i - 1], &window->counts[i]) >= 0)
			return refute_count(window, i, verdict, "out of order");
	}
	if (events != row_integer(row, WINDOW_ROWS_PROCESSED))
		return verdict_refute(verdict, place, "rows_processed is not the number of events counted");
	if (!row_same(row, WINDOW_FIRST_DAY, &window->counts[0], COUNT_DAY) ||
		!row_same(row, WINDOW_LAST_DAY, &window->counts[window->count - 1], COUNT_DAY))
		return verdict_refute(verdict, place, "first_day and last_day are not those of the counts");
	return true;
}

/* That a window continues the one before. */
static bool
check_link(const BundleWindow *before, const BundleWindow *window, Verdict *verdict)
{
	const Row *row = &window->leaf.row;
	const char *place = window->leaf.place.text;

	if (row_integer(row, WINDOW_SEQUENCE) - 1 != row_integer(&before->leaf.row, WINDOW_SEQUENCE))
		return verdict_refute(verdict, place, "sequence %lld follows %lld",
							  (long long) row_integer(row, WINDOW_SEQUENCE),
							  (long long) row_integer(&before->leaf.row, WINDOW_SEQUENCE));
	if (row_integer(row, WINDOW_WINDOW_NO) <= row_integer(&before->leaf.row, WINDOW_WINDOW_NO))
		return verdict_refute(verdict, place, "window_no does not grow");
	return row_same(row, WINDOW_PREV_HASH, &before->leaf.row, WINDOW_SELF_HASH) ||
		   verdict_refute(verdict, place, "prev_hash is not the self_hash of the window before");
}

bool
counts_check(const Bundle *bundle, DigestContext *digest, uint64_t *counts, uint64_t *events,
			 Verdict *verdict)
{
	*counts = 0;
	*events = 0;
	for (size_t i = 0; i < bundle->window_count; i++)
	{
		const BundleWindow *window = &bundle->windows[i];

		if (row_integer(&window->leaf.row, WINDOW_SEQUENCE) < 1 ||
			row_integer(&window->leaf.row, WINDOW_WINDOW_NO) < 1)
			return verdict_refute(verdict, window->leaf.place.text, "sequence and window_no count from 1");
		if (!check_counts_digest(window, digest, verdict) || !check_window(window, verdict) ||
			(i > 0 && !check_link(window - 1, window, verdict)))
			return false;
		*counts += window->count;
		if (__builtin_add_overflow(*events, (uint64_t) row_integer(&window->leaf.row, WINDOW_ROWS_PROCESSED),
								   events))
			return verdict_refute(verdict, window->leaf.place.text, "too many events");
	}
	return true;
}

/* The value of counts by their aggregation; latest has every quantity that may be the latest. */
typedef struct Total
{
	const Row *first; /* NULL before the first count */
	Decimal value;
	size_t latest_count;
	const Row **latest;
} Total;

static bool
has_value(const JsonNode *object, const JsonNode *wanted)
{
	for (const JsonNode *member = object->first; member != NULL; member = member->next)
		if (member->key_length == wanted->key_length &&
			memcmp(member->key, wanted->key, wanted->key_length) == 0)
			return member->length == wanted->length &&
				   memcmp(member->text, wanted->text, wanted->length) == 0;
	return false;
}

/* dimensions @> filter; both are objects of strings. False, with the verdict, when memory is missing. */
static bool
passes_filter(const Row *count, const JsonNode *filter, Verdict *verdict)
{
	JsonDocument *dimensions;
	bool passes = true;

	if (filter->count == 0)
		return true;
	dimensions = parse_dimensions(count, verdict);
	if (dimensions == NULL)
		return false;
	for (const JsonNode *wanted = filter->first; passes && wanted != NULL; wanted = wanted->next)
		passes = has_value(json_root(dimensions), wanted);
	json_free(dimensions);
	return passes;
}

static bool
is_counted(const Row *count, const BundleLine *line, const Charge *charge, Verdict *verdict)
{
	Bytes meter = count->columns[COUNT_METER_ID];
	int64_t day = row_integer(count, COUNT_DAY);

	return meter.length == charge->meter.length &&
		   memcmp(meter.bytes, charge->meter.text, meter.length) == 0 &&
		   row_same(count, COUNT_ACCOUNT_ID, &line->rated.row, RATED_ACCOUNT_ID) &&
		   day >= row_integer(&line->row, LINE_PERIOD_START) &&
		   day < row_integer(&line->row, LINE_PERIOD_END) &&
		   day <= row_integer(&line->rated.row, RATED_RATED_ON) &&
		   passes_filter(count, charge->filter, verdict);
}

/*
 * Of one day and dimensions the later window's count replaces an equally late one; between dimensions nothing decides,
 * and any of them may be it.
 */
static void
add_latest(Total *total, const Row *count)
{
	int64_t newer = row_integer(count, COUNT_LATEST_AT);
	int64_t newest = total->latest_count == 0 ? newer : row_integer(total->latest[0], COUNT_LATEST_AT);

	if (newer < newest)
		return;
	if (newer > newest)
		total->latest_count = 0;
	for (size_t i = 0; i < total->latest_count; i++)
		if (row_same(total->latest[i], COUNT_DIMENSIONS, count, COUNT_DIMENSIONS))
		{
			total->latest[i] = count;
			return;
		}
	total->latest[total->latest_count++] = count;
}

static bool
add_count(Total *total, const Row *count, const BundleLine *line, Verdict *verdict)
{
	Decimal quantity = row_decimal(count, COUNT_QUANTITY);

	if (total->first == NULL)
		total->first = count;
	else if (!row_same(total->first, COUNT_AGGREGATION, count, COUNT_AGGREGATION))
		return verdict_refute(verdict, line->place.text, "counts with different aggregations");
	if (row_is_text(count, COUNT_AGGREGATION, "latest"))
		add_latest(total, count);
	else if (!row_is_text(count, COUNT_AGGREGATION, "max"))
		return decimal_add(&total->value, &quantity, &total->value) == DECIMAL_OK ||
			   verdict_refute(verdict, line->place.text, "counts that add up to more than a quantity can be");
	else if (total->first == count || decimal_compare(&quantity, &total->value) > 0)
		total->value = quantity;
	return true;
}

static bool
add_counts(const Bundle *bundle, const BundleLine *line, const Charge *charge, Total *total, Verdict *verdict)
{
	int64_t window_no = row_integer(&line->rated.row, RATED_WINDOW_NO);

	for (size_t i = 0; i < bundle->window_count; i++)
	{
		const BundleWindow *window = &bundle->windows[i];

		if (row_integer(&window->leaf.row, WINDOW_WINDOW_NO) > window_no)
			continue;
		for (size_t j = 0; j < window->count; j++)
			if (is_counted(&window->counts[j], line, charge, verdict) &&
				!add_count(total, &window->counts[j], line, verdict))
				return false;
	}
	return verdict->outcome == VERDICT_VALID;
}

static bool
is_total(const Total *total, const Decimal *quantity)
{
	for (size_t i = 0; i < total->latest_count; i++)
	{
		Decimal latest = row_decimal(total->latest[i], COUNT_QUANTITY);

		if (decimal_compare(&latest, quantity) == 0)
			return true;
	}
	return total->latest_count == 0 && decimal_compare(&total->value, quantity) == 0;
}

static bool
check_metered(const Bundle *bundle, const BundleLine *line, const Charge *charge, Verdict *verdict)
{
	Decimal quantity = row_decimal(&line->row, LINE_QUANTITY);
	Total total = {0};
	size_t counts = 0;
	char text[DECIMAL_TEXT_SIZE];
	bool done;

	for (size_t i = 0; i < bundle->window_count; i++)
		counts += bundle->windows[i].count;
	total.latest = calloc(counts + 1, sizeof(*total.latest));
	if (total.latest == NULL)
		return verdict_machine(verdict, "out of memory");
	done = add_counts(bundle, line, charge, &total, verdict);
	if (done && !is_total(&total, &quantity))
	{
		if (total.latest_count > 0)
			total.value = row_decimal(total.latest[0], COUNT_QUANTITY);
		decimal_format(&total.value, text);
		done = verdict_refute(verdict, line->place.text, "quantity %.*s, but the counts come to %s",
							  ROW_TEXT(&line->row, LINE_QUANTITY), text);
	}
	free(total.latest);
	return done;
}

bool
counts_check_quantity(const Bundle *bundle, const BundleLine *line, const Charge *charge, Verdict *verdict)
{
	bool fell_away = row_integer(&line->row, LINE_SHARE_DAYS) == 0;

	if (charge->is_metered && !fell_away)
		return check_metered(bundle, line, charge, verdict);
	return row_is_text(&line->row, LINE_QUANTITY, fell_away ? "0" : "1") ||
		   verdict_refute(verdict, line->place.text, "quantity %.*s of a charge without usage",
						  ROW_TEXT(&line->row, LINE_QUANTITY));
}
