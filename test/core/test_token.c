/* Tokens: the examples of the RFCs, what is refused and with which status, issuing, and changes of a good one. */
#include "test.h"
#include "token_tools.h"

#include <stdlib.h>
#include <time.h>

#define NOW 1795000000
#define CLAIMS "{\"tenant\":\"acme\",\"role\":\"app\",\"exp\":1795000300}"

static TokenKeys keys;

static TextSpan
span(const char *text)
{
	return (TextSpan){text, strlen(text)};
}

static TokenStatus
verify(const char *token, TokenClaims *claims)
{
	return token_verify(span(token), &keys, NOW, span("billing"), claims);
}

static TokenStatus
verify_made(const TokenKey *key, const char *header, const char *payload)
{
	char token[TOOL_TOKEN_MAX];
	TokenClaims claims;

	tool_sign(key, header, payload, strlen(payload), token);
	return verify(token, &claims);
}

/* The inputs and signatures of RFC 7515 A.1 and RFC 8037 A.4. They have no kid, so they are no tokens of ours. */
static void
test_known_answers(void)
{
	static const char hs256[] =
		"eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9."
		"eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
	static const char hs256_signature[] = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
	static const char eddsa[] = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
	static const char eddsa_signature[] =
		"hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
	const TokenKey *h = token_key_find(&keys, span("h"));
	const TokenKey *e = token_key_find(&keys, span("e"));
	const TokenKey *p = token_key_find(&keys, span("p"));
	TokenClaims claims;
	char token[512];

	CHECK_INT(token_check_signature(h, span(hs256), span(hs256_signature)), TOKEN_OK);
	CHECK_INT(token_check_signature(e, span(eddsa), span(eddsa_signature)), TOKEN_OK);
	CHECK_INT(token_check_signature(p, span(eddsa), span(eddsa_signature)), TOKEN_OK);
	CHECK_INT(token_check_signature(h, span(eddsa), span(hs256_signature)), TOKEN_BAD_SIGNATURE);
	CHECK_INT(token_check_signature(e, span(hs256), span(eddsa_signature)), TOKEN_BAD_SIGNATURE);
	CHECK_INT(token_check_signature(h, span(hs256), span(eddsa_signature)), TOKEN_MALFORMED);
	CHECK_INT(token_check_signature(e, span(eddsa), span(hs256_signature)), TOKEN_MALFORMED);
	snprintf(token, sizeof(token), "%s.%s", hs256, hs256_signature);
	CHECK_INT(verify(token, &claims), TOKEN_MALFORMED);
}

static void
test_accepted(void)
{
	static const char full[] =
		" {\"exp\" : 1795000001,\"aud\":\"billing\",\"iat\":1.5,\"sub\":\"J\\u00f6rg\",\"role\":\"tenant\","
		"\"tenant\":\"a\\\"c\xE2\x80\x94me\",\"x\":[{}]}\n";
	char token[TOOL_TOKEN_MAX];
	TokenClaims claims;

	tool_sign(&keys.keys[0], HS256_HEADER, CLAIMS, strlen(CLAIMS), token);
	CHECK_INT(verify(token, &claims), TOKEN_OK);
	CHECK_STR(claims.tenant, "acme");
	CHECK_INT(claims.role, TOKEN_ROLE_APP);
	CHECK_INT(claims.expires, 1795000300);
	CHECK(!claims.has_subject);
	tool_sign(&keys.keys[1], "{\"typ\":\"JWT\",\"kid\":\"p\",\"alg\":\"EdDSA\"}", full, strlen(full), token);
	CHECK_INT(verify(token, &claims), TOKEN_OK);
	CHECK_STR(claims.tenant, "a\"c\xE2\x80\x94me");
	CHECK_INT(claims.role, TOKEN_ROLE_TENANT);
	CHECK(claims.has_subject);
	CHECK_STR(claims.subject, "J\xC3\xB6rg");
	CHECK_INT(token_verify(span(token), &keys, NOW, span("Billing"), &claims), TOKEN_OTHER_AUDIENCE);
	CHECK_INT(token_verify(span(token), &keys, NOW, span("billing2"), &claims), TOKEN_OTHER_AUDIENCE);
	CHECK_INT(token_verify(span(token), &keys, NOW + 1, span("billing"), &claims), TOKEN_EXPIRED);
}

static void
test_headers(void)
{
	static const struct
	{
		const char *header;
		TokenStatus status;
	} cases[] = {
		{"{\"alg\":\"none\",\"kid\":\"h\"}", TOKEN_OTHER_ALGORITHM},
		{"{\"alg\":\"EdDSA\",\"kid\":\"h\"}", TOKEN_OTHER_ALGORITHM},
		{"{\"alg\":\"HS256\",\"kid\":\"p\"}", TOKEN_OTHER_ALGORITHM},
		{"{\"alg\":\"hs256\",\"kid\":\"h\"}", TOKEN_OTHER_ALGORITHM},
		{"{\"alg\":\"HS384\",\"kid\":\"h\"}", TOKEN_OTHER_ALGORITHM},
		{"{\"alg\":\"HS256\",\"kid\":\"H\"}", TOKEN_UNKNOWN_KEY},
		{"{\"alg\":\"HS256\",\"kid\":\"\"}", TOKEN_UNKNOWN_KEY},
		{"{\"alg\":\"HS256\",\"kid\":\"h\\u0000\"}", TOKEN_UNKNOWN_KEY},
		{"{\"alg\":\"HS256\"}", TOKEN_MALFORMED},
		{"{\"kid\":\"h\"}", TOKEN_MALFORMED},
		{"{\"alg\":null,\"kid\":\"h\"}", TOKEN_MALFORMED},
		{"{\"alg\":\"HS256\",\"kid\":1}", TOKEN_MALFORMED},
		{"{\"alg\":\"HS256\",\"kid\":\"h\",\"kid\":\"h\"}", TOKEN_MALFORMED},
		{"{\"alg\":\"HS256\",\"kid\":\"h\",\"typ\":\"jwt\"}", TOKEN_MALFORMED},
		{"{\"alg\":\"HS256\",\"kid\":\"h\",\"typ\":null}", TOKEN_MALFORMED},
		{"{\"alg\":\"HS256\",\"kid\":\"h\",\"crit\":[\"exp\"]}", TOKEN_MALFORMED},
		{"{\"alg\":\"HS256\",\"kid\":\"h\",\"jwk\":{}}", TOKEN_MALFORMED},
		{"{\"alg\":\"HS256\",\"kid\":\"h\",\"typ\":\"JWT\",\"b64\":false}", TOKEN_MALFORMED},
		{"[\"alg\",\"HS256\",\"kid\",\"h\"]", TOKEN_MALFORMED},
		{"{\"alg\":\"HS256\",\"kid\":\"h\"} x", TOKEN_MALFORMED},
		{"{}", TOKEN_MALFORMED},
		{"", TOKEN_MALFORMED},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		CHECK_INT(verify_made(&keys.keys[0], cases[i].header, CLAIMS), cases[i].status);
	CHECK_INT(verify_made(&keys.keys[1], HS256_HEADER, CLAIMS), TOKEN_MALFORMED);
	CHECK_INT(verify_made(&keys.keys[0], EDDSA_HEADER, CLAIMS), TOKEN_MALFORMED);
}

static void
test_claims(void)
{
	static const struct
	{
		const char *payload;
		TokenStatus status;
	} cases[] = {
		{"{\"tenant\":\"acme\",\"role\":\"app\",\"exp\":1795000000}", TOKEN_EXPIRED},
		{"{\"tenant\":\"acme\",\"role\":\"app\",\"exp\":0}", TOKEN_EXPIRED},
		{"{\"tenant\":\"acme\",\"role\":\"app\",\"exp\":1795000301}", TOKEN_TOO_LONG_VALID},
		{"{\"tenant\":\"acme\",\"role\":\"app\",\"exp\":9223372036854775807}", TOKEN_TOO_LONG_VALID},
		{"{\"tenant\":\"acme\",\"role\":\"app\",\"exp\":9223372036854775808}", TOKEN_MALFORMED},
		{"{\"tenant\":\"acme\",\"role\":\"app\",\"exp\":\"1795000100\"}", TOKEN_MALFORMED},
		{"{\"tenant\":\"acme\",\"role\":\"app\",\"exp\":1795000100.0}", TOKEN_MALFORMED},
		{"{\"tenant\":\"acme\",\"role\":\"app\",\"exp\":1.795e9}", TOKEN_MALFORMED},
		{"{\"tenant\":\"acme\",\"role\":\"app\",\"exp\":-1}", TOKEN_MALFORMED},
		{"{\"tenant\":\"acme\",\"role\":\"app\"}", TOKEN_MALFORMED},
		{"{\"role\":\"app\",\"exp\":1795000100}", TOKEN_MALFORMED},
		{"{\"tenant\":\"\",\"role\":\"app\",\"exp\":1795000100}", TOKEN_MALFORMED},
		{"{\"tenant\":null,\"role\":\"app\",\"exp\":1795000100}", TOKEN_MALFORMED},
		{"{\"tenant\":7,\"role\":\"app\",\"exp\":1795000100}", TOKEN_MALFORMED},
		{"{\"tenant\":\"acme\\u0000\",\"role\":\"app\",\"exp\":1795000100}", TOKEN_MALFORMED},
		{"{\"tenant\":[\"acme\"],\"role\":\"app\",\"exp\":1795000100}", TOKEN_MALFORMED},
		{"{\"tenant\":\"acme\",\"exp\":1795000100}", TOKEN_MALFORMED},
		{"{\"tenant\":\"acme\",\"role\":\"admin\",\"exp\":1795000100}", TOKEN_MALFORMED},
		{"{\"tenant\":\"acme\",\"role\":\"App\",\"exp\":1795000100}", TOKEN_MALFORMED},
		{"{\"tenant\":\"acme\",\"role\":\"apps\",\"exp\":1795000100}", TOKEN_MALFORMED},
		{"{\"tenant\":\"acme\",\"tenant\":\"b\",\"role\":\"app\",\"exp\":1795000100}", TOKEN_MALFORMED},
		{"{\"tenant\":\"acme\",\"role\":\"app\",\"exp\":1795000100,\"sub\":null}", TOKEN_MALFORMED},
		{"{\"tenant\":\"acme\",\"role\":\"app\",\"exp\":1795000100,\"sub\":\"\"}", TOKEN_MALFORMED},
		{"{\"tenant\":\"acme\",\"role\":\"app\",\"exp\":1795000100,\"aud\":[\"billing\"]}", TOKEN_MALFORMED},
		{"{\"tenant\":\"acme\",\"role\":\"app\",\"exp\":1795000100,\"aud\":\"\"}", TOKEN_OTHER_AUDIENCE},
		{"{\"tenant\":\"acme\",\"role\":\"app\",\"exp\":1795000100}}", TOKEN_MALFORMED},
		{"{\"tenant\":\"ac\x80me\",\"role\":\"app\",\"exp\":1795000100}", TOKEN_MALFORMED},
		{"[]", TOKEN_MALFORMED},
		{"null", TOKEN_MALFORMED},
		{"", TOKEN_MALFORMED},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		CHECK_INT(verify_made(&keys.keys[0], HS256_HEADER, cases[i].payload), cases[i].status);
		CHECK_INT(verify_made(&keys.keys[1], EDDSA_HEADER, cases[i].payload), cases[i].status);
	}
}

static void
test_form(void)
{
	char token[TOOL_TOKEN_MAX];
	char longer[TOOL_TOKEN_MAX + 8];
	TokenClaims claims;
	size_t length = tool_sign(&keys.keys[0], HS256_HEADER, CLAIMS, strlen(CLAIMS), token);
	char *point = strrchr(token, '.');

	for (size_t cut = 0; cut < length; cut++)
		CHECK(token_verify((TextSpan){token, cut}, &keys, NOW, span("billing"), &claims) != TOKEN_OK);
	snprintf(longer, sizeof(longer), "%s.", token);
	CHECK_INT(verify(longer, &claims), TOKEN_MALFORMED);
	snprintf(longer, sizeof(longer), "%s=", token);
	CHECK_INT(verify(longer, &claims), TOKEN_MALFORMED);
	snprintf(longer, sizeof(longer), "%s\n", token);
	CHECK_INT(verify(longer, &claims), TOKEN_MALFORMED);
	snprintf(longer, sizeof(longer), " %s", token);
	CHECK_INT(verify(longer, &claims), TOKEN_MALFORMED);
	snprintf(longer, sizeof(longer), "%.*s.", (int) (point - token), token);
	CHECK_INT(verify(longer, &claims), TOKEN_MALFORMED);
	/* The last character of a 32-byte value has two bits that stand for nothing. */
	token[length - 1]++;
	CHECK(verify(token, &claims) != TOKEN_OK);
	CHECK_INT(verify("", &claims), TOKEN_MALFORMED);
	CHECK_INT(verify("..", &claims), TOKEN_MALFORMED);
}

static void
test_sizes(void)
{
	char payload[4096];
	char text[TOKEN_TEXT_MAX + 2] = {0};

	memset(text, 'x', TOKEN_TEXT_MAX + 1);
	snprintf(payload, sizeof(payload), "{\"tenant\":\"%s\",\"role\":\"app\",\"exp\":1795000100}", text);
	CHECK_INT(verify_made(&keys.keys[0], HS256_HEADER, payload), TOKEN_MALFORMED);
	text[TOKEN_TEXT_MAX] = '\0';
	snprintf(payload, sizeof(payload),
			 "{\"tenant\":\"%s\",\"role\":\"app\",\"exp\":1795000100,\"sub\":\"%s\"}", text, text);
	CHECK_INT(verify_made(&keys.keys[0], HS256_HEADER, payload), TOKEN_OK);
	/* 4096 bytes are 33 and 43 characters, two points and 4018 of the claims, which 3013 bytes and a half would be. */
	for (int length = 3000; length < 3030; length++)
	{
		char token[TOOL_TOKEN_MAX];
		TokenClaims claims;
		size_t size;

		snprintf(payload, sizeof(payload), "%-*s", length, CLAIMS);
		size = tool_sign(&keys.keys[0], HS256_HEADER, payload, strlen(payload), token);
		CHECK_INT(verify(token, &claims), size <= TOKEN_LENGTH_MAX ? TOKEN_OK : TOKEN_MALFORMED);
	}
}

static void
test_issue(void)
{
	TokenClaims claims = {.role = TOKEN_ROLE_TENANT,
						  .expires = NOW + 10,
						  .tenant = "a\"\\\n\x01",
						  .has_subject = true,
						  .subject = "ops"};
	TokenClaims again;
	char token[TOKEN_LENGTH_MAX + 1];
	size_t length;

	for (size_t i = 0; i < 2; i++)
	{
		CHECK_INT(token_issue(&keys.keys[i], &claims, span("billing"), token, &length), TOKEN_OK);
		token[length] = '\0';
		CHECK_INT(verify(token, &again), TOKEN_OK);
		CHECK_STR(again.tenant, claims.tenant);
		CHECK_STR(again.subject, "ops");
		CHECK_INT(again.role, TOKEN_ROLE_TENANT);
		CHECK_INT(again.expires, NOW + 10);
		CHECK_INT(token_verify(span(token), &keys, NOW, span("x"), &again), TOKEN_OTHER_AUDIENCE);
		claims.expires++;
		CHECK_INT(token_issue(&keys.keys[i], &claims, (TextSpan){NULL, 0}, token, &length), TOKEN_OK);
		token[length] = '\0';
		CHECK_INT(token_verify(span(token), &keys, NOW, span("x"), &again), TOKEN_OK);
		claims.expires--;
	}
	CHECK_INT(token_issue(&keys.keys[2], &claims, span("billing"), token, &length), TOKEN_CANNOT_SIGN);
	memset(claims.tenant, 1, TOKEN_TEXT_MAX);
	CHECK_INT(token_issue(&keys.keys[0], &claims, span("billing"), token, &length), TOKEN_TOO_LARGE);
}

/* Around the largest token each outcome is the right one: it verifies, or it is too large. */
static void
test_issue_limit(void)
{
	TokenClaims claims = {.role = TOKEN_ROLE_APP, .expires = NOW + 1, .tenant = "t"};
	char audience[4096];
	char token[TOKEN_LENGTH_MAX];
	size_t length;
	size_t largest = 0;

	memset(audience, 'a', sizeof(audience));
	for (size_t size = 2800; size < 3200; size++)
	{
		TokenClaims again;
		TokenStatus status = token_issue(&keys.keys[0], &claims, (TextSpan){audience, size}, token, &length);

		if (status == TOKEN_OK)
		{
			largest = length;
			CHECK_INT(token_verify((TextSpan){token, length}, &keys, NOW, (TextSpan){audience, size}, &again),
					  TOKEN_OK);
		}
		else
			CHECK_INT(status, TOKEN_TOO_LARGE);
	}
	CHECK(largest > TOKEN_LENGTH_MAX - 4 && largest <= TOKEN_LENGTH_MAX);
}

static void
test_keys(void)
{
	static const struct
	{
		const char *text;
		TokenKeysStatus status;
		size_t line;
	} cases[] = {
		{"", TOKEN_KEYS_COUNT, 1},
		{"# none\n\n", TOKEN_KEYS_COUNT, 3},
		{"h HS256 " EXAMPLE_SECRET, TOKEN_KEYS_LINE, 1},
		{"\nh HS256\n", TOKEN_KEYS_LINE, 2},
		{"h  HS256 " EXAMPLE_SECRET "\n", TOKEN_KEYS_ALGORITHM, 1},
		{" HS256 " EXAMPLE_SECRET "\n", TOKEN_KEYS_ID, 1},
		{"h+ HS256 " EXAMPLE_SECRET "\n", TOKEN_KEYS_ID, 1},
		{"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa HS256 " EXAMPLE_SECRET "\n",
		 TOKEN_KEYS_ID, 1},
		{"h HS256 " EXAMPLE_SECRET "\nh HS256 " EXAMPLE_SECRET "\n", TOKEN_KEYS_REPEATED, 2},
		{"h none " EXAMPLE_SECRET "\n", TOKEN_KEYS_ALGORITHM, 1},
		{"h HS512 " EXAMPLE_SECRET "\n", TOKEN_KEYS_ALGORITHM, 1},
		{"h HS256 " EXAMPLE_SECRET " \n", TOKEN_KEYS_BASE64, 1},
		{"h HS256 AyM1\r\n", TOKEN_KEYS_BASE64, 1},
		{"h HS256 \n", TOKEN_KEYS_LENGTH, 1},
		{"h HS256 MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMQ==\n", TOKEN_KEYS_LENGTH, 1},
		{"h HS256 MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI=\n", TOKEN_KEYS_OK, 2},
		{"e EdDSA MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMQ==\n", TOKEN_KEYS_LENGTH, 1},
		{"e EdDSA AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n", TOKEN_KEYS_WEAK, 1},
		{"e EdDSA nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2DXWpgBgrEKt9VL/tPJZAc6DuFy89qmIyWvAhpo9wdRGw==\n",
		 TOKEN_KEYS_WEAK, 1},
	};
	TokenKeys parsed;
	size_t line;
	char many[4096] = "";

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		CHECK_INT(token_keys_parse(cases[i].text, strlen(cases[i].text), &parsed, &line), cases[i].status);
		CHECK_INT(line, cases[i].line);
		if (cases[i].status != TOKEN_KEYS_OK)
			CHECK_INT(parsed.keys[0].secret[0], 0);
		CHECK(strlen(token_keys_status_text(cases[i].status)) > 0);
	}
	for (int i = 0; i < TOKEN_KEYS_MAX; i++)
		sprintf(many + strlen(many), "k%d HS256 " EXAMPLE_SECRET "\n", i);
	CHECK_INT(token_keys_parse(many, strlen(many), &parsed, &line), TOKEN_KEYS_OK);
	CHECK_INT(parsed.count, TOKEN_KEYS_MAX);
	strcat(many, "last HS256 " EXAMPLE_SECRET "\n");
	CHECK_INT(token_keys_parse(many, strlen(many), &parsed, &line), TOKEN_KEYS_COUNT);
}

/* One byte set, cut out, put in, or a stretch swapped, as the seed has it. */
static size_t
mutate(char *token, size_t length)
{
	size_t at = (size_t) rand() % length;
	size_t other = (size_t) rand() % length;
	char byte = token[at];

	switch (rand() % 4)
	{
		case 0:
			token[at] = (char) (rand() % 256);
			return length;
		case 1:
			memmove(token + at, token + at + 1, length - at - 1);
			return length - 1;
		case 2:
			memmove(token + at + 1, token + at, length - at);
			return length + 1;
		default:
			token[at] = token[other];
			token[other] = byte;
			return length;
	}
}

/* Parts of several good tokens put together, and bytes of good ones changed: only the good ones themselves verify. */
static void
test_mutants(void)
{
	static const char *const payloads[] = {CLAIMS,
										   "{\"tenant\":\"beta\",\"role\":\"tenant\",\"exp\":1795000200}"};
	unsigned seed = (unsigned) time(NULL);
	char good[4][TOOL_TOKEN_MAX];
	TokenClaims claims;
	size_t refused = 0;

	srand(seed);
	for (int i = 0; i < 4; i++)
	{
		tool_sign(&keys.keys[i % 2], i % 2 ? EDDSA_HEADER : HS256_HEADER, payloads[i / 2],
				  strlen(payloads[i / 2]), good[i]);
		CHECK_INT(verify(good[i], &claims), TOKEN_OK);
	}
	for (int i = 0; i < 20000; i++)
	{
		char token[TOOL_TOKEN_MAX];
		const char *original = good[i % 4];
		size_t length = strlen(original);

		memcpy(token, original, length);
		length = mutate(token, length);
		if (length == strlen(original) && memcmp(token, original, length) == 0)
			continue;
		if (token_verify((TextSpan){token, length}, &keys, NOW, span("billing"), &claims) == TOKEN_OK)
			printf("seed %u: a changed token verifies\n", seed);
		else
			refused++;
	}
	CHECK(refused > 19000);
	for (int a = 0; a < 4; a++)
		for (int b = 0; b < 4; b++)
		{
			char token[2 * TOOL_TOKEN_MAX];
			const char *end = strrchr(good[a], '.');

			snprintf(token, sizeof(token), "%.*s%s", (int) (end - good[a]), good[a], strrchr(good[b], '.'));
			CHECK((verify(token, &claims) == TOKEN_OK) == (a == b));
		}
}

int
main(void)
{
	size_t line;

	CHECK_INT(token_keys_parse(EXAMPLE_KEYS, strlen(EXAMPLE_KEYS), &keys, &line), TOKEN_KEYS_OK);
	test_known_answers();
	test_accepted();
	test_headers();
	test_claims();
	test_form();
	test_sizes();
	test_issue();
	test_issue_limit();
	test_keys();
	test_mutants();
	for (int status = TOKEN_OK; status <= TOKEN_FAILED; status++)
		CHECK(strlen(token_status_text((TokenStatus) status)) > 0);
	TEST_MAIN_END();
}
