#ifndef BILLING_VERIFY_LOG_H
#define BILLING_VERIFY_LOG_H

#include "core/checkpoint.h"
#include "core/merkle_proof.h"
#include "verify/bundle.h"
#include "verify/input.h"

/* What the log says of itself, shown by signatures. */
typedef struct LogFacts
{
	NoteKey key;
	Checkpoint checkpoint;
	bool has_older;
	NoteKey older_key;
	Checkpoint older; /* that of the bundle's consistency */
} LogFacts;

/*
 * That the checkpoint is signed by the bundle's key (which is *trusted unless that is NULL), and that every leaf is in
 * its tree at a place of its own.
 */
extern bool log_check_leaves(const Bundle *bundle, const NoteKey *trusted, DigestContext *digest,
							 LogFacts *facts, Verdict *verdict);

/* That the tree continues that of the bundle's older checkpoint. */
extern bool log_check_consistency(const Bundle *bundle, DigestContext *digest, LogFacts *facts,
								  Verdict *verdict);

/*
 * That the tree and that of a checkpoint which the reader kept are one history: the same size and root, the older
 * checkpoint of the bundle, or as the proof shows, whichever of the two is older. proof may be NULL.
 */
extern bool log_check_kept(const LogFacts *facts, const Input *kept, const MerkleProof *proof,
						   DigestContext *digest, Verdict *verdict);

/* A text of hashes in base64, one on each line. */
extern bool log_read_proof(const char *path, MerkleProof *proof, Verdict *verdict);

/* Opens a note; the verdict says unreadable for a malformed one, refuted for one that the key did not sign. */
extern bool log_open_note(TextSpan text, const NoteKey *keys, size_t key_count, const char *where,
						  Checkpoint *checkpoint, Verdict *verdict);

#endif
