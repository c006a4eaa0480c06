-- What was used: events, windows over them, and the daily rollup that every later step reads.

CREATE TABLE billing.usage_records (
    tenant_id         text        COLLATE "C" NOT NULL,
    meter_id          text        COLLATE "C" NOT NULL,
    event_id          text        COLLATE "C" NOT NULL,
    account_id        text        COLLATE "C" NOT NULL DEFAULT 'main',
    occurred_at       timestamptz NOT NULL,
    usage_day         date        NOT NULL GENERATED ALWAYS AS ((occurred_at AT TIME ZONE 'UTC')::date) STORED,
    quantity          numeric     NOT NULL,
    dimensions        jsonb       NOT NULL DEFAULT '{}',
    attribution       jsonb,
    correlation_id    text,
    corrects_event_id text        COLLATE "C",
    recorded_at       timestamptz NOT NULL DEFAULT now(),
    log_xid           xid8        NOT NULL DEFAULT billing.log_xid(),
    CONSTRAINT usage_records_content CHECK (billing.is_usage(tenant_id, meter_id, event_id, account_id, quantity, dimensions, attribution,
                                                                   correlation_id, corrects_event_id))
) PARTITION BY RANGE (occurred_at);
-- Count sync looks for new rows only. Ids only grow, so it is written at its right edge too.
CREATE INDEX usage_records_log_xid ON billing.usage_records (log_xid);
COMMENT ON TABLE  billing.usage_records IS 'Usage events, append-only, by month of occurred_at. An event is known for ever by (usage_day, tenant_id, meter_id, event_id): each partition has that unique index. Write with billing.record_usage(), or COPY (role billing_loader).';
COMMENT ON CONSTRAINT usage_records_content ON billing.usage_records IS 'One function in C: as expressions these checks cost a third of a COPY.';
COMMENT ON COLUMN billing.usage_records.tenant_id IS 'Who used it.';
COMMENT ON COLUMN billing.usage_records.meter_id IS 'The meter.';
COMMENT ON COLUMN billing.usage_records.event_id IS 'The application''s own id of the event, 1 to 255 characters: the same id on the same UTC day is the same event.';
COMMENT ON COLUMN billing.usage_records.account_id IS 'The tenant''s account that pays.';
COMMENT ON COLUMN billing.usage_records.occurred_at IS 'When it happened; decides the day and so the period.';
COMMENT ON COLUMN billing.usage_records.usage_day IS 'UTC day of occurred_at.';
COMMENT ON COLUMN billing.usage_records.quantity IS 'How much, in the meter''s unit: exact, below 10^20, at most 18 decimals. Negative only in a correction.';
COMMENT ON COLUMN billing.usage_records.dimensions IS 'Values by the meter''s dimension keys, as strings.';
COMMENT ON COLUMN billing.usage_records.attribution IS 'Who caused it, for reports: submitter, route, reseller, app, project.';
COMMENT ON COLUMN billing.usage_records.correlation_id IS 'The application''s trace id.';
COMMENT ON COLUMN billing.usage_records.corrects_event_id IS 'The event of the same tenant, meter and day that this one corrects.';
COMMENT ON COLUMN billing.usage_records.recorded_at IS 'Start of the transaction that wrote it.';
COMMENT ON COLUMN billing.usage_records.log_xid IS 'Transaction that wrote it, plus the incarnation''s offset: decides its window.';

CREATE TABLE billing.count_windows (
    window_no       bigint      NOT NULL PRIMARY KEY CHECK (window_no > 0),
    incarnation     integer     NOT NULL REFERENCES billing.incarnations,
    snapshot        pg_snapshot NOT NULL,
    rows_counted    bigint      NOT NULL CHECK (rows_counted >= 0),
    rows_set_aside  bigint      NOT NULL CHECK (rows_set_aside >= 0),
    synced_at       timestamptz NOT NULL
);
COMMENT ON TABLE  billing.count_windows IS 'Windows of count sync. Window k holds the usage rows visible in snapshot k and not in snapshot k-1: each committed row is in exactly one, whatever order transactions commit in.';
COMMENT ON COLUMN billing.count_windows.window_no IS 'Counts from 1, without gaps.';
COMMENT ON COLUMN billing.count_windows.incarnation IS 'The cluster it was taken in.';
COMMENT ON COLUMN billing.count_windows.snapshot IS 'Upper edge of the window, in log_xid terms (the incarnation''s offset added).';
COMMENT ON COLUMN billing.count_windows.rows_counted IS 'Usage rows added to daily_counts, earlier set-aside rows that now resolve included.';
COMMENT ON COLUMN billing.count_windows.rows_set_aside IS 'Usage rows of this window that could not be counted: see usage_set_aside.';
COMMENT ON COLUMN billing.count_windows.synced_at IS 'When it was taken.';

CREATE TABLE billing.daily_counts (
    day         date        NOT NULL,
    tenant_id   text        COLLATE "C" NOT NULL,
    account_id  text        COLLATE "C" NOT NULL,
    meter_id    text        COLLATE "C" NOT NULL,
    dimensions  jsonb       NOT NULL,
    quantity    numeric     NOT NULL,
    events      bigint      NOT NULL,
    latest_at   timestamptz NOT NULL,
    window_no   bigint      NOT NULL,
    PRIMARY KEY (day, tenant_id, account_id, meter_id, dimensions)
) PARTITION BY RANGE (day);
CREATE INDEX daily_counts_tenant ON billing.daily_counts (tenant_id, day);
COMMENT ON TABLE  billing.daily_counts IS 'Usage per tenant, account, meter, UTC day and dimensions: a rollup kept by billing.sync_counts(), rebuilt from usage_records by replay. Rating reads only this.';
COMMENT ON COLUMN billing.daily_counts.day IS 'UTC day.';
COMMENT ON COLUMN billing.daily_counts.tenant_id IS 'Whose usage.';
COMMENT ON COLUMN billing.daily_counts.account_id IS 'The account that pays.';
COMMENT ON COLUMN billing.daily_counts.meter_id IS 'The meter.';
COMMENT ON COLUMN billing.daily_counts.dimensions IS 'Dimension values.';
COMMENT ON COLUMN billing.daily_counts.quantity IS 'By the meter''s aggregation over the day''s events: their sum, number, maximum, or latest quantity.';
COMMENT ON COLUMN billing.daily_counts.events IS 'Number of events.';
COMMENT ON COLUMN billing.daily_counts.latest_at IS 'Latest occurred_at of them.';
COMMENT ON COLUMN billing.daily_counts.window_no IS 'Last window that changed it.';

CREATE TABLE billing.count_sync_checkpoints (
    tenant_id  text        COLLATE "C" NOT NULL PRIMARY KEY,
    sequence   bigint      NOT NULL CHECK (sequence > 0),
    window_no  bigint      NOT NULL,
    self_hash  bytea       NOT NULL CHECK (length(self_hash) = 32),
    updated_at timestamptz NOT NULL
);
CREATE INDEX ON billing.count_sync_checkpoints (tenant_id, self_hash);
COMMENT ON TABLE  billing.count_sync_checkpoints IS 'Head of each tenant''s chain of count sync checkpoints.';
COMMENT ON COLUMN billing.count_sync_checkpoints.tenant_id IS 'Whose chain.';
COMMENT ON COLUMN billing.count_sync_checkpoints.sequence IS 'Length of the chain.';
COMMENT ON COLUMN billing.count_sync_checkpoints.window_no IS 'Last window that held rows of the tenant.';
COMMENT ON COLUMN billing.count_sync_checkpoints.self_hash IS 'Hash of the last checkpoint event.';
COMMENT ON COLUMN billing.count_sync_checkpoints.updated_at IS 'When it moved.';

CREATE TABLE billing.count_sync_checkpoint_events (
    tenant_id      text        COLLATE "C" NOT NULL,
    sequence       bigint      NOT NULL CHECK (sequence > 0),
    window_no      bigint      NOT NULL,
    rows_processed bigint      NOT NULL CHECK (rows_processed > 0),
    first_day      date        NOT NULL,
    last_day       date        NOT NULL,
    digest         bytea       NOT NULL CHECK (length(digest) = 32),
    counts_digest  bytea       NOT NULL CHECK (length(counts_digest) = 32),
    salt           uuid        NOT NULL DEFAULT gen_random_uuid(),
    prev_hash      bytea       NOT NULL CHECK (length(prev_hash) = 32),
    self_hash      bytea       NOT NULL CHECK (length(self_hash) = 32),
    created_at     timestamptz NOT NULL,
    log_xid        xid8        NOT NULL DEFAULT billing.log_xid(),
    PRIMARY KEY (tenant_id, sequence)
);
CREATE UNIQUE INDEX ON billing.count_sync_checkpoint_events (tenant_id, window_no);
CREATE INDEX count_sync_checkpoint_events_log ON billing.count_sync_checkpoint_events (log_xid, tenant_id, sequence);
COMMENT ON TABLE  billing.count_sync_checkpoint_events IS 'Each tenant''s append-only chain: one row per window that counted rows of the tenant.';
COMMENT ON COLUMN billing.count_sync_checkpoint_events.tenant_id IS 'Whose chain.';
COMMENT ON COLUMN billing.count_sync_checkpoint_events.sequence IS 'Place in the chain, from 1.';
COMMENT ON COLUMN billing.count_sync_checkpoint_events.window_no IS 'The window.';
COMMENT ON COLUMN billing.count_sync_checkpoint_events.rows_processed IS 'Usage rows of the tenant it counted.';
COMMENT ON COLUMN billing.count_sync_checkpoint_events.first_day IS 'Earliest UTC day among them: what rating must look at again.';
COMMENT ON COLUMN billing.count_sync_checkpoint_events.last_day IS 'Latest UTC day among them.';
COMMENT ON COLUMN billing.count_sync_checkpoint_events.digest IS 'Merkle root (RFC 6962) over billing.usage_leaf() of the rows in the order (occurred_at, meter_id, event_id).';
COMMENT ON COLUMN billing.count_sync_checkpoint_events.counts_digest IS 'Merkle root (RFC 6962) over what the window added to daily_counts: per day, account, meter and dimensions a leaf of kind count, in the order (day, account_id, meter_id, canonical JSON of dimensions).';
COMMENT ON COLUMN billing.count_sync_checkpoint_events.salt IS 'Random, so that nobody who has the row''s hash can guess its contents.';
COMMENT ON COLUMN billing.count_sync_checkpoint_events.prev_hash IS 'self_hash of the event before; 32 zero bytes for the first.';
COMMENT ON COLUMN billing.count_sync_checkpoint_events.self_hash IS 'SHA-256 of this row''s contents and prev_hash.';
COMMENT ON COLUMN billing.count_sync_checkpoint_events.created_at IS 'When the window was taken.';
COMMENT ON COLUMN billing.count_sync_checkpoint_events.log_xid IS 'Transaction that wrote it, offset added.';

CREATE TABLE billing.usage_window_parts (
    tenant_id   text    COLLATE "C" NOT NULL,
    window_no   bigint  NOT NULL,
    month       date    NOT NULL CHECK (extract(day FROM month) = 1),
    first_day   date    NOT NULL,
    last_day    date    NOT NULL,
    first_row   bigint  NOT NULL CHECK (first_row >= 0),
    usage_rows  bigint  NOT NULL CHECK (usage_rows > 0),
    rows_range  bytea   NOT NULL CHECK (length(rows_range) > 0 AND length(rows_range) % 33 = 0),
    counts      bigint  NOT NULL CHECK (counts > 0),
    counts_range bytea  NOT NULL CHECK (length(counts_range) > 0 AND length(counts_range) % 33 = 0),
    log_xid     xid8    NOT NULL DEFAULT billing.log_xid(),
    PRIMARY KEY (tenant_id, window_no, month)
);
COMMENT ON TABLE  billing.usage_window_parts IS 'What is kept of the usage of a month that retention dropped: of each window that counted some of it as much of its two trees as their roots need, so that digest and counts_digest of the checkpoint can be computed for ever. Written by billing.apply_retention() only.';
COMMENT ON COLUMN billing.usage_window_parts.tenant_id IS 'Whose usage.';
COMMENT ON COLUMN billing.usage_window_parts.window_no IS 'The window that counted it.';
COMMENT ON COLUMN billing.usage_window_parts.month IS 'The month that was dropped, its first day.';
COMMENT ON COLUMN billing.usage_window_parts.first_day IS 'Earliest UTC day among the rows.';
COMMENT ON COLUMN billing.usage_window_parts.last_day IS 'Latest UTC day among them.';
COMMENT ON COLUMN billing.usage_window_parts.first_row IS 'Place of the first of them among the window''s rows, from 0.';
COMMENT ON COLUMN billing.usage_window_parts.usage_rows IS 'Number of rows.';
COMMENT ON COLUMN billing.usage_window_parts.rows_range IS 'Their part of the tree under digest: billing.merkle_range() from first_row on.';
COMMENT ON COLUMN billing.usage_window_parts.counts IS 'Number of counts that they added to daily_counts: rows of usage_window_counts, until these are dropped too.';
COMMENT ON COLUMN billing.usage_window_parts.counts_range IS 'The counts'' part of the tree under counts_digest.';
COMMENT ON COLUMN billing.usage_window_parts.log_xid IS 'Transaction that wrote it, offset added.';

CREATE TABLE billing.usage_window_counts (
    day         date        NOT NULL,
    tenant_id   text        COLLATE "C" NOT NULL,
    window_no   bigint      NOT NULL,
    account_id  text        COLLATE "C" NOT NULL,
    meter_id    text        COLLATE "C" NOT NULL,
    dimensions  jsonb       NOT NULL,
    aggregation text        COLLATE "C" NOT NULL,
    quantity    numeric     NOT NULL,
    events      bigint      NOT NULL,
    latest_at   timestamptz NOT NULL,
    log_xid     xid8        NOT NULL DEFAULT billing.log_xid(),
    PRIMARY KEY (day, tenant_id, window_no, account_id, meter_id, dimensions)
) PARTITION BY RANGE (day);
CREATE INDEX usage_window_counts_tenant ON billing.usage_window_counts (tenant_id, day);
COMMENT ON TABLE  billing.usage_window_counts IS 'What each window added to daily_counts from usage that retention dropped since: the summary of raw usage, from which bundles and replays go on. Written by billing.apply_retention() only, and dropped with the daily counts.';
COMMENT ON COLUMN billing.usage_window_counts.day IS 'UTC day.';
COMMENT ON COLUMN billing.usage_window_counts.tenant_id IS 'Whose usage.';
COMMENT ON COLUMN billing.usage_window_counts.window_no IS 'The window.';
COMMENT ON COLUMN billing.usage_window_counts.account_id IS 'The account that pays.';
COMMENT ON COLUMN billing.usage_window_counts.meter_id IS 'The meter.';
COMMENT ON COLUMN billing.usage_window_counts.dimensions IS 'Dimension values.';
COMMENT ON COLUMN billing.usage_window_counts.aggregation IS 'The meter''s aggregation, part of the count''s canonical bytes.';
COMMENT ON COLUMN billing.usage_window_counts.quantity IS 'By the aggregation over the window''s events of the day, in the meter''s unit.';
COMMENT ON COLUMN billing.usage_window_counts.events IS 'Number of events.';
COMMENT ON COLUMN billing.usage_window_counts.latest_at IS 'Latest occurred_at of them.';
COMMENT ON COLUMN billing.usage_window_counts.log_xid IS 'Transaction that wrote it, offset added.';

CREATE TABLE billing.usage_set_aside (
    usage_day  date    NOT NULL,
    tenant_id  text    COLLATE "C" NOT NULL,
    meter_id   text    COLLATE "C" NOT NULL,
    event_id   text    COLLATE "C" NOT NULL,
    reason     text    NOT NULL,
    window_no  bigint  NOT NULL,
    counted_in bigint,
    PRIMARY KEY (usage_day, tenant_id, meter_id, event_id)
);
CREATE INDEX ON billing.usage_set_aside (window_no) WHERE counted_in IS NULL;
COMMENT ON TABLE  billing.usage_set_aside IS 'Usage rows, loaded by COPY, that named what does not exist. Each sync tries them again and counts what now resolves.';
COMMENT ON COLUMN billing.usage_set_aside.usage_day IS 'Of the usage row.';
COMMENT ON COLUMN billing.usage_set_aside.tenant_id IS 'Of the usage row.';
COMMENT ON COLUMN billing.usage_set_aside.meter_id IS 'Of the usage row.';
COMMENT ON COLUMN billing.usage_set_aside.event_id IS 'Of the usage row.';
COMMENT ON COLUMN billing.usage_set_aside.reason IS 'Why: unknown meter, unknown account, unknown dimension, or no subscription on the day.';
COMMENT ON COLUMN billing.usage_set_aside.window_no IS 'The window it belongs to.';
COMMENT ON COLUMN billing.usage_set_aside.counted_in IS 'The window that counted it after all; NULL while set aside.';

CREATE TABLE billing.allocations (
    tenant_id     text        COLLATE "C" NOT NULL,
    allocation_id text        COLLATE "C" NOT NULL CHECK (length(allocation_id) BETWEEN 1 AND 200),
    account_id    text        COLLATE "C" NOT NULL,
    meter_id      text        COLLATE "C" NOT NULL REFERENCES billing.meters ON DELETE RESTRICT,
    units         numeric     NOT NULL CHECK (units > 0 AND units < 1e12 AND scale(units) <= 12),
    dimensions    jsonb       NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(dimensions) = 'object'),
    opened_at     timestamptz NOT NULL,
    closed_at     timestamptz,
    accrued_to    timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, allocation_id),
    FOREIGN KEY (tenant_id, account_id) REFERENCES billing.accounts ON DELETE RESTRICT,
    CHECK (closed_at >= opened_at),
    CHECK (accrued_to >= opened_at)
);
CREATE INDEX allocations_open ON billing.allocations (tenant_id, allocation_id) WHERE closed_at IS NULL;
COMMENT ON TABLE  billing.allocations IS 'Things held over time (a GPU, a virtual machine). Usage of units x seconds accrues while one is open, cut at UTC midnight.';
COMMENT ON COLUMN billing.allocations.tenant_id IS 'Who holds it.';
COMMENT ON COLUMN billing.allocations.allocation_id IS 'The application''s own id.';
COMMENT ON COLUMN billing.allocations.account_id IS 'The account that pays.';
COMMENT ON COLUMN billing.allocations.meter_id IS 'The meter that counts unit-seconds; its aggregation is sum.';
COMMENT ON COLUMN billing.allocations.units IS 'How much is held: a quantity of units accrues per second.';
COMMENT ON COLUMN billing.allocations.dimensions IS 'Dimensions of its usage.';
COMMENT ON COLUMN billing.allocations.opened_at IS 'When holding began.';
COMMENT ON COLUMN billing.allocations.closed_at IS 'When it ended; NULL while open.';
COMMENT ON COLUMN billing.allocations.accrued_to IS 'Usage is recorded up to here.';

SELECT billing.refuse_cards_in('allocations', 'allocation_id', 'dimensions');

CREATE VIEW billing.metering_backlog WITH (security_invoker = true) AS
SELECT b.tenant_id, sum(b.waiting)::bigint AS rows_waiting, sum(b.set_aside)::bigint AS rows_set_aside
  FROM (SELECT u.tenant_id, count(*) AS waiting, 0 AS set_aside
          FROM billing.usage_records u
         WHERE u.log_xid >= coalesce((SELECT pg_snapshot_xmax(w.snapshot) FROM billing.count_windows w ORDER BY w.window_no DESC LIMIT 1), '0')
            OR u.log_xid = ANY (ARRAY(SELECT pg_snapshot_xip(w.snapshot) FROM (SELECT snapshot FROM billing.count_windows ORDER BY window_no DESC LIMIT 1) AS w))
         GROUP BY u.tenant_id
        UNION ALL
        SELECT s.tenant_id, 0, count(*)
          FROM billing.usage_set_aside s
         WHERE s.counted_in IS NULL
         GROUP BY s.tenant_id) AS b
 GROUP BY b.tenant_id;
COMMENT ON VIEW   billing.metering_backlog IS 'Usage that is not in daily_counts yet, per tenant that has any.';
COMMENT ON COLUMN billing.metering_backlog.tenant_id IS 'Whose.';
COMMENT ON COLUMN billing.metering_backlog.rows_waiting IS 'Rows that the next billing.sync_counts() takes.';
COMMENT ON COLUMN billing.metering_backlog.rows_set_aside IS 'Rows that do not resolve: see usage_set_aside.reason.';

INSERT INTO billing.partitioned_tables VALUES
    ('usage_records', '{usage_day,tenant_id,meter_id,event_id}'), ('daily_counts', NULL),
    ('usage_window_counts', NULL);
SELECT billing.make_append_only('usage_records');
SELECT billing.make_append_only('usage_window_parts');
SELECT billing.make_append_only('usage_window_counts');
SELECT billing.make_append_only('count_windows');
SELECT billing.make_append_only('count_sync_checkpoint_events');
