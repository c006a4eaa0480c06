/* UUID layout by RFC 9562, strict order within one clock, and derived ids that depend on every part. */
#include "ids.h"
#include "test.h"

static void
check_uuid(const uint8_t uuid[UUID_SIZE], const char *want)
{
	char hex[2 * UUID_SIZE + 1];

	for (int i = 0; i < UUID_SIZE; i++)
		sprintf(hex + 2 * i, "%02x", uuid[i]);
	CHECK_STR(hex, want);
}

static void
test_v7(void)
{
	/* RFC 9562 appendix A.6: 2022-02-22 14:22:22 -05:00, rand_a 0xCC3, rand_b 0x18C4DC0C0C07398F. */
	static const uint8_t sample[UUID_RANDOM_SIZE] = {0x0C, 0xC3, 0x18, 0xC4, 0xDC,
													 0x0C, 0x0C, 0x07, 0x39, 0x8F};
	uint8_t ones[UUID_RANDOM_SIZE];
	uint8_t zeros[UUID_RANDOM_SIZE] = {0};
	uint8_t uuid[UUID_SIZE];

	memset(ones, 0xFF, sizeof(ones));
	CHECK(uuid_v7(INT64_C(0x017F22E279B0), sample, uuid));
	check_uuid(uuid, "017f22e279b07cc398c4dc0c0c07398f");
	CHECK(uuid_v7(UUID_V7_MILLISECONDS_MAX, ones, uuid));
	check_uuid(uuid, "ffffffffffff7fffbfffffffffffffff");
	CHECK(uuid_v7(0, zeros, uuid));
	check_uuid(uuid, "00000000000070008000000000000000");
	CHECK(!uuid_v7(-1, zeros, uuid));
	CHECK(!uuid_v7(UUID_V7_MILLISECONDS_MAX + 1, zeros, uuid));
}

/* Time stands still, then goes on, then steps back: every id is greater than the one before. */
static void
test_order(void)
{
	UuidClock clock = {0, 0};
	uint8_t random[UUID_RANDOM_SIZE];
	uint8_t before[UUID_SIZE] = {0};
	uint8_t uuid[UUID_SIZE];
	int64_t start = INT64_C(1700000000000);
	int out_of_order = 0;

	for (int i = 0; i < 30000; i++)
	{
		int64_t now = i < 10000 ? start : i < 20000 ? start + i / 10 : start - 5000;

		for (int j = 0; j < UUID_RANDOM_SIZE; j++)
			random[j] = (uint8_t) (i * 31 + j * 17 + 0x80);
		CHECK(uuid_v7_next(&clock, now, random, uuid));
		out_of_order += memcmp(before, uuid, UUID_SIZE) >= 0;
		out_of_order += uuid[6] >> 4 != 7 || uuid[8] >> 6 != 2;
		memcpy(before, uuid, UUID_SIZE);
	}
	CHECK_INT(out_of_order, 0);
	/* 10,000 ids with at least 2,048 a millisecond push the clock ahead by little. */
	CHECK(clock.milliseconds < start + 2000 + 10);
	clock = (UuidClock){UUID_V7_MILLISECONDS_MAX, 0xFFF};
	CHECK(!uuid_v7_next(&clock, start, random, uuid));
	CHECK(!uuid_v7_next(&clock, -1, random, uuid));
	CHECK_INT(clock.counter, 0xFFF);
}

#define PART(literal)                                                                                        \
	{                                                                                                        \
		literal, sizeof(literal) - 1                                                                         \
	}

static void
test_derived(void)
{
	static const DigestPart ab[] = {PART("a"), PART("b")};
	static const DigestPart joined[] = {PART("ab")};
	static const DigestPart null_part[] = {PART("a"), {NULL, 0}};
	static const char encoded[] = "\0\0\0\x12"
								  "billing/v1/invoice\0\0\0\1a\0\0\0\1b";
	DigestContext *context;
	uint8_t hash[DIGEST_SIZE];
	uint8_t first[UUID_SIZE];
	uint8_t other[UUID_SIZE];

	CHECK_INT(digest_create(&context), DIGEST_OK);
	CHECK_INT(uuid_derive(context, "invoice", ab, 2, first), DIGEST_OK);
	CHECK_INT(digest_sha256(encoded, sizeof(encoded) - 1, hash), DIGEST_OK);
	hash[6] = (uint8_t) (0x80 | (hash[6] & 0x0F));
	hash[8] = (uint8_t) (0x80 | (hash[8] & 0x3F));
	CHECK(memcmp(first, hash, UUID_SIZE) == 0);
	CHECK_INT(uuid_derive(context, "invoice", ab, 2, other), DIGEST_OK);
	CHECK(memcmp(first, other, UUID_SIZE) == 0);
	CHECK_INT(uuid_derive(context, "run", ab, 2, other), DIGEST_OK);
	CHECK(memcmp(first, other, UUID_SIZE) != 0);
	CHECK_INT(uuid_derive(context, "invoice", joined, 1, other), DIGEST_OK);
	CHECK(memcmp(first, other, UUID_SIZE) != 0);
	CHECK_INT(uuid_derive(context, "invoice", null_part, 2, other), DIGEST_OK);
	CHECK(memcmp(first, other, UUID_SIZE) != 0);
	CHECK_INT(uuid_derive(context, "invoice", NULL, 0, other), DIGEST_OK);
	CHECK(other[6] >> 4 == 8 && other[8] >> 6 == 2);
	digest_free(context);
}

int
main(void)
{
	test_v7();
	test_order();
	test_derived();
	TEST_MAIN_END();
}
