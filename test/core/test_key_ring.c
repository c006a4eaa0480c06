#include "key_ring.h"

#include "test.h"

#define ZEROS "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
#define ONES "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="
#define LONG_ID "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static const struct
{
	const char *text;
	KeyRingStatus status;
	size_t count;
} rings[] = {
	{"k1 " ZEROS, KEY_RING_OK, 1},
	{"k1 " ZEROS "\n", KEY_RING_OK, 1},
	{"2026-11_b.x " ONES "\nK " ZEROS "\n", KEY_RING_OK, 2},
	{LONG_ID " " ONES "\n", KEY_RING_OK, 1},
	{LONG_ID "a " ONES "\n", KEY_RING_MALFORMED, 0},
	{"", KEY_RING_EMPTY, 0},
	{"\n", KEY_RING_MALFORMED, 0},
	{"k1 " ZEROS "\n\n", KEY_RING_MALFORMED, 0},
	{"k1 " ZEROS "\r\n", KEY_RING_MALFORMED, 0},
	{"k1  " ZEROS, KEY_RING_MALFORMED, 0},
	{"k1\t" ZEROS, KEY_RING_MALFORMED, 0},
	{" " ZEROS, KEY_RING_MALFORMED, 0},
	{"k1", KEY_RING_MALFORMED, 0},
	{"k1 ", KEY_RING_MALFORMED, 0},
	{"k\xC3\xB6 " ZEROS, KEY_RING_MALFORMED, 0},
	{"k1 AAAA", KEY_RING_MALFORMED, 0},
	{"k1 " ZEROS "A", KEY_RING_MALFORMED, 0},
	{"k1 AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB=", KEY_RING_MALFORMED, 0},
	{"k1 " ZEROS "\nk2 " ONES "\nk1 " ONES, KEY_RING_REPEATED, 0},
};

static void
test_rings(void)
{
	KeyRing ring;

	for (size_t i = 0; i < sizeof(rings) / sizeof(rings[0]); i++)
	{
		CHECK_INT(key_ring_parse(rings[i].text, strlen(rings[i].text), &ring), rings[i].status);
		CHECK_INT(ring.count, rings[i].count);
	}
	CHECK_INT(key_ring_parse("a " ZEROS "\nA " ONES, 2 + 44 + 1 + 2 + 44, &ring), KEY_RING_OK);
	CHECK_STR(ring.keys[0].id, "a");
	CHECK_INT(key_ring_find(&ring, "a")[31], 0);
	CHECK_INT(key_ring_find(&ring, "A")[31], 1);
	CHECK(key_ring_find(&ring, "b") == NULL);
	CHECK(key_ring_find(&ring, "") == NULL);
	key_ring_forget(&ring);
	CHECK(key_ring_find(&ring, "A") == NULL);
	CHECK_INT(ring.keys[1].key[0], 0);
}

static void
test_count(void)
{
	char text[(KEY_RING_KEYS_MAX + 1) * 47 + 1];
	KeyRing ring;

	for (int i = 0; i <= KEY_RING_KEYS_MAX; i++)
		snprintf(text + (size_t) i * 47, 48, "%c %s\n", 'a' + i, ZEROS);
	CHECK_INT(key_ring_parse(text, KEY_RING_KEYS_MAX * 47, &ring), KEY_RING_OK);
	CHECK_INT(ring.count, KEY_RING_KEYS_MAX);
	CHECK_INT(key_ring_parse(text, (KEY_RING_KEYS_MAX + 1) * 47, &ring), KEY_RING_TOO_MANY);
	CHECK_INT(ring.count, 0);
	for (int i = 0; i <= KEY_RING_REPEATED; i++)
		for (int j = 0; j < i; j++)
			CHECK(strcmp(key_ring_status_text(i), key_ring_status_text(j)) != 0);
	CHECK_STR(key_ring_status_text(KEY_RING_REPEATED + 1), "unknown");
}

int
main(void)
{
	test_rings();
	test_count();
	TEST_MAIN_END();
}
