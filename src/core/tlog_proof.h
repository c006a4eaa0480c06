#ifndef BILLING_CORE_TLOG_PROOF_H
#define BILLING_CORE_TLOG_PROOF_H

#include "merkle_proof.h"
#include "note.h"

/*
 * That a leaf is in the log, as a text which is checked offline (C2SP tlog-proof): the index, the inclusion proof and
 * the signed checkpoint. Reading gives its parts and shows nothing: checkpoint_open makes the checkpoint trusted, and
 * merkle_verify_inclusion binds the leaf to it.
 */
#define TLOG_PROOF_EXTRA_MAX 65536
#define TLOG_PROOF_SIZE_MAX (NOTE_SIZE_MAX + 2 * TLOG_PROOF_EXTRA_MAX)

typedef enum
{
	TLOG_PROOF_OK = 0,
	TLOG_PROOF_TOO_LONG,
	TLOG_PROOF_HEADER, /* another first line */
	TLOG_PROOF_EXTRA,  /* an extra line that is empty or not base64 */
	TLOG_PROOF_INDEX,  /* no index line, or not a decimal below 2^63 - 1 without leading zeros */
	TLOG_PROOF_PATH, /* a line that is not a hash in base64, too many of them, or no empty line after them */
	TLOG_PROOF_CHECKPOINT /* what follows is not in the form of a signed note */
} TlogProofStatus;

typedef struct TlogProof
{
	uint64_t index;
	MerkleProof path;
	TextSpan extra;		 /* in base64, signed by nobody; length 0 for none */
	TextSpan checkpoint; /* the signed note */
} TlogProof;

/* In words, for a message: lower case, no full stop. */
extern const char *tlog_proof_status_text(TlogProofStatus status);

/* Keeps pointers into text. */
extern TlogProofStatus tlog_proof_parse(const char *text, size_t length, TlogProof *proof);

/* Room for the text of a proof; writing returns the characters used. The parts are as tlog_proof_parse takes them. */
extern size_t tlog_proof_room(const TlogProof *proof);
extern size_t tlog_proof_format(const TlogProof *proof, char *out);

#endif
