/*
 * Every allocation and every call of the crypto library behind a hash, a derived id and a leaf fails once, the first,
 * the second and so on, until a run needs no more: each must be reported and leave nothing behind. The sources are
 * compiled in under other names, with counting calls.
 */
#include "faults.h"

#define digest_create faulty_digest_create
#define digest_reset faulty_digest_reset
#define digest_update faulty_digest_update
#define digest_update_part faulty_digest_update_part
#define digest_final faulty_digest_final
#define digest_free faulty_digest_free
#define digest_bytes faulty_digest_bytes
#define digest_sha256 faulty_digest_sha256
#define digest_parts faulty_digest_parts
#define uuid_v7 faulty_uuid_v7
#define uuid_v7_next faulty_uuid_v7_next
#define uuid_derive faulty_uuid_derive
#define leaf_begin faulty_leaf_begin
#define leaf_column faulty_leaf_column
#define leaf_integer faulty_leaf_integer
#define leaf_end faulty_leaf_end

#include "../../src/core/digest.c"
#include "../../src/core/ids.c"
#include "../../src/core/leaf.c"

#include "test.h"

typedef struct Results
{
	uint8_t hash[DIGEST_SIZE];
	uint8_t parts[DIGEST_SIZE];
	uint8_t id[UUID_SIZE];
	uint8_t leaf[DIGEST_SIZE];
	uint8_t pieces[DIGEST_SIZE];
} Results;

static DigestStatus
run(Results *results)
{
	static const char bytes[PENDING_SIZE + 1];
	static const DigestPart parts[] = {{"a", 1}, {NULL, 0}, {"", 0}};
	/* Less than the context keeps back, more than is left of that, and more than it keeps back at all. */
	static const DigestPart pieces[] = {{bytes, 1}, {bytes, PENDING_SIZE}, {bytes, PENDING_SIZE + 1}};
	DigestContext *context;
	DigestStatus status = digest_create(&context);

	if (status != DIGEST_OK)
	{
		CHECK(context == NULL);
		return status;
	}
	status = digest_sha256("abc", 3, results->hash);
	if (status == DIGEST_OK)
		status = digest_parts(context, parts, 3, results->parts);
	if (status == DIGEST_OK)
		status = uuid_derive(context, "kind", parts, 3, results->id);
	if (status == DIGEST_OK)
		status = leaf_begin(context, "kind");
	if (status == DIGEST_OK)
		status = leaf_column(context, 1, LEAF_TEXT, "a", 1);
	if (status == DIGEST_OK)
		status = leaf_integer(context, 2, LEAF_TIME, 7);
	if (status == DIGEST_OK)
		status = leaf_end(context, results->leaf);
	if (status == DIGEST_OK)
		status = digest_parts(context, pieces, 3, results->pieces);
	digest_free(context);
	return status;
}

int
main(void)
{
	Results want = {0};
	Results got = {0};
	long failing = 0;
	DigestStatus status;

	CHECK_INT(run(&want), DIGEST_OK);
	do
	{
		faults_begin(failing++, false);
		status = run(&got);
		CHECK(status == DIGEST_OK || status == DIGEST_NO_MEMORY || status == DIGEST_FAILED);
	} while (faults_end());
	CHECK_INT(status, DIGEST_OK);
	CHECK(memcmp(&want, &got, sizeof(want)) == 0);
	CHECK(failing > 20);
	printf("%ld calls failed in turn\n", failing - 1);
	TEST_MAIN_END();
}
