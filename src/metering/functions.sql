-- Usage: recorded by applications, loaded in bulk, accrued from allocations.

CREATE FUNCTION billing.are_dimensions(dimensions jsonb, keys text[]) RETURNS boolean
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'billing_are_dimensions';
COMMENT ON FUNCTION billing.are_dimensions(jsonb, text[]) IS 'Internal: whether dimensions is a JSON object whose keys are all among keys and whose values are all strings.';

CREATE FUNCTION billing.has_usage_partition(occurred_at timestamptz) RETURNS boolean
LANGUAGE C STABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'billing_has_usage_partition';
COMMENT ON FUNCTION billing.has_usage_partition(timestamptz) IS 'Internal: whether usage_records has the partition of the month of occurred_at.';

CREATE FUNCTION billing.is_usage(tenant_id text, meter_id text, event_id text, account_id text, quantity numeric, dimensions jsonb, attribution jsonb,
                                 correlation_id text, corrects_event_id text) RETURNS boolean
LANGUAGE C IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'billing_is_usage';
COMMENT ON FUNCTION billing.is_usage(text, text, text, text, numeric, jsonb, jsonb, text, text) IS 'Internal: whether a usage row is one whatever its meter, CHECK of usage_records: event_id of 1 to 255 characters; quantity finite, between -10^20 and 10^20 without these, at most 18 decimals; dimensions, and attribution unless NULL, JSON objects. Errors: MB422 a card number in any of the others.';

CREATE FUNCTION billing.usage_card(tenant_id text, meter_id text, event_id text, account_id text, quantity numeric, dimensions jsonb, attribution jsonb,
                                   correlation_id text, corrects_event_id text) RETURNS text
LANGUAGE C IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'billing_usage_card';
COMMENT ON FUNCTION billing.usage_card(text, text, text, text, numeric, jsonb, jsonb, text, text) IS 'Internal: what of an event holds a card number, as a message; NULL when nothing.';

CREATE FUNCTION billing.usage_problem(event_id text, quantity numeric, dimensions jsonb, attribution jsonb, corrects_event_id text,
                                      aggregation text, keys text[]) RETURNS text
LANGUAGE C IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'billing_usage_problem';
COMMENT ON FUNCTION billing.usage_problem(text, numeric, jsonb, jsonb, text, text, text[]) IS 'Internal: what is wrong with an event for a meter of the given aggregation and dimension keys, in two words at most; NULL when nothing, or when the meter is NULL.';

CREATE FUNCTION billing.record_usage(tenant text, meter text, event_id text, quantity numeric DEFAULT 1, occurred_at timestamptz DEFAULT NULL,
                                     dimensions jsonb DEFAULT '{}', account text DEFAULT 'main', attribution jsonb DEFAULT NULL,
                                     correlation_id text DEFAULT NULL, corrects text DEFAULT NULL) RETURNS boolean
LANGUAGE C VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'billing_record_usage';
COMMENT ON FUNCTION billing.record_usage(text, text, text, numeric, timestamptz, jsonb, text, jsonb, text, text) IS 'Records one usage event in the caller''s transaction. True when it is new, false when it was there already with the same content. event_id: the application''s own id, 1 to 255 characters; the same id of the same tenant and meter on the same UTC day is the same event, so a retry on a later day must say occurred_at. quantity: in the meter''s unit, exact, below 10^20 with at most 18 decimals; a meter that counts ignores it. occurred_at: NULL is now(). dimensions: strings by the meter''s keys. attribution: a JSON object, for reports. corrects: the event of the same tenant, meter and UTC day that this one corrects, without which quantity may not be negative. Errors: MB400 event_id, attribution, occurred_at or a null key; MB409 the same event with other account, quantity, dimensions, corrects or (when given) occurred_at; MB415 quantity; MB418 no subscription on the day; MB419 dimensions; MB422 a card number in any text; MB424 month without partition; MB425; MB426; MB440 tenant or account; MB441 meter; MB449 event to correct.';

CREATE FUNCTION billing.record_usage(events jsonb) RETURNS integer
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off
AS 'MODULE_PATHNAME', 'billing_record_usage_json';
COMMENT ON FUNCTION billing.record_usage(jsonb) IS 'Records up to 100,000 events, all or none, and returns how many are new; the others were there already with the same content. events: an array of objects with tenant, meter, event_id and, where wanted, quantity (string or number, both exact; 1 when left out), occurred_at, dimensions, account, attribution, correlation_id and corrects, as for a single event. Errors: as for a single event, naming the first offending element by its index from 0; MB400 for a field that is missing, unknown or of another type.';

-- Not named record_usage: drivers send arguments without a type, and then nobody could tell an array from a single value.
CREATE FUNCTION billing.record_usage_arrays(tenants text[], meters text[], event_ids text[], quantities numeric[], occurred_ats timestamptz[],
                                            dimensions jsonb[] DEFAULT NULL, accounts text[] DEFAULT NULL) RETURNS integer
LANGUAGE C VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off
AS 'MODULE_PATHNAME', 'billing_record_usage_arrays';
COMMENT ON FUNCTION billing.record_usage_arrays(text[], text[], text[], numeric[], timestamptz[], jsonb[], text[]) IS 'Records up to 100,000 events given by column, all or none, and returns how many are new. Arrays of one length; dimensions and accounts may be NULL as a whole or by element, occurred_ats by element (now()). Errors: as billing.record_usage(jsonb).';

CREATE FUNCTION billing.import_usage(source regclass, OUT imported bigint, OUT already_there bigint)
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE SECURITY INVOKER SET search_path = pg_catalog, pg_temp SET jit = off
AS 'MODULE_PATHNAME', 'billing_import_usage';
COMMENT ON FUNCTION billing.import_usage(regclass) IS 'Records every row of a table, view or foreign table, all or none: how many were new, and how many were there already with the same content; importing again changes nothing. source: columns tenant_id, meter_id, event_id (text), occurred_at (timestamptz) and, where wanted, quantity (numeric or integer; 1 when left out), dimensions, attribution (jsonb), account_id, correlation_id, corrects_event_id (text); other columns are ignored. It is read with the caller''s own rights. Errors: as billing.record_usage(), naming the event; MB400 for a column that is missing or of another type; 42501 when the caller may not read the source.';

CREATE FUNCTION billing.usage_events(quantity numeric, corrects_event_id text) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
SELECT CASE WHEN corrects_event_id IS NULL THEN 1 ELSE pg_catalog.sign(quantity) END
$$;
COMMENT ON FUNCTION billing.usage_events(numeric, text) IS 'Internal: what a row adds to a meter that counts events: an event 1, a correction -1, 0 or 1 by the sign of its quantity.';

CREATE FUNCTION billing.checkpoint_hash(tenant_id text, sequence bigint, window_no bigint, rows_processed bigint, first_day date, last_day date,
                                        digest bytea, counts_digest bytea, salt uuid, prev_hash bytea, created_at timestamptz) RETURNS bytea
LANGUAGE sql STABLE PARALLEL SAFE AS $$
SELECT billing.fingerprint('count_sync', tenant_id, sequence::pg_catalog.text, window_no::pg_catalog.text, rows_processed::pg_catalog.text,
                           (first_day OPERATOR(pg_catalog.-) '1970-01-01'::pg_catalog.date)::pg_catalog.text,
                           (last_day OPERATOR(pg_catalog.-) '1970-01-01'::pg_catalog.date)::pg_catalog.text,
                           pg_catalog.encode(digest, 'hex'), pg_catalog.encode(counts_digest, 'hex'), salt::pg_catalog.text,
                           pg_catalog.encode(prev_hash, 'hex'),
                           EXTRACT(epoch FROM created_at)::pg_catalog.text)
$$;
COMMENT ON FUNCTION billing.checkpoint_hash(text, bigint, bigint, bigint, date, date, bytea, bytea, uuid, bytea, timestamptz) IS 'Internal: self_hash of a row of count_sync_checkpoint_events, of every column but log_xid: billing.fingerprint() of count_sync, tenant, sequence, window, rows, both days as days since 1970-01-01, digest and counts_digest in hex, salt, prev_hash in hex, created_at as seconds since 1970-01-01 UTC with 6 decimals.';

CREATE FUNCTION billing.sync_counts(OUT window_no bigint, OUT rows_counted bigint, OUT rows_set_aside bigint)
LANGUAGE C VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET work_mem = '64MB' SET jit = off
AS 'MODULE_PATHNAME', 'billing_sync_counts';
COMMENT ON FUNCTION billing.sync_counts() IS 'Takes one count window: adds the usage rows committed since the last one to daily_counts, each row exactly once whatever order transactions commit in, and appends to each tenant''s chain of checkpoints. Rows that do not resolve (loaded by COPY, or accrued without subscription) go to usage_set_aside and are tried again by each sync. With nothing new it writes nothing and returns the last window with zeros. Must be the first in its transaction, which commits synchronously; one runs at a time, others wait. Errors: MB427 not READ COMMITTED, already writing, or in recovery; MB425; MB426.';

-- Estimates of rows just written are too low, and a nested loop over a million rows that were thought to be one never ends. That makes
-- the planner's costs meaningless where a loop is wanted all the same, so they must not start the JIT compiler either.
CREATE FUNCTION billing.replay_count_sync(tenant text DEFAULT NULL) RETURNS TABLE (tenant_id text, window_no bigint, problem text)
LANGUAGE C VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET enable_nestloop = off SET enable_mergejoin = off SET jit = off SET work_mem = '64MB'
AS 'MODULE_PATHNAME', 'billing_replay_count_sync';
COMMENT ON FUNCTION billing.replay_count_sync(text) IS 'Recomputes windows, digests, chains and daily counts of a tenant, or of all, from the usage rows, and lists every difference: no row is good. Which window a row belongs to follows from its transaction id and the stored snapshots alone. tenant: NULL is all, and then totals of windows are compared too; problems of a window as a whole have a NULL tenant_id. It reads every usage row. Errors: MB425.';
