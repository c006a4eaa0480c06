#include "leaf.h"

#include <string.h>

/* Separates leaves from inner nodes, which begin with 1 (RFC 6962 2.1), and this encoding from any later one. */
static const char leaf_prefix[] = "\0billing/v1/";

DigestStatus
leaf_begin(DigestContext *context, const char *kind)
{
	DigestStatus status = digest_reset(context);

	if (status == DIGEST_OK)
		status = digest_update(context, leaf_prefix, sizeof(leaf_prefix) - 1);
	if (status == DIGEST_OK)
		status = digest_update(context, kind, strlen(kind));
	return status == DIGEST_OK ? digest_update(context, "\n", 1) : status;
}

DigestStatus
leaf_column(DigestContext *context, uint16_t number, LeafType type, const void *bytes, size_t length)
{
	uint8_t head[7] = {(uint8_t) (number >> 8),	 (uint8_t) number,		   (uint8_t) type,
					   (uint8_t) (length >> 24), (uint8_t) (length >> 16), (uint8_t) (length >> 8),
					   (uint8_t) length};
	DigestStatus status;

	if (length > UINT32_MAX)
		return DIGEST_TOO_LONG;
	status = digest_update(context, head, sizeof(head));
	return status == DIGEST_OK ? digest_update(context, bytes, length) : status;
}

DigestStatus
leaf_integer(DigestContext *context, uint16_t number, LeafType type, int64_t value)
{
	uint8_t bytes[8];

	for (int i = 0; i < 8; i++)
		bytes[i] = (uint8_t) ((uint64_t) value >> (56 - 8 * i));
	return leaf_column(context, number, type, bytes, sizeof(bytes));
}

DigestStatus
leaf_end(DigestContext *context, uint8_t out[DIGEST_SIZE])
{
	return digest_final(context, out);
}
