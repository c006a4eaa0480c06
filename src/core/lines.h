#ifndef BILLING_CORE_LINES_H
#define BILLING_CORE_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Reading texts made of lines, each of which ends in a line feed. */
typedef struct TextSpan
{
	const char *text;
	size_t length;
} TextSpan;

/* The digits of the largest number that these texts hold, 2^63 - 1. */
#define LINE_NUMBER_DIGITS_MAX 19

/* Takes the first line, without its line feed, off rest; false when rest has no line feed. */
extern bool line_next(TextSpan *rest, TextSpan *line);

/* Takes prefix off the start of a line; false, and the line unchanged, when it begins otherwise. */
extern bool line_skip(TextSpan *line, const char *prefix);

/* A decimal of at most 2^63 - 1 (a bigint in the server), without sign and without leading zeros unless it is 0. */
extern bool line_number(TextSpan line, uint64_t *number);

/* Writes the digits of a number of at most 2^63 - 1, without a zero byte after them, and returns how many. */
extern size_t line_write_number(uint64_t number, char out[LINE_NUMBER_DIGITS_MAX]);

#endif
