#include <stdlib.h>

#include "split.h"
#include "test.h"

#define PARTS_MAX 6

typedef struct SplitCase
{
	int64_t total;
	size_t count;
	uint64_t weights[PARTS_MAX];
	SplitStatus status;
	int64_t parts[PARTS_MAX];
} SplitCase;

static const SplitCase cases[] = {
	{100, 3, {1, 1, 1}, SPLIT_OK, {34, 33, 33}},
	{-100, 3, {1, 1, 1}, SPLIT_OK, {-34, -33, -33}},
	{101, 3, {1, 1, 1}, SPLIT_OK, {34, 34, 33}},
	{0, 3, {1, 2, 3}, SPLIT_OK, {0, 0, 0}},
	{7, 1, {9}, SPLIT_OK, {7}},
	{1, 3, {0, 1, 1}, SPLIT_OK, {0, 1, 0}},
	{5, 3, {0, 0, 2}, SPLIT_OK, {0, 0, 5}},
	{10, 3, {50, 30, 20}, SPLIT_OK, {5, 3, 2}},
	/* 1.5, 4.5 and 4.0: one unit, the tie goes to the earlier. */
	{10, 3, {3, 9, 8}, SPLIT_OK, {2, 4, 4}},
	/* 0.2, 0.3, 0.5: the largest remainder, not the first part. */
	{1, 3, {2, 3, 5}, SPLIT_OK, {0, 0, 1}},
	{INT64_MAX, 2, {1, 1}, SPLIT_OK, {INT64_MAX / 2 + 1, INT64_MAX / 2}},
	{INT64_MIN, 2, {1, 1}, SPLIT_OK, {INT64_MIN / 2, INT64_MIN / 2}},
	{INT64_MIN, 1, {UINT64_MAX}, SPLIT_OK, {INT64_MIN}},
	{INT64_MAX, 2, {UINT64_MAX - 1, 1}, SPLIT_OK, {INT64_MAX, 0}},
	{1, 2, {UINT64_MAX, 1}, SPLIT_OVERFLOW, {0}},
	{1, 2, {0, 0}, SPLIT_NO_WEIGHT, {0}},
	{1, 0, {0}, SPLIT_NO_WEIGHT, {0}},
};

static void
test_cases(void)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		const SplitCase *row = &cases[i];
		int64_t parts[PARTS_MAX] = {0};

		CHECK_INT(split_amount(row->total, row->weights, row->count, parts), row->status);
		for (size_t part = 0; part < row->count; part++)
			CHECK_INT(parts[part], row->parts[part]);
	}
}

static uint64_t random_state;

/* SplitMix64. */
static uint64_t
random_next(void)
{
	uint64_t mixed = random_state += UINT64_C(0x9E3779B97F4A7C15);

	mixed = (mixed ^ (mixed >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
	mixed = (mixed ^ (mixed >> 27)) * UINT64_C(0x94D049BB133111EB);
	return mixed ^ (mixed >> 31);
}

/*
 * The definition, one unit at a time: the slow way that needs no threshold.
 * The numbers are small, so plain arithmetic is exact.
 */
static void
split_slowly(int64_t total, const uint64_t *weights, size_t count, int64_t *parts)
{
	int64_t sum = 0;
	int64_t left = total;
	int64_t remainders[PARTS_MAX];

	for (size_t i = 0; i < count; i++)
		sum += (int64_t) weights[i];
	for (size_t i = 0; i < count; i++)
	{
		parts[i] = total * (int64_t) weights[i] / sum;
		remainders[i] = total * (int64_t) weights[i] % sum;
		left -= parts[i];
	}
	for (; left > 0; left--)
	{
		size_t best = 0;

		for (size_t i = 1; i < count; i++)
			if (remainders[i] > remainders[best])
				best = i;
		parts[best]++;
		remainders[best] = -1;
	}
}

static void
test_against_definition(void)
{
	for (int round = 0; round < 20000; round++)
	{
		size_t count = 1 + random_next() % PARTS_MAX;
		int64_t total = (int64_t) (random_next() % 1000);
		uint64_t weights[PARTS_MAX];
		int64_t parts[PARTS_MAX];
		int64_t mirrored[PARTS_MAX];
		int64_t wanted[PARTS_MAX];
		int agree = 1;

		for (size_t i = 0; i < count; i++)
			weights[i] = random_next() % 7;
		weights[random_next() % count] += 1;
		CHECK_INT(split_amount(total, weights, count, parts), SPLIT_OK);
		CHECK_INT(split_amount(-total, weights, count, mirrored), SPLIT_OK);
		split_slowly(total, weights, count, wanted);
		for (size_t i = 0; i < count; i++)
			agree &= parts[i] == wanted[i] && mirrored[i] == -wanted[i];
		CHECK(agree);
	}
}

/* Any totals and weights: the parts add up. */
static void
test_sums(void)
{
	for (int round = 0; round < 20000; round++)
	{
		size_t count = 1 + random_next() % PARTS_MAX;
		int64_t total = (int64_t) (random_next() >> (random_next() % 64));
		uint64_t weights[PARTS_MAX];
		int64_t parts[PARTS_MAX];
		__int128 sum = 0;

		for (size_t i = 0; i < count; i++)
			weights[i] = random_next() >> (3 + random_next() % 61);
		weights[0] += 1;
		CHECK_INT(split_amount(total, weights, count, parts), SPLIT_OK);
		for (size_t i = 0; i < count; i++)
			sum += parts[i];
		CHECK(sum == total);
	}
}

int
main(int argc, char **argv)
{
	random_state = argc > 1 ? strtoull(argv[1], NULL, 10) : 20260101;
	printf("seed %" PRIu64 "\n", random_state);
	test_cases();
	test_against_definition();
	test_sums();
	TEST_MAIN_END();
}
