/*
 * card.h: no card number is ever stored, nor told in an error.
 */
#ifndef BILLING_CARD_H
#define BILLING_CARD_H

#include "core/card.h"
#include "fmgr.h"
#include "utils/jsonb.h"

/* CARD_NONE, or what a value holds. */
extern CardFinding billing_card_in_text(const text *value);
extern CardFinding billing_card_in_jsonb(Jsonb *document);

/* Raises MB422: `what` (a column or an argument) holds that. Neither the row nor the statement gets into the log. */
extern _Noreturn void billing_refuse_card(const char *what, CardFinding finding);

/* Raises MB422 with a message that is made already. */
extern _Noreturn void billing_raise_card(const char *message);

/* For entries whose errors quote what was given: raises MB422 when an argument (text, text[] or jsonb) holds one. */
extern void billing_refuse_card_arguments(FunctionCallInfo fcinfo);

/* "a card number" or the like. */
extern const char *billing_card_text(CardFinding finding);

#endif
