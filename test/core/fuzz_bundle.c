/*
 * libFuzzer: bytes as a document of billing-verify. Nothing but the two bundles of the corpus is valid under their key.
 * What comes after a check that fails is tried too, for a bundle that is signed by its maker's own key gets there.
 */
#define main verify_main
#include "../../src/verify/main.c"
#undef main

#include "verify/counts.h"
#include "verify/invoice.h"

extern int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
extern int LLVMFuzzerInitialize(int *count, char ***words);

static const char corpus_key[] =
	"example.com/billing/7301234567890123456/1+aeb64a78+AWoDhsftejz8CA60wq4CfX4QQwKEqpc3V/Ovj3mpyO2I";

/* SHA-256 of the corpus. */
static const uint8_t corpus_hashes[][DIGEST_SIZE] = {
	{0x6b, 0x1e, 0x29, 0xb8, 0xfd, 0x71, 0x79, 0xe0, 0x40, 0xd6, 0x8c, 0x0b, 0xfb, 0x67, 0x70, 0xef,
	 0x2c, 0xbf, 0x27, 0xf7, 0xb7, 0x03, 0xd1, 0xd6, 0x91, 0xfd, 0x70, 0x11, 0x2b, 0x5c, 0xc4, 0x76},
	{0x11, 0x7e, 0x9f, 0xaf, 0xd0, 0xb2, 0x44, 0x3a, 0x75, 0xe7, 0xc6, 0xd3, 0xb1, 0xd5, 0xe9, 0xa9,
	 0x35, 0xde, 0x08, 0xb8, 0x99, 0xfe, 0xd9, 0x75, 0x3d, 0x44, 0xdb, 0x98, 0xa6, 0x14, 0x41, 0x2e},
};

static void
require(bool holds)
{
	if (!holds)
		abort();
}

static bool
is_corpus(const uint8_t *data, size_t size)
{
	uint8_t hash[DIGEST_SIZE];

	require(digest_sha256(data, size, hash) == DIGEST_OK);
	for (size_t i = 0; i < sizeof(corpus_hashes) / sizeof(*corpus_hashes); i++)
		if (memcmp(hash, corpus_hashes[i], DIGEST_SIZE) == 0)
			return true;
	return false;
}

/* Each on its own, with a verdict of its own. */
static void
check_parts(DocumentBundle *element, DigestContext *digest)
{
	Verdict verdicts[7] = {{.outcome = VERDICT_VALID}};
	Bundle *bundle = &element->bundle;
	Terms *terms;

	log_check_leaves(bundle, NULL, digest, &element->facts, &verdicts[0]);
	log_check_consistency(bundle, digest, &element->facts, &verdicts[1]);
	invoice_check_document(bundle, digest, &verdicts[2]);
	counts_check(bundle, digest, &element->counts, &element->events, &verdicts[3]);
	if (!terms_read(bundle, digest, &terms, &verdicts[4]))
		return;
	invoice_check_lines(bundle, terms, &verdicts[5]);
	invoice_check_postings(bundle, terms, &verdicts[6]);
}

static VerdictOutcome
check(const char *bytes, size_t size, DigestContext *digest)
{
	Arguments arguments = {.key = corpus_key};
	Document document = {.json = NULL};
	Report report = {.document = &document};
	Verdict verdict = {.outcome = VERDICT_VALID};

	if (document_read(bytes, size, &document, &verdict))
	{
		check_document(&arguments, &document, digest, &report, &verdict);
		for (size_t i = 0; i < document.count; i++)
			check_parts(&document.bundles[i], digest);
		document_check_month(&document, &(Verdict){.outcome = VERDICT_VALID});
	}
	report_json(&report, &verdict);
	report_words(&report, &verdict);
	document_free(&document);
	return verdict.outcome;
}

/* The reports go nowhere. */
int
LLVMFuzzerInitialize(int *count, char ***words)
{
	(void) count;
	(void) words;
	require(freopen("/dev/null", "w", stdout) != NULL);
	return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *bytes = malloc(size + 1);
	DigestContext *digest = NULL;
	VerdictOutcome outcome;

	require(bytes != NULL && digest_create(&digest) == DIGEST_OK);
	memcpy(bytes, data, size);
	bytes[size] = '\0';
	outcome = check(bytes, size, digest);
	require(outcome == VERDICT_VALID || outcome == VERDICT_REFUTED || outcome == VERDICT_UNREADABLE);
	require((outcome == VERDICT_VALID) == is_corpus(data, size));
	digest_free(digest);
	free(bytes);
	return 0;
}
