/*
 * keys.c: the keys that sign checkpoints.
 *
 * The server's own key is in a file that only it can read; it is read for each signature and forgotten at once. Without
 * a file somebody outside signs, and billing.add_signature() stores what holds under the key in force.
 */
#include "postgres.h"
#include "fmgr.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/guc.h"

#include "core/base64.h"
#include "audit/audit.h"
#include "evidence/evidence.h"
#include "server/fault.h"
#include "server/key_file.h"

static char *signing_key_file;
static char *log_origin;

/* A registered key; key_no 0 when there is none. */
typedef struct RegisteredKey
{
	int key_no;
	NoteKey key;
} RegisteredKey;

extern void billing_define_evidence_settings(void);

void
billing_define_evidence_settings(void)
{
	GucContext context = process_shared_preload_libraries_in_progress ? PGC_POSTMASTER : PGC_SIGHUP;

	DefineCustomStringVariable(
		"billing.signing_key_file", "File with the Ed25519 key that signs checkpoints.",
		"PEM, mode 0600 or 0400, outside the data directory. Empty: somebody else signs.", &signing_key_file,
		"", context, GUC_SUPERUSER_ONLY, NULL, NULL, NULL);
	DefineCustomStringVariable("billing.log_origin",
							   "Name of the operator, the first part of the log's origin.",
							   "Without spaces and plus signs, best a domain name.", &log_origin, "unnamed",
							   context, GUC_SUPERUSER_ONLY, NULL, NULL, NULL);
}

char *
evidence_origin(int incarnation)
{
	return psprintf("%s/billing/" UINT64_FORMAT "/%d", log_origin, GetSystemIdentifier(), incarnation);
}

/* Never with a cause that could show what is in the file. */
static void
refuse_key(const char *problem)
{
	ereport(ERROR, errcode(ERRCODE_BILLING_SIGNING_KEY), errmsg("signing key cannot be used: %s", problem),
			errhint("The setting billing.signing_key_file names a PEM file with an Ed25519 private key."));
}

static int
no_password(char *buffer, int size, int rwflag, void *context)
{
	return 0;
}

/* False unless text is an Ed25519 private key in PEM. */
static bool
read_seed(const char *text, int length, uint8_t seed[SIGNATURE_SEED_SIZE])
{
	BIO *bio = BIO_new_mem_buf(text, length);
	EVP_PKEY *key = bio != NULL ? PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL) : NULL;
	size_t seed_length = SIGNATURE_SEED_SIZE;
	bool is_read = key != NULL && EVP_PKEY_id(key) == EVP_PKEY_ED25519 &&
				   EVP_PKEY_get_raw_private_key(key, seed, &seed_length) == 1;

	EVP_PKEY_free(key);
	BIO_free(bio);
	return is_read;
}

static void
load_seed(uint8_t seed[SIGNATURE_SEED_SIZE])
{
	BillingKeyFile content;
	const char *problem = billing_read_key_file(signing_key_file, &content);

	if (problem == NULL && !read_seed(content.bytes, (int) content.length, seed))
		problem = "the file holds no Ed25519 private key in PEM";
	billing_forget_key_file(&content);
	if (problem != NULL)
		refuse_key(problem);
}

/* What says nothing of a note, but of the machine. */
static void
check_machine(NoteStatus status)
{
	if (status == NOTE_NO_MEMORY)
		ereport(ERROR, errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory"));
	if (status == NOTE_FAILED || status == NOTE_UNDECIDED)
		ereport(ERROR, errcode(ERRCODE_BILLING_INTERNAL), errmsg("%s", note_status_text(status)));
}

static void
check_note(NoteStatus status, const char *what)
{
	check_machine(status);
	if (status != NOTE_OK)
		ereport(ERROR, errcode(ERRCODE_BILLING_INVALID_NOTE),
				errmsg("%s: %s", what, note_status_text(status)));
}

static RegisteredKey
newest_key(void)
{
	RegisteredKey registered = {0};
	bool isnull;
	char *vkey;

	if (billing_spi_exec(
			"SELECT k.key_no, k.vkey FROM billing.signing_keys k ORDER BY k.key_no DESC LIMIT 1") == 0)
		return registered;
	registered.key_no = DatumGetInt32(billing_spi_value(0, 1, &isnull));
	vkey = billing_spi_text(0, 2);
	check_note(note_key_parse(vkey, strlen(vkey), &registered.key), "registered signing key is malformed");
	return registered;
}

static char *
key_text(const NoteKey *key)
{
	char text[NOTE_KEY_TEXT_MAX];

	return pnstrdup(text, note_key_format(key, text));
}

/* What the key before signs to put a key in force. */
static char *
handover_text(const NoteKey *key)
{
	return psprintf("billing/v1/signing_key\n%s\n", key_text(key));
}

static char *
signed_note(const NoteKey *key, const uint8_t seed[SIGNATURE_SEED_SIZE], const char *text)
{
	char line[NOTE_LINE_MAX];
	size_t length;

	check_note(note_sign(key, seed, (TextSpan){text, strlen(text)}, line, &length),
			   "checkpoint cannot be signed");
	return psprintf("%s\n%.*s", text, (int) length, line);
}

static void
register_key(const NoteKey *key, int key_no, const char *previous_note)
{
	static const Oid types[] = {INT4OID, TEXTOID, BYTEAOID, TEXTOID};
	Datum values[] = {Int32GetDatum(key_no), CStringGetTextDatum(key_text(key)),
					  PointerGetDatum(billing_hash_bytea(key->public_key)),
					  previous_note != NULL ? CStringGetTextDatum(previous_note) : (Datum) 0};

	billing_spi_run(
		"INSERT INTO billing.signing_keys (key_no, vkey, public_key, previous_note) VALUES ($1, $2, $3, $4)",
		lengthof(types), types, values, previous_note != NULL ? NULL : "   n");
}

/*
 * The key in force must be ours. The first one registers itself; after a restore into another cluster the origin, which
 * is the key's name, is new, and the same key hands over to itself.
 */
static int
require_key_in_force(const NoteKey *key, const uint8_t seed[SIGNATURE_SEED_SIZE])
{
	RegisteredKey newest = newest_key();

	if (newest.key_no > 0 && memcmp(newest.key.public_key, key->public_key, SIGNATURE_KEY_SIZE) != 0)
		ereport(ERROR, errcode(ERRCODE_BILLING_SIGNING_KEY),
				errmsg("signing key is not the registered one, \"%s\"", key_text(&newest.key)),
				errhint("The key before it puts it in force: SELECT billing.rotate_signing_key('%s');",
						key_text(key)));
	if (newest.key_no > 0 && strcmp(newest.key.name, key->name) == 0)
		return newest.key_no;
	register_key(key, newest.key_no + 1,
				 newest.key_no > 0 ? signed_note(&newest.key, seed, handover_text(key)) : NULL);
	return newest.key_no + 1;
}

static void
store_note(int64 seal_no, int key_no, const char *note)
{
	static const Oid types[] = {INT8OID, INT4OID, TEXTOID};
	Datum values[] = {Int64GetDatum(seal_no), Int32GetDatum(key_no), CStringGetTextDatum(note)};

	billing_spi_run("INSERT INTO billing.checkpoint_notes (seal_no, key_no, note) VALUES ($1, $2, $3)",
					lengthof(types), types, values, NULL);
}

static NoteKey
own_key(const uint8_t seed[SIGNATURE_SEED_SIZE], const char *origin)
{
	uint8_t public_key[SIGNATURE_KEY_SIZE];
	NoteKey key;

	check_note(note_status_from_signature(signature_public_key(seed, public_key)),
			   "signing key cannot be used");
	check_note(note_key_make(NOTE_ED25519, (TextSpan){origin, strlen(origin)}, public_key, &key),
			   "origin of the log is no name of a key");
	return key;
}

void
evidence_sign(int64 seal_no, const char *origin, const char *body)
{
	uint8_t seed[SIGNATURE_SEED_SIZE];

	if (signing_key_file == NULL || signing_key_file[0] == '\0')
		return;
	load_seed(seed);
	PG_TRY();
	{
		NoteKey key = own_key(seed, origin);

		FAULT_POINT("a note is signed with the key in memory");
		store_note(seal_no, require_key_in_force(&key, seed), signed_note(&key, seed, body));
	}
	PG_FINALLY();
	{
		OPENSSL_cleanse(seed, sizeof(seed));
	}
	PG_END_TRY();
}

const char *
evidence_note_problem(const char *note, const char *vkey, const char *body)
{
	NoteKey key;
	Note parsed;
	NoteVerdict verdict;
	NoteStatus status = note_key_parse(vkey, strlen(vkey), &key);

	if (status == NOTE_OK)
		status = note_parse(note, strlen(note), &parsed);
	if (status != NOTE_OK)
		return note_status_text(status);
	if (parsed.text.length != strlen(body) || memcmp(parsed.text.text, body, parsed.text.length) != 0)
		return "the text is another one";
	status = note_verify(&parsed, &key, 1, &verdict);
	check_machine(status);
	if (status == NOTE_OK && !verdict.verified)
		status = NOTE_UNKNOWN_KEYS;
	return status == NOTE_OK ? NULL : note_status_text(status);
}

/* The note by which the key in force puts another in force: the given one, or made with the server's key. */
static char *
handover_note(const RegisteredKey *newest, const NoteKey *key, const char *given)
{
	uint8_t seed[SIGNATURE_SEED_SIZE];
	char *volatile note = NULL;

	if (given != NULL)
		return pstrdup(given);
	if (signing_key_file == NULL || signing_key_file[0] == '\0')
		refuse_key("no file is set, so the key before has to sign elsewhere");
	load_seed(seed);
	PG_TRY();
	{
		note = signed_note(&newest->key, seed, handover_text(key));
	}
	PG_FINALLY();
	{
		OPENSSL_cleanse(seed, sizeof(seed));
	}
	PG_END_TRY();
	return note;
}

BILLING_FUNCTION(billing_rotate_signing_key)
{
	char *vkey;
	char *given = PG_ARGISNULL(1) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(1));
	char *note = NULL;
	const char *problem;
	AuditEntry entry;
	RegisteredKey newest;
	NoteKey key;

	if (PG_ARGISNULL(0))
		ereport(ERROR, errcode(ERRCODE_BILLING_INVALID_ARGUMENT), errmsg("the verifier key is null"));
	audit_enter(&entry, fcinfo);
	vkey = text_to_cstring(PG_GETARG_TEXT_PP(0));
	billing_spi_connect();
	billing_lock_stage("seal");
	ForceSyncCommit();
	check_note(note_key_parse(vkey, strlen(vkey), &key), "verifier key is malformed");
	newest = newest_key();
	if (newest.key_no > 0 && strcmp(key_text(&newest.key), vkey) != 0)
	{
		note = handover_note(&newest, &key, given);
		problem = evidence_note_problem(note, key_text(&newest.key), handover_text(&key));
		if (problem != NULL)
			ereport(ERROR, errcode(ERRCODE_BILLING_INVALID_NOTE),
					errmsg("the key before has not signed: %s", problem));
	}
	FAULT_POINT("a signing key is registered");
	if (newest.key_no == 0 || note != NULL)
		register_key(&key, ++newest.key_no, note);
	billing_spi_finish();
	audit_leave(&entry);
	PG_RETURN_INT32(newest.key_no);
}

/* The body of a checkpoint, and its note or NULL; raises MB454 when there is no such checkpoint. */
static char *
read_body(int64 seal_no, char **note)
{
	static const Oid types[] = {INT8OID};
	Datum value = Int64GetDatum(seal_no);

	if (billing_spi_run("SELECT c.body, n.note FROM billing.checkpoints c LEFT JOIN billing.checkpoint_notes "
						"n USING (seal_no)"
						" WHERE c.seal_no = $1",
						1, types, &value, NULL) == 0)
		ereport(ERROR, errcode(ERRCODE_BILLING_NOT_SEALED),
				errmsg("there is no checkpoint " INT64_FORMAT, seal_no));
	*note = billing_spi_text(0, 2);
	return billing_spi_text(0, 1);
}

BILLING_FUNCTION(billing_add_signature)
{
	int64 seal_no = PG_GETARG_INT64(0);
	char *note = text_to_cstring(PG_GETARG_TEXT_PP(1));
	const char *problem;
	char *body;
	char *present;
	RegisteredKey newest;

	billing_spi_connect();
	billing_lock_stage("seal");
	ForceSyncCommit();
	body = read_body(seal_no, &present);
	newest = newest_key();
	if (newest.key_no == 0)
		refuse_key("none is registered; SELECT billing.rotate_signing_key(vkey) registers the first");
	problem = evidence_note_problem(note, key_text(&newest.key), body);
	if (problem != NULL)
		ereport(ERROR, errcode(ERRCODE_BILLING_INVALID_NOTE),
				errmsg("note for checkpoint " INT64_FORMAT " is refused: %s", seal_no, problem));
	FAULT_POINT("a signature from outside is stored");
	if (present == NULL)
		store_note(seal_no, newest.key_no, note);
	billing_spi_finish();
	PG_RETURN_BOOL(present == NULL);
}
