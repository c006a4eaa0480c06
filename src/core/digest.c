#include "digest.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#define NULL_PART_LENGTH UINT32_MAX

/* What is hashed comes in pieces of a few bytes, and the library takes longer to be called than to take them. */
#define PENDING_SIZE 512

struct DigestContext
{
	EVP_MD *algorithm;
	EVP_MD_CTX *initial; /* to begin with a copy of it is faster than to initialize */
	EVP_MD_CTX *state;
	size_t pending_length;
	uint8_t pending[PENDING_SIZE];
};

static DigestStatus
status_from_library(int result)
{
	return result == 1 ? DIGEST_OK : DIGEST_FAILED;
}

DigestStatus
digest_create(DigestContext **context)
{
	DigestContext *created = calloc(1, sizeof(*created));
	DigestStatus status;

	*context = NULL;
	if (created == NULL)
		return DIGEST_NO_MEMORY;
	created->algorithm = EVP_MD_fetch(NULL, "SHA2-256", NULL);
	created->initial = EVP_MD_CTX_new();
	created->state = EVP_MD_CTX_new();
	if (created->initial == NULL || created->state == NULL)
		status = DIGEST_NO_MEMORY;
	else if (created->algorithm == NULL)
		status = DIGEST_FAILED;
	else
		status = status_from_library(EVP_DigestInit_ex2(created->initial, created->algorithm, NULL));
	if (status == DIGEST_OK)
		status = digest_reset(created);
	if (status == DIGEST_OK)
		*context = created;
	else
		digest_free(created);
	return status;
}

DigestStatus
digest_reset(DigestContext *context)
{
	context->pending_length = 0;
	return status_from_library(EVP_MD_CTX_copy_ex(context->state, context->initial));
}

static DigestStatus
flush_pending(DigestContext *context)
{
	size_t length = context->pending_length;

	context->pending_length = 0;
	if (length == 0)
		return DIGEST_OK;
	return status_from_library(EVP_DigestUpdate(context->state, context->pending, length));
}

DigestStatus
digest_update(DigestContext *context, const void *bytes, size_t length)
{
	DigestStatus status = DIGEST_OK;

	if (length == 0)
		return DIGEST_OK;
	if (length > PENDING_SIZE - context->pending_length)
		status = flush_pending(context);
	if (status != DIGEST_OK)
		return status;
	if (length > PENDING_SIZE)
		return status_from_library(EVP_DigestUpdate(context->state, bytes, length));
	memcpy(context->pending + context->pending_length, bytes, length);
	context->pending_length += length;
	return DIGEST_OK;
}

DigestStatus
digest_update_part(DigestContext *context, DigestPart part)
{
	uint32_t length = part.bytes == NULL ? NULL_PART_LENGTH : (uint32_t) part.length;
	uint8_t prefix[4] = {(uint8_t) (length >> 24), (uint8_t) (length >> 16), (uint8_t) (length >> 8),
						 (uint8_t) length};
	DigestStatus status;

	if (part.bytes != NULL && part.length >= NULL_PART_LENGTH)
		return DIGEST_TOO_LONG;
	status = digest_update(context, prefix, sizeof(prefix));
	if (status == DIGEST_OK && part.bytes != NULL)
		status = digest_update(context, part.bytes, part.length);
	return status;
}

DigestStatus
digest_final(DigestContext *context, uint8_t out[DIGEST_SIZE])
{
	DigestStatus status = flush_pending(context);

	if (status != DIGEST_OK)
		return status;
	return status_from_library(EVP_DigestFinal_ex(context->state, out, NULL));
}

void
digest_free(DigestContext *context)
{
	if (context == NULL)
		return;
	EVP_MD_CTX_free(context->state);
	EVP_MD_CTX_free(context->initial);
	EVP_MD_free(context->algorithm);
	free(context);
}

DigestStatus
digest_bytes(DigestContext *context, const void *bytes, size_t length, uint8_t out[DIGEST_SIZE])
{
	DigestStatus status = digest_reset(context);

	if (status == DIGEST_OK)
		status = status_from_library(EVP_DigestUpdate(context->state, bytes, length));
	return status == DIGEST_OK ? digest_final(context, out) : status;
}

DigestStatus
digest_sha256(const void *bytes, size_t length, uint8_t out[DIGEST_SIZE])
{
	DigestContext *context;
	DigestStatus status = digest_create(&context);

	if (status == DIGEST_OK)
		status = digest_bytes(context, bytes, length, out);
	digest_free(context);
	return status;
}

DigestStatus
digest_parts(DigestContext *context, const DigestPart *parts, size_t count, uint8_t out[DIGEST_SIZE])
{
	DigestStatus status = digest_reset(context);

	for (size_t i = 0; i < count && status == DIGEST_OK; i++)
		status = digest_update_part(context, parts[i]);
	return status == DIGEST_OK ? digest_final(context, out) : status;
}
