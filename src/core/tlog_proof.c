#include "tlog_proof.h"

#include "base64.h"

#include <string.h>

#define HASH_LINE BASE64_LENGTH(DIGEST_SIZE)

static const char header[] = "c2sp.org/tlog-proof@v1\n";
static const char extra_start[] = "extra ";
static const char index_start[] = "index ";

const char *
tlog_proof_status_text(TlogProofStatus status)
{
	static const char *const texts[] = {
		[TLOG_PROOF_OK] = "no error",
		[TLOG_PROOF_TOO_LONG] = "the proof is too long",
		[TLOG_PROOF_HEADER] = "the first line is not that of a proof",
		[TLOG_PROOF_EXTRA] = "the extra line is malformed",
		[TLOG_PROOF_INDEX] = "the index line is malformed",
		[TLOG_PROOF_PATH] = "the inclusion proof is malformed",
		[TLOG_PROOF_CHECKPOINT] = "the checkpoint is malformed",
	};

	return texts[status];
}

/* Takes the extra line off rest where there is one. */
static TlogProofStatus
parse_extra(TextSpan *rest, TextSpan *extra)
{
	size_t decoded_length;

	*extra = (TextSpan){rest->text, 0};
	if (!line_skip(rest, extra_start))
		return TLOG_PROOF_OK;
	if (!line_next(rest, extra) || extra->length == 0 ||
		!base64_check(extra->text, extra->length, &decoded_length) || decoded_length > TLOG_PROOF_EXTRA_MAX)
		return TLOG_PROOF_EXTRA;
	return TLOG_PROOF_OK;
}

/* Takes the hashes and the empty line after them off rest. */
static TlogProofStatus
parse_path(TextSpan *rest, MerkleProof *path)
{
	TextSpan line;

	for (path->count = 0; line_next(rest, &line); path->count++)
	{
		if (line.length == 0)
			return TLOG_PROOF_OK;
		if (path->count == MERKLE_PROOF_MAX ||
			!base64_decode(line.text, line.length, path->nodes[path->count], DIGEST_SIZE))
			return TLOG_PROOF_PATH;
	}
	return TLOG_PROOF_PATH;
}

TlogProofStatus
tlog_proof_parse(const char *text, size_t length, TlogProof *proof)
{
	TextSpan rest = {text, length};
	TextSpan line;
	Note note;
	TlogProofStatus status;

	if (length > TLOG_PROOF_SIZE_MAX)
		return TLOG_PROOF_TOO_LONG;
	if (!line_skip(&rest, header))
		return TLOG_PROOF_HEADER;
	status = parse_extra(&rest, &proof->extra);
	if (status != TLOG_PROOF_OK)
		return status;
	if (!line_next(&rest, &line) || !line_skip(&line, index_start) || !line_number(line, &proof->index) ||
		proof->index >= MERKLE_SIZE_MAX)
		return TLOG_PROOF_INDEX;
	status = parse_path(&rest, &proof->path);
	if (status != TLOG_PROOF_OK)
		return status;
	proof->checkpoint = rest;
	return note_parse(rest.text, rest.length, &note) == NOTE_OK ? TLOG_PROOF_OK : TLOG_PROOF_CHECKPOINT;
}

size_t
tlog_proof_room(const TlogProof *proof)
{
	return sizeof(header) + sizeof(extra_start) + proof->extra.length + sizeof(index_start) +
		   LINE_NUMBER_DIGITS_MAX + 1 + proof->path.count * (HASH_LINE + 1) + 1 + proof->checkpoint.length;
}

static char *
put(char *end, const char *bytes, size_t length)
{
	memcpy(end, bytes, length);
	return end + length;
}

size_t
tlog_proof_format(const TlogProof *proof, char *out)
{
	char *end = put(out, header, sizeof(header) - 1);

	if (proof->extra.length > 0)
	{
		end = put(end, extra_start, sizeof(extra_start) - 1);
		end = put(end, proof->extra.text, proof->extra.length);
		*end++ = '\n';
	}
	end = put(end, index_start, sizeof(index_start) - 1);
	end += line_write_number(proof->index, end);
	*end++ = '\n';
	for (size_t i = 0; i < proof->path.count; i++)
	{
		end += base64_encode(proof->path.nodes[i], DIGEST_SIZE, end);
		*end++ = '\n';
	}
	*end++ = '\n';
	end = put(end, proof->checkpoint.text, proof->checkpoint.length);
	return (size_t) (end - out);
}
