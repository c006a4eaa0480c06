/*
 * card.c: refuses card numbers in texts and JSON; core/card.h says what one is.
 */
#include "postgres.h"
#include "fmgr.h"

#include "catalog/pg_type.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"
#include "utils/syscache.h"

#include "server/card.h"
#include "server/server.h"

CardFinding
billing_card_in_text(const text *value)
{
	return card_find(VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value));
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

static CardFinding
card_in_any(Jsonb *document)
{
	JsonbIterator *iterator = JsonbIteratorInit(&document->root);
	JsonbIteratorToken token;
	JsonbValue value;
	JsonbValue name = {.type = jbvNull};
	CardFinding finding = CARD_NONE;

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

/* The length of an entry that begins at an offset; moves the offset behind it. */
static uint32
take_entry(JEntry entry, uint32 *offset)
{
	uint32 start = *offset;

	JBE_ADVANCE_OFFSET(*offset, entry);
	return *offset - start;
}

/* An object whose values are strings, as dimensions are: without the iterator, which costs more than all the rest. */
static CardFinding
card_in_strings(const JsonbContainer *object)
{
	int count = JsonContainerSize(object);
	const char *keys = (const char *) &object->children[2 * count];
	uint32 key_offset = 0;
	uint32 value_offset = 0;
	CardFinding finding = CARD_NONE;

	for (int i = 0; i < count; i++)
		take_entry(object->children[i], &value_offset);
	for (int i = 0; i < count && finding == CARD_NONE; i++)
	{
		const char *key = keys + key_offset;
		const char *value = keys + value_offset;
		uint32 key_length = take_entry(object->children[i], &key_offset);
		uint32 value_length = take_entry(object->children[count + i], &value_offset);

		finding = card_find(key, key_length);
		if (finding == CARD_NONE && card_has_digits(value, value_length, CARD_CODE_DIGITS_MIN))
			finding = card_find_member(key, key_length, value, value_length);
	}
	return finding;
}

static bool
holds_only_strings(const JsonbContainer *object)
{
	int count = JsonContainerSize(object);

	for (int i = count; i < 2 * count; i++)
		if (!JBE_ISSTRING(object->children[i]))
			return false;
	return true;
}

CardFinding
billing_card_in_jsonb(Jsonb *document)
{
	if (JB_ROOT_IS_OBJECT(document) && holds_only_strings(&document->root))
		return card_in_strings(&document->root);
	return card_in_any(document);
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

static CardFinding
card_in_texts(ArrayType *values)
{
	Datum *elements;
	bool *nulls;
	int count;
	CardFinding finding = CARD_NONE;

	deconstruct_array(values, TEXTOID, -1, false, TYPALIGN_INT, &elements, &nulls, &count);
	for (int i = 0; i < count && finding == CARD_NONE; i++)
		if (!nulls[i])
			finding = billing_card_in_text(DatumGetTextPP(elements[i]));
	return finding;
}

BILLING_FUNCTION(billing_refuse_card_texts)
{
	CardFinding finding = card_in_texts(PG_GETARG_ARRAYTYPE_P(1));

	if (finding != CARD_NONE)
		billing_refuse_card(text_to_cstring(PG_GETARG_TEXT_PP(0)), finding);
	PG_RETURN_BOOL(true);
}

/* Functions of billing name all their arguments. */
static const char *
argument_name(Oid function, int argument)
{
	HeapTuple tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	Oid *types;
	char **names;
	char *modes;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for function %u", function);
	get_func_arg_info(tuple, &types, &names, &modes);
	ReleaseSysCache(tuple);
	return names != NULL ? names[argument] : "an argument";
}

void
billing_refuse_card_arguments(FunctionCallInfo fcinfo)
{
	Oid *types;
	int count;

	get_func_signature(fcinfo->flinfo->fn_oid, &types, &count);
	for (int i = 0; i < count; i++)
	{
		CardFinding finding = CARD_NONE;

		if (PG_ARGISNULL(i))
			continue;
		if (types[i] == TEXTOID)
			finding = billing_card_in_text(PG_GETARG_TEXT_PP(i));
		else if (types[i] == TEXTARRAYOID)
			finding = card_in_texts(PG_GETARG_ARRAYTYPE_P(i));
		else if (types[i] == JSONBOID)
			finding = billing_card_in_jsonb(PG_GETARG_JSONB_P(i));
		if (finding != CARD_NONE)
			billing_refuse_card(argument_name(fcinfo->flinfo->fn_oid, i), finding);
	}
}
