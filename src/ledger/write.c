/*
 * write.c: one entry by hand into the ledger, without a statement.
 *
 * Three names are looked up and one row is written. A statement, though its
 * plan is kept, takes twice the instructions for that (README.md), so this does
 * what statements/post_entry.sql does where server/direct.h may.
 */
#include "postgres.h"
#include "fmgr.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/xid8.h"

#include "ledger/write.h"
#include "server/direct.h"

enum EntryColumn
{
	ENTRY_POSTED_ON,
	ENTRY_TENANT,
	ENTRY_ID,
	ENTRY_ACCOUNT,
	ENTRY_TYPE,
	ENTRY_DEBIT_ACCOUNT,
	ENTRY_CREDIT_ACCOUNT,
	ENTRY_AMOUNT,
	ENTRY_CURRENCY,
	ENTRY_SOURCE,
	ENTRY_SOURCE_ID,
	ENTRY_MEMO,
	ENTRY_POSTED_AT,
	ENTRY_LOG_XID,
	ENTRY_COLUMNS
};

static const DirectColumn entry_columns[ENTRY_COLUMNS] = {
	[ENTRY_POSTED_ON] = {"posted_on", DATEOID},
	[ENTRY_TENANT] = {"tenant_id", TEXTOID},
	[ENTRY_ID] = {"entry_id", UUIDOID},
	[ENTRY_ACCOUNT] = {"account_id", TEXTOID},
	[ENTRY_TYPE] = {"entry_type", TEXTOID},
	[ENTRY_DEBIT_ACCOUNT] = {"debit_account", TEXTOID},
	[ENTRY_CREDIT_ACCOUNT] = {"credit_account", TEXTOID},
	[ENTRY_AMOUNT] = {"amount_minor", INT8OID},
	[ENTRY_CURRENCY] = {"currency", TEXTOID},
	[ENTRY_SOURCE] = {"source", TEXTOID},
	[ENTRY_SOURCE_ID] = {"source_id", UUIDOID},
	[ENTRY_MEMO] = {"memo", TEXTOID, .may_be_null = true},
	[ENTRY_POSTED_AT] = {"posted_at", TIMESTAMPTZOID},
	[ENTRY_LOG_XID] = {"log_xid", XID8OID},
};

/* Kept by: the amount and the memo of a HandEntry, read_entry_type(), and the source that is written here. */
static const char *const entry_checks[] = {"ledger_entries_amount_minor_check", "ledger_entries_cards",
										   "ledger_entries_check", "ledger_entries_source_check"};

static const DirectTable entry_table = {.name = "ledger_entries",
										.key_type = DATEOID,
										.column_count = ENTRY_COLUMNS,
										.columns = entry_columns,
										.check_count = lengthof(entry_checks),
										.checks = entry_checks};

/* ---- names ---- */

/* A scan for the one row of a table that has values in the columns of its key. */
typedef struct KeyScan
{
	Relation table; /* NULL: not as made */
	SysScanDesc scan;
	HeapTuple row; /* NULL: there is none */
} KeyScan;

#define KEY_COLUMNS_MAX 2

static KeyScan
begin_key_scan(Oid schema, const char *table, const char *index, const char *const *columns,
			   text *const *values, int count)
{
	KeyScan found = {NULL};
	ScanKeyData keys[KEY_COLUMNS_MAX];
	Oid index_oid;

	found.table = billing_open_with_index(schema, table, index, &index_oid);
	if (found.table == NULL)
		return found;
	for (int i = 0; i < count; i++)
		billing_key_text(&keys[i], get_attnum(RelationGetRelid(found.table), columns[i]), values[i]);
	found.scan = systable_beginscan(found.table, index_oid, true, GetActiveSnapshot(), count, keys);
	found.row = systable_getnext(found.scan);
	return found;
}

static void
end_key_scan(KeyScan *found)
{
	if (found->table == NULL)
		return;
	systable_endscan(found->scan);
	table_close(found->table, AccessShareLock);
}

static bool
has_row(Oid schema, const char *table, const char *index, const char *const *columns, text *const *values,
		int count)
{
	KeyScan found = begin_key_scan(schema, table, index, columns, values, count);
	bool exists = found.row != NULL;

	end_key_scan(&found);
	return exists;
}

static bool
has_account(Oid schema, const HandEntry *entry)
{
	static const char *const columns[] = {"tenant_id", "account_id"};
	text *const values[] = {entry->tenant_id, entry->account_id};

	return has_row(schema, "accounts", "accounts_pkey", columns, values, lengthof(columns));
}

static bool
has_currency(Oid schema, const HandEntry *entry)
{
	static const char *const columns[] = {"currency"};

	return has_row(schema, "currencies", "currencies_pkey", columns, &entry->currency, 1);
}

static Datum
column_of(const KeyScan *found, const char *name)
{
	bool isnull;
	Datum value = heap_getattr(found->row, get_attnum(RelationGetRelid(found->table), name),
							   RelationGetDescr(found->table), &isnull);

	if (isnull)
		elog(ERROR, "column \"%s\" of an entry type is null", name);
	return value;
}

/* Its pair of accounts, unless it is not posted by hand; false also for a pair that a CHECK would refuse. */
static bool
read_entry_type(Oid schema, const HandEntry *entry, Datum *values)
{
	static const char *const columns[] = {"entry_type"};
	KeyScan found = begin_key_scan(schema, "entry_types", "entry_types_pkey", columns, &entry->entry_type, 1);
	bool is_by_hand = found.row != NULL && DatumGetBool(column_of(&found, "by_hand"));

	if (is_by_hand)
	{
		text *debit = DatumGetTextPCopy(column_of(&found, "debit_account"));
		text *credit = DatumGetTextPCopy(column_of(&found, "credit_account"));

		values[ENTRY_DEBIT_ACCOUNT] = PointerGetDatum(debit);
		values[ENTRY_CREDIT_ACCOUNT] = PointerGetDatum(credit);
		is_by_hand = !billing_same_text(debit, credit);
	}
	end_key_scan(&found);
	return is_by_hand;
}

/* ---- the row ---- */

static void
insert_entry(DirectWriter *writer, const HandEntry *entry, const Datum *accounts)
{
	TupleTableSlot *slot = writer->slot;
	Datum *values = slot->tts_values;

	ExecClearTuple(slot);
	memset(slot->tts_isnull, false, sizeof(bool) * ENTRY_COLUMNS);
	slot->tts_isnull[ENTRY_MEMO] = entry->memo == NULL;
	values[ENTRY_POSTED_ON] = DateADTGetDatum(entry->posted_on);
	values[ENTRY_TENANT] = PointerGetDatum(entry->tenant_id);
	values[ENTRY_ID] = UUIDPGetDatum(entry->entry_id);
	values[ENTRY_ACCOUNT] = PointerGetDatum(entry->account_id);
	values[ENTRY_TYPE] = PointerGetDatum(entry->entry_type);
	values[ENTRY_DEBIT_ACCOUNT] = accounts[ENTRY_DEBIT_ACCOUNT];
	values[ENTRY_CREDIT_ACCOUNT] = accounts[ENTRY_CREDIT_ACCOUNT];
	values[ENTRY_AMOUNT] = Int64GetDatum(entry->amount_minor);
	values[ENTRY_CURRENCY] = PointerGetDatum(entry->currency);
	values[ENTRY_SOURCE] = CStringGetTextDatum("hand");
	values[ENTRY_SOURCE_ID] = UUIDPGetDatum(entry->entry_id);
	values[ENTRY_MEMO] = PointerGetDatum(entry->memo);
	values[ENTRY_POSTED_AT] = TimestampTzGetDatum(GetCurrentTransactionStartTimestamp());
	values[ENTRY_LOG_XID] = FullTransactionIdGetDatum(billing_current_log_xid());
	ExecStoreVirtualTuple(slot);
	billing_direct_insert(writer);
}

bool
ledger_write_by_hand(const HandEntry *entry)
{
	DirectWriter writer;
	Datum accounts[ENTRY_COLUMNS];
	bool is_written;

	if (!billing_direct_begin(&writer, &entry_table))
		return false;
	is_written = read_entry_type(writer.schema, entry, accounts) && has_account(writer.schema, entry) &&
				 has_currency(writer.schema, entry) &&
				 billing_direct_route(&writer, DateADTGetDatum(entry->posted_on)) == DIRECT_READY;
	if (is_written)
		insert_entry(&writer, entry, accounts);
	billing_direct_end(&writer);
	return is_written;
}
