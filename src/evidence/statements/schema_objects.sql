-- What the schema's fingerprint is taken of: a line for each function, relation, column, constraint, rule, policy, trigger and child.
-- Under pinned settings, for expressions print by them.
WITH relation AS (
    SELECT c.* FROM pg_class c WHERE c.relnamespace = 'billing'::regnamespace AND c.relkind IN ('r', 'p', 'v') AND NOT c.relispartition
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
SELECT format('policy %s %s %s %s %s %s', c.relname, p.polname, p.polcmd, p.polpermissive, pg_get_expr(p.polqual, p.polrelid),
              pg_get_expr(p.polwithcheck, p.polrelid))
  FROM relation c JOIN pg_policy p ON p.polrelid = c.oid
UNION ALL
SELECT format('trigger %s %s %s', c.relname, t.tgenabled, CASE WHEN t.tgisinternal THEN 'of a foreign key' ELSE pg_get_triggerdef(t.oid) END)
  FROM relation c JOIN pg_trigger t ON t.tgrelid = c.oid
UNION ALL
SELECT format('child %s %s', i.inhparent::regclass, i.inhrelid::regclass)
  FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid JOIN relation p ON p.oid = i.inhparent
 WHERE NOT c.relispartition OR c.relnamespace <> p.relnamespace OR c.relkind <> 'r'
UNION ALL -- partitions come every month; only one that is not as all are counts
SELECT format('partition %s %s %s', c.relname, t.tgname, t.tgenabled)
  FROM pg_class c
  JOIN pg_inherits i ON i.inhrelid = c.oid
  JOIN pg_trigger p ON p.tgrelid = i.inhparent AND NOT p.tgisinternal
  LEFT JOIN pg_trigger t ON t.tgrelid = c.oid AND t.tgname = p.tgname
 WHERE c.relnamespace = 'billing'::regnamespace AND c.relispartition AND c.relkind = 'r' AND t.tgenabled IS DISTINCT FROM p.tgenabled
UNION ALL
SELECT format('partition %s %s %s', c.relname, r.rulename, c.relrowsecurity)
  FROM pg_class c LEFT JOIN pg_rewrite r ON r.ev_class = c.oid
 WHERE c.relnamespace = 'billing'::regnamespace AND c.relispartition AND c.relkind = 'r' AND (r.oid IS NOT NULL OR c.relrowsecurity)
