-- Who administered what.

CREATE TABLE billing.audit_log (
    audit_id         uuid        NOT NULL PRIMARY KEY DEFAULT billing.uuid_v7(),
    at               timestamptz NOT NULL DEFAULT clock_timestamp(),
    session_role     text        COLLATE "C" NOT NULL,
    acting_role      text        COLLATE "C" NOT NULL,
    token_subject    text        COLLATE "C",
    subject_tenant   text        COLLATE "C",
    action           text        COLLATE "C" NOT NULL CHECK (action IN ('create', 'change', 'remove', 'call')),
    call             text        COLLATE "C",
    object_type      text        COLLATE "C" NOT NULL,
    object_key       jsonb       NOT NULL,
    before           jsonb,
    after            jsonb,
    application_name text,
    client_address   inet,
    log_xid          xid8        NOT NULL DEFAULT billing.log_xid(),
    CHECK (action = 'call' OR (before IS NULL) = (action = 'create')),
    CHECK (action = 'call' OR (after IS NULL) = (action = 'remove'))
);
CREATE INDEX audit_log_log ON billing.audit_log (log_xid, audit_id);
CREATE INDEX audit_log_tenant ON billing.audit_log (subject_tenant, audit_id);
COMMENT ON TABLE  billing.audit_log IS 'What was administered, append-only: a row for each row that a call or a statement made, changed or removed in a table that stands for an agreement or a setting, and for each administrative call that changes none of them. Usage, rating and postings are their own log. A leaf of the evidence log each.';
COMMENT ON COLUMN billing.audit_log.audit_id IS 'UUIDv7.';
COMMENT ON COLUMN billing.audit_log.at IS 'When it was done, by the clock.';
COMMENT ON COLUMN billing.audit_log.session_role IS 'Who logged in: session_user, which SET ROLE does not change.';
COMMENT ON COLUMN billing.audit_log.acting_role IS 'The role in force when the call began: current_user outside of it.';
COMMENT ON COLUMN billing.audit_log.token_subject IS 'Subject of the session''s tenant token; NULL without one.';
COMMENT ON COLUMN billing.audit_log.subject_tenant IS 'The tenant it was about; NULL when it was about none, as of the catalogue. Not called tenant_id, for the log is not the tenant''s: it names the operator''s people, and tenants never read it.';
COMMENT ON COLUMN billing.audit_log.action IS 'create, change or remove a row; or call, when no row of such a table changed.';
COMMENT ON COLUMN billing.audit_log.call IS 'The outermost function of billing that was under way, without schema; NULL for a statement made by hand.';
COMMENT ON COLUMN billing.audit_log.object_type IS 'The table, without schema; or what a call was about.';
COMMENT ON COLUMN billing.audit_log.object_key IS 'Primary key of the row, by column; or what was given to the call.';
COMMENT ON COLUMN billing.audit_log.before IS 'The row before it was removed; of a change only the columns that changed. Bytes that are no hash of ours stand as their SHA-256.';
COMMENT ON COLUMN billing.audit_log.after IS 'The row that was made; of a change the same columns as in before; or what the call did.';
COMMENT ON COLUMN billing.audit_log.application_name IS 'As the session calls itself; NULL when that holds a card number.';
COMMENT ON COLUMN billing.audit_log.client_address IS 'Where it connected from; NULL for a local socket.';
COMMENT ON COLUMN billing.audit_log.log_xid IS 'Transaction that wrote it, offset added.';

SELECT billing.make_append_only('audit_log');
SELECT billing.make_audited(t) FROM unnest('{incarnations,tenant_roles}'::text[]) AS t;
