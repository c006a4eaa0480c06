-- Who sells and who pays.

CREATE TABLE billing.legal_entities (
    legal_entity_id text        COLLATE "C" NOT NULL PRIMARY KEY CHECK (length(legal_entity_id) BETWEEN 1 AND 200),
    name            text        NOT NULL,
    country         text        COLLATE "C" CHECK (country ~ '^[A-Z]{2}$'),
    invoice_series  text        COLLATE "C" NOT NULL DEFAULT 'INV' CHECK (invoice_series ~ '^[A-Z0-9]{1,12}$'),
    time_zone       text        NOT NULL DEFAULT 'UTC',
    payment_days    integer     NOT NULL DEFAULT 30 CHECK (payment_days BETWEEN 0 AND 365),
    created_at      timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE  billing.legal_entities IS 'Sellers: the companies that issue invoices. billing.install() makes the one named default.';
COMMENT ON COLUMN billing.legal_entities.legal_entity_id IS 'The key applications use.';
COMMENT ON COLUMN billing.legal_entities.name IS 'Registered name, printed on invoices.';
COMMENT ON COLUMN billing.legal_entities.country IS 'ISO 3166-1 alpha-2 code.';
COMMENT ON COLUMN billing.legal_entities.invoice_series IS 'First part of its invoice numbers: INV gives INV-2026-000001.';
COMMENT ON COLUMN billing.legal_entities.time_zone IS 'Time zone in which dates are printed; periods are UTC days all the same.';
COMMENT ON COLUMN billing.legal_entities.payment_days IS 'Days from the invoice date to the due date.';
COMMENT ON COLUMN billing.legal_entities.created_at IS 'When it was created.';
INSERT INTO billing.legal_entities (legal_entity_id, name) VALUES ('default', 'Default legal entity');

CREATE TABLE billing.accounts (
    tenant_id       text        COLLATE "C" NOT NULL CHECK (length(tenant_id) BETWEEN 1 AND 200),
    account_id      text        COLLATE "C" NOT NULL DEFAULT 'main' CHECK (length(account_id) BETWEEN 1 AND 200),
    name            text        NOT NULL,
    legal_entity_id text        COLLATE "C" NOT NULL DEFAULT 'default' REFERENCES billing.legal_entities ON DELETE RESTRICT,
    created_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, account_id)
);
COMMENT ON TABLE  billing.accounts IS 'Who pays: each tenant has at least one account, main unless named otherwise; each account gets its own invoices.';
COMMENT ON COLUMN billing.accounts.tenant_id IS 'The key the application already uses for its customer. Never changes.';
COMMENT ON COLUMN billing.accounts.account_id IS 'Key within the tenant.';
COMMENT ON COLUMN billing.accounts.name IS 'Name for people, printed on invoices.';
COMMENT ON COLUMN billing.accounts.legal_entity_id IS 'The seller that bills it.';
COMMENT ON COLUMN billing.accounts.created_at IS 'When it was created.';

SELECT billing.refuse_cards_in('legal_entities', 'legal_entity_id', 'name');
SELECT billing.refuse_cards_in('accounts', 'tenant_id', 'account_id', 'name');
SELECT billing.make_audited(t) FROM unnest('{legal_entities,accounts}'::text[]) AS t;
