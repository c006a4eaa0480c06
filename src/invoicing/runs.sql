-- Going through all tenants: ranges of them, a transaction each.

CREATE FUNCTION billing.tenant_batches(batch_tenants integer, first_tenant text DEFAULT NULL, last_tenant text DEFAULT NULL)
RETURNS TABLE (first_tenant_id text, last_tenant_id text, tenants bigint)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM billing.require_installed();
    IF first_tenant COLLATE "C" > last_tenant COLLATE "C" THEN
        RAISE EXCEPTION USING ERRCODE = 'MB400', MESSAGE = 'the first tenant comes after the last one',
            HINT = 'Tenants are in the order of their bytes, as by COLLATE "C".';
    END IF;
    IF batch_tenants IS NULL OR batch_tenants < 1 THEN
        RAISE EXCEPTION USING ERRCODE = 'MB400', MESSAGE = format('a batch of %s tenants is none', coalesce(batch_tenants::text, 'null'));
    END IF;
    RETURN QUERY
    SELECT min(b.tenant_id), max(b.tenant_id), count(*)
      FROM (SELECT t.tenant_id, (row_number() OVER (ORDER BY t.tenant_id) - 1) / batch_tenants AS batch
              FROM (SELECT DISTINCT s.tenant_id FROM billing.subscriptions s
                     WHERE (first_tenant IS NULL OR s.tenant_id >= first_tenant) AND (last_tenant IS NULL OR s.tenant_id <= last_tenant)) AS t) AS b
     GROUP BY b.batch
     ORDER BY b.batch;
END
$$;
COMMENT ON FUNCTION billing.tenant_batches(integer, text, text) IS 'Internal: the tenants with subscriptions from first_tenant to last_tenant, in byte order, cut into ranges of batch_tenants. Errors: MB400 less than 1 or first_tenant after last_tenant, MB425.';

CREATE FUNCTION billing.run_batch(day date, first_tenant text, last_tenant text, replay_id uuid, finalize boolean) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    done record;
BEGIN
    IF replay_id IS NULL THEN
        RETURN format('%s revisions', billing.rate_batch(day, first_tenant, last_tenant));
    END IF;
    SELECT * INTO done FROM billing.invoice_batch(day, first_tenant, last_tenant, replay_id, finalize);
    RETURN format('%s invoices made, %s lines, %s finalized', done.invoices, done.lines, done.finalized);
END
$$;
COMMENT ON FUNCTION billing.run_batch(date, text, text, uuid, boolean) IS 'Internal: rates a range of tenants, or with a replay_id bills it, and says what came of it.';

CREATE PROCEDURE billing.run_batches(day date, replay_id uuid, finalize boolean, batch_tenants integer, first_tenant text, last_tenant text)
LANGUAGE plpgsql AS $$
DECLARE
    total   bigint;
    done    bigint := 0;
    firsts  pg_catalog.text[];
    lasts   pg_catalog.text[];
    sizes   bigint[];
    failed  pg_catalog.text[] := '{}';
    outcome pg_catalog.text;
BEGIN
    SELECT pg_catalog.array_agg(b.first_tenant_id), pg_catalog.array_agg(b.last_tenant_id), pg_catalog.array_agg(b.tenants), coalesce(pg_catalog.sum(b.tenants), 0)
      INTO firsts, lasts, sizes, total FROM billing.tenant_batches(batch_tenants, first_tenant, last_tenant) AS b;
    WHILE pg_catalog.cardinality(firsts) OPERATOR(pg_catalog.>) 0 LOOP
        BEGIN
            outcome := billing.run_batch(day, firsts[1], lasts[1], replay_id, finalize);
            done := done OPERATOR(pg_catalog.+) sizes[1];
            RAISE NOTICE 'to %: % of % tenants: %', day, done, total, outcome;
        EXCEPTION WHEN SQLSTATE 'MB415' OR SQLSTATE 'MB416' OR numeric_value_out_of_range THEN
            -- One tenant's figures are beyond what an amount can hold. Halve the range until it is alone, and leave it out.
            IF sizes[1] OPERATOR(pg_catalog.=) 1 THEN
                RAISE WARNING 'tenant "%" is left out: %', firsts[1], SQLERRM;
                failed := failed OPERATOR(pg_catalog.||) firsts[1];
                done := done OPERATOR(pg_catalog.+) 1;
            ELSE
                SELECT pg_catalog.array_agg(b.first_tenant_id) OPERATOR(pg_catalog.||) firsts[2:], pg_catalog.array_agg(b.last_tenant_id) OPERATOR(pg_catalog.||) lasts[2:], pg_catalog.array_agg(b.tenants) OPERATOR(pg_catalog.||) sizes[2:]
                  INTO firsts, lasts, sizes
                  FROM billing.tenant_batches(((sizes[1] OPERATOR(pg_catalog.+) 1) OPERATOR(pg_catalog./) 2)::integer, firsts[1], lasts[1]) AS b;
                CONTINUE;
            END IF;
        END;
        COMMIT;
        firsts := firsts[2:];
        lasts := lasts[2:];
        sizes := sizes[2:];
    END LOOP;
    IF pg_catalog.cardinality(failed) OPERATOR(pg_catalog.>) 0 THEN
        RAISE EXCEPTION USING ERRCODE = 'MB416', MESSAGE = pg_catalog.format('%s of %s tenants left out', pg_catalog.cardinality(failed), total),
            DETAIL = pg_catalog.format('Their amounts are out of range: %s.', pg_catalog.array_to_string(failed, ', ')),
            HINT = 'All others are done and committed. Correct their usage, and run again.';
    END IF;
END
$$;
COMMENT ON PROCEDURE billing.run_batches(date, uuid, boolean, integer, text, text) IS 'Internal: billing.run_batch() over the tenants from first_tenant to last_tenant (NULL: all), a transaction for each range. A tenant whose amounts are out of range is found by halving and left out; the others are done, and MB416 at the end names it.';

CREATE PROCEDURE billing.run_rating(day date DEFAULT NULL, batch_tenants integer DEFAULT 10000, first_tenant text DEFAULT NULL, last_tenant text DEFAULT NULL)
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM billing.sync_counts();
    COMMIT;
    CALL billing.run_batches(coalesce(day, (pg_catalog.now() AT TIME ZONE 'UTC')::pg_catalog.date), NULL, false, batch_tenants, first_tenant, last_tenant);
END
$$;
COMMENT ON PROCEDURE billing.run_rating(date, integer, text, text) IS
'Syncs counts and rates every tenant up to day (a UTC day; today unless given), posting the differences; commits after each batch_tenants tenants, and tells the progress. Run again, it goes on where it stopped. Only the tenants from first_tenant to last_tenant are rated when these are given (both included, in byte order): sessions with a part of the tenants each share the work. Not inside a transaction block. Errors: MB400 batch_tenants below 1 or first_tenant after last_tenant, MB416 at the end when tenants whose amounts are out of range were left out, MB424, MB425, MB426, MB427.';

CREATE FUNCTION billing.ensure_billing_partitions(bill_to date) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM billing.require_installed();
    RETURN billing.ensure_partitions(least((SELECT min(s.starts) FROM billing.subscriptions s), bill_to), (bill_to + interval '2 months')::date);
END
$$;
COMMENT ON FUNCTION billing.ensure_billing_partitions(date) IS 'Internal: makes the partitions that billing up to a day may write to, from the first subscription on, and returns their number.';

CREATE PROCEDURE billing.run_invoices(due_by date DEFAULT NULL, finalize boolean DEFAULT false, batch_tenants integer DEFAULT 10000, first_tenant text DEFAULT NULL, last_tenant text DEFAULT NULL)
LANGUAGE plpgsql AS $$
DECLARE
    bill_to pg_catalog.date := coalesce(due_by, (pg_catalog.now() AT TIME ZONE 'UTC')::pg_catalog.date);
BEGIN
    PERFORM billing.sync_counts();
    COMMIT;
    PERFORM billing.ensure_billing_partitions(bill_to);
    COMMIT;
    CALL billing.run_batches(bill_to, billing.uuid_v7(), finalize, batch_tenants, first_tenant, last_tenant);
END
$$;
COMMENT ON PROCEDURE billing.run_invoices(date, boolean, integer, text, text) IS
'Bills everything that fell due up to due_by (a UTC day, today unless given): a period in arrears is due on the first day after it, one in advance on its first day. Syncs counts, rates, posts, and makes the draft of each account, currency and due day; with finalize also numbers and posts them. Commits after each batch_tenants tenants and tells the progress; run again, it goes on where it stopped, and two runs at once give each invoice once. Drafts are remade by each run until finalized; usage that comes after that is a correction on the next invoice. Only the tenants from first_tenant to last_tenant are billed when these are given (both included, in byte order): sessions with a part of the tenants each share the work. Not inside a transaction block. Errors: MB400 batch_tenants below 1 or first_tenant after last_tenant, MB416 at the end when tenants whose amounts are out of range were left out, MB417, MB425, MB426, MB427.';
