-- What is sold. A catalogue has no tenant; a published plan version never changes.

CREATE TABLE billing.meters (
    meter_id    text        COLLATE "C" NOT NULL PRIMARY KEY CHECK (length(meter_id) BETWEEN 1 AND 200),
    name        text        NOT NULL,
    unit        text        NOT NULL,
    aggregation text        NOT NULL CHECK (aggregation IN ('sum', 'count', 'max', 'latest')),
    dimensions  text[]      NOT NULL DEFAULT '{}',
    created_at  timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE  billing.meters IS 'What is measured. A meter never changes once usage may refer to it.';
COMMENT ON COLUMN billing.meters.meter_id IS 'The key applications use, for example tokens.';
COMMENT ON COLUMN billing.meters.name IS 'Name for people, printed on invoices.';
COMMENT ON COLUMN billing.meters.unit IS 'The unit of one quantity, singular: request, byte, token.';
COMMENT ON COLUMN billing.meters.aggregation IS 'How events become the quantity of a period: sum of quantity, count of events, max quantity, or the latest quantity by occurred_at.';
COMMENT ON COLUMN billing.meters.dimensions IS 'Keys an event''s dimensions may have; counts are kept per combination of their values.';
COMMENT ON COLUMN billing.meters.created_at IS 'When it was created.';

CREATE TABLE billing.products (
    product_id  text        COLLATE "C" NOT NULL PRIMARY KEY CHECK (length(product_id) BETWEEN 1 AND 200),
    name        text        NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE  billing.products IS 'What plans are plans of.';
COMMENT ON COLUMN billing.products.product_id IS 'The key applications use.';
COMMENT ON COLUMN billing.products.name IS 'Name for people.';
COMMENT ON COLUMN billing.products.created_at IS 'When it was created.';

CREATE TABLE billing.plans (
    plan_id     text        COLLATE "C" NOT NULL PRIMARY KEY CHECK (length(plan_id) BETWEEN 1 AND 200),
    product_id  text        COLLATE "C" REFERENCES billing.products ON DELETE RESTRICT,
    name        text        NOT NULL,
    is_private  boolean     NOT NULL DEFAULT false,
    created_at  timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE  billing.plans IS 'Plans customers subscribe to; the terms are in plan_versions.';
COMMENT ON COLUMN billing.plans.plan_id IS 'The key applications use.';
COMMENT ON COLUMN billing.plans.product_id IS 'The product it is a plan of, if any.';
COMMENT ON COLUMN billing.plans.name IS 'Name for people, printed on invoices.';
COMMENT ON COLUMN billing.plans.is_private IS 'Whether only those tenants see it and may choose it that have a subscription to it, which staff makes; false: all.';
COMMENT ON COLUMN billing.plans.created_at IS 'When it was created.';

CREATE TABLE billing.plan_versions (
    plan_id       text        COLLATE "C" NOT NULL REFERENCES billing.plans ON DELETE RESTRICT,
    version       integer     NOT NULL CHECK (version > 0),
    status        text        NOT NULL CHECK (status IN ('draft', 'published', 'retired')),
    currency      text        COLLATE "C" NOT NULL REFERENCES billing.currencies ON DELETE RESTRICT,
    period_months integer     NOT NULL CHECK (period_months BETWEEN 1 AND 120),
    plan_hash     bytea       CHECK (length(plan_hash) = 32),
    created_at    timestamptz NOT NULL DEFAULT now(),
    published_at  timestamptz,
    retired_at    timestamptz,
    log_xid       xid8,
    PRIMARY KEY (plan_id, version),
    CHECK ((status = 'draft') = (plan_hash IS NULL)),
    CHECK ((status = 'draft') = (published_at IS NULL)),
    CHECK ((status = 'draft') = (log_xid IS NULL)),
    CHECK ((status = 'retired') = (retired_at IS NOT NULL))
);
COMMENT ON TABLE  billing.plan_versions IS 'The terms of a plan: draft -> published -> retired. Published terms never change; a subscription stays on its version until it is moved.';
COMMENT ON COLUMN billing.plan_versions.plan_id IS 'The plan.';
COMMENT ON COLUMN billing.plan_versions.version IS 'Counts from 1 within the plan.';
COMMENT ON COLUMN billing.plan_versions.status IS 'draft: being written; published: may be sold; retired: keeps its subscribers, takes no new ones.';
COMMENT ON COLUMN billing.plan_versions.currency IS 'Currency of every price in it.';
COMMENT ON COLUMN billing.plan_versions.period_months IS 'Length of a billing period in months: 1 monthly, 12 yearly.';
COMMENT ON COLUMN billing.plan_versions.plan_hash IS 'SHA-256 of the RFC 8785 JSON of the whole terms, set when published.';
COMMENT ON COLUMN billing.plan_versions.created_at IS 'When the draft was opened.';
COMMENT ON COLUMN billing.plan_versions.published_at IS 'When it was published.';
COMMENT ON COLUMN billing.plan_versions.retired_at IS 'When it was retired.';
COMMENT ON COLUMN billing.plan_versions.log_xid IS 'Transaction that published it, offset added.';
CREATE INDEX plan_versions_log ON billing.plan_versions (log_xid, plan_id, version);

CREATE TABLE billing.charges (
    plan_id    text     COLLATE "C" NOT NULL,
    version    integer  NOT NULL,
    charge_id  text     COLLATE "C" NOT NULL CHECK (length(charge_id) BETWEEN 1 AND 200),
    name       text     NOT NULL,
    meter_id   text     COLLATE "C" REFERENCES billing.meters ON DELETE RESTRICT,
    filter     jsonb    NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(filter) = 'object'),
    price      jsonb    NOT NULL CHECK (billing.is_price(price)),
    price_hash bytea    NOT NULL CHECK (price_hash = billing.price_hash(price)),
    in_advance boolean  NOT NULL DEFAULT false,
    prorate    boolean  NOT NULL DEFAULT true,
    position   integer  NOT NULL,
    PRIMARY KEY (plan_id, version, charge_id),
    UNIQUE (plan_id, version, position),
    FOREIGN KEY (plan_id, version) REFERENCES billing.plan_versions ON DELETE RESTRICT,
    CHECK (NOT (in_advance AND meter_id IS NOT NULL)),
    CHECK (meter_id IS NOT NULL OR price ->> 'model' = 'flat'),
    CHECK (meter_id IS NOT NULL OR filter = '{}')
);
COMMENT ON TABLE  billing.charges IS 'What a plan version charges for: a fixed fee (no meter) or the usage of a meter.';
COMMENT ON COLUMN billing.charges.plan_id IS 'The plan.';
COMMENT ON COLUMN billing.charges.version IS 'Its version.';
COMMENT ON COLUMN billing.charges.charge_id IS 'Key within the plan, for example base or requests.';
COMMENT ON COLUMN billing.charges.name IS 'Name for people, printed on the invoice line.';
COMMENT ON COLUMN billing.charges.meter_id IS 'The meter charged for; NULL is a fixed fee per period.';
COMMENT ON COLUMN billing.charges.filter IS 'Usage is charged here when its dimensions contain this object; {} takes all.';
COMMENT ON COLUMN billing.charges.price IS 'The price document: decimals as strings. See billing.rate().';
COMMENT ON COLUMN billing.charges.price_hash IS 'SHA-256 of the price''s RFC 8785 JSON.';
COMMENT ON COLUMN billing.charges.in_advance IS 'A fixed fee due at the start of the period it is for; false is due at its end. Usage is always in arrears.';
COMMENT ON COLUMN billing.charges.prorate IS 'Whether a fixed fee for part of a period is charged by days; false charges it whole.';
COMMENT ON COLUMN billing.charges.position IS 'Order on the invoice.';

-- Published terms are guarded row by row. The guards of INSERT are not ALWAYS: a logical replica receives versions that
-- are published already.
CREATE TRIGGER guard_terms BEFORE UPDATE OR DELETE ON billing.plan_versions FOR EACH ROW EXECUTE FUNCTION billing.guard_plan_version();
ALTER TABLE billing.plan_versions ENABLE ALWAYS TRIGGER guard_terms;
CREATE TRIGGER guard_new_terms BEFORE INSERT ON billing.plan_versions FOR EACH ROW EXECUTE FUNCTION billing.guard_plan_version();
CREATE TRIGGER guard_terms BEFORE UPDATE OR DELETE ON billing.charges FOR EACH ROW EXECUTE FUNCTION billing.guard_charge();
ALTER TABLE billing.charges ENABLE ALWAYS TRIGGER guard_terms;
CREATE TRIGGER guard_new_terms BEFORE INSERT ON billing.charges FOR EACH ROW EXECUTE FUNCTION billing.guard_charge();
SELECT billing.make_truncate_guard('plan_versions');
SELECT billing.make_truncate_guard('charges');

SELECT billing.refuse_cards_in('meters', 'meter_id', 'name', 'unit', 'dimensions');
SELECT billing.refuse_cards_in('products', 'product_id', 'name');
SELECT billing.refuse_cards_in('plans', 'plan_id', 'name');
SELECT billing.refuse_cards_in('charges', 'charge_id', 'name', 'filter');
SELECT billing.make_audited(t) FROM unnest('{meters,products,plans,plan_versions,charges}'::text[]) AS t;

CREATE VIEW billing.price_list WITH (security_invoker = true) AS
SELECT v.plan_id, p.name AS plan_name, p.product_id, p.is_private, v.version, v.status, v.currency, v.period_months, encode(v.plan_hash, 'hex') AS plan_hash,
       c.position, c.charge_id, c.name AS charge_name, c.meter_id, m.unit, m.aggregation, c.filter, c.price, c.in_advance, c.prorate
  FROM billing.plan_versions v
  JOIN billing.plans p ON p.plan_id = v.plan_id
  LEFT JOIN billing.charges c ON c.plan_id = v.plan_id AND c.version = v.version
  LEFT JOIN billing.meters m ON m.meter_id = c.meter_id;
COMMENT ON VIEW   billing.price_list IS 'Everything that is, was or may be sold: a row per charge of every plan version, and one row for a draft without charges. To a tenant: what is or was sold to all, and the private plans it has a subscription to.';
COMMENT ON COLUMN billing.price_list.plan_id IS 'The plan.';
COMMENT ON COLUMN billing.price_list.plan_name IS 'Its name for people.';
COMMENT ON COLUMN billing.price_list.product_id IS 'The product it is a plan of, if any.';
COMMENT ON COLUMN billing.price_list.is_private IS 'Whether only tenants with a subscription to the plan see it.';
COMMENT ON COLUMN billing.price_list.version IS 'Counts from 1 within the plan.';
COMMENT ON COLUMN billing.price_list.status IS 'draft, published or retired.';
COMMENT ON COLUMN billing.price_list.currency IS 'Currency of the prices.';
COMMENT ON COLUMN billing.price_list.period_months IS 'Months of a billing period.';
COMMENT ON COLUMN billing.price_list.plan_hash IS 'SHA-256 of billing.plan_document(), in hexadecimal; NULL for a draft.';
COMMENT ON COLUMN billing.price_list.position IS 'Order on the invoice.';
COMMENT ON COLUMN billing.price_list.charge_id IS 'Key of the charge within the plan.';
COMMENT ON COLUMN billing.price_list.charge_name IS 'Its name for people.';
COMMENT ON COLUMN billing.price_list.meter_id IS 'The meter charged for; NULL is a fixed fee.';
COMMENT ON COLUMN billing.price_list.unit IS 'Unit of the meter.';
COMMENT ON COLUMN billing.price_list.aggregation IS 'How the meter''s events become a quantity.';
COMMENT ON COLUMN billing.price_list.filter IS 'Usage is charged when its dimensions contain this object.';
COMMENT ON COLUMN billing.price_list.price IS 'The price document.';
COMMENT ON COLUMN billing.price_list.in_advance IS 'Whether a fixed fee is due at the start of its period.';
COMMENT ON COLUMN billing.price_list.prorate IS 'Whether a fixed fee is charged by days.';
