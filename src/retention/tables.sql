-- How long what is kept, and who said so; what may not be touched.

CREATE TABLE billing.retention_policies (
    table_name    text     COLLATE "C" NOT NULL PRIMARY KEY,
    keep          interval NOT NULL CHECK (keep >= interval '1 day' AND keep <= interval '1000 years'),
    legal_floor   interval NOT NULL CHECK (legal_floor >= interval '0'),
    counted_from  text     COLLATE "C" NOT NULL CHECK (counted_from IN ('month', 'finalization')),
    dispute_days  integer  NOT NULL CHECK (dispute_days BETWEEN 0 AND 3650),
    kept_because  text
);
COMMENT ON TABLE  billing.retention_policies IS 'How long each table is kept: billing.set_retention() changes it. A month goes as a whole, and only when every gate is open: billing.retention_plan() tells.';
COMMENT ON COLUMN billing.retention_policies.table_name IS 'The table, and the name of the policy.';
COMMENT ON COLUMN billing.retention_policies.keep IS 'How long it is kept at least, from the end of its month.';
COMMENT ON COLUMN billing.retention_policies.legal_floor IS 'What keep is not made shorter than without a recorded reason.';
COMMENT ON COLUMN billing.retention_policies.counted_from IS 'month: keep counts from the end of the month. finalization: from it, and from the day on which the last invoice that the month''s days are billed in was finalized.';
COMMENT ON COLUMN billing.retention_policies.dispute_days IS 'Days after the finalization of an invoice within which it may be disputed: what it rests on stays until then.';
COMMENT ON COLUMN billing.retention_policies.kept_because IS 'Why it is not dropped whatever its age, as a gate that is never open; NULL for what can be.';
INSERT INTO billing.retention_policies VALUES
    ('usage_records',                '13 months', '0',         'month', 120, NULL),
    ('daily_counts',                 '24 months', '24 months', 'month', 120, NULL),
    ('coverage_daily_state',         '180 days',  '180 days',  'finalization', 0, NULL),
    ('device_coverage_ledger',       '24 months', '24 months', 'month', 120, 'its rows are leaves of the log, which is verified from them'),
    ('identity_claim_events',        '7 years',   '7 years',   'month', 120, 'its rows are leaves of the log, which is verified from them'),
    ('count_sync_checkpoint_events', '7 years',   '7 years',   'month', 120, 'it is what proves usage that was dropped'),
    ('rated_lines',                  '7 years',   '7 years',   'month', 120, 'its rows are leaves of the log, which is verified from them'),
    ('ledger_entries',               '7 years',   '7 years',   'month', 120, 'balances are sums over all entries, and its rows are leaves of the log'),
    ('invoices',                     '7 years',   '7 years',   'month', 120, 'numbers and events are checked over all invoices'),
    ('invoice_lines',                '7 years',   '7 years',   'month', 120, 'an invoice is checked against its lines'),
    ('invoice_runs',                 '7 years',   '7 years',   'month', 120, 'an invoice is checked against its run');

CREATE TABLE billing.retention_decisions (
    decision_id  uuid        NOT NULL PRIMARY KEY DEFAULT billing.uuid_v7(),
    subject      text        NOT NULL,
    actor        text        NOT NULL,
    reason       text,
    value_before text,
    value_after  text,
    decided_at   timestamptz NOT NULL DEFAULT now(),
    log_xid      xid8        NOT NULL DEFAULT billing.log_xid()
);
COMMENT ON TABLE  billing.retention_decisions IS 'Who changed a policy or a hold, append-only.';
COMMENT ON COLUMN billing.retention_decisions.decision_id IS 'Its id, in the order of time.';
COMMENT ON COLUMN billing.retention_decisions.subject IS 'What was decided about: a policy, or a hold with its id and tenant.';
COMMENT ON COLUMN billing.retention_decisions.actor IS 'Session user.';
COMMENT ON COLUMN billing.retention_decisions.reason IS 'As given; never NULL for a keep below the legal floor and for holds.';
COMMENT ON COLUMN billing.retention_decisions.value_before IS 'What it was; NULL when there was nothing.';
COMMENT ON COLUMN billing.retention_decisions.value_after IS 'What it became; NULL when it was released.';
COMMENT ON COLUMN billing.retention_decisions.decided_at IS 'When.';
COMMENT ON COLUMN billing.retention_decisions.log_xid IS 'Transaction that wrote it, offset added.';

CREATE TABLE billing.legal_holds (
    tenant_id   text        COLLATE "C" NOT NULL,
    hold_id     uuid        NOT NULL DEFAULT billing.uuid_v7(),
    reason      text        NOT NULL,
    placed_by   text        NOT NULL,
    placed_at   timestamptz NOT NULL DEFAULT now(),
    released_by text,
    released_at timestamptz,
    PRIMARY KEY (tenant_id, hold_id),
    CHECK ((released_by IS NULL) = (released_at IS NULL))
);
CREATE INDEX legal_holds_placed ON billing.legal_holds (tenant_id) WHERE released_at IS NULL;
COMMENT ON TABLE  billing.legal_holds IS 'Orders to keep: while one stands, no month with rows of its tenant is dropped.';
COMMENT ON COLUMN billing.legal_holds.tenant_id IS 'Whose rows; empty for everybody''s.';
COMMENT ON COLUMN billing.legal_holds.hold_id IS 'Its id.';
COMMENT ON COLUMN billing.legal_holds.reason IS 'The matter, for people.';
COMMENT ON COLUMN billing.legal_holds.placed_by IS 'Session user who placed it.';
COMMENT ON COLUMN billing.legal_holds.placed_at IS 'When.';
COMMENT ON COLUMN billing.legal_holds.released_by IS 'Session user who released it; NULL while it stands.';
COMMENT ON COLUMN billing.legal_holds.released_at IS 'When; NULL while it stands.';

INSERT INTO billing.stage_locks VALUES ('retention');
SELECT billing.make_append_only('retention_decisions');
SELECT billing.refuse_cards_in('retention_decisions', 'reason');
SELECT billing.refuse_cards_in('legal_holds', 'tenant_id', 'reason');
SELECT billing.make_audited(t) FROM unnest('{retention_policies,legal_holds}'::text[]) AS t;
