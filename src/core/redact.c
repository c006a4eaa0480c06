#include "redact.h"

#include <stddef.h>
#include <string.h>

#define WITHHELD "[withheld]"

/* In lower case, and followed by what cannot go on with the name. */
static const struct
{
	const char *name;
	RedactLevel level;
} secrets[] = {
	{"billing.token", REDACT_ARGUMENTS},	 {"erase_subject", REDACT_ARGUMENTS},
	{"issue_token", REDACT_ARGUMENTS},		 {"personal_data", REDACT_RESULTS},
	{"set_personal_data", REDACT_ARGUMENTS},
};

/* ASCII only: not ctype, which goes by the locale. */
static char
lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char) (c - 'A' + 'a') : c;
}

static bool
is_word(char c)
{
	return (lower(c) >= 'a' && lower(c) <= 'z') || (c >= '0' && c <= '9') || c == '_' ||
		   (unsigned char) c >= 0x80;
}

/* base64url (RFC 4648 5), without padding. */
static bool
is_base64url(char c)
{
	return (lower(c) >= 'a' && lower(c) <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

static size_t
base64url_length(const char *text)
{
	size_t length = 0;

	while (is_base64url(text[length]))
		length++;
	return length;
}

/* Bytes of the token that begins here; 0 when none does. */
static size_t
token_length(const char *text)
{
	size_t length;

	if (strncmp(text, "eyJ", 3) != 0)
		return 0;
	length = base64url_length(text);
	for (int i = 0; i < 2; i++)
	{
		if (text[length] != '.')
			return 0;
		length += 1 + base64url_length(text + length + 1);
	}
	return length;
}

bool
redact_tokens(char *text)
{
	bool found = false;

	for (char *at = strstr(text, "eyJ"); at != NULL; at = strstr(at, "eyJ"))
	{
		size_t length = token_length(at);

		if (length > 0)
		{
			memset(at, '*', length);
			found = true;
		}
		at += length > 0 ? length : 3;
	}
	return found;
}

bool
redact_has_token(const char *text)
{
	for (const char *at = strstr(text, "eyJ"); at != NULL; at = strstr(at + 3, "eyJ"))
		if (token_length(at) > 0)
			return true;
	return false;
}

/* Whether a word that is in lower case stands here, and ends. */
static bool
starts_with_word(const char *text, const char *word)
{
	size_t i = 0;

	while (word[i] != '\0' && lower(text[i]) == word[i])
		i++;
	return word[i] == '\0' && !is_word(text[i]);
}

RedactLevel
redact_level(const char *text)
{
	RedactLevel level = REDACT_NOTHING;

	for (const char *at = text; *at != '\0' && level < REDACT_ARGUMENTS; at++)
		for (size_t i = 0; i < sizeof(secrets) / sizeof(secrets[0]); i++)
			if (lower(*at) == secrets[i].name[0] && starts_with_word(at, secrets[i].name) &&
				secrets[i].level > level)
				level = secrets[i].level;
	return level;
}

bool
redact_has_literal(const char *text)
{
	for (const char *at = text; *at != '\0'; at++)
		if (*at == '\'' || (*at == '$' && !(at[1] >= '0' && at[1] <= '9')))
			return true;
	return false;
}

void
redact_all(char *text)
{
	size_t length = strlen(text);

	if (length >= strlen(WITHHELD))
		memcpy(text, WITHHELD, sizeof(WITHHELD));
	else
		memset(text, '*', length);
}

void
redact_quoted(char *text)
{
	char *first = strchr(text, '"');
	char *last = strrchr(text, '"');

	if (first != NULL && last > first + 1)
		memset(first + 1, '*', (size_t) (last - first - 1));
	else if (first != NULL)
		redact_all(first);
}

const char *
redact_executed(const char *text, char *name, unsigned room)
{
	const char *at = text;
	unsigned length = 0;
	bool is_quoted;

	while (*at != '\0' &&
		   !(lower(*at) == 'e' && (at == text || !is_word(at[-1])) && starts_with_word(at, "execute")))
		at++;
	if (*at == '\0')
		return NULL;
	at += strlen("execute");
	while (*at == ' ' || *at == '\t' || *at == '\n' || *at == '\r' || *at == '\f')
		at++;
	is_quoted = *at == '"';
	if (is_quoted)
		at++;
	for (; is_quoted ? *at != '\0' && *at != '"' : is_word(*at) || *at == '$'; at++)
		if (length + 1 < room)
			name[length++] = is_quoted ? *at : lower(*at);
	name[length] = '\0';
	return at;
}
