-- What usage and fees come to: period to date, in revisions; only differences are posted.

CREATE TABLE billing.rated_lines (
    period_start    date        NOT NULL,
    tenant_id       text        COLLATE "C" NOT NULL,
    subscription_id uuid        NOT NULL,
    charge_id       text        COLLATE "C" NOT NULL,
    revision        integer     NOT NULL CHECK (revision > 0),
    rated_line_id   uuid        NOT NULL,
    account_id      text        COLLATE "C" NOT NULL,
    plan_id         text        COLLATE "C" NOT NULL,
    version         integer     NOT NULL,
    period_end      date        NOT NULL,
    due_on          date        NOT NULL,
    share_days      integer     NOT NULL CHECK (share_days >= 0),
    share_of_days   integer     NOT NULL CHECK (share_of_days > 0),
    quantity        numeric     NOT NULL,
    amount_minor    bigint      NOT NULL,
    posted_minor    bigint      NOT NULL,
    currency        text        COLLATE "C" NOT NULL,
    rating_key      bytea       NOT NULL CHECK (length(rating_key) = 32),
    rated_on        date        NOT NULL,
    window_no       bigint      NOT NULL,
    rated_at        timestamptz NOT NULL DEFAULT now(),
    log_xid         xid8        NOT NULL DEFAULT billing.log_xid(),
    PRIMARY KEY (period_start, tenant_id, subscription_id, plan_id, version, charge_id, revision),
    CHECK (period_end > period_start),
    CHECK (share_days <= share_of_days)
) PARTITION BY RANGE (period_start);
CREATE INDEX rated_lines_subscription ON billing.rated_lines (tenant_id, subscription_id, period_start);
CREATE INDEX rated_lines_log ON billing.rated_lines (log_xid, period_start, tenant_id, subscription_id, plan_id, version, charge_id, revision);
CREATE INDEX rated_lines_days ON billing.rated_lines USING brin (rated_at, due_on);
COMMENT ON TABLE  billing.rated_lines IS 'Rating, append-only: for a subscription, charge of a plan version, and period, the quantity and amount to date. A change is a new revision, and posted_minor, its difference from the revision before, is what went to the ledger.';
COMMENT ON COLUMN billing.rated_lines.period_start IS 'First UTC day rated: the later of the period''s start and the phase''s.';
COMMENT ON COLUMN billing.rated_lines.tenant_id IS 'Whose.';
COMMENT ON COLUMN billing.rated_lines.subscription_id IS 'The subscription.';
COMMENT ON COLUMN billing.rated_lines.charge_id IS 'The charge, of the plan version.';
COMMENT ON COLUMN billing.rated_lines.revision IS 'Counts from 1 per subscription, plan version, charge and period_start.';
COMMENT ON COLUMN billing.rated_lines.rated_line_id IS 'Derived from the key: a replay gives the same.';
COMMENT ON COLUMN billing.rated_lines.account_id IS 'The account that pays.';
COMMENT ON COLUMN billing.rated_lines.plan_id IS 'The plan of the phase.';
COMMENT ON COLUMN billing.rated_lines.version IS 'Its version.';
COMMENT ON COLUMN billing.rated_lines.period_end IS 'First UTC day after what is rated: the earlier of the period''s end and the phase''s.';
COMMENT ON COLUMN billing.rated_lines.due_on IS 'The UTC day from which it belongs on an invoice.';
COMMENT ON COLUMN billing.rated_lines.share_days IS 'Numerator of the proration: days charged for. Equal to share_of_days when not prorated; 0 when the charge fell away.';
COMMENT ON COLUMN billing.rated_lines.share_of_days IS 'Denominator of the proration: days of the whole period.';
COMMENT ON COLUMN billing.rated_lines.quantity IS 'Quantity to date, in the meter''s unit; 1 for a fixed fee.';
COMMENT ON COLUMN billing.rated_lines.amount_minor IS 'Amount to date in minor units: price x quantity x share, rounded once, half away from zero.';
COMMENT ON COLUMN billing.rated_lines.posted_minor IS 'amount_minor less that of the revision before: what was posted, signed.';
COMMENT ON COLUMN billing.rated_lines.currency IS 'Currency of the amounts.';
COMMENT ON COLUMN billing.rated_lines.rating_key IS 'SHA-256 of everything the amount depends on; the same key makes no new revision.';
COMMENT ON COLUMN billing.rated_lines.rated_on IS 'The UTC day up to which was rated.';
COMMENT ON COLUMN billing.rated_lines.window_no IS 'Last count window seen; 0 before the first.';
COMMENT ON COLUMN billing.rated_lines.rated_at IS 'Start of the transaction that rated it.';
COMMENT ON COLUMN billing.rated_lines.log_xid IS 'Transaction that wrote it, offset added.';

INSERT INTO billing.partitioned_tables VALUES ('rated_lines', NULL);
SELECT billing.make_append_only('rated_lines');

CREATE VIEW billing.rated WITH (security_invoker = true) AS
SELECT DISTINCT ON (tenant_id, subscription_id, plan_id, version, charge_id, period_start) *
  FROM billing.rated_lines
 ORDER BY tenant_id, subscription_id, plan_id, version, charge_id, period_start, revision DESC;
COMMENT ON VIEW billing.rated IS 'The latest revision of every rated line; columns as in rated_lines.';
DO $$
DECLARE
    told record;
BEGIN
    FOR told IN
        SELECT a.attname, col_description(a.attrelid, a.attnum) AS meaning
          FROM pg_attribute a
         WHERE a.attrelid = 'billing.rated_lines'::regclass AND a.attnum > 0 AND NOT a.attisdropped
    LOOP
        EXECUTE format('COMMENT ON COLUMN billing.rated.%I IS %L', told.attname, told.meaning);
    END LOOP;
END
$$;
