-- Which devices were covered on which day, who claims to be whom, and what was counted of it.
-- Facts are append-only and lie over one another: of those in effect on a day, the latest recorded decides. README.md has the rules.

CREATE TABLE billing.devices (
    tenant_id        text        COLLATE "C" NOT NULL,
    device_id        uuid        NOT NULL,
    account_id       text        COLLATE "C" NOT NULL,
    device_key       text        COLLATE "C" NOT NULL CHECK (length(device_key) BETWEEN 1 AND 200),
    device_type      text        COLLATE "C" NOT NULL CHECK (length(device_type) BETWEEN 1 AND 200),
    state            text        COLLATE "C" NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'merged')),
    merged_into      uuid,
    attestation_hash bytea       CHECK (length(attestation_hash) = 32),
    registered_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, device_id),
    UNIQUE (tenant_id, device_key),
    FOREIGN KEY (tenant_id, account_id) REFERENCES billing.accounts ON DELETE RESTRICT,
    FOREIGN KEY (tenant_id, merged_into) REFERENCES billing.devices ON DELETE RESTRICT,
    CHECK ((state = 'merged') = (merged_into IS NOT NULL))
);
COMMENT ON TABLE  billing.devices IS 'Devices that may be covered. What is billed of them is decided by enrollments, device_coverage_ledger and identity_claim_events.';
COMMENT ON COLUMN billing.devices.tenant_id IS 'Whose it is.';
COMMENT ON COLUMN billing.devices.device_id IS 'Derived from the tenant and the key: billing.derive_id(''device'', tenant, key).';
COMMENT ON COLUMN billing.devices.account_id IS 'The account it is enrolled in unless an enrollment says otherwise.';
COMMENT ON COLUMN billing.devices.device_key IS 'The key applications use, 1 to 200 characters, unique within the tenant.';
COMMENT ON COLUMN billing.devices.device_type IS 'What it is; value of the dimension device_type of the meter.';
COMMENT ON COLUMN billing.devices.state IS 'active, or merged: a resolved claim said that it is the same as merged_into. For people; the days follow from the claim events.';
COMMENT ON COLUMN billing.devices.merged_into IS 'The device that it turned out to be.';
COMMENT ON COLUMN billing.devices.attestation_hash IS 'SHA-256 of the attestation that came with its registration; NULL when there was none.';
COMMENT ON COLUMN billing.devices.registered_at IS 'When it was registered.';

CREATE TABLE billing.enrollments (
    tenant_id     text        COLLATE "C" NOT NULL,
    device_id     uuid        NOT NULL,
    enrollment_id uuid        NOT NULL DEFAULT billing.uuid_v7(),
    event_id      text        COLLATE "C" NOT NULL CHECK (length(event_id) BETWEEN 1 AND 255),
    account_id    text        COLLATE "C",
    plan          text        COLLATE "C" CHECK (length(plan) BETWEEN 1 AND 200),
    enrolled_from date        NOT NULL,
    enrolled_to   date,
    recorded_at   timestamptz NOT NULL DEFAULT now(),
    log_xid       xid8        NOT NULL DEFAULT billing.log_xid(),
    PRIMARY KEY (tenant_id, device_id, enrollment_id),
    UNIQUE (tenant_id, event_id),
    FOREIGN KEY (tenant_id, device_id) REFERENCES billing.devices ON DELETE RESTRICT,
    FOREIGN KEY (tenant_id, account_id) REFERENCES billing.accounts ON DELETE RESTRICT,
    CHECK (enrolled_to > enrolled_from),
    CHECK (account_id IS NOT NULL OR plan IS NULL)
);
CREATE INDEX enrollments_log ON billing.enrollments (log_xid, tenant_id, event_id);
COMMENT ON TABLE  billing.enrollments IS 'Which account a device is enrolled in, append-only. Of the rows in effect on a UTC day the latest recorded decides; one without account takes the device out.';
COMMENT ON COLUMN billing.enrollments.tenant_id IS 'Whose it is.';
COMMENT ON COLUMN billing.enrollments.device_id IS 'The device.';
COMMENT ON COLUMN billing.enrollments.enrollment_id IS 'UUIDv7: ascending in the order of recording.';
COMMENT ON COLUMN billing.enrollments.event_id IS 'The application''s own id, unique within the tenant. One that came with the registration is register/ and the device''s key.';
COMMENT ON COLUMN billing.enrollments.account_id IS 'The account that pays; NULL: not enrolled on these days.';
COMMENT ON COLUMN billing.enrollments.plan IS 'Plan of the coverage on days for which no coverage event names one; NULL is none.';
COMMENT ON COLUMN billing.enrollments.enrolled_from IS 'First UTC day.';
COMMENT ON COLUMN billing.enrollments.enrolled_to IS 'First UTC day after it; NULL is open.';
COMMENT ON COLUMN billing.enrollments.recorded_at IS 'Start of the transaction that wrote it.';
COMMENT ON COLUMN billing.enrollments.log_xid IS 'Transaction that wrote it, offset added: decides its window.';

CREATE TABLE billing.activity_proofs (
    tenant_id    text        COLLATE "C" NOT NULL,
    device_id    uuid        NOT NULL,
    activity_day date        NOT NULL,
    proof_hash   bytea       NOT NULL CHECK (length(proof_hash) = 32),
    recorded_at  timestamptz NOT NULL DEFAULT now(),
    log_xid      xid8        NOT NULL DEFAULT billing.log_xid(),
    PRIMARY KEY (tenant_id, device_id, activity_day, proof_hash),
    FOREIGN KEY (tenant_id, device_id) REFERENCES billing.devices ON DELETE RESTRICT
);
COMMENT ON TABLE  billing.activity_proofs IS 'Proofs that a device was active on a UTC day, by their hashes, append-only. They decide nothing: they are evidence for a dispute.';
COMMENT ON COLUMN billing.activity_proofs.tenant_id IS 'Whose it is.';
COMMENT ON COLUMN billing.activity_proofs.device_id IS 'The device.';
COMMENT ON COLUMN billing.activity_proofs.activity_day IS 'UTC day of the activity.';
COMMENT ON COLUMN billing.activity_proofs.proof_hash IS 'SHA-256 of the proof, which the application keeps.';
COMMENT ON COLUMN billing.activity_proofs.recorded_at IS 'Start of the transaction that wrote it.';
COMMENT ON COLUMN billing.activity_proofs.log_xid IS 'Transaction that wrote it, offset added.';

CREATE TABLE billing.coverage_event_ids (
    tenant_id  text        COLLATE "C" NOT NULL,
    event_id   text        COLLATE "C" NOT NULL,
    row_hash   bytea       NOT NULL CHECK (length(row_hash) = 32),
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, event_id)
);
COMMENT ON TABLE  billing.coverage_event_ids IS 'Every id of a coverage event ever used, append-only, with what makes it the same event. The ledger is partitioned by the time of recording, so its partitions cannot know it; and it stays when they are dropped.';
COMMENT ON COLUMN billing.coverage_event_ids.tenant_id IS 'Whose it is.';
COMMENT ON COLUMN billing.coverage_event_ids.event_id IS 'The application''s own id.';
COMMENT ON COLUMN billing.coverage_event_ids.row_hash IS 'As in device_coverage_ledger.';
COMMENT ON COLUMN billing.coverage_event_ids.created_at IS 'As in device_coverage_ledger: tells the partition.';

CREATE TABLE billing.device_coverage_ledger (
    tenant_id      text        COLLATE "C" NOT NULL,
    event_id       text        COLLATE "C" NOT NULL CHECK (length(event_id) BETWEEN 1 AND 255),
    created_at     timestamptz NOT NULL DEFAULT now(),
    entry_id       uuid        NOT NULL DEFAULT billing.uuid_v7(),
    device_id      uuid        NOT NULL,
    event_type     text        COLLATE "C" NOT NULL CHECK (event_type IN ('cover', 'uncover', 'change_plan')),
    plan           text        COLLATE "C" CHECK (length(plan) BETWEEN 1 AND 200),
    effective_from date        NOT NULL,
    effective_to   date,
    row_hash       bytea       NOT NULL CHECK (length(row_hash) = 32),
    log_xid        xid8        NOT NULL DEFAULT billing.log_xid(),
    PRIMARY KEY (tenant_id, event_id, created_at),
    CHECK (effective_to > effective_from),
    CHECK (CASE event_type WHEN 'uncover' THEN plan IS NULL WHEN 'change_plan' THEN plan IS NOT NULL ELSE true END)
) PARTITION BY RANGE (created_at);
CREATE INDEX device_coverage_ledger_device ON billing.device_coverage_ledger (tenant_id, device_id);
CREATE INDEX device_coverage_ledger_log ON billing.device_coverage_ledger (log_xid, tenant_id, event_id);
COMMENT ON TABLE  billing.device_coverage_ledger IS 'What was said about the coverage of devices, append-only, by month of recording. Of the events in effect on a UTC day the latest recorded decides.';
COMMENT ON COLUMN billing.device_coverage_ledger.tenant_id IS 'Whose it is.';
COMMENT ON COLUMN billing.device_coverage_ledger.event_id IS 'The application''s own id, 1 to 255 characters, unique within the tenant for ever.';
COMMENT ON COLUMN billing.device_coverage_ledger.created_at IS 'Start of the transaction that recorded it.';
COMMENT ON COLUMN billing.device_coverage_ledger.entry_id IS 'UUIDv7: ascending in the order of recording, which decides where effective spans overlap.';
COMMENT ON COLUMN billing.device_coverage_ledger.device_id IS 'The device.';
COMMENT ON COLUMN billing.device_coverage_ledger.event_type IS 'cover: covered on these days; uncover: not; change_plan: under another plan, and nothing about whether.';
COMMENT ON COLUMN billing.device_coverage_ledger.plan IS 'Plan of the coverage; NULL says nothing about it.';
COMMENT ON COLUMN billing.device_coverage_ledger.effective_from IS 'First UTC day it is about.';
COMMENT ON COLUMN billing.device_coverage_ledger.effective_to IS 'First UTC day it is no longer about; NULL is open.';
COMMENT ON COLUMN billing.device_coverage_ledger.row_hash IS 'billing.coverage_event_hash() of the contents.';
COMMENT ON COLUMN billing.device_coverage_ledger.log_xid IS 'Transaction that wrote it, offset added: decides its window.';

CREATE TABLE billing.identity_claims (
    tenant_id      text        COLLATE "C" NOT NULL,
    identity_type  text        COLLATE "C" NOT NULL CHECK (length(identity_type) BETWEEN 1 AND 200),
    identity_value text        COLLATE "C" NOT NULL CHECK (length(identity_value) BETWEEN 1 AND 200),
    device_id      uuid        NOT NULL,
    claim_id       uuid        NOT NULL DEFAULT billing.uuid_v7(),
    claimed_on     date        NOT NULL,
    status         text        COLLATE "C" NOT NULL CHECK (status IN ('clean', 'disputed', 'resolved')),
    disputed_from  date,
    disputed_at    timestamptz,
    escalated_at   timestamptz,
    resolution     text        COLLATE "C" CHECK (resolution IN ('merge', 'split', 'transfer')),
    winner_id      uuid,
    void_from      date,
    PRIMARY KEY (tenant_id, identity_type, identity_value, device_id),
    FOREIGN KEY (tenant_id, device_id) REFERENCES billing.devices ON DELETE RESTRICT,
    CHECK ((status = 'disputed') = (disputed_from IS NOT NULL)),
    CHECK ((status = 'disputed') = (disputed_at IS NOT NULL)),
    CHECK ((status = 'resolved') = (resolution IS NOT NULL))
);
CREATE INDEX identity_claims_device ON billing.identity_claims (tenant_id, device_id);
CREATE INDEX identity_claims_disputed ON billing.identity_claims (disputed_at, tenant_id) WHERE status = 'disputed';
COMMENT ON TABLE  billing.identity_claims IS 'Which device claims which identity, as it stands. Two devices that claim one are in dispute. The history is in identity_claim_events, and only that decides what is counted.';
COMMENT ON COLUMN billing.identity_claims.tenant_id IS 'Whose it is.';
COMMENT ON COLUMN billing.identity_claims.identity_type IS 'Kind of identity: serial, imei, hostname.';
COMMENT ON COLUMN billing.identity_claims.identity_value IS 'The identity, as the application writes it.';
COMMENT ON COLUMN billing.identity_claims.device_id IS 'The device that claims it.';
COMMENT ON COLUMN billing.identity_claims.claim_id IS 'UUIDv7: ascending in the order of claiming.';
COMMENT ON COLUMN billing.identity_claims.claimed_on IS 'First UTC day of the claim.';
COMMENT ON COLUMN billing.identity_claims.status IS 'clean: nobody else claims it; disputed: another device does; resolved: somebody decided.';
COMMENT ON COLUMN billing.identity_claims.disputed_from IS 'First UTC day on which another device claims it too; NULL unless disputed.';
COMMENT ON COLUMN billing.identity_claims.disputed_at IS 'When the dispute began, for its SLA; NULL unless disputed.';
COMMENT ON COLUMN billing.identity_claims.escalated_at IS 'When the dispute was found past its SLA; NULL while it is not.';
COMMENT ON COLUMN billing.identity_claims.resolution IS 'merge: one device; split: several that share it; transfer: it went from one to the other. NULL unless resolved.';
COMMENT ON COLUMN billing.identity_claims.winner_id IS 'The device that a merge or transfer decided for.';
COMMENT ON COLUMN billing.identity_claims.void_from IS 'The identity went to another device on this UTC day; such a claim is in no later dispute. NULL: it stands.';

CREATE TABLE billing.identity_claim_heads (
    tenant_id  text        COLLATE "C" NOT NULL PRIMARY KEY,
    sequence   bigint      NOT NULL DEFAULT 0 CHECK (sequence >= 0),
    self_hash  bytea       NOT NULL DEFAULT decode(repeat('00', 32), 'hex') CHECK (length(self_hash) = 32)
);
COMMENT ON TABLE  billing.identity_claim_heads IS 'Head of each tenant''s chain of claim events; its row is the lock of all claims of the tenant.';
COMMENT ON COLUMN billing.identity_claim_heads.tenant_id IS 'Whose chain.';
COMMENT ON COLUMN billing.identity_claim_heads.sequence IS 'Length of the chain.';
COMMENT ON COLUMN billing.identity_claim_heads.self_hash IS 'Hash of the last event; 32 zero bytes when there is none.';

CREATE TABLE billing.identity_claim_events (
    tenant_id      text        COLLATE "C" NOT NULL,
    sequence       bigint      NOT NULL CHECK (sequence > 0),
    event_type     text        COLLATE "C" NOT NULL CHECK (event_type IN ('claimed', 'disputed', 'escalated', 'resolved')),
    identity_type  text        COLLATE "C" NOT NULL,
    identity_value text        COLLATE "C" NOT NULL,
    device_id      uuid        NOT NULL,
    from_status    text        COLLATE "C" CHECK (from_status IN ('clean', 'disputed', 'resolved')),
    to_status      text        COLLATE "C" NOT NULL CHECK (to_status IN ('clean', 'disputed', 'resolved')),
    effective_from date        NOT NULL,
    resolution     text        COLLATE "C" CHECK (resolution IN ('merge', 'split', 'transfer')),
    winner_id      uuid,
    former_id      uuid,
    moved_on       date,
    actor          text        NOT NULL,
    reason         text,
    occurred_at    timestamptz NOT NULL,
    salt           uuid        NOT NULL,
    prev_hash      bytea       NOT NULL CHECK (length(prev_hash) = 32),
    self_hash      bytea       NOT NULL CHECK (length(self_hash) = 32),
    log_xid        xid8        NOT NULL DEFAULT billing.log_xid(),
    PRIMARY KEY (tenant_id, sequence),
    CHECK ((event_type = 'resolved') = (resolution IS NOT NULL)),
    CHECK ((moved_on IS NOT NULL) = coalesce(resolution = 'transfer', false))
);
CREATE INDEX identity_claim_events_log ON billing.identity_claim_events (log_xid, tenant_id, sequence);
CREATE INDEX identity_claim_events_device ON billing.identity_claim_events (tenant_id, device_id) WHERE event_type IN ('disputed', 'resolved');
CREATE INDEX identity_claim_events_identity ON billing.identity_claim_events (tenant_id, identity_type, identity_value);
COMMENT ON TABLE  billing.identity_claim_events IS 'What became of claims, append-only, chained per tenant. A dispute or resolution holds from effective_from on; of those in effect on a UTC day the latest recorded decides.';
COMMENT ON COLUMN billing.identity_claim_events.tenant_id IS 'Whose chain.';
COMMENT ON COLUMN billing.identity_claim_events.sequence IS 'Place in the chain, from 1.';
COMMENT ON COLUMN billing.identity_claim_events.event_type IS 'claimed, disputed, escalated (past its SLA) or resolved.';
COMMENT ON COLUMN billing.identity_claim_events.identity_type IS 'Of the claim.';
COMMENT ON COLUMN billing.identity_claim_events.identity_value IS 'Of the claim.';
COMMENT ON COLUMN billing.identity_claim_events.device_id IS 'Of the claim.';
COMMENT ON COLUMN billing.identity_claim_events.from_status IS 'Status before; NULL for a new claim.';
COMMENT ON COLUMN billing.identity_claim_events.to_status IS 'Status after.';
COMMENT ON COLUMN billing.identity_claim_events.effective_from IS 'First UTC day it is about.';
COMMENT ON COLUMN billing.identity_claim_events.resolution IS 'merge, split or transfer; NULL unless resolved.';
COMMENT ON COLUMN billing.identity_claim_events.winner_id IS 'The device that a merge or transfer decided for.';
COMMENT ON COLUMN billing.identity_claim_events.former_id IS 'The device that had the identity before a transfer: the earliest of the others to claim it.';
COMMENT ON COLUMN billing.identity_claim_events.moved_on IS 'First UTC day on which the winner of a transfer has it.';
COMMENT ON COLUMN billing.identity_claim_events.actor IS 'Who did it.';
COMMENT ON COLUMN billing.identity_claim_events.reason IS 'Why.';
COMMENT ON COLUMN billing.identity_claim_events.occurred_at IS 'When it was recorded.';
COMMENT ON COLUMN billing.identity_claim_events.salt IS 'Random, so that nobody who has the row''s hash can guess its contents.';
COMMENT ON COLUMN billing.identity_claim_events.prev_hash IS 'self_hash of the event before; 32 zero bytes for the first.';
COMMENT ON COLUMN billing.identity_claim_events.self_hash IS 'billing.chain_hash() of prev_hash and billing.claim_event_hash().';
COMMENT ON COLUMN billing.identity_claim_events.log_xid IS 'Transaction that wrote it, offset added: decides its window.';

CREATE TABLE billing.coverage_policies (
    tenant_id         text        COLLATE "C" NOT NULL,
    account_id        text        COLLATE "C" NOT NULL,
    valid_from        date        NOT NULL,
    dispute_policy    text        COLLATE "C" NOT NULL DEFAULT 'bill_once' CHECK (dispute_policy IN ('bill_once', 'hold')),
    dispute_sla_hours integer     NOT NULL DEFAULT 72 CHECK (dispute_sla_hours BETWEEN 1 AND 87600),
    recorded_at       timestamptz NOT NULL DEFAULT now(),
    log_xid           xid8        NOT NULL DEFAULT billing.log_xid(),
    PRIMARY KEY (tenant_id, account_id, valid_from)
);
CREATE INDEX coverage_policies_log ON billing.coverage_policies (log_xid, tenant_id);
COMMENT ON TABLE  billing.coverage_policies IS 'What is billed of devices in dispute, append-only. An account''s own policy comes before its tenant''s; without either it is bill_once, 72 hours.';
COMMENT ON COLUMN billing.coverage_policies.tenant_id IS 'Whose it is.';
COMMENT ON COLUMN billing.coverage_policies.account_id IS 'The account; empty: all of the tenant that have none of their own.';
COMMENT ON COLUMN billing.coverage_policies.valid_from IS 'First UTC day; until the next policy''s.';
COMMENT ON COLUMN billing.coverage_policies.dispute_policy IS 'bill_once: of the devices that claim one identity one is counted; hold: none, until the dispute is resolved.';
COMMENT ON COLUMN billing.coverage_policies.dispute_sla_hours IS 'Hours in which a dispute should be resolved.';
COMMENT ON COLUMN billing.coverage_policies.recorded_at IS 'Start of the transaction that wrote it.';
COMMENT ON COLUMN billing.coverage_policies.log_xid IS 'Transaction that wrote it, offset added: decides its window.';

CREATE TABLE billing.coverage_daily_state (
    tenant_id      text    COLLATE "C" NOT NULL,
    device_id      uuid    NOT NULL,
    coverage_day   date    NOT NULL,
    account_id     text    COLLATE "C",
    coverage_state text    COLLATE "C" NOT NULL CHECK (coverage_state IN ('covered', 'uncovered', 'disputed')),
    plan           text    COLLATE "C",
    is_counted     boolean NOT NULL,
    window_no      bigint  NOT NULL,
    PRIMARY KEY (tenant_id, device_id, coverage_day),
    CHECK (NOT is_counted OR coverage_state <> 'uncovered'),
    CHECK (account_id IS NOT NULL OR coverage_state = 'uncovered')
) PARTITION BY RANGE (coverage_day);
CREATE INDEX coverage_daily_state_day ON billing.coverage_daily_state (tenant_id, coverage_day, coverage_state);
COMMENT ON TABLE  billing.coverage_daily_state IS 'How each enrolled device stood on each UTC day that has been synced: a rollup kept by billing.sync_coverage(), rebuilt by billing.derive_coverage(). Counting, rating and invoices do not read it.';
COMMENT ON COLUMN billing.coverage_daily_state.tenant_id IS 'Whose it is.';
COMMENT ON COLUMN billing.coverage_daily_state.device_id IS 'The device.';
COMMENT ON COLUMN billing.coverage_daily_state.coverage_day IS 'UTC day.';
COMMENT ON COLUMN billing.coverage_daily_state.account_id IS 'The account it is enrolled in on the day; NULL when it was, and that was taken back.';
COMMENT ON COLUMN billing.coverage_daily_state.coverage_state IS 'covered; uncovered; or disputed: covered, and another device claims one of its identities.';
COMMENT ON COLUMN billing.coverage_daily_state.plan IS 'Plan of the coverage on the day; NULL is none.';
COMMENT ON COLUMN billing.coverage_daily_state.is_counted IS 'Whether the day is counted for this device.';
COMMENT ON COLUMN billing.coverage_daily_state.window_no IS 'Last window that changed it.';

CREATE TABLE billing.coverage_windows (
    window_no    bigint      NOT NULL PRIMARY KEY CHECK (window_no > 0),
    incarnation  integer     NOT NULL REFERENCES billing.incarnations,
    snapshot     pg_snapshot NOT NULL,
    through      date        NOT NULL,
    days_changed bigint      NOT NULL CHECK (days_changed >= 0),
    usage_rows   bigint      NOT NULL CHECK (usage_rows >= 0),
    synced_at    timestamptz NOT NULL
);
COMMENT ON TABLE  billing.coverage_windows IS 'Windows of coverage sync. Window k takes what was recorded and is visible in snapshot k and not in snapshot k-1, and the days up to through that window k-1 had not reached.';
COMMENT ON COLUMN billing.coverage_windows.window_no IS 'Counts from 1, without gaps.';
COMMENT ON COLUMN billing.coverage_windows.incarnation IS 'The cluster it was taken in.';
COMMENT ON COLUMN billing.coverage_windows.snapshot IS 'Upper edge of the window, in log_xid terms (the incarnation''s offset added).';
COMMENT ON COLUMN billing.coverage_windows.through IS 'Last UTC day that is in coverage_daily_state.';
COMMENT ON COLUMN billing.coverage_windows.days_changed IS 'Rows of coverage_daily_state that it made, changed or removed.';
COMMENT ON COLUMN billing.coverage_windows.usage_rows IS 'Usage events that it wrote.';
COMMENT ON COLUMN billing.coverage_windows.synced_at IS 'When it was taken.';

CREATE VIEW billing.coverage_disputes WITH (security_invoker = true) AS
SELECT c.tenant_id, c.identity_type, c.identity_value, c.device_id, d.device_key, d.account_id, c.disputed_from, c.disputed_at,
       c.disputed_at + make_interval(hours => coalesce(p.dispute_sla_hours, 72)) AS due_at, c.escalated_at
  FROM billing.identity_claims c
  JOIN billing.devices d ON d.tenant_id = c.tenant_id AND d.device_id = c.device_id
  LEFT JOIN LATERAL (SELECT * FROM billing.coverage_policies p
                      WHERE p.tenant_id = c.tenant_id AND p.account_id IN ('', d.account_id) AND p.valid_from <= (c.disputed_at AT TIME ZONE 'UTC')::date
                      ORDER BY p.account_id = '', p.valid_from DESC LIMIT 1) AS p ON true
 WHERE c.status = 'disputed';
COMMENT ON VIEW   billing.coverage_disputes IS 'Claims in dispute: one row per device that claims an identity which another claims too.';
COMMENT ON COLUMN billing.coverage_disputes.tenant_id IS 'Whose it is.';
COMMENT ON COLUMN billing.coverage_disputes.identity_type IS 'Kind of identity.';
COMMENT ON COLUMN billing.coverage_disputes.identity_value IS 'The identity.';
COMMENT ON COLUMN billing.coverage_disputes.device_id IS 'The device that claims it.';
COMMENT ON COLUMN billing.coverage_disputes.device_key IS 'Its key.';
COMMENT ON COLUMN billing.coverage_disputes.account_id IS 'Its account, whose SLA it is.';
COMMENT ON COLUMN billing.coverage_disputes.disputed_from IS 'First UTC day in dispute.';
COMMENT ON COLUMN billing.coverage_disputes.disputed_at IS 'When the dispute began.';
COMMENT ON COLUMN billing.coverage_disputes.due_at IS 'When it is past its SLA.';
COMMENT ON COLUMN billing.coverage_disputes.escalated_at IS 'When billing.escalate_disputes() found it past its SLA; NULL while it has not.';

CREATE VIEW billing.coverage_backlog WITH (security_invoker = true) AS
SELECT w.through AS synced_through,
       (SELECT count(*) FROM (SELECT log_xid FROM billing.device_coverage_ledger UNION ALL SELECT log_xid FROM billing.enrollments
                              UNION ALL SELECT log_xid FROM billing.identity_claim_events UNION ALL SELECT log_xid FROM billing.coverage_policies) AS r
         WHERE r.log_xid >= coalesce(pg_snapshot_xmax(w.snapshot), '0') OR r.log_xid = ANY (ARRAY(SELECT pg_snapshot_xip(w.snapshot)))) AS rows_waiting,
       (SELECT count(*) FROM billing.coverage_disputes d WHERE d.escalated_at IS NOT NULL) AS disputes_escalated
  FROM (SELECT true) AS one
  LEFT JOIN (SELECT * FROM billing.coverage_windows ORDER BY window_no DESC LIMIT 1) AS w ON true;
COMMENT ON VIEW   billing.coverage_backlog IS 'How far coverage sync is behind: one row.';
COMMENT ON COLUMN billing.coverage_backlog.synced_through IS 'Last UTC day that is counted; NULL when none is.';
COMMENT ON COLUMN billing.coverage_backlog.rows_waiting IS 'Coverage events, enrollments, claim events and policies that the next billing.sync_coverage() takes.';
COMMENT ON COLUMN billing.coverage_backlog.disputes_escalated IS 'Claims in dispute that are past their SLA.';

INSERT INTO billing.stage_locks VALUES ('coverage_sync');
INSERT INTO billing.partitioned_tables VALUES ('device_coverage_ledger', NULL), ('coverage_daily_state', NULL);
SELECT billing.refuse_cards_in('devices', 'device_key', 'device_type');
SELECT billing.refuse_cards_in('enrollments', 'event_id', 'plan');
SELECT billing.refuse_cards_in('coverage_event_ids', 'event_id');
SELECT billing.refuse_cards_in('device_coverage_ledger', 'event_id', 'plan');
SELECT billing.refuse_cards_in('identity_claims', 'identity_type', 'identity_value');
SELECT billing.refuse_cards_in('identity_claim_events', 'actor', 'reason');
SELECT billing.make_append_only(t) FROM unnest('{enrollments,activity_proofs,coverage_event_ids,device_coverage_ledger,identity_claim_events,coverage_policies,coverage_windows}'::text[]) AS t;
