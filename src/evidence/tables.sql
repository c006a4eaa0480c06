-- What happened, provably: one Merkle tree over the append-only tables, its checkpoints, and the keys that sign them.

CREATE TABLE billing.checkpoints (
    seal_no     bigint      NOT NULL PRIMARY KEY CHECK (seal_no > 0),
    incarnation integer     NOT NULL REFERENCES billing.incarnations,
    snapshot    pg_snapshot NOT NULL,
    tree_size   bigint      NOT NULL CHECK (tree_size >= 0),
    root_hash   bytea       NOT NULL CHECK (length(root_hash) = 32),
    frontier    bytea       NOT NULL CHECK (length(frontier) >= 8),
    body        text        NOT NULL,
    lsn         pg_lsn      NOT NULL,
    sealed_at   timestamptz NOT NULL,
    log_xid     xid8        NOT NULL DEFAULT billing.log_xid()
);
CREATE INDEX checkpoints_log ON billing.checkpoints (log_xid, seal_no);
COMMENT ON TABLE  billing.checkpoints IS 'States of the log. Seal k appends the rows visible in snapshot k and not in snapshot k-1. Each checkpoint is itself a leaf of the next seal, which makes them a chain.';
COMMENT ON COLUMN billing.checkpoints.seal_no IS 'Counts from 1, without gaps.';
COMMENT ON COLUMN billing.checkpoints.incarnation IS 'The cluster it was made in.';
COMMENT ON COLUMN billing.checkpoints.snapshot IS 'Upper edge of the seal''s window, in log_xid terms.';
COMMENT ON COLUMN billing.checkpoints.tree_size IS 'Leaves of the log.';
COMMENT ON COLUMN billing.checkpoints.root_hash IS 'Root of the log (RFC 6962 2.1).';
COMMENT ON COLUMN billing.checkpoints.frontier IS 'What is enough to append: tree_size in 8 bytes, then the complete subtrees, the largest first.';
COMMENT ON COLUMN billing.checkpoints.body IS 'What is signed (C2SP tlog-checkpoint): origin, size, root.';
COMMENT ON COLUMN billing.checkpoints.lsn IS 'Position in the write-ahead log before it was committed.';
COMMENT ON COLUMN billing.checkpoints.sealed_at IS 'When it was made.';
COMMENT ON COLUMN billing.checkpoints.log_xid IS 'Transaction that made it, offset added.';

CREATE TABLE billing.checkpoint_notes (
    seal_no   bigint      NOT NULL PRIMARY KEY REFERENCES billing.checkpoints,
    key_no    integer     NOT NULL,
    note      text        NOT NULL,
    signed_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE  billing.checkpoint_notes IS 'Signed checkpoints (C2SP signed-note). A signature of Ed25519 follows from body and key, so only the body is a leaf.';
COMMENT ON COLUMN billing.checkpoint_notes.seal_no IS 'The checkpoint.';
COMMENT ON COLUMN billing.checkpoint_notes.key_no IS 'The key, of billing.signing_keys.';
COMMENT ON COLUMN billing.checkpoint_notes.note IS 'Its body and the signature.';
COMMENT ON COLUMN billing.checkpoint_notes.signed_at IS 'When it was stored.';

CREATE TABLE billing.log_segments (
    seal_no    bigint  NOT NULL,
    kind       text    COLLATE "C" NOT NULL,
    first_leaf bigint  NOT NULL CHECK (first_leaf >= 0),
    leaves     bigint  NOT NULL CHECK (leaves > 0),
    PRIMARY KEY (seal_no, kind)
);
COMMENT ON TABLE  billing.log_segments IS 'Where the rows of each kind stand in the log: within a seal one kind after the other, within a kind by log_xid and key.';
COMMENT ON COLUMN billing.log_segments.seal_no IS 'The seal.';
COMMENT ON COLUMN billing.log_segments.kind IS 'Kind of the rows; doc/bundle.md lists them.';
COMMENT ON COLUMN billing.log_segments.first_leaf IS 'Index of its first leaf, from 0.';
COMMENT ON COLUMN billing.log_segments.leaves IS 'Number of leaves.';

CREATE TABLE billing.log_blocks (
    block_no  bigint  NOT NULL PRIMARY KEY CHECK (block_no >= 0),
    seal_no   bigint  NOT NULL,
    kind      text    COLLATE "C" NOT NULL,
    first_xid xid8    NOT NULL,
    first_key text[]  NOT NULL
);
COMMENT ON TABLE  billing.log_blocks IS 'For each block of 256 leaves the row of its first: leaves are not kept, so a proof computes those of one block again, from here.';
COMMENT ON COLUMN billing.log_blocks.block_no IS 'Index of its first leaf, divided by 256.';
COMMENT ON COLUMN billing.log_blocks.seal_no IS 'Seal of the row.';
COMMENT ON COLUMN billing.log_blocks.kind IS 'Kind of the row.';
COMMENT ON COLUMN billing.log_blocks.first_xid IS 'Its log_xid.';
COMMENT ON COLUMN billing.log_blocks.first_key IS 'Its key, as text.';

CREATE TABLE billing.log_hashes (
    level integer NOT NULL CHECK (level IN (8, 16)),
    node  bigint  NOT NULL CHECK (node >= 0),
    hash  bytea   NOT NULL CHECK (length(hash) = 32),
    PRIMARY KEY (level, node)
);
COMMENT ON TABLE  billing.log_hashes IS 'Two levels of the tree: one hash for 256 and one for 65,536 leaves.';
COMMENT ON COLUMN billing.log_hashes.level IS '8 or 16: it stands over 2^level leaves.';
COMMENT ON COLUMN billing.log_hashes.node IS 'Its first leaf is node * 2^level.';
COMMENT ON COLUMN billing.log_hashes.hash IS 'Hash of the subtree.';

CREATE TABLE billing.signing_keys (
    key_no        integer     NOT NULL PRIMARY KEY CHECK (key_no > 0),
    vkey          text        COLLATE "C" NOT NULL UNIQUE,
    public_key    bytea       NOT NULL CHECK (length(public_key) = 32),
    previous_note text,
    registered_at timestamptz NOT NULL DEFAULT now(),
    log_xid       xid8        NOT NULL DEFAULT billing.log_xid(),
    CHECK ((key_no = 1) = (previous_note IS NULL))
);
COMMENT ON TABLE  billing.signing_keys IS 'Keys that sign checkpoints, the newest in force. Each but the first is signed by the one before it.';
COMMENT ON COLUMN billing.signing_keys.key_no IS 'Counts from 1.';
COMMENT ON COLUMN billing.signing_keys.vkey IS 'The verifier key (C2SP signed-note); its name is the origin of the log.';
COMMENT ON COLUMN billing.signing_keys.public_key IS 'Ed25519 public key.';
COMMENT ON COLUMN billing.signing_keys.previous_note IS 'Signed note of the key before it, whose text is "billing/v1/signing_key", a line feed, vkey and a line feed.';
COMMENT ON COLUMN billing.signing_keys.registered_at IS 'When it came into force.';
COMMENT ON COLUMN billing.signing_keys.log_xid IS 'Transaction that wrote it, offset added.';

CREATE TABLE billing.schema_fingerprints (
    fingerprint_no integer     NOT NULL PRIMARY KEY CHECK (fingerprint_no > 0),
    fingerprint    bytea       NOT NULL CHECK (length(fingerprint) = 32),
    reason         text        NOT NULL,
    recorded_at    timestamptz NOT NULL DEFAULT now(),
    log_xid        xid8        NOT NULL DEFAULT billing.log_xid()
);
COMMENT ON TABLE  billing.schema_fingerprints IS 'What tables, constraints, triggers, rules, policies and functions of schema billing were, by billing.record_schema(). billing.verify_log() compares the last with what is there.';
COMMENT ON COLUMN billing.schema_fingerprints.fingerprint_no IS 'Counts from 1.';
COMMENT ON COLUMN billing.schema_fingerprints.fingerprint IS 'billing.schema_fingerprint().';
COMMENT ON COLUMN billing.schema_fingerprints.reason IS 'Why it changed.';
COMMENT ON COLUMN billing.schema_fingerprints.recorded_at IS 'When it was recorded.';
COMMENT ON COLUMN billing.schema_fingerprints.log_xid IS 'Transaction that wrote it, offset added.';

CREATE TABLE billing.evidence_bundles (
    tenant_id  text        COLLATE "C" NOT NULL,
    invoice_id uuid        NOT NULL,
    seal_no    bigint      NOT NULL REFERENCES billing.checkpoints,
    bundle     text        NOT NULL,
    made_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, invoice_id)
);
CREATE INDEX evidence_bundles_seal ON billing.evidence_bundles (tenant_id, seal_no);
COMMENT ON TABLE  billing.evidence_bundles IS 'Bundles as they were given out first: the same bytes for ever.';
COMMENT ON COLUMN billing.evidence_bundles.tenant_id IS 'Whose.';
COMMENT ON COLUMN billing.evidence_bundles.invoice_id IS 'The invoice.';
COMMENT ON COLUMN billing.evidence_bundles.seal_no IS 'The checkpoint it was made under.';
COMMENT ON COLUMN billing.evidence_bundles.bundle IS 'The document (doc/bundle.md).';
COMMENT ON COLUMN billing.evidence_bundles.made_at IS 'When it was made.';

CREATE TABLE billing.evidence_months (
    tenant_id   text        COLLATE "C" NOT NULL,
    month       date        NOT NULL CHECK (extract(day FROM month) = 1),
    invoice_ids uuid[]      NOT NULL CHECK (cardinality(invoice_ids) > 0),
    made_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, month)
);
COMMENT ON TABLE  billing.evidence_months IS 'Which bundles the months given out consist of: the same bytes for ever, for the bundles are.';
COMMENT ON COLUMN billing.evidence_months.tenant_id IS 'Whose.';
COMMENT ON COLUMN billing.evidence_months.month IS 'Its first day.';
COMMENT ON COLUMN billing.evidence_months.invoice_ids IS 'The invoices, by invoice date, account and currency.';
COMMENT ON COLUMN billing.evidence_months.made_at IS 'When it was given out first.';

SELECT billing.make_append_only(t)
  FROM unnest('{checkpoints,checkpoint_notes,log_segments,log_blocks,log_hashes,signing_keys,schema_fingerprints,evidence_bundles,evidence_months}'::text[]) AS t;
SELECT billing.refuse_cards_in('schema_fingerprints', 'reason');
SELECT billing.make_audited(t) FROM unnest('{signing_keys,schema_fingerprints}'::text[]) AS t;
