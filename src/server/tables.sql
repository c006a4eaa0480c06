-- What every module shares: which database this is, what was asked before, and who works on what.

CREATE TABLE billing.incarnations (
    incarnation       integer     NOT NULL PRIMARY KEY CHECK (incarnation > 0),
    system_identifier text        COLLATE "C" NOT NULL,
    xid_offset        bigint      NOT NULL CHECK (xid_offset >= 0),
    adopted_at        timestamptz NOT NULL,
    reason            text        NOT NULL,
    log_xid           xid8        NOT NULL
);
COMMENT ON TABLE  billing.incarnations IS 'The clusters this data has lived in, oldest first. The last row must name the running cluster, else every writer refuses with MB426 until billing.adopt_cluster() is called.';
COMMENT ON COLUMN billing.incarnations.incarnation IS 'Counts from 1; a restore into another cluster opens the next.';
COMMENT ON COLUMN billing.incarnations.system_identifier IS 'pg_control_system().system_identifier of the cluster, as text.';
COMMENT ON COLUMN billing.incarnations.xid_offset IS 'Added to every transaction id before it is stored as log_xid, so that ids of a later incarnation are above all earlier ones.';
COMMENT ON COLUMN billing.incarnations.adopted_at IS 'When this cluster was installed into or adopted.';
COMMENT ON COLUMN billing.incarnations.reason IS 'install, or what the caller of billing.adopt_cluster() gave.';
COMMENT ON COLUMN billing.incarnations.log_xid IS 'Transaction that wrote it, its own offset added. No default: billing.log_xid() needs the row.';

CREATE TABLE billing.idempotency_keys (
    tenant_id       text        COLLATE "C" NOT NULL,
    operation       text        COLLATE "C" NOT NULL,
    idempotency_key text        COLLATE "C" NOT NULL CHECK (length(idempotency_key) BETWEEN 1 AND 255),
    request_hash    bytea       NOT NULL CHECK (length(request_hash) = 32),
    response        jsonb,
    created_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, operation, idempotency_key)
);
COMMENT ON TABLE  billing.idempotency_keys IS 'Every idempotency key ever used, with the answer given; keys never expire. The same key with other arguments is refused with MB409.';
COMMENT ON COLUMN billing.idempotency_keys.tenant_id IS 'Whose call it was.';
COMMENT ON COLUMN billing.idempotency_keys.operation IS 'The function called, without schema: a key is spent per operation.';
COMMENT ON COLUMN billing.idempotency_keys.idempotency_key IS 'As the caller gave it, 1 to 255 characters.';
COMMENT ON COLUMN billing.idempotency_keys.request_hash IS 'SHA-256 of the arguments.';
COMMENT ON COLUMN billing.idempotency_keys.response IS 'What the first call returned. NULL only inside the transaction that is making it.';
COMMENT ON COLUMN billing.idempotency_keys.created_at IS 'Start of the first call''s transaction.';

CREATE TABLE billing.stage_locks (
    stage text COLLATE "C" NOT NULL PRIMARY KEY
);
COMMENT ON TABLE  billing.stage_locks IS 'One row per stage that only one session may run at a time. The session locks its row FOR UPDATE: a row lock dies with its transaction and works on every node.';
COMMENT ON COLUMN billing.stage_locks.stage IS 'count_sync, partitions, seal, or what a module adds: coverage_sync, renewals, close_balances, retention.';
INSERT INTO billing.stage_locks VALUES ('count_sync'), ('partitions'), ('seal');

-- Its locks are insertions that exclude one another. Whoever publishes all tables must be able to tell of the deletions.
CREATE TABLE billing.tenant_locks (
    tenants numrange NOT NULL,
    CONSTRAINT tenant_locks_overlap EXCLUDE USING gist (tenants WITH &&)
);
ALTER TABLE billing.tenant_locks REPLICA IDENTITY FULL;
COMMENT ON TABLE  billing.tenant_locks IS 'Who rates or bills which tenants: a row for each range being worked on, inserted and deleted in the transaction that does the work, so that none is ever seen. Whoever inserts an overlapping one waits until that transaction ends.';
COMMENT ON COLUMN billing.tenant_locks.tenants IS 'From one tenant_id to another, both included, each as a number between 0 and 1 of three digits a byte, for 255 bytes: they are ordered as tenants are.';

CREATE TABLE billing.partitioned_tables (
    table_name   text   COLLATE "C" NOT NULL PRIMARY KEY,
    local_unique text[] CHECK (cardinality(local_unique) > 0),
    dropped_before date CHECK (extract(day FROM dropped_before) = 1)
);
COMMENT ON TABLE  billing.partitioned_tables IS 'Tables partitioned by month, for billing.ensure_partitions().';
COMMENT ON COLUMN billing.partitioned_tables.table_name IS 'The parent, in schema billing.';
COMMENT ON COLUMN billing.partitioned_tables.local_unique IS 'Columns of a unique index made on each partition, where the parent cannot have it because the partition key is not among them; NULL for none. A month holds whole UTC days, so a key that contains the day is unique over all partitions.';
COMMENT ON COLUMN billing.partitioned_tables.dropped_before IS 'First day of the first month that retention has not dropped: earlier ones are closed, and never made again. NULL when none was dropped.';

CREATE TABLE billing.retention_actions (
    table_name     text        COLLATE "C" NOT NULL REFERENCES billing.partitioned_tables,
    month          date        NOT NULL CHECK (extract(day FROM month) = 1),
    action         text        COLLATE "C" NOT NULL CHECK (action IN ('drop', 'compact and drop')),
    dropped_rows   bigint      NOT NULL CHECK (dropped_rows >= 0),
    dropped_bytes  bigint      NOT NULL CHECK (dropped_bytes >= 0),
    first_key      jsonb,
    last_key       jsonb,
    digest         bytea       NOT NULL CHECK (length(digest) = 32),
    keep           text        NOT NULL,
    actor          text        NOT NULL,
    dropped_at     timestamptz NOT NULL DEFAULT now(),
    log_xid        xid8        NOT NULL DEFAULT billing.log_xid(),
    PRIMARY KEY (table_name, month),
    CHECK ((first_key IS NULL) = (dropped_rows = 0) AND (last_key IS NULL) = (dropped_rows = 0))
);
COMMENT ON TABLE  billing.retention_actions IS 'Partitions that retention dropped, append-only, each a leaf of the log: a month that is gone without one was taken.';
COMMENT ON COLUMN billing.retention_actions.table_name IS 'The parent.';
COMMENT ON COLUMN billing.retention_actions.month IS 'The month that was dropped, its first day.';
COMMENT ON COLUMN billing.retention_actions.action IS 'drop; or compact and drop, when usage_window_parts and usage_window_counts keep what of it is needed.';
COMMENT ON COLUMN billing.retention_actions.dropped_rows IS 'Rows it had.';
COMMENT ON COLUMN billing.retention_actions.dropped_bytes IS 'Bytes on disk that were given back, indexes included.';
COMMENT ON COLUMN billing.retention_actions.first_key IS 'Key of its first row, an array of strings; NULL when it was empty.';
COMMENT ON COLUMN billing.retention_actions.last_key IS 'Key of its last row.';
COMMENT ON COLUMN billing.retention_actions.digest IS 'Merkle root (RFC 6962): of a compaction over the parts kept of it, by tenant and window; else over the rows that were dropped, by key.';
COMMENT ON COLUMN billing.retention_actions.keep IS 'How long the policy said to keep it, as an interval in PostgreSQL''s own style.';
COMMENT ON COLUMN billing.retention_actions.actor IS 'Session user who asked for it.';
COMMENT ON COLUMN billing.retention_actions.dropped_at IS 'When.';
COMMENT ON COLUMN billing.retention_actions.log_xid IS 'Transaction that wrote it, offset added.';

SELECT billing.make_append_only('incarnations');
SELECT billing.refuse_cards_in('incarnations', 'reason');
SELECT billing.refuse_cards_in('idempotency_keys', 'tenant_id', 'idempotency_key');
SELECT billing.make_append_only('retention_actions');
