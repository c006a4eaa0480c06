#ifndef BILLING_VERIFY_INPUT_H
#define BILLING_VERIFY_INPUT_H

#include "core/note.h"
#include "verify/verdict.h"

#include <stdio.h>

/* A bundle holds a month of one customer; what is longer is none. */
#define INPUT_SIZE_MAX ((size_t) 1 << 30)

/* The bytes of a whole file, with a zero byte after them; free them. */
typedef struct Input
{
	char *bytes;
	size_t length;
} Input;

/* path "-" is the standard input. */
extern bool input_read(const char *path, Input *input, Verdict *verdict);
extern bool input_read_stream(FILE *stream, const char *name, Input *input, Verdict *verdict);

/*
 * A verifier key (C2SP signed-note), or the path of a file that holds one on a line; a text with a plus sign in it is
 * a key unless there is a file of that name.
 */
extern bool input_read_key(const char *text, NoteKey *key, Verdict *verdict);

/* The seed of an Ed25519 private key in PEM, as openssl genpkey writes it; refuses a file that others may read. */
extern bool input_read_seed(const char *path, uint8_t seed[SIGNATURE_SEED_SIZE], Verdict *verdict);

#endif
