#include "verify/input.h"

#include <openssl/evp.h>
#include <openssl/pem.h>

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define INPUT_STEP 65536

static bool
grow(Input *input, size_t *room)
{
	char *grown;

	if (*room - input->length > 1)
		return true;
	*room = *room * 2 + INPUT_STEP;
	grown = realloc(input->bytes, *room);
	if (grown == NULL)
		return false;
	input->bytes = grown;
	return true;
}

static bool
read_all(FILE *stream, const char *name, Input *input, Verdict *verdict)
{
	size_t room = 0;

	do
	{
		if (!grow(input, &room))
			return verdict_machine(verdict, "out of memory");
		input->length += fread(input->bytes + input->length, 1, room - input->length - 1, stream);
		if (ferror(stream))
			return verdict_unreadable(verdict, NULL, "could not read \"%s\": %s", name, strerror(errno));
		if (input->length > INPUT_SIZE_MAX)
			return verdict_unreadable(verdict, NULL, "\"%s\" is longer than %zu bytes", name, INPUT_SIZE_MAX);
	} while (!feof(stream));
	input->bytes[input->length] = '\0';
	return true;
}

bool
input_read_stream(FILE *stream, const char *name, Input *input, Verdict *verdict)
{
	*input = (Input){NULL, 0};
	if (read_all(stream, name, input, verdict))
		return true;
	free(input->bytes);
	*input = (Input){NULL, 0};
	return false;
}

bool
input_read(const char *path, Input *input, Verdict *verdict)
{
	FILE *stream;
	bool done;

	if (strcmp(path, "-") == 0)
		return input_read_stream(stdin, "standard input", input, verdict);
	*input = (Input){NULL, 0};
	stream = fopen(path, "rb");
	if (stream == NULL)
		return verdict_unreadable(verdict, NULL, "could not open \"%s\": %s", path, strerror(errno));
	done = input_read_stream(stream, path, input, verdict);
	fclose(stream);
	return done;
}

/* One line feed after the key is the file's. */
static bool
read_key_file(const char *path, NoteKey *key, Verdict *verdict)
{
	Input input;
	NoteStatus status;

	if (!input_read(path, &input, verdict))
		return false;
	if (input.length > 0 && input.bytes[input.length - 1] == '\n')
		input.length--;
	status = note_key_parse(input.bytes, input.length, key);
	free(input.bytes);
	if (status == NOTE_OK)
		return true;
	return verdict_unreadable(verdict, NULL, "\"%s\" holds no verifier key: %s", path,
							  note_status_text(status));
}

bool
input_read_key(const char *text, NoteKey *key, Verdict *verdict)
{
	NoteStatus status;

	if (strchr(text, '+') == NULL || access(text, F_OK) == 0)
		return read_key_file(text, key, verdict);
	status = note_key_parse(text, strlen(text), key);
	if (status == NOTE_OK)
		return true;
	return verdict_unreadable(verdict, NULL, "\"%s\" is no verifier key: %s", text, note_status_text(status));
}

/* A passphrase is never asked for. */
static int
no_passphrase(char *buffer, int size, int for_writing, void *context)
{
	(void) for_writing;
	(void) context;
	if (size > 0)
		*buffer = '\0';
	return -1;
}

static bool
seed_of_stream(FILE *stream, uint8_t seed[SIGNATURE_SEED_SIZE])
{
	EVP_PKEY *key = PEM_read_PrivateKey(stream, NULL, no_passphrase, NULL);
	size_t length = SIGNATURE_SEED_SIZE;
	bool done;

	done = key != NULL && EVP_PKEY_base_id(key) == EVP_PKEY_ED25519 &&
		   EVP_PKEY_get_raw_private_key(key, seed, &length) == 1 && length == SIGNATURE_SEED_SIZE;
	EVP_PKEY_free(key);
	return done;
}

bool
input_read_seed(const char *path, uint8_t seed[SIGNATURE_SEED_SIZE], Verdict *verdict)
{
	FILE *stream = fopen(path, "rb");
	struct stat status;
	bool done = false;

	if (stream == NULL)
		return verdict_unreadable(verdict, NULL, "could not open \"%s\": %s", path, strerror(errno));
	if (fstat(fileno(stream), &status) != 0 || (status.st_mode & (S_IRWXG | S_IRWXO)) != 0)
		verdict_unreadable(verdict, NULL, "private key \"%s\" may be read by others than its owner", path);
	else if (!seed_of_stream(stream, seed))
		verdict_unreadable(verdict, NULL, "\"%s\" holds no Ed25519 private key in PEM", path);
	else
		done = true;
	fclose(stream);
	return done;
}
