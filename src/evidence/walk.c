/*
 * walk.c: the rows of a seal, in the order of the log.
 *
 * Rows flow from the executor to the visitor one at a time, however many there are. The plan for a whole window has its bounds
 * as constants: a generic plan was 20 to 50 times slower. Where only a few rows are wanted, planning over every month would take
 * longer than reading them, so their plan is generic and kept.
 */
#include "postgres.h"
#include "fmgr.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "tcop/dest.h"
#include "tcop/pquery.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/portal.h"
#include "utils/uuid.h"
#include "utils/xid8.h"

#include "embedded.h"
#include "evidence/evidence.h"

/* Between two pauses: 256 blocks. */
#define ROWS_PER_PAUSE 65536

typedef struct RowReceiver
{
	DestReceiver receiver;
	const EvidenceVisitor *visitor;
	Datum snapshot;
	EvidenceRow row;
	bool is_seen; /* the transaction of the row, in the snapshot */
	bool ended;
} RowReceiver;

enum WindowColumn
{
	WINDOW_SEAL = 1,
	WINDOW_SNAPSHOT,
	WINDOW_WAITING,
	WINDOW_FROM,
	WINDOW_TO,
	WINDOW_FRONTIER
};

void
evidence_read_frontier(Datum bytes, MerkleFrontier *frontier)
{
	bytea *stored = DatumGetByteaPP(bytes);

	if (merkle_frontier_read((const uint8_t *) VARDATA_ANY(stored), VARSIZE_ANY_EXHDR(stored), frontier) !=
		MERKLE_OK)
		ereport(ERROR, errcode(ERRCODE_BILLING_INTERNAL), errmsg("a checkpoint's frontier is malformed"));
}

static EvidenceWindow
read_window(const Datum values[3], const char *nulls)
{
	static const Oid types[] = {INT8OID, INT8OID, PG_SNAPSHOTOID};
	static SPIPlanPtr plan;
	EvidenceWindow window = {0};
	bool isnull;
	Datum frontier;

	if (billing_spi_run_kept(&plan, SQL_EVIDENCE_SEAL_WINDOW, lengthof(types), types, values, nulls) != 1)
		elog(ERROR, "the log has no such window");
	window.seal_no = DatumGetInt64(billing_spi_value(0, WINDOW_SEAL, &isnull));
	window.snapshot = datumCopy(billing_spi_value(0, WINDOW_SNAPSHOT, &isnull), false, -1);
	window.waiting = datumCopy(billing_spi_value(0, WINDOW_WAITING, &isnull), false, -1);
	window.since.from =
		U64FromFullTransactionId(DatumGetFullTransactionId(billing_spi_value(0, WINDOW_FROM, &isnull)));
	window.since.to =
		U64FromFullTransactionId(DatumGetFullTransactionId(billing_spi_value(0, WINDOW_TO, &isnull)));
	frontier = billing_spi_value(0, WINDOW_FRONTIER, &isnull);
	if (!isnull)
		evidence_read_frontier(frontier, &window.frontier);
	return window;
}

EvidenceWindow
evidence_window(int64 first_seal, int64 last_seal)
{
	Datum values[] = {Int64GetDatum(first_seal), Int64GetDatum(last_seal), (Datum) 0};

	return read_window(values, "  n");
}

EvidenceWindow
evidence_next_window(Datum snapshot)
{
	Datum values[] = {(Datum) 0, (Datum) 0, snapshot};

	return read_window(values, "nn ");
}

/* Rows come by transaction, and what a snapshot sees of one holds for all its rows. */
static bool
is_in_window(RowReceiver *receiver, Datum log_xid)
{
	uint64 id = U64FromFullTransactionId(DatumGetFullTransactionId(log_xid));

	if (receiver->row.log_xid != id)
	{
		receiver->row.log_xid = id;
		receiver->is_seen =
			DatumGetBool(DirectFunctionCall2(pg_visible_in_snapshot, log_xid, receiver->snapshot));
	}
	return receiver->is_seen;
}

static bool
receive_row(TupleTableSlot *slot, DestReceiver *self)
{
	RowReceiver *receiver = (RowReceiver *) self;
	EvidenceRow *row = &receiver->row;
	bool isnull;

	slot_getallattrs(slot);
	if (!is_in_window(receiver, slot->tts_values[0]))
		return true;
	row->slot = slot;
	row->canon = (const bytea *) DatumGetPointer(slot_getattr(slot, row->kind->key_count + 2, &isnull));
	receiver->ended = !receiver->visitor->row(receiver->visitor->state, row);
	return !receiver->ended;
}

static void
start_rows(DestReceiver *self, int operation, TupleDesc descriptor)
{
}

static void
end_rows(DestReceiver *self)
{
}

/* The rows of a kind in $1 <= log_xid < $2. */
static char *
rows_statement(const EvidenceKind *kind)
{
	return psprintf("%s WHERE t.log_xid >= $1 AND t.log_xid < $2 ORDER BY t.log_xid, %s", kind->rows,
					evidence_key_list(kind, "t"));
}

static Portal
open_rows(const EvidenceKind *kind, const Datum *values)
{
	static const Oid types[] = {XID8OID, XID8OID};

	return SPI_cursor_open_with_args(NULL, rows_statement(kind), lengthof(types), (Oid *) types,
									 (Datum *) values, NULL, false, CURSOR_OPT_NO_SCROLL);
}

/* The same, where only a few are wanted. */
static Portal
open_few_rows(const EvidenceKind *kind, const Datum *values)
{
	static const Oid types[] = {XID8OID, XID8OID};
	SPIPlanPtr *plan = &evidence_kind_plans(kind)->rows;
	char *sql = *plan == NULL ? rows_statement(kind) : NULL;

	return billing_spi_open_kept(plan, sql, lengthof(types), types, values);
}

/* A few from $3 and the key $4 on. That is where the index is entered, so it must be in the range. */
static Portal
open_rows_from(const EvidenceKind *kind, const Datum *values)
{
	static const Oid types[] = {XID8OID, XID8OID, XID8OID, TEXTARRAYOID};
	SPIPlanPtr *plan = &evidence_kind_plans(kind)->rows_from;
	char *sql = NULL;

	if (*plan == NULL)
	{
		char *keys = evidence_key_list(kind, "t");

		sql = psprintf("%s WHERE t.log_xid >= $1 AND t.log_xid < $2 AND (t.log_xid, %s) >= ($3, %s)"
					   " ORDER BY t.log_xid, %s",
					   kind->rows, keys, evidence_key_values(kind, "$4"), keys);
	}
	return billing_spi_open_kept(plan, sql, lengthof(types), types, values);
}

static Portal
open_range(const EvidenceKind *kind, EvidenceRange range, const EvidencePosition *position)
{
	Datum values[] = {FullTransactionIdGetDatum(FullTransactionIdFromU64(range.from)),
					  FullTransactionIdGetDatum(FullTransactionIdFromU64(range.to)), (Datum) 0, (Datum) 0};

	if (position == NULL)
		return open_rows(kind, values);
	if (position->log_xid == 0 || position->log_xid < range.from)
		return open_few_rows(kind, values);
	values[2] = FullTransactionIdGetDatum(FullTransactionIdFromU64(position->log_xid));
	values[3] = position->key;
	return open_rows_from(kind, values);
}

static void
walk_range(RowReceiver *receiver, EvidenceRange range, const EvidencePosition *position)
{
	Portal portal = open_range(receiver->row.kind, range, position);
	uint64 fetched;

	do
	{
		fetched = PortalRunFetch(portal, FETCH_FORWARD, ROWS_PER_PAUSE, &receiver->receiver);
		if (fetched > 0 && receiver->visitor->pause != NULL)
			receiver->visitor->pause(receiver->visitor->state);
	} while (!receiver->ended && fetched == ROWS_PER_PAUSE);
	SPI_cursor_close(portal);
}

/* Those of the waiting ids that wrote rows of the kind, ascending. */
static uint64 *
waiting_with_rows(const EvidenceWindow *window, const EvidenceKind *kind, int *count)
{
	static const Oid types[] = {XID8ARRAYOID};
	SPIPlanPtr *plan = &evidence_kind_plans(kind)->waiting;
	char *sql = NULL;
	uint64 *ids;

	*count = 0;
	if (ArrayGetNItems(ARR_NDIM(DatumGetArrayTypeP(window->waiting)),
					   ARR_DIMS(DatumGetArrayTypeP(window->waiting))) == 0)
		return NULL;
	/* Ordered and limited, for the index: EXISTS read the whole table where transactions were few and large. */
	if (*plan == NULL)
		sql =
			psprintf("SELECT x FROM unnest($1) AS x"
					 " WHERE (SELECT true %s WHERE t.log_xid = x ORDER BY t.log_xid, %s LIMIT 1) ORDER BY x",
					 evidence_kind_table(kind), evidence_key_list(kind, "t"));
	*count = (int) billing_spi_run_kept(plan, sql, 1, types, &window->waiting, NULL);
	ids = palloc(*count * sizeof(uint64));
	for (int i = 0; i < *count; i++)
	{
		bool isnull;

		ids[i] = U64FromFullTransactionId(DatumGetFullTransactionId(billing_spi_value(i, 1, &isnull)));
	}
	return ids;
}

bool
evidence_walk(const EvidenceWindow *window, const EvidenceKind *kind, const EvidencePosition *position,
			  const EvidenceVisitor *visitor)
{
	RowReceiver receiver = {{receive_row, start_rows, end_rows, end_rows, DestNone},
							visitor,
							window->snapshot,
							{.kind = kind, .seal_no = window->seal_no},
							false,
							false};
	int count;
	uint64 *waiting = waiting_with_rows(window, kind, &count);

	for (int i = 0; i < count && !receiver.ended; i++)
	{
		EvidenceRange one = {waiting[i], waiting[i] + 1};

		if (position == NULL || waiting[i] >= position->log_xid)
			walk_range(&receiver, one, position);
	}
	if (!receiver.ended)
		walk_range(&receiver, window->since, position);
	return !receiver.ended;
}

static char *
day_text(DateADT day)
{
	struct pg_tm date = {0};
	char text[MAXDATELEN + 1];

	j2date(day + POSTGRES_EPOCH_JDATE, &date.tm_year, &date.tm_mon, &date.tm_mday);
	EncodeDateOnly(&date, USE_ISO_DATES, text);
	return pstrdup(text);
}

/* The text of a key column, which no setting changes. */
static char *
key_text(Oid type, Datum value)
{
	Oid output;
	bool is_varlena;

	if (type == DATEOID)
		return day_text(DatumGetDateADT(value));
	getTypeOutputInfo(type, &output, &is_varlena);
	return OidOutputFunctionCall(output, value);
}

Datum
evidence_row_key(const EvidenceRow *row)
{
	Datum texts[EVIDENCE_KEY_MAX];

	for (int i = 0; i < row->kind->key_count; i++)
		texts[i] = CStringGetTextDatum(key_text(
			TupleDescAttr(row->slot->tts_tupleDescriptor, i + 1)->atttypid, row->slot->tts_values[i + 1]));
	return PointerGetDatum(construct_array(texts, row->kind->key_count, TEXTOID, -1, false, TYPALIGN_INT));
}
