/*
 * billing-verify: checks evidence bundles offline, and keeps a witness's record of checkpoints.
 */
#include "verify/check.h"
#include "verify/report.h"
#include "verify/witness.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static const char usage[] =
	"usage: billing-verify BUNDLE [--key VKEY] [--checkpoint NOTE [--proof FILE]] [--json]\n"
	"       billing-verify witness DIR --key VKEY [--proof FILE] [--sign KEYFILE --name NAME] < NOTE\n"
	"       billing-verify witness DIR --key VKEY --max-age SECONDS [--now TIME]\n"
	"\n"
	"BUNDLE is a document of billing.evidence() or billing.evidence_month(), or - for the standard input. "
	"VKEY is the log's verifier "
	"key, or a file\n"
	"with it; without it the bundle's own key is used, and told. NOTE is a checkpoint of the same log that "
	"you kept, FILE\n"
	"a consistency proof between the two: one hash in base64 on a line.\n"
	"\n"
	"witness accepts a checkpoint that continues the one it kept in DIR, keeps it, and cosigns it with the "
	"Ed25519 key in\n"
	"KEYFILE (PEM) under NAME.\n"
	"\n"
	"With --max-age it reads no note, and tells whether the one in DIR came at most SECONDS ago: the alarm "
	"when a log "
	"stops.\n"
	"Let that be twice the interval of its checkpoints. TIME is in seconds since 1970, and now unless "
	"given.\n"
	"\n"
	"Exit status: 0 valid, 1 refuted, 2 unreadable, 3 no new checkpoint in time, 64 called wrongly.\n";

typedef struct Arguments
{
	bool is_witness;
	bool wants_help;
	bool json;
	const char *operand; /* the bundle, or the directory */
	const char *key;
	const char *checkpoint;
	const char *proof;
	const char *seed;
	const char *name;
	const char *max_age;
	const char *now;
	WitnessAge age;
} Arguments;

/* Where an option is put, and which of the two calls has it. */
typedef struct Option
{
	const char *name;
	const char **value; /* NULL for a switch */
	bool *is_set;
	bool for_bundle;
	bool for_witness;
} Option;

static bool
read_option(const Option *options, size_t count, const Arguments *arguments, char **words, int *next,
			Verdict *verdict)
{
	const char *word = words[*next];
	size_t i = 0;

	while (i < count && strcmp(options[i].name, word) != 0)
		i++;
	if (i == count || !(arguments->is_witness ? options[i].for_witness : options[i].for_bundle))
		return verdict_usage(verdict, "unknown option \"%s\"", word);
	if (options[i].value == NULL)
	{
		*options[i].is_set = true;
		return true;
	}
	if (*options[i].value != NULL)
		return verdict_usage(verdict, "option \"%s\" is given twice", word);
	if (words[*next + 1] == NULL)
		return verdict_usage(verdict, "option \"%s\" has no value", word);
	*options[i].value = words[++*next];
	return true;
}

/* Seconds as decimal digits. */
static bool
read_seconds(const char *option, const char *text, int64_t *seconds, Verdict *verdict)
{
	size_t digits = strspn(text, "0123456789");

	if (digits == 0 || digits > 15 || text[digits] != '\0')
		return verdict_usage(verdict, "%s is no number of seconds: \"%s\"", option, text);
	*seconds = strtoll(text, NULL, 10);
	return true;
}

static bool
check_age_arguments(Arguments *arguments, Verdict *verdict)
{
	if (arguments->max_age == NULL)
		return arguments->now == NULL || verdict_usage(verdict, "--now needs --max-age");
	if (arguments->proof != NULL || arguments->seed != NULL)
		return verdict_usage(verdict, "with --max-age no note is read");
	arguments->age = (WitnessAge){arguments->operand, arguments->key, 0, (int64_t) time(NULL)};
	return read_seconds("--max-age", arguments->max_age, &arguments->age.most, verdict) &&
		   (arguments->now == NULL || read_seconds("--now", arguments->now, &arguments->age.now, verdict));
}

static bool
check_arguments(Arguments *arguments, Verdict *verdict)
{
	if (arguments->wants_help)
		return true;
	if (arguments->operand == NULL)
		return verdict_usage(verdict, arguments->is_witness ? "no directory" : "no bundle");
	if (arguments->is_witness && arguments->key == NULL)
		return verdict_usage(verdict, "a witness has to be told the log's key: --key");
	if ((arguments->seed == NULL) != (arguments->name == NULL))
		return verdict_usage(verdict, "--sign and --name go together");
	if (!arguments->is_witness && arguments->proof != NULL && arguments->checkpoint == NULL)
		return verdict_usage(verdict, "--proof needs --checkpoint");
	return check_age_arguments(arguments, verdict);
}

static bool
read_arguments(char **words, Arguments *arguments, Verdict *verdict)
{
	const Option options[] = {
		{"--key", &arguments->key, NULL, true, true},
		{"--checkpoint", &arguments->checkpoint, NULL, true, false},
		{"--proof", &arguments->proof, NULL, true, true},
		{"--sign", &arguments->seed, NULL, false, true},
		{"--name", &arguments->name, NULL, false, true},
		{"--max-age", &arguments->max_age, NULL, false, true},
		{"--now", &arguments->now, NULL, false, true},
		{"--json", NULL, &arguments->json, true, false},
		{"--help", NULL, &arguments->wants_help, true, true},
	};
	int next = 1;

	arguments->is_witness = words[0] != NULL && words[1] != NULL && strcmp(words[1], "witness") == 0;
	if (arguments->is_witness)
		next++;
	for (; words[next] != NULL; next++)
	{
		if (words[next][0] == '-' && words[next][1] != '\0')
		{
			if (!read_option(options, sizeof(options) / sizeof(*options), arguments, words, &next, verdict))
				return false;
		}
		else if (arguments->operand != NULL)
			return verdict_usage(verdict, "more than one operand: \"%s\"", words[next]);
		else
			arguments->operand = words[next];
	}
	return check_arguments(arguments, verdict);
}

static bool
check_kept(const Arguments *arguments, DigestContext *digest, const LogFacts *facts, Report *report,
		   Verdict *verdict)
{
	MerkleProof proof;
	Input kept;
	bool done;

	if (arguments->checkpoint == NULL)
		return true;
	if (arguments->proof != NULL && !log_read_proof(arguments->proof, &proof, verdict))
		return false;
	if (!input_read(arguments->checkpoint, &kept, verdict))
		return false;
	done = log_check_kept(facts, &kept, arguments->proof == NULL ? NULL : &proof, digest, verdict);
	free(kept.bytes);
	report->continues_kept = done;
	return done;
}

static bool
check_document(const Arguments *arguments, Document *document, DigestContext *digest, Report *report,
			   Verdict *verdict)
{
	NoteKey trusted;

	report->key_was_given = arguments->key != NULL;
	if (report->key_was_given && !input_read_key(arguments->key, &trusted, verdict))
		return false;
	for (size_t i = 0; i < document->count; i++)
		if (!check_bundle_log(&document->bundles[i], report->key_was_given ? &trusted : NULL, digest,
							  verdict))
			return false;
	if (!check_kept(arguments, digest, &document_newest(document)->facts, report, verdict))
		return false;
	for (size_t i = 0; i < document->count; i++)
		if (!check_bundle_invoice(&document->bundles[i], digest, verdict))
			return false;
	return document_check_month(document, verdict);
}

static void
verify(const Arguments *arguments, Verdict *verdict)
{
	Document document = {.json = NULL};
	Report report = {.document = &document};
	DigestContext *digest = NULL;
	Input input;

	if (digest_create(&digest) != DIGEST_OK)
		verdict_machine(verdict, "no SHA-256");
	else if (input_read(arguments->operand, &input, verdict))
	{
		if (document_read(input.bytes, input.length, &document, verdict))
			check_document(arguments, &document, digest, &report, verdict);
		free(input.bytes);
	}
	if (arguments->json)
		report_json(&report, verdict);
	else
		report_words(&report, verdict);
	document_free(&document);
	digest_free(digest);
}

static void
witness(const Arguments *arguments, Verdict *verdict)
{
	WitnessOptions options = {
		.directory = arguments->operand,
		.key = arguments->key,
		.proof_path = arguments->proof,
		.seed_path = arguments->seed,
		.name = arguments->name,
	};

	bool done = arguments->max_age == NULL ? witness_run(&options, verdict)
										   : witness_check_age(&arguments->age, verdict);
	const char *outcome = verdict->outcome == VERDICT_REFUTED ? "refused"
						  : verdict->outcome == VERDICT_STALE ? "stale"
															  : "unreadable";

	/* The standard output is for the cosignature. */
	if (!done)
		fprintf(stderr, "%s: %s%s%s\n", outcome, verdict->where, verdict->where[0] == '\0' ? "" : ": ",
				verdict->text);
}

int
main(int count, char **words)
{
	Arguments arguments = {.operand = NULL};
	Verdict verdict = {.outcome = VERDICT_VALID};

	(void) count;
	if (!read_arguments(words, &arguments, &verdict))
		fprintf(stderr, "billing-verify: %s\n%s", verdict.text, usage);
	else if (arguments.wants_help)
		fputs(usage, stdout);
	else if (arguments.is_witness)
		witness(&arguments, &verdict);
	else
		verify(&arguments, &verdict);
	/* A verdict that was not written was not given. */
	if (fflush(stdout) != 0 || ferror(stdout))
		return VERDICT_UNREADABLE;
	return (int) verdict.outcome;
}
