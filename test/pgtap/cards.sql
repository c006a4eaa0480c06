-- No card number is stored in any column, nor told by any error: of every table and every call, read from the catalogue.
\unset ECHO
\set QUIET 1
BEGIN;
SET LOCAL client_min_messages = warning;
SELECT plan(7);

-- Columns into which a text can be written, and the CHECK that looks into them; a reference has only what is checked there.
CREATE TEMP VIEW texts AS
SELECT c.oid AS relation_oid, c.relname::text AS relation, a.attname::text AS column_name, a.attnum,
       EXISTS (SELECT FROM pg_constraint k WHERE k.conrelid = c.oid AND k.contype = 'c'
                  AND (pg_get_constraintdef(k.oid) LIKE format('%%billing.refuse_card(%L::text, %I)%%', a.attname, a.attname)
                       OR (k.conname = 'usage_records_content' AND a.attnum = ANY (k.conkey)))) AS is_checked,
       EXISTS (SELECT FROM pg_constraint k WHERE k.conrelid = c.oid AND k.contype = 'f' AND a.attnum = ANY (k.conkey)) AS is_reference
  FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
 WHERE c.relnamespace = 'billing'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
   AND a.atttypid IN ('text'::regtype, 'varchar'::regtype, 'bpchar'::regtype, 'json'::regtype, 'jsonb'::regtype, 'xml'::regtype, 'text[]'::regtype, 'jsonb[]'::regtype);

-- Reviewed: what no call takes from its caller as it is.
CREATE TEMP TABLE reviewed (relation text, column_name text, why text);
INSERT INTO reviewed VALUES
    ('schema_migrations', NULL, 'written by install() only'), ('stage_locks', NULL, 'written by install() only'),
    ('partitioned_tables', NULL, 'written by install() only'), ('ledger_accounts', NULL, 'written by install() only'),
    ('entry_types', NULL, 'written by install() only'),
    ('incarnations', 'system_identifier', 'of the cluster'), ('idempotency_keys', 'operation', 'names a function'),
    ('idempotency_keys', 'response', 'ids that were given out'), ('audit_log', NULL, 'from audited tables, roles and a setting that is looked into'),
    ('tenant_roles', 'role', 'enumerated'), ('currencies', 'currency', 'CHECK: a letter and at most 15 capitals, digits and _'), ('meters', 'aggregation', 'enumerated'),
    ('plan_versions', 'status', 'enumerated'), ('charges', 'price', 'CHECK is_price: keys of ours, and decimals'),
    ('legal_entities', 'country', 'CHECK: two letters'), ('legal_entities', 'invoice_series', 'CHECK: 12 characters'),
    ('legal_entities', 'time_zone', 'one that the server knows'),
    ('daily_counts', NULL, 'from usage_records'), ('count_sync_checkpoints', NULL, 'from usage_records'),
    ('count_sync_checkpoint_events', NULL, 'from usage_records'), ('usage_set_aside', NULL, 'from usage_records'),
    ('devices', 'state', 'enumerated'), ('coverage_event_ids', 'tenant_id', 'of the device'), ('device_coverage_ledger', 'tenant_id', 'of the device'),
    ('device_coverage_ledger', 'event_type', 'enumerated'), ('identity_claims', 'status', 'enumerated'), ('identity_claims', 'resolution', 'enumerated'),
    ('identity_claim_heads', 'tenant_id', 'of the device'), ('identity_claim_events', 'tenant_id', 'of the claim'), ('identity_claim_events', 'event_type', 'enumerated'),
    ('identity_claim_events', 'identity_type', 'of the claim'), ('identity_claim_events', 'identity_value', 'of the claim'),
    ('identity_claim_events', 'from_status', 'enumerated'), ('identity_claim_events', 'to_status', 'enumerated'), ('identity_claim_events', 'resolution', 'enumerated'),
    ('coverage_policies', 'tenant_id', 'of the account'), ('coverage_policies', 'account_id', 'of the account'), ('coverage_policies', 'dispute_policy', 'enumerated'),
    ('coverage_daily_state', NULL, 'from enrollments and the ledger'),
    ('rated_lines', NULL, 'from subscriptions and charges'), ('number_series', 'series', 'seller''s series and year'),
    ('invoices', NULL, 'from rated lines'), ('invoice_lines', NULL, 'from rated lines'), ('invoice_runs', NULL, 'from invoices'),
    ('invoice_events', 'tenant_id', 'of the invoice'), ('invoice_events', 'from_status', 'of the invoice'),
    ('invoice_events', 'to_status', 'of the invoice'), ('invoice_events', 'actor', 'a role'),
    ('balance_snapshots', NULL, 'from ledger_entries'),
    ('ledger_entries', 'tenant_id', 'of the account'), ('ledger_entries', 'account_id', 'of the account'),
    ('ledger_entries', 'entry_type', 'of entry_types'), ('ledger_entries', 'debit_account', 'of entry_types'),
    ('ledger_entries', 'credit_account', 'of entry_types'), ('ledger_entries', 'currency', 'of currencies'),
    ('ledger_entries', 'source', 'enumerated'),
    ('data_keys', 'purpose', 'enumerated'), ('data_keys', 'key_id', 'of the server''s key file'), ('personal_fields', 'field', 'enumerated'),
    ('erasures', 'cause', 'enumerated'), ('erasures', 'fields_destroyed', 'names of fields'), ('erasures', 'fields_restricted', 'names of fields'),
    ('retention_actions', NULL, 'from tables and policies, and a role'), ('retention_policies', NULL, 'written by install() only, but for intervals'),
    ('retention_decisions', 'subject', 'a policy or a hold'), ('retention_decisions', 'actor', 'a role'),
    ('retention_decisions', 'value_before', 'an interval, or a tenant that is checked'), ('retention_decisions', 'value_after', 'an interval, or a tenant that is checked'),
    ('legal_holds', 'placed_by', 'a role'), ('legal_holds', 'released_by', 'a role'),
    ('usage_window_counts', NULL, 'from usage_records'), ('usage_window_parts', NULL, 'from usage_records'),
    ('checkpoints', NULL, 'made by seal()'), ('checkpoint_notes', NULL, 'a body of ours and its signature'),
    ('log_segments', NULL, 'made by seal()'), ('log_blocks', NULL, 'made by seal()'),
    ('signing_keys', NULL, 'parsed: a key, and a note about it'), ('evidence_bundles', NULL, 'made from rows'),
    ('evidence_months', NULL, 'made from rows'),
    ('subscriptions', 'renewal', 'enumerated'), ('renewal_events', 'event', 'enumerated'), ('renewal_events', 'reason', 'made from rows'),
    ('jobs', NULL, 'written by install(), by runs, and by calls that look into what they take'), ('job_runs', NULL, 'told by steps and by errors, which tell no number');

SELECT ok((SELECT count(*) FROM texts WHERE is_checked) > 20, 'there are columns that are checked');
SELECT is_empty($$ SELECT t.relation, t.column_name FROM texts t
                    WHERE NOT t.is_checked AND NOT t.is_reference
                      AND NOT EXISTS (SELECT FROM reviewed r WHERE r.relation = t.relation AND coalesce(r.column_name, t.column_name) = t.column_name) $$,
                'every column for texts refuses card numbers, refers to one that does, or was reviewed');
SELECT is_empty($$ SELECT r.* FROM reviewed r
                    WHERE NOT EXISTS (SELECT FROM texts t WHERE t.relation = r.relation AND coalesce(r.column_name, t.column_name) = t.column_name AND NOT t.is_checked) $$,
                'and nothing was reviewed that is not there');
SELECT is_empty($$ SELECT c.oid::regclass, k.conname FROM pg_class c JOIN pg_inherits i ON i.inhrelid = c.oid
                     JOIN pg_constraint k ON k.conrelid = i.inhparent AND k.contype = 'c' AND pg_get_constraintdef(k.oid) ~ 'refuse_card|is_usage'
                    WHERE NOT EXISTS (SELECT FROM pg_constraint m WHERE m.conrelid = c.oid AND m.conname = k.conname) $$,
                'partitions check as their parents do');

-- Every call a role may make, with a card in each of its texts in turn: whatever the answer, no error tells it.
SELECT billing.create_meter('tokens', unit => 'token', dimensions => '{model}') \g /dev/null
SELECT billing.create_account('acme') \g /dev/null
CREATE FUNCTION pg_temp.sample(type oid) RETURNS text LANGUAGE sql AS $$
    SELECT CASE type WHEN 'text'::regtype THEN quote_literal('acme') WHEN 'jsonb'::regtype THEN '''{}''' WHEN 'date'::regtype THEN '''2026-01-01'''
                     WHEN 'timestamptz'::regtype THEN '''2026-01-01Z''' WHEN 'uuid'::regtype THEN '''00000000-0000-0000-0000-000000000000'''
                     WHEN 'boolean'::regtype THEN 'false' WHEN 'interval'::regtype THEN '''1 month''' WHEN 'regclass'::regtype THEN '''pg_class'''
                     ELSE CASE WHEN type IN ('integer'::regtype, 'bigint'::regtype, 'numeric'::regtype, 'smallint'::regtype) THEN '1' ELSE 'NULL' END END
           || '::' || format_type(type, NULL)
$$;
CREATE FUNCTION pg_temp.card(type oid) RETURNS text LANGUAGE sql AS $$
    SELECT CASE type WHEN 'text'::regtype THEN '''4242 4242 4242 4242''' WHEN 'jsonb'::regtype THEN '''{"a":"4242 4242 4242 4242","4242 4242 4242 4242":"4242 4242 4242 4242"}'''
                     WHEN 'text[]'::regtype THEN '''{4242 4242 4242 4242}''' WHEN 'jsonb[]'::regtype THEN 'ARRAY[''{"a":"4242 4242 4242 4242"}''::jsonb]' END || '::' || format_type(type, NULL)
$$;
CREATE TEMP TABLE told (call text, message text);
CREATE TEMP TABLE refused (call text, state text);
DO $$
DECLARE
    try record;
    m text; d text; h text; x text; s text;
BEGIN
    FOR try IN
        WITH parameter AS (
            SELECT p.oid, p.proname, p.pronargs, p.pronargdefaults, k.n, k.type, coalesce(p.proargnames[k.n], '') AS name
              FROM pg_proc p CROSS JOIN LATERAL unnest(p.proargtypes::oid[]) WITH ORDINALITY AS k (type, n)
             WHERE p.pronamespace = 'billing'::regnamespace AND p.prokind = 'f' AND p.prorettype <> 'trigger'::regtype AND p.provariadic = 0
               AND EXISTS (SELECT FROM aclexplode(p.proacl) a WHERE a.grantee <> p.proowner) AND 'internal'::regtype <> ALL (p.proargtypes))
        SELECT format('SELECT billing.%I(%s)', t.proname,
                      (SELECT string_agg(CASE WHEN o.n = t.n THEN pg_temp.card(o.type) ELSE pg_temp.sample(o.type) END, ', ' ORDER BY o.n)
                         FROM parameter o WHERE o.oid = t.oid)) AS call
          FROM parameter t WHERE pg_temp.card(t.type) IS NOT NULL
    LOOP
        BEGIN
            EXECUTE try.call;
        EXCEPTION WHEN OTHERS THEN
            GET STACKED DIAGNOSTICS m = MESSAGE_TEXT, d = PG_EXCEPTION_DETAIL, h = PG_EXCEPTION_HINT, x = PG_EXCEPTION_CONTEXT, s = RETURNED_SQLSTATE;
            INSERT INTO refused VALUES (try.call, s);
            -- The last lines of the context are this block's own statement.
            IF concat_ws(' ', m, d, h, replace(x, try.call, '')) LIKE '%4242%' THEN
                INSERT INTO told VALUES (try.call, concat_ws(' | ', m, d, h));
            END IF;
        END;
    END LOOP;
END
$$;
SELECT ok((SELECT count(*) FROM refused) > 50, 'calls were refused');
SELECT ok((SELECT count(*) FROM refused WHERE state = 'MB422') > 30, 'many of them for the card');
SELECT is_empty('SELECT * FROM told', 'and none tells the number');
SELECT diag(format('%s calls with a card refused, %s of them with MB422', count(*), count(*) FILTER (WHERE state = 'MB422'))) FROM refused;
SELECT * FROM finish();
ROLLBACK;
