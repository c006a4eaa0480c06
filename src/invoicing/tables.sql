-- What is asked for: runs make draft invoices; finalization numbers them and posts them; a finalized invoice never changes.

CREATE TABLE billing.number_series (
    legal_entity_id text   COLLATE "C" NOT NULL REFERENCES billing.legal_entities ON DELETE RESTRICT,
    series          text   COLLATE "C" NOT NULL,
    last_number     bigint NOT NULL CHECK (last_number >= 0),
    PRIMARY KEY (legal_entity_id, series)
);
COMMENT ON TABLE  billing.number_series IS 'Counters of gapless invoice numbers. Finalization locks the row, so numbers are given in commit order and a rolled back one is given again.';
COMMENT ON COLUMN billing.number_series.legal_entity_id IS 'The seller.';
COMMENT ON COLUMN billing.number_series.series IS 'The seller''s series and the year of the invoice date: INV-2026.';
COMMENT ON COLUMN billing.number_series.last_number IS 'The last number given.';

CREATE TABLE billing.invoices (
    invoice_date    date        NOT NULL,
    tenant_id       text        COLLATE "C" NOT NULL,
    invoice_id      uuid        NOT NULL,
    account_id      text        COLLATE "C" NOT NULL,
    legal_entity_id text        COLLATE "C" NOT NULL,
    currency        text        COLLATE "C" NOT NULL,
    attempt         integer     NOT NULL CHECK (attempt > 0),
    status          text        COLLATE "C" NOT NULL CHECK (status IN ('draft', 'finalized', 'paid', 'void', 'uncollectible')),
    number          text        COLLATE "C",
    period_start    date        NOT NULL,
    period_end      date        NOT NULL,
    line_count      integer     NOT NULL CHECK (line_count > 0),
    content_hash    bytea       NOT NULL CHECK (length(content_hash) = 32),
    subtotal_minor  bigint      NOT NULL,
    tax_minor       bigint      NOT NULL DEFAULT 0,
    total_minor     bigint      NOT NULL,
    due_date        date        NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now(),
    finalized_at    timestamptz,
    log_xid         xid8        NOT NULL DEFAULT billing.log_xid(),
    PRIMARY KEY (invoice_date, tenant_id, invoice_id),
    UNIQUE (invoice_date, tenant_id, account_id, currency, attempt),
    CHECK (total_minor = subtotal_minor + tax_minor),
    CHECK ((status = 'draft') = (number IS NULL)),
    CHECK ((status = 'draft') = (finalized_at IS NULL)),
    CHECK (period_end > period_start)
) PARTITION BY RANGE (invoice_date);
CREATE INDEX invoices_period ON billing.invoices (tenant_id, period_start, period_end);
CREATE INDEX invoices_account ON billing.invoices (tenant_id, account_id, currency, invoice_date);
CREATE INDEX invoices_number ON billing.invoices (number) WHERE number IS NOT NULL;
CREATE INDEX invoices_draft ON billing.invoices (tenant_id) WHERE status = 'draft';
CREATE INDEX invoices_void ON billing.invoices (tenant_id, account_id, currency, invoice_date) WHERE status = 'void';
COMMENT ON TABLE  billing.invoices IS 'Invoices: one per tenant account, currency and invoice date. draft -> finalized -> paid, void or uncollectible; a draft is remade by each run until it is finalized, after which only its status moves.';
COMMENT ON COLUMN billing.invoices.invoice_date IS 'The UTC day on which its lines became due: the end of the period billed in arrears, the start of the one billed in advance.';
COMMENT ON COLUMN billing.invoices.tenant_id IS 'Whose.';
COMMENT ON COLUMN billing.invoices.invoice_id IS 'Derived from tenant, account, currency, invoice date and attempt: a replay gives the same.';
COMMENT ON COLUMN billing.invoices.account_id IS 'The account that pays.';
COMMENT ON COLUMN billing.invoices.legal_entity_id IS 'The seller.';
COMMENT ON COLUMN billing.invoices.currency IS 'Currency of all its amounts.';
COMMENT ON COLUMN billing.invoices.attempt IS '1, or one more than the voided invoice it replaces.';
COMMENT ON COLUMN billing.invoices.status IS 'draft, finalized, paid, void or uncollectible.';
COMMENT ON COLUMN billing.invoices.number IS 'Gapless within its seller and series, for example INV-2026-000001; given at finalization.';
COMMENT ON COLUMN billing.invoices.period_start IS 'Earliest UTC day its lines are for, corrections of earlier periods apart.';
COMMENT ON COLUMN billing.invoices.period_end IS 'First UTC day after the latest.';
COMMENT ON COLUMN billing.invoices.line_count IS 'Number of lines.';
COMMENT ON COLUMN billing.invoices.content_hash IS 'SHA-256 over the rating keys and earlier billed amounts of its lines: a run that comes to the same leaves the draft alone.';
COMMENT ON COLUMN billing.invoices.subtotal_minor IS 'Sum of its lines, minor units.';
COMMENT ON COLUMN billing.invoices.tax_minor IS 'Tax, minor units.';
COMMENT ON COLUMN billing.invoices.total_minor IS 'subtotal_minor + tax_minor.';
COMMENT ON COLUMN billing.invoices.due_date IS 'When it is to be paid.';
COMMENT ON COLUMN billing.invoices.created_at IS 'When the draft was made.';
COMMENT ON COLUMN billing.invoices.finalized_at IS 'When it was finalized.';
COMMENT ON COLUMN billing.invoices.log_xid IS 'Transaction that made the draft, offset added.';

CREATE TABLE billing.invoice_lines (
    invoice_date    date        NOT NULL,
    tenant_id       text        COLLATE "C" NOT NULL,
    invoice_id      uuid        NOT NULL,
    line_no         integer     NOT NULL CHECK (line_no > 0),
    rated_line_id   uuid        NOT NULL,
    subscription_id uuid        NOT NULL,
    plan_id         text        COLLATE "C" NOT NULL,
    version         integer     NOT NULL,
    charge_id       text        COLLATE "C" NOT NULL,
    period_start    date        NOT NULL,
    period_end      date        NOT NULL,
    share_days      integer     NOT NULL,
    share_of_days   integer     NOT NULL,
    quantity        numeric     NOT NULL,
    rated_minor     bigint      NOT NULL,
    billed_minor    bigint      NOT NULL,
    amount_minor    bigint      NOT NULL,
    currency        text        COLLATE "C" NOT NULL,
    is_correction   boolean     NOT NULL,
    log_xid         xid8        NOT NULL DEFAULT billing.log_xid(),
    PRIMARY KEY (invoice_date, tenant_id, invoice_id, line_no),
    CHECK (amount_minor = rated_minor - billed_minor)
) PARTITION BY RANGE (invoice_date);
CREATE INDEX invoice_lines_rated ON billing.invoice_lines (tenant_id, subscription_id, charge_id, period_start);
COMMENT ON TABLE  billing.invoice_lines IS 'Lines of invoices. amount = rated amount - what earlier invoices billed for the same charge and period; a line of a closed period is a correction.';
COMMENT ON COLUMN billing.invoice_lines.invoice_date IS 'Of the invoice.';
COMMENT ON COLUMN billing.invoice_lines.tenant_id IS 'Whose.';
COMMENT ON COLUMN billing.invoice_lines.invoice_id IS 'The invoice.';
COMMENT ON COLUMN billing.invoice_lines.line_no IS 'Counts from 1: by subscription, then period, then the charge''s position.';
COMMENT ON COLUMN billing.invoice_lines.rated_line_id IS 'The revision of the rated line it bills.';
COMMENT ON COLUMN billing.invoice_lines.subscription_id IS 'The subscription.';
COMMENT ON COLUMN billing.invoice_lines.plan_id IS 'The plan.';
COMMENT ON COLUMN billing.invoice_lines.version IS 'Its version.';
COMMENT ON COLUMN billing.invoice_lines.charge_id IS 'The charge, which has the price.';
COMMENT ON COLUMN billing.invoice_lines.period_start IS 'First UTC day it is for.';
COMMENT ON COLUMN billing.invoice_lines.period_end IS 'First UTC day after.';
COMMENT ON COLUMN billing.invoice_lines.share_days IS 'Numerator of the proration in days.';
COMMENT ON COLUMN billing.invoice_lines.share_of_days IS 'Denominator of the proration in days.';
COMMENT ON COLUMN billing.invoice_lines.quantity IS 'Quantity of the whole period line, in the meter''s unit; 1 for a fixed fee.';
COMMENT ON COLUMN billing.invoice_lines.rated_minor IS 'What quantity, price and share come to, minor units.';
COMMENT ON COLUMN billing.invoice_lines.billed_minor IS 'What earlier invoices billed of it, minor units; 0 unless a correction.';
COMMENT ON COLUMN billing.invoice_lines.amount_minor IS 'rated_minor - billed_minor: what this line asks for, minor units.';
COMMENT ON COLUMN billing.invoice_lines.currency IS 'Currency of the amounts.';
COMMENT ON COLUMN billing.invoice_lines.is_correction IS 'Whether an earlier invoice already billed this charge and period.';
COMMENT ON COLUMN billing.invoice_lines.log_xid IS 'Transaction that wrote it, offset added.';

CREATE TABLE billing.invoice_runs (
    invoice_date    date        NOT NULL,
    tenant_id       text        COLLATE "C" NOT NULL,
    run_id          uuid        NOT NULL,
    account_id      text        COLLATE "C" NOT NULL,
    currency        text        COLLATE "C" NOT NULL,
    period_start    date        NOT NULL,
    period_end      date        NOT NULL,
    replay_id       uuid        NOT NULL,
    idempotency_key bytea       NOT NULL CHECK (length(idempotency_key) = 32),
    status          text        COLLATE "C" NOT NULL CHECK (status IN ('scheduled', 'completed', 'failed')),
    invoice_id      uuid,
    export_path     text,
    completed_at    timestamptz,
    log_xid         xid8        NOT NULL DEFAULT billing.log_xid(),
    PRIMARY KEY (invoice_date, tenant_id, run_id)
) PARTITION BY RANGE (invoice_date);
CREATE INDEX invoice_runs_period ON billing.invoice_runs (tenant_id, period_start, period_end);
COMMENT ON TABLE  billing.invoice_runs IS 'One row per invoice made or remade: what a run did for one account. Making the same invoice from the same inputs again is the same run.';
COMMENT ON COLUMN billing.invoice_runs.invoice_date IS 'Of the invoice.';
COMMENT ON COLUMN billing.invoice_runs.tenant_id IS 'Whose.';
COMMENT ON COLUMN billing.invoice_runs.run_id IS 'Derived from tenant, account, currency, invoice date and idempotency key.';
COMMENT ON COLUMN billing.invoice_runs.account_id IS 'The account billed.';
COMMENT ON COLUMN billing.invoice_runs.currency IS 'Currency billed.';
COMMENT ON COLUMN billing.invoice_runs.period_start IS 'Of the invoice.';
COMMENT ON COLUMN billing.invoice_runs.period_end IS 'Of the invoice.';
COMMENT ON COLUMN billing.invoice_runs.replay_id IS 'The call of billing.run_invoices() that did it: the same for all accounts of that call.';
COMMENT ON COLUMN billing.invoice_runs.idempotency_key IS 'SHA-256 over tenant, period and the rating keys of the lines, which hold prices and plan versions.';
COMMENT ON COLUMN billing.invoice_runs.status IS 'scheduled, completed or failed.';
COMMENT ON COLUMN billing.invoice_runs.invoice_id IS 'The invoice it made.';
COMMENT ON COLUMN billing.invoice_runs.export_path IS 'Where its evidence bundle was put.';
COMMENT ON COLUMN billing.invoice_runs.completed_at IS 'When.';
COMMENT ON COLUMN billing.invoice_runs.log_xid IS 'Transaction that wrote it, offset added.';

CREATE TABLE billing.invoice_events (
    tenant_id   text        COLLATE "C" NOT NULL,
    invoice_id  uuid        NOT NULL,
    sequence    integer     NOT NULL CHECK (sequence > 0),
    from_status text        COLLATE "C",
    to_status   text        COLLATE "C" NOT NULL,
    total_minor bigint      NOT NULL,
    actor       text        NOT NULL,
    reason      text,
    occurred_at timestamptz NOT NULL,
    document_hash bytea     CHECK (length(document_hash) = 32),
    salt        uuid        NOT NULL DEFAULT gen_random_uuid(),
    prev_hash   bytea       NOT NULL CHECK (length(prev_hash) = 32),
    self_hash   bytea       NOT NULL CHECK (length(self_hash) = 32),
    log_xid     xid8        NOT NULL DEFAULT billing.log_xid(),
    PRIMARY KEY (tenant_id, invoice_id, sequence),
    CHECK ((document_hash IS NOT NULL) = (from_status IS NOT DISTINCT FROM 'draft' AND to_status = 'finalized'))
);
CREATE INDEX invoice_events_log ON billing.invoice_events (log_xid, tenant_id, invoice_id, sequence);
COMMENT ON TABLE  billing.invoice_events IS 'Every transition of every invoice, append-only and chained by hash.';
COMMENT ON COLUMN billing.invoice_events.tenant_id IS 'Whose.';
COMMENT ON COLUMN billing.invoice_events.invoice_id IS 'The invoice.';
COMMENT ON COLUMN billing.invoice_events.sequence IS 'Counts from 1 per invoice.';
COMMENT ON COLUMN billing.invoice_events.from_status IS 'Status before; NULL for the first.';
COMMENT ON COLUMN billing.invoice_events.to_status IS 'Status after; draft to draft is a draft remade.';
COMMENT ON COLUMN billing.invoice_events.total_minor IS 'The invoice''s total then, minor units.';
COMMENT ON COLUMN billing.invoice_events.actor IS 'Session user who did it.';
COMMENT ON COLUMN billing.invoice_events.reason IS 'Why, as given.';
COMMENT ON COLUMN billing.invoice_events.occurred_at IS 'When.';
COMMENT ON COLUMN billing.invoice_events.document_hash IS 'When a draft is finalized: Merkle root (RFC 6962) over the invoice and its lines in the order of line_no, leaves of the kinds invoice and invoice_line.';
COMMENT ON COLUMN billing.invoice_events.salt IS 'Random, so that nobody who has the row''s hash can guess its contents.';
COMMENT ON COLUMN billing.invoice_events.prev_hash IS 'self_hash of the event before; 32 zero bytes for the first.';
COMMENT ON COLUMN billing.invoice_events.self_hash IS 'SHA-256 of this row''s contents and prev_hash.';
COMMENT ON COLUMN billing.invoice_events.log_xid IS 'Transaction that wrote it, offset added.';

INSERT INTO billing.partitioned_tables VALUES
    ('invoices', NULL), ('invoice_lines', NULL), ('invoice_runs', NULL);
SELECT billing.make_append_only('invoice_events');
SELECT billing.refuse_cards_in('invoice_events', 'reason');
SELECT billing.make_append_only('invoice_runs');
CREATE TRIGGER guard_finalized BEFORE UPDATE OR DELETE ON billing.invoices FOR EACH ROW EXECUTE FUNCTION billing.guard_invoice();
ALTER TABLE billing.invoices ENABLE ALWAYS TRIGGER guard_finalized;
CREATE TRIGGER guard_finalized BEFORE UPDATE OR DELETE ON billing.invoice_lines FOR EACH ROW EXECUTE FUNCTION billing.guard_invoice_line();
ALTER TABLE billing.invoice_lines ENABLE ALWAYS TRIGGER guard_finalized;
SELECT billing.make_truncate_guard('invoices');
SELECT billing.make_truncate_guard('invoice_lines');
