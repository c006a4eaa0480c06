#ifndef BILLING_CORE_PERSONAL_H
#define BILLING_CORE_PERSONAL_H

#include <stddef.h>

/*
 * Personal fields of an account: which there are, what a value must look like, and its one form. The checks are loose
 * on purpose: they keep out what cannot be meant, and do not say what exists.
 *
 * Why a value is kept decides how long: `contact` is ours to ask for and to forget, `invoice` is on invoices, which the
 * law makes a seller keep.
 */
typedef enum
{
	PERSONAL_CONTACT = 0,
	PERSONAL_INVOICE
} PersonalPurpose;

typedef enum
{
	PERSONAL_OK = 0,
	PERSONAL_BLANK,		/* no value: empty, or white space alone */
	PERSONAL_TOO_LONG,	/* of a text, or of a list */
	PERSONAL_CHARACTER, /* a control character, or one the field does not have */
	PERSONAL_SHAPE,		/* an e-mail address, phone or tax number that cannot be one */
	PERSONAL_JSON,		/* no JSON, or not of the field's form */
	PERSONAL_COUNTRY,	/* not two capital letters */
	PERSONAL_NO_MEMORY
} PersonalStatus;

typedef struct PersonalField PersonalField;

/* NULL when there is no such field. */
extern const PersonalField *personal_field(const char *name);

extern const char *personal_field_name(const PersonalField *field);
extern PersonalPurpose personal_field_purpose(const PersonalField *field);

/* What a value must be, a sentence for people. */
extern const char *personal_field_form(const PersonalField *field);

/* "contact" or "invoice". */
extern const char *personal_purpose_name(PersonalPurpose purpose);

/*
 * Checks a value (UTF-8; a text, or JSON where the field has parts) and gives its canonical JSON (RFC 8785): *out is
 * malloc'ed, zero-terminated, and NULL unless PERSONAL_OK.
 */
extern PersonalStatus personal_value(const PersonalField *field, const char *value, size_t length, char **out,
									 size_t *out_length);

/* A short English phrase that shows nothing of the value. Never NULL. */
extern const char *personal_status_text(PersonalStatus status);

#endif
