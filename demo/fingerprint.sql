-- Every table of billing: rows, and a hash over every column of every row.
SELECT format('SELECT %L, count(*), md5(string_agg(r.hash, '''' ORDER BY r.hash)) FROM (SELECT md5(t::text) AS hash FROM billing.%I t) AS r', relname, relname)
  FROM pg_class
 WHERE relnamespace = 'billing'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
 ORDER BY relname COLLATE "C" \gexec
