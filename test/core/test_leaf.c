/* The bytes of a leaf are a contract with whoever verifies it: each hash is checked against bytes written out. */
#include "leaf.h"
#include "test.h"

static void
check_leaf(DigestContext *context, const char *encoded, size_t length)
{
	uint8_t got[DIGEST_SIZE];
	uint8_t want[DIGEST_SIZE];

	CHECK_INT(leaf_end(context, got), DIGEST_OK);
	CHECK_INT(digest_sha256(encoded, length, want), DIGEST_OK);
	CHECK(memcmp(got, want, DIGEST_SIZE) == 0);
}

#define CHECK_LEAF(context, literal) check_leaf((context), (literal), sizeof(literal) - 1)

int
main(void)
{
	DigestContext *context;

	CHECK_INT(digest_create(&context), DIGEST_OK);
	CHECK_INT(leaf_begin(context, "usage"), DIGEST_OK);
	CHECK_LEAF(context, "\0billing/v1/usage\n");

	CHECK_INT(leaf_begin(context, "usage"), DIGEST_OK);
	CHECK_INT(leaf_column(context, 1, LEAF_TEXT, "gpu", 3), DIGEST_OK);
	CHECK_INT(leaf_integer(context, 2, LEAF_TIME, INT64_C(1767225600000000)), DIGEST_OK);
	CHECK_INT(leaf_column(context, 0x1234, LEAF_JSON, "{}", 2), DIGEST_OK);
	CHECK_LEAF(context, "\0billing/v1/usage\n"
						"\0\1\4\0\0\0\3gpu"
						"\0\2\2\0\0\0\10\x00\x06\x47\x48\x46\x20\x40\x00"
						"\x12\x34\5\0\0\0\2{}");

	/* A negative number, and empty text, which is not the same as no text. */
	CHECK_INT(leaf_begin(context, "x"), DIGEST_OK);
	CHECK_INT(leaf_integer(context, 1, LEAF_INTEGER, -2), DIGEST_OK);
	CHECK_INT(leaf_column(context, 2, LEAF_TEXT, "", 0), DIGEST_OK);
	CHECK_LEAF(context, "\0billing/v1/x\n"
						"\0\1\1\0\0\0\10\xff\xff\xff\xff\xff\xff\xff\xfe"
						"\0\2\4\0\0\0\0");

	CHECK_INT(leaf_column(context, 1, LEAF_TEXT, "", (size_t) UINT32_MAX + 1), DIGEST_TOO_LONG);
	digest_free(context);
	TEST_MAIN_END();
}
