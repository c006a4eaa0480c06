#ifndef BILLING_CORE_BASE64_H
#define BILLING_CORE_BASE64_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Base 64 (RFC 4648 4) in which every byte string has exactly one encoding: padded, without white space, and the bits
 * that stand for no byte are zero (RFC 4648 3.5). OpenSSL's decoder skips white space and ignores those bits.
 */
#define BASE64_LENGTH(length) (((length) + 2) / 3 * 4)

/* Writes BASE64_LENGTH(length) characters, without a zero byte after them, and returns that number. */
extern size_t base64_encode(const uint8_t *bytes, size_t length, char *out);

/* Whether text is such an encoding; decoded_length is the number of bytes it stands for. */
extern bool base64_check(const char *text, size_t length, size_t *decoded_length);

/* False when text is no encoding of exactly out_length bytes; out is then undefined. */
extern bool base64_decode(const char *text, size_t length, uint8_t *out, size_t out_length);

/*
 * Base 64 with the URL and filename safe alphabet (RFC 4648 5) without padding, as JWS has it (RFC 7515 2); again every
 * byte string has exactly one encoding.
 */
#define BASE64URL_LENGTH(length) (((length) *4 + 2) / 3)

/* Writes BASE64URL_LENGTH(length) characters, without a zero byte after them, and returns that number. */
extern size_t base64url_encode(const uint8_t *bytes, size_t length, char *out);

/*
 * False when text is no such encoding; out is then undefined. It has room for length / 4 * 3 + 2 bytes, and
 * *out_length is how many there are.
 */
extern bool base64url_decode(const char *text, size_t length, uint8_t *out, size_t *out_length);

#endif
