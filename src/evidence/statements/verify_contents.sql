-- What stands under hashes of the log and is not itself a leaf, recomputed: a row a problem. seal_no is NULL. $1 is the schema's fingerprint
-- as it is now.
SELECT NULL::bigint AS seal_no, v.problem
  FROM (SELECT format('invoice %s of tenant "%s" is not as it was finalized', e.invoice_id, e.tenant_id) AS problem
          FROM ONLY billing.invoice_events e
          LEFT JOIN (SELECT p.tenant_id, p.invoice_id, billing.merkle_agg(billing.leaf_hash(p.canon) ORDER BY p.line_no) AS document_hash
                       FROM (SELECT i.tenant_id, i.invoice_id, 0 AS line_no, @invoice_canon@ AS canon
                               FROM billing.invoices i
                               JOIN billing.currencies c USING (currency)
                              WHERE i.status <> 'draft'
                             UNION ALL
                             SELECT l.tenant_id, l.invoice_id, l.line_no, @line_canon@
                               FROM billing.invoice_lines l
                               JOIN billing.invoices i USING (invoice_date, tenant_id, invoice_id)
                              WHERE i.status <> 'draft') AS p
                      GROUP BY p.tenant_id, p.invoice_id) AS d ON d.tenant_id = e.tenant_id AND d.invoice_id = e.invoice_id
         WHERE e.document_hash IS NOT NULL AND d.document_hash IS DISTINCT FROM e.document_hash
        UNION ALL
        SELECT format('invoice %s of tenant "%s" is %s, and no event finalized it', i.invoice_id, i.tenant_id, i.status)
          FROM billing.invoices i
         WHERE i.status <> 'draft'
           AND NOT EXISTS (SELECT FROM ONLY billing.invoice_events e
                            WHERE e.tenant_id = i.tenant_id AND e.invoice_id = i.invoice_id AND e.document_hash IS NOT NULL)
        UNION ALL
        SELECT format('terms of version %s of plan "%s" are not as they were published', v.version, v.plan_id)
          FROM ONLY billing.plan_versions v
         WHERE v.status <> 'draft' AND billing.json_hash(billing.plan_document(v.plan_id, v.version)) IS DISTINCT FROM v.plan_hash
        UNION ALL
        SELECT format('tables or functions are not as recorded at %s', to_char(f.recorded_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS'))
          FROM (SELECT * FROM ONLY billing.schema_fingerprints ORDER BY fingerprint_no DESC LIMIT 1) AS f
         WHERE f.fingerprint <> $1
        UNION ALL
        SELECT 'no fingerprint of tables and functions is recorded' WHERE NOT EXISTS (SELECT FROM ONLY billing.schema_fingerprints)
        UNION ALL
        -- A month is gone by a retention action, and none else: below the first that was not dropped each has one, and none is there.
        SELECT CASE WHEN a.month IS NULL OR t.dropped_before > a.month + interval '1 month' THEN format('table "%s" is closed before %s, and no retention action says so', t.table_name, to_char(t.dropped_before, 'YYYY-MM'))
                    ELSE format('retention dropped month %s of table "%s", which is not closed', to_char(a.month, 'YYYY-MM'), a.table_name) END
          FROM (SELECT * FROM ONLY billing.partitioned_tables WHERE dropped_before IS NOT NULL) AS t
          FULL JOIN (SELECT table_name, max(month) AS month FROM ONLY billing.retention_actions GROUP BY table_name) AS a USING (table_name)
         WHERE t.dropped_before IS DISTINCT FROM (a.month + interval '1 month')::date
        UNION ALL
        SELECT format('partition %s is there, and retention dropped its month', c.relname)
          FROM pg_class c
          JOIN pg_inherits i ON i.inhrelid = c.oid
          JOIN ONLY billing.partitioned_tables t ON i.inhparent = to_regclass(format('billing.%I', t.table_name))
         WHERE c.relname < billing.partition_name(t.table_name, t.dropped_before)
        UNION ALL
        SELECT format('what was kept of the usage of %s is not as retention recorded it', to_char(coalesce(a.month, p.month), 'YYYY-MM'))
          FROM (SELECT month, digest FROM ONLY billing.retention_actions WHERE action = 'compact and drop') AS a
          FULL JOIN (SELECT u.month, billing.merkle_agg(billing.leaf_hash(@usage_part_canon@) ORDER BY u.tenant_id, u.window_no) AS digest
                       FROM ONLY billing.usage_window_parts u GROUP BY u.month) AS p ON p.month = a.month
         WHERE coalesce(a.digest, sha256('')) IS DISTINCT FROM coalesce(p.digest, sha256('')) OR (p.month IS NOT NULL AND a.month IS NULL)
        UNION ALL
        SELECT format('usage of tenant %s, window %s: %s', quote_nullable(r.tenant_id), r.window_no, r.problem)
          FROM billing.replay_count_sync(NULL) AS r) AS v
