#include "ids.h"

#include <string.h>

#define VERSION_TIME 7
#define VERSION_DERIVED 8

#define COUNTER_MAX 0xFFF
#define COUNTER_START_MASK 0x7FF

/* Names the encoding: ids of another encoding begin otherwise, and so never equal these. */
static const char derive_prefix[] = "billing/v1/";

static void
set_version(uint8_t uuid[UUID_SIZE], uint8_t version)
{
	uuid[6] = (uint8_t) ((uuid[6] & 0x0F) | version << 4);
	uuid[8] = (uint8_t) ((uuid[8] & 0x3F) | 0x80);
}

bool
uuid_v7(int64_t milliseconds, const uint8_t random[UUID_RANDOM_SIZE], uint8_t out[UUID_SIZE])
{
	if (milliseconds < 0 || milliseconds > UUID_V7_MILLISECONDS_MAX)
		return false;
	for (int i = 0; i < 6; i++)
		out[i] = (uint8_t) (milliseconds >> (40 - 8 * i));
	memcpy(out + 6, random, UUID_RANDOM_SIZE);
	set_version(out, VERSION_TIME);
	return true;
}

bool
uuid_v7_next(UuidClock *clock, int64_t milliseconds, const uint8_t random[UUID_RANDOM_SIZE],
			 uint8_t out[UUID_SIZE])
{
	UuidClock next = *clock;

	if (milliseconds > clock->milliseconds || clock->counter == COUNTER_MAX)
	{
		next.milliseconds = milliseconds > clock->milliseconds ? milliseconds : clock->milliseconds + 1;
		next.counter = (uint16_t) ((random[0] << 8 | random[1]) & COUNTER_START_MASK);
	}
	else
		next.counter++;
	if (milliseconds < 0 || !uuid_v7(next.milliseconds, random, out))
		return false;
	out[6] = (uint8_t) (VERSION_TIME << 4 | next.counter >> 8);
	out[7] = (uint8_t) next.counter;
	*clock = next;
	return true;
}

DigestStatus
uuid_derive(DigestContext *context, const char *kind, const DigestPart *parts, size_t count,
			uint8_t out[UUID_SIZE])
{
	uint8_t hash[DIGEST_SIZE];
	size_t prefix_length = sizeof(derive_prefix) - 1;
	size_t kind_length = strlen(kind);
	uint32_t length = (uint32_t) (prefix_length + kind_length);
	uint8_t length_bytes[4] = {(uint8_t) (length >> 24), (uint8_t) (length >> 16), (uint8_t) (length >> 8),
							   (uint8_t) length};
	DigestStatus status = digest_reset(context);

	if (kind_length >= UINT32_MAX - prefix_length)
		return DIGEST_TOO_LONG;
	if (status == DIGEST_OK)
		status = digest_update(context, length_bytes, sizeof(length_bytes));
	if (status == DIGEST_OK)
		status = digest_update(context, derive_prefix, prefix_length);
	if (status == DIGEST_OK)
		status = digest_update(context, kind, kind_length);
	for (size_t i = 0; i < count && status == DIGEST_OK; i++)
		status = digest_update_part(context, parts[i]);
	if (status == DIGEST_OK)
		status = digest_final(context, hash);
	if (status != DIGEST_OK)
		return status;
	memcpy(out, hash, UUID_SIZE);
	set_version(out, VERSION_DERIVED);
	return DIGEST_OK;
}
