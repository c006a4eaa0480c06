/* Ed25519 against RFC 8032 7.1, and that nothing but the key's own signature of the message verifies. */
#include "signature.h"
#include "vectors.h"

static void
check_vector(const uint8_t *seed, const uint8_t *public_key, const uint8_t *message, size_t length,
			 const uint8_t *signature)
{
	uint8_t got[SIGNATURE_SIZE];

	CHECK_INT(signature_public_key(seed, got), SIGNATURE_OK);
	CHECK(memcmp(got, public_key, SIGNATURE_KEY_SIZE) == 0);
	CHECK_INT(signature_sign(seed, message, length, got), SIGNATURE_OK);
	CHECK(memcmp(got, signature, SIGNATURE_SIZE) == 0);
	CHECK_INT(signature_verify(public_key, message, length, signature), SIGNATURE_OK);
	CHECK_INT(signature_verify(public_key, message, length + 1, signature), SIGNATURE_REFUSED);
}

static void
test_vectors(void)
{
	static uint8_t message[2048];
	JsonDocument *document = vectors_read("rfc8032_section7_1.json");
	uint8_t seed[SIGNATURE_SEED_SIZE];
	uint8_t public_key[SIGNATURE_KEY_SIZE];
	uint8_t signature[SIGNATURE_SIZE];
	size_t count = 0;

	if (document == NULL)
		return;
	for (const JsonNode *vector = json_root(document)->first; vector != NULL; vector = vector->next, count++)
	{
		size_t length = vectors_hex(json_member(vector, "message")->text, message);

		CHECK_INT(vectors_hex(json_member(vector, "seed")->text, seed), sizeof(seed));
		CHECK_INT(vectors_hex(json_member(vector, "public")->text, public_key), sizeof(public_key));
		CHECK_INT(vectors_hex(json_member(vector, "signature")->text, signature), sizeof(signature));
		message[length] = 0;
		check_vector(seed, public_key, message, length, signature);
	}
	CHECK(count >= 4);
	printf("%zu RFC 8032 vectors\n", count);
	json_free(document);
}

/* RFC 8032 7.1, TEST 2, so that a run without DATA checks one too; then every bit of its parts flipped. */
static void
test_one_bit(void)
{
	uint8_t seed[SIGNATURE_SEED_SIZE];
	uint8_t public_key[SIGNATURE_KEY_SIZE];
	uint8_t signature[SIGNATURE_SIZE];
	uint8_t message[2] = {0x72};

	vectors_hex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb", seed);
	vectors_hex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", public_key);
	vectors_hex("92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
				"085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
				signature);
	check_vector(seed, public_key, message, 1, signature);
	for (unsigned bit = 0; bit < SIGNATURE_SIZE * 8; bit++)
	{
		signature[bit / 8] ^= (uint8_t) (1 << bit % 8);
		CHECK_INT(signature_verify(public_key, message, 1, signature), SIGNATURE_REFUSED);
		signature[bit / 8] ^= (uint8_t) (1 << bit % 8);
	}
	for (unsigned bit = 0; bit < SIGNATURE_KEY_SIZE * 8; bit++)
	{
		public_key[bit / 8] ^= (uint8_t) (1 << bit % 8);
		CHECK_INT(signature_verify(public_key, message, 1, signature), SIGNATURE_REFUSED);
		public_key[bit / 8] ^= (uint8_t) (1 << bit % 8);
	}
	for (unsigned bit = 0; bit < 8; bit++)
	{
		message[0] = (uint8_t) (0x72 ^ 1 << bit);
		CHECK_INT(signature_verify(public_key, message, 1, signature), SIGNATURE_REFUSED);
	}
	CHECK_INT(signature_verify(public_key, NULL, 0, signature), SIGNATURE_REFUSED);
}

/* A signature whose S is not below the group's order L is another form of one that is (RFC 8032 5.1.7). */
static void
test_malleable(void)
{
	static const uint8_t order[32] = {0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7,
									  0xa2, 0xde, 0xf9, 0xde, 0x14, 0,	  0,	0,	  0,	0,	  0,
									  0,	0,	  0,	0,	  0,	0,	  0,	0,	  0,	0x10};
	static const uint8_t seed[SIGNATURE_SEED_SIZE] = {1};
	uint8_t public_key[SIGNATURE_KEY_SIZE];
	uint8_t signature[SIGNATURE_SIZE];
	unsigned carry = 0;

	CHECK_INT(signature_public_key(seed, public_key), SIGNATURE_OK);
	CHECK_INT(signature_sign(seed, "m", 1, signature), SIGNATURE_OK);
	CHECK_INT(signature_verify(public_key, "m", 1, signature), SIGNATURE_OK);
	for (unsigned i = 0; i < 32; i++)
	{
		carry += (unsigned) signature[32 + i] + order[i];
		signature[32 + i] = (uint8_t) carry;
		carry >>= 8;
	}
	CHECK_INT(signature_verify(public_key, "m", 1, signature), SIGNATURE_REFUSED);
}

/* y of the points whose order divides 8, with either sign of x, and encodings of y at or past 2^255 - 19. */
static void
test_weak_keys(void)
{
	static const char *const weak[] = {
		"0100000000000000000000000000000000000000000000000000000000000000",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"0000000000000000000000000000000000000000000000000000000000000000",
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	};
	uint8_t key[SIGNATURE_KEY_SIZE];
	/* R the neutral point, S zero: holds for every message under the first key, by the equation alone. */
	uint8_t signature[SIGNATURE_SIZE] = {1};

	for (size_t i = 0; i < sizeof(weak) / sizeof(weak[0]); i++)
	{
		vectors_hex(weak[i], key);
		CHECK_INT(signature_check_key(key), SIGNATURE_WEAK_KEY);
		CHECK_INT(signature_verify(key, "any", 3, signature), SIGNATURE_WEAK_KEY);
		key[31] |= 0x80;
		CHECK_INT(signature_check_key(key), SIGNATURE_WEAK_KEY);
	}
	/* The largest y but one is reduced and of large order, or at least not of these. */
	vectors_hex("ebffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", key);
	CHECK_INT(signature_check_key(key), SIGNATURE_OK);
	/* y = 2 is on no point of the curve. */
	memset(key, 0, sizeof(key));
	key[0] = 2;
	CHECK_INT(signature_verify(key, "any", 3, signature), SIGNATURE_REFUSED);
}

int
main(void)
{
	test_vectors();
	test_one_bit();
	test_malleable();
	test_weak_keys();
	TEST_MAIN_END();
}
