-- What the schema's fingerprint is taken of: a line for each function, relation, column, constraint, rule, policy, trigger and child.
-- Under pinned settings, for expressions print by them.
--
-- Partitions come every month, so that only what differs between one and its parent is a line. Names of relations are taken out of
-- what is compared: a partition's guard names the partition. Triggers of foreign keys are not the same on both.
WITH relation AS (
    SELECT c.* FROM pg_class c WHERE c.relnamespace = 'billing'::regnamespace AND c.relkind IN ('r', 'p', 'v') AND NOT c.relispartition
), policy AS (
    SELECT p.polrelid AS relid,
           format('%s %s %s %s %s %s', p.polname, p.polcmd, p.polpermissive, pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid),
                  ARRAY(SELECT r::regrole::text COLLATE "C" FROM unnest(p.polroles) AS r ORDER BY 1)) AS line
      FROM pg_policy p
), trait AS MATERIALIZED ( -- once, and not for each partition
    SELECT t.tgrelid AS relid, format('trigger %s %s', t.tgenabled, pg_get_triggerdef(t.oid)) AS line
      FROM pg_trigger t
      JOIN pg_proc f ON f.oid = t.tgfoid
      JOIN pg_class c ON c.oid = t.tgrelid AND c.relnamespace = 'billing'::regnamespace
     WHERE NOT (t.tgisinternal AND t.tgenabled = 'O' AND f.pronamespace = 'pg_catalog'::regnamespace AND f.proname ^@ 'RI_FKey_')
    UNION ALL
    SELECT p.relid, format('policy %s', p.line) FROM policy p
    UNION ALL
    SELECT c.oid, format('rule %s', pg_get_ruledef(r.oid)) FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class WHERE c.relnamespace = 'billing'::regnamespace
    UNION ALL
    SELECT c.oid, format('row security %s %s', c.relrowsecurity, c.relforcerowsecurity) FROM pg_class c WHERE c.relnamespace = 'billing'::regnamespace
), partition AS (
    SELECT c.oid AS relid, c.relname, p.oid AS parent, p.relname AS parent_name
      FROM pg_class c
      JOIN pg_inherits i ON i.inhrelid = c.oid
      JOIN pg_class p ON p.oid = i.inhparent
     WHERE c.relnamespace = 'billing'::regnamespace AND c.relispartition AND c.relkind = 'r'
), compared AS (
    SELECT p.relname, m.is_own,
           replace(replace(replace(t.line, format(' ON billing.%I ', m.name), ' ON '), quote_literal(m.name), ''), quote_literal(p.parent_name), '') AS line
      FROM partition p
     CROSS JOIN LATERAL (VALUES (p.relid, p.relname, true), (p.parent, p.parent_name, false)) AS m (relid, name, is_own)
      JOIN trait t ON t.relid = m.relid
)
SELECT format('function %s %s %s', p.oid::regprocedure, p.proowner::regrole, CASE WHEN p.prokind <> 'a' THEN pg_get_functiondef(p.oid) END)
  FROM pg_proc p WHERE p.pronamespace = 'billing'::regnamespace
UNION ALL
SELECT format('relation %s %s %s %s %s', c.relname, c.relkind, c.relowner::regrole, c.relrowsecurity, c.relforcerowsecurity) FROM relation c
UNION ALL
SELECT format('column %s %s %s %s %s %s %s', c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attcollation,
              a.attgenerated, pg_get_expr(d.adbin, d.adrelid))
  FROM relation c
  JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
  LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
UNION ALL
SELECT format('constraint %s %s %s', c.relname, k.conname, pg_get_constraintdef(k.oid)) FROM relation c JOIN pg_constraint k ON k.conrelid = c.oid
UNION ALL
SELECT format('rule %s %s', c.relname, pg_get_ruledef(r.oid)) FROM relation c JOIN pg_rewrite r ON r.ev_class = c.oid
UNION ALL
SELECT format('policy %s %s', c.relname, p.line) FROM relation c JOIN policy p ON p.relid = c.oid
UNION ALL
SELECT format('trigger %s %s %s', c.relname, t.tgenabled, CASE WHEN t.tgisinternal THEN 'of a foreign key' ELSE pg_get_triggerdef(t.oid) END)
  FROM relation c JOIN pg_trigger t ON t.tgrelid = c.oid
UNION ALL
SELECT format('child %s %s', i.inhparent::regclass, i.inhrelid::regclass)
  FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid JOIN relation p ON p.oid = i.inhparent
 WHERE NOT c.relispartition OR c.relnamespace <> p.relnamespace OR c.relkind <> 'r'
UNION ALL
SELECT format('partition %s differs: %s', d.relname, d.line)
  FROM (SELECT c.relname, c.line FROM compared c GROUP BY c.relname, c.line HAVING count(*) FILTER (WHERE c.is_own) <> count(*) FILTER (WHERE NOT c.is_own)) AS d
UNION ALL -- without its flag no trigger of a table fires, whatever it says of itself
SELECT format('triggers of %s do not fire', c.relname)
  FROM pg_class c
 WHERE c.relnamespace = 'billing'::regnamespace AND NOT c.relhastriggers AND EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid)
