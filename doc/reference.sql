-- Prints the reference as Markdown from the comments in the catalogue. make doc writes it to doc/reference.md.
-- Internal functions, trigger functions and partitions are left out.
\set QUIET on
\pset format unaligned
\pset tuples_only on
SET search_path = pg_catalog;

SELECT E'# Reference\n\nMade from the comments in the database by `make doc`: `\\df+ billing.*` and `\\d+` say the same.\n\n## Functions and procedures\n';

SELECT format(E'### %s\n\n%s\n%s\n',
              p.proname,
              string_agg(format('`%s(%s)%s`', p.proname, pg_get_function_arguments(p.oid),
                                coalesce(' -> ' || pg_get_function_result(p.oid), '')), E'\\\n' ORDER BY p.oid),
              string_agg(format(E'\n%s%s', obj_description(p.oid, 'pg_proc'),
                                coalesce(format(E'\n\nMay be called by: %s.', (
                                    SELECT string_agg(a.grantee::regrole::text, ', ' ORDER BY a.grantee::regrole::text)
                                      FROM aclexplode(p.proacl) AS a WHERE a.grantee <> p.proowner)), '')), E'\n' ORDER BY p.oid))
  FROM pg_proc p
 WHERE p.pronamespace = 'billing'::regnamespace
   AND p.prorettype <> 'trigger'::regtype
   AND obj_description(p.oid, 'pg_proc') NOT LIKE 'Internal:%'
 GROUP BY p.proname
 ORDER BY p.proname COLLATE "C";

SELECT E'## Tables and views\n';

SELECT format(E'### %s\n\n%s\n\n%s', c.relname, obj_description(c.oid, 'pg_class'),
              coalesce(string_agg(format('- `%s` %s%s: %s', a.attname, format_type(a.atttypid, a.atttypmod),
                                CASE WHEN a.attnotnull OR c.relkind = 'v' THEN '' ELSE ', may be null' END,
                                col_description(c.oid, a.attnum)), E'\n' ORDER BY a.attnum) FILTER (WHERE col_description(c.oid, a.attnum) IS NOT NULL) || E'\n', ''))
  FROM pg_class c
  JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
 WHERE c.relnamespace = 'billing'::regnamespace AND c.relkind IN ('r', 'p', 'v') AND NOT c.relispartition
 GROUP BY c.oid, c.relname
 ORDER BY c.relname COLLATE "C";
