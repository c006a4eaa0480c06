/*
 * card.c: refuses card numbers in texts and JSON; core/card.h says what one is.
 */
#include "postgres.h"
#include "fmgr.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/numeric.h"

#include "server/card.h"
#include "server/server.h"

CardFinding
billing_card_in_text(const text *value)
{
	return card_find(VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value));
}

/*
 * Whether a document may hold one. Its strings stand in its bytes as they are; numbers do not, and what is nested has to
 * be looked into.
 */
static bool
is_worth_a_look(const Jsonb *document)
{
	int count = JB_ROOT_COUNT(document) * (JB_ROOT_IS_OBJECT(document) ? 2 : 1);

	for (int i = 0; i < count; i++)
		if (JBE_ISNUMERIC(document->root.children[i]) || JBE_ISCONTAINER(document->root.children[i]))
			return true;
	return card_has_digits((const char *) &document->root, VARSIZE(document) - VARHDRSZ,
						   CARD_CODE_DIGITS_MIN);
}

/* A string or number, by the name of the member it is in or under. */
static CardFinding
card_in_scalar(const JsonbValue *name, const JsonbValue *value)
{
	const char *string;
	int length;

	if (value->type == jbvString)
	{
		string = value->val.string.val;
		length = value->val.string.len;
	}
	else if (value->type == jbvNumeric)
	{
		string = DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(value->val.numeric)));
		length = strlen(string);
	}
	else
		return CARD_NONE;
	if (name->type != jbvString)
		return card_find(string, length);
	return card_find_member(name->val.string.val, name->val.string.len, string, length);
}

CardFinding
billing_card_in_jsonb(Jsonb *document)
{
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue value;
	JsonbValue name = {.type = jbvNull};
	CardFinding finding = CARD_NONE;

	if (!is_worth_a_look(document))
		return CARD_NONE;
	iterator = JsonbIteratorInit(&document->root);
	while (finding == CARD_NONE && (token = JsonbIteratorNext(&iterator, &value, false)) != WJB_DONE)
	{
		if (token == WJB_KEY)
		{
			name = value;
			finding = card_find(name.val.string.val, name.val.string.len);
		}
		else if (token == WJB_VALUE || token == WJB_ELEM)
			finding = card_in_scalar(&name, &value);
	}
	return finding;
}

const char *
billing_card_text(CardFinding finding)
{
	return finding == CARD_CODE ? "a card's security code" : "a card number";
}

void
billing_raise_card(const char *message)
{
	/* The context would quote the line of a COPY, or a statement's parameters. Who catches the error has his own. */
	error_context_stack = NULL;
	ereport(ERROR, errcode(ERRCODE_BILLING_CARD_NUMBER), errhidestmt(true), errhidecontext(true),
			errmsg("%s", message), errdetail("Card numbers and their security codes are never stored."),
			errhint("Store the payment provider's token for the card."));
	pg_unreachable();
}

void
billing_refuse_card(const char *what, CardFinding finding)
{
	billing_raise_card(psprintf("%s holds %s", what, billing_card_text(finding)));
}

BILLING_FUNCTION(billing_refuse_card_text)
{
	text *value = PG_GETARG_TEXT_PP(1);
	CardFinding finding = billing_card_in_text(value);

	if (finding != CARD_NONE)
		billing_refuse_card(text_to_cstring(PG_GETARG_TEXT_PP(0)), finding);
	PG_RETURN_BOOL(true);
}

BILLING_FUNCTION(billing_refuse_card_jsonb)
{
	Jsonb *value = PG_GETARG_JSONB_P(1);
	CardFinding finding = billing_card_in_jsonb(value);

	if (finding != CARD_NONE)
		billing_refuse_card(text_to_cstring(PG_GETARG_TEXT_PP(0)), finding);
	PG_FREE_IF_COPY(value, 1);
	PG_RETURN_BOOL(true);
}

BILLING_FUNCTION(billing_refuse_card_texts)
{
	ArrayType *values = PG_GETARG_ARRAYTYPE_P(1);
	Datum *elements;
	bool *nulls;
	int count;

	deconstruct_array(values, TEXTOID, -1, false, TYPALIGN_INT, &elements, &nulls, &count);
	for (int i = 0; i < count; i++)
	{
		CardFinding finding = nulls[i] ? CARD_NONE : billing_card_in_text(DatumGetTextPP(elements[i]));

		if (finding != CARD_NONE)
			billing_refuse_card(text_to_cstring(PG_GETARG_TEXT_PP(0)), finding);
	}
	PG_RETURN_BOOL(true);
}
