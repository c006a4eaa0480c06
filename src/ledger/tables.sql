-- What is owed and paid: one row is one transfer, from a credited to a debited ledger account, so every row balances.

CREATE TABLE billing.ledger_accounts (
    ledger_account text COLLATE "C" NOT NULL PRIMARY KEY,
    normal_side    text NOT NULL CHECK (normal_side IN ('debit', 'credit')),
    meaning        text NOT NULL
);
COMMENT ON TABLE  billing.ledger_accounts IS 'The chart of accounts. Each exists once per tenant account and currency.';
COMMENT ON COLUMN billing.ledger_accounts.ledger_account IS 'Its key.';
COMMENT ON COLUMN billing.ledger_accounts.normal_side IS 'The side on which its balance is positive: debit for assets and expenses, credit for liabilities and revenue.';
COMMENT ON COLUMN billing.ledger_accounts.meaning IS 'What its balance says.';
INSERT INTO billing.ledger_accounts VALUES
    ('unbilled_receivable', 'debit',  'Earned or charged, not yet on a finalized invoice'),
    ('receivable',          'debit',  'On finalized invoices, not yet paid'),
    ('cash',                'debit',  'Received'),
    ('customer_credit',     'credit', 'Owed to the customer: prepaid or granted'),
    ('deferred_revenue',    'credit', 'Charged in advance, not yet earned'),
    ('revenue',             'credit', 'Earned'),
    ('discounts',           'debit',  'Given away from revenue'),
    ('tax_payable',         'credit', 'Tax charged, owed to the authority'),
    ('refunds',             'debit',  'Paid back'),
    ('disputes',            'debit',  'Held by the payment provider while a charge is disputed'),
    ('bad_debt',            'debit',  'Given up'),
    ('fx',                  'debit',  'Differences of exchange rates'),
    ('reseller_payable',    'credit', 'Owed to resellers');

CREATE TABLE billing.entry_types (
    entry_type     text COLLATE "C" NOT NULL PRIMARY KEY,
    debit_account  text COLLATE "C" NOT NULL REFERENCES billing.ledger_accounts,
    credit_account text COLLATE "C" NOT NULL REFERENCES billing.ledger_accounts,
    by_hand        boolean NOT NULL,
    meaning        text NOT NULL,
    CHECK (debit_account <> credit_account)
);
COMMENT ON TABLE  billing.entry_types IS 'Kinds of ledger entry, and the pair of accounts each moves money between.';
COMMENT ON COLUMN billing.entry_types.entry_type IS 'Its key.';
COMMENT ON COLUMN billing.entry_types.debit_account IS 'The account it debits.';
COMMENT ON COLUMN billing.entry_types.credit_account IS 'The account it credits.';
COMMENT ON COLUMN billing.entry_types.by_hand IS 'Whether billing.post_entry() takes it; the others are posted by rating and invoicing only.';
COMMENT ON COLUMN billing.entry_types.meaning IS 'When it is used.';
INSERT INTO billing.entry_types VALUES
    ('usage',             'unbilled_receivable', 'revenue',             false, 'Rated usage'),
    ('usage_correction',  'revenue',             'unbilled_receivable', false, 'Rated usage turned out lower than posted'),
    ('fee',               'unbilled_receivable', 'revenue',             false, 'Fixed fee in arrears'),
    ('fee_correction',    'revenue',             'unbilled_receivable', false, 'Fixed fee in arrears turned out lower'),
    ('advance',           'unbilled_receivable', 'deferred_revenue',    false, 'Fixed fee in advance'),
    ('advance_correction', 'deferred_revenue',   'unbilled_receivable', false, 'Fixed fee in advance turned out lower'),
    ('invoice',           'receivable',          'unbilled_receivable', false, 'Invoice finalized'),
    ('invoice_credit',    'unbilled_receivable', 'receivable',          false, 'Invoice with a negative total finalized'),
    ('invoice_void',      'unbilled_receivable', 'receivable',          false, 'Invoice voided'),
    ('invoice_credit_void', 'receivable',        'unbilled_receivable', false, 'Invoice with a negative total voided'),
    ('payment',           'cash',                'receivable',          true,  'Payment received'),
    ('admin_credit',      'discounts',           'customer_credit',     true,  'Credit granted'),
    ('credit_applied',    'customer_credit',     'receivable',          true,  'Customer credit used to pay'),
    ('adjustment',        'receivable',          'revenue',             true,  'Charge added by hand'),
    ('refund',            'refunds',             'cash',                true,  'Money paid back'),
    ('write_off',         'bad_debt',            'receivable',          true,  'Receivable given up'),
    ('chargeback_debit',  'disputes',            'cash',                true,  'Provider took a disputed payment back'),
    ('chargeback_reversal', 'cash',              'disputes',            true,  'Dispute won');

CREATE TABLE billing.ledger_entries (
    posted_on         date        NOT NULL,
    tenant_id         text        COLLATE "C" NOT NULL,
    entry_id          uuid        NOT NULL,
    account_id        text        COLLATE "C" NOT NULL,
    entry_type        text        COLLATE "C" NOT NULL,
    debit_account     text        COLLATE "C" NOT NULL,
    credit_account    text        COLLATE "C" NOT NULL,
    amount_minor      bigint      NOT NULL CHECK (amount_minor > 0),
    currency          text        COLLATE "C" NOT NULL,
    source            text        COLLATE "C" NOT NULL CHECK (source IN ('rated_line', 'invoice', 'hand', 'reversal')),
    source_id         uuid        NOT NULL,
    memo              text,
    posted_at         timestamptz NOT NULL DEFAULT now(),
    log_xid           xid8        NOT NULL DEFAULT billing.log_xid(),
    PRIMARY KEY (posted_on, tenant_id, entry_id),
    CHECK (debit_account <> credit_account)
) PARTITION BY RANGE (posted_on);
-- A balance is read from its snapshot and what came after it: log_xid finds that.
CREATE INDEX ledger_entries_tenant ON billing.ledger_entries (tenant_id, account_id, currency, log_xid);
-- In the order of insertion, so at its right edge: the log is sealed in it, and one block of a large transaction found by it.
CREATE INDEX ledger_entries_log ON billing.ledger_entries (log_xid, posted_on, tenant_id, entry_id);
CREATE INDEX ledger_entries_reversal ON billing.ledger_entries (tenant_id, source_id) WHERE source = 'reversal';
COMMENT ON TABLE  billing.ledger_entries IS 'The ledger, append-only: each row moves one positive amount from the credited to the debited account of one tenant account. A correction is another row. Written by post_* functions, rating and invoicing only.';
COMMENT ON COLUMN billing.ledger_entries.posted_on IS 'Accounting date, a UTC day.';
COMMENT ON COLUMN billing.ledger_entries.tenant_id IS 'Whose entry.';
COMMENT ON COLUMN billing.ledger_entries.entry_id IS 'Derived from its source, so that a replay gives the same id; UUIDv7 when posted by hand.';
COMMENT ON COLUMN billing.ledger_entries.account_id IS 'The account that pays.';
COMMENT ON COLUMN billing.ledger_entries.entry_type IS 'Its kind, of billing.entry_types.';
COMMENT ON COLUMN billing.ledger_entries.debit_account IS 'Ledger account debited.';
COMMENT ON COLUMN billing.ledger_entries.credit_account IS 'Ledger account credited.';
COMMENT ON COLUMN billing.ledger_entries.amount_minor IS 'Amount in minor units, always positive.';
COMMENT ON COLUMN billing.ledger_entries.currency IS 'Its currency.';
COMMENT ON COLUMN billing.ledger_entries.source IS 'What gave rise to it: a rated line, an invoice, a person, or the reversal of another entry.';
COMMENT ON COLUMN billing.ledger_entries.source_id IS 'Id of the rated line, the invoice, or the entry reversed; its own entry_id when posted by hand.';
COMMENT ON COLUMN billing.ledger_entries.memo IS 'Why, for people.';
COMMENT ON COLUMN billing.ledger_entries.posted_at IS 'Start of the transaction that posted it.';
COMMENT ON COLUMN billing.ledger_entries.log_xid IS 'Transaction that wrote it, offset added.';

INSERT INTO billing.partitioned_tables VALUES ('ledger_entries', NULL);
SELECT billing.make_append_only('ledger_entries');
SELECT billing.refuse_cards_in('ledger_entries', 'memo');
SELECT billing.make_audited(t) FROM unnest('{ledger_accounts,entry_types}'::text[]) AS t;

CREATE TABLE billing.balance_windows (
    window_no   bigint      NOT NULL PRIMARY KEY CHECK (window_no > 0),
    incarnation integer     NOT NULL REFERENCES billing.incarnations,
    snapshot    pg_snapshot NOT NULL,
    is_complete boolean     NOT NULL,
    accounts    bigint      NOT NULL CHECK (accounts > 0),
    closed_at   timestamptz NOT NULL
);
COMMENT ON TABLE  billing.balance_windows IS 'When balances were closed, append-only: what balance_snapshots has for a window is over the entries visible in its snapshot, and over no others.';
COMMENT ON COLUMN billing.balance_windows.window_no IS 'Counts from 1, without gaps.';
COMMENT ON COLUMN billing.balance_windows.incarnation IS 'The cluster it was taken in.';
COMMENT ON COLUMN billing.balance_windows.snapshot IS 'The entries it is over, in log_xid terms (the incarnation''s offset added).';
COMMENT ON COLUMN billing.balance_windows.is_complete IS 'Whether every account with new entries was closed, or only those with many.';
COMMENT ON COLUMN billing.balance_windows.accounts IS 'Accounts closed, counted per currency.';
COMMENT ON COLUMN billing.balance_windows.closed_at IS 'When it was taken.';

CREATE TABLE billing.balance_snapshots (
    tenant_id      text    COLLATE "C" NOT NULL,
    account_id     text    COLLATE "C" NOT NULL,
    currency       text    COLLATE "C" NOT NULL,
    window_no      bigint  NOT NULL,
    ledger_account text    COLLATE "C" NOT NULL,
    total          numeric NOT NULL,
    PRIMARY KEY (tenant_id, account_id, currency, window_no, ledger_account)
);
COMMENT ON TABLE  billing.balance_snapshots IS 'Balances of all ledger accounts of an account and currency as of a window of balance_windows, append-only. Derived from ledger_entries: billing.balance() adds what came after the last one, and billing.check_integrity() sums again.';
COMMENT ON COLUMN billing.balance_snapshots.tenant_id IS 'Whose.';
COMMENT ON COLUMN billing.balance_snapshots.account_id IS 'The account that pays.';
COMMENT ON COLUMN billing.balance_snapshots.currency IS 'Currency of the total.';
COMMENT ON COLUMN billing.balance_snapshots.window_no IS 'The window; one without rows of the account did not close it.';
COMMENT ON COLUMN billing.balance_snapshots.ledger_account IS 'Of billing.ledger_accounts; one that is missing has no entries yet.';
COMMENT ON COLUMN billing.balance_snapshots.total IS 'Debits less credits, minor units; numeric, so that a sum beyond bigint keeps no other account from being closed.';
SELECT billing.make_append_only(t) FROM unnest('{balance_windows,balance_snapshots}'::text[]) AS t;
INSERT INTO billing.stage_locks VALUES ('close_balances');

CREATE VIEW billing.balances WITH (security_invoker = true) AS
SELECT tenant_id, account_id, currency, ledger_account,
       sum(debit_minor)::bigint AS debit_minor,
       sum(credit_minor)::bigint AS credit_minor,
       sum(debit_minor - credit_minor)::bigint AS balance_minor
  FROM (SELECT tenant_id, account_id, currency, debit_account AS ledger_account, amount_minor AS debit_minor, 0::bigint AS credit_minor
          FROM billing.ledger_entries
        UNION ALL
        SELECT tenant_id, account_id, currency, credit_account, 0, amount_minor
          FROM billing.ledger_entries) AS sides
 GROUP BY tenant_id, account_id, currency, ledger_account;
COMMENT ON VIEW   billing.balances IS 'Balance of every ledger account of every tenant account, per currency; currencies are never added up.';
COMMENT ON COLUMN billing.balances.tenant_id IS 'Whose.';
COMMENT ON COLUMN billing.balances.account_id IS 'The account that pays.';
COMMENT ON COLUMN billing.balances.currency IS 'Currency of the amounts.';
COMMENT ON COLUMN billing.balances.ledger_account IS 'Of billing.ledger_accounts.';
COMMENT ON COLUMN billing.balances.debit_minor IS 'Sum of debits, minor units.';
COMMENT ON COLUMN billing.balances.credit_minor IS 'Sum of credits, minor units.';
COMMENT ON COLUMN billing.balances.balance_minor IS 'Debits less credits, minor units: negative on credit-normal accounts.';

CREATE VIEW billing.trial_balance WITH (security_invoker = true) AS
SELECT b.currency, b.ledger_account,
       sum(b.debit_minor)::bigint AS debit_minor,
       sum(b.credit_minor)::bigint AS credit_minor,
       sum(CASE a.normal_side WHEN 'debit' THEN b.balance_minor ELSE -b.balance_minor END)::bigint AS balance_minor
  FROM billing.balances b
  JOIN billing.ledger_accounts a USING (ledger_account)
 GROUP BY b.currency, b.ledger_account
 ORDER BY b.currency, b.ledger_account;
COMMENT ON VIEW   billing.trial_balance IS 'The whole ledger per currency and ledger account: in each currency debits equal credits.';
COMMENT ON COLUMN billing.trial_balance.currency IS 'Currency of the amounts.';
COMMENT ON COLUMN billing.trial_balance.ledger_account IS 'Of billing.ledger_accounts.';
COMMENT ON COLUMN billing.trial_balance.debit_minor IS 'Sum of debits, minor units.';
COMMENT ON COLUMN billing.trial_balance.credit_minor IS 'Sum of credits, minor units.';
COMMENT ON COLUMN billing.trial_balance.balance_minor IS 'Balance on the account''s normal side, minor units.';
