/*
 * keys.c: keys that wrap data keys, and data keys that encrypt personal data.
 *
 * The wrapping keys are in a file that only the server can read. It is read for each use and forgotten at once, so that
 * a key added or taken out counts from the next call on. Nothing that raises stands between a key and its cleansing.
 */
#include "postgres.h"
#include "fmgr.h"

#include <openssl/crypto.h>

#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "port/pg_bswap.h"
#include "utils/guc.h"

#include "core/key_ring.h"
#include "privacy/privacy.h"
#include "server/key_file.h"

static char *field_key_file;

extern void billing_define_privacy_settings(void);

void
billing_define_privacy_settings(void)
{
	DefineCustomStringVariable(
		"billing.field_key_file", "File with the keys that protect personal data.",
		"Lines of an id, a space and 32 bytes in base 64, the first in use; mode 0600 or "
		"0400, outside the data directory. Empty: none is stored.",
		&field_key_file, "", process_shared_preload_libraries_in_progress ? PGC_POSTMASTER : PGC_SIGHUP,
		GUC_SUPERUSER_ONLY, NULL, NULL, NULL);
}

/* Never with a cause that could show what is in the file. */
static void
refuse_file(const char *problem)
{
	ereport(ERROR, errcode(ERRCODE_BILLING_KEY_FILE), errmsg("field key file cannot be used: %s", problem),
			errhint("The setting billing.field_key_file names a file with a line for each key: an id, a "
					"space and 32 bytes in base 64."));
}

static void
load_ring(KeyRing *ring)
{
	BillingKeyFile content;
	KeyRingStatus status;
	const char *problem;

	if (field_key_file == NULL || field_key_file[0] == '\0')
		ereport(
			ERROR, errcode(ERRCODE_BILLING_NO_FIELD_KEY), errmsg("no key for personal data is configured"),
			errhint("Set billing.field_key_file to a file with a line for each key: an id, a space and 32 "
					"bytes in base 64 (openssl rand -base64 32)."));
	problem = billing_read_key_file(field_key_file, &content);
	if (problem != NULL)
		refuse_file(problem);
	status = key_ring_parse(content.bytes, content.length, ring);
	billing_forget_key_file(&content);
	if (status != KEY_RING_OK)
		refuse_file(key_ring_status_text(status));
}

/*
 * The additional data: "billing/v1/" and the table, a zero byte, then each part by its length in 4 bytes, most
 * significant first, and its bytes.
 */
static XaesBytes
bind_to(const char *table, const char *const *parts, int count)
{
	StringInfoData bound;

	initStringInfo(&bound);
	appendStringInfo(&bound, "billing/v1/%s", table);
	appendStringInfoChar(&bound, '\0');
	for (int i = 0; i < count; i++)
	{
		uint32 length = (uint32) strlen(parts[i]);
		uint32 prefix = pg_hton32(length);

		appendBinaryStringInfo(&bound, (char *) &prefix, sizeof(prefix));
		appendBinaryStringInfo(&bound, parts[i], (int) length);
	}
	return (XaesBytes){bound.data, (size_t) bound.len};
}

static XaesBytes
bind_key(const PrivacySubject *subject, const char *key_id)
{
	const char *parts[] = {"wrapped_key", subject->tenant, subject->account, subject->purpose, key_id};

	return bind_to("data_keys", parts, lengthof(parts));
}

static XaesBytes
bind_field(const PrivacySubject *subject, const char *field)
{
	const char *parts[] = {"ciphertext", subject->tenant, subject->account, subject->purpose, field};

	return bind_to("personal_fields", parts, lengthof(parts));
}

/* Room for nonce, text and tag, with the nonce drawn. */
static bytea *
new_sealed(size_t text_length)
{
	size_t size = VARHDRSZ + XAES_NONCE_SIZE + text_length + XAES_TAG_SIZE;
	bytea *sealed = palloc(size);

	SET_VARSIZE(sealed, size);
	if (!pg_strong_random(VARDATA(sealed), XAES_NONCE_SIZE))
		ereport(ERROR, errcode(ERRCODE_BILLING_INTERNAL), errmsg("could not draw random bytes"));
	return sealed;
}

static XaesStatus
seal_into(bytea *sealed, const uint8_t *key, XaesBytes bound, XaesBytes text)
{
	uint8_t *nonce = (uint8_t *) VARDATA(sealed);

	return xaes_seal(key, nonce, bound, text, nonce + XAES_NONCE_SIZE);
}

/* How long the text of stored bytes is; REFUSED when they are too short to hold one. */
static XaesStatus
sealed_length(const bytea *sealed, size_t *length)
{
	size_t stored = VARSIZE_ANY_EXHDR(sealed);

	if (stored < XAES_NONCE_SIZE + XAES_TAG_SIZE)
		return XAES_REFUSED;
	*length = stored - XAES_NONCE_SIZE - XAES_TAG_SIZE;
	return XAES_OK;
}

static XaesStatus
open_from(const bytea *sealed, const uint8_t *key, XaesBytes bound, uint8_t *out)
{
	const uint8_t *nonce = (const uint8_t *) VARDATA_ANY(sealed);

	return xaes_open(key, nonce, bound,
					 (XaesBytes){nonce + XAES_NONCE_SIZE, VARSIZE_ANY_EXHDR(sealed) - XAES_NONCE_SIZE}, out);
}

static void
check_status(XaesStatus status, const PrivacySubject *subject, const char *what)
{
	if (status == XAES_OK)
		return;
	if (status == XAES_NO_MEMORY)
		ereport(ERROR, errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory"));
	if (status != XAES_REFUSED)
		ereport(ERROR, errcode(ERRCODE_BILLING_INTERNAL), errmsg("could not encrypt or decrypt %s", what));
	ereport(
		ERROR, errcode(ERRCODE_BILLING_CIPHERTEXT_REFUSED),
		errmsg("%s of account \"%s\" of tenant \"%s\" cannot be decrypted", what, subject->account,
			   subject->tenant),
		errdetail("What is stored there was changed, moved there from elsewhere, or made with another key."));
}

static void
refuse_key_id(const char *key_id)
{
	ereport(ERROR, errcode(ERRCODE_BILLING_KEY_FILE),
			errmsg("field key \"%s\" is not in the key file", key_id),
			errhint("A key leaves the file of billing.field_key_file only when billing.rewrap_data_keys() "
					"returns 0."));
}

/* A wrapped key as a data key; *is_known tells whether the file has the key it is wrapped with. */
static XaesStatus
unwrap(const KeyRing *ring, const PrivacyKey *key, XaesBytes bound, uint8_t out[XAES_KEY_SIZE],
	   bool *is_known)
{
	const uint8_t *wrapping = key_ring_find(ring, key->key_id);
	size_t length;

	*is_known = wrapping != NULL;
	if (wrapping == NULL || sealed_length(key->wrapped, &length) != XAES_OK || length != XAES_KEY_SIZE)
		return XAES_REFUSED;
	return open_from(key->wrapped, wrapping, bound, out);
}

/* The data key as it is stored, in the clear. */
static void
open_key(const PrivacySubject *subject, const PrivacyKey *key, uint8_t out[XAES_KEY_SIZE])
{
	XaesBytes bound = bind_key(subject, key->key_id);
	KeyRing ring;
	XaesStatus status;
	bool is_known;

	load_ring(&ring);
	status = unwrap(&ring, key, bound, out, &is_known);
	key_ring_forget(&ring);
	if (!is_known)
		refuse_key_id(key->key_id);
	check_status(status, subject, "data key");
}

char *
privacy_wrapping_id(void)
{
	char *id = palloc(KEY_RING_ID_MAX + 1);
	KeyRing ring;

	load_ring(&ring);
	strlcpy(id, ring.keys[0].id, KEY_RING_ID_MAX + 1);
	key_ring_forget(&ring);
	return id;
}

PrivacyKey
privacy_make_key(const PrivacySubject *subject)
{
	PrivacyKey key = {privacy_wrapping_id(), new_sealed(XAES_KEY_SIZE)};
	XaesBytes bound = bind_key(subject, key.key_id);
	uint8_t data_key[XAES_KEY_SIZE];
	XaesStatus status = XAES_FAILED;
	KeyRing ring;

	load_ring(&ring);
	if (strcmp(ring.keys[0].id, key.key_id) == 0 && pg_strong_random(data_key, sizeof(data_key)))
		status = seal_into(key.wrapped, ring.keys[0].key, bound, (XaesBytes){data_key, sizeof(data_key)});
	key_ring_forget(&ring);
	OPENSSL_cleanse(data_key, sizeof(data_key));
	check_status(status, subject, "data key");
	return key;
}

bytea *
privacy_rewrap(const PrivacySubject *subject, const PrivacyKey *key)
{
	char *new_id = privacy_wrapping_id();
	XaesBytes old_bound = bind_key(subject, key->key_id);
	XaesBytes new_bound = bind_key(subject, new_id);
	bytea *wrapped = new_sealed(XAES_KEY_SIZE);
	uint8_t data_key[XAES_KEY_SIZE];
	XaesStatus status;
	bool is_known;
	KeyRing ring;

	load_ring(&ring);
	status = unwrap(&ring, key, old_bound, data_key, &is_known);
	if (status == XAES_OK)
		status = strcmp(ring.keys[0].id, new_id) == 0 ? seal_into(wrapped, ring.keys[0].key, new_bound,
																  (XaesBytes){data_key, sizeof(data_key)})
													  : XAES_FAILED;
	key_ring_forget(&ring);
	OPENSSL_cleanse(data_key, sizeof(data_key));
	if (!is_known)
		refuse_key_id(key->key_id);
	check_status(status, subject, "data key");
	return wrapped;
}

bytea *
privacy_seal(const PrivacySubject *subject, const PrivacyKey *key, const char *field, const char *value,
			 size_t length)
{
	bytea *sealed = new_sealed(length);
	XaesBytes bound = bind_field(subject, field);
	uint8_t data_key[XAES_KEY_SIZE];
	XaesStatus status;

	open_key(subject, key, data_key);
	status = seal_into(sealed, data_key, bound, (XaesBytes){value, length});
	OPENSSL_cleanse(data_key, sizeof(data_key));
	check_status(status, subject, field);
	return sealed;
}

char *
privacy_open(const PrivacySubject *subject, const PrivacyKey *key, const char *field, const bytea *ciphertext)
{
	XaesBytes bound = bind_field(subject, field);
	uint8_t data_key[XAES_KEY_SIZE];
	XaesStatus status;
	size_t length;
	char *value;

	check_status(sealed_length(ciphertext, &length), subject, field);
	value = palloc(length + 1);
	open_key(subject, key, data_key);
	status = open_from(ciphertext, data_key, bound, (uint8_t *) value);
	OPENSSL_cleanse(data_key, sizeof(data_key));
	check_status(status, subject, field);
	value[length] = '\0';
	return value;
}
