/*
 * evidence.h: what the files of this module share.
 *
 * The log is one Merkle tree. Its leaves are rows of append-only tables: seal after seal, within a seal kind after kind
 * in the order of evidence_kinds[], within a kind by log_xid and key. Leaves are not kept; from the stored snapshots
 * the rows of any seal are found again, and a block of 256 by the row it begins with.
 */
#ifndef BILLING_EVIDENCE_H
#define BILLING_EVIDENCE_H

#include "core/checkpoint.h"
#include "core/merkle_proof.h"
#include "executor/tuptable.h"
#include "invoicing/invoicing.h"
#include "server/hash.h"
#include "server/server.h"

#define EVIDENCE_KEY_MAX 7

/* ---- kinds.c ---- */

typedef struct EvidenceKeyColumn
{
	const char *name;
	const char *type;
} EvidenceKeyColumn;

typedef struct EvidenceKind
{
	const char *name;
	const char *rows; /* SELECT log_xid, key columns, canon FROM ... t, without WHERE */
	int key_count;
	EvidenceKeyColumn key[EVIDENCE_KEY_MAX];
} EvidenceKind;

/* Ends with a kind without name. */
extern const EvidenceKind evidence_kinds[];

/* Plans of statements about a few rows of a kind, kept for the life of the backend. */
typedef struct EvidencePlans
{
	SPIPlanPtr row;		  /* by its key */
	SPIPlanPtr rows;	  /* of some transactions */
	SPIPlanPtr rows_from; /* from a position on */
	SPIPlanPtr block;	  /* the block of a position */
	SPIPlanPtr waiting;	  /* those of some ids that wrote any */
} EvidencePlans;

extern EvidencePlans *evidence_kind_plans(const EvidenceKind *kind);

/* Raises MB400 for a kind that the log has not. */
extern const EvidenceKind *evidence_kind(const char *name);

/* "FROM table t" of the kind's rows. */
extern const char *evidence_kind_table(const EvidenceKind *kind);

/* "prefix.a, prefix.b" of the key columns; palloc'd. */
extern char *evidence_key_list(const EvidenceKind *kind, const char *prefix);

/* "$n[1]::date, $n[2]::text" of a text[] parameter; palloc'd. */
extern char *evidence_key_values(const EvidenceKind *kind, const char *array);

/* ---- walk.c ---- */

/* Ids of transactions: from <= id < to. */
typedef struct EvidenceRange
{
	uint64 from;
	uint64 to;
} EvidenceRange;

/* The window of a seal. */
typedef struct EvidenceWindow
{
	int64 seal_no;
	Datum snapshot; /* pg_snapshot */
	Datum waiting;	/* xid8[]: ids before `since` that became visible in it */
	EvidenceRange since;
	MerkleFrontier frontier; /* of the checkpoint before */
} EvidenceWindow;

typedef struct EvidenceRow
{
	const EvidenceKind *kind;
	int64 seal_no;
	uint64 log_xid;
	TupleTableSlot *slot; /* the key from its second attribute on */
	const bytea *canon;
} EvidenceRow;

/* Where to begin; all zero is before all rows. */
typedef struct EvidencePosition
{
	uint64 log_xid;
	Datum key; /* text[] */
} EvidencePosition;

/* What is done with the rows. `row` returns false to end the walk; `pause` (or NULL) is called now and then between rows, where it
 * may use SPI. */
typedef struct EvidenceVisitor
{
	bool (*row)(void *state, const EvidenceRow *row);
	void (*pause)(void *state);
	void *state;
} EvidenceVisitor;

/* The window of a stored seal, or of several from one to another: windows next to each other are one. Needs SPI. */
extern EvidenceWindow evidence_window(int64 first_seal, int64 last_seal);

/* The window of the next seal, up to a snapshot. Needs SPI. */
extern EvidenceWindow evidence_next_window(Datum snapshot);

/*
 * Visits the rows of a kind in a window: all of them, or from a position on a few, for which no plan is made each time. False
 * when the visitor ended it. Needs SPI.
 */
extern bool evidence_walk(const EvidenceWindow *window, const EvidenceKind *kind,
						  const EvidencePosition *position, const EvidenceVisitor *visitor);

/* The key of a row as text[], palloc'd. */
extern Datum evidence_row_key(const EvidenceRow *row);

/* Reads a stored frontier; raises MB500 when it is none. */
extern void evidence_read_frontier(Datum bytes, MerkleFrontier *frontier);

/* ---- hasher.c ---- */

/* More than a walk completes from one pause to the second after it. */
#define EVIDENCE_HASHES_MAX 640

/* A subtree that is stored: of level 8 or 16. */
typedef struct EvidenceHash
{
	int64 node;
	int32 level;
	uint8_t hash[DIGEST_SIZE];
} EvidenceHash;

/* A tree, and what it completed. */
typedef struct EvidenceGrowth
{
	MerkleFrontier frontier;
	int count;
	EvidenceHash hashes[EVIDENCE_HASHES_MAX];
} EvidenceGrowth;

/* Appends rows to a frontier; many of them in a process beside this one, when max_parallel_maintenance_workers is not 0. */
typedef struct EvidenceHasher EvidenceHasher;

extern EvidenceHasher *evidence_hasher_create(const MerkleFrontier *frontier);
extern void evidence_hasher_add(EvidenceHasher *hasher, const void *canon, uint32 length);

/* The leaves of the tree, with those that are not hashed yet. */
extern uint64 evidence_hasher_size(const EvidenceHasher *hasher);

/*
 * The tree as it is known here, which may lack the rows since the call before this one. Who takes its hashes sets their count
 * to 0. Due at least every 65,536 rows.
 */
extern EvidenceGrowth *evidence_hasher_growth(EvidenceHasher *hasher);

/* Waits until all rows are hashed; from then on the tree is whole. Needed unless an error ends the transaction. */
extern void evidence_hasher_end(EvidenceHasher *hasher);

/* ---- log.c ---- */

/* Appends rows to a frontier, and gathers what is stored of them until it is flushed. */
typedef struct EvidenceLog EvidenceLog;

/* What was gathered, as arrays for SQL: block_no, seal_no, kind, log_xid, first_key (as text); level, node, hash. */
typedef struct EvidenceBatch
{
	int blocks;
	int hashes;
	Datum block[5];
	Datum hash[3];
} EvidenceBatch;

extern EvidenceLog *evidence_log_create(const MerkleFrontier *frontier);
extern void evidence_log_append(EvidenceLog *log, const EvidenceRow *row);

/* The leaves so far. */
extern uint64 evidence_log_size(const EvidenceLog *log);

/*
 * Hands over what was gathered, and forgets it. Hashes may come with the next call, the last ones after evidence_log_end. The
 * arrays live in the current memory context.
 */
extern EvidenceBatch evidence_log_take(EvidenceLog *log);

/* After the last row. Needed unless an error ends the transaction. */
extern void evidence_log_end(EvidenceLog *log);

/* After evidence_log_end. */
extern const MerkleFrontier *evidence_log_frontier(EvidenceLog *log);

/* ---- keys.c ---- */

/* The log's origin in an incarnation: <operator>/billing/<system identifier>/<incarnation>; palloc'd. Needs SPI. */
extern char *evidence_origin(int incarnation);

/* Signs a checkpoint's body with the server's key and stores the note; nothing when no key file is set. Needs SPI. */
extern void evidence_sign(int64 seal_no, const char *origin, const char *body);

/* NULL when a stored note is what it should be, or what is wrong with it. Needs SPI. */
extern const char *evidence_note_problem(const char *note, const char *vkey, const char *body);

/* ---- block.c ---- */

/*
 * Computes the leaves of a block again, as far as they are in a tree of `size` leaves whose last seal is `last_seal`, and
 * returns their number. That of a row that is no longer there is 32 zero bytes. Needs SPI.
 */
extern int evidence_block_leaves(uint64 number, int64 last_seal, uint64 size,
								 uint8_t leaves[MERKLE_BLOCK_LEAVES][DIGEST_SIZE]);

/* ---- prove.c ---- */

/* A signed checkpoint's tree, and how to get at its hashes. */
typedef struct EvidenceTree EvidenceTree;

extern EvidenceTree *evidence_tree_open(int64 seal_no);
extern uint64 evidence_tree_size(const EvidenceTree *tree);

/* Finds a row by its key (text[]), which must be under the tree; raises MB453, MB454. */
extern uint64 evidence_find(EvidenceTree *tree, const EvidenceKind *kind, Datum key, bytea **canon);

extern void evidence_prove_inclusion(EvidenceTree *tree, uint64 index, MerkleProof *proof);
extern void evidence_prove_consistency(EvidenceTree *tree, uint64 older, MerkleProof *proof);

/* ---- bundle.c ---- */

/* The bundle of an invoice, made when it is asked for first; palloc'd. Raises MB421 for a draft, MB454. Needs SPI. */
extern char *evidence_bundle(const InvoiceKey *invoice, const char *reference);

#endif
