/*
 * prove.c: finding a row in the log, and proving that it is there.
 *
 * Of the tree only two levels are stored, and the frontier of each checkpoint. What a proof needs of a block's own
 * leaves is computed again from its rows; all the rest is a few ranges of stored hashes.
 */
#include "postgres.h"
#include "fmgr.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/fmgroids.h"
#include "utils/xid8.h"

#include "core/base64.h"
#include "core/tlog_proof.h"
#include "embedded.h"
#include "evidence/evidence.h"
#include "server/card.h"

#define HIGHEST_LEVEL (2 * MERKLE_BLOCK_LEVEL)

/* Hashes of a span that were read. */
typedef struct LoadedSpan
{
	MerkleSpan span;
	uint8_t (*hashes)[DIGEST_SIZE];
} LoadedSpan;

struct EvidenceTree
{
	int64 seal_no;
	MerkleFrontier frontier;
	uint8_t root[DIGEST_SIZE];
	char *note;
	MerkleStore store;
	uint64 block; /* whose leaves are in leaves, if leaf_count is not 0 */
	int leaf_count;
	uint8_t leaves[MERKLE_BLOCK_LEAVES][DIGEST_SIZE];
	size_t span_count;
	LoadedSpan spans[MERKLE_SPANS_MAX];
};

static bool
stored_hash(void *context, unsigned level, uint64_t index, uint8_t out[DIGEST_SIZE])
{
	EvidenceTree *tree = context;

	if (level == 0 && index >> MERKLE_BLOCK_LEVEL == tree->block &&
		(index & (MERKLE_BLOCK_LEAVES - 1)) < tree->leaf_count)
	{
		memcpy(out, tree->leaves[index & (MERKLE_BLOCK_LEAVES - 1)], DIGEST_SIZE);
		return true;
	}
	for (size_t i = 0; i < tree->span_count; i++)
	{
		const LoadedSpan *loaded = &tree->spans[i];

		if (loaded->span.level != level || index < loaded->span.first ||
			index - loaded->span.first >= loaded->span.count)
			continue;
		memcpy(out, loaded->hashes[index - loaded->span.first], DIGEST_SIZE);
		return true;
	}
	return false;
}

/* The right edge is the frontier's, whatever its level. */
static bool
subtree_hash(void *context, unsigned level, uint64_t index, uint8_t out[DIGEST_SIZE])
{
	EvidenceTree *tree = context;
	uint64 above = tree->frontier.size >> level;

	if ((above & 1) == 1 && index == above - 1)
	{
		memcpy(out, tree->frontier.hashes[level], DIGEST_SIZE);
		return true;
	}
	return merkle_store_subtree(&tree->store, level, index, out);
}

EvidenceTree *
evidence_tree_open(int64 seal_no)
{
	static const Oid types[] = {INT8OID};
	static SPIPlanPtr plan;
	Datum value = Int64GetDatum(seal_no);
	EvidenceTree *tree = palloc0(sizeof(EvidenceTree));
	bool isnull;

	if (billing_spi_run_kept(&plan,
							 "SELECT c.seal_no, c.frontier, n.note FROM billing.checkpoints c"
							 "  LEFT JOIN billing.checkpoint_notes n USING (seal_no) WHERE c.seal_no = $1",
							 1, types, &value, NULL) == 0)
		ereport(
			ERROR, errcode(ERRCODE_BILLING_NOT_SEALED), errmsg("there is no signed checkpoint yet"),
			errhint("SELECT * FROM billing.seal() makes one, signed when billing.signing_key_file is set."));
	tree->seal_no = seal_no;
	evidence_read_frontier(billing_spi_value(0, 2, &isnull), &tree->frontier);
	tree->note = billing_spi_text(0, 3);
	billing_check_merkle(merkle_root(billing_digest_context(), &tree->frontier, tree->root));
	tree->store = (MerkleStore){billing_digest_context(), HIGHEST_LEVEL, stored_hash, tree};
	return tree;
}

uint64
evidence_tree_size(const EvidenceTree *tree)
{
	return tree->frontier.size;
}

static void
load_block(EvidenceTree *tree, uint64 block)
{
	if (tree->leaf_count > 0 && tree->block == block)
		return;
	tree->leaf_count = 0;
	tree->leaf_count = evidence_block_leaves(block, tree->seal_no, tree->frontier.size, tree->leaves);
	tree->block = block;
}

static void
load_span(EvidenceTree *tree, MerkleSpan span)
{
	static const Oid types[] = {INT4OID, INT8OID, INT8OID};
	static SPIPlanPtr plan;
	Datum values[] = {Int32GetDatum((int32) span.level), Int64GetDatum((int64) span.first),
					  Int64GetDatum((int64) (span.first + span.count))};
	LoadedSpan *loaded = &tree->spans[tree->span_count];
	uint64 found = billing_spi_run_kept(
		&plan,
		"SELECT hash FROM billing.log_hashes WHERE level = $1 AND node >= $2 AND node < $3"
		" ORDER BY node",
		lengthof(types), types, values, NULL);

	loaded->span = span;
	loaded->span.count = found;
	loaded->hashes = palloc(Max(found, 1) * DIGEST_SIZE);
	for (uint64 i = 0; i < found; i++)
	{
		bool isnull;

		memcpy(loaded->hashes[i], VARDATA_ANY(DatumGetByteaPP(billing_spi_value(i, 1, &isnull))),
			   DIGEST_SIZE);
	}
	tree->span_count++;
}

static void
load_spans(EvidenceTree *tree, const MerkleSpan *spans, size_t count)
{
	tree->span_count = 0;
	for (size_t i = 0; i < count; i++)
		if (spans[i].level > 0)
			load_span(tree, spans[i]);
}

void
evidence_prove_inclusion(EvidenceTree *tree, uint64 index, MerkleProof *proof)
{
	MerkleSpan spans[MERKLE_SPANS_MAX];
	size_t count;
	uint8_t leaf[DIGEST_SIZE];

	billing_check_merkle(merkle_inclusion_spans(index, tree->frontier.size, HIGHEST_LEVEL, spans, &count));
	load_spans(tree, spans, count);
	load_block(tree, index >> MERKLE_BLOCK_LEVEL);
	billing_check_merkle(merkle_prove_inclusion(billing_digest_context(), index, tree->frontier.size,
												subtree_hash, tree, proof));
	if (!stored_hash(tree, 0, index, leaf) ||
		merkle_verify_inclusion(billing_digest_context(), index, tree->frontier.size, leaf, proof,
								tree->root) != MERKLE_OK)
		ereport(ERROR, errcode(ERRCODE_BILLING_INTERNAL),
				errmsg("rows of the log are not what they were when they were sealed"),
				errdetail("The proof of leaf " UINT64_FORMAT
						  " does not lead to the root of checkpoint " INT64_FORMAT ".",
						  index, tree->seal_no),
				errhint("SELECT * FROM billing.verify_log() tells what does not hold."));
}

void
evidence_prove_consistency(EvidenceTree *tree, uint64 older, MerkleProof *proof)
{
	MerkleSpan spans[MERKLE_SPANS_MAX];
	size_t count;

	billing_check_merkle(merkle_consistency_spans(older, tree->frontier.size, HIGHEST_LEVEL, spans, &count));
	load_spans(tree, spans, count);
	if (older < tree->frontier.size && (older & (MERKLE_BLOCK_LEAVES - 1)) != 0)
		load_block(tree, older >> MERKLE_BLOCK_LEVEL);
	billing_check_merkle(merkle_prove_consistency(billing_digest_context(), older, tree->frontier.size,
												  subtree_hash, tree, proof));
}

/* The row itself: its transaction, false when there is none; raises MB453. */
static bool
read_row(const EvidenceKind *kind, Datum key, uint64 *log_xid, bytea **canon)
{
	static const Oid types[] = {TEXTARRAYOID};
	SPIPlanPtr *plan = &evidence_kind_plans(kind)->row;
	char *sql = NULL;
	bool isnull;
	Datum value;

	if (ArrayGetNItems(ARR_NDIM(DatumGetArrayTypeP(key)), ARR_DIMS(DatumGetArrayTypeP(key))) !=
		kind->key_count)
		ereport(ERROR, errcode(ERRCODE_BILLING_INVALID_ARGUMENT),
				errmsg("the key of a row of kind \"%s\" has %d parts", kind->name, kind->key_count),
				errhint("Its parts are %s.", evidence_key_list(kind, "billing")));
	if (*plan == NULL)
		sql = psprintf("%s WHERE (%s) = (%s)", kind->rows, evidence_key_list(kind, "t"),
					   evidence_key_values(kind, "$1"));
	if (billing_spi_run_kept(plan, sql, 1, types, &key, NULL) == 0)
		ereport(ERROR, errcode(ERRCODE_BILLING_UNKNOWN_ROW),
				errmsg("there is no row of kind \"%s\" with key %s", kind->name,
					   OidOutputFunctionCall(F_ARRAY_OUT, key)));
	*canon = DatumGetByteaPCopy(billing_spi_value(0, kind->key_count + 2, &isnull));
	value = billing_spi_value(0, 1, &isnull);
	if (!isnull)
		*log_xid = U64FromFullTransactionId(DatumGetFullTransactionId(value));
	return !isnull;
}

static void
refuse_unsealed(const EvidenceKind *kind, Datum key, const EvidenceTree *tree)
{
	ereport(ERROR, errcode(ERRCODE_BILLING_NOT_SEALED),
			errmsg("row of kind \"%s\" with key %s is not sealed yet", kind->name,
				   OidOutputFunctionCall(F_ARRAY_OUT, key)),
			errdetail("It is in no checkpoint up to " INT64_FORMAT ", the last signed one.", tree->seal_no),
			errhint("SELECT * FROM billing.seal() makes the next."));
}

/* The seal of a transaction, 0 when the tree has it not. */
static int64
find_seal(const EvidenceTree *tree, uint64 log_xid)
{
	static const Oid types[] = {XID8OID, INT8OID};
	static SPIPlanPtr plan;
	Datum values[] = {FullTransactionIdGetDatum(FullTransactionIdFromU64(log_xid)),
					  Int64GetDatum(tree->seal_no)};
	bool isnull;

	if (billing_spi_run_kept(&plan, SQL_EVIDENCE_FIND_SEAL, lengthof(types), types, values, NULL) != 1)
		return 0;
	return DatumGetBool(billing_spi_value(0, 2, &isnull)) ? DatumGetInt64(billing_spi_value(0, 1, &isnull))
														  : 0;
}

/* The last of some blocks of a kind that begins at or before a row; UINT64_MAX when none does. */
static uint64
last_block_before(const EvidenceKind *kind, Datum first, Datum last, uint64 log_xid, Datum key)
{
	static const Oid types[] = {INT8OID, INT8OID, XID8OID, TEXTARRAYOID};
	Datum values[] = {first, last, FullTransactionIdGetDatum(FullTransactionIdFromU64(log_xid)), key};
	SPIPlanPtr *plan = &evidence_kind_plans(kind)->block;
	char *sql = NULL;
	bool isnull;

	if (*plan == NULL)
	{
		sql = billing_sql_fill(SQL_EVIDENCE_FIND_BLOCK, "@first_key@",
							   evidence_key_values(kind, "b.first_key"));
		sql = billing_sql_fill(sql, "@key@", evidence_key_values(kind, "$4"));
	}
	if (billing_spi_run_kept(plan, sql, lengthof(types), types, values, NULL) == 0)
		return UINT64_MAX;
	return (uint64) DatumGetInt64(billing_spi_value(0, 1, &isnull));
}

/* The block of a row: the last that begins at or before it in its segment, or the one in which the segment begins. */
static uint64
find_block(const EvidenceKind *kind, int64 seal_no, uint64 log_xid, Datum key)
{
	static const Oid types[] = {INT8OID, TEXTOID};
	static SPIPlanPtr plan;
	Datum values[] = {Int64GetDatum(seal_no), CStringGetTextDatum(kind->name)};
	uint64 begins_in;
	uint64 block;
	bool isnull;

	if (billing_spi_run_kept(
			&plan,
			"SELECT first_leaf / 256, (first_leaf + 255) / 256, (first_leaf + leaves - 1) / 256"
			"  FROM billing.log_segments WHERE seal_no = $1 AND kind = $2",
			lengthof(types), types, values, NULL) == 0)
		return UINT64_MAX;
	begins_in = (uint64) DatumGetInt64(billing_spi_value(0, 1, &isnull));
	block = last_block_before(kind, billing_spi_value(0, 2, &isnull), billing_spi_value(0, 3, &isnull),
							  log_xid, key);
	return block == UINT64_MAX ? begins_in : block;
}

/* The place of a leaf in the block that is loaded; false when it is not there. */
static bool
find_leaf(const EvidenceTree *tree, const bytea *canon, uint64 *index)
{
	uint8_t leaf[DIGEST_SIZE];

	billing_check_merkle(
		merkle_leaf_hash(billing_digest_context(), VARDATA_ANY(canon), VARSIZE_ANY_EXHDR(canon), leaf));
	for (int i = 0; i < tree->leaf_count; i++)
	{
		*index = (tree->block << MERKLE_BLOCK_LEVEL) + i;
		if (memcmp(tree->leaves[i], leaf, DIGEST_SIZE) == 0)
			return true;
	}
	return false;
}

uint64
evidence_find(EvidenceTree *tree, const EvidenceKind *kind, Datum key, bytea **canon)
{
	uint64 log_xid = 0;
	uint64 block;
	uint64 index;
	int64 seal_no = read_row(kind, key, &log_xid, canon) ? find_seal(tree, log_xid) : 0;

	if (seal_no == 0)
		refuse_unsealed(kind, key, tree);
	if (find_leaf(tree, *canon, &index))
		return index;
	block = find_block(kind, seal_no, log_xid, key);
	if (block != UINT64_MAX)
		load_block(tree, block);
	if (block == UINT64_MAX || !find_leaf(tree, *canon, &index))
		ereport(ERROR, errcode(ERRCODE_BILLING_INTERNAL),
				errmsg("row of kind \"%s\" with key %s is not where the log has it", kind->name,
					   OidOutputFunctionCall(F_ARRAY_OUT, key)),
				errhint("SELECT * FROM billing.verify_log() tells what does not hold."));
	return index;
}

/* The newest signed checkpoint. */
static int64
newest_signed(void)
{
	static SPIPlanPtr plan;
	bool isnull;

	billing_spi_run_kept(&plan, "SELECT coalesce(max(seal_no), 0) FROM billing.checkpoint_notes", 0, NULL,
						 NULL, NULL);
	return DatumGetInt64(billing_spi_value(0, 1, &isnull));
}

/* The proof as C2SP tlog-proof writes it, with the canonical bytes as its extra line. */
static char *
proof_text(const EvidenceTree *tree, uint64 index, const bytea *canon, const MerkleProof *path)
{
	TlogProof proof = {.index = index, .path = *path};
	size_t length = BASE64_LENGTH(VARSIZE_ANY_EXHDR(canon));
	char *extra = palloc(length);
	char *text;

	base64_encode((const uint8_t *) VARDATA_ANY(canon), VARSIZE_ANY_EXHDR(canon), extra);
	proof.extra = (TextSpan){extra, length};
	proof.checkpoint = (TextSpan){tree->note, strlen(tree->note)};
	text = palloc(tlog_proof_room(&proof) + 1);
	text[tlog_proof_format(&proof, text)] = '\0';
	return text;
}

BILLING_FUNCTION(billing_prove_inclusion)
{
	const EvidenceKind *kind;
	EvidenceTree *tree;
	MerkleProof path;
	bytea *canon;
	uint64 index;
	char *proof;

	billing_refuse_card_arguments(fcinfo);
	kind = evidence_kind(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	billing_spi_connect();
	tree = evidence_tree_open(newest_signed());
	index = evidence_find(tree, kind, PG_GETARG_DATUM(1), &canon);
	evidence_prove_inclusion(tree, index, &path);
	proof = proof_text(tree, index, canon, &path);
	proof = strcpy(SPI_palloc(strlen(proof) + 1), proof);
	billing_spi_finish();
	PG_RETURN_TEXT_P(cstring_to_text(proof));
}

/* The seal of a signed checkpoint by its size. */
static int64
signed_seal(int64 size)
{
	static const Oid types[] = {INT8OID};
	Datum value = Int64GetDatum(size);
	bool isnull;

	if (billing_spi_run(
			"SELECT c.seal_no FROM billing.checkpoints c JOIN billing.checkpoint_notes n USING (seal_no)"
			" WHERE c.tree_size = $1 LIMIT 1",
			1, types, &value, NULL) == 0)
		ereport(ERROR, errcode(ERRCODE_BILLING_INVALID_ARGUMENT),
				errmsg("no signed checkpoint has the size " INT64_FORMAT, size));
	return DatumGetInt64(billing_spi_value(0, 1, &isnull));
}

BILLING_FUNCTION(billing_prove_consistency)
{
	int64 older = PG_ARGISNULL(0) ? -1 : PG_GETARG_INT64(0);
	EvidenceTree *tree;
	MerkleProof proof;
	StringInfoData lines;

	billing_spi_connect();
	tree = evidence_tree_open(PG_ARGISNULL(1) ? newest_signed() : signed_seal(PG_GETARG_INT64(1)));
	if (older < 0 || (uint64) older > tree->frontier.size)
		ereport(
			ERROR, errcode(ERRCODE_BILLING_INVALID_ARGUMENT),
			errmsg("size " INT64_FORMAT " is not one from 0 to " UINT64_FORMAT, older, tree->frontier.size));
	evidence_prove_consistency(tree, (uint64) older, &proof);
	billing_spi_finish();
	initStringInfo(&lines);
	for (size_t i = 0; i < proof.count; i++)
	{
		enlargeStringInfo(&lines, BASE64_LENGTH(DIGEST_SIZE) + 1);
		lines.len += (int) base64_encode(proof.nodes[i], DIGEST_SIZE, lines.data + lines.len);
		appendStringInfoChar(&lines, '\n');
	}
	PG_RETURN_TEXT_P(cstring_to_text_with_len(lines.data, lines.len));
}
