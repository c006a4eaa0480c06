/*
 * The JSON reader and the canonical form: what is accepted, each refusal with its offset, and the RFC 8785 vectors of
 * $DATA/oracles (skipped aloud when DATA is not set).
 */
#include "json.h"
#include "test.h"

#include <stdlib.h>

#define BYTES(literal) literal, sizeof(literal) - 1

typedef struct Refusal
{
	const char *text;
	size_t length;
	JsonStatus status;
	size_t offset;
} Refusal;

static const Refusal refusals[] = {
	{BYTES(""), JSON_UNEXPECTED_END, 0},
	{BYTES("  "), JSON_UNEXPECTED_END, 2},
	{BYTES("["), JSON_UNEXPECTED_END, 1},
	{BYTES("[1"), JSON_UNEXPECTED_END, 2},
	{BYTES("[1,"), JSON_UNEXPECTED_END, 3},
	{BYTES("{\"a\""), JSON_UNEXPECTED_END, 4},
	{BYTES("{\"a\":"), JSON_UNEXPECTED_END, 5},
	{BYTES("{\"a\":1"), JSON_UNEXPECTED_END, 6},
	{BYTES("\"abc"), JSON_UNEXPECTED_END, 4},
	{BYTES("\"abc\\"), JSON_UNEXPECTED_END, 5},
	{BYTES("\"\\u12"), JSON_UNEXPECTED_END, 5},
	{BYTES("tru"), JSON_UNEXPECTED_END, 3},
	{BYTES("-"), JSON_UNEXPECTED_END, 1},
	{BYTES("1."), JSON_UNEXPECTED_END, 2},
	{BYTES("1e+"), JSON_UNEXPECTED_END, 3},
	{BYTES("nul1"), JSON_UNEXPECTED_BYTE, 3},
	{BYTES("NaN"), JSON_UNEXPECTED_BYTE, 0},
	{BYTES("+1"), JSON_UNEXPECTED_BYTE, 0},
	{BYTES(".5"), JSON_UNEXPECTED_BYTE, 0},
	{BYTES("[1,]"), JSON_UNEXPECTED_BYTE, 3},
	{BYTES("[,1]"), JSON_UNEXPECTED_BYTE, 1},
	{BYTES("[1 2]"), JSON_UNEXPECTED_BYTE, 3},
	{BYTES("[1}"), JSON_UNEXPECTED_BYTE, 2},
	{BYTES("{\"a\":1,}"), JSON_UNEXPECTED_BYTE, 7},
	{BYTES("{a:1}"), JSON_UNEXPECTED_BYTE, 1},
	{BYTES("{\"a\" 1}"), JSON_UNEXPECTED_BYTE, 5},
	{BYTES("'a'"), JSON_UNEXPECTED_BYTE, 0},
	{BYTES("\xEF\xBB\xBF{}"), JSON_UNEXPECTED_BYTE, 0},
	{BYTES("\0"), JSON_UNEXPECTED_BYTE, 0},
	{BYTES("\f1"), JSON_UNEXPECTED_BYTE, 0},
	{BYTES("1 2"), JSON_TRAILING_BYTES, 2},
	{BYTES("{}\0"), JSON_TRAILING_BYTES, 2},
	{BYTES("1a"), JSON_TRAILING_BYTES, 1},
	{BYTES("-a"), JSON_INVALID_NUMBER, 1},
	{BYTES("1.e5"), JSON_INVALID_NUMBER, 2},
	{BYTES("1e-x"), JSON_INVALID_NUMBER, 3},
	{BYTES("[01]"), JSON_LEADING_ZERO, 1},
	{BYTES("-00.1"), JSON_LEADING_ZERO, 1},
	{BYTES("\"a\nb\""), JSON_CONTROL_CHARACTER, 2},
	{BYTES("\"\x1f\""), JSON_CONTROL_CHARACTER, 1},
	{BYTES("\"\0\""), JSON_CONTROL_CHARACTER, 1},
	{BYTES("\"a\\x\""), JSON_INVALID_ESCAPE, 2},
	{BYTES("\"\\\0\""), JSON_INVALID_ESCAPE, 1},
	{BYTES("\"\\u12G4\""), JSON_INVALID_ESCAPE, 1},
	{BYTES("\"\\ud834\\u12 4\""), JSON_INVALID_ESCAPE, 7},
	{BYTES("\"\\ud834\""), JSON_LONE_SURROGATE, 1},
	{BYTES("\"\\udd1e\""), JSON_LONE_SURROGATE, 1},
	{BYTES("\"\\udbff\\ue000\""), JSON_LONE_SURROGATE, 1},
	{BYTES("\"\\ud800\\ud800\""), JSON_LONE_SURROGATE, 1},
	{BYTES("\"\\ud800"), JSON_LONE_SURROGATE, 1},
	{BYTES("\"a\x80\""), JSON_INVALID_UTF8, 2},
	{BYTES("\"\xC1\xBF\""), JSON_INVALID_UTF8, 1},
	{BYTES("\"\xE0\x9F\xBF\""), JSON_INVALID_UTF8, 1},
	{BYTES("\"\xED\xA0\x80\""), JSON_INVALID_UTF8, 1},
	{BYTES("\"\xF0\x8F\xBF\xBF\""), JSON_INVALID_UTF8, 1},
	{BYTES("\"\xF4\x90\x80\x80\""), JSON_INVALID_UTF8, 1},
	{BYTES("\"\xF5\x80\x80\x80\""), JSON_INVALID_UTF8, 1},
	{BYTES("\"\xE2\x82\""), JSON_INVALID_UTF8, 1},
	{BYTES("\"\xE2\x82"), JSON_INVALID_UTF8, 1},
	{BYTES("\"\xF0\x9F\x98\x41\""), JSON_INVALID_UTF8, 1},
	{BYTES("{\"\xFF\":1}"), JSON_INVALID_UTF8, 2},
	{BYTES("{\"a\":1,\"a\":1}"), JSON_DUPLICATE_KEY, 7},
	{BYTES("{\"a\":1,\"b\":2,\"\\u0061\":3}"), JSON_DUPLICATE_KEY, 13},
	{BYTES("{\"\":1,\"\":1}"), JSON_DUPLICATE_KEY, 6},
	{BYTES("[{\"x\":{\"k\":1,\"k\":2}}]"), JSON_DUPLICATE_KEY, 13},
};

static void
test_refusals(void)
{
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++)
	{
		const Refusal *refusal = &refusals[i];
		/* An exact copy on the heap, so that reading past the end is caught. */
		char *copy = malloc(refusal->length + (refusal->length == 0));
		JsonDocument *document;
		size_t offset = 999;
		JsonStatus status;

		memcpy(copy, refusal->text, refusal->length);
		status = json_parse(copy, refusal->length, &document, &offset);
		if (status != refusal->status || offset != refusal->offset)
			printf("case %zu: %s\n", i, refusal->text);
		CHECK_INT(status, refusal->status);
		CHECK_INT(offset, refusal->offset);
		CHECK(document == NULL);
		CHECK_INT(json_parse(copy, refusal->length, &document, NULL), refusal->status);
		json_free(document);
		free(copy);
	}
}

static void
test_depth(void)
{
	char text[2 * (JSON_DEPTH_MAX + 1)];
	JsonDocument *document;
	size_t offset;

	memset(text, '[', JSON_DEPTH_MAX + 1);
	memset(text + JSON_DEPTH_MAX + 1, ']', JSON_DEPTH_MAX + 1);
	CHECK_INT(json_parse(text + 1, 2 * JSON_DEPTH_MAX, &document, &offset), JSON_OK);
	json_free(document);
	CHECK_INT(json_parse(text, sizeof(text), &document, &offset), JSON_TOO_DEEP);
	CHECK_INT(offset, JSON_DEPTH_MAX);
}

static void
test_tree(void)
{
	static const char text[] =
		" {\"n\" : -1.50e+3 , \"s\":\"\\u0000\\ud83d\\ude02z\",\"a\":[true,false,null,{}],"
		"\"\":[]} \r\n\t";
	JsonDocument *document;
	const JsonNode *root;
	const JsonNode *node;

	CHECK_INT(json_parse(text, sizeof(text) - 1, &document, NULL), JSON_OK);
	root = json_root(document);
	CHECK_INT(root->type, JSON_OBJECT);
	CHECK_INT(root->count, 4);
	CHECK(root->key == NULL && root->next == NULL);
	node = json_member(root, "n");
	CHECK_INT(node->type, JSON_NUMBER);
	CHECK_STR(node->text, "-1.50e+3");
	CHECK_INT(node->length, 8);
	CHECK_STR(node->key, "n");
	node = json_member(root, "s");
	CHECK_INT(node->length, 6);
	CHECK(memcmp(node->text, "\0\xF0\x9F\x98\x82z", 7) == 0);
	node = json_member(root, "a");
	CHECK_INT(node->count, 4);
	CHECK_INT(node->first->type, JSON_TRUE);
	CHECK_INT(node->first->next->type, JSON_FALSE);
	CHECK_INT(node->first->next->next->type, JSON_NULL);
	CHECK_INT(node->first->next->next->next->type, JSON_OBJECT);
	CHECK(node->first->next->next->next->next == NULL);
	CHECK_INT(json_member(root, "")->type, JSON_ARRAY);
	CHECK(json_member(root, "x") == NULL);
	CHECK(json_member(node, "n") == NULL);
	CHECK(json_member(NULL, "n") == NULL);
	json_free(document);
	json_free(NULL);
}

/* More members than are compared pair by pair; with a repeated key at the end, or nowhere. */
static void
test_many_keys(void)
{
	char text[20000];
	size_t length = 0;
	size_t last = 0;
	JsonDocument *document;
	size_t offset;

	for (int i = 0; i < 1000; i++)
	{
		last = length;
		length += (size_t) sprintf(text + length, "%c\"k%d\":%d", i == 0 ? '{' : ',', i * 7919 % 1000, i);
	}
	text[length] = '}';
	CHECK_INT(json_parse(text, length + 1, &document, &offset), JSON_OK);
	CHECK_INT(json_root(document)->count, 1000);
	CHECK_STR(json_member(json_root(document), "k0")->text, "0");
	json_free(document);
	length += (size_t) sprintf(text + length, ",\"k%d\":0,\"k0\":0}", 999 * 7919 % 1000);
	CHECK_INT(json_parse(text, length, &document, &offset), JSON_DUPLICATE_KEY);
	CHECK(offset > last && text[offset] == '"' && text[offset - 1] == ',');
	CHECK_INT(offset, strstr(text, ":999,") - text + 5);
}

/* Parses, writes canonically and compares; a NULL expectation means the number is out of range. */
static void
check_canonical(const char *text, size_t length, const char *want, size_t want_length)
{
	JsonDocument *document;
	char *out;
	size_t out_length;
	JsonStatus status = json_parse(text, length, &document, NULL);

	CHECK_INT(status, JSON_OK);
	if (status != JSON_OK)
		return;
	status = json_canonical(json_root(document), &out, &out_length);
	CHECK_INT(status, want == NULL ? JSON_NUMBER_RANGE : JSON_OK);
	if (want == NULL)
		CHECK(out == NULL && out_length == 0);
	else
	{
		CHECK_INT(out_length, want_length);
		CHECK_STR(out, want);
	}
	free(out);
	json_free(document);
}

static const struct
{
	const char *text;
	const char *want;
} canonical_cases[] = {
	{" [ ] ", "[]"},
	{"{ }", "{}"},
	{"{\"b\":1,\"a\":[1 , {\"d\":null,\"c\":true}]}", "{\"a\":[1,{\"c\":true,\"d\":null}],\"b\":1}"},
	{"\"\\u0008\\u0009\\u000A\\u000c\\u000D\\u001f\\u0000\\/\\\"\\\\\\u007f\"",
	 "\"\\b\\t\\n\\f\\r\\u001f\\u0000/\\\"\\\\\x7f\""},
	/* U+FFFF before U+10000 in UTF-8 and code point order, after it in UTF-16. */
	{"{\"\\uffff\":1,\"\\ud800\\udc00\":2,\"\\ue000\":3,\"\\ud7ff\":4}",
	 "{\"\xED\x9F\xBF\":4,\"\xF0\x90\x80\x80\":2,\"\xEE\x80\x80\":3,\"\xEF\xBF\xBF\":1}"},
	{"{\"aa\":1,\"a\":2,\"\":3,\"a\\u0000\":4}", "{\"\":3,\"a\":2,\"a\\u0000\":4,\"aa\":1}"},
	{"1e309", NULL},
	{"[-1e309]", NULL},
	{"{\"a\":1e99999999999999999999}", NULL},
};

static void
test_canonical(void)
{
	for (size_t i = 0; i < sizeof(canonical_cases) / sizeof(canonical_cases[0]); i++)
	{
		const char *want = canonical_cases[i].want;

		check_canonical(canonical_cases[i].text, strlen(canonical_cases[i].text), want,
						want == NULL ? 0 : strlen(want));
	}
	CHECK(json_key_compare("a", 1, "a", 1) == 0);
	CHECK(json_key_compare("", 0, "a", 1) < 0);
	CHECK(json_key_compare("ab", 2, "a", 1) > 0);
	for (int status = JSON_OK; status <= JSON_NO_MEMORY; status++)
		CHECK(json_status_text((JsonStatus) status)[0] != '\0');
	CHECK_STR(json_status_text((JsonStatus) 1000), "unknown status");
}

static size_t
decode_base64(const char *text, char *out)
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	uint32_t bits = 0;
	int held = 0;
	size_t length = 0;

	for (; *text != '\0' && *text != '='; text++)
	{
		bits = bits << 6 | (uint32_t) (strchr(alphabet, *text) - alphabet);
		held += 6;
		if (held >= 8)
		{
			held -= 8;
			out[length++] = (char) (bits >> held);
		}
	}
	out[length] = '\0';
	return length;
}

static void
test_vectors(void)
{
	static char file[65536];
	char input[8192];
	char output[8192];
	char path[4096];
	const char *data = getenv("DATA");
	FILE *stream;
	JsonDocument *document;
	size_t length;

	if (data == NULL || data[0] == '\0')
	{
		printf("SKIPPED: the RFC 8785 vectors, because DATA is not set\n");
		return;
	}
	snprintf(path, sizeof(path), "%s/oracles/rfc8785_jcs.json", data);
	stream = fopen(path, "rb");
	CHECK(stream != NULL);
	if (stream == NULL)
		return;
	length = fread(file, 1, sizeof(file), stream);
	fclose(stream);
	CHECK_INT(json_parse(file, length, &document, NULL), JSON_OK);
	if (document == NULL)
		return;
	CHECK(json_root(document)->count > 0);
	for (const JsonNode *vector = json_root(document)->first; vector != NULL; vector = vector->next)
	{
		size_t input_length = decode_base64(json_member(vector, "input_b64")->text, input);
		size_t output_length = decode_base64(json_member(vector, "output_b64")->text, output);

		check_canonical(input, input_length, output, output_length);
	}
	printf("%zu RFC 8785 vectors\n", json_root(document)->count);
	json_free(document);
}

int
main(void)
{
	test_refusals();
	test_depth();
	test_tree();
	test_many_keys();
	test_canonical();
	test_vectors();
	TEST_MAIN_END();
}
