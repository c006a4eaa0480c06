-- Personal data of who pays: encrypted, each subject and purpose under a key of its own, so that it can be destroyed.

CREATE TABLE billing.data_keys (
    tenant_id     text        COLLATE "C" NOT NULL,
    account_id    text        COLLATE "C" NOT NULL,
    purpose       text        COLLATE "C" NOT NULL CHECK (purpose IN ('contact', 'invoice')),
    key_id        text        COLLATE "C",
    wrapped_key   bytea       CHECK (length(wrapped_key) = 72),
    created_at    timestamptz NOT NULL DEFAULT now(),
    rewrapped_at  timestamptz,
    restricted_on date,
    keep_years    integer     CHECK (keep_years BETWEEN 0 AND 100),
    purge_after   date,
    destroyed_at  timestamptz,
    PRIMARY KEY (tenant_id, account_id, purpose),
    FOREIGN KEY (tenant_id, account_id) REFERENCES billing.accounts ON DELETE RESTRICT,
    CHECK ((key_id IS NULL) = (wrapped_key IS NULL)),
    CHECK ((destroyed_at IS NULL) = (wrapped_key IS NOT NULL)),
    CHECK ((restricted_on IS NULL) = (purge_after IS NULL) AND (restricted_on IS NULL) = (keep_years IS NULL))
);
CREATE INDEX data_keys_purge ON billing.data_keys (purge_after) WHERE purge_after IS NOT NULL AND destroyed_at IS NULL;
COMMENT ON TABLE  billing.data_keys IS 'The key that a subject''s personal data is encrypted with, one for each purpose, itself encrypted with a key of the file billing.field_key_file. live -> restricted -> destroyed, or live -> destroyed.';
COMMENT ON COLUMN billing.data_keys.tenant_id IS 'Whose.';
COMMENT ON COLUMN billing.data_keys.account_id IS 'The subject: an account of the tenant.';
COMMENT ON COLUMN billing.data_keys.purpose IS 'contact: what may be forgotten on request (e-mail, phone). invoice: what stands on invoices, which a seller must keep (address, tax numbers).';
COMMENT ON COLUMN billing.data_keys.key_id IS 'Key of the file that it is wrapped with; NULL when destroyed.';
COMMENT ON COLUMN billing.data_keys.wrapped_key IS 'Nonce (24 bytes), the key encrypted by XAES-256-GCM (32), tag (16); NULL when destroyed.';
COMMENT ON COLUMN billing.data_keys.created_at IS 'When it was made.';
COMMENT ON COLUMN billing.data_keys.rewrapped_at IS 'When billing.rewrap_data_keys() last wrapped it with another key.';
COMMENT ON COLUMN billing.data_keys.restricted_on IS 'Day of the erasure after which it is kept only because the law makes us; NULL before.';
COMMENT ON COLUMN billing.data_keys.keep_years IS 'Years it is kept after the last invoice; NULL unless restricted.';
COMMENT ON COLUMN billing.data_keys.purge_after IS 'billing.purge_subjects() destroys it after this day; NULL unless restricted.';
COMMENT ON COLUMN billing.data_keys.destroyed_at IS 'When it was destroyed; nothing encrypted with it can be read again.';

CREATE TABLE billing.personal_fields (
    tenant_id  text        COLLATE "C" NOT NULL,
    account_id text        COLLATE "C" NOT NULL,
    field      text        COLLATE "C" NOT NULL CHECK (field IN ('address', 'email', 'phone', 'tax_numbers')),
    purpose    text        COLLATE "C" NOT NULL CHECK (purpose = CASE WHEN field IN ('email', 'phone') THEN 'contact' ELSE 'invoice' END),
    ciphertext bytea       NOT NULL CHECK (length(ciphertext) BETWEEN 41 AND 10000),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, account_id, field),
    FOREIGN KEY (tenant_id, account_id, purpose) REFERENCES billing.data_keys ON DELETE RESTRICT
);
COMMENT ON TABLE  billing.personal_fields IS 'Personal data, encrypted. A ciphertext that was moved to another tenant, account or field is refused.';
COMMENT ON COLUMN billing.personal_fields.tenant_id IS 'Whose.';
COMMENT ON COLUMN billing.personal_fields.account_id IS 'The account it tells of.';
COMMENT ON COLUMN billing.personal_fields.field IS 'address, email, phone or tax_numbers.';
COMMENT ON COLUMN billing.personal_fields.purpose IS 'Which of the subject''s keys it is encrypted with: billing.data_keys.purpose.';
COMMENT ON COLUMN billing.personal_fields.ciphertext IS 'Nonce (24 bytes), the value''s canonical JSON encrypted by XAES-256-GCM, tag (16 bytes).';
COMMENT ON COLUMN billing.personal_fields.updated_at IS 'When it was written last.';

CREATE TABLE billing.erasures (
    tenant_id         text        COLLATE "C" NOT NULL,
    erasure_id        uuid        NOT NULL,
    account_id        text        COLLATE "C" NOT NULL,
    cause             text        COLLATE "C" NOT NULL CHECK (cause IN ('request', 'purge')),
    reason_hash       bytea       CHECK (length(reason_hash) = 32),
    fields_destroyed  text[]      NOT NULL,
    fields_restricted text[]      NOT NULL,
    purge_after       date,
    erased_on         date        NOT NULL,
    erased_at         timestamptz NOT NULL DEFAULT now(),
    log_xid           xid8        NOT NULL DEFAULT billing.log_xid(),
    PRIMARY KEY (tenant_id, erasure_id),
    FOREIGN KEY (tenant_id, account_id) REFERENCES billing.accounts ON DELETE RESTRICT,
    CHECK ((cause = 'request') = (reason_hash IS NOT NULL))
);
CREATE INDEX erasures_log ON billing.erasures (log_xid, tenant_id, erasure_id);
CREATE INDEX erasures_account ON billing.erasures (tenant_id, account_id);
COMMENT ON TABLE  billing.erasures IS 'What was erased, for whom and when; leaves of the evidence log. Nothing personal is in it.';
COMMENT ON COLUMN billing.erasures.tenant_id IS 'Whose.';
COMMENT ON COLUMN billing.erasures.erasure_id IS 'Its key, partly random.';
COMMENT ON COLUMN billing.erasures.account_id IS 'The subject.';
COMMENT ON COLUMN billing.erasures.cause IS 'request: billing.erase_subject(). purge: billing.purge_subjects(), when the time to keep the rest was over.';
COMMENT ON COLUMN billing.erasures.reason_hash IS 'SHA-256 over the 16 bytes of erasure_id and the reason, which may name people and is not kept; NULL for a purge.';
COMMENT ON COLUMN billing.erasures.fields_destroyed IS 'Fields that there were, and that nobody can read any more.';
COMMENT ON COLUMN billing.erasures.fields_restricted IS 'Fields that are kept because the law says so.';
COMMENT ON COLUMN billing.erasures.purge_after IS 'Day after which those are destroyed, unless later invoices put it off; NULL when none is kept.';
COMMENT ON COLUMN billing.erasures.erased_on IS 'The day, as the caller gave it.';
COMMENT ON COLUMN billing.erasures.erased_at IS 'When it was recorded.';
COMMENT ON COLUMN billing.erasures.log_xid IS 'Transaction that wrote it, offset added.';
SELECT billing.make_append_only('erasures');
SELECT billing.make_audited(t) FROM unnest('{data_keys,personal_fields}'::text[]) AS t;
