/* SHA-256 against FIPS 180-4 examples, reuse of a context, and that lists of parts have one encoding each. */
#include "digest.h"
#include "test.h"

static void
check_hash(const uint8_t hash[DIGEST_SIZE], const char *want)
{
	char hex[2 * DIGEST_SIZE + 1];

	for (int i = 0; i < DIGEST_SIZE; i++)
		sprintf(hex + 2 * i, "%02x", hash[i]);
	CHECK_STR(hex, want);
}

static const struct
{
	const char *text;
	const char *want;
} hashes[] = {
	{"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
	{"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
	{"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
	 "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
};

static void
test_sha256(void)
{
	DigestContext *context;
	uint8_t hash[DIGEST_SIZE];

	CHECK_INT(digest_create(&context), DIGEST_OK);
	for (size_t i = 0; i < sizeof(hashes) / sizeof(hashes[0]); i++)
	{
		size_t length = strlen(hashes[i].text);

		CHECK_INT(digest_sha256(hashes[i].text, length, hash), DIGEST_OK);
		check_hash(hash, hashes[i].want);
		/* At once and in two pieces, each after a hash that was begun and given up. */
		CHECK_INT(digest_reset(context), DIGEST_OK);
		CHECK_INT(digest_update(context, "left over", 9), DIGEST_OK);
		CHECK_INT(digest_bytes(context, hashes[i].text, length, hash), DIGEST_OK);
		check_hash(hash, hashes[i].want);
		CHECK_INT(digest_reset(context), DIGEST_OK);
		CHECK_INT(digest_update(context, "left over", 9), DIGEST_OK);
		CHECK_INT(digest_reset(context), DIGEST_OK);
		CHECK_INT(digest_update(context, hashes[i].text, length / 2), DIGEST_OK);
		CHECK_INT(digest_update(context, hashes[i].text + length / 2, length - length / 2), DIGEST_OK);
		CHECK_INT(digest_final(context, hash), DIGEST_OK);
		check_hash(hash, hashes[i].want);
	}
	CHECK_INT(digest_sha256(NULL, 0, hash), DIGEST_OK);
	check_hash(hash, hashes[0].want);
	digest_free(context);
	digest_free(NULL);
}

/* Pieces of every length around what a context keeps back before it calls the library. */
static void
test_pieces(void)
{
	DigestContext *context;
	uint8_t bytes[2000];
	uint8_t want[DIGEST_SIZE];
	uint8_t hash[DIGEST_SIZE];

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t) (i * 7 + i / 256);
	CHECK_INT(digest_create(&context), DIGEST_OK);
	CHECK_INT(digest_sha256(bytes, sizeof(bytes), want), DIGEST_OK);
	for (size_t piece = 1; piece < 1100; piece++)
	{
		CHECK_INT(digest_reset(context), DIGEST_OK);
		for (size_t at = 0; at < sizeof(bytes); at += piece)
			CHECK_INT(
				digest_update(context, bytes + at, sizeof(bytes) - at < piece ? sizeof(bytes) - at : piece),
				DIGEST_OK);
		CHECK_INT(digest_final(context, hash), DIGEST_OK);
		CHECK(memcmp(hash, want, DIGEST_SIZE) == 0);
	}
	digest_free(context);
}

#define PART(literal)                                                                                        \
	{                                                                                                        \
		literal, sizeof(literal) - 1                                                                         \
	}

static const struct
{
	size_t count;
	DigestPart parts[3];
} lists[] = {
	{0, {{NULL, 0}}},
	{1, {{NULL, 0}}},
	{1, {PART("")}},
	{2, {PART(""), PART("")}},
	{2, {{NULL, 0}, {NULL, 0}}},
	{2, {PART(""), {NULL, 0}}},
	{2, {{NULL, 0}, PART("")}},
	{1, {PART("ab")}},
	{2, {PART("a"), PART("b")}},
	{2, {PART("ab"), PART("")}},
	{2, {PART(""), PART("ab")}},
	{1, {PART("\0\0\0\1a")}},
	{1, {PART("a")}},
	{1, {PART("\xff\xff\xff\xff")}},
	{3, {PART("a"), PART("b"), PART("c")}},
	{2, {PART("a"), PART("bc")}},
};

/* Lists that differ in any way hash differently; the same list always hashes the same. */
static void
test_parts(void)
{
	enum
	{
		COUNT = sizeof(lists) / sizeof(lists[0])
	};
	uint8_t found[COUNT][DIGEST_SIZE];
	uint8_t again[DIGEST_SIZE];
	DigestContext *context;

	CHECK_INT(digest_create(&context), DIGEST_OK);
	for (size_t i = 0; i < COUNT; i++)
	{
		CHECK_INT(digest_parts(context, lists[i].parts, lists[i].count, found[i]), DIGEST_OK);
		CHECK_INT(digest_parts(context, lists[i].parts, lists[i].count, again), DIGEST_OK);
		CHECK(memcmp(found[i], again, DIGEST_SIZE) == 0);
		for (size_t j = 0; j < i; j++)
			CHECK(memcmp(found[i], found[j], DIGEST_SIZE) != 0);
	}
	digest_free(context);
}

/* The bytes hashed are the contract: another program must be able to repeat them. */
static void
test_encoding(void)
{
	static const char encoded[] = "\0\0\0\2ab\xff\xff\xff\xff\0\0\0\0\0\0\1\0";
	static const DigestPart too_long = {"", UINT32_MAX};
	char long_part[256];
	char whole[sizeof(encoded) - 1 + sizeof(long_part)];
	DigestPart parts[] = {PART("ab"), {NULL, 5}, PART(""), {long_part, sizeof(long_part)}};
	DigestContext *context;
	uint8_t got[DIGEST_SIZE];
	uint8_t want[DIGEST_SIZE];

	memset(long_part, 'x', sizeof(long_part));
	memcpy(whole, encoded, sizeof(encoded) - 1);
	memcpy(whole + sizeof(encoded) - 1, long_part, sizeof(long_part));
	CHECK_INT(digest_create(&context), DIGEST_OK);
	CHECK_INT(digest_parts(context, parts, 4, got), DIGEST_OK);
	CHECK_INT(digest_sha256(whole, sizeof(whole), want), DIGEST_OK);
	CHECK(memcmp(got, want, DIGEST_SIZE) == 0);
	CHECK_INT(digest_update_part(context, too_long), DIGEST_TOO_LONG);
	CHECK_INT(digest_parts(context, &too_long, 1, got), DIGEST_TOO_LONG);
	digest_free(context);
}

int
main(void)
{
	test_sha256();
	test_pieces();
	test_parts();
	test_encoding();
	TEST_MAIN_END();
}
